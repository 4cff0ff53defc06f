package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage"
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
		count := func(bucket string) (n int) {
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
		if n := count("broker.messages"); n > limit+1 || n < limit-3 {
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
		for _, bucket := range []string{"broker.pages", "broker.messages", "broker.refs"} {
			if n := count(bucket); n != 0 {
				t.Errorf("%d entries are left in %s", n, bucket)
			}
		}
	})
}
