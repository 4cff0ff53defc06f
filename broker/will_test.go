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
	"xively/internal/auth"
	"xively/storage"
)

// M19 [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.14.4-3]: published once when the connection ends by anything but DISCONNECT.
func TestWhenTheWillIsPublished(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(t *testing.T, b *bt.Broker, c *bt.Client)
		want bool
	}{
		{"DISCONNECT", func(_ *testing.T, _ *bt.Broker, c *bt.Client) { c.Send(0xe0, 0) }, false},
		{"DISCONNECT, then rubbish", func(_ *testing.T, _ *bt.Broker, c *bt.Client) { c.Send(0xe0, 0, 0xff, 0xff) }, false},
		{"DISCONNECT with wrong flags", func(_ *testing.T, _ *bt.Broker, c *bt.Client) { c.Send(0xe1, 0) }, true},
		{"cut", func(_ *testing.T, _ *bt.Broker, c *bt.Client) { _ = c.Conn.Close() }, true},
		{"cut inside a packet", func(_ *testing.T, _ *bt.Broker, c *bt.Client) { c.Send(0x30, 9, 0); _ = c.Conn.Close() }, true},
		{"keep alive", func(_ *testing.T, _ *bt.Broker, _ *bt.Client) { time.Sleep(18 * time.Second) }, true},
		{"protocol error", func(_ *testing.T, _ *bt.Broker, c *bt.Client) { c.Send(0x36, 0) }, true},
		{"second CONNECT", func(_ *testing.T, _ *bt.Broker, c *bt.Client) { c.Send(bt.ConnectPacket("c")...) }, true},
		{"takeover", func(_ *testing.T, b *bt.Broker, _ *bt.Client) { b.Connect("c") }, true},
		{"by an admin", func(_ *testing.T, b *bt.Broker, _ *bt.Client) {
			b.Disconnect(func(p auth.Principal) bool { return p.ID == "c" }, "disabled")
		}, true},
	} {
		for qos := range byte(3) {
			t.Run(tc.name, func(t *testing.T) {
				inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
					sub, _ := b.Connect("sub")
					sub.Subscribe("will/#", 2)
					c, _ := b.Connect("c", bt.KeepAlive(10), bt.Will("will/c", "gone", qos, false))
					sub.ExpectNothing(quiet)
					tc.end(t, b, c)
					if tc.want {
						sub.Expect(bt.Publish("will/c", "gone", qos, uint16(min(qos, 1)))...)
					}
					sub.ExpectNothing(quiet)
					if n := stats(b).Retained; n != 0 { // [MQTT-3.1.2-16]
						t.Errorf("%d messages were retained", n)
					}
				})
			})
		}
	}
}

// An orderly stop of the server is an end without DISCONNECT: the wills reach persistent subscribers after the restart, and are retained.
func TestWillsWhenTheServerStops(t *testing.T) {
	inBubbleOn(t, broker.Config{}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("will/#", 1)
		sub.Disconnect()
		b.Connect("c", bt.Will("will/c", "gone", 1, true))
		b = restart()
		sub, _ = b.Connect("sub", bt.Persistent)
		sub.Expect(bt.Publish("will/c", "gone", 1, 1)...)
		late, _ := b.Connect("late")
		late.Subscribe("#", 1)
		late.Expect(bt.Retained("will/c", "gone", 1, 1)...)
	})
}

// [MQTT-3.1.2-17], and an empty retained will removes what was retained.
func TestRetainedWill(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.Will("will/c", "gone", 1, true))
		_ = c.Conn.Close()
		if n := stats(b).Retained; n != 1 {
			t.Fatalf("%d messages are retained, want the will", n)
		}
		c, _ = b.Connect("c", bt.Will("will/c", "", 1, true))
		_ = c.Conn.Close()
		if n := stats(b).Retained; n != 0 {
			t.Errorf("%d messages are retained, want none", n)
		}
	})
}

// [MQTT-3.1.2-12]: no will, nothing published; and a will does not outlive its connection into the next.
func TestNoWill(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 0)
		c, _ := b.Connect("c", bt.Persistent, bt.Will("will/c", "gone", 0, false))
		c.Disconnect()
		c, _ = b.Connect("c", bt.Persistent)
		_ = c.Conn.Close()
		sub.ExpectNothing(quiet)
	})
}

