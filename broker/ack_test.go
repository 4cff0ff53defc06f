package broker_test

import (
	"bytes"
	"fmt"
	"testing"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/internal/auth"
	"xively/storage"
)

// recorder is a Tap whose sink writes to the journal, so that a publish to last/# is acknowledged after the disk only. It panics on
// topic last/panic.
type recorder struct {
	got [][]byte
}

func (r *recorder) Sink(_, topic string) func(auth.Principal, string, []byte, *storage.Batch) {
	if len(topic) < 5 || topic[:5] != "last/" {
		return nil
	}
	return func(_ auth.Principal, topic string, payload []byte, b *storage.Batch) {
		if topic == "last/panic" {
			panic("a bug in a module")
		}
		r.got = append(r.got, bytes.Clone(payload))
		b.Add('t', []byte{1}, payload)
	}
}

// sinkConsumer makes stream 't' known to the journal.
type sinkConsumer struct{}

func (sinkConsumer) Replay(uint64, []byte) error { return nil }
func (sinkConsumer) Freeze()                     {}
func (sinkConsumer) Flush(*storage.Tx) error     { return nil }

func withRecorder(t *testing.T, fn func(t *testing.T, b *bt.Broker, r *recorder)) {
	r := &recorder{}
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		if err := b.DB.Journal().Attach('t', sinkConsumer{}); err != nil {
			t.Fatal(err)
		}
		fn(t, b, r)
	}, r)
}

// [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4]: acknowledgements leave in the order of what they answer, whether that waits for the disk
// or not, in one batch or in many.
func TestAcknowledgementsInOrder(t *testing.T) {
	for _, batched := range []bool{true, false} {
		t.Run(fmt.Sprintf("one write %v", batched), func(t *testing.T) {
			withRecorder(t, func(t *testing.T, b *bt.Broker, r *recorder) {
				c, _ := b.Connect("c")
				var packets [][]byte
				var want []byte
				for i := range 60 {
					id := uint16(i + 1)
					name := "free" // nobody has to keep it
					if i%3 == 0 {
						name = "last/x"
					}
					switch {
					case i%7 == 5:
						packets = append(packets, bt.Subscribe(id, "nothing", 1))
						want = append(want, 0x90, 3, 0, byte(id), 1)
					case i%2 == 0:
						packets = append(packets, bt.Publish(name, "x", 1, id))
						want = append(want, bt.Ack(packet.PUBACK, id)...)
					default:
						packets = append(packets, bt.Publish(name, "x", 2, id), bt.Ack(packet.PUBREL, id))
						want = append(want, bt.Ack(packet.PUBREC, id)...)
						want = append(want, bt.Ack(packet.PUBCOMP, id)...)
					}
				}
				if batched {
					sendAll(c, packets...)
				} else {
					for _, p := range packets {
						c.Send(p...)
					}
				}
				c.Expect(want...)
				c.ExpectNothing(quiet)
			})
		})
	}
}

// PUBRELs follow the order of PUBRECs in a persistent session too, where each waits for the disk.
func TestPubrelsInOrder(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("a", 2)
		pub, _ := b.Connect("pub")
		for i := range 20 {
			pub.Publish("a", fmt.Sprint(i), 2, uint16(i+1))
		}
		var recs [][]byte
		var want []byte
		for i := range 20 {
			id := uint16(i + 1)
			sub.Expect(bt.Publish("a", fmt.Sprint(i), 2, id)...)
			recs = append(recs, bt.Ack(packet.PUBREC, id), bt.Ack(packet.PUBREC, 1000+id)) // every other for nothing we know
			want = append(want, bt.Ack(packet.PUBREL, id)...)
			want = append(want, bt.Ack(packet.PUBREL, 1000+id)...)
		}
		sendAll(sub, recs...)
		sub.Expect(want...)
	})
}

