package broker_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage/storagetest"
)

// world is what the clients of a broker remember, over all its crashes: the record of what was acknowledged to them.
type world struct {
	t       testing.TB
	mu      sync.Mutex // guards what follows. Held while a client acts on one packet, so that a crash falls between two
	stopped bool
	devices []*device
	sent    map[string]byte // payload: its QoS; QoS 1 and 2 and acknowledged
	kept    map[string]*keptValue
}

// keptValue is what a retained topic may hold: any value from the last acknowledged one on. 0 is a deleted one.
type keptValue struct{ acked, sent int }

// device is one client: publisher, subscriber, or both. It remembers as MQTT 3.1.1 §4.1 asks, also over the broker's crashes.
type device struct {
	w     *world
	name  string
	clean bool
	rnd   *rand.Rand
	c     *bt.Client

	known    bool // CONNACK was received for a persistent session: it must be there ever after
	n        int
	lastID   uint16
	out      []*outgoing
	incoming map[uint16]bool // QoS 2 identifiers received and not released
	got      map[string]int
	owed     [][]byte
	subs     map[string]*subState
}

type outgoing struct {
	id       uint16
	p        packet.Publish
	typ      byte   // 0: PUBLISH, else the first byte of SUBSCRIBE or UNSUBSCRIBE
	filter   string //
	released bool   // PUBREC was received
	version  int    // of a retained value
}

// subState is a filter as the client knows it: granted, gone, or asked for and not answered.
type subState struct{ on, unsure bool }

func (d *device) id() uint16 {
	for {
		d.lastID++
		if d.lastID != 0 && !slices.ContainsFunc(d.out, func(o *outgoing) bool { return o.id == d.lastID }) {
			return d.lastID
		}
	}
}

// connect begins or resumes the session and sends again what is due. w.mu is not held.
func (d *device) connect(b *bt.Broker) {
	opts := []bt.Option{bt.Persistent}
	if d.clean {
		opts = nil
	}
	c, present := b.Connect(d.name, opts...)
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.c, d.owed = c, nil
	switch {
	case d.clean:
		d.out, d.incoming = nil, map[uint16]bool{}
		c.Send(packet.AppendSubscribe(nil, 65000, []packet.Subscription{{Filter: []byte("t/#"), QoS: 1}})...)
		return
	case d.known && !present:
		d.w.t.Errorf("%s: its session is lost", d.name)
	}
	d.known = true
	for _, o := range d.out {
		d.send(o, true)
	}
}

func (d *device) send(o *outgoing, again bool) {
	switch {
	case o.typ == 0x82:
		d.c.Send(packet.AppendSubscribe(nil, o.id, []packet.Subscription{{Filter: []byte(o.filter), QoS: 2}})...)
	case o.typ == 0xa2:
		d.c.Send(packet.AppendUnsubscribe(nil, o.id, [][]byte{[]byte(o.filter)})...)
	case o.released:
		d.c.Send(packet.AppendAck(nil, packet.PUBREL, o.id)...)
	default:
		o.p.Dup = again
		d.c.Send(packet.AppendPublish(nil, &o.p)...)
	}
}

// run acts until the world stops: packets as they come, and something of its own now and then. One goroutine per device.
func (d *device) run() {
	for {
		p := d.c.Try(time.Duration(d.rnd.IntN(1500)) * time.Microsecond)
		d.w.mu.Lock()
		if d.w.stopped {
			d.w.mu.Unlock()
			return
		}
		if p != nil {
			d.take(p)
		} else {
			d.act()
		}
		d.w.mu.Unlock()
	}
}

func (d *device) act() {
	switch op := d.rnd.IntN(10); {
	case op < 3 && len(d.out) < 8:
		d.publish(byte(d.rnd.IntN(3)))
	case op < 4 && len(d.out) < 8:
		d.retain()
	case op < 5 && !d.clean:
		d.changeFilter()
	default:
		for i := d.rnd.IntN(4); i > 0 && len(d.owed) > 0; i-- {
			d.c.Send(d.owed[0]...)
			d.owed = d.owed[1:]
		}
	}
}

func (d *device) publish(qos byte) {
	d.n++
	o := &outgoing{p: packet.Publish{Topic: fmt.Appendf(nil, "t/%d", d.rnd.IntN(3)), Payload: fmt.Appendf(nil, "%s-%d", d.name, d.n), QoS: qos}}
	if qos > 0 {
		o.id = d.id()
		o.p.PacketID = o.id
		d.out = append(d.out, o)
	}
	d.send(o, false)
}

// retain sets or deletes the device's own retained topic.
func (d *device) retain() {
	if slices.ContainsFunc(d.out, func(o *outgoing) bool { return o.version != 0 }) {
		return // one at a time, so that versions are in order
	}
	d.n++
	k := d.w.kept[d.name]
	k.sent++
	o := &outgoing{id: d.id(), version: k.sent}
	o.p = packet.Publish{Topic: []byte("r/" + d.name), Payload: fmt.Append(nil, k.sent), QoS: byte(1 + d.rnd.IntN(2)), Retain: true, PacketID: o.id}
	if k.sent%5 == 0 {
		o.p.Payload = nil
	}
	d.out = append(d.out, o)
	d.send(o, false)
}