// slowWill is a Tap that takes its time over a will.
type slowWill struct{ goOn chan struct{} }

func (w *slowWill) Sink(_, topic string) func(auth.Principal, string, []byte, *storage.Batch) {
	return func(_ auth.Principal, _ string, payload []byte, _ *storage.Batch) {
		if string(payload) == "offline" {
			<-w.goOn
		}
	}
}

// A device that comes back says "online" after its old will said "offline": it is let in only when that is done.
func TestWillBeforeTheNextConnection(t *testing.T) {
	for _, opts := range [][]bt.Option{nil, {bt.Persistent}} {
		tap := &slowWill{}
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			tap.goOn = make(chan struct{})
			c, _ := b.Connect("c", append(opts, bt.Will("state/c", "offline", 1, true))...)
			_ = c.Conn.Close()
			synctest.Wait() // the will is on its way
			next := b.Dial()
			next.Send(bt.ConnectPacket("c", opts...)...)
			next.ExpectNothing(quiet)
			close(tap.goOn)
			if p := next.Next(); len(p) != 4 || p[0] != 0x20 {
				t.Fatalf("got % x, want CONNACK", p)
			}
			retain(t, next, "state/c", "online", 1)
			sub, _ := b.Connect("sub")
			sub.Subscribe("state/c", 0)
			sub.Expect(bt.Retained("state/c", "online", 0, 0)...)
			sub.ExpectNothing(quiet)
			if l := b.Events.Lines(); len(l) < 3 || l[1][:12] != "disconnected" {
				t.Errorf("the end of the old connection was told after the new one's beginning: %q", l)
			}
		}, tap)
	}
}

// A04: a will outside the grant refuses CONNECT; a grant taken away later silences the will.
func TestWillIsJudgedTwice(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		b.Rules.Deny("secret/#", "publish")
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 0)
		c := b.Dial()
		c.Send(bt.ConnectPacket("c", bt.Will("secret/c", "x", 0, false))...)
		c.Expect(0x20, 2, 0, 5)
		c.ExpectClosed()
		c, _ = b.Connect("c", bt.Will("will/c", "x", 1, true))
		b.Rules.Deny("will/#", "publish")
		_ = c.Conn.Close()
		sub.ExpectNothing(quiet)
		if told(b, "refused c will will/c: ") != 1 || stats(b).Retained != 0 {
			t.Error("the will was not refused, or nobody was told")
		}
	})
}

// P13: a bug met by the will ends nothing else, and the session is free for the next connection.
func TestPanicInTheWill(t *testing.T) {
	withRecorder(t, func(t *testing.T, b *bt.Broker, _ *recorder) {
		c, _ := b.Connect("c", bt.Persistent, bt.Will("last/panic", "x", 1, true))
		_ = c.Conn.Close()
		c, present := b.Connect("c", bt.Persistent)
		if !present {
			t.Error("the session was lost")
		}
		c.Publish("a", "x", 1, 1)
		c.ExpectAck(packet.PUBACK, 1)
	})
}

// R09: many clients with large wills are cut off in the same moment. Each will is published once, and who listens gets all of them.
func TestWillFlood(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		const clients = 200
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("will/#", 1)
		payload := strings.Repeat("x", 32<<10)
		var dying []*bt.Client
		for i := range clients {
			c, _ := b.Connect(fmt.Sprint("c", i), bt.Will(fmt.Sprint("will/", i), payload, 1, false))
			dying = append(dying, c)
		}
		for _, c := range dying {
			_ = c.Conn.Close()
		}
		seen := map[string]int{}
		for range clients {
			var p packet.Publish
			if err := p.Decode(sub.Next()); err != nil {
				t.Fatal(err)
			}
			seen[string(p.Topic)]++
			sub.Ack(packet.PUBACK, p.PacketID)
		}
		sub.ExpectNothing(quiet)
		if len(seen) != clients {
			t.Errorf("wills of %d clients came, of %d", len(seen), clients)
		}
	})
}
