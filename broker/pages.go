package broker

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"xively/storage"
)

// Queues on disk. What waits for a client that is away leaves memory at the next checkpoint and comes back with the client: in between, the
// session knows how much it is. A page is what one checkpoint wrote for one session; its key has the checkpoint's cut. A message is stored
// once, however many sessions wait for it: with their number beside it, or in a bundle with the others of the page if it is small and this session
// alone waits for it. Bundles are not in the pages, because a checkpoint puts a page beside those that the session has, so that it has to write
// them all again.
//
// Pages hold nothing behind the cut, so that what is replayed from the journal is never in them already. They are rewritten whole: for a session
// that is in memory each checkpoint puts one page in place of those that were there, and one that is not only gets more of them.
//
// Sessions with shared subscriptions stay in memory: what waits there may be handed to others at any time.

// pagedOut is how much of a session is on disk only; all of it is older than what is in memory.
type pagedOut struct{ sent, waiting int }

func (p pagedOut) len() int { return p.sent + p.waiting }

// kept says what of a queue entry is in the store.
type kept uint8

const (
	notKept    kept = iota // nothing: it is in the journal
	keptRef                // an entry of a page, and the message on its own
	keptBundle             // an entry of a page, and the message in the page's bundle
)

// bundleLimit is the largest message, topic and payload, for a bundle: those of a session that is in memory are written again and again.
const bundleLimit = 512

// pageEntry is one entry of a page: LSN, as the distance from the entry before, then packetID(2) flags(1: bits 0-1 QoS, 4 sent, 8 released, 16
// retain, 32 via follows, 64 in the bundle) [via(3)].
type pageEntry struct {
	lsn   uint64
	id    uint16
	flags byte
	via   via
	msg   *Message // not in the page
}

const (
	pageSent     = 4
	pageReleased = 8
	pageRetain   = 16
	pageVia      = 32
	pageBundle   = 64
)

func entryFlags(qos byte, sent, released, retain bool, by via, in kept) byte {
	flags := qos
	for _, f := range []struct {
		on  bool
		bit byte
	}{{sent, pageSent}, {released, pageReleased}, {retain, pageRetain}, {by != viaPlain, pageVia}, {in == keptBundle, pageBundle}} {
		if f.on {
			flags |= f.bit
		}
	}
	return flags
}

func (f *flight) entry() pageEntry {
	return pageEntry{f.msg.lsn, f.id, entryFlags(f.qos, true, f.released, f.retain, viaPlain, f.kept), viaPlain, f.msg}
}

