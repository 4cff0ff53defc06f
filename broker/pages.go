package broker

import (
	"encoding/binary"
	"fmt"
	"slices"

	"xively/storage"
)

// Queues on disk. What waits for a client that is away leaves memory at the next checkpoint and comes back with the client: in between, the
// session knows how much it is. A page is what one checkpoint wrote for one session; its key has the checkpoint's cut. A message is stored
// once, however many sessions wait for it, with their number beside it.
//
// Pages hold nothing behind the cut, so that what is replayed from the journal is never in them already. They are rewritten whole: for a session
// that is in memory each checkpoint puts one page in place of those that were there, and one that is not only gets more of them.
//
// Sessions with shared subscriptions stay in memory: what waits there may be handed to others at any time.

// pagedOut is how much of a session is on disk only; all of it is older than what is in memory.
type pagedOut struct{ sent, waiting int }

func (p pagedOut) len() int { return p.sent + p.waiting }

// pageEntry is one entry of a page: LSN, as the distance from the entry before, then packetID(2) flags(1: bits 0-1 QoS, 4 sent, 8 released, 16
// retain, 32 via follows) [via(3)].
type pageEntry struct {
	lsn   uint64
	id    uint16
	flags byte
	via   via
}

const (
	pageSent     = 4
	pageReleased = 8
	pageRetain   = 16
	pageVia      = 32
)

func entryFlags(qos byte, sent, released, retain bool, by via) byte {
	flags := qos
	for _, f := range []struct {
		on  bool
		bit byte
	}{{sent, pageSent}, {released, pageReleased}, {retain, pageRetain}, {by != viaPlain, pageVia}} {
		if f.on {
			flags |= f.bit
		}
	}
	return flags
}

func (f *flight) entry() pageEntry {
	return pageEntry{f.msg.lsn, f.id, entryFlags(f.qos, true, f.released, f.retain, viaPlain), viaPlain}
}

func (q *queued) entry() pageEntry {
	return pageEntry{q.msg.lsn, q.id, entryFlags(q.qos, false, false, q.retain, q.via), q.via}
}

// appendPage encodes entries, which are in the order of their LSNs.
func appendPage(b []byte, entries []pageEntry) []byte {
	last := uint64(0)
	for _, e := range entries {
		b = binary.AppendUvarint(b, e.lsn-last)
		b = append(b, byte(e.id>>8), byte(e.id), e.flags)
		if e.flags&pageVia != 0 {
			b = append(b, e.via[:]...)
		}
		last = e.lsn
	}
	return b
}

func decodePage(b []byte, visit func(pageEntry)) error {
	r, last := &records{b: b}, uint64(0)
	for len(r.b) > 0 {
		e := pageEntry{lsn: last + r.number()}
		e.id = uint16(r.byte())<<8 | uint16(r.byte())
		if e.flags = r.byte(); e.flags&pageVia != 0 {
			e.via = via{r.byte(), r.byte(), r.byte()}
		}
		if r.bad || e.flags&3 == 3 || e.lsn <= last {
			return errRecord
		}
		last = e.lsn
		visit(e)
	}
	return nil
}

// --- checkpoint ---

// flusher writes sessions in one transaction.
type flusher struct {
	cut                             uint64
	sessions, pages, messages, refs *storage.Bucket
	bodies                          map[uint64]bodyChange
	done                            []*Session
}

// bodyChange is by how much the number of entries on disk that refer to a message changes. msg is set when it grows.
type bodyChange struct {
	by  int
	msg *Message
}

func newFlusher(tx *storage.Tx, cut uint64) *flusher {
	return &flusher{cut: cut, bodies: map[uint64]bodyChange{}, sessions: tx.Bucket(bucketSessions), pages: tx.Bucket(bucketPages),
		messages: tx.Bucket(bucketMessages), refs: tx.Bucket(bucketRefs)}
}

func (f *flusher) refer(m *Message) {
	c := f.bodies[m.lsn]
	f.bodies[m.lsn] = bodyChange{c.by + 1, m}
}

