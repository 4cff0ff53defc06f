package broker_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// takeAll takes what comes until it is quiet, acknowledges it, and returns the payloads.
func takeAll(t *testing.T, c *bt.Client) (payloads []string) {
	t.Helper()
	for p := c.Try(quiet); p != nil; p = c.Try(quiet) {
		var m packet.Publish
		if packet.TypeOf(p[0]) != packet.PUBLISH || m.Decode(p) != nil {
			t.Fatalf("got packet % x", p)
		}
		if m.QoS == 1 {
			c.Ack(packet.PUBACK, m.PacketID)
		}
		payloads = append(payloads, string(m.Payload))
	}
	return payloads
}

// Members take turns, byte for byte; others are not affected, and neither is another group or the same name with another filter.
func TestSharedRoundRobin(t *testing.T) {
	for qos := byte(0); qos <= 1; qos++ {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			pub, _ := b.Connect("pub")
			retain(t, pub, "jobs/0", "kept", 1)
			var members [3]*bt.Client
			for i := range members {
				members[i], _ = b.Connect(fmt.Sprint("m", i))
				members[i].Subscribe("$share/g/jobs/+", qos) // and nothing retained after it
			}
			plain, _ := b.Connect("plain")
			plain.Subscribe("jobs/1", qos)
			other, _ := b.Connect("other")
			other.Subscribe("$share/h/jobs/#", qos)
			same, _ := b.Connect("same")
			same.Subscribe("$share/g/#", qos)
			const rounds = 4
			for i := range 3 * rounds {
				publishAcked(t, pub, "jobs/1", fmt.Sprint(i))
			}
			for i, m := range members {
				for k := range rounds {
					id := uint16(0)
					if qos > 0 {
						id = uint16(k + 1)
					}
					m.Expect(bt.Publish("jobs/1", fmt.Sprint(3*k+i), qos, id)...)
				}
				m.ExpectNothing(quiet)
			}
			for name, c := range map[string]*bt.Client{"plain": plain, "other": other, "same": same} {
				if got := takeAll(t, c); len(got) != 3*rounds {
					t.Errorf("%s got %q", name, got)
				}
			}
			if st := stats(b); st.Shared != 5 || st.Subscriptions != 6 {
				t.Errorf("counted: %+v", st)
			}
			members[1].Disconnect()
			members[2].Unsubscribe("$share/g/jobs/+")
			for i := range 4 {
				publishAcked(t, pub, "jobs/1", fmt.Sprint(i))
			}
			if got := takeAll(t, members[0]); len(got) != 4 {
				t.Errorf("the only member got %q", got)
			}
			members[2].ExpectNothing(quiet)
		})
	}
}

// With sticky delivery a topic stays with its member, in order, and moves only when that member goes.
func TestSharedSticky(t *testing.T) {
	inBubble(t, broker.Config{SharedDelivery: "sticky"}, func(t *testing.T, b *bt.Broker) {
		const topics = 24
		pub, _ := b.Connect("pub")
		members := map[string]*bt.Client{}
		for _, name := range []string{"m0", "m1", "m2"} {
			members[name], _ = b.Connect(name)
			members[name].Subscribe("$share/g/#", 1)
		}
		owners := func() map[string]string {
			for i := range topics {
				for k := range 3 {
					publishAcked(t, pub, fmt.Sprint("t/", i), fmt.Sprintf("%d %d", i, k))
				}
			}
			owner := map[string]string{}
			for name, m := range members {
				got := takeAll(t, m)
				for i, p := range got {
					var topic, k int
					_, _ = fmt.Sscan(p, &topic, &k)
					if k != i%3 {
						t.Fatalf("%s got %q", name, got)
					}
					owner[fmt.Sprint(topic)] = name
				}
			}
			return owner
		}
		before := owners()
		load := map[string]int{}
		for _, name := range before {
			load[name]++
		}
		if len(before) != topics || len(load) != 3 {
			t.Errorf("topics of each member: %v", load)
		}
		members["m1"].Disconnect()
		delete(members, "m1")
		for topic, name := range owners() {
			if before[topic] != "m1" && before[topic] != name {
				t.Errorf("topic %s went from %s to %s", topic, before[topic], name)
			}
		}
	})
}

