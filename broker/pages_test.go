package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage"
	"xively/storage/storagetest"
)

// What waits for clients that are away leaves memory with the next checkpoint, is stored once however many wait for it, counts for the queue's
// limit, and comes back with the client in its order; what was sent before, first and with DUP. Then nothing is left of it.
func TestQueueLeavesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, limit = 10, 50
		dir := t.TempDir()
		db := openStore(t, dir, 100)
		b := bt.On(t, db, broker.Config{QueueMessages: limit, MaxInflight: 2})
		pub, _ := b.Connect("pub")
		name := func(i int) string { return fmt.Sprint("sub", i) }
		for i := range clients {
			c, _ := b.Connect(name(i), bt.Persistent)
			c.Subscribe("a", 1)
			if i == 0 {
				publishAcked(t, pub, "a", "0")
				c.Expect(bt.Publish("a", "0", 1, 1)...)
			}
			_ = c.Conn.Close()
			synctest.Wait()
		}
		for n := 1; n < limit+5; n++ { // the last ones find full queues
			publishAcked(t, pub, "a", fmt.Sprint(n))
			synctest.Wait()
			if memory, all := b.InMemory("test", name(3)); memory > 3 || all != min(n, limit) { // there is no checkpoint after each
				t.Fatalf("%d of %d messages are in memory", memory, all)
			}
		}
		if n := entries(t, db, "broker.messages"); n > limit+1 || n < limit-3 {
			t.Errorf("%d messages are stored", n)
		}
		for i := range clients {
			c, _ := b.Connect(name(i), bt.Persistent)
			first := 1
			if i == 0 {
				c.Expect(bt.Dup(bt.Publish("a", "0", 1, 1))...)
				c.Ack(packet.PUBACK, 1)
				first = 2 // identifiers
			}
			for n := range limit {
				c.Expect(bt.Publish("a", fmt.Sprint(n+1), 1, uint16(n+first))...)
				c.Ack(packet.PUBACK, uint16(n+first))
			}
			c.Disconnect()
		}
		for range 5 { // checkpoints
			publishAcked(t, pub, "a", "x")
			synctest.Wait()
		}
		for i := range clients {
			c, _ := b.Connect(name(i))
			c.Disconnect()
		}
		for range 5 {
			c, _ := b.Connect("other", bt.Persistent)
			c.Disconnect()
			synctest.Wait()
		}
		for _, bucket := range []string{"broker.pages", "broker.messages", "broker.refs", "broker.bundles"} {
			if n := entries(t, db, bucket); n != 0 {
				t.Errorf("%d entries are left in %s", n, bucket)
			}
		}
	})
}

// What waits for one session alone is kept in bundles, unless it is large, and is the same after all that can happen to it: the client comes
// and takes some, checkpoints write the rest again, it leaves without a word, the server restarts.
func TestQueueInBundles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		db := openStore(t, dir, 100)
		b := bt.On(t, db, broker.Config{MaxInflight: 2})
		c, _ := b.Connect("sub", bt.Persistent)
		c.Subscribe("own/#", 2)
		_ = c.Conn.Close()
		pub, _ := b.Connect("pub")
		topic := func(n int) string { return fmt.Sprint("own/", n/3) }
		payload := func(n int) string {
			if n == 5 {
				return fmt.Sprintf("%0600d", n)
			}
			return fmt.Sprint(n)
		}
		checkpoints := func() {
			for range 5 {
				other, _ := b.Connect("other", bt.Persistent)
				other.Disconnect()
				synctest.Wait()
			}
		}
		const messages = 10
		for n := 1; n <= messages; n++ {
			publishAcked(t, pub, topic(n), payload(n))
		}
		checkpoints()
		if memory, all := b.InMemory("test", "sub"); memory != 0 || all != messages {
			t.Errorf("%d of %d messages are in memory", memory, all)
		}
		if n := entries(t, db, "broker.messages"); n != 1 {
			t.Errorf("%d messages are not in bundles, want the large one", n)
		}
		c, _ = b.Connect("sub", bt.Persistent)
		c.Expect(bt.Publish(topic(1), payload(1), 1, 1)...)
		c.Expect(bt.Publish(topic(2), payload(2), 1, 2)...)
		c.Ack(packet.PUBACK, 1)
		c.Expect(bt.Publish(topic(3), payload(3), 1, 3)...)
		checkpoints() // with the client there
		_ = c.Conn.Close()
		checkpoints() // and gone
		b.Stop()
		db = storagetest.Reopen(t, db, dir)
		b = bt.On(t, db, broker.Config{MaxInflight: 2})
		c, _ = b.Connect("sub", bt.Persistent)
		for n := 2; n <= messages; n++ {
			p := bt.Publish(topic(n), payload(n), 1, uint16(n))
			if n <= 3 {
				p = bt.Dup(p)
			}
			c.Expect(p...)
			if n > 2 {
				c.Ack(packet.PUBACK, uint16(n-1))
			}
		}
		c.Ack(packet.PUBACK, messages)
		c.Disconnect()
		b.Stop()
		db = storagetest.Reopen(t, db, dir)
		for _, bucket := range []string{"broker.pages", "broker.messages", "broker.refs", "broker.bundles"} {
			if n := entries(t, db, bucket); n != 0 {
				t.Errorf("%d entries are left in %s", n, bucket)
			}
		}
	})
}

// entries counts what is in a bucket.
func entries(t *testing.T, db *storage.DB, bucket string) (n int) {
	t.Helper()
	if err := db.View(func(tx *storage.Tx) error {
		for range tx.Bucket(bucket).Prefix(nil) {
			n++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}
