package broker_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// M16 [MQTT-3.1.4-2]: the same principal connects again in the middle of QoS 2, both ways: the old connection is closed, nothing is lost,
// nothing comes twice.
func TestTakeoverInTheMiddleOfQoS2(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		watch, _ := b.Connect("watch")
		watch.Subscribe("out", 0)
		c, _ := b.Connect("c", bt.Persistent)
		c.Subscribe("in", 2)
		pub, _ := b.Connect("pub")
		for id := range uint16(3) {
			pub.Publish("in", fmt.Sprint(id), 2, id+1)
			pub.ExpectAck(packet.PUBREC, id+1)
			c.Expect(bt.Publish("in", fmt.Sprint(id), 2, id+1)...)
		}
		c.Ack(packet.PUBREC, 1)
		c.ExpectAck(packet.PUBREL, 1)
		c.Ack(packet.PUBREC, 2)
		c.ExpectAck(packet.PUBREL, 2)
		c.Ack(packet.PUBCOMP, 2)
		c.Publish("out", "x", 2, 9)
		c.ExpectAck(packet.PUBREC, 9)

		next, present := b.Connect("c", bt.Persistent)
		if !present {
			t.Error("the session was lost")
		}
		c.ExpectClosed()
		next.ExpectAck(packet.PUBREL, 1)
		next.Expect(bt.Dup(bt.Publish("in", "2", 2, 3))...)
		next.Send(bt.Dup(bt.Publish("out", "x", 2, 9))...)
		next.ExpectAck(packet.PUBREC, 9)
		next.Ack(packet.PUBREL, 9)
		next.ExpectAck(packet.PUBCOMP, 9)
		next.Ack(packet.PUBCOMP, 1)
		next.Ack(packet.PUBREC, 3)
		next.ExpectAck(packet.PUBREL, 3)
		watch.Expect(bt.Publish("out", "x", 0, 0)...)
		watch.ExpectNothing(quiet)
		next.ExpectNothing(quiet)
		if told(b, "disconnected c: taken over") != 1 {
			t.Error("the reason was not told")
		}
	})
}

// The old connection's end comes before the new one's CONNACK.
func TestTakeoverOrder(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for _, opts := range [][]bt.Option{nil, {bt.Persistent}} {
			old, _ := b.Connect("c", opts...)
			b.Connect("c", opts...)
			synctest.Wait()
			if !old.Closed() {
				t.Error("the old connection is open")
			}
		}
		for i, l := range b.Events.Lines() {
			if want := []string{"connected", "disconnected"}[i%2]; len(l) < len(want) || l[:len(want)] != want {
				t.Errorf("event %d is %q, want %q: the ends come first", i, l, want)
			}
		}
	})
}

// M14: without the right password a client id moves nothing.
func TestNoTakeoverBeforeProof(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		victim, _ := b.Connect("victim", bt.Persistent, bt.Will("will", "x", 0, false))
		victim.Subscribe("#", 1)
		for _, opts := range [][]bt.Option{
			{bt.Password("wrong")}, {bt.Password("wrong"), bt.Persistent}, {bt.User("forbidden")}, {bt.Will("$SYS/x", "x", 0, false)},
		} {
			thief := b.Dial()
			thief.Send(bt.ConnectPacket("victim", opts...)...)
			if p := thief.Next(); len(p) != 4 || p[3] == 0 {
				t.Fatalf("got % x, want a refusal", p)
			}
			thief.ExpectClosed()
		}
		victim.Ping()
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "a", "x")
		victim.Expect(bt.Publish("a", "x", 1, 1)...)
		victim.Ack(packet.PUBACK, 1)
		victim.Disconnect()
		if _, present := b.Connect("victim", bt.Persistent); !present {
			t.Error("the session was lost")
		}
	})
}

