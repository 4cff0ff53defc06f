package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// subscription is one filter of a SUBSCRIBE.
func subscription(filter string, qos byte) packet.Subscription {
	return packet.Subscription{Filter: []byte(filter), QoS: qos}
}

// [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.9.3-2]: one SUBACK under the same identifier, one code a filter in
// their order, refused ones 0x80.
func TestSuback(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		b.Rules.Deny("secret/#", "subscribe")
		c, _ := b.Connect("c")
		c.Send(packet.AppendSubscribe(nil, 0x1234, []packet.Subscription{
			subscription("a", 2), subscription("secret/x", 1), subscription("b", 0), subscription("$share/g", 1), subscription("c/+/#", 1),
		})...)
		c.Expect(0x90, 7, 0x12, 0x34, 2, 0x80, 0, 0x80, 1)
		if told(b, "refused c subscribe secret/x: ") != 1 || told(b, "refused c subscribe $share/g: ") != 1 {
			t.Error("refusals were not told")
		}
		pub, _ := b.Connect("pub")
		for _, name := range []string{"secret/x", "t", "a"} {
			publishAcked(t, pub, name, "x")
		}
		c.Expect(bt.Publish("a", "x", 1, 1)...) // and nothing of the refused ones
		c.ExpectNothing(quiet)
	})
}

// [MQTT-3.8.4-4]: several filters in one packet are as good as several packets; of two equal ones the last holds.
func TestSubscribeSeveral(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		pub, _ := b.Connect("pub")
		retain(t, pub, "a", "kept", 1)
		c, _ := b.Connect("c")
		c.Send(packet.AppendSubscribe(nil, 1, []packet.Subscription{subscription("a", 1), subscription("+", 1), subscription("a", 0)})...)
		c.Expect(0x90, 5, 0, 1, 1, 1, 0)
		c.Expect(bt.Retained("a", "kept", 1, 1)...)
		c.Expect(bt.Retained("a", "kept", 1, 2)...)
		c.Expect(bt.Retained("a", "kept", 0, 0)...)
		c.Unsubscribe("+")
		publishAcked(t, pub, "a", "x")
		c.Expect(bt.Publish("a", "x", 0, 0)...)
		c.ExpectNothing(quiet)
	})
}

// [MQTT-3.8.4-3]: the same filter again replaces the subscription, repeats the retained message and loses nothing.
func TestSubscribeAgain(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			var opts []bt.Option
			if persistent {
				opts = append(opts, bt.Persistent)
			}
			pub, _ := b.Connect("pub")
			retain(t, pub, "a", "kept", 0)
			c, _ := b.Connect("c", opts...)
			for _, qos := range []byte{0, 2, 1} {
				c.Send(bt.Subscribe(1, "a", qos)...)
				takeInAnyOrder(t, c, []byte{0x90, 3, 0, 1, qos}, bt.Retained("a", "kept", 0, 0))
			}
			pub.Publish("a", "x", 2, 1)
			c.Expect(bt.Publish("a", "x", 1, 1)...)
			c.ExpectNothing(quiet) // one copy, not three
		})
	}
}

// takeInAnyOrder takes packets between which the standard sets no order: a retained message may come before its SUBACK.
func takeInAnyOrder(t *testing.T, c *bt.Client, want ...[]byte) {
	t.Helper()
	left := map[string]int{}
	for _, w := range want {
		left[string(w)]++
	}
	for range want {
		got := c.Next()
		if left[string(got)] == 0 {
			t.Fatalf("got packet % x, which was not wanted (any more)", got)
		}
		left[string(got)]--
	}
}

// [MQTT-3.3.5-1]: overlapping subscriptions give one copy at the highest QoS of those that match.
func TestOverlappingSubscriptions(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c")
		for i, f := range []string{"a/b", "a/+", "a/#", "#", "+/+", "other/#"} {
			c.Subscribe(f, []byte{0, 1, 0, 0, 0, 2}[i])
		}
		pub, _ := b.Connect("pub")
		pub.Publish("a/b", "x", 2, 1)
		c.Expect(bt.Publish("a/b", "x", 1, 1)...)
		c.Subscribe("+/b", 2)
		pub.Publish("a/b", "y", 2, 2)
		c.Expect(bt.Publish("a/b", "y", 2, 2)...)
		c.Unsubscribe("+/b")
		c.Unsubscribe("a/+")
		pub.Publish("a/b", "z", 2, 3)
		c.Expect(bt.Publish("a/b", "z", 0, 0)...)
		c.ExpectNothing(quiet)
	})
}

