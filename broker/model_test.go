package broker_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

var modelSeed = flag.Uint64("model-seed", 0, "seed of TestModel; 0: random ones")

// M16, M18 [MQTT-4.5.0-1] [MQTT-4.6.0-6]: publishers and subscribers of every kind come and go at random, cut their connections, take
// themselves over and leave acknowledgements unsent. In the end no acknowledged message of QoS 1 or 2 is missing in a persistent
// session, QoS 2 came exactly once, and messages of one publisher, topic and QoS came in their order.
func TestModel(t *testing.T) {
	seeds := []uint64{*modelSeed}
	if *modelSeed == 0 {
		seeds = nil
		for len(seeds) < 3 && (len(seeds) < 1 || !testing.Short()) {
			seeds = append(seeds, rand.Uint64())
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cfg := broker.Config{MaxInflight: 8, QueueMessages: 30000, OutgoingBytes: 16 << 10}
			inBubble(t, cfg, func(t *testing.T, b *bt.Broker) { runModel(t, b, seed) })
		})
	}
}

func runModel(t *testing.T, b *bt.Broker, seed uint64) {
	m := &model{t: t, b: b}
	var publishing, subscribing sync.WaitGroup
	var subs []*modelSubscriber
	for i := range 8 {
		s := &modelSubscriber{
			model: m, rnd: rand.New(rand.NewPCG(seed, uint64(i))), name: fmt.Sprint("sub", i), persistent: i%2 == 0, qos: byte(i / 2 % 3),
			seen: map[string]int{}, last: map[string]int{}, open: map[uint16]bool{}, ready: make(chan struct{}),
		}
		subs = append(subs, s)
		subscribing.Go(s.run)
		<-s.ready
	}
	var pubs []*modelPublisher
	for i := range 4 {
		p := &modelPublisher{model: m, rnd: rand.New(rand.NewPCG(seed, uint64(100+i))), name: fmt.Sprint("pub", i), left: 120, counts: map[string]int{}}
		pubs = append(pubs, p)
		publishing.Go(p.run)
	}
	publishing.Wait()
	m.done.Store(true)
	subscribing.Wait()
	for _, s := range subs {
		s.check(pubs)
	}
}

// model is what all of its clients share.
type model struct {
	t    *testing.T
	b    *bt.Broker
	done atomic.Bool // every publisher has all its acknowledgements
}

// connect returns nil when the connection ended at once: taken over by the same client's next one.
func (m *model) connect(name string, persistent bool) *bt.Client {
	c := m.b.Dial()
	if persistent {
		c.Send(bt.ConnectPacket(name, bt.Persistent)...)
	} else {
		c.Send(bt.ConnectPacket(name)...)
	}
	p := c.Next()
	if p == nil {
		return nil
	}
	if p[0] != 0x20 || p[3] != 0 {
		m.t.Errorf("%s: first packet is % x, want CONNACK 0", name, p)
	}
	return c
}

// modelMessage is one message of QoS 1 or 2 on its way to the broker.
type modelMessage struct {
	id       uint16
	qos      byte
	bytes    []byte
	released bool // PUBREC came: only PUBREL is sent again
}

type modelPublisher struct {
	*model
	rnd     *rand.Rand
	name    string
	left    int
	id      uint16
	counts  map[string]int // stream (publisher, topic, QoS) to messages sent
	unacked []*modelMessage
}

func (p *modelPublisher) run() {
	for p.left > 0 || len(p.unacked) > 0 {
		c := p.connect(p.name, true)
		if c == nil {
			continue
		}
		for _, m := range p.unacked {
			if m.released {
				c.Ack(packet.PUBREL, m.id)
			} else {
				c.Send(bt.Dup(m.bytes)...)
			}
		}
		for n := p.rnd.IntN(60); n > 0 && (p.left > 0 || len(p.unacked) > 0); n-- {
			if p.left > 0 && len(p.unacked) < 10 && p.rnd.IntN(3) > 0 {
				p.publish(c)
			} else if !p.take(c.Try(10 * time.Millisecond)) {
				break
			}
		}
		if p.rnd.IntN(3) > 0 { // else it takes itself over
			_ = c.Conn.Close()
		}
	}
}

func (p *modelPublisher) publish(c *bt.Client) {
	p.left--
	topic, qos := fmt.Sprint("t/", p.rnd.IntN(3)), byte(p.rnd.IntN(3))
	stream := fmt.Sprintf("%s %s %d", p.name, topic, qos)
	n := p.counts[stream]
	p.counts[stream]++
	m := &modelMessage{qos: qos}
	if qos > 0 {
		p.id++
		m.id = p.id
		p.unacked = append(p.unacked, m)
	}
	m.bytes = bt.Publish(topic, fmt.Sprintf("%s/%d", stream, n), qos, m.id)
	c.Send(m.bytes...)
}

