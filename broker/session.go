package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"xively/broker/packet"
	"xively/broker/topic"
	"xively/internal/auth"
	"xively/storage"
)

// sessionKey tells sessions of one account apart. The client id alone does not: it is bound to the principal that connected, so nobody
// can take over, or even end, a session of somebody else by using its client id.
type sessionKey struct {
	kind     auth.Kind
	id       string
	clientID string
}

// Session is what a client and the server remember of each other: subscriptions, messages in flight, messages waiting. A clean session
// dies with its connection; a persistent one is on disk and waits for the client to come back.
type Session struct {
	// Fixed.
	srv *Server
	sp  *space
	key sessionKey
	who auth.Principal
	id  uint64 // the LSN that made it, never used again; 0: a clean session

	conn atomic.Pointer[conn] // nil while the client is away; changed under sp.mu or mu

	mu         sync.Mutex // guards what follows; before conn.outMu and store.mu, after sp.mu
	subs       map[string]byte
	lastID     uint16
	flights    fifo[flight]
	queue      fifo[queued]
	queueBytes int
	replay     fifo[replayed]    // retained messages of new subscriptions, ahead of the queue; names of what is in memory anyway
	sentBefore uint64            // queued messages before this LSN may have been sent by a server that was killed: DUP is set
	reserved   int               // identifiers given out by reserve, not yet enqueued
	unreleased map[uint16]uint64 // QoS 2 identifiers received and not released, with the LSN that must be durable before PUBREC
	waiting    bool              // Durable will be called
	dirty      bool              // in the store's list for the next checkpoint
	moved      bool              // what is on disk may differ from what is in memory
	gone       []uint64          // entries on disk (their LSNs) that the next checkpoint drops
	paged      pagedOut          // how much is on disk only; nothing while the client is there
	onDisk     bool              // there are pages
	online     bool              // while loading only: the client was connected when the record was written
	ended      bool
	overflow   bool // the queue is full and that has been reported
	dropped    uint64
	past       Traffic // of its connections that have ended
	left       int64   // when the client went away, Unix seconds; 0: that is not known
	leftAt     int64   // the same in served seconds
}

// flight is a message sent and not yet acknowledged to the end.
type flight struct {
	msg      *Message // nil in a clean session, which never sends again
	id       uint16
	qos      byte
	retain   bool
	released bool // QoS 2: PUBREC was received, PUBREL is what to send again
	due      bool // to be sent again on this connection
	kept     kept
}

// queued is a message waiting to be sent.
type queued struct {
	msg    *Message
	id     uint16 // 0 in a clean session: given when it is sent
	qos    byte
	via    via  // the shared subscription that it came by
	retain bool // sent because of a new subscription: the RETAIN flag is set [MQTT-3.3.1-8]
	kept   kept
}

// replayed is a retained message on its way to a new subscription, where nothing need survive a crash.
type replayed struct {
	topic   string
	granted byte
}

// receiver is a persistent session that will queue a message under an identifier.
type receiver struct {
	s   *Session
	id  uint16
	qos byte
	via via
}

func (s *Session) persistent() bool { return s.id != 0 }

// deliver sends a QoS 1 or 2 message to a clean session, or lets it wait when the client has enough to acknowledge.
func (s *Session) deliver(p *publisher, name string, m *message, qos byte) {
	s.mu.Lock()
	c := s.conn.Load()
	if c == nil {
		s.mu.Unlock()
		return
	}
	if s.queue.len() == 0 && s.replay.len() == 0 && s.flights.len() < s.srv.cfg.MaxInflight {
		e := p.encode(m, qos)
		c.outMu.Lock()
		if !c.dead && c.hasRoomLocked(len(e.bytes)) {
			id := s.newIDLocked()
			off := len(c.out)
			c.out = append(growBuf(c.out, len(e.bytes)), e.bytes...)
			c.addedLocked(len(e.bytes))
			p.pending += len(e.bytes)
			packet.SetPublishID(c.out[off:], e.header, id)
			c.sentMessages++
			p.touchLocked(c)
			c.outMu.Unlock()
			s.flights.push(flight{id: id, qos: qos})
			s.mu.Unlock()
			s.sp.delivered.Add(1)
			return
		}
		c.resumeLaterLocked(len(e.bytes))
		p.touchLocked(c)
		c.outMu.Unlock()
	}
	if s.fullLocked(len(m.payload)) {
		s.mu.Unlock()
		s.srv.dropQueued(s, name)
		return
	}
	s.queue.push(queued{msg: p.shared(name, m), qos: qos})
	s.queueBytes += len(m.payload)
	s.mu.Unlock()
}