func (f *flusher) forget(lsn uint64) {
	c := f.bodies[lsn]
	c.by--
	f.bodies[lsn] = c
}

// session writes one session, as far as the cut.
func (f *flusher) session(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty, s.moved = false, false
	if s.ended {
		f.sessions.Delete(key64(s.id))
		f.dropPages(s, func(e pageEntry) { f.forget(e.lsn) })
		return
	}
	whole := s.paged.len() == 0 // all that is on disk is in memory, too
	var entries []pageEntry
	var disk pagedOut
	diskBytes := s.queueBytes
	later := false
	for i := range s.flights.len() {
		x := s.flights.at(i)
		if later = later || x.msg.lsn > f.cut; x.msg.lsn > f.cut {
			continue
		}
		if disk.sent++; !x.stored {
			f.refer(x.msg)
		}
		if whole || !x.stored {
			entries = append(entries, x.entry())
		}
		x.stored = true
	}
	for i := range s.queue.len() {
		x := s.queue.at(i)
		if x.msg.lsn > f.cut {
			later, diskBytes = true, diskBytes-len(x.msg.payload)
			continue
		}
		if disk.waiting++; !x.stored {
			f.refer(x.msg)
		}
		if whole || !x.stored {
			entries = append(entries, x.entry())
		}
		x.stored = true
	}
	for _, lsn := range s.gone {
		f.forget(lsn)
	}
	s.gone = nil
	if whole {
		f.dropPages(s, func(pageEntry) {})
	}
	if len(entries) > 0 {
		slices.SortFunc(entries, func(a, b pageEntry) int { return int(int64(a.lsn - b.lsn)) })
		f.pages.Put(key64(s.id, f.cut), appendPage(nil, entries))
		s.onDisk = true
	}
	disk.sent += s.paged.sent
	disk.waiting += s.paged.waiting
	f.sessions.Put(key64(s.id), s.encodeLocked(disk, diskBytes))
	f.done = append(f.done, s)
	if later {
		s.markLocked()
	}
}

// dropPages deletes a session's pages and visits what was in them.
func (f *flusher) dropPages(s *Session, visit func(pageEntry)) {
	if !s.onDisk {
		return
	}
	var keys [][]byte
	for k, v := range f.pages.Prefix(key64(s.id)) {
		keys = append(keys, slices.Clone(k))
		_ = decodePage(v, visit) // what cannot be decoded was refused when it was read
	}
	for _, k := range keys {
		f.pages.Delete(k)
	}
	s.onDisk = false
}

// finish brings the messages in step with the entries that refer to them.
func (f *flusher) finish() {
	lsns := make([]uint64, 0, len(f.bodies))
	for lsn, c := range f.bodies {
		if c.by != 0 {
			lsns = append(lsns, lsn)
		}
	}
	slices.Sort(lsns)
	for _, lsn := range lsns {
		key, c := key64(lsn), f.bodies[lsn]
		before := 0
		if v := f.refs.Get(key); len(v) == 4 {
			before = int(binary.BigEndian.Uint32(v))
		} else if f.messages.Get(key) != nil {
			before = 1
		}
		after := before + c.by
		if before == 0 && after > 0 {
			v := appendText([]byte{c.msg.qos}, c.msg.topic)
			f.messages.Put(key, append(v, c.msg.payload...))
		}
		if after <= 0 {
			f.messages.Delete(key)
		}
		switch {
		case after > 1:
			f.refs.Put(key, binary.BigEndian.AppendUint32(nil, uint32(after)))
		case before > 1:
			f.refs.Delete(key)
		}
	}
}

