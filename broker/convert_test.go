package broker_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

// A folder from before there were pages: what waits in it is delivered, in flight first, and nothing is left behind then.
func TestOldQueuesAreConverted(t *testing.T) {
	key := func(ns ...uint64) (k []byte) {
		for _, n := range ns {
			k = binary.BigEndian.AppendUint64(k, n)
		}
		return k
	}
	text := func(b []byte, s string) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	j := db.Journal()
	for range 20 { // LSNs that exist
		b := j.Begin()
		b.Add('x', []byte("x"))
		b.Append()
		b.End()
	}
	err := db.Update(func(tx *storage.Tx) error {
		for id := uint64(1); id <= 2; id++ {
			name := fmt.Sprint("s", id)
			v := append(text([]byte{1, 0}, "test"), byte(auth.Device))
			v = text(text(text(v, name), ""), name)
			v = append(v, 3, 1) // last id, one filter
			v = append(text(v, "a"), 2, 0)
			tx.Bucket("broker.sessions").Put(key(id), v)
			tx.Bucket("broker.queue").Put(key(id, 11), []byte{0, 1, 2, 3}) // released
			tx.Bucket("broker.queue").Put(key(id, 12), []byte{0, 2, 1, 1}) // sent
			tx.Bucket("broker.queue").Put(key(id, 13), []byte{0, 3, 1, 0})
		}
		for lsn := uint64(10); lsn <= 13; lsn++ { // nobody refers to 10
			tx.Bucket("broker.messages").Put(key(lsn), append(text([]byte{2}, "a"), fmt.Sprint("m", lsn)...))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b := bt.On(t, db, broker.Config{})
	for restart := range 2 {
		c, present := b.Connect(fmt.Sprint("s", restart+1), bt.Persistent)
		if !present {
			t.Fatal("the session is not there")
		}
		c.ExpectAck(packet.PUBREL, 1)
		c.Expect(bt.Dup(bt.Publish("a", "m12", 1, 2))...)
		c.Expect(bt.Publish("a", "m13", 1, 3)...)
		c.Ack(packet.PUBCOMP, 1)
		c.Ack(packet.PUBACK, 2)
		c.Ack(packet.PUBACK, 3)
		c.Ping()
		b.Stop()
		db = storagetest.Reopen(t, db, dir)
		b = bt.On(t, db, broker.Config{})
	}
	for id := range 2 {
		c, _ := b.Connect(fmt.Sprint("s", id+1)) // clean: the session ends
		c.Ping()
	}
	b.Stop()
	db = storagetest.Reopen(t, db, dir)
	if err := db.View(func(tx *storage.Tx) error {
		for _, name := range append([]string{"broker.queue"}, broker.BucketNames...) {
			for k, v := range tx.Bucket(name).Prefix(nil) {
				t.Errorf("left in %s: %x = %x", name, k, v)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
