package broker

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
)

// Limits that are about more than one packet or connection.

// owner is whose sessions are counted together.
type owner struct {
	kind auth.Kind
	id   string
}

func (k sessionKey) owner() owner { return owner{k.kind, k.id} }

// putLocked enters a session into its account; sp.mu is held, and for removeLocked too.
func (sp *space) putLocked(s *Session) {
	sp.sessions[s.key] = s
	if s.persistent() {
		sp.kept[s.key.owner()]++
	}
}

// removeLocked takes s out unless it is out already or another one has its place.
func (sp *space) removeLocked(s *Session) {
	if sp.sessions[s.key] != s {
		return
	}
	delete(sp.sessions, s.key)
	if s.persistent() {
		if o := s.key.owner(); sp.kept[o] > 1 {
			sp.kept[o]--
		} else {
			delete(sp.kept, o)
		}
	}
}

// mayOpen says whether the client may have a session, before anybody else's connection is closed for it. Some that connect in the same moment
// may be let in over the number of sessions.
func (s *Server) mayOpen(key sessionKey, sp *space, clean bool) error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	old := sp.sessions[key]
	if !clean && (old == nil || !old.persistent()) && sp.kept[key.owner()] >= s.cfg.MaxSessions {
		s.stats.sessionsRefused.Add(1)
		return &refusal{connUnavailable, fmt.Sprintf("the principal has %d persistent sessions already (broker.max_sessions)", s.cfg.MaxSessions)}
	}
	if old == nil || old.conn.Load() == nil {
		return nil
	}
	if sp.fights == nil {
		sp.fights = map[sessionKey]int{}
	}
	if sp.fights[key] >= s.cfg.MaxTakeovers {
		s.stats.takeoversRefused.Add(1)
		return &refusal{connUnavailable, fmt.Sprintf("client id %q was taken over %d times in this minute: two clients seem to use it (broker.max_takeovers)", key.clientID, s.cfg.MaxTakeovers)}
	}
	sp.fights[key]++
	return nil
}

// eachMinute begins the minute's counts anew and ends the sessions of clients that have been away for too long, on the tick goroutine.
func (s *Server) eachMinute() {
	s.quiet.newMinute(s.log)
	s.mu.Lock()
	spaces := make([]*space, 0, len(s.spaces))
	for _, sp := range s.spaces {
		spaces = append(spaces, sp)
	}
	s.mu.Unlock()
	for _, sp := range spaces {
		sp.mu.Lock()
		sp.fights = nil
		sp.mu.Unlock()
		if s.cfg.SessionExpiry > 0 {
			s.expire(sp)
		}
	}
}

// expire ends sessions that nobody came back to. Their age is the time that servers have run on the store since: no client can come back to one
// that is off, and a wall clock that was wrong at one start, as on a device without a battery for it, would end all of them at once.
func (s *Server) expire(sp *space) {
	defer s.caught(s.log, "ending old sessions")
	before := s.clock.served() - int64(s.cfg.SessionExpiry/time.Second)
	for _, sess := range sp.all() {
		sess.mu.Lock()
		old := sess.leftAt > 0 && sess.leftAt < before && sess.conn.Load() == nil
		sess.mu.Unlock()
		if !old {
			continue
		}
		sess.handOver(true)
		if _, done := sess.discard(); done {
			s.stats.sessionsExpired.Add(1)
			s.events.Refused(sess.connInfo(), "keep", "", fmt.Sprintf("the session has ended: its client was away for more than %v (broker.session_expiry)", s.cfg.SessionExpiry))
		}
	}
}

// mayKeep says whether a message may be retained, beside what the account retains already.
func (s *Server) mayKeep(sp *space, m *message) error {
	if !m.retain || len(m.payload) == 0 {
		return nil
	}
	messages, bytes := sp.retained.with(m.topic, len(m.payload))
	switch {
	case messages > s.cfg.MaxRetained:
		s.stats.retainedRefused.Add(1)
		return fault.New(fault.TooMany, "the account has %d retained messages (broker.max_retained)", s.cfg.MaxRetained)
	case bytes > s.cfg.MaxRetainedBytes:
		s.stats.retainedRefused.Add(1)
		return fault.New(fault.TooMany, "the account's retained messages have %d bytes (broker.max_retained_bytes)", s.cfg.MaxRetainedBytes)
	}
	return nil
}

// quiet holds back lines of the process's own log that strangers can cause: some a minute for each address, some for all together. What was
// left out is told, by number, when the minute ends.
type quiet struct {
	mu      sync.Mutex // guards what follows
	each    int
	lines   int
	sources map[string]int
	omitted uint64
}

const quietSources = 10 // as many times the lines of one address are those of all

// allow says whether a line because of source may be written.
func (q *quiet) allow(source string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lines < quietSources*q.each && q.sources[source] < q.each {
		if q.sources == nil {
			q.sources = map[string]int{}
		}
		q.sources[source]++
		q.lines++
		return true
	}
	q.omitted++
	return false
}

func (q *quiet) newMinute(log *slog.Logger) {
	q.mu.Lock()
	omitted := q.omitted
	q.lines, q.sources, q.omitted = 0, nil, 0
	q.mu.Unlock()
	if omitted > 0 {
		log.Warn("log lines left out", "lines", omitted, "because", "one address, or all together, caused too many in a minute (broker.log_lines)")
	}
}

// tell writes a line that the client at remote has caused.
func (s *Server) tell(level slog.Level, remote, msg string, args ...any) {
	if !s.log.Enabled(s.stopped, level) {
		return
	}
	if !s.quiet.allow(hostIn(remote)) {
		s.stats.linesOmitted.Add(1)
		return
	}
	s.log.Log(s.stopped, level, msg, append([]any{"remote", remote}, args...)...)
}

// minute is how often eachMinute is called, in coarse seconds.
const minute = int64(time.Minute / time.Second)