// take handles an acknowledgement; nil is none for now.
func (p *modelPublisher) take(b []byte) bool {
	if b == nil {
		return true
	}
	id := uint16(b[2])<<8 | uint16(b[3])
	for i, m := range p.unacked {
		if m.id != id {
			continue
		}
		switch packet.TypeOf(b[0]) {
		case packet.PUBREC:
			m.released = true
			return false // the rest of the method follows on the next connection, as often as not
		default:
			p.unacked = append(p.unacked[:i:i], p.unacked[i+1:]...)
		}
		return true
	}
	return true
}

type modelSubscriber struct {
	*model
	rnd        *rand.Rand
	name       string
	persistent bool
	qos        byte
	ready      chan struct{} // closed at the first SUBACK

	seen    map[string]int // payload to how often
	last    map[string]int // stream to the newest number; of this connection in a clean session
	open    map[uint16]bool
	pending [][]byte // acknowledgements not sent yet
}

func (s *modelSubscriber) run() {
	first := true
	for quietly := false; !quietly; {
		c := s.connect(s.name, s.persistent)
		if c == nil {
			continue
		}
		if !s.persistent {
			clear(s.last)
			clear(s.open)
		}
		if first || !s.persistent {
			c.Send(bt.Subscribe(1, "t/#", s.qos)...)
		}
		if first {
			c.Expect(0x90, 3, 0, 1, s.qos)
			close(s.ready)
			first = false
		}
		s.pending = nil
		quietly = s.session(c)
		if s.rnd.IntN(3) > 0 {
			_ = c.Conn.Close()
		}
	}
}

// session takes packets until it has had enough, the connection ends, or nothing can come any more (true).
func (s *modelSubscriber) session(c *bt.Client) (over bool) {
	for n := s.rnd.IntN(80) + 1; ; n-- {
		done := s.done.Load()
		p := c.Try(100 * time.Millisecond)
		switch {
		case p == nil && c.Closed():
			return false
		case p == nil && len(s.pending) > 0:
			s.acknowledge(c)
		case p == nil:
			if done {
				return true
			}
		case n <= 0 && !done:
			return false // and what this packet asks for is never sent
		default:
			s.take(c, p)
		}
	}
}

func (s *modelSubscriber) acknowledge(c *bt.Client) {
	sendAll(c, s.pending...)
	s.pending = nil
}

func (s *modelSubscriber) take(c *bt.Client, b []byte) {
	switch packet.TypeOf(b[0]) {
	case packet.PUBREL:
		id := uint16(b[2])<<8 | uint16(b[3])
		delete(s.open, id)
		s.pending = append(s.pending, bt.Ack(packet.PUBCOMP, id))
	case packet.PUBLISH:
		var m packet.Publish
		if err := m.Decode(b); err != nil {
			s.t.Errorf("%s got a malformed PUBLISH: %v", s.name, err)
			return
		}
		switch m.QoS {
		case 1:
			s.pending = append(s.pending, bt.Ack(packet.PUBACK, m.PacketID))
		case 2:
			s.pending = append(s.pending, bt.Ack(packet.PUBREC, m.PacketID))
			if s.open[m.PacketID] {
				return
			}
			s.open[m.PacketID] = true
		}
		s.record(m)
	}
	if s.rnd.IntN(3) == 0 {
		s.acknowledge(c)
	}
}

// record notes a message and sees that it comes after those sent before it, unless it is a repeat.
func (s *modelSubscriber) record(m packet.Publish) {
	payload := string(m.Payload)
	var pub, topic string
	var qos, n int
	if _, err := fmt.Sscanf(payload, "%s %s %d/%d", &pub, &topic, &qos, &n); err != nil {
		s.t.Errorf("%s got %q: %v", s.name, payload, err)
	}
	stream := fmt.Sprintf("%s %s %d", pub, topic, qos)
	last, any := s.last[stream]
	// A QoS 1 message that the publisher repeats is a new one to whoever missed the first.
	misses := !s.persistent || s.qos == 0
	if any && n <= last && s.seen[payload] == 0 && (qos != 1 || !misses) {
		s.t.Errorf("%s got %s for the first time after number %d", s.name, payload, last)
	}
	if any && n <= last && qos == 0 {
		s.t.Errorf("%s got %s twice, or after number %d", s.name, payload, last)
	}
	s.last[stream] = max(last, n)
	s.seen[payload]++
}

func (s *modelSubscriber) check(pubs []*modelPublisher) {
	if !s.persistent || s.qos == 0 {
		return
	}
	for _, p := range pubs {
		for stream, sent := range p.counts {
			qos := stream[len(stream)-1] - '0'
			for n := range sent {
				got := s.seen[fmt.Sprintf("%s/%d", stream, n)]
				switch {
				case qos > 0 && got == 0:
					s.t.Errorf("%s never got %s/%d", s.name, stream, n)
				case min(qos, s.qos) == 2 && got > 1:
					s.t.Errorf("%s got %s/%d %d times", s.name, stream, n, got)
				}
			}
		}
	}
}
