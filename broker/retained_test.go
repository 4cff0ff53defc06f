package broker_test

import (
	"fmt"
	"net"
	"testing"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-8]: kept with its QoS, given to each new subscription at the lower of the two, RETAIN set, DUP
// not. To clean and persistent sessions. M20.
func TestRetainedQoS(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			var opts []bt.Option
			if persistent {
				opts = append(opts, bt.Persistent)
			}
			pub, _ := b.Connect("pub")
			for qos := range byte(3) {
				retain(t, pub, fmt.Sprint("a/", qos), "kept", qos)
			}
			for granted := range byte(3) {
				c, _ := b.Connect(fmt.Sprint("c", granted), opts...)
				c.Send(bt.Subscribe(1, "a/#", granted)...)
				want := [][]byte{{0x90, 3, 0, 1, granted}}
				id := uint16(0)
				for qos := range byte(3) {
					if min(qos, granted) > 0 {
						id++
					}
					want = append(want, bt.Retained(fmt.Sprint("a/", qos), "kept", min(qos, granted), id))
				}
				takeInAnyOrder(t, c, want...)
				c.ExpectNothing(quiet)
			}
		})
	}
}

// The life of one retained message [MQTT-3.3.1-5] [MQTT-3.3.1-7] [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.3.1-12].
func TestRetainedLife(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		pub, _ := b.Connect("pub")
		old, _ := b.Connect("old")
		old.Subscribe("a", 0)
		sees := func(want string) {
			t.Helper()
			c, _ := b.Connect("new")
			c.Subscribe("a", 1)
			if want != "" {
				if p := c.Next(); len(p) == 0 || string(p[len(p)-len(want):]) != want || p[0]&1 == 0 {
					t.Errorf("a new subscriber got % x, want retained %q", p, want)
				}
			}
			c.ExpectNothing(quiet)
		}
		retain(t, pub, "a", "one", 1)
		sees("one")
		publishAcked(t, pub, "a", "not retained") // [MQTT-3.3.1-12]
		sees("one")
		publishAcked(t, pub, "a", "") // empty without RETAIN removes nothing
		sees("one")
		retain(t, pub, "a", "two", 0) // [MQTT-3.3.1-7]
		sees("two")
		retain(t, pub, "a", "three", 2)
		sees("three")
		retain(t, pub, "a", "", 1) // [MQTT-3.3.1-10]
		sees("")
		if n := stats(b).Retained; n != 0 { // [MQTT-3.3.1-11]
			t.Errorf("%d retained messages are left", n)
		}
		retain(t, pub, "a", "", 0) // once more: nothing to remove
		sees("")
		retain(t, pub, "a", "four", 1)
		sees("four")
		for _, s := range []string{"one", "not retained", "", "two", "three", "", "", "four"} { // as live messages, flag not set
			old.Expect(bt.Publish("a", s, 0, 0)...)
		}
		old.ExpectNothing(quiet)
	})
}

// The same after a restart.
func TestRetainedAfterRestart(t *testing.T) {
	inBubbleOn(t, broker.Config{}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		pub, _ := b.Connect("pub")
		retain(t, pub, "a", "old", 1)
		retain(t, pub, "a", "new", 2)
		retain(t, pub, "gone", "x", 1)
		retain(t, pub, "gone", "", 1)
		b = restart()
		c, _ := b.Connect("c")
		c.Subscribe("#", 2)
		c.Expect(bt.Retained("a", "new", 2, 1)...)
		c.ExpectNothing(quiet)
	})
}

// R08: more than the outgoing buffer and more than the window hold still arrives, whole and once, as fast as the client takes it.
func TestMoreRetainedThanFits(t *testing.T) {
	const n, size = 400, 1000
	for _, persistent := range []bool{false, true} {
		for granted := range byte(3) {
			t.Run(fmt.Sprintf("persistent %v granted %d", persistent, granted), func(t *testing.T) {
				inBubble(t, broker.Config{OutgoingBytes: 16 << 10, MaxInflight: 10, QueueMessages: 1000}, func(t *testing.T, b *bt.Broker) {
					var opts []bt.Option
					if persistent {
						opts = append(opts, bt.Persistent)
					}
					pub, _ := b.Connect("pub")
					for i := range n {
						retain(t, pub, fmt.Sprintf("a/%03d", i), fmt.Sprintf("%0*d", size, i), 2)
					}
					c, _ := b.Connect("c", opts...)
					c.Send(bt.Subscribe(1, "a/#", granted)...)
					next, suback := 0, false
					for next < n || !suback {
						p := c.Next()
						if p == nil {
							t.Fatalf("nothing came after %d messages", next)
						}
						switch packet.TypeOf(p[0]) {
						case packet.SUBACK:
							suback = true
						case packet.PUBREL:
							c.Ack(packet.PUBCOMP, uint16(p[2])<<8|uint16(p[3]))
						case packet.PUBLISH:
							var m packet.Publish
							if err := m.Decode(p); err != nil {
								t.Fatal(err)
							}
							if want := fmt.Sprintf("a/%03d", next); string(m.Topic) != want || m.QoS != granted || !m.Retain {
								t.Fatalf("got %q at QoS %d, retain %v; want %q at %d", m.Topic, m.QoS, m.Retain, want, granted)
							}
							next++
							switch m.QoS {
							case 1:
								c.Ack(packet.PUBACK, m.PacketID)
							case 2:
								c.Ack(packet.PUBREC, m.PacketID)
							}
						}
					}
				})
			})
		}
	}
}