// reserve gives out the identifier under which a persistent session will queue a message of n payload bytes; false when its queue is
// full. A reservation is followed by enqueue within the same batch.
func (s *Session) reserve(n int) (id uint16, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.fullLocked(n) {
		return 0, false
	}
	s.reserved++
	return s.newIDLocked(), true
}

// unreserve gives back what reserve gave.
func (s *Session) unreserve() {
	s.mu.Lock()
	s.reserved--
	s.mu.Unlock()
}

// enqueue adds a reserved message. It is sent when its batch is on disk.
func (s *Session) enqueue(q queued) {
	s.mu.Lock()
	s.reserved--
	if s.ended {
		s.mu.Unlock()
		return
	}
	q.msg.refs.Add(1)
	s.queue.push(q)
	s.queueBytes += len(q.msg.payload)
	s.markLocked()
	arm := !s.waiting && s.conn.Load() != nil
	s.waiting = s.waiting || arm
	s.mu.Unlock()
	if arm {
		s.srv.jnl.Notify(q.msg.lsn, s)
	}
}

// Durable implements storage.Waiter, on the journal's notifier goroutine.
func (s *Session) Durable(err error) {
	s.mu.Lock()
	s.waiting = false
	s.mu.Unlock()
	if err != nil {
		return // the process is ending
	}
	if c := s.conn.Load(); c != nil {
		s.resume(c)
	}
}

// refill is resume at the end of a read batch: the batch's own flush follows.
func (s *Session) refill(c *conn) {
	s.mu.Lock()
	if s.queue.len()+s.replay.len() == 0 || s.conn.Load() != c {
		s.mu.Unlock()
		return
	}
	wait := s.pumpLocked(c)
	arm := wait > 0 && !s.waiting
	s.waiting = s.waiting || arm
	s.mu.Unlock()
	if arm {
		s.srv.jnl.Notify(wait, s)
	}
	c.outMu.Lock()
	if len(c.out) > 0 {
		c.pub.touchLocked(c)
	}
	c.outMu.Unlock()
}

// resume sends what waits, as far as the client's window and buffer allow.
func (s *Session) resume(c *conn) {
	s.mu.Lock()
	if s.conn.Load() != c {
		s.mu.Unlock()
		return
	}
	wait := s.pumpLocked(c)
	arm := wait > 0 && !s.waiting
	s.waiting = s.waiting || arm
	s.mu.Unlock()
	if arm {
		s.srv.jnl.Notify(wait, s)
	}
	c.flush()
}

// pumpLocked moves messages from the queue into flight. It returns the LSN that the next one waits for, 0 when it waits for none. The
// caller flushes c.
func (s *Session) pumpLocked(c *conn) (wait uint64) {
	if !c.ready {
		return 0 // resend comes first
	}
	if c.again && !s.sendAgainLocked(c) {
		return 0
	}
	for s.replay.len() > 0 && s.flights.len() < s.srv.cfg.MaxInflight {
		if !s.replayLocked(c, *s.replay.front()) {
			return 0
		}
		s.replay.pop()
	}
	durable := s.srv.jnl.Durable()
	for s.queue.len() > 0 && s.flights.len() < s.srv.cfg.MaxInflight {
		q := s.queue.front()
		if q.msg.lsn > durable {
			return q.msg.lsn
		}
		if q.id == 0 {
			q.id = s.newIDLocked()
		}
		if !c.sendMessage(q.msg, q.qos, q.id, q.retain, q.msg.lsn < s.sentBefore) {
			return 0
		}
		f := flight{id: q.id, qos: q.qos, retain: q.retain, kept: q.kept}
		if s.persistent() {
			f.msg = q.msg
		}
		s.flights.push(f)
		s.moved = true
		s.queueBytes -= len(q.msg.payload)
		s.queue.pop()
		s.overflow = false
	}
	return 0
}

