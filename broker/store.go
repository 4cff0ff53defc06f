package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"

	"xively/internal/auth"
	"xively/storage"
)

// What the broker keeps on disk. All of it is in memory too; the journal is the truth between two checkpoints.
//
// Journal records, stream 'b'. Numbers are uvarints, text is a uvarint length and its bytes. A session is named by the LSN of its
// open record, a message by the LSN of its message record; there is at most one of either in a batch.
//
//	1 open        account kind id userID clientID     a persistent session begins; the client is there
//	2 end         session                             and ends
//	3 subscribe   session filter qos
//	4 unsubscribe session filter
//	5 message     flags account topic payload n { session packetID qos [via(3)] }…
//	                                                  flags: bits 0-1 QoS, bit 2 retain: it replaces the topic's retained message;
//	                                                  bit 3: a retained message going to one new subscription
//	                                                  qos: bit 2: via follows, the shared subscription (shared.go)
//	6 done        session n { message }…              acknowledged to the end, or dropped
//	7 recorded    session message                     PUBREC received: PUBREL is due
//	8 received    session packetID                    QoS 2 in: PUBREC may be sent
//	9 released    session packetID                    PUBREL received
//	10 attach     session                             the client is there
//	11 detach     session n { message }… left leftAt  the client has gone, when; these were sent and not acknowledged
//
// Buckets; numbers in keys are big-endian.
//
//	broker.sessions  session(8)            version(1) online(1) account kind id userID clientID lastID
//	                                       n { filter qos }… n { packetID }… sentBefore left sent waiting waitingBytes leftAt
//	broker.pages     session(8) cut(8)     what waits for the session or was sent and not acknowledged (pages.go)
//	broker.messages  message(8)            qos(1) topic payload
//	broker.refs      message(8)            how many entries of pages refer to it (4); none: one
//	broker.bundles   message(8)            { qos(1) topic payload }… of a page's entries that nobody shares; the key is the first one's
//	broker.retained  account 00 topic      message(8) qos(1) payload
//	broker.clock     served                seconds(8) that servers have run on this store, as of the last checkpoint
//
// left is the wall clock's word, in Unix seconds, for people; leftAt counts served seconds, and expiry goes by it.
const (
	streamBroker = storage.Stream('b')

	recOpen        = 1
	recEnd         = 2
	recSubscribe   = 3
	recUnsubscribe = 4
	recMessage     = 5
	recDone        = 6
	recRecorded    = 7
	recReceived    = 8
	recReleased    = 9
	recAttach      = 10
	recDetach      = 11

	flagQoS      = 3
	flagRetain   = 4
	flagReplayed = 8
	flagVia      = 4 // in a receiver's QoS

	bucketSessions = "broker.sessions"
	bucketPages    = "broker.pages"
	bucketMessages = "broker.messages"
	bucketRefs     = "broker.refs"
	bucketBundles  = "broker.bundles"
	bucketRetained = "broker.retained"
	bucketClock    = "broker.clock"

	sessionVersion = 1
	servedKey      = "served"
)

var errRecord = errors.New("broker record does not parse")

// Message is an application message that somebody keeps: retained, queued or in flight. It does not change, and all who keep it share it.
type Message struct {
	topic   string
	payload []byte
	qos     byte
	lsn     uint64 // its name; 0 where nothing is on disk. Set before anybody else sees the message

	refs   atomic.Int32 // queue entries of persistent sessions in memory
	shared bool         // listed in store.bodies while there are any
}

// newMessage copies m.
func newMessage(name string, m *message) *Message {
	return &Message{topic: name, payload: append([]byte(nil), m.payload...), qos: m.qos}
}

// store writes the broker's state to the journal and, at checkpoints, to the buckets. It is the journal's Consumer for stream 'b'.
type store struct {
	srv *Server

	mu       sync.Mutex // guards what follows; taken last
	sessions []*Session // changed since the last Freeze, each once
	retained map[retainedKey]struct{}
	bodies   map[uint64]*Message // stored messages that sessions brought back into memory

	// What Freeze set aside for Flush.
	frozenSessions []*Session
	frozenRetained map[retainedKey]struct{}
	cut            uint64

	// While loading only.
	byID      map[uint64]*Session
	converted bool // pages were made of what may be newer than the cut
}

type retainedKey struct{ account, topic string }

func newStore(s *Server) *store {
	return &store{srv: s, retained: map[retainedKey]struct{}{}, bodies: map[uint64]*Message{}}
}