// [MQTT-3.3.2-3]: more than sixteen sessions, each with overlapping filters, get one copy each.
func TestManyOverlappingReceivers(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		var subs []*bt.Client
		for i := range 50 {
			c, _ := b.Connect(fmt.Sprint("c", i))
			c.Subscribe("a/b", byte(i%3))
			c.Subscribe("a/#", byte((i+1)%3))
			c.Subscribe("+/b", 0)
			subs = append(subs, c)
		}
		pub, _ := b.Connect("pub")
		pub.Publish("a/b", "x", 2, 1)
		for i, c := range subs {
			qos := max(byte(i%3), byte((i+1)%3))
			c.Expect(bt.Publish("a/b", "x", qos, uint16(min(qos, 1)))...)
			c.ExpectNothing(quiet)
		}
	})
}

// M05, M06, M07, M10 and the limits: none of it is stored, the connection ends.
func TestSubscribeMalformed(t *testing.T) {
	raw := func(filter string) []byte { return bt.Subscribe(1, filter, 0) }
	many := make([]packet.Subscription, 33)
	for i := range many {
		many[i] = subscription(fmt.Sprint("a", i), 0)
	}
	cases := map[string][]byte{
		"packet id 0 [MQTT-2.3.1-1]":    {0x82, 6, 0, 0, 0, 1, 'a', 0},
		"no filter [MQTT-3.8.3-3]":      {0x82, 2, 0, 1},
		"QoS missing":                   {0x82, 5, 0, 1, 0, 1, 'a'},
		"flags [MQTT-3.8.1-1]":          {0x80, 6, 0, 1, 0, 1, 'a', 0},
		"U+0000":                        raw("a\x00"),
		"bad UTF-8":                     raw("a\xff"),
		"control character":             raw("a\x01"),
		"empty filter [MQTT-4.7.3-1]":   raw(""),
		"a# [MQTT-4.7.1-2]":             raw("a#"),
		"a/#/b [MQTT-4.7.1-2]":          raw("a/#/b"),
		"a+ [MQTT-4.7.1-3]":             raw("a+"),
		"+a/b [MQTT-4.7.1-3]":           raw("+a/b"),
		"33 levels":                     raw("a" + strings.Repeat("/a", 32)),
		"1,025 bytes":                   raw(strings.Repeat("a", 1025)),
		"33 filters":                    packet.AppendSubscribe(nil, 1, many),
		"good ones before a bad one":    packet.AppendSubscribe(nil, 1, []packet.Subscription{subscription("good", 0), subscription("a#", 0)}),
		"unsubscribe, id 0":             {0xa2, 5, 0, 0, 0, 1, 'a'},
		"unsubscribe, no filter":        {0xa2, 2, 0, 1},
		"unsubscribe, malformed filter": packet.AppendUnsubscribe(nil, 1, [][]byte{[]byte("a#")}),
		"unsubscribe, empty filter":     packet.AppendUnsubscribe(nil, 1, [][]byte{nil}),
		"unsubscribe, U+0000":           packet.AppendUnsubscribe(nil, 1, [][]byte{[]byte("a\x00")}),
	}
	for code := 3; code < 256; code++ {
		cases[fmt.Sprintf("QoS byte %02x [MQTT-3-8.3-4]", code)] = []byte{0x82, 6, 0, 1, 0, 1, 'a', byte(code)}
	}
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for name, p := range cases {
			c, _ := b.Connect("c", bt.Persistent)
			c.Send(p...)
			if got := c.Next(); got != nil || !c.Closed() {
				t.Errorf("%s: got % x, connection ended %v", name, got, c.Closed())
			}
		}
		c, _ := b.Connect("c", bt.Persistent)
		pub, _ := b.Connect("pub")
		for _, name := range []string{"a", "a0", "good"} {
			publishAcked(t, pub, name, "x")
		}
		c.ExpectNothing(quiet)
	})
}