// replayLocked sends a retained message to a new subscription, as it is by now: the subscriber may have had the newer one already, and an
// old value must not come after it. False when there is no room.
func (s *Session) replayLocked(c *conn, r replayed) bool {
	m := s.sp.retained.get(r.topic)
	if m == nil {
		return true
	}
	qos := min(m.qos, r.granted)
	if qos > 0 && s.persistent() {
		return true // it replaced another since, and was queued like every live message
	}
	var id uint16
	if qos > 0 {
		id = s.newIDLocked()
	}
	if !c.sendMessage(m, qos, id, true, false) {
		return false
	}
	if qos > 0 {
		s.flights.push(flight{id: id, qos: qos, retain: true})
	}
	return true
}

// sendMessage appends a PUBLISH; false when there is no room: the session is resumed once there is.
func (c *conn) sendMessage(m *Message, qos byte, id uint16, retain, dup bool) bool {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	n := packet.PublishSize(len(m.topic), len(m.payload), qos)
	if c.dead || !c.hasRoomLocked(n) {
		c.resumeLaterLocked(n)
		return false
	}
	c.out = packet.AppendPublishHeader(growBuf(c.out, n), dup, qos, retain, m.topic, len(m.payload), id)
	c.out = append(c.out, m.payload...)
	c.addedLocked(n)
	c.sess.sp.delivered.Add(1)
	c.sentMessages++
	return true
}

// fullLocked says whether a message of n payload bytes would go over the queue's limits.
func (s *Session) fullLocked(n int) bool {
	return s.waitingLocked()+s.reserved >= s.srv.cfg.QueueMessages || s.queueBytes+n > s.srv.cfg.QueueBytes
}

// waitingLocked returns how many messages wait, in memory or on disk.
func (s *Session) waitingLocked() int { return s.paged.waiting + s.queue.len() }

// newIDLocked returns a Packet Identifier not in use [MQTT-2.3.1-4]. Identifiers are given out in order and the queue holds at most
// 30,000 of them, so only a flight that was never acknowledged can still have the next one.
func (s *Session) newIDLocked() uint16 {
	for {
		s.lastID++
		if s.lastID != 0 && !slices.ContainsFunc(s.flights.all(), func(f flight) bool { return f.id == s.lastID }) {
			return s.lastID
		}
	}
}

// acknowledged ends a QoS 1 flight (PUBACK) or a released QoS 2 flight (PUBCOMP). lsn is the message's in a persistent session, to be
// journaled; 0 otherwise.
func (s *Session) acknowledged(id uint16, qos byte) (lsn uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.flights.len() {
		f := s.flights.at(i)
		if f.id != id {
			continue
		}
		if f.qos != qos || (qos == 2 && !f.released) {
			return 0
		}
		if s.persistent() {
			lsn = f.msg.lsn
			s.settleLocked(f.msg, f.kept)
		}
		s.flights.remove(i)
		break
	}
	return lsn
}

// settleLocked lets go of a queue entry's message for good.
func (s *Session) settleLocked(m *Message, in kept) {
	if in == keptRef {
		s.gone = append(s.gone, m.lsn)
	}
	s.touchLocked()
	s.srv.store.release(m)
}

// recorded notes PUBREC for a QoS 2 flight. msg is nil when there is no such flight.
func (s *Session) recorded(id uint16) (msg *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.flights.len() {
		if f := s.flights.at(i); f.id == id && f.qos == 2 {
			f.released = true
			s.touchLocked()
			return f.msg
		}
	}
	return nil
}

