package broker_test

import (
	"fmt"
	"strings"
	"testing"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// Every QoS to every granted QoS, to clean and to persistent sessions: byte for byte, with the acknowledgements both ways
// [MQTT-3.3.4-1] [MQTT-3.8.4-6] [MQTT-4.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2].
func TestQoSBothWays(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		for granted := range byte(3) {
			for qos := range byte(3) {
				t.Run(fmt.Sprintf("persistent %v granted %d published %d", persistent, granted, qos), func(t *testing.T) {
					inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) { oneMessage(t, b, persistent, granted, qos) })
				})
			}
		}
	}
}

func oneMessage(t *testing.T, b *bt.Broker, persistent bool, granted, qos byte) {
	var opts []bt.Option
	if persistent {
		opts = append(opts, bt.Persistent)
	}
	sub, _ := b.Connect("sub", opts...)
	sub.Subscribe("a/#", granted)
	pub, _ := b.Connect("pub", opts...)
	pub.Publish("a/b", "payload", qos, 300)
	switch qos {
	case 1:
		pub.ExpectAck(packet.PUBACK, 300)
	case 2:
		pub.ExpectAck(packet.PUBREC, 300)
		pub.Ack(packet.PUBREL, 300)
		pub.ExpectAck(packet.PUBCOMP, 300)
	}
	sub.Expect(bt.Publish("a/b", "payload", min(granted, qos), 1)...)
	switch min(granted, qos) {
	case 1:
		sub.Ack(packet.PUBACK, 1)
	case 2:
		sub.Ack(packet.PUBREC, 1)
		sub.ExpectAck(packet.PUBREL, 1)
		sub.Ack(packet.PUBCOMP, 1)
	}
	sub.ExpectNothing(quiet)
	pub.ExpectNothing(quiet)
	if persistent { // nothing is left to be sent again
		sub.Disconnect()
		sub, _ = b.Connect("sub", opts...)
		sub.ExpectNothing(quiet)
	}
}

// The publisher's DUP and RETAIN are its own affair [MQTT-3.3.1-3] [MQTT-3.3.1-9].
func TestFlagsAreNotPassedOn(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("a", 2)
		pub, _ := b.Connect("pub")
		pub.Send(bt.Dup(bt.Publish("a", "1", 1, 1))...)
		pub.ExpectAck(packet.PUBACK, 1)
		sub.Expect(bt.Publish("a", "1", 1, 1)...)
		pub.Send(bt.Dup(bt.Publish("a", "2", 2, 2))...)
		pub.ExpectAck(packet.PUBREC, 2)
		sub.Expect(bt.Publish("a", "2", 2, 2)...)
		pub.Send(bt.Retained("a", "3", 0, 0)...)
		sub.Expect(bt.Publish("a", "3", 0, 0)...)
		pub.Send(bt.Retained("a", "4", 1, 3)...)
		sub.Expect(bt.Publish("a", "4", 1, 3)...)
	})
}

// A Remaining Length in more bytes than it needs is taken, but no subscriber gets to see it.
func TestPaddedLengthIsNotPassedOn(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("a", 0)
		pub, _ := b.Connect("pub")
		pub.Send(0x30, 0x84, 0x80, 0x00, 0, 1, 'a', 'x')
		sub.Expect(0x30, 4, 0, 1, 'a', 'x')
	})
}

// What breaks the rules of PUBLISH ends the connection, reaches nobody, and leaves the others alone. M04 to M09, R03, R04.
func TestPublishMalformed(t *testing.T) {
	for _, tc := range []struct {
		name string
		send []byte
	}{
		{"packet id 0 at QoS 1 [MQTT-2.3.1-1]", []byte{0x32, 6, 0, 1, 'a', 0, 0, 'x'}},
		{"packet id 0 at QoS 2 [MQTT-2.3.1-1]", []byte{0x34, 6, 0, 1, 'a', 0, 0, 'x'}},
		{"packet id missing", []byte{0x32, 3, 0, 1, 'a'}},
		{"QoS 3 [MQTT-3.3.1-4]", []byte{0x36, 6, 0, 1, 'a', 0, 1, 'x'}},
		{"DUP at QoS 0 [MQTT-3.3.1-2]", []byte{0x38, 4, 0, 1, 'a', 'x'}},
		{"empty topic [MQTT-4.7.3-1]", []byte{0x30, 3, 0, 0, 'x'}},
		{"no topic", []byte{0x30, 0}},
		{"topic longer than the packet", []byte{0x30, 4, 0, 9, 'a', 'x'}},
		{"+ in the topic [MQTT-3.3.2-2]", bt.Publish("a/+", "x", 0, 0)},
		{"# in the topic [MQTT-3.3.2-2]", bt.Publish("a/#", "x", 0, 0)},
		{"wildcard inside a level", bt.Publish("a+b", "x", 0, 0)},
		{"U+0000 [MQTT-1.5.3-2]", bt.Publish("a\x00", "x", 0, 0)},
		{"surrogate [MQTT-1.5.3-1]", bt.Publish("a\xed\xa0\x80", "x", 0, 0)},
		{"overlong form", bt.Publish("a\xc0\xaf", "x", 0, 0)},
		{"control character", bt.Publish("a\x1f", "x", 0, 0)},
		{"noncharacter", bt.Publish("a\uffff", "x", 0, 0)},
		{"33 levels", bt.Publish("a"+strings.Repeat("/a", 32), "x", 0, 0)},
		{"33 levels at QoS 2", bt.Publish("a"+strings.Repeat("/a", 32), "x", 2, 1)},
		{"topic of 1,025 bytes", bt.Publish(strings.Repeat("a", 1025), "x", 0, 0)},
		{"packet over max_packet_bytes", bt.Publish("a", strings.Repeat("x", 256<<10), 0, 0)},
		{"only the claim of one", []byte{0x30, 0xff, 0xff, 0xff, 0x7f}},
		{"length of five bytes", []byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x7f}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
				sub, _ := b.Connect("sub")
				sub.Subscribe("#", 2)
				c, _ := b.Connect("c")
				c.Send(tc.send...)
				c.ExpectClosed()
				sub.ExpectNothing(quiet)
				sub.Ping()
				if told(b, "disconnected c: ") != 1 {
					t.Error("wanted one Disconnected event with the reason")
				}
			})
		})
	}
}

