package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
)

// [MQTT-3.1.2-24]: closed after one and a half times the keep alive, never before, and within two seconds after. R18, R19.
func TestKeepAlive(t *testing.T) {
	for _, tc := range []struct {
		name      string
		keepAlive uint16
		max       time.Duration // broker.max_keep_alive
		want      time.Duration
	}{
		{"one second", 1, 0, 1500 * time.Millisecond},
		{"a minute", 60, 0, 90 * time.Second},
		{"an hour", 3600, 0, 5400 * time.Second},
		{"turned off: the server's own limit", 0, 20 * time.Minute, 20 * time.Minute},
		{"longest: the server's own limit", 65535, 20 * time.Minute, 20 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, broker.Config{MaxKeepAlive: tc.max}, func(t *testing.T, b *bt.Broker) {
				watch, _ := b.Connect("watch", bt.KeepAlive(65535))
				watch.Subscribe("will/#", 0)
				c, _ := b.Connect("c", bt.KeepAlive(tc.keepAlive), bt.Will("will/c", "gone", 0, false))
				start := time.Now()
				for !c.Closed() && time.Since(start) < 2*tc.want {
					if time.Since(start)%time.Minute == 0 {
						watch.Ping()
					}
					time.Sleep(500 * time.Millisecond)
				}
				took := time.Since(start)
				synctest.Wait()
				if took < tc.want || took > tc.want+3*time.Second {
					t.Errorf("closed after %v of silence, want %v to 3s more", took, tc.want)
				}
				if told(b, "disconnected c: ") != 1 {
					t.Errorf("wanted one Disconnected event with the reason")
				}
				watch.Expect(bt.Publish("will/c", "gone", 0, 0)...)
				watch.ExpectNothing(quiet)
			})
		})
	}
}

// Any packet counts, not only PINGREQ.
func TestKeepAliveIsFedByAnyPacket(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.KeepAlive(10))
		for range 20 {
			time.Sleep(14 * time.Second)
			c.Publish("a", "x", 0, 0)
		}
		c.Ping()
	})
}

// What the server sends does not count: only what it receives.
func TestKeepAliveIsNotFedByDeliveries(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.KeepAlive(10))
		c.Subscribe("a", 0)
		pub, _ := b.Connect("pub")
		for range 10 {
			time.Sleep(2 * time.Second)
			pub.Publish("a", "x", 0, 0)
		}
		if !c.Closed() {
			t.Error("a client that sent nothing for 20s at keep alive 10 is still connected")
		}
	})
}

// [MQTT-3.12.4-1]
func TestPing(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c")
		c.Send(0xc0, 0, 0xc0, 0, 0xc0, 0)
		c.Expect(0xd0, 0, 0xd0, 0, 0xd0, 0)
		c.Send(0xc0, 1, 0)
		c.ExpectClosed()
	})
}

// A packet has PacketTimeout to become whole, however steadily its bytes drip. R02.
func TestDripFedPacket(t *testing.T) {
	inBubble(t, broker.Config{PacketTimeout: 30 * time.Second}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.KeepAlive(20))
		start := time.Now()
		for _, x := range bt.Publish("a", string(make([]byte, 200)), 0, 0) {
			if c.Closed() {
				break
			}
			c.Send(x)
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took < 30*time.Second || took > 33*time.Second {
			t.Errorf("closed after %v, want 30s to 33s", took)
		}
		if told(b, "disconnected c: a packet stayed incomplete for too long") == 0 {
			t.Error("the reason was not told")
		}
	})
}

// The time is each packet's own: a stream of packets of which every read ends in the middle of one goes on for ever.
func TestEveryReadEndsInsideAPacket(t *testing.T) {
	inBubble(t, broker.Config{PacketTimeout: 30 * time.Second}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.KeepAlive(60))
		sub, _ := b.Connect("sub", bt.KeepAlive(0))
		sub.Subscribe("a", 0)
		p := bt.Publish("a", "payload", 0, 0)
		half := len(p) / 2
		c.Send(p[:half]...)
		for range 100 {
			time.Sleep(time.Second)
			c.Send(append(p[half:], p[:half]...)...)
			sub.Expect(p...)
		}
		c.Send(p[half:]...)
		c.Ping()
	})
}