// --- records ---

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendNumbers(b []byte, ns ...uint64) []byte {
	for _, n := range ns {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (st *store) addOpen(b *storage.Batch, s *Session) {
	rec := appendText([]byte{recOpen}, s.sp.account)
	rec = append(rec, byte(s.who.Kind))
	b.Add(streamBroker, appendText(appendText(appendText(rec, s.who.ID), s.who.UserID), s.key.clientID))
}

func (st *store) addEnd(b *storage.Batch, session uint64) {
	b.Add(streamBroker, appendNumbers([]byte{recEnd}, session))
}

func (st *store) addSubscribe(b *storage.Batch, session uint64, filter string, qos byte) {
	b.Add(streamBroker, append(appendText(appendNumbers([]byte{recSubscribe}, session), filter), qos))
}

func (st *store) addUnsubscribe(b *storage.Batch, session uint64, filter string) {
	b.Add(streamBroker, appendText(appendNumbers([]byte{recUnsubscribe}, session), filter))
}

// addMessage records a message that sessions queue, that is retained, or both.
func (st *store) addMessage(b *storage.Batch, account string, m *Message, retain bool, to []receiver) {
	flags := m.qos & flagQoS
	if retain {
		flags |= flagRetain
	}
	st.addMessageRecord(b, account, m, flags, to)
}

// addQueuedRetained records a retained message that one new subscription gets.
func (st *store) addQueuedRetained(b *storage.Batch, m *Message, to receiver) {
	st.addMessageRecord(b, to.s.sp.account, m, m.qos|flagReplayed, []receiver{to})
}

func (st *store) addMessageRecord(b *storage.Batch, account string, m *Message, flags byte, to []receiver) {
	var headBuf [256]byte
	head := appendText(appendText(append(headBuf[:0], recMessage, flags), account), m.topic)
	head = binary.AppendUvarint(head, uint64(len(m.payload)))
	var tailBuf [64]byte
	tail := appendNumbers(tailBuf[:0], uint64(len(to)))
	for _, r := range to {
		tail = appendNumbers(tail, r.s.id, uint64(r.id))
		if r.via == viaPlain {
			tail = append(tail, r.qos)
		} else {
			tail = append(append(tail, r.qos|flagVia), r.via[:]...)
		}
	}
	b.Add(streamBroker, head, m.payload, tail)
}

func (st *store) addDone(b *storage.Batch, session uint64, messages []uint64) {
	st.addList(b, recDone, session, messages)
}

func (st *store) addList(b *storage.Batch, kind byte, session uint64, messages []uint64) {
	var buf [512]byte
	rec := appendNumbers(append(buf[:0], kind), session, uint64(len(messages)))
	b.Add(streamBroker, appendNumbers(rec, messages...))
}

func (st *store) addPair(b *storage.Batch, kind byte, session, n uint64) {
	var buf [32]byte
	b.Add(streamBroker, appendNumbers(append(buf[:0], kind), session, n))
}

func (st *store) addRecorded(b *storage.Batch, session, message uint64) {
	st.addPair(b, recRecorded, session, message)
}

func (st *store) addReceived(b *storage.Batch, session uint64, id uint16) {
	st.addPair(b, recReceived, session, uint64(id))
}

func (st *store) addReleased(b *storage.Batch, session uint64, id uint16) {
	st.addPair(b, recReleased, session, uint64(id))
}

func (st *store) addAttach(b *storage.Batch, session uint64) {
	b.Add(streamBroker, appendNumbers([]byte{recAttach}, session))
}

// detached need not be waited for: losing the record only sets DUP on more than was sent.
func (st *store) detached(s *Session) {
	b := st.srv.jnl.Begin()
	s.mu.Lock()
	var sent []uint64
	for _, f := range s.flights.all() {
		sent = append(sent, f.msg.lsn)
	}
	s.touchLocked()
	s.mu.Unlock()
	left := append(sent, uint64(s.srv.clock.at(s.srv.clock.now()).Unix()), uint64(s.srv.clock.served()))
	b.Add(streamBroker, appendNumbers(appendNumbers([]byte{recDetach}, s.id, uint64(len(sent))), left...))
	b.AppendLater()
	b.End()
}

// --- what the next checkpoint must write ---

func (st *store) markDirty(s *Session) {
	st.mu.Lock()
	st.sessions = append(st.sessions, s)
	st.mu.Unlock()
}

func (st *store) setRetained(sp *space, name string, m *Message) {
	if !sp.retained.set(name, m) {
		return
	}
	st.mu.Lock()
	st.retained[retainedKey{sp.account, name}] = struct{}{}
	st.mu.Unlock()
}

// Freeze implements storage.Consumer.
//
// What is written later may be newer than the cut, except messages: a session is written as it is when Flush comes to it. That is safe because
// replaying the records after the cut on top of any newer state ends in the same state (a message that is gone is not missed by its done
// record) and because Flush waits until those records are on disk.
func (st *store) Freeze() {
	st.mu.Lock()
	st.frozenSessions, st.sessions = st.sessions, nil
	st.frozenRetained, st.retained = st.retained, map[retainedKey]struct{}{}
	st.mu.Unlock()
	st.cut = st.srv.jnl.Last() // no batch is open
	st.srv.mu.Lock()
	defer st.srv.mu.Unlock()
	for _, sp := range st.srv.spaces {
		sp.retained.forget()
	}
}

// Flush implements storage.Consumer.
func (st *store) Flush(tx *storage.Tx) error {
	f := newFlusher(tx, st.cut)
	for _, s := range st.frozenSessions {
		f.session(s)
	}
	f.finish()
	tx.OnCommit(func() {
		for _, s := range f.done {
			st.pageOut(s)
		}
	})
	retained := tx.Bucket(bucketRetained)
	for k := range st.frozenRetained {
		key := append(append([]byte(k.account), 0), k.topic...)
		if m := st.srv.space(k.account).retained.get(k.topic); m != nil {
			v := append(binary.BigEndian.AppendUint64(nil, m.lsn), m.qos)
			retained.Put(key, append(v, m.payload...))
		} else {
			retained.Delete(key)
		}
	}
	st.frozenSessions, st.frozenRetained = nil, nil
	tx.Bucket(bucketClock).Put([]byte(servedKey), key64(uint64(st.srv.clock.served())))
	// What was written above may be newer than the journal on disk. Were it to outlive a crash that takes the journal's end away, the
	// next start would give its LSNs, which are names, to something else.
	return st.srv.jnl.Wait(context.Background(), st.srv.jnl.Last())
}

func key64(ns ...uint64) []byte {
	k := make([]byte, 0, 8*len(ns))
	for _, n := range ns {
		k = binary.BigEndian.AppendUint64(k, n)
	}
	return k
}

// encodeLocked encodes the session with what it has on disk.
func (s *Session) encodeLocked(disk pagedOut, waitingBytes int) []byte {
	online := byte(0)
	if s.conn.Load() != nil {
		online = 1
	}
	v := appendText([]byte{sessionVersion, online}, s.sp.account)
	v = append(v, byte(s.who.Kind))
	v = appendText(appendText(appendText(v, s.who.ID), s.who.UserID), s.key.clientID)
	v = appendNumbers(v, uint64(s.lastID), uint64(len(s.subs)))
	for f, qos := range s.subs {
		v = append(appendText(v, f), qos)
	}
	v = appendNumbers(v, uint64(len(s.unreleased)))
	for id := range s.unreleased {
		v = appendNumbers(v, uint64(id))
	}
	return appendNumbers(v, s.sentBefore, uint64(s.left), uint64(disk.sent), uint64(disk.waiting), uint64(waitingBytes), uint64(s.leftAt))
}

// --- start ---

// open loads the buckets, replays the journal on top and rebuilds the index.
func (st *store) open() error {
	st.byID = map[uint64]*Session{}
	if err := st.convert(); err != nil {
		return fmt.Errorf("convert queues: %w", err)
	}
	if err := st.srv.db.View(st.load); err != nil {
		return fmt.Errorf("load broker state: %w", err)
	}
	if err := st.srv.jnl.Attach(streamBroker, st); err != nil {
		return fmt.Errorf("replay broker journal: %w", err)
	}
	now := st.srv.jnl.Last() + 1
	for _, s := range st.byID {
		if s.online || s.left == 0 { // connected until now, or older than this note
			s.left, s.leftAt = st.srv.clock.start.Unix(), 0
		}
		if s.leftAt == 0 {
			s.leftAt = st.srv.clock.served()
		}
		if s.sharesLocked() {
			if err := st.pageIn(s); err != nil {
				return err
			}
		}
		s.settleLoaded(now)
		for f, qos := range s.subs {
			s.sp.subscribe(s, f, qos)
		}
		s.sp.putLocked(s)
	}
	st.byID = nil
	return nil
}

func (st *store) load(tx *storage.Tx) error {
	for k, v := range tx.Bucket(bucketSessions).Prefix(nil) {
		if len(k) != 8 {
			return fmt.Errorf("session %x: %w", k, errRecord)
		}
		if err := st.loadSession(binary.BigEndian.Uint64(k), v); err != nil {
			return fmt.Errorf("session %x: %w", k, err)
		}
	}
	if v := tx.Bucket(bucketClock).Get([]byte(servedKey)); len(v) == 8 {
		st.srv.clock.before = int64(binary.BigEndian.Uint64(v))
	}
	return st.loadRetained(tx)
}

func (st *store) loadRetained(tx *storage.Tx) error {
	for k, v := range tx.Bucket(bucketRetained).Prefix(nil) {
		i := 0
		for i < len(k) && k[i] != 0 {
			i++
		}
		if i+1 >= len(k) || len(v) < 9 || v[8] > 2 {
			return fmt.Errorf("retained message %q: %w", k, errRecord)
		}
		m := &Message{topic: string(k[i+1:]), lsn: binary.BigEndian.Uint64(v), qos: v[8], payload: append([]byte(nil), v[9:]...)}
		st.srv.space(string(k[:i])).retained.set(m.topic, m)
	}
	return nil
}

func (st *store) loadSession(id uint64, v []byte) error {
	r := &records{b: v}
	if r.byte() != sessionVersion {
		return fmt.Errorf("unknown version: %w", errRecord)
	}
	online := r.byte() == 1
	s := st.readSession(r, id)
	s.online = online
	s.lastID = uint16(r.number())
	for n := r.number(); n > 0 && !r.bad; n-- {
		f := r.text()
		s.subs[f] = r.byte()
	}
	for n := r.number(); n > 0 && !r.bad; n-- {
		s.unreleased[uint16(r.number())] = id // any LSN that is on disk
	}
	if len(r.b) > 0 { // else written before there were these numbers
		s.sentBefore = r.number()
	}
	if len(r.b) > 0 {
		s.left = int64(r.number())
	}
	if len(r.b) > 0 {
		s.paged = pagedOut{int(r.number()), int(r.number())}
		s.queueBytes = int(r.number())
	}
	if len(r.b) > 0 {
		s.leftAt = int64(r.number())
	}
	s.onDisk = s.paged.len() > 0
	if r.bad {
		return errRecord
	}
	return nil
}

// readSession reads what makes a session and enters it in byID.
func (st *store) readSession(r *records, id uint64) *Session {
	account := r.text()
	who := auth.Principal{AccountID: account, Kind: auth.Kind(r.byte()), ID: r.text(), UserID: r.text()}
	s := &Session{
		srv: st.srv, sp: st.srv.space(account), key: sessionKey{who.Kind, who.ID, r.text()}, who: who, id: id,
		subs: map[string]byte{}, unreleased: map[uint16]uint64{},
	}
	st.byID[id] = s
	return s
}

// Replay implements storage.Consumer. Each record is applied on top of a state that may hold its effect already.
func (st *store) Replay(lsn storage.LSN, record []byte) error {
	r := &records{b: record}
	kind := r.byte()
	if kind == recOpen {
		if s := st.byID[lsn]; s == nil {
			s = st.readSession(r, lsn)
			s.online = true
			s.touch()
		}
		return r.err()
	}
	if kind == recMessage {
		return st.replayMessage(lsn, r)
	}
	s := st.byID[r.number()]
	if s == nil { // it has ended since
		return nil
	}
	s.touch()
	if kind == recDone || kind == recRecorded || kind == recDetach {
		if err := st.pageIn(s); err != nil {
			return err
		}
	}
	switch kind {
	case recEnd:
		st.endLoaded(s)
	case recSubscribe:
		f := r.text()
		s.subs[f] = r.byte()
	case recUnsubscribe:
		delete(s.subs, r.text())
	case recDone:
		for n := r.number(); n > 0 && !r.bad; n-- {
			s.settleByLSN(r.number())
		}
	case recRecorded:
		s.markSent(r.number(), true)
	case recReceived:
		s.unreleased[uint16(r.number())] = lsn
	case recReleased:
		delete(s.unreleased, uint16(r.number()))
	case recAttach:
		s.mu.Lock()
		s.crashedLocked(lsn)
		s.online = true
		s.mu.Unlock()
	case recDetach:
		s.online = false
		for n := r.number(); n > 0 && !r.bad; n-- {
			s.markSent(r.number(), false)
		}
		if len(r.b) > 0 {
			s.left, s.leftAt = int64(r.number()), 0
		}
		if len(r.b) > 0 {
			s.leftAt = int64(r.number())
			st.srv.clock.before = max(st.srv.clock.before, s.leftAt)
		}
	default:
		return fmt.Errorf("kind %d: %w", kind, errRecord)
	}
	return r.err()
}

func (st *store) replayMessage(lsn uint64, r *records) error {
	flags := r.byte()
	account := r.text()
	m := &Message{topic: r.text(), lsn: lsn, qos: flags & flagQoS}
	m.payload = []byte(r.text())
	if r.bad || m.qos > 2 || m.topic == "" {
		return errRecord
	}
	if flags&flagRetain != 0 {
		st.setRetained(st.srv.space(account), m.topic, m)
	}
	for n := r.number(); n > 0 && !r.bad; n-- {
		s, id, qos := st.byID[r.number()], uint16(r.number()), r.byte()
		var by via
		if qos&flagVia != 0 {
			qos &^= flagVia
			by = via{r.byte(), r.byte(), r.byte()}
		}
		if r.bad || qos > 2 || id == 0 {
			return errRecord
		}
		if s != nil && st.converted {
			if err := st.pageIn(s); err != nil {
				return err
			}
		}
		if s != nil {
			s.load(queued{msg: m, id: id, qos: qos, via: by, retain: flags&flagReplayed != 0})
		}
	}
	return r.err()
}

// endLoaded is Session.end for a session that is not in the index yet.
func (st *store) endLoaded(s *Session) {
	delete(st.byID, s.id)
	s.end()
}

// records reads numbers and text; after the first that does not fit, bad is set and all else is zero.
type records struct {
	b   []byte
	bad bool
}

func (r *records) err() error {
	if r.bad {
		return errRecord
	}
	return nil
}

func (r *records) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *records) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *records) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	v := string(r.b[:n])
	r.b = r.b[n:]
	return v
}