func (q *queued) entry() pageEntry {
	return pageEntry{q.msg.lsn, q.id, entryFlags(q.qos, false, false, q.retain, q.via, q.kept), q.via, q.msg}
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

// appendBundle encodes the messages of entries that belong there. A topic is empty if it is that of the message before.
func appendBundle(b []byte, entries []pageEntry) []byte {
	last := ""
	for _, e := range entries {
		if e.flags&pageBundle == 0 {
			continue
		}
		topic := e.msg.topic
		if topic == last {
			topic = ""
		} else {
			last = topic
		}
		b = appendText(appendText(append(b, e.msg.qos), topic), e.msg.payload)
	}
	return b
}

// decodeBundle gives the entries of a page their messages.
func decodeBundle(b []byte, entries []pageEntry) error {
	r, topic := &records{b: b}, ""
	for i := range entries {
		e := &entries[i]
		if e.flags&pageBundle == 0 {
			continue
		}
		e.msg = &Message{lsn: e.lsn, qos: r.byte()}
		if t := r.text(); t != "" {
			topic = t
		}
		e.msg.topic, e.msg.payload = topic, []byte(r.text())
		if r.bad || topic == "" || e.msg.qos > 2 {
			return errRecord
		}
	}
	return r.err()
}

// bundleOf returns the name of the bundle that belongs to a page, 0 if none does.
func bundleOf(entries []pageEntry) (lsn uint64) {
	for _, e := range entries {
		if e.flags&pageBundle != 0 {
			return e.lsn
		}
	}
	return 0
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
	bundles                         *storage.Bucket
	bundled                         map[uint64][]pageEntry // to be put into bundles, by their names
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
		messages: tx.Bucket(bucketMessages), refs: tx.Bucket(bucketRefs), bundles: tx.Bucket(bucketBundles),
		bundled: map[uint64][]pageEntry{}}
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
		f.dropPages(s, func(e pageEntry) {
			if e.flags&pageBundle == 0 {
				f.forget(e.lsn)
			}
		})
		return
	}
	whole := s.paged.len() == 0 // all that is on disk is in memory, too
	leaves := s.conn.Load() == nil && !s.sharesLocked()
	var entries []pageEntry
	var disk pagedOut
	diskBytes := s.queueBytes
	later := false
	for i := range s.flights.len() {
		x := s.flights.at(i)
		if later = later || x.msg.lsn > f.cut; x.msg.lsn > f.cut {
			continue
		}
		disk.sent++
		if fresh := f.keep(x.msg, &x.kept, leaves); fresh || whole {
			entries = append(entries, x.entry())
		}
	}
	for i := range s.queue.len() {
		x := s.queue.at(i)
		if x.msg.lsn > f.cut {
			later, diskBytes = true, diskBytes-len(x.msg.payload)
			continue
		}
		disk.waiting++
		if fresh := f.keep(x.msg, &x.kept, leaves); fresh || whole {
			entries = append(entries, x.entry())
		}
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
		if lsn := bundleOf(entries); lsn != 0 {
			f.bundled[lsn] = entries
		}
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

// keep decides where an entry's message is kept, if that is still open, and reports whether it was. leaves says that the session will hardly be
// in memory when the next checkpoint comes. A message from before the cut with one reference is nobody else's any more: references are given out
// before its batch ends.
func (f *flusher) keep(m *Message, in *kept, leaves bool) bool {
	if *in != notKept {
		return false
	}
	if leaves && m.refs.Load() == 1 && !m.shared && len(m.topic)+len(m.payload) <= bundleLimit {
		*in = keptBundle
	} else {
		*in = keptRef
		f.refer(m)
	}
	return true
}

// dropPages deletes a session's pages and visits what was in them.
func (f *flusher) dropPages(s *Session, visit func(pageEntry)) {
	if !s.onDisk {
		return
	}
	var keys [][]byte
	for k, v := range f.pages.Prefix(key64(s.id)) {
		keys = append(keys, slices.Clone(k))
		var entries []pageEntry
		_ = decodePage(v, func(e pageEntry) { entries = append(entries, e) }) // what cannot be decoded was refused when it was read
		if lsn := bundleOf(entries); lsn != 0 {
			f.bundles.Delete(key64(lsn))
		}
		for _, e := range entries {
			visit(e)
		}
	}
	for _, k := range keys {
		f.pages.Delete(k)
	}
	s.onDisk = false
}

// finish writes the bundles, in the order of their keys, and brings the messages in step with the entries that refer to them.
func (f *flusher) finish() {
	for _, lsn := range slices.Sorted(maps.Keys(f.bundled)) {
		f.bundles.Put(key64(lsn), appendBundle(nil, f.bundled[lsn]))
	}
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
	for n < s.queue.len() && s.queue.at(n).kept != notKept {
		n++
	}
	for _, f := range s.flights.all() {
		if f.kept == notKept {
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
		messages, bundles := tx.Bucket(bucketMessages), tx.Bucket(bucketBundles)
		for k, v := range tx.Bucket(bucketPages).Prefix(key64(session)) {
			var entries []pageEntry
			if err := decodePage(v, func(e pageEntry) { entries = append(entries, e) }); err != nil {
				return fmt.Errorf("page %x: %w", k, err)
			}
			if lsn := bundleOf(entries); lsn != 0 {
				if err := decodeBundle(bundles.Get(key64(lsn)), entries); err != nil {
					return fmt.Errorf("bundle %x: %w", lsn, err)
				}
			}
			for _, e := range entries {
				if have[e.lsn] {
					continue
				}
				m, in := e.msg, keptBundle
				if m == nil {
					in = keptRef
					if m, err = st.body(messages, e.lsn); err != nil {
						return err
					}
				} else {
					m.refs.Add(1)
				}
				if e.flags&pageSent != 0 {
					flights = append(flights, flight{msg: m, id: e.id, qos: e.flags & 3, retain: e.flags&pageRetain != 0,
						released: e.flags&pageReleased != 0, kept: in})
				} else {
					waiting = append(waiting, queued{msg: m, id: e.id, qos: e.flags & 3, via: e.via, retain: e.flags&pageRetain != 0, kept: in})
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
