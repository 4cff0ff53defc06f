package broker_test

import (
	"fmt"
	"testing"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-4.1.0-1] [MQTT-4.5.0-1] [MQTT-3.1.3-2]: while its client is away a session keeps its subscriptions
// and collects QoS 1 and 2 messages, in order; also over a restart.
func TestOfflineQueue(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restarted), func(t *testing.T) {
			inBubbleOn(t, broker.Config{}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
				sub, _ := b.Connect("sub", bt.Persistent)
				sub.Subscribe("a/#", 2)
				sub.Subscribe("low/#", 1)
				sub.Disconnect()
				pub, _ := b.Connect("pub")
				pub.Publish("a/0", "not kept: QoS 0", 0, 0)
				for i := range 50 {
					pub.Publish(fmt.Sprint("a/", i%3), fmt.Sprint(i), byte(1+i%2), uint16(i+1))
				}
				pub.Publish("low/x", "down", 2, 100)
				for range 51 {
					pub.Next()
				}
				if restarted {
					b = restart()
				}
				sub, present := b.Connect("sub", bt.Persistent)
				if !present {
					t.Fatal("the session was lost")
				}
				for i := range 50 {
					sub.Expect(bt.Publish(fmt.Sprint("a/", i%3), fmt.Sprint(i), byte(1+i%2), uint16(i+1))...)
				}
				sub.Expect(bt.Publish("low/x", "down", 1, 51)...)
				sub.ExpectNothing(quiet)
			})
		})
	}
}

// [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-3.3.1-1] [MQTT-4.3.3-1]: a client that comes back gets what it has not acknowledged again, in the
// first order, under the same identifiers, PUBLISH with DUP; after PUBREC only PUBREL. Then what is new.
func TestResend(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restarted), func(t *testing.T) {
			inBubbleOn(t, broker.Config{MaxInflight: 6}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
				sub, _ := b.Connect("sub", bt.Persistent)
				sub.Subscribe("a", 2)
				pub, _ := b.Connect("pub")
				var p [9][]byte // by identifier; the last two wait outside the window
				for id := uint16(1); id <= 8; id++ {
					qos := 2 - byte(id%2)
					pub.Publish("a", fmt.Sprint(id), qos, id)
					pub.Next()
					p[id] = bt.Publish("a", fmt.Sprint(id), qos, id)
				}
				for id := uint16(1); id <= 6; id++ {
					sub.Expect(p[id]...)
				}
				sub.ExpectNothing(quiet)
				sub.Ack(packet.PUBREC, 4)
				sub.ExpectAck(packet.PUBREL, 4)
				sub.Ack(packet.PUBACK, 3)
				sub.Expect(p[7]...)
				for range 3 { // again and again, until it is acknowledged
					_ = sub.Conn.Close()
					if restarted {
						b = restart()
					}
					sub, _ = b.Connect("sub", bt.Persistent)
					sub.Expect(bt.Dup(p[1])...)
					sub.Expect(bt.Dup(p[2])...)
					sub.ExpectAck(packet.PUBREL, 4)
					sub.Expect(bt.Dup(p[5])...)
					sub.Expect(bt.Dup(p[6])...)
					sub.Expect(bt.Dup(p[7])...)
					sub.ExpectNothing(quiet)
				}
				sub.Ack(packet.PUBCOMP, 4)
				sub.Expect(p[8]...)
				for _, id := range []uint16{1, 5, 7} {
					sub.Ack(packet.PUBACK, id)
				}
				for _, id := range []uint16{2, 6, 8} {
					sub.Ack(packet.PUBREC, id)
					sub.ExpectAck(packet.PUBREL, id)
					sub.Ack(packet.PUBCOMP, id)
				}
				sub.Disconnect()
				sub, _ = b.Connect("sub", bt.Persistent)
				sub.ExpectNothing(quiet)
			})
		})
	}
}

