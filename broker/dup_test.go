package broker_test

import (
	"testing"
	"testing/synctest"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/storage"
	"xively/storage/storagetest"
)

// onDisk runs fn with a broker on a simulated disk; powerCut loses what was not synced and starts it again.
func onDisk(t *testing.T, cfg broker.Config, fn func(t *testing.T, b *bt.Broker, disk *storagetest.Disk, powerCut func() *bt.Broker)) {
	synctest.Test(t, func(t *testing.T) {
		dir, disk := t.TempDir(), &storagetest.Disk{}
		open := func() *bt.Broker {
			db, err := storage.Open(disk.Config(dir), storagetest.Log(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return bt.On(t, db, cfg)
		}
		b := open()
		defer disk.Hold(false) // a test that fails must not leave the server waiting
		fn(t, b, disk, func() *bt.Broker {
			if err := disk.PowerOff(); err != nil {
				t.Fatal(err)
			}
			b.Stop()
			_ = b.DB.Close()
			disk.Hold(false)
			if err := disk.PowerOn(nil); err != nil {
				t.Fatal(err)
			}
			b = open()
			return b
		})
	})
}

// [MQTT-3.3.1-1]: a client that comes back is known to be there before it gets anything, so that a server killed right after that sets DUP on
// what it had sent. Found by the simulation.
func TestDupWhenKilledRightAfterResume(t *testing.T) {
	onDisk(t, broker.Config{}, func(t *testing.T, b *bt.Broker, disk *storagetest.Disk, powerCut func() *bt.Broker) {
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("a", 1)
		sub.Disconnect()
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "a", "m")

		disk.Hold(true)
		sub = b.Dial()
		sub.Send(bt.ConnectPacket("sub", bt.Persistent)...)
		sub.ExpectNothing(quiet)
		disk.Hold(false)
		sub.Expect(0x20, 2, 1, 0)
		disk.Hold(true)
		sub.Expect(bt.Publish("a", "m", 1, 1)...)

		sub, _ = powerCut().Connect("sub", bt.Persistent)
		sub.Expect(bt.Dup(bt.Publish("a", "m", 1, 1))...)
	})
}

// [MQTT-3.3.1-1]: acknowledgements move the window on before they are on disk. When they are lost with the power, what was sent behind the
// window they are judged by after it has DUP set, too, also when the power goes again. Found by the simulation.
func TestDupBehindTheWindow(t *testing.T) {
	onDisk(t, broker.Config{MaxInflight: 1}, func(t *testing.T, b *bt.Broker, disk *storagetest.Disk, powerCut func() *bt.Broker) {
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("a", 1)
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "a", "m1")
		publishAcked(t, pub, "a", "m2")
		sub.Expect(bt.Publish("a", "m1", 1, 1)...)
		disk.Hold(true)
		sub.Send(0x40, 2, 0, 1)
		sub.Expect(bt.Publish("a", "m2", 1, 2)...)
		for range 2 {
			b = powerCut()
			sub, _ = b.Connect("sub", bt.Persistent)
			sub.Expect(bt.Dup(bt.Publish("a", "m1", 1, 1))...)
			sub.Disconnect()
			synctest.Wait()
		}
		sub, _ = powerCut().Connect("sub", bt.Persistent)
		sub.Expect(bt.Dup(bt.Publish("a", "m1", 1, 1))...)
		sub.Send(0x40, 2, 0, 1)
		sub.Expect(bt.Dup(bt.Publish("a", "m2", 1, 2))...)
	})
}