// A retained message that changes before a slow subscriber has got it: what comes last is what is true.
func TestRetainedIsNotStale(t *testing.T) {
	inBubble(t, broker.Config{MaxInflight: 1}, func(t *testing.T, b *bt.Broker) {
		pub, _ := b.Connect("pub")
		retain(t, pub, "a/1", "old", 1)
		retain(t, pub, "a/2", "old", 1)
		retain(t, pub, "a/3", "old", 1)
		c, _ := b.Connect("c")
		c.Subscribe("a/#", 1)
		c.Expect(bt.Retained("a/1", "old", 1, 1)...)
		retain(t, pub, "a/2", "new", 0) // goes out at once, at QoS 0
		retain(t, pub, "a/3", "", 0)
		c.Expect(bt.Publish("a/2", "new", 0, 0)...)
		c.Expect(bt.Publish("a/3", "", 0, 0)...)
		c.Ack(packet.PUBACK, 1)
		c.Expect(bt.Retained("a/2", "new", 0, 0)...)
		c.ExpectNothing(quiet)
	})
}

// What is taken back by UNSUBSCRIBE does not come any more.
func TestUnsubscribeEndsTheReplay(t *testing.T) {
	inBubble(t, broker.Config{MaxInflight: 1}, func(t *testing.T, b *bt.Broker) {
		pub, _ := b.Connect("pub")
		for i := range 5 {
			retain(t, pub, fmt.Sprint("a/", i), "x", 1)
		}
		c, _ := b.Connect("c")
		c.Subscribe("a/#", 1)
		c.Expect(bt.Retained("a/0", "x", 1, 1)...)
		c.Subscribe("a/4", 1)
		c.Unsubscribe("a/#")
		c.Ack(packet.PUBACK, 1)
		c.Expect(bt.Retained("a/4", "x", 1, 2)...)
		c.Ack(packet.PUBACK, 2)
		c.Expect(bt.Retained("a/4", "x", 1, 3)...)
		c.Ack(packet.PUBACK, 3)
		c.ExpectNothing(quiet)
	})
}

// [MQTT-3.1.2-7]: a retained message is no part of the session of who sent it.
func TestRetainedOutlivesItsSession(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for i, opts := range [][]bt.Option{nil, {bt.Persistent}} {
			pub, _ := b.Connect("pub", opts...)
			retain(t, pub, fmt.Sprint("a/", i), "kept", 1)
			pub.Disconnect()
		}
		pub, _ := b.Connect("pub") // discards the second one's session
		pub.Disconnect()
		sub, _ := b.Connect("sub")
		sub.Subscribe("a/#", 0)
		sub.Expect(bt.Retained("a/0", "kept", 0, 0)...)
		sub.Expect(bt.Retained("a/1", "kept", 0, 0)...)
	})
}

// Over a socket, which takes much at once, nobody but flush itself sees that there is room again.
func TestMoreRetainedThanFitsOverTCP(t *testing.T) {
	b := bt.Start(t, broker.Config{OutgoingBytes: 16 << 10})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = b.ServeTCP(ln) }()
	pub, _ := b.Connect("pub")
	const n = 400
	for i := range n {
		pub.Send(bt.Retained(fmt.Sprintf("a/%03d", i), fmt.Sprintf("%0*d", 1000, i), 0, 0)...)
	}
	pub.Ping()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := bt.NewClient(t, nc)
	sendAll(c, bt.ConnectPacket("c"), bt.Subscribe(1, "a/#", 0))
	c.Expect(0x20, 2, 0, 0)
	c.Expect(0x90, 3, 0, 1, 0)
	for i := range n {
		c.Expect(bt.Retained(fmt.Sprintf("a/%03d", i), fmt.Sprintf("%0*d", 1000, i), 0, 0)...)
	}
}