// M10: what is no shared subscription is refused and stored nowhere.
func TestSharedMalformed(t *testing.T) {
	inBubble(t, broker.Config{MaxTopicLevels: 4}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c")
		for _, f := range []string{"$share", "$share/", "$share/g", "$share/g/", "$share//t", "$share/+/t", "$share/#", "$share/g/$share/h/t"} {
			c.Send(bt.Subscribe(1, f, 1)...)
			c.Expect(0x90, 3, 0, 1, 0x80)
			c.Unsubscribe(f)
		}
		c.Subscribe("$share/g/1/2/3/4", 1) // the limit of levels is the filter's own
		c.Unsubscribe("$share/g/1/2/3/4")
		if st := stats(b); st.Subscriptions != 0 || st.Shared != 0 {
			t.Errorf("left in the index: %+v", st)
		}
		for _, f := range []string{"$share/g/a#", "$share/g/a/#/b", "$share/g/+a/b", "$share/+x/t", "$share/g/1/2/3/4/5"} {
			d, _ := b.Connect("d")
			d.Send(bt.Subscribe(1, f, 1)...)
			d.ExpectClosed()
		}
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "$share/g/t", "x") // M11: acknowledged and dropped
		c.ExpectNothing(quiet)
	})
}

// A01, A02, A03: the rules are applied to the filter and the topic, not to the text with $share in front.
func TestSharedPermission(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		b.Rules.Deny("secret/#", "subscribe")
		b.Rules.Deny("t/hidden", "receive")
		c, _ := b.Connect("c", bt.Persistent)
		c.Send(bt.Subscribe(1, "$share/g/secret/x", 1)...)
		c.Expect(0x90, 3, 0, 1, 0x80)
		if told(b, "refused c subscribe $share/g/secret/x: ") != 1 {
			t.Error("the refusal was not told")
		}
		c.Subscribe("$share/g/t/#", 1)
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "t/hidden", "no")
		publishAcked(t, pub, "t/a", "yes")
		c.Expect(bt.Publish("t/a", "yes", 1, 1)...)
		c.Ack(packet.PUBACK, 1)
		c.ExpectNothing(quiet)
	})
}

// A06: a right that ends takes the shared subscription with it, and what waits, with the client there or away.
func TestSharedPermissionEnds(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.Persistent)
		c.Subscribe("$share/g/t/#", 1)
		pub, _ := b.Connect("pub")
		b.Rules.Deny("t/#", "subscribe receive")
		publishAcked(t, pub, "t/a", "at once")
		c.ExpectNothing(quiet)
		if told(b, "refused c subscribe $share/g/t/#: subscription ended") != 1 || stats(b).Shared != 0 {
			t.Error("the subscription is still there")
		}
		b.Rules.Allow("t/#")
		c.Subscribe("$share/g/t/#", 1)
		c.Disconnect()
		publishAcked(t, pub, "t/a", "waits")
		b.Rules.Deny("t/#", "subscribe receive")
		c, _ = b.Connect("c", bt.Persistent)
		c.ExpectNothing(quiet)
		if stats(b).Shared != 0 {
			t.Error("the subscription is still there")
		}
	})
}

// With nobody there messages wait, also over a restart, and the first member to come gets all of them, in order.
func TestSharedWaits(t *testing.T) {
	inBubbleOn(t, broker.Config{}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		names := []string{"m0", "m1", "m2"}
		for _, name := range names {
			m, _ := b.Connect(name, bt.Persistent)
			m.Subscribe("$share/g/jobs", 1)
			m.Disconnect()
		}
		pub, _ := b.Connect("pub")
		for i := range 7 {
			publishAcked(t, pub, "jobs", fmt.Sprint(i))
		}
		pub.Publish("jobs", "not kept", 0, 0)
		pub.Ping()
		b = restart()
		if st := b.Stats(); st.Shared != 3 {
			t.Errorf("after the restart: %+v", st)
		}
		m, _ := b.Connect("m1", bt.Persistent)
		got := takeAll(t, m)
		slices.Sort(got)
		if fmt.Sprint(got) != "[0 1 2 3 4 5 6]" {
			t.Errorf("the first member got %q", got)
		}
		m.Disconnect()
		b = restart()
		for _, name := range names {
			m, _ := b.Connect(name, bt.Persistent)
			m.ExpectNothing(quiet)
		}
	})
}

