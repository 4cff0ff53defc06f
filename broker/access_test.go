package broker_test

import (
	"fmt"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// [MQTT-3.3.5-2]: a publish that is not allowed is acknowledged as usual, reaches nobody, is not retained, and the admin is told.
func TestPublishRefused(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			b.Rules.Deny("secret/#", "publish")
			sub, _ := b.Connect("sub")
			sub.Subscribe("#", 2)
			var opts []bt.Option
			if persistent {
				opts = append(opts, bt.Persistent)
			}
			pub, _ := b.Connect("pub", opts...)
			pub.Publish("secret/a", "x", 0, 0)
			publishAcked(t, pub, "secret/a", "x")
			for range 2 { // the repeat is known as one
				pub.Publish("secret/a", "x", 2, 7)
				pub.ExpectAck(packet.PUBREC, 7)
			}
			pub.Ack(packet.PUBREL, 7)
			pub.ExpectAck(packet.PUBCOMP, 7)
			retain(t, pub, "secret/b", "x", 1)
			sub.ExpectNothing(quiet)
			if st := stats(b); st.PublishRefused != 4 || st.Retained != 0 {
				t.Errorf("%d refused, %d retained; want 4 and 0", st.PublishRefused, st.Retained)
			}
			if told(b, "refused pub publish secret/") != 4 {
				t.Error("wanted four Refused events")
			}
		})
	}
}

// A02: a topic that may not be received comes on no path: live at any QoS, retained, queued, sent again; whatever filter asks for it.
func TestDenyInsideAllow(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			b.Rules.Deny("t/secret", "receive")
			var opts []bt.Option
			if persistent {
				opts = append(opts, bt.Persistent)
			}
			pub, _ := b.Connect("pub")
			retain(t, pub, "t/secret", "kept", 1)
			retain(t, pub, "t/secret", "kept", 0)
			sub, _ := b.Connect("sub", opts...)
			for _, f := range []string{"t/#", "#", "+/secret", "t/secret"} {
				sub.Subscribe(f, 2)
			}
			for qos := range byte(3) {
				pub.Publish("t/secret", "live", qos, uint16(qos))
				pub.Publish("t/open", "live", qos, uint16(qos)+10)
			}
			for qos := range byte(3) {
				sub.Expect(bt.Publish("t/open", "live", qos, uint16(qos))...)
			}
			sub.ExpectNothing(quiet)
			if !persistent {
				return
			}
			_ = sub.Conn.Close()
			publishAcked(t, pub, "t/secret", "queued")
			sub, _ = b.Connect("sub", opts...)
			sub.Expect(bt.Dup(bt.Publish("t/open", "live", 1, 1))...)
			sub.Expect(bt.Dup(bt.Publish("t/open", "live", 2, 2))...)
			sub.ExpectNothing(quiet)
		})
	}
}

// A06: a right taken away while the client is there stops live delivery at once, ends the subscription within seconds, and what waited
// for room in the window is dropped.
func TestRightTakenAwayOnline(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		t.Run(fmt.Sprintf("persistent %v", persistent), func(t *testing.T) {
			inBubble(t, broker.Config{MaxInflight: 2}, func(t *testing.T, b *bt.Broker) {
				var opts []bt.Option
				if persistent {
					opts = append(opts, bt.Persistent)
				}
				sub, _ := b.Connect("sub", opts...)
				sub.Subscribe("t/#", 1)
				sub.Subscribe("open", 1)
				pub, _ := b.Connect("pub")
				for i := range 5 {
					publishAcked(t, pub, "t/a", fmt.Sprint(i))
				}
				publishAcked(t, pub, "open", "x")
				sub.Expect(bt.Publish("t/a", "0", 1, 1)...)
				sub.Expect(bt.Publish("t/a", "1", 1, 2)...)
				b.Rules.Deny("t/#", "subscribe receive")
				pub.Publish("t/a", "live", 0, 0)
				publishAcked(t, pub, "t/a", "live")
				sub.ExpectNothing(0)
				time.Sleep(2 * time.Second)
				if told(b, "refused sub subscribe t/#: subscription ended") != 1 || told(b, "refused sub deliver t/a: queued messages dropped") != 1 {
					t.Errorf("the client's owner was not told: %q", b.Events.Lines())
				}
				sub.Ack(packet.PUBACK, 1)
				sub.Ack(packet.PUBACK, 2)
				sub.Expect(bt.Publish("open", "x", 1, sub.PeekID())...)
				sub.ExpectNothing(quiet)
				b.Rules.Allow("t/#") // the subscription does not come back by itself
				publishAcked(t, pub, "t/a", "later")
				sub.ExpectNothing(quiet)
				if persistent {
					sub.Disconnect()
					sub, _ = b.Connect("sub", opts...)
					sub.Expect(bt.Dup(bt.Publish("open", "x", 1, sub.PeekID()))...)
					publishAcked(t, pub, "t/a", "later")
					sub.ExpectNothing(quiet)
				}
			})
		})
	}
}