// [MQTT-4.3.3-2]: until PUBREL a repeated identifier is answered and not delivered, whatever it carries; after PUBREL it is a new message.
// R10.
func TestQoS2Duplicates(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		withRecorder(t, func(t *testing.T, b *bt.Broker, r *recorder) {
			sub, _ := b.Connect("sub")
			sub.Subscribe("#", 2)
			var opts []bt.Option
			if persistent {
				opts = append(opts, bt.Persistent)
			}
			pub, _ := b.Connect("pub", opts...)
			pub.Publish("last/a", "first", 2, 7)
			pub.ExpectAck(packet.PUBREC, 7)
			for range 1000 {
				pub.Send(bt.Dup(bt.Publish("last/a", "again", 2, 7))...)
				pub.ExpectAck(packet.PUBREC, 7)
			}
			if persistent {
				pub.Disconnect()
				pub, _ = b.Connect("pub", opts...)
				pub.Send(bt.Dup(bt.Publish("last/a", "again", 2, 7))...)
				pub.ExpectAck(packet.PUBREC, 7)
			}
			sub.Expect(bt.Publish("last/a", "first", 2, 1)...)
			sub.ExpectNothing(quiet)
			pub.Ack(packet.PUBREL, 7)
			pub.ExpectAck(packet.PUBCOMP, 7)
			pub.Ack(packet.PUBREL, 7) // PUBCOMP was lost
			pub.ExpectAck(packet.PUBCOMP, 7)
			pub.Publish("last/a", "second", 2, 7)
			pub.ExpectAck(packet.PUBREC, 7)
			sub.Expect(bt.Publish("last/a", "second", 2, 2)...)
			if len(r.got) != 2 {
				t.Errorf("the module saw %d messages, want 2", len(r.got))
			}
		})
	}
}

// In a clean session the identifiers go with the connection.
func TestQoS2IdentifiersOfACleanSession(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("a", 0)
		for range 2 {
			pub, _ := b.Connect("pub")
			pub.Publish("a", "x", 2, 7)
			pub.ExpectAck(packet.PUBREC, 7)
			sub.Expect(bt.Publish("a", "x", 0, 0)...)
			pub.Disconnect()
		}
	})
}

// At QoS 1 the same identifier after PUBACK is a new message, DUP or not [MQTT-4.3.2-2].
func TestQoS1Repeats(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("a", 0)
		pub, _ := b.Connect("pub")
		for range 3 {
			pub.Send(bt.Dup(bt.Publish("a", "x", 1, 7))...)
			pub.ExpectAck(packet.PUBACK, 7)
			sub.Expect(bt.Publish("a", "x", 0, 0)...)
		}
	})
}

// R10: QoS 2 messages that are never released are limited.
func TestUnreleasedLimit(t *testing.T) {
	inBubble(t, broker.Config{MaxUnreleased: 10}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.Persistent)
		for id := range uint16(10) {
			c.Publish("a", "x", 2, id+1)
			c.ExpectAck(packet.PUBREC, id+1)
		}
		c.Ack(packet.PUBREL, 3)
		c.ExpectAck(packet.PUBCOMP, 3)
		c.Publish("a", "x", 2, 11)
		c.ExpectAck(packet.PUBREC, 11)
		c.Publish("a", "x", 2, 5) // known: still answered
		c.ExpectAck(packet.PUBREC, 5)
		c.Publish("a", "x", 2, 12)
		c.ExpectClosed()
		if told(b, "broker.max_unreleased") == 0 {
			t.Error("the reason was not told")
		}
	})
}

// R11: acknowledgements of nothing are answered where a peer could wait for it, and leave nothing behind.
func TestUnknownAcknowledgements(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			var opts []bt.Option
			if persistent {
				opts = append(opts, bt.Persistent)
			}
			c, _ := b.Connect("c", opts...)
			before := b.DB.Journal().Last()
			for id := uint16(1); id < 5000; id++ {
				sendAll(c, bt.Ack(packet.PUBACK, id), bt.Ack(packet.PUBREC, id), bt.Ack(packet.PUBREL, id), bt.Ack(packet.PUBCOMP, id))
				c.ExpectAck(packet.PUBREL, id)
				c.ExpectAck(packet.PUBCOMP, id)
			}
			c.ExpectNothing(quiet)
			if after := b.DB.Journal().Last(); after != before {
				t.Errorf("%d batches were journaled for it", after-before)
			}
		})
	}
}