func (d *device) changeFilter() {
	f := fmt.Sprint("x/", d.name, d.rnd.IntN(3))
	s := d.subs[f]
	if s == nil {
		s = &subState{}
		d.subs[f] = s
	}
	if s.unsure || len(d.out) >= 8 {
		return
	}
	o := &outgoing{id: d.id(), typ: 0x82, filter: f}
	if s.on {
		o.typ = 0xa2
	}
	s.unsure = true
	d.out = append(d.out, o)
	d.send(o, false)
}

// take acts on one packet from the broker.
func (d *device) take(p []byte) {
	id := uint16(0)
	if len(p) >= 4 {
		id = uint16(p[2])<<8 | uint16(p[3])
	}
	i := slices.IndexFunc(d.out, func(o *outgoing) bool { return o.id == id })
	switch packet.TypeOf(p[0]) {
	case packet.PUBLISH:
		d.receive(p)
	case packet.PUBREL:
		delete(d.incoming, id)
		d.owed = append(d.owed, packet.AppendAck(nil, packet.PUBCOMP, id))
	case packet.PUBREC:
		if i >= 0 {
			d.out[i].released = true
			d.acked(d.out[i])
		}
		d.c.Send(packet.AppendAck(nil, packet.PUBREL, id)...)
	case packet.PUBACK, packet.PUBCOMP, packet.SUBACK, packet.UNSUBACK:
		if i >= 0 {
			d.acked(d.out[i])
			d.out = slices.Delete(d.out, i, i+1)
		}
	}
}

func (d *device) acked(o *outgoing) {
	switch {
	case o.typ != 0:
		*d.subs[o.filter] = subState{on: o.typ == 0x82}
	case o.version > 0:
		k := d.w.kept[d.name]
		k.acked = max(k.acked, o.version)
	default:
		d.w.sent[string(o.p.Payload)] = o.p.QoS
	}
}

func (d *device) receive(p []byte) {
	var m packet.Publish
	if err := m.Decode(p); err != nil {
		d.w.t.Errorf("%s: % x: %v", d.name, p, err)
		return
	}
	switch m.QoS {
	case 1:
		d.owed = append(d.owed, packet.AppendAck(nil, packet.PUBACK, m.PacketID))
	case 2:
		d.owed = append(d.owed, packet.AppendAck(nil, packet.PUBREC, m.PacketID))
		if d.incoming[m.PacketID] {
			return // the same message again
		}
		d.incoming[m.PacketID] = true
	}
	d.got[string(m.Payload)]++
}

// round lets everybody act on the broker for a while, then stops them. What they have not been told by then they never hear.
func (w *world) round(b *bt.Broker, d time.Duration) (cut func()) {
	w.stopped = false
	for _, d := range w.devices {
		d.connect(b)
	}
	var running sync.WaitGroup
	for _, d := range w.devices {
		running.Go(d.run)
	}
	time.Sleep(d)
	return func() {
		w.mu.Lock()
		w.stopped = true
		w.mu.Unlock()
		running.Wait()
	}
}

// settle lets every persistent device finish what is under way, and returns what was lost or doubled. What has not come yet is waited for: a
// machine that is busy may need seconds for one sync.
func (w *world) settle(b *bt.Broker, patience time.Duration) (wrong []string) {
	w.stopped = false
	for _, d := range w.devices {
		d.connect(b)
	}
	end := time.Now().Add(patience)
	for quiet := 0; quiet < 20 || (!w.complete() && time.Now().Before(end)); quiet++ {
		for _, d := range w.devices {
			for p := d.c.Try(2 * time.Millisecond); p != nil || len(d.owed) > 0; p = d.c.Try(2 * time.Millisecond) {
				quiet = 0
				if p != nil {
					d.take(p)
				}
				for _, a := range d.owed {
					d.c.Send(a...)
				}
				d.owed = nil
			}
		}
	}
	for _, d := range w.devices {
		if d.clean {
			continue
		}
		for payload, qos := range w.sent {
			switch n := d.got[payload]; {
			case n == 0:
				wrong = append(wrong, fmt.Sprintf("%s never got %s, acknowledged at QoS %d", d.name, payload, qos))
			case n > 1 && qos == 2:
				wrong = append(wrong, fmt.Sprintf("%s got %s %d times, sent at QoS 2", d.name, payload, n))
			}
		}
	}
	return append(wrong, w.checkFilters(b)...)
}

// complete says whether every persistent device has finished what it began and got all that was acknowledged.
func (w *world) complete() bool {
	for _, d := range w.devices {
		if d.clean {
			continue
		}
		if len(d.out)+len(d.incoming) > 0 {
			return false
		}
		for payload := range w.sent {
			if d.got[payload] == 0 {
				return false
			}
		}
	}
	return true
}