func (s *Session) touch() {
	s.mu.Lock()
	s.touchLocked()
	s.mu.Unlock()
}

// --- a session while it is being loaded: no connection yet ---

// load queues a replayed message, unless it was converted and is there already.
func (s *Session) load(q queued) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Two publishers' identifiers may be in another order than their LSNs: the newest is the one ahead, modulo 65,536.
	if int16(q.id-s.lastID) > 0 {
		s.lastID = q.id
	}
	if _, held := find(&s.flights, q.msg.lsn); held {
		return
	}
	i, held := find(&s.queue, q.msg.lsn)
	if held {
		return
	}
	q.msg.refs.Add(1)
	s.queue.insert(i, q)
	s.queueBytes += len(q.msg.payload)
	s.touchLocked()
}

func (f *flight) lsn() uint64 { return f.msg.lsn }
func (q *queued) lsn() uint64 { return q.msg.lsn }

// find returns where in a queue that is being loaded an LSN is or belongs: there, entries are in the order of their LSNs.
func find[T any, P interface {
	*T
	lsn() uint64
}](q *fifo[T], lsn uint64) (i int, found bool) {
	i = sort.Search(q.len(), func(i int) bool { return P(q.at(i)).lsn() >= lsn })
	return i, i < q.len() && P(q.at(i)).lsn() == lsn
}

