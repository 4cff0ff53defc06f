package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage"
	"xively/storage/storagetest"
)

// D05, D06: a full store takes no message that has to be on disk and acknowledges none; all else goes on. When there is room again, what was
// not acknowledged is sent again by its client and taken, in order.
func TestFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := storagetest.Config(t.TempDir())
		cfg.MaxBytes = 2 << 20
		db, err := storage.Open(cfg, storagetest.Log(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { storagetest.Check(t, db, cfg.Dir) })
		b := bt.On(t, db, broker.Config{})
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("kept", 1)
		live, _ := b.Connect("live")
		live.Subscribe("#", 1)
		pub, _ := b.Connect("pub", bt.Persistent)

		// Somebody fills it.
		fat := strings.Repeat("x", 10<<10)
		n := 0
		for ; db.Full() == nil; n++ {
			if err := db.Update(func(tx *storage.Tx) error {
				tx.Bucket("fat").Put(fmt.Append(nil, n), []byte(fat))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		pub.Publish("kept", "one", 1, 1)
		pub.Send(bt.Retained("set", "value", 1, 2)...)
		pub.Publish("live", "not acknowledged, too, for it came later", 1, 3)
		pub.Publish("live", "passes", 0, 0)
		live.Expect(bt.Publish("live", "passes", 0, 0)...)
		pub.Ping() // no PUBACK before it
		sub.ExpectNothing(quiet)
		other, _ := b.Connect("other")
		other.Publish("live", "nobody keeps it", 1, 1)
		other.ExpectAck(packet.PUBACK, 1)
		live.Expect(bt.Publish("live", "nobody keeps it", 1, 1)...)
		live.Ack(packet.PUBACK, 1)
		if told(b, "refused pub publish") != 1 || stats(b).RefusedFull != 3 {
			t.Errorf("told %q, counted %d", b.Events.Lines(), stats(b).RefusedFull)
		}

		// And makes room again.
		if err := db.Update(func(tx *storage.Tx) error {
			for i := range n {
				tx.Bucket("fat").Delete(fmt.Append(nil, i))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(quiet)
		pub.ExpectClosed()
		if other.Closed() || live.Closed() {
			t.Error("a client is cut off that lost nothing")
		}
		pub, _ = b.Connect("pub", bt.Persistent)
		pub.Send(bt.Dup(bt.Publish("kept", "one", 1, 1))...)
		pub.ExpectAck(packet.PUBACK, 1)
		sub.Expect(bt.Publish("kept", "one", 1, 1)...)
	})
}