// M15: somebody else with the same client id, of the same account or of another, is somebody else.
func TestSameClientIDOfAnotherPrincipal(t *testing.T) {
	for _, user := range []string{"mallory", "elsewhere/alice"} {
		t.Run(user, func(t *testing.T) {
			inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
				alice, _ := b.Connect("id", bt.User("alice"), bt.Persistent)
				alice.Subscribe("mail", 1)
				pub, _ := b.Connect("pub")
				publishAcked(t, pub, "mail", "one")
				alice.Expect(bt.Publish("mail", "one", 1, 1)...)
				for _, opts := range [][]bt.Option{{bt.User(user)}, {bt.User(user), bt.Persistent}} {
					other, present := b.Connect("id", opts...)
					if present {
						t.Fatal("another principal was given the session")
					}
					other.ExpectNothing(quiet)
					alice.Ping() // still there
					other.Disconnect()
				}
				alice.Disconnect()
				publishAcked(t, pub, "mail", "two")
				other, _ := b.Connect("id", bt.User(user)) // clean session 1 discards nothing of alice's
				other.ExpectNothing(quiet)
				alice, present := b.Connect("id", bt.User("alice"), bt.Persistent)
				if !present {
					t.Fatal("the session was lost")
				}
				alice.Expect(bt.Dup(bt.Publish("mail", "one", 1, 1))...)
				alice.Expect(bt.Publish("mail", "two", 1, 2)...)
			})
		})
	}
}

// Many connections with one client id at once: in the end one is left, and it works.
func TestTakeoverStorm(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		const n = 50
		clients := make([]*bt.Client, n)
		var accepted atomic.Int32
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				var opts []bt.Option
				if i%3 > 0 {
					opts = append(opts, bt.Persistent)
				}
				c := b.Dial()
				clients[i] = c
				c.Send(bt.ConnectPacket("c", opts...)...)
				if p := c.Next(); p != nil {
					if p[0] != 0x20 || p[3] != 0 {
						t.Errorf("first packet is % x, want CONNACK 0", p)
					}
					accepted.Add(1)
				}
				c.Send(bt.Subscribe(1, "a", 1)...)
			})
		}
		wg.Wait()
		synctest.Wait()
		open := 0
		for _, c := range clients {
			if !c.Closed() {
				open++
				if p := c.Next(); len(p) == 0 || p[0] != 0x90 {
					t.Errorf("got % x, want SUBACK", p)
				}
				c.Publish("a", "x", 1, 5)
				c.Expect(bt.Publish("a", "x", 1, 1)...)
				c.ExpectAck(packet.PUBACK, 5)
			}
		}
		st := b.Stats()
		if open != 1 || st.Connections != 1 || st.Sessions != 1 {
			t.Errorf("%d open, %d connections, %d sessions; want one each (%d were accepted)", open, st.Connections, st.Sessions, accepted.Load())
		}
	})
}

// [MQTT-3.2.0-1]: while messages pour in for a session, CONNACK is still the first packet its client sees, and what was in flight the
// second.
func TestConnackComesFirst(t *testing.T) {
	inBubble(t, broker.Config{QueueMessages: 30000}, func(t *testing.T, b *bt.Broker) {
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("a", 1)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(stop) // also when the test fails: they would publish for ever
		for i := range 4 {
			pub, _ := b.Connect(fmt.Sprint("pub", i))
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						sendAll(pub, bt.Publish("a", "0", 0, 0), bt.Publish("a", "1", 1, 1))
						pub.Next()
					}
				}
			})
		}
		for range 100 {
			sub = b.Dial() // takes the last one over
			sub.Send(bt.ConnectPacket("sub", bt.Persistent)...)
			if p := sub.Next(); len(p) != 4 || p[0] != 0x20 || p[2] != 1 {
				t.Fatalf("first packet is % x, want CONNACK", p)
			}
			// Of several publishers the messages may pass each other, as MQTT 3.1.1 §4.6 has it; none comes twice on one connection.
			seen := map[int]bool{}
			for range 20 {
				p := sub.Next()
				if len(p) < 7 || p[0]&6 == 0 {
					continue
				}
				id := int(p[5])<<8 | int(p[6])
				if seen[id] {
					t.Fatalf("identifier %d came twice", id)
				}
				seen[id] = true
			}
		}
	})
}