func (s *Session) settleByLSN(lsn uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := find(&s.flights, lsn); found {
		f := *s.flights.at(i)
		s.flights.remove(i)
		s.settleLocked(f.msg, f.kept)
		return
	}
	if i, found := find(&s.queue, lsn); found {
		q := *s.queue.at(i)
		s.queue.remove(i)
		s.queueBytes -= len(q.msg.payload)
		s.settleLocked(q.msg, q.kept)
	}
}

// markSent moves a message from the queue into flight, or notes its PUBREC.
func (s *Session) markSent(lsn uint64, released bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.markSentLocked(lsn, released)
}

func (s *Session) markSentLocked(lsn uint64, released bool) {
	at, found := find(&s.flights, lsn)
	if found {
		f := s.flights.at(at)
		f.released = f.released || released
		return
	}
	if i, found := find(&s.queue, lsn); found {
		q := *s.queue.at(i)
		s.queue.remove(i)
		s.queueBytes -= len(q.msg.payload)
		s.flights.insert(at, flight{msg: q.msg, id: q.id, qos: q.qos, retain: q.retain, released: released, kept: q.kept})
	}
}

// crashedLocked meets the end of a server that did not note it. If the client was connected, what waits may have been sent: it is not
// known how far the client's acknowledgements, which nobody waited for, had moved the window on. DUP is set on all of it. now is behind all
// that waits.
func (s *Session) crashedLocked(now uint64) {
	if s.online && s.waitingLocked() > 0 {
		s.sentBefore = now
	}
}

// settleLoaded ends loading. If the client was connected when the server was killed, what the window held counts as in flight. A
// checkpoint may come at any time from now on.
func (s *Session) settleLoaded(now uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashedLocked(now)
	for s.online && s.paged.len() == 0 && s.queue.len() > 0 && s.flights.len() < s.srv.cfg.MaxInflight {
		s.markSentLocked(s.queue.front().msg.lsn, false)
	}
	s.online = false
}