// [MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6]: by exact text, always answered, many in one packet.
func TestUnsubscribe(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			var opts []bt.Option
			if persistent {
				opts = append(opts, bt.Persistent)
			}
			c, _ := b.Connect("c", opts...)
			c.Subscribe("a/+", 1)
			c.Subscribe("b", 1)
			c.Subscribe("c", 1)
			for _, f := range []string{"a/b", "#", "a/#", "+/+", "B", "b/", "nothing"} {
				c.Unsubscribe(f)
			}
			pub, _ := b.Connect("pub")
			publishAcked(t, pub, "a/b", "x")
			c.Expect(bt.Publish("a/b", "x", 1, 1)...)
			c.Send(packet.AppendUnsubscribe(nil, 0x4321, [][]byte{[]byte("a/+"), []byte("nothing"), []byte("c"), []byte("c")})...)
			c.Expect(0xb0, 2, 0x43, 0x21)
			publishAcked(t, pub, "a/b", "x")
			publishAcked(t, pub, "c", "x")
			c.ExpectNothing(quiet) // [MQTT-3.10.4-2]
			publishAcked(t, pub, "b", "x")
			c.Expect(bt.Publish("b", "x", 1, 2)...)
		})
	}
}

// [MQTT-3.10.4-3]: what is on its way when UNSUBSCRIBE comes is completed.
func TestUnsubscribeCompletesFlights(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.Persistent)
		c.Subscribe("a", 2)
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "a", "one")
		pub.Publish("a", "two", 2, 2)
		c.Expect(bt.Publish("a", "one", 1, 1)...)
		c.Expect(bt.Publish("a", "two", 2, 2)...)
		c.Unsubscribe("a")
		c.Disconnect()
		c, _ = b.Connect("c", bt.Persistent)
		c.Expect(bt.Dup(bt.Publish("a", "one", 1, 1))...)
		c.Expect(bt.Dup(bt.Publish("a", "two", 2, 2))...)
		c.Ack(packet.PUBREC, 2)
		c.ExpectAck(packet.PUBREL, 2)
		c.Ack(packet.PUBCOMP, 2)
	})
}

// M23: overlapping filters taken away in every order while others publish; nothing comes after the last UNSUBACK, nothing stays behind.
func TestUnsubscribeInEveryOrder(t *testing.T) {
	filters := []string{"a/b", "a/+", "a/#", "#"}
	for order := range 24 {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			c, _ := b.Connect("c")
			for _, f := range filters {
				c.Subscribe(f, 1)
			}
			pub, _ := b.Connect("pub")
			left := append([]string(nil), filters...)
			for n, o := 4, order; n > 0; n-- {
				i := o % n
				o /= n
				pub.Publish("a/b", "x", 0, 0)
				c.Expect(bt.Publish("a/b", "x", 0, 0)...)
				c.Unsubscribe(left[i])
				left = append(left[:i], left[i+1:]...)
			}
			pub.Publish("a/b", "x", 0, 0)
			c.ExpectNothing(quiet)
		})
	}
}

// The limit on subscriptions: 0x80 for those over it, replacing one is no addition.
func TestMaxSubscriptions(t *testing.T) {
	inBubble(t, broker.Config{MaxSubscriptions: 3}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.Persistent)
		c.Send(packet.AppendSubscribe(nil, 1, []packet.Subscription{
			subscription("a", 0), subscription("b", 1), subscription("c", 2), subscription("d", 0), subscription("a", 1),
		})...)
		c.Expect(0x90, 7, 0, 1, 0, 1, 2, 0x80, 1)
		c.Unsubscribe("b")
		c.Subscribe("d", 1)
		c.Disconnect()
		c, _ = b.Connect("c", bt.Persistent)
		c.Send(bt.Subscribe(1, "e", 0)...)
		c.Expect(0x90, 3, 0, 1, 0x80)
		if told(b, "broker.max_subscriptions") != 2 {
			t.Error("wanted two Refused events")
		}
	})
}

// A wildcard matches no topic that begins with $ [MQTT-4.7.2-1], and names are compared as they are [MQTT-4.7.3-4].
func TestMatchingOverTheWire(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for i, tc := range []struct {
			filter, name string
			want         bool
		}{
			{"a/#", "a", true}, {"a/+", "a", false}, {"a/+", "a/", true}, {"+", "/", false}, {"+/+", "/", true}, {"/+", "/a", true},
			{"A", "a", false}, {"a", "a/", false}, {"ä", "a\u0308", false}, {"#", "a//b", true}, {"a/+/b", "a//b", true},
		} {
			c, _ := b.Connect(fmt.Sprint("c", i))
			c.Subscribe(tc.filter, 0)
			pub, _ := b.Connect("pub")
			pub.Publish(tc.name, "x", 0, 0)
			if got := c.Try(quiet) != nil; got != tc.want {
				t.Errorf("filter %q, topic %q: delivered %v", tc.filter, tc.name, got)
			}
		}
	})
}
