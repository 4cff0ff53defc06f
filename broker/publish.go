package broker

import (
	"xively/broker/packet"
	"xively/broker/topic"
	"xively/internal/auth"
	"xively/storage"
)

// publisher sends messages on behalf of one principal: a connection's read loop, a will, or Server.Publish. It is used by one goroutine.
// Its buffers and its routes live as long as it does, so that a PUBLISH to a known topic allocates nothing.
type publisher struct {
	srv *Server
	sp  *space
	who auth.Principal

	last    *route
	routes  map[string]*route
	touched []*conn // have bytes to be flushed at the end of the batch
	crowded []*conn // receivers half full: wait for them a moment
	pending int     // bytes appended for the touched
	enc     [3]encoded
	tally   tally      // messages not yet counted by topic
	body    *Message   // the message of the moment, once somebody has to keep it
	picked  []target   // whom shared subscriptions chose for it
	keep    []receiver // persistent sessions that queue it
	full    []*Session // and those that cannot
}

// encoded is the message of the moment as a PUBLISH packet of one QoS, shared by all receivers. Only the packet identifier differs.
type encoded struct {
	bytes  []byte // nil until somebody needs it
	header int    // bytes before the payload; the identifier is the last two of them
	own    []byte // the publisher's buffer for it; bytes may also be the packet as it came
}

// maxRoutes bounds the topics a publisher remembers; one that uses more forgets them all and begins again.
const maxRoutes = 256

// maxPending bounds what gathers for receivers in one batch: a large message for many of them is on its way to the first before the last gets it.
const maxPending = 8 << 20

// keepEncoded is the size up to which an encoding buffer is kept between batches.
const keepEncoded = 4 << 10

func newPublisher(s *Server, who auth.Principal) *publisher {
	return &publisher{srv: s, sp: s.space(who.AccountID), who: who}
}

// message is a PUBLISH on its way in.
type message struct {
	topic   []byte
	payload []byte
	qos     byte
	retain  bool
	raw     []byte // the whole packet as received, when a QoS 0 receiver can have it byte for byte
	from    *Session
	id      uint16 // QoS 2 from a persistent session: its identifier, remembered with the message
}

// handlePublish takes a PUBLISH from the client: routes it, and acknowledges once what must last is on disk.
func (c *conn) handlePublish(b []byte) bool {
	var p packet.Publish
	if err := p.Decode(b); err != nil {
		return c.violation(err)
	}
	s := c.srv
	c.batch++
	m := message{topic: p.Topic, payload: p.Payload, qos: p.QoS, retain: p.Retain, from: c.sess}
	if p.QoS == 0 && !p.Retain && len(b) == packet.PublishSize(len(p.Topic), len(p.Payload), 0) {
		m.raw = b // but not with a Remaining Length longer than need be: a receiver might mind
	}
	if p.QoS == 2 {
		fresh, lsn, ok := c.sess.received(p.PacketID, s.cfg.MaxUnreleased)
		switch {
		case !ok:
			c.close("more QoS 2 messages unreleased than broker.max_unreleased allows")
			return false
		case !fresh: // [MQTT-4.3.3-2]: known already, its method is not started again
			c.reply(packet.PUBREC, p.PacketID, lsn)
			return true
		}
		m.id = p.PacketID
	}
	r, err := c.pub.route(p.Topic)
	if err != nil {
		return c.violation(err)
	}
	var lsn uint64
	refused := r.err
	if refused == nil {
		refused = s.mayKeep(c.pub.sp, &m)
	}
	if refused == nil && c.starves(r, &m) {
		return true
	}
	if refused != nil {
		// MQTT 3.1.1 has no refusal for PUBLISH: it is acknowledged and dropped [MQTT-3.3.5-2], and the log says why.
		s.stats.publishRefused.Add(1)
		c.refused("publish", r.topic, refused)
	} else {
		lsn = c.pub.send(r, &m)
	}
	switch p.QoS {
	case 1:
		c.reply(packet.PUBACK, p.PacketID, lsn) // [MQTT-4.3.2-2]
	case 2:
		if lsn == 0 {
			lsn = c.sess.journalReceived(p.PacketID)
		}
		c.reply(packet.PUBREC, p.PacketID, lsn) // [MQTT-4.3.3-2]
	}
	return true
}