// received says what a QoS 2 PUBLISH is. fresh is false for an identifier that is known already; lsn is then what its PUBREC waits for.
// ok is false when there are too many of them.
func (s *Session) received(id uint16, limit int) (fresh bool, lsn uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lsn, known := s.unreleased[id]; known {
		return false, lsn, true
	}
	return true, 0, len(s.unreleased) < limit
}

// receivedAt notes a QoS 2 identifier once its message is taken: within the batch, so that a checkpoint has both or neither.
func (s *Session) receivedAt(id uint16, lsn uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unreleased == nil {
		s.unreleased = make(map[uint16]uint64, 1)
	}
	s.unreleased[id] = lsn
	s.touchLocked()
}

// release forgets a QoS 2 identifier (PUBREL).
func (s *Session) release(id uint16) (known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known = s.unreleased[id]
	delete(s.unreleased, id)
	s.touchLocked()
	return known
}

// journalReceived notes the identifier of a QoS 2 message of which nothing else lasts.
func (s *Session) journalReceived(id uint16) uint64 {
	if !s.persistent() {
		s.receivedAt(id, 0)
		return 0
	}
	b := s.srv.jnl.Begin()
	defer b.End()
	s.srv.store.addReceived(b, s.id, id)
	lsn := b.Append()
	s.receivedAt(id, lsn)
	return lsn
}

// filters returns the session's topic filters, sorted.
func (s *Session) filters() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, 0, len(s.subs))
	for f := range s.subs {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

// unsubscribe takes filters away from the session, the index and, by b, the disk.
func (s *Session) unsubscribe(filters []string, b *storage.Batch) {
	s.sp.mu.Lock()
	defer s.sp.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range filters {
		if _, ok := s.subs[f]; !ok {
			continue
		}
		delete(s.subs, f)
		s.sp.dropLocked(f, s)
		if s.persistent() {
			s.srv.store.addUnsubscribe(b, s.id, f)
		}
	}
	b.Append()
	s.touchLocked()
	s.replay.keep(func(r *replayed) bool { return s.wantsLocked(r.topic) })
}

// wantsLocked says whether a subscription matches the topic.
func (s *Session) wantsLocked(name string) bool {
	for f := range s.subs {
		if topic.Matches(f, name) {
			return true
		}
	}
	return false
}

// touchLocked has the next checkpoint write the session, of which something has changed that may be on disk.
func (s *Session) touchLocked() {
	s.moved = true
	s.markLocked()
}

// markLocked is touchLocked where something was only added.
func (s *Session) markLocked() {
	if s.persistent() && !s.dirty {
		s.dirty = true
		s.srv.store.markDirty(s)
	}
}

// detach parts the session from a connection that ends. A clean session ends with it [MQTT-3.1.2-6].
func (s *Session) detach(c *conn) {
	s.mu.Lock()
	if s.conn.Load() != c {
		s.mu.Unlock()
		return
	}
	s.replay = fifo[replayed]{}
	s.mu.Unlock()
	if s.persistent() {
		s.srv.store.detached(s) // before the next connection can journal that it is there
	}
	s.mu.Lock()
	s.past.add(c.traffic())
	s.left, s.leftAt = s.srv.clock.at(s.srv.clock.now()).Unix(), s.srv.clock.served()
	s.conn.Store(nil)
	s.mu.Unlock()
	if !s.persistent() {
		s.end()
	}
	if c.endReason() != reasonShutdown {
		s.handOver(false)
	}
}

// end removes the session from its account. What a persistent one had on disk goes with the next checkpoint; the caller journals that.
func (s *Session) end() {
	filters := s.filters()
	s.sp.unsubscribe(s, filters)
	s.sp.mu.Lock()
	s.sp.removeLocked(s)
	s.sp.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for i := range s.flights.len() {
		if f := s.flights.at(i); f.msg != nil {
			s.settleLocked(f.msg, f.kept)
		}
	}
	for i := range s.queue.len() {
		if q := s.queue.at(i); s.persistent() {
			s.settleLocked(q.msg, q.kept)
		}
	}
	s.subs, s.flights, s.queue, s.unreleased, s.paged = nil, fifo[flight]{}, fifo[queued]{}, nil, pagedOut{}
	s.touchLocked()
}

// waitingTopics returns the topics of everything the session has still to send; with again, also of what it would send again.
func (s *Session) waitingTopics(again bool) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := map[string]bool{}
	for _, f := range s.flights.all() {
		if again && !f.released {
			topics[f.msg.topic] = true
		}
	}
	for _, q := range s.queue.all() {
		topics[q.msg.topic] = true
	}
	for _, r := range s.replay.all() {
		topics[r.topic] = true
	}
	return topics
}

