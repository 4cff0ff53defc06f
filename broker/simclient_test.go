package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// simClient is one client of the simulated world, publisher and subscriber. A persistent one remembers what MQTT 3.1.1 §4.1 asks, over
// its connections and the server's crashes; a clean one begins anew with each connection.
type simClient struct {
	w     *simWorld
	name  string
	clean bool
	rnd   *rand.Rand

	c      *simConn // nil: not connected
	online bool     // CONNACK was received
	known  bool     // once so with a persistent session, which must be there ever after
	buf    []byte   // received, an incomplete packet
	lastID uint16
	out    []*simOut       // sent and not acknowledged to the end, in their order
	owed   [][]byte        // acknowledgements to send
	held   map[uint16]bool // QoS 2 identifiers received and not released
	unpaid map[uint16]bool // QoS 1 identifiers received and never acknowledged
	n      map[string]int  // by stream: messages published

	epoch int                   // of a clean client: its sessions are told apart
	subs  map[string][]*simTerm // by filter
	got   map[string]*simGot    // by payload
	first map[string]int        // by stream: the newest message received for the first time
}

// simOut is a packet that wants an answer.
type simOut struct {
	typ      packet.Type // PUBLISH, SUBSCRIBE, UNSUBSCRIBE
	id       uint16
	p        packet.Publish
	msg      *simMessage
	version  int // of the client's retained value
	term     *simTerm
	released bool // PUBREC was received
}

// simMessage is a message in the history. Times are steps of the simulation.
type simMessage struct {
	topic       string
	qos         byte
	sent, acked int // 0: never
}

// simTerm is the time of one subscription. 0: not yet.
type simTerm struct {
	epoch          int
	asked, granted int // SUBSCRIBE sent, SUBACK received
	leaving, left  int // UNSUBSCRIBE sent, UNSUBACK received
	qos            byte
}

type simGot struct {
	count int
	two   bool // it came at QoS 2
}

var simFilters = []string{"t/#", "t/+", "x/0", "x/1", "t/1"}

func newSimClient(w *simWorld, i int, clean bool) *simClient {
	d := &simClient{w: w, name: fmt.Sprint("c", i), clean: clean, rnd: w.rnd}
	d.forget()
	d.n, d.subs, d.got = map[string]int{}, map[string][]*simTerm{}, map[string]*simGot{}
	return d
}

// forget is what a clean session does when it ends.
func (d *simClient) forget() {
	d.out, d.held, d.unpaid, d.first = nil, map[uint16]bool{}, map[uint16]bool{}, map[string]int{}
	d.epoch++
	for _, terms := range d.subs {
		for _, t := range terms {
			if t.left == 0 {
				t.left = d.w.step
			}
			if t.leaving == 0 {
				t.leaving = d.w.step
			}
		}
	}
}

// lose is told that the connection has ended.
func (d *simClient) lose() {
	d.c, d.online, d.buf, d.owed = nil, false, nil, nil
	if d.clean {
		d.forget()
	}
}

func (d *simClient) send(b ...byte) {
	d.w.note("%s sends % x", d.name, b[:min(len(b), 40)])
	d.c.send(b)
}

func (d *simClient) connect(c *simConn) {
	d.c = c
	opts := []bt.Option{bt.KeepAlive(100)}
	if !d.clean {
		opts = append(opts, bt.Persistent)
	}
	d.send(bt.ConnectPacket(d.name, opts...)...)
}

func (d *simClient) newID() uint16 {
	for {
		d.lastID++
		if d.lastID != 0 && !slices.ContainsFunc(d.out, func(o *simOut) bool { return o.id == d.lastID }) {
			return d.lastID
		}
	}
}

// act does something of the client's own.
func (d *simClient) act() {
	switch op := d.rnd.IntN(12); {
	case op < 4:
		d.publish()
	case op < 5:
		d.retain()
	case op < 7:
		d.changeFilter()
	case op < 8 && d.rnd.IntN(4) == 0:
		d.send(0xc0, 0)
	default:
		d.pay(d.rnd.IntN(4))
	}
}