// [MQTT-3.1.2-6] [MQTT-3.1.4-3]: clean session 1 discards what was: subscriptions, queue, flights, identifiers.
func TestCleanSessionDiscards(t *testing.T) {
	inBubbleOn(t, broker.Config{}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("a", 1)
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "a", "in flight")
		sub.Expect(bt.Publish("a", "in flight", 1, 1)...)
		sub.Publish("b", "x", 2, 7)
		sub.ExpectAck(packet.PUBREC, 7)
		sub.Disconnect()
		publishAcked(t, pub, "a", "queued")
		sub, present := b.Connect("sub")
		if present {
			t.Error("session present after clean session 1")
		}
		publishAcked(t, pub, "a", "live")
		sub.ExpectNothing(quiet)
		sub.Disconnect()
		b = restart()
		sub, present = b.Connect("sub", bt.Persistent)
		if present {
			t.Error("the discarded session came back")
		}
		sub.ExpectNothing(quiet)
		other, _ := b.Connect("other")
		other.Subscribe("b", 0)
		sub.Publish("b", "new", 2, 7)
		sub.ExpectAck(packet.PUBREC, 7)
		other.Expect(bt.Publish("b", "new", 0, 0)...)
	})
}

// [MQTT-4.1.0-2]: a clean session is gone with its connection, and so is everything about it.
func TestCleanSessionEnds(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		pub, _ := b.Connect("pub")
		for range 20 {
			c, _ := b.Connect("c")
			c.Subscribe("a", 1)
			publishAcked(t, pub, "a", "x")
			c.Expect(bt.Publish("a", "x", 1, 1)...)
			_ = c.Conn.Close()
			publishAcked(t, pub, "a", "nobody is there")
		}
		if st := stats(b); st.Sessions != 1 || st.Connections != 1 {
			t.Errorf("%d sessions, %d connections; want pub's alone", st.Sessions, st.Connections)
		}
	})
}

// The window: MaxInflight messages wait for their acknowledgement, the rest waits in the queue and follows in order, in whatever order the
// acknowledgements come.
func TestWindow(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		for qos := byte(1); qos <= 2; qos++ {
			t.Run(fmt.Sprintf("persistent %v QoS %d", persistent, qos), func(t *testing.T) {
				inBubble(t, broker.Config{MaxInflight: 3}, func(t *testing.T, b *bt.Broker) {
					var opts []bt.Option
					if persistent {
						opts = append(opts, bt.Persistent)
					}
					sub, _ := b.Connect("sub", opts...)
					sub.Subscribe("a", qos)
					pub, _ := b.Connect("pub")
					for i := range 30 {
						pub.Publish("a", fmt.Sprint(i), qos, uint16(i+1))
						pub.Next()
					}
					ack := func(id uint16) {
						if qos == 1 {
							sub.Ack(packet.PUBACK, id)
							return
						}
						sub.Ack(packet.PUBREC, id)
						sub.ExpectAck(packet.PUBREL, id)
						sub.Ack(packet.PUBCOMP, id)
					}
					for i := range 30 {
						sub.Expect(bt.Publish("a", fmt.Sprint(i), qos, uint16(i+1))...)
						if i%3 == 2 {
							sub.ExpectNothing(quiet)
							ack(uint16(i)) // the middle one, the last, the first
							if i < 29 {
								got := sub.PeekID()
								if got != uint16(i+2) {
									t.Fatalf("after one acknowledgement came identifier %d, want %d", got, i+2)
								}
							}
							ack2 := []uint16{uint16(i + 1), uint16(i - 1)}
							for _, id := range ack2 {
								if qos == 1 {
									ack(id)
									continue
								}
								sub.Ack(packet.PUBREC, id)
								sub.Ack(packet.PUBCOMP, id)
							}
							if qos == 2 {
								takePubrels(t, sub, 2)
							}
						}
					}
					sub.ExpectNothing(quiet)
				})
			})
		}
	}
}

// takePubrels takes n PUBRELs from among other packets, which stay.
func takePubrels(t *testing.T, c *bt.Client, n int) {
	t.Helper()
	c.Take(n, func(p []byte) bool { return packet.TypeOf(p[0]) == packet.PUBREL })
}