// A06: a right taken away while the client is not there: nothing queued and nothing in flight comes when it is back.
func TestRightTakenAwayOffline(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restarted), func(t *testing.T) {
			inBubbleOn(t, broker.Config{MaxInflight: 2}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
				sub, _ := b.Connect("sub", bt.Persistent)
				sub.Subscribe("t/#", 2)
				sub.Subscribe("open", 1)
				pub, _ := b.Connect("pub")
				for i := range 3 {
					publishAcked(t, pub, "t/a", fmt.Sprint(i))
				}
				sub.Expect(bt.Publish("t/a", "0", 1, 1)...)
				sub.Expect(bt.Publish("t/a", "1", 1, 2)...)
				sub.Disconnect()
				publishAcked(t, pub, "t/a", "queued")
				publishAcked(t, pub, "open", "x")
				if restarted {
					b = restart()
				}
				b.Rules.Deny("t/#", "subscribe receive")
				sub, present := b.Connect("sub", bt.Persistent)
				if !present {
					t.Error("the session was lost")
				}
				sub.Expect(bt.Publish("open", "x", 1, 5)...)
				sub.ExpectNothing(quiet)
				pub, _ = b.Connect("pub")
				publishAcked(t, pub, "t/a", "live")
				sub.ExpectNothing(quiet)
				b.Rules.Allow("t/#")
				sub.Disconnect()
				sub, _ = b.Connect("sub", bt.Persistent) // what was dropped stays dropped
				sub.Expect(bt.Dup(bt.Publish("open", "x", 1, 5))...)
				sub.ExpectNothing(quiet)
			})
		})
	}
}

// A05: a retained message is judged when it is delivered.
func TestRetainedIsJudgedAtDelivery(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		pub, _ := b.Connect("pub")
		retain(t, pub, "t/a", "kept", 1)
		b.Rules.Deny("t/a", "receive")
		sub, _ := b.Connect("sub")
		sub.Subscribe("t/#", 1)
		sub.ExpectNothing(quiet)
		b.Rules.Allow("t/a")
		sub.Subscribe("t/#", 1)
		sub.Expect(bt.Retained("t/a", "kept", 1, 1)...)
	})
}

// A retained message that waits for room in the window is judged again.
func TestReplayIsJudgedAgain(t *testing.T) {
	inBubble(t, broker.Config{MaxInflight: 1}, func(t *testing.T, b *bt.Broker) {
		pub, _ := b.Connect("pub")
		for _, name := range []string{"t/1", "t/2", "t/3"} {
			retain(t, pub, name, "kept", 1)
		}
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 1)
		sub.Expect(bt.Retained("t/1", "kept", 1, 1)...)
		b.Rules.Deny("t/2", "receive")
		time.Sleep(2 * time.Second)
		sub.Ack(packet.PUBACK, 1)
		sub.Expect(bt.Retained("t/3", "kept", 1, 2)...)
		sub.Ack(packet.PUBACK, 2)
		sub.ExpectNothing(quiet)
	})
}

// A publisher's verdict is looked up once and again whenever the rules change.
func TestPublishRightChanges(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 0)
		pub, _ := b.Connect("pub")
		for i := range 10 {
			if i%2 == 1 {
				b.Rules.Deny("t/#", "publish")
			} else {
				b.Rules.Allow("t/#")
			}
			publishAcked(t, pub, "t/a", fmt.Sprint(i))
			if i%2 == 0 {
				sub.Expect(bt.Publish("t/a", fmt.Sprint(i), 0, 0)...)
			}
		}
		sub.ExpectNothing(quiet)
	})
}

// A07: the message of a QoS 2 PUBLISH is passed on when PUBLISH comes; one refused then is not passed on by PUBREL, whatever the
// rules say by that time.
func TestQoS2IsJudgedAtPublish(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 0)
		b.Rules.Deny("t/#", "publish")
		pub, _ := b.Connect("pub", bt.Persistent)
		pub.Publish("t/a", "x", 2, 7)
		pub.ExpectAck(packet.PUBREC, 7)
		b.Rules.Allow("t/#")
		_ = pub.Conn.Close()
		pub, _ = b.Connect("pub", bt.Persistent)
		pub.Send(bt.Dup(bt.Publish("t/a", "x", 2, 7))...)
		pub.ExpectAck(packet.PUBREC, 7)
		pub.Ack(packet.PUBREL, 7)
		pub.ExpectAck(packet.PUBCOMP, 7)
		sub.ExpectNothing(quiet)
	})
}

// A09: user name and client id are text; wildcards and placeholders in them mean nothing to the broker.
func TestNamesAreText(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		victim, _ := b.Connect("victim", bt.Persistent)
		victim.Subscribe("mail/victim", 1)
		for _, name := range []string{"+", "#", "%u", "${clientid}", "vic*", ".*", "victim/", "victim'", "VICTIM", "victim\u200b"} {
			c, present := b.Connect(name, bt.Persistent)
			if present {
				t.Errorf("%q was given a session", name)
			}
			c.ExpectNothing(quiet)
		}
		victim.Ping()
	})
}