// pay sends acknowledgements that are due, in their order.
func (d *simClient) pay(n int) {
	for ; n > 0 && len(d.owed) > 0; n-- {
		if a := d.owed[0]; a[0] == 0x40 {
			delete(d.unpaid, uint16(a[2])<<8|uint16(a[3]))
		}
		d.send(d.owed[0]...)
		d.owed = d.owed[1:]
	}
}

func (d *simClient) publish() {
	if len(d.out) > 8 {
		return
	}
	topic, qos := []string{"t/0", "t/1", "x/0", "x/1"}[d.rnd.IntN(4)], byte(d.rnd.IntN(3))
	stream := fmt.Sprintf("%s:%s:%d", d.name, topic, qos)
	d.n[stream]++
	payload := fmt.Sprintf("%s:%d:", stream, d.n[stream])
	if d.rnd.IntN(8) == 0 {
		payload += strings.Repeat("x", d.rnd.IntN(3000))
	}
	m := &simMessage{topic: topic, qos: qos, sent: d.w.step}
	d.w.messages[payload] = m
	o := &simOut{typ: packet.PUBLISH, msg: m, p: packet.Publish{QoS: qos, Topic: []byte(topic), Payload: []byte(payload)}}
	if qos > 0 {
		o.id = d.newID()
		o.p.PacketID = o.id
		d.out = append(d.out, o)
	}
	d.transmit(o, false)
}

// retain sets or deletes the client's retained value, one change at a time.
func (d *simClient) retain() {
	if d.clean || len(d.out) > 8 || slices.ContainsFunc(d.out, func(o *simOut) bool { return o.version > 0 }) {
		return
	}
	k := d.w.kept[d.name]
	k.sent++
	o := &simOut{typ: packet.PUBLISH, id: d.newID(), version: k.sent}
	o.p = packet.Publish{Topic: []byte("r/" + d.name), Payload: []byte(strconv.Itoa(k.sent)), QoS: byte(1 + d.rnd.IntN(2)), Retain: true, PacketID: o.id}
	if k.sent%5 == 0 {
		o.p.Payload = nil
	}
	d.out = append(d.out, o)
	d.transmit(o, false)
}

func (d *simClient) changeFilter() {
	f := simFilters[d.rnd.IntN(len(simFilters))]
	if len(d.out) > 8 || slices.ContainsFunc(d.out, func(o *simOut) bool { return o.term != nil }) {
		return
	}
	terms := d.subs[f]
	if n := len(terms); n > 0 && terms[n-1].leaving == 0 {
		terms[n-1].leaving = d.w.step
		o := &simOut{typ: packet.UNSUBSCRIBE, id: d.newID(), term: terms[n-1], p: packet.Publish{Topic: []byte(f)}}
		d.out = append(d.out, o)
		d.transmit(o, false)
		return
	}
	d.subscribe(f, byte(1+d.rnd.IntN(2)))
}

func (d *simClient) subscribe(f string, qos byte) {
	t := &simTerm{epoch: d.epoch, asked: d.w.step, qos: qos}
	d.subs[f] = append(d.subs[f], t)
	o := &simOut{typ: packet.SUBSCRIBE, id: d.newID(), term: t, p: packet.Publish{Topic: []byte(f), QoS: qos}}
	d.out = append(d.out, o)
	d.transmit(o, false)
}

func (d *simClient) transmit(o *simOut, again bool) {
	switch {
	case o.typ == packet.SUBSCRIBE:
		d.send(bt.Subscribe(o.id, string(o.p.Topic), o.p.QoS)...)
	case o.typ == packet.UNSUBSCRIBE:
		d.send(packet.AppendUnsubscribe(nil, o.id, [][]byte{o.p.Topic})...)
	case o.released:
		d.send(bt.Ack(packet.PUBREL, o.id)...)
	default:
		o.p.Dup = again && o.p.QoS > 0
		d.send(packet.AppendPublish(nil, &o.p)...)
	}
}