// publishChecked is for senders other than a read loop: a refusal is an error here.
func (p *publisher) publishChecked(name string, payload []byte, qos byte, retain bool) (uint64, error) {
	if err := topic.CheckName(name, p.srv.cfg.MaxTopicBytes, p.srv.cfg.MaxTopicLevels); err != nil {
		return 0, err
	}
	r, err := p.route([]byte(name))
	if err != nil {
		return 0, err
	}
	if r.err != nil {
		return 0, r.err
	}
	m := message{topic: []byte(name), payload: payload, qos: qos, retain: retain}
	if err := p.srv.mayKeep(p.sp, &m); err != nil {
		return 0, err
	}
	if err := p.refuseFull(r, &m); err != nil {
		return 0, err
	}
	p.sp.received.Add(1)
	return p.send(r, &m), nil
}

// route returns what is known of a topic, made anew when the account's subscriptions or the directory changed. The error is a name over
// the server's limits.
func (p *publisher) route(name []byte) (*route, error) {
	r := p.last
	if r == nil || r.topic != string(name) {
		r = p.routes[string(name)]
	}
	if r != nil && r.gen == p.sp.gen.Load() && r.epoch == p.srv.authz.Epoch() {
		p.last = r
		return r, nil
	}
	text := string(name)
	if r == nil {
		if err := topic.CheckName(text, p.srv.cfg.MaxTopicBytes, p.srv.cfg.MaxTopicLevels); err != nil {
			return nil, err
		}
	}
	r = p.srv.newRoute(p.sp, p.who, text)
	if p.routes == nil || len(p.routes) >= maxRoutes {
		p.routes = make(map[string]*route, 1)
	}
	p.routes[text] = r
	p.last = r
	return r, nil
}

// send gives m to everybody on the route. It returns the LSN that must be on disk before m is acknowledged, 0 when nothing must.
func (p *publisher) send(r *route, m *message) uint64 {
	p.enc[0].bytes, p.enc[1].bytes, p.enc[2].bytes = nil, nil, nil
	p.body = nil
	p.count(r, len(m.payload))
	lasting := p.choose(r, m) || r.lasting
	var lsn uint64
	if m.retain || len(r.sinks) > 0 || (lasting && m.qos > 0) || (m.qos == 2 && m.from != nil && m.from.persistent()) {
		lsn = p.sendLasting(r, m)
	}
	delivered := p.sendNow(r.targets, r.topic, m)
	if len(p.picked) > 0 {
		delivered += p.sendNow(p.picked, r.topic, m)
	}
	if delivered > 0 {
		p.sp.delivered.Add(delivered)
	}
	return lsn
}

// choose asks each group of the route for the member that gets m. It reports whether one of them will queue it on disk.
func (p *publisher) choose(r *route, m *message) (lasting bool) {
	p.picked = p.picked[:0]
	for i := range r.choices {
		if t, ok := r.choices[i].pick(m, p.picked); ok {
			p.picked = append(p.picked, t)
			lasting = lasting || (t.s.persistent() && t.qos > 0)
		}
	}
	return lasting
}

// sendNow gives m to everybody for whom it need not be on disk first, and returns how many got it at QoS 0.
func (p *publisher) sendNow(to []target, name string, m *message) (delivered uint64) {
	for _, t := range to {
		qos := min(t.qos, m.qos)
		if qos == 0 {
			if c := t.s.conn.Load(); c != nil && p.sendQoS0(c, name, p.encode(m, 0).bytes) {
				delivered++
			}
		} else if !t.s.persistent() {
			t.s.deliver(p, name, m, qos)
		}
		if p.pending > maxPending {
			p.write()
		}
	}
	return delivered
}

// sendLasting writes down what must survive a crash, all of it in one batch: module records, the retained message, queue entries of
// persistent sessions, the identifier of a QoS 2 message. What goes to a persistent session leaves after the commit.
func (p *publisher) sendLasting(r *route, m *message) uint64 {
	p.flushIfCrowded()
	if len(r.paces) > 0 {
		p.flush() // nobody else's message waits along
		for _, wait := range r.paces {
			wait()
		}
	}
	lsn := p.record(r, m)
	// Told outside the batch: whoever listens may write to the journal too.
	for i, s := range p.full {
		p.srv.dropQueued(s, r.topic)
		p.full[i] = nil
	}
	p.full = p.full[:0]
	return lsn
}