// What waits for a member that goes away goes to one that stays; what it was sent comes back to it.
func TestSharedHandOver(t *testing.T) {
	inBubble(t, broker.Config{MaxInflight: 2}, func(t *testing.T, b *bt.Broker) {
		slow, _ := b.Connect("slow", bt.Persistent)
		slow.Subscribe("$share/g/jobs", 1)
		slow.Subscribe("plain", 1)
		pub, _ := b.Connect("pub")
		for i := range 6 {
			publishAcked(t, pub, "jobs", fmt.Sprint(i))
		}
		publishAcked(t, pub, "plain", "mine")
		slow.Expect(bt.Publish("jobs", "0", 1, 1)...)
		slow.Expect(bt.Publish("jobs", "1", 1, 2)...)
		fast, _ := b.Connect("fast", bt.Persistent)
		fast.Subscribe("$share/g/jobs", 1)
		fast.ExpectNothing(quiet) // the slow one is there
		slow.Disconnect()
		if got := takeAll(t, fast); fmt.Sprint(got) != "[2 3 4 5]" {
			t.Errorf("handed over: %q", got)
		}
		slow, _ = b.Connect("slow", bt.Persistent)
		if got := takeAll(t, slow); fmt.Sprint(got) != "[0 1 mine]" {
			t.Errorf("left with the first: %q", got)
		}
	})
}

// A session that its client discards leaves what waits to the others, there or not.
func TestSharedBequest(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for _, name := range []string{"m0", "m1"} {
			m, _ := b.Connect(name, bt.Persistent)
			m.Subscribe("$share/g/jobs", 1)
			m.Disconnect()
		}
		pub, _ := b.Connect("pub")
		for i := range 4 {
			publishAcked(t, pub, "jobs", fmt.Sprint(i))
		}
		m, _ := b.Connect("m0") // clean session: what it had is gone
		m.ExpectNothing(quiet)
		m, _ = b.Connect("m1", bt.Persistent)
		got := takeAll(t, m)
		slices.Sort(got)
		if fmt.Sprint(got) != "[0 1 2 3]" {
			t.Errorf("got %q", got)
		}
	})
}

// A member with a full queue is passed over.
func TestSharedFull(t *testing.T) {
	inBubble(t, broker.Config{QueueMessages: 3, MaxInflight: 1}, func(t *testing.T, b *bt.Broker) {
		stuck, _ := b.Connect("stuck", bt.Persistent)
		stuck.Subscribe("$share/g/jobs", 1)
		busy, _ := b.Connect("busy", bt.Persistent)
		busy.Subscribe("$share/g/jobs", 1)
		pub, _ := b.Connect("pub")
		var got []string
		for i := range 20 {
			publishAcked(t, pub, "jobs", fmt.Sprint(i))
			got = append(got, takeAll(t, busy)...)
		}
		if st := stats(b); st.DroppedQueue != 0 || len(got) != 20-4 {
			t.Errorf("%d dropped, the free member got %q", st.DroppedQueue, got)
		}
	})
}

// M23: overlapping shared and plain filters of the same text, unsubscribed in all orders: one copy as long as there is one, none after.
func TestSharedUnsubscribeInEveryOrder(t *testing.T) {
	filters := []string{"t", "$share/g/t", "$share/h/t"}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			c, _ := b.Connect("c")
			for _, f := range filters {
				c.Subscribe(f, 1)
			}
			pub, _ := b.Connect("pub")
			for _, i := range order {
				publishAcked(t, pub, "t", "x")
				if got := takeAll(t, c); len(got) != 1 {
					t.Fatalf("before %s was taken away: %q", filters[i], got)
				}
				c.Unsubscribe(filters[i])
			}
			publishAcked(t, pub, "t", "x")
			c.ExpectNothing(quiet)
			if st := stats(b); st.Subscriptions != 0 || st.Shared != 0 {
				t.Errorf("left in the index: %+v", st)
			}
		})
	}
}

var sharedSeed = flag.Uint64("shared-seed", 0, "seed of TestSharedModel; 0: a random one")

// Sessions with plain and shared subscriptions come, go, subscribe and unsubscribe at random, and the server restarts. A model, a few maps,
// says who may have each message: every session with a plain subscription exactly once, and of each group exactly one member, unless nobody
// in it could have it.
func TestSharedModel(t *testing.T) {
	for _, delivery := range []string{"round-robin", "sticky"} {
		seed := *sharedSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		t.Run(fmt.Sprint(delivery, " seed ", seed), func(t *testing.T) {
			inBubbleOn(t, broker.Config{SharedDelivery: delivery, QueueMessages: 30000}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
				m := &sharedModel{t: t, b: b, restart: restart, rnd: rand.New(rand.NewPCG(seed, 1)), got: map[string][]string{}}
				for i := range 6 {
					m.sessions = append(m.sessions, &sharedSession{name: fmt.Sprint("s", i), subs: map[string]bool{}, ever: map[string]bool{}})
				}
				m.run(300)
			})
		})
	}
}