// R06: a full queue keeps what it has and drops what comes, counted, told once until there is room again.
func TestQueueOverflow(t *testing.T) {
	for _, tc := range []struct {
		name    string
		cfg     broker.Config
		payload int
		fits    int
	}{
		{"messages", broker.Config{QueueMessages: 5}, 1, 5},
		{"bytes", broker.Config{QueueBytes: 5000}, 1000, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, tc.cfg, func(t *testing.T, b *bt.Broker) {
				sub, _ := b.Connect("sub", bt.Persistent)
				sub.Subscribe("a", 1)
				sub.Disconnect()
				pub, _ := b.Connect("pub")
				round := func(n int) {
					for i := range n {
						publishAcked(t, pub, "a", fmt.Sprintf("%0*d", tc.payload, i))
					}
				}
				round(tc.fits + 4)
				if st := stats(b); st.DroppedQueue != 4 {
					t.Errorf("%d messages were counted as dropped, want 4", st.DroppedQueue)
				}
				if n := told(b, "refused sub deliver a: the session's queue is full"); n != 1 {
					t.Errorf("told %d times, want once", n)
				}
				sub, _ = b.Connect("sub", bt.Persistent)
				for i := range tc.fits {
					sub.Expect(bt.Publish("a", fmt.Sprintf("%0*d", tc.payload, i), 1, sub.PeekID())...)
					sub.Ack(packet.PUBACK, uint16(i+1))
				}
				sub.ExpectNothing(quiet)
				sub.Disconnect()
				round(tc.fits + 1)
				if n := told(b, "refused sub deliver a: the session's queue is full"); n != 2 {
					t.Errorf("told %d times, want twice", n)
				}
			})
		})
	}
}

// The same for a clean session whose window is full.
func TestQueueOverflowOfACleanSession(t *testing.T) {
	inBubble(t, broker.Config{QueueMessages: 5, MaxInflight: 2}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("a", 1)
		pub, _ := b.Connect("pub")
		for i := range 10 {
			publishAcked(t, pub, "a", fmt.Sprint(i))
		}
		for i := range 7 {
			sub.Expect(bt.Publish("a", fmt.Sprint(i), 1, uint16(i+1))...)
			sub.Ack(packet.PUBACK, uint16(i+1))
		}
		sub.ExpectNothing(quiet)
		if n := stats(b).DroppedQueue; n != 3 {
			t.Errorf("%d dropped, want 3", n)
		}
	})
}

// M21 [MQTT-2.3.1-4]: the identifiers go round the 16 bits, skip those in use, and one that is stuck stops nobody.
func TestIdentifiersGoRound(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		t.Run(fmt.Sprintf("persistent %v", persistent), func(t *testing.T) {
			inBubble(t, broker.Config{MaxInflight: 64, QueueMessages: 1000}, func(t *testing.T, b *bt.Broker) {
				var opts []bt.Option
				if persistent {
					opts = append(opts, bt.Persistent)
				}
				sub, _ := b.Connect("sub", opts...)
				sub.Subscribe("a", 1)
				pub, _ := b.Connect("pub")
				stuck := map[uint16]bool{1: true, 2: true, 5: true, 1000: true, 65535: true}
				used, wrapped := uint16(0), 0
				for i := 0; wrapped == 0 || used < 2000; i += 50 {
					var batch [][]byte
					for j := range 50 {
						batch = append(batch, bt.Publish("a", "x", 1, uint16(j+1)))
					}
					sendAll(pub, batch...)
					var acks [][]byte
					for j := range 50 {
						p := sub.Next()
						if p == nil {
							t.Fatalf("nothing came after %d messages", i+j)
						}
						id := uint16(p[5])<<8 | uint16(p[6])
						want := used + 1
						if want == 0 {
							want, wrapped = 1, wrapped+1
						}
						for wrapped > 0 && stuck[want] {
							if want++; want == 0 {
								want, wrapped = 1, wrapped+1
							}
						}
						if id != want {
							t.Fatalf("message %d has identifier %d, want %d", i+j, id, want)
						}
						used = id
						if !stuck[id] {
							acks = append(acks, bt.Ack(packet.PUBACK, id))
						}
					}
					sendAll(sub, acks...)
					for range 50 {
						pub.Next()
					}
				}
			})
		})
	}
}