// R11: a million of each, beside a full window of messages that are not acknowledged: nothing grows, nothing is journaled, nothing is told.
func TestAcknowledgementFlood(t *testing.T) {
	const batch = 5000
	batches := 200
	if testing.Short() || broker.RaceEnabled {
		batches = 10
	}
	b := bt.Start(t, broker.Config{})
	c, _ := b.Connect("c", bt.Persistent)
	c.Subscribe("a", 2)
	pub, _ := b.Connect("pub")
	for range 70 {
		publishAcked(t, pub, "a", "x")
	}
	for range 64 {
		c.Next()
	}
	journal, told := b.DB.Journal().Last(), len(b.Events.Lines())
	before := heapNow()
	for _, kind := range []struct{ sent, answer packet.Type }{{packet.PUBACK, 0}, {packet.PUBREC, packet.PUBREL}, {packet.PUBREL, packet.PUBCOMP}, {packet.PUBCOMP, 0}} {
		var out, want []byte
		for id := uint16(1000); id < 1000+batch; id++ {
			out = append(out, bt.Ack(kind.sent, id)...)
			if kind.answer != 0 {
				want = append(want, bt.Ack(kind.answer, id)...)
			}
		}
		for range batches {
			c.Send(out...)
			c.Expect(want...)
		}
		c.Ping()
	}
	if grown := heapNow() - before; grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if n := b.DB.Journal().Last() - journal; n != 0 {
		t.Errorf("%d batches were journaled", n)
	}
	if n := len(b.Events.Lines()) - told; n != 0 || b.Stats().Violations != 0 {
		t.Errorf("%d events, %d violations", n, b.Stats().Violations)
	}
	for id := uint16(1); id <= 64; id++ { // the window is as it was
		c.Ack(packet.PUBACK, id)
	}
	for id := uint16(65); id <= 70; id++ {
		c.Expect(bt.Publish("a", "x", 1, id)...)
	}
}

// An acknowledgement of the wrong kind does not end a flight: it is sent again.
func TestWrongKindOfAcknowledgement(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("a", 2)
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "a", "one")
		pub.Publish("a", "two", 2, 2)
		pub.ExpectAck(packet.PUBREC, 2)
		one, two := bt.Publish("a", "one", 1, 1), bt.Publish("a", "two", 2, 2)
		sub.Expect(one...)
		sub.Expect(two...)
		sub.Ack(packet.PUBCOMP, 1)
		sub.Ack(packet.PUBREC, 1) // answered, for who knows what the client means by it
		sub.ExpectAck(packet.PUBREL, 1)
		sub.Ack(packet.PUBACK, 2)
		sub.Ack(packet.PUBCOMP, 2) // before PUBREC
		sub.Disconnect()
		sub, _ = b.Connect("sub", bt.Persistent)
		sub.Expect(bt.Dup(one)...)
		sub.Expect(bt.Dup(two)...)
		sub.Ack(packet.PUBREC, 2)
		sub.ExpectAck(packet.PUBREL, 2)
		sub.Ack(packet.PUBREC, 2) // once more: the same answer
		sub.ExpectAck(packet.PUBREL, 2)
		sub.Ack(packet.PUBACK, 1)
		sub.Ack(packet.PUBCOMP, 2)
		sub.Disconnect()
		sub, _ = b.Connect("sub", bt.Persistent)
		sub.ExpectNothing(quiet)
	})
}