// receive takes bytes from the network and acts on every whole packet.
func (d *simClient) receive(b []byte) {
	d.buf = append(d.buf, b...)
	for d.c != nil {
		size, _, err := packet.Frame(d.buf, packet.MaxSize)
		if err != nil {
			d.w.fail("%s: not a packet: % x", d.name, d.buf)
			return
		}
		if size == 0 || size > len(d.buf) {
			return
		}
		d.take(d.buf[:size])
		d.buf = d.buf[size:]
	}
}

func (d *simClient) take(b []byte) {
	d.w.note("%s gets % x", d.name, b[:min(len(b), 40)])
	typ := packet.TypeOf(b[0])
	if typ == packet.CONNACK {
		d.accepted(b)
		return
	}
	if !d.online {
		d.w.fail("%s: packet % x before CONNACK", d.name, b)
	}
	if typ == packet.PUBLISH {
		d.message(b)
		return
	}
	id := uint16(0)
	if len(b) >= 4 {
		id = uint16(b[2])<<8 | uint16(b[3])
	}
	i := slices.IndexFunc(d.out, func(o *simOut) bool { return o.id == id })
	switch typ {
	case packet.PUBREL:
		delete(d.held, id)
		d.owed = append(d.owed, bt.Ack(packet.PUBCOMP, id))
	case packet.PUBREC:
		if i >= 0 {
			d.out[i].released = true
			d.acknowledged(d.out[i])
		}
		d.owed = append(d.owed, bt.Ack(packet.PUBREL, id))
	case packet.PUBACK, packet.PUBCOMP, packet.SUBACK, packet.UNSUBACK:
		if i < 0 {
			d.w.fail("%s: answer to nothing: % x", d.name, b)
			return
		}
		d.acknowledged(d.out[i])
		d.out = slices.Delete(d.out, i, i+1)
	}
}

func (d *simClient) accepted(b []byte) {
	present, code, err := packet.DecodeConnack(b)
	if err != nil || code != 0 {
		d.w.fail("%s: CONNACK % x", d.name, b)
		return
	}
	if d.known && !present {
		d.w.fail("%s: its session is lost", d.name)
	}
	if d.clean && present {
		d.w.fail("%s: a session is present for clean session", d.name)
	}
	fresh := !d.known
	d.online, d.known = true, !d.clean
	if fresh && d.name != "reader" {
		d.subscribe("t/#", 2)
		return
	}
	for _, o := range d.out {
		d.transmit(o, true)
	}
}

func (d *simClient) acknowledged(o *simOut) {
	now := d.w.step
	switch {
	case o.typ == packet.SUBSCRIBE:
		o.term.granted = now
	case o.typ == packet.UNSUBSCRIBE:
		o.term.left = now
	case o.version > 0:
		k := d.w.kept[d.name]
		k.acked = max(k.acked, o.version)
	case o.msg.acked == 0:
		o.msg.acked = now
	}
}

func (d *simClient) message(b []byte) {
	var p packet.Publish
	if err := p.Decode(b); err != nil {
		d.w.fail("%s: % x: %v", d.name, b, err)
		return
	}
	if p.QoS == 1 && d.unpaid[p.PacketID] && !p.Dup {
		d.w.fail("%s: identifier %d is used again before it was acknowledged, or DUP is missing", d.name, p.PacketID)
	}
	switch p.QoS {
	case 1:
		d.unpaid[p.PacketID] = true
		d.owed = append(d.owed, bt.Ack(packet.PUBACK, p.PacketID))
	case 2:
		d.owed = append(d.owed, bt.Ack(packet.PUBREC, p.PacketID))
		if d.held[p.PacketID] {
			if !p.Dup {
				d.w.fail("%s: identifier %d is used again before it was released", d.name, p.PacketID)
			}
			return // the same message again
		}
		d.held[p.PacketID] = true
	}
	if d.clean && len(p.Payload) > 0 {
		p.Payload = fmt.Appendf(slices.Clip(p.Payload), "@%d", d.epoch)
	}
	d.w.received(d, &p)
}
