package broker

import (
	"fmt"
	"slices"
	"strings"

	"xively/storage"
)

// Dump writes down everything about persistent sessions and retained messages that a restart has to keep, one line each, sorted. What is in
// flight and what waits are not told apart: when a message leaves is not the journal's business.
func (s *Server) Dump() string {
	var lines []string
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.spaces {
		sp.mu.RLock()
		for _, sess := range sp.sessions {
			if sess.persistent() {
				lines = append(lines, sess.dump()...)
			}
		}
		for _, m := range sp.retained.match("#") {
			lines = append(lines, fmt.Sprintf("retained %s/%s %x qos %d %q", sp.account, m.topic, m.lsn, m.qos, m.payload))
		}
		sp.mu.RUnlock()
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (s *Session) dump() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprintf("session %s/%s/%s %x", s.sp.account, s.key.id, s.key.clientID, s.id)
	lines := []string{fmt.Sprintf("%s kind %d last id %d", name, s.who.Kind, s.lastID)}
	for f, qos := range s.subs {
		lines = append(lines, fmt.Sprintf("%s filter %s qos %d", name, f, qos))
	}
	for id := range s.unreleased {
		lines = append(lines, fmt.Sprintf("%s unreleased %d", name, id))
	}
	entry := func(m *Message, id uint16, qos byte, retain, released bool) {
		lines = append(lines, fmt.Sprintf("%s message %016x id %d qos %d retain %v released %v %s %q", name, m.lsn, id, qos, retain, released, m.topic, m.payload))
	}
	bytes := 0
	flights, waiting, err := s.contentsLocked()
	if err != nil {
		lines = append(lines, fmt.Sprintf("%s: %v", name, err))
	}
	for _, f := range flights {
		entry(f.msg, f.id, f.qos, f.retain, f.released)
	}
	for _, q := range waiting {
		entry(q.msg, q.id, q.qos, q.retain, false)
		bytes += len(q.msg.payload)
	}
	if bytes != s.queueBytes {
		lines = append(lines, fmt.Sprintf("%s counts %d bytes in its queue and has %d", name, s.queueBytes, bytes))
	}
	return lines
}

// contentsLocked returns what the session holds, in memory and on disk.
func (s *Session) contentsLocked() (flights []flight, waiting []queued, err error) {
	if s.paged.len() == 0 {
		return s.flights.all(), s.queue.all(), nil
	}
	have := map[uint64]bool{}
	for _, q := range s.queue.all() {
		have[q.msg.lsn] = true
	}
	flights, waiting, err = s.srv.store.readPages(s.id, have)
	if err == nil && (len(flights) != s.paged.sent || len(waiting) != s.paged.waiting) {
		err = fmt.Errorf("%d and %d entries are on disk and not %v", len(flights), len(waiting), s.paged)
	}
	return append(flights, s.flights.all()...), append(waiting, s.queue.all()...), err
}

// InFlight returns the identifiers of what a session would send again with DUP, in that order.
func (s *Server) InFlight(account, clientID string) []uint16 {
	sp := s.space(account)
	sp.mu.RLock()
	defer sp.mu.RUnlock()
	var ids []uint16
	for key, sess := range sp.sessions {
		if key.clientID == clientID {
			sess.mu.Lock()
			flights, waiting, err := sess.contentsLocked()
			if err != nil {
				panic(err)
			}
			for _, f := range flights {
				ids = append(ids, f.id)
			}
			for _, q := range waiting {
				if q.msg.lsn < sess.sentBefore {
					ids = append(ids, q.id)
				}
			}
			sess.mu.Unlock()
		}
	}
	return ids
}

// Checkpoint does what the journal's checkpoint does to the broker, with between run after Freeze.
func (s *Server) Checkpoint(tx *storage.Tx, between func()) error {
	s.store.Freeze()
	between()
	return s.store.Flush(tx)
}

// replayer is a store as it is while a server starts.
func replayer() *store {
	s := &Server{cfg: Config{}.withDefaults(), spaces: map[string]*space{}}
	st := newStore(s)
	st.byID = map[uint64]*Session{}
	s.store = st
	return st
}

// ReplayRecords replays records to a fresh server, the first under LSN 1. It returns what Dump says of every session, and again after these were
// encoded for the store and decoded.
func ReplayRecords(records ...[]byte) (before, after string, err error) {
	st := replayer()
	for i, r := range records {
		if err := st.Replay(uint64(i+1), r); err != nil {
			return "", "", err
		}
	}
	again := replayer()
	var a, b []string
	for id, s := range st.byID {
		s.settleLoaded(1 << 40)
		if err := again.loadSession(id, s.encodeLocked(pagedOut{}, 0)); err != nil {
			return "", "", fmt.Errorf("its own encoding: %w", err)
		}
		s.flights, s.queue, s.queueBytes = fifo[flight]{}, fifo[queued]{}, 0 // in buckets of their own
		a, b = append(a, s.dump()...), append(b, again.byID[id].dump()...)
	}
	slices.Sort(a)
	slices.Sort(b)
	return strings.Join(a, "\n"), strings.Join(b, "\n"), nil
}

// BucketNames are the buckets that must be empty when nothing is left to remember.
var BucketNames = []string{bucketSessions, bucketPages, bucketMessages, bucketRefs, bucketBundles, bucketRetained}

// InMemory returns how many messages a session holds in memory, and how many it holds at all.
func (s *Server) InMemory(account, clientID string) (memory, all int) {
	sp := s.space(account)
	sp.mu.RLock()
	defer sp.mu.RUnlock()
	for key, sess := range sp.sessions {
		if key.clientID == clientID {
			sess.mu.Lock()
			memory += sess.flights.len() + sess.queue.len()
			all += sess.flights.len() + sess.waitingLocked() + sess.paged.sent
			sess.mu.Unlock()
		}
	}
	return memory, all
}

// RaceEnabled is for the tests outside of the package.
const RaceEnabled = raceEnabled