type sharedModel struct {
	t        *testing.T
	b        *bt.Broker
	restart  func() *bt.Broker
	rnd      *rand.Rand
	sessions []*sharedSession
	sent     []sharedMessage
	got      map[string][]string // payload to the sessions that got it
}

type sharedSession struct {
	name string
	c    *bt.Client // nil while away
	subs map[string]bool
	ever map[string]bool // and what it was ever subscribed to
}

// sharedMessage is one message and who had which subscription when it was sent.
type sharedMessage struct {
	payload string
	plain   []string
	groups  map[string][]string // members
}

var sharedFilters = []string{"a", "+", "$share/g/a", "$share/g/+", "$share/h/a", "$share/h/b"}

func (m *sharedModel) run(steps int) {
	pub, _ := m.b.Connect("pub")
	for i := range steps {
		s := m.sessions[m.rnd.IntN(len(m.sessions))]
		switch n := m.rnd.IntN(100); {
		case n < 40:
			m.publish(pub, fmt.Sprint(i))
		case n < 60 && s.c == nil:
			s.c, _ = m.b.Connect(s.name, bt.Persistent)
		case n < 70 && s.c != nil:
			m.collect(s)
			s.c.Disconnect()
			s.c = nil
		case n < 85 && s.c != nil:
			f := sharedFilters[m.rnd.IntN(len(sharedFilters))]
			s.c.Send(bt.Subscribe(1, f, 1)...)
			s.c.Take(1, func(p []byte) bool { return packet.TypeOf(p[0]) == packet.SUBACK })
			s.subs[f], s.ever[f] = true, true
		case n < 98 && s.c != nil:
			f := sharedFilters[m.rnd.IntN(len(sharedFilters))]
			s.c.Send(packet.AppendUnsubscribe(nil, 2, [][]byte{[]byte(f)})...)
			s.c.Take(1, func(p []byte) bool { return packet.TypeOf(p[0]) == packet.UNSUBACK })
			delete(s.subs, f)
		case n >= 98:
			m.collectAll()
			m.b = m.restart()
			pub, _ = m.b.Connect("pub")
			for _, s := range m.sessions {
				s.c = nil
			}
		}
	}
	for _, s := range m.sessions { // everybody comes and takes what waits
		if s.c == nil {
			s.c, _ = m.b.Connect(s.name, bt.Persistent)
		}
	}
	m.collectAll()
	m.collectAll()
	for _, s := range m.sent {
		m.check(s)
	}
}

func (m *sharedModel) collectAll() {
	for _, s := range m.sessions {
		m.collect(s)
	}
}

func (m *sharedModel) collect(s *sharedSession) {
	if s.c != nil {
		for _, p := range takeAll(m.t, s.c) {
			m.got[p] = append(m.got[p], s.name)
		}
	}
}

func (m *sharedModel) publish(pub *bt.Client, payload string) {
	msg := sharedMessage{payload: payload, groups: map[string][]string{}}
	name := []string{"a", "b"}[m.rnd.IntN(2)]
	for _, s := range m.sessions {
		plain := false
		for f := range s.subs {
			switch f {
			case "$share/g/+", "$share/g/" + name, "$share/h/" + name:
				msg.groups[f] = append(msg.groups[f], s.name)
			case "+", name:
				plain = true
			}
		}
		if plain {
			msg.plain = append(msg.plain, s.name)
		}
	}
	m.sent = append(m.sent, msg)
	publishAcked(m.t, pub, name, payload)
}

// check judges one message after everything was delivered. Who was or became a member of a group may have had it on the group's behalf.
func (m *sharedModel) check(s sharedMessage) {
	got := m.got[s.payload]
	slices.Sort(got)
	for _, name := range s.plain {
		if !slices.Contains(got, name) {
			m.t.Errorf("message %s did not come to %s, which had a plain subscription; it came to %v", s.payload, name, got)
		}
	}
	for g := range s.groups {
		if !slices.ContainsFunc(m.sessions, func(x *sharedSession) bool { return x.ever[g] && slices.Contains(got, x.name) }) {
			m.t.Errorf("message %s came to no member of %s (%v), only to %v", s.payload, g, s.groups[g], got)
		}
	}
	if most := len(s.plain) + len(s.groups); len(got) > most {
		m.t.Errorf("message %s came to %v: more than %d, for plain subscriptions %v and groups %v", s.payload, got, most, s.plain, s.groups)
	}
}