func (p *publisher) record(r *route, m *message) uint64 {
	b := p.srv.jnl.Begin()
	defer b.End()
	defer p.giveBack()
	p.keep, p.full = p.keep[:0], p.full[:0]
	p.reserve(r.targets, m)
	p.reserve(p.picked, m)
	var body *Message
	if m.retain || len(p.keep) > 0 {
		body = p.shared(r.topic, m)
		p.srv.store.addMessage(b, p.sp.account, body, m.retain, p.keep)
	}
	if m.id != 0 && m.from.persistent() {
		p.srv.store.addReceived(b, m.from.id, m.id)
	}
	for _, f := range r.sinks {
		f(p.who, r.topic, m.payload, b)
	}
	lsn := b.Append()
	if m.id != 0 {
		m.from.receivedAt(m.id, lsn)
	}
	if body == nil {
		return lsn
	}
	body.lsn = lsn
	body.refs.Add(1) // held until the last session has it, however soon the first lets go
	if m.retain {
		p.srv.store.setRetained(p.sp, r.topic, body)
	}
	for _, k := range p.keep {
		k.s.enqueue(queued{msg: body, id: k.id, qos: k.qos, via: k.via})
	}
	p.srv.store.release(body)
	p.keep = p.keep[:0]
	return lsn
}

// reserve gives m a place in the queue of every persistent session that gets it.
func (p *publisher) reserve(to []target, m *message) {
	for _, t := range to {
		if qos := min(t.qos, m.qos); qos > 0 && t.s.persistent() {
			if id, ok := t.s.reserve(len(m.payload)); ok {
				p.keep = append(p.keep, receiver{t.s, id, qos, t.via})
			} else {
				p.full = append(p.full, t.s)
			}
		}
	}
}

// giveBack undoes reservations that were not used because a sink panicked.
func (p *publisher) giveBack() {
	for _, k := range p.keep {
		k.s.unreserve()
	}
	p.keep = p.keep[:0]
}

// encode returns m as a PUBLISH of the QoS, made at first use and shared by all its receivers. The retain flag is not set: the
// subscriptions existed before [MQTT-3.3.1-9].
func (p *publisher) encode(m *message, qos byte) *encoded {
	e := &p.enc[qos]
	switch {
	case e.bytes != nil:
	case qos == 0 && m.raw != nil:
		e.bytes = m.raw
	default:
		e.own = packet.AppendPublishHeader(e.own[:0], false, qos, false, m.topic, len(m.payload), 0)
		e.header = len(e.own)
		e.own = append(e.own, m.payload...)
		e.bytes = e.own
	}
	return e
}

// shared returns m as a Message that may be kept, made at first use.
func (p *publisher) shared(name string, m *message) *Message {
	if p.body == nil {
		p.body = newMessage(name, m)
	}
	return p.body
}

// sendQoS0 appends an encoded packet to a receiver. A full one does not get it: that is counted, and told once until it has caught up.
func (p *publisher) sendQoS0(c *conn, name string, b []byte) bool {
	c.outMu.Lock()
	if c.dead || !c.hasRoomLocked(len(b)) {
		dropped, tell, why := !c.dead, !c.dead && !c.told, reasonShedding
		if c.tooMuchLocked(len(b)) {
			why = reasonCrowded
		}
		c.told = c.told || tell
		c.outMu.Unlock()
		if dropped {
			p.srv.stats.droppedQoS0.Add(1)
			c.drops.Add(1)
		}
		if tell {
			p.srv.events.Refused(c.info, "deliver", name, why)
		}
		return false
	}
	c.out = append(growBuf(c.out, len(b)), b...)
	c.addedLocked(len(b))
	c.told = c.told && (c.slow || len(b) <= middleBuf)
	c.sentMessages++
	p.pending += len(b)
	p.touchLocked(c)
	c.outMu.Unlock()
	return true
}

// touchLocked remembers that c has to be flushed when the batch ends. c.outMu is held.
func (p *publisher) touchLocked(c *conn) {
	if !c.dirty {
		c.dirty = true
		p.touched = append(p.touched, c)
	}
	if len(c.out) > p.srv.cfg.OutgoingBytes/2 && !c.shedding {
		if n := len(p.crowded); n == 0 || p.crowded[n-1] != c {
			p.crowded = append(p.crowded, c)
		}
	}
}

// flush ends a batch: every receiver gets what was appended for it, in one write, and the slow ones are waited for a moment.
func (p *publisher) flush() {
	p.settleTally()
	p.write()
	for i := range p.enc {
		if cap(p.enc[i].own) > keepEncoded {
			p.enc[i].own = nil
		}
	}
	for i, c := range p.crowded {
		c.waitRoom()
		p.crowded[i] = nil
	}
	p.crowded = p.crowded[:0]
}

// write gives every receiver what was appended for it.
func (p *publisher) write() {
	for i, c := range p.touched {
		c.flush()
		p.touched[i] = nil
	}
	p.touched, p.pending = p.touched[:0], 0
}

// flushIfCrowded lets receivers have their bytes before this goroutine may wait for the journal's backlog.
func (p *publisher) flushIfCrowded() {
	if len(p.touched) > 64 {
		p.flush()
	}
}

var _ storage.Waiter = (*conn)(nil)