// P13: a panic in a module's sink ends the publisher's connection and nothing else. What it had not acknowledged counts as not received,
// queues lose no room, and no lock or batch stays behind: the journal still makes checkpoints.
func TestPanicInASink(t *testing.T) {
	r := &recorder{}
	inBubble(t, broker.Config{QueueMessages: 5}, func(t *testing.T, b *bt.Broker) {
		if err := b.DB.Journal().Attach('t', sinkConsumer{}); err != nil {
			t.Fatal(err)
		}
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("last/#", 2)
		sub.Disconnect()
		live, _ := b.Connect("live")
		live.Subscribe("free", 0)
		for range 10 {
			pub, _ := b.Connect("pub", bt.Persistent)
			sendAll(pub, bt.Publish("free", "x", 0, 0), bt.Publish("last/panic", "x", 2, 7))
			pub.ExpectClosed()
			live.Expect(bt.Publish("free", "x", 0, 0)...)
		}
		if told(b, "disconnected pub: internal error") != 10 {
			t.Error("wanted ten Disconnected events with the reason")
		}
		pub, _ := b.Connect("pub", bt.Persistent)
		pub.Publish("last/a", "fresh", 2, 7) // not a repeat: it was never taken
		pub.ExpectAck(packet.PUBREC, 7)
		for i := range 4 {
			publishAcked(t, pub, "last/a", fmt.Sprint(i))
		}
		sub, _ = b.Connect("sub", bt.Persistent)
		sub.Expect(bt.Publish("last/a", "fresh", 2, sub.PeekID())...)
		for i := range 4 {
			sub.Expect(bt.Publish("last/a", fmt.Sprint(i), 1, sub.PeekID())...)
		}
		if n := b.Stats().DroppedQueue; n != 0 {
			t.Errorf("%d messages were dropped: the panics left reservations behind", n)
		}
		// A checkpoint needs every batch to have ended.
		big := string(make([]byte, 100<<10))
		for range 30 {
			publishAcked(t, pub, "last/b", big)
		}
	}, r)
}

// slowModule takes one publish and no more until it is told to go on.
type slowModule struct {
	recorder
	gate  chan struct{}
	paced int
}

func (m *slowModule) Pace(_, topic string) func() {
	if m.Sink("", topic) == nil {
		return nil
	}
	return func() {
		m.paced++
		if len(m.got) > 0 {
			<-m.gate
		}
	}
}

// A module that has enough to do holds back who publishes to it, and nobody else.
func TestPacer(t *testing.T) {
	m := &slowModule{}
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		m.gate = make(chan struct{})
		if err := b.DB.Journal().Attach('t', sinkConsumer{}); err != nil {
			t.Fatal(err)
		}
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 0)
		pub, _ := b.Connect("pub")
		other, _ := b.Connect("other")
		publishAcked(t, pub, "last/a", "1")
		sub.Expect(bt.Publish("last/a", "1", 0, 0)...)
		sendAll(pub, bt.Publish("free", "before", 0, 0), bt.Publish("last/a", "2", 1, 2))
		sub.Expect(bt.Publish("free", "before", 0, 0)...)
		pub.ExpectNothing(quiet)
		publishAcked(t, other, "free", "x")
		sub.Expect(bt.Publish("free", "x", 0, 0)...)
		close(m.gate)
		pub.ExpectAck(packet.PUBACK, 2)
		sub.Expect(bt.Publish("last/a", "2", 0, 0)...)
		if len(m.got) != 2 || m.paced != 2 {
			t.Errorf("the module got %q after %d questions", m.got, m.paced)
		}
	}, m)
}

// The same in Server.Publish: the panic is the caller's, and receivers touched before it still get their messages.
func TestPanicInASinkOfServerPublish(t *testing.T) {
	withRecorder(t, func(t *testing.T, b *bt.Broker, _ *recorder) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 0)
		who := auth.Principal{Kind: auth.Device, AccountID: "test", ID: "api"}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("wanted the panic to reach the caller")
				}
			}()
			_ = b.Publish(who, "last/panic", []byte("x"), 1, false)
		}()
		if err := b.Publish(who, "free", []byte("x"), 1, false); err != nil {
			t.Fatal(err)
		}
		sub.Expect(bt.Publish("free", "x", 0, 0)...)
	})
}