// check looks at what must be there right after a crash: retained messages.
func (w *world) check(b *bt.Broker) (wrong []string) {
	c, _ := b.Connect("reader")
	defer leave(w.t, b, c)
	for name, k := range w.kept {
		version := 0
		c.Subscribe("r/"+name, 1)
		c.Send(0xc0, 0) // answered behind what is retained
		for p := c.Next(); p != nil && packet.TypeOf(p[0]) != packet.PINGRESP; p = c.Next() {
			var m packet.Publish
			if err := m.Decode(p); err != nil {
				w.t.Errorf("% x: %v", p, err)
			}
			_, _ = fmt.Sscan(string(m.Payload), &version)
		}
		for want := k.acked; ; want++ {
			if want == version || (version == 0 && want%5 == 0) {
				break
			}
			if want > k.sent {
				wrong = append(wrong, fmt.Sprintf("r/%s holds version %d; %d was acknowledged, %d sent", name, version, k.acked, k.sent))
				break
			}
		}
	}
	return wrong
}

// checkFilters publishes to every filter that was ever asked for and looks who gets it.
func (w *world) checkFilters(b *bt.Broker) (wrong []string) {
	c, _ := b.Connect("prober")
	n := uint16(0)
	for _, d := range w.devices {
		for f, s := range d.subs {
			n++
			c.Publish(f, "probe "+f, 1, n)
			c.Expect(0x40, 2, byte(n>>8), byte(n))
			probed := func() bool { return d.got["probe "+f] > 0 }
			for end := time.Now().Add(30 * time.Second); s.on && !probed() && time.Now().Before(end); {
				if p := d.c.Try(10 * time.Millisecond); p != nil {
					d.take(p)
				}
			}
			for p := d.c.Try(time.Millisecond); p != nil; p = d.c.Try(time.Millisecond) {
				d.take(p)
			}
			if !s.unsure && s.on != probed() {
				wrong = append(wrong, fmt.Sprintf("%s: filter %s: subscribed %v, delivered %v", d.name, f, s.on, probed()))
			}
		}
	}
	return wrong
}

// crashes runs rounds of load, each ended by a crash, and returns what the clients find wrong. early is the control: the folder is copied before
// the clients stop, which is as if the broker had acknowledged before the disk had it.
func crashes(t *testing.T, seed uint64, rounds int, early bool) []string {
	rnd := rand.New(rand.NewPCG(seed, 1))
	w := &world{t: t, sent: map[string]byte{}, kept: map[string]*keptValue{}}
	for i := range 5 {
		d := &device{w: w, name: fmt.Sprint("d", i), clean: i == 4, rnd: rand.New(rand.NewPCG(seed, uint64(i+2))),
			incoming: map[uint16]bool{}, got: map[string]int{}, subs: map[string]*subState{}}
		w.kept[d.name] = &keptValue{}
		w.devices = append(w.devices, d)
	}
	cfg := broker.Config{MaxInflight: 8, QueueMessages: 30000, MaxUnreleased: 1000}
	dir := t.TempDir()
	b := bt.On(t, openStore(t, dir, 8<<10), cfg)
	for _, d := range w.devices {
		d.connect(b)
		if !d.clean {
			d.c.Subscribe("t/#", 2)
		}
	}
	var wrong []string
	for range rounds {
		cut := w.round(b, time.Duration(rnd.IntN(40))*time.Millisecond)
		var copied string
		if early {
			copied = storagetest.Crash(t, b.DB, dir)
			time.Sleep(20 * time.Millisecond)
			cut()
		} else {
			cut()
			copied = storagetest.Crash(t, b.DB, dir)
		}
		b.Stop()
		dir = copied
		b = bt.On(t, openStore(t, dir, 8<<10), cfg)
		wrong = append(wrong, w.check(b)...)
		if early && len(wrong) > 0 {
			return wrong
		}
	}
	patience := 30 * time.Second
	if early {
		patience = time.Second // for what is lost
	}
	return append(wrong, w.settle(b, patience)...)
}

// Whenever the server is killed: nothing that was acknowledged is lost, QoS 2 is exactly once, subscriptions that were acknowledged are there, and
// a retained topic holds the last acknowledged value or a later one.
func TestCrashLosesNothing(t *testing.T) {
	seed, rounds := rand.Uint64(), 25
	if os.Getenv("XIVELY_SOAK") != "" {
		rounds = 1000
	}
	t.Log("seed", seed)
	if wrong := crashes(t, seed, rounds, false); len(wrong) > 0 {
		t.Errorf("%d wrong:\n%s", len(wrong), strings.Join(wrong, "\n"))
	}
}

// The control: with acknowledgements that come before the disk has what they confirm, the test above must see loss.
func TestCrashTestSeesLoss(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	wrong := crashes(t, seed, 5, true)
	if len(wrong) == 0 {
		t.Error("a server that acknowledges too early passes the crash test")
	}
	t.Log(len(wrong), "wrong, as it must be; the first:", wrong[:min(3, len(wrong))])
}