// pageOut takes what a checkpoint has just made durable out of memory, if the client is away and nothing happened to it meanwhile.
func (st *store) pageOut(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn.Load() != nil || s.ended || s.moved || s.flights.len()+s.queue.len() == 0 || s.sharesLocked() {
		return
	}
	n := 0
	for n < s.queue.len() && s.queue.at(n).stored {
		n++
	}
	for _, f := range s.flights.all() {
		if !f.stored {
			return
		}
	}
	for _, f := range s.flights.all() {
		st.release(f.msg)
	}
	for i := range n {
		st.release(s.queue.at(i).msg)
	}
	s.paged.sent += s.flights.len()
	s.paged.waiting += n
	s.flights = fifo[flight]{}
	s.queue = fifo[queued]{items: slices.Clone(s.queue.all()[n:])}
}

// sharesLocked says whether the session has a shared subscription.
func (s *Session) sharesLocked() bool {
	for f := range s.subs {
		if isShared(f) {
			return true
		}
	}
	return false
}

// --- the way back ---

// pageIn brings back what is on disk, in front of what is in memory. Only one goroutine does so for a session at a time, and nobody sends
// meanwhile: the connection is not ready, or there is none yet. No lock is held.
func (st *store) pageIn(s *Session) error {
	s.mu.Lock()
	todo := s.paged.len() > 0
	have := map[uint64]bool{}
	for _, q := range s.queue.all() {
		have[q.msg.lsn] = true
	}
	s.mu.Unlock()
	if !todo {
		return nil
	}
	flights, waiting, err := st.readPages(s.id, have)
	if err != nil {
		return fmt.Errorf("read the queue of session %q: %w", s.key.clientID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.paged = pagedOut{}
	s.flights.items, s.flights.head = append(flights, s.flights.all()...), 0
	s.queue.items, s.queue.head = append(waiting, s.queue.all()...), 0
	s.queueBytes = 0
	for _, q := range s.queue.all() {
		s.queueBytes += len(q.msg.payload)
	}
	return nil
}

// readPages returns what a session has on disk, by LSN, but for what the caller has.
func (st *store) readPages(session uint64, have map[uint64]bool) (flights []flight, waiting []queued, err error) {
	err = st.srv.db.View(func(tx *storage.Tx) error {
		messages := tx.Bucket(bucketMessages)
		for k, v := range tx.Bucket(bucketPages).Prefix(key64(session)) {
			var entries []pageEntry
			if err := decodePage(v, func(e pageEntry) { entries = append(entries, e) }); err != nil {
				return fmt.Errorf("page %x: %w", k, err)
			}
			for _, e := range entries {
				if have[e.lsn] {
					continue
				}
				m, err := st.body(messages, e.lsn)
				if err != nil {
					return err
				}
				if e.flags&pageSent != 0 {
					flights = append(flights, flight{msg: m, id: e.id, qos: e.flags & 3, retain: e.flags&pageRetain != 0,
						released: e.flags&pageReleased != 0, stored: true})
				} else {
					waiting = append(waiting, queued{msg: m, id: e.id, qos: e.flags & 3, via: e.via, retain: e.flags&pageRetain != 0, stored: true})
				}
			}
		}
		return nil
	})
	return flights, waiting, err
}

// body returns a stored message, held once more. Sessions that come back at the same time share it.
func (st *store) body(messages *storage.Bucket, lsn uint64) (*Message, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if m := st.bodies[lsn]; m != nil {
		m.refs.Add(1)
		return m, nil
	}
	v := messages.Get(key64(lsn))
	r := &records{b: v}
	m := &Message{qos: r.byte(), topic: r.text(), lsn: lsn, shared: true}
	m.payload = append([]byte(nil), r.b...)
	if r.bad || m.qos > 2 || m.topic == "" {
		return nil, fmt.Errorf("message %x: %w", lsn, errRecord)
	}
	m.refs.Add(1)
	st.bodies[lsn] = m
	return m, nil
}

// release drops one queue entry's hold on m.
func (st *store) release(m *Message) {
	if m.refs.Add(-1) > 0 || !m.shared {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if m.refs.Load() == 0 { // nobody has found it meanwhile
		delete(st.bodies, m.lsn)
	}
}