// At the limits everything works.
func TestPublishAtTheLimits(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 2)
		pub, _ := b.Connect("pub")
		for i, p := range [][]byte{
			bt.Publish("a"+strings.Repeat("/a", 31), "x", 0, 0),
			bt.Publish(strings.Repeat("a", 1024), "x", 0, 0),
			bt.Publish("a", "", 0, 0),
			bt.Publish("a", strings.Repeat("x", 256<<10-7), 0, 0), // 4 bytes of fixed header, 3 of topic
			bt.Publish("/", "x", 0, 0),
			bt.Publish("\ufeffa b/ä/𝄞", "x", 0, 0),
		} {
			pub.Send(p...)
			if got := sub.Next(); string(got) != string(p) {
				t.Fatalf("message %d: got %d bytes, want %d", i, len(got), len(p))
			}
		}
	})
}

// M11: topics that begin with $ are the server's own; the publish is acknowledged, dropped and logged [MQTT-3.3.5-2].
func TestPublishToDollarTopics(t *testing.T) {
	inBubble(t, broker.Config{SysInterval: -1}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		for _, f := range []string{"#", "+/x", "$SYS/#", "$x/#", "$SYS/x"} {
			sub.Subscribe(f, 2)
		}
		pub, _ := b.Connect("pub")
		for i, name := range []string{"$SYS/x", "$x", "$x/x", "$share/g/t", "$"} {
			id := uint16(i + 1)
			pub.Publish(name, "0", 0, 0)
			pub.Publish(name, "1", 1, id)
			pub.ExpectAck(packet.PUBACK, id)
			pub.Publish(name, "2", 2, id)
			pub.ExpectAck(packet.PUBREC, id)
			pub.Ack(packet.PUBREL, id)
			pub.ExpectAck(packet.PUBCOMP, id)
			if told(b, "refused pub publish "+name+": ") != 3 {
				t.Errorf("%s: wanted three Refused events", name)
			}
		}
		retain(t, pub, "$SYS/x", "kept", 1)
		sub.ExpectNothing(quiet)
		if st := b.Stats(); st.Retained != 0 || st.PublishRefused != 16 {
			t.Errorf("%d retained, %d refused; want 0 and 16", st.Retained, st.PublishRefused)
		}
	})
}

// Packets that only a server sends, and the types that do not exist, end the connection. R04.
func TestPacketsOfTheServer(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for _, p := range [][]byte{
			{0x20, 2, 0, 0}, {0x90, 3, 0, 1, 0}, {0xb0, 2, 0, 1}, {0xd0, 0}, {0x00, 0}, {0xf0, 0},
			{0xe0, 1, 0}, {0xe1, 0}, {0xc1, 0}, {0x41, 2, 0, 1}, {0x60, 2, 0, 1}, {0x80, 6, 0, 1, 0, 1, 'a', 0}, {0xa0, 5, 0, 1, 0, 1, 'a'},
			{0x40, 2, 0, 0}, {0x40, 1, 1}, {0x40, 3, 0, 1, 0},
		} {
			c, _ := b.Connect("c")
			c.Send(p...)
			c.ExpectClosed()
		}
		for first := range 16 {
			c, _ := b.Connect("c")
			c.Send(byte(first<<4|2), 0xff, 0xff, 0xff, 0xff, 0x7f)
			c.ExpectClosed()
		}
	})
}

// A publisher that is subscribed gets its own messages; every account is a world of its own.
func TestWhoReceives(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		own, _ := b.Connect("own")
		own.Subscribe("a", 1)
		other, _ := b.Connect("other", bt.User("elsewhere/other"))
		other.Subscribe("#", 1)
		own.Publish("a", "x", 1, 9)
		own.Expect(bt.Publish("a", "x", 1, 1)...)
		own.ExpectAck(packet.PUBACK, 9)
		pub, _ := b.Connect("pub")
		retain(t, pub, "a", "kept", 1)
		other.ExpectNothing(quiet)
		late, _ := b.Connect("late", bt.User("elsewhere/late"))
		late.Subscribe("#", 1)
		late.ExpectNothing(quiet)
	})
}