// dropRefused drops what waits and its principal may not read any more; with again, also what was sent and not acknowledged.
func (s *Session) dropRefused(info ConnInfo, again bool) {
	refused := s.waitingTopics(again)
	for t := range refused {
		if err := s.srv.authz.MayReceive(s.who, t); err != nil {
			s.srv.events.Refused(info, "deliver", t, "queued messages dropped: "+err.Error())
		} else {
			delete(refused, t)
		}
	}
	if len(refused) == 0 {
		return
	}
	dropped := s.dropTopics(refused, again)
	if s.persistent() && len(dropped) > 0 {
		b := s.srv.jnl.Begin()
		s.srv.store.addDone(b, s.id, dropped)
		b.Append()
		b.End()
	}
}

// dropTopics returns the LSNs of what it dropped.
func (s *Session) dropTopics(refused map[string]bool, again bool) (dropped []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := func(m *Message, in kept) bool {
		if !refused[m.topic] {
			return true
		}
		if s.persistent() {
			dropped = append(dropped, m.lsn)
			s.settleLocked(m, in)
		}
		return false
	}
	if again {
		s.flights.keep(func(f *flight) bool { return f.released || keep(f.msg, f.kept) })
	}
	s.queue.keep(func(q *queued) bool {
		if keep(q.msg, q.kept) {
			return true
		}
		s.queueBytes -= len(q.msg.payload)
		return false
	})
	s.replay.keep(func(r *replayed) bool { return !refused[r.topic] })
	return dropped
}

// ready says whether resend is done: until then it is what judges messages.
func (s *Session) ready(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.ready
}

// resend gives a client that came back what it has not acknowledged, oldest first and under the same identifiers [MQTT-4.4.0-1], then
// what waits. Messages that its principal may not read any more are dropped.
func (s *Session) resend(c *conn) {
	s.dropRefused(c.info, true)
	s.mu.Lock()
	for i := range s.flights.len() {
		s.flights.at(i).due = true
	}
	c.ready, c.again = true, true
	s.mu.Unlock()
	s.resume(c)
}

// sendAgainLocked sends what is due, as far as there is room; false when something is left.
func (s *Session) sendAgainLocked(c *conn) bool {
	for i := range s.flights.len() {
		f := s.flights.at(i)
		switch {
		case !f.due:
			continue
		case f.released:
			c.outMu.Lock()
			if !c.dead {
				c.out = packet.AppendAck(growBuf(c.out, 4), packet.PUBREL, f.id)
			}
			c.outMu.Unlock()
		case !c.sendMessage(f.msg, f.qos, f.id, f.retain, true):
			return false
		}
		f.due = false
	}
	c.again = false
	return true
}

// connInfo describes the session's client, also while it is away.
func (s *Session) connInfo() ConnInfo {
	if c := s.conn.Load(); c != nil {
		return c.info
	}
	return ConnInfo{Principal: s.who, ClientID: s.key.clientID}
}

// dropQueued counts a message that a full queue cannot take. What is queued stays, the new one is lost; the log hears of it once until
// there is room again.
func (s *Server) dropQueued(sess *Session, name string) {
	s.stats.droppedQueue.Add(1)
	sess.mu.Lock()
	tell := !sess.overflow && !sess.ended
	sess.overflow = true
	sess.dropped++
	sess.mu.Unlock()
	if tell {
		s.events.Refused(sess.connInfo(), "deliver", name, "the session's queue is full (broker.queue_messages, broker.queue_bytes): new messages are dropped until the client takes some")
	}
}
