package broker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/auth"
	"xively/storage"
)

// Server is the broker: every account's topics, sessions and connections.
type Server struct {
	// Fixed after New.
	cfg         Config
	db          *storage.DB
	jnl         *storage.Journal
	authn       Authenticator
	authz       Authorizer
	events      Events
	recorder    Recorder             // events, if it is one; else nil
	subscribed  SubscriptionListener // likewise
	taps        []Tap
	log         *slog.Logger
	store       *store
	clock       clock
	quiet       quiet
	unsure      unsure
	owed        atomic.Int64 // bytes that wait for slow clients
	held        held
	door        door
	descriptors uint64 // the process's limit, 0: not known
	silent      wheel  // connections by the second their keep alive ends
	partial     wheel  // and by the second an incomplete packet is too old
	stats       counters

	stop    context.CancelFunc
	stopped context.Context
	tasks   sync.WaitGroup // goroutines of the server and of its connections

	mu        sync.Mutex // guards what follows; taken alone or last
	closed    bool
	spaces    map[string]*space
	conns     map[*conn]struct{}
	listeners map[net.Listener]struct{}
}

// counters are read by Stats. Each is only ever added to.
type counters struct {
	accepted, refused              atomic.Uint64
	droppedQoS0, droppedQueue      atomic.Uint64
	bytesIn, bytesOut              atomic.Uint64
	publishRefused, subscribeRefus atomic.Uint64
	violations, linesOmitted       atomic.Uint64
	acceptFailed                   atomic.Uint64
	sessionsRefused                atomic.Uint64
	sessionsExpired                atomic.Uint64
	takeoversRefused               atomic.Uint64
	retainedRefused, refusedFull   atomic.Uint64
}

// Stats is a snapshot of the server's counters. All but the first six only grow.
type Stats struct {
	Connections, Sessions, Retained int
	Subscriptions, Shared           int    // of all sessions; those of them that are shared
	Waiting                         int    // bytes that slow clients have still to take
	Accepted, Refused               uint64 // connections past CONNECT; turned away
	Received, Delivered             uint64 // PUBLISH packets
	DroppedQoS0                     uint64 // not sent: the receiver's outgoing buffer was full
	DroppedQueue                    uint64 // not queued: the session's queue was full
	PublishRefused, SubscribeDenied uint64
	Violations                      uint64 // connections ended because the client broke the protocol or a packet's limits
	SessionsRefused                 uint64 // connections turned away: their principal has too many persistent sessions
	SessionsExpired                 uint64 // ended: their client was away for too long
	TakeoversRefused                uint64 // connections turned away: their client id was taken over too often
	RetainedRefused                 uint64 // publishes refused: the account has too much retained
	RefusedFull                     uint64 // publishes not taken: the store was full
	AcceptFailed                    uint64 // connections not accepted, by error or for want of file descriptors
	LinesOmitted                    uint64 // of the process's log: one address caused too many
}

// New loads sessions, queues and retained messages from db and returns a server that listens on nothing yet.
func New(cfg Config, db *storage.DB, a Authenticator, z Authorizer, ev Events, taps []Tap, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg.withDefaults(), db: db, jnl: db.Journal(), authn: a, authz: z, events: ev, taps: taps, log: log,
		spaces: map[string]*space{}, conns: map[*conn]struct{}{}, listeners: map[net.Listener]struct{}{},
	}
	s.recorder, _ = ev.(Recorder)
	s.subscribed, _ = ev.(SubscriptionListener)
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.door.init(s.cfg)
	s.quiet.each = s.cfg.LogLines
	s.descriptors = descriptorLimit()
	s.clock.init()
	s.store = newStore(s)
	if err := s.store.open(); err != nil {
		s.stop()
		return nil, err
	}
	s.tasks.Go(s.tick)
	if s.cfg.SysInterval > 0 {
		s.tasks.Go(s.tellFigures)
	}
	return s, nil
}

// Publish sends a message as if from, acting with its rights, had published it, and returns once whatever of it must last is on disk.
// The error is the Authorizer's when it refuses, or a malformed topic's *topic.Error.
func (s *Server) Publish(from auth.Principal, topicName string, payload []byte, qos byte, retain bool) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	lsn, err := s.publishNow(from, topicName, payload, qos, retain)
	if err != nil {
		return err
	}
	return s.jnl.Wait(s.stopped, lsn)
}

// publishNow flushes also when a module panics: receivers that a publisher has touched are flushed by nobody else.
func (s *Server) publishNow(from auth.Principal, topicName string, payload []byte, qos byte, retain bool) (uint64, error) {
	p := newPublisher(s, from)
	defer p.flush()
	return p.publishChecked(topicName, payload, qos, retain)
}

// Disconnect ends the connections whose principal matches, and returns how many there were. reason is written to the log.
func (s *Server) Disconnect(match func(auth.Principal) bool, reason string) int {
	n := 0
	for _, c := range s.connections() {
		if match(c.who) {
			c.close(reason)
			n++
		}
	}
	return n
}

// Limits returns the configuration that holds, defaults filled in.
func (s *Server) Limits() Config { return s.cfg }

// Stats returns the counters of this moment.
func (s *Server) Stats() Stats {
	st := Stats{
		Waiting:  int(s.owed.Load()),
		Accepted: s.stats.accepted.Load(), Refused: s.stats.refused.Load(),
		DroppedQoS0: s.stats.droppedQoS0.Load(), DroppedQueue: s.stats.droppedQueue.Load(),
		PublishRefused: s.stats.publishRefused.Load(), SubscribeDenied: s.stats.subscribeRefus.Load(),
		Violations: s.stats.violations.Load(), SessionsRefused: s.stats.sessionsRefused.Load(), SessionsExpired: s.stats.sessionsExpired.Load(),
		TakeoversRefused: s.stats.takeoversRefused.Load(), RetainedRefused: s.stats.retainedRefused.Load(), RefusedFull: s.stats.refusedFull.Load(), LinesOmitted: s.stats.linesOmitted.Load(),
		AcceptFailed: s.stats.acceptFailed.Load(),
	}
	s.mu.Lock()
	st.Connections = len(s.conns)
	spaces := make([]*space, 0, len(s.spaces))
	for _, sp := range s.spaces {
		spaces = append(spaces, sp)
	}
	s.mu.Unlock()
	for _, sp := range spaces {
		sp.mu.RLock()
		st.Sessions += len(sp.sessions)
		st.Subscriptions += sp.subs.Len() + sp.shared
		st.Shared += sp.shared
		sp.mu.RUnlock()
		st.Retained += sp.retained.len()
		st.Received += sp.received.Load()
		st.Delivered += sp.delivered.Load()
	}
	return st
}

// Close stops accepting, ends every connection (their wills are published) and waits for their goroutines, at most until ctx ends.
// Acknowledgements that still wait for the disk at that point are not sent.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	listeners := s.listeners
	s.listeners = map[net.Listener]struct{}{}
	s.mu.Unlock()
	if already {
		return nil
	}
	var errs []error
	for ln := range listeners {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	// Let what is acknowledged reach the clients before their connections go.
	if err := s.jnl.Wait(ctx, s.jnl.Last()); err == nil {
		for _, c := range s.connections() {
			c.Durable(nil)
		}
	}
	s.door.closeAll()
	for _, c := range s.connections() {
		c.close(reasonShutdown)
	}
	s.stop()
	done := make(chan struct{})
	go func() { s.tasks.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		errs = append(errs, ctx.Err())
	}
	return errors.Join(errs...)
}

func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// space returns the account's topic space; accounts never see each other's.
func (s *Server) space(account string) *space {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.spaces[account]
	if sp == nil {
		sp = newSpace(account, s.cfg.TopicStats)
		s.spaces[account] = sp
	}
	return sp
}

// register makes c known and counts its goroutine, until unregister; false means the server is closing.
func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	s.tasks.Add(1)
	return true
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.tasks.Done()
}

// caught is deferred where a module is asked something: a bug met while working for one client must not end the others.
func (s *Server) caught(log *slog.Logger, doing string) {
	if p := recover(); p != nil {
		log.Error("panic", "while", doing, "panic", p, "stack", string(debug.Stack()))
	}
}

// caught is Server.caught for what is done for c.
func (c *conn) caught(doing string) {
	if p := recover(); p != nil {
		c.srv.log.Error("panic", "client_id", c.info.ClientID, "remote", c.info.Remote, "while", doing, "panic", p, "stack", string(debug.Stack()))
	}
}

// clock is the coarse time that the hot path reads: whole seconds since start, from 1 so that 0 can mean never. tick sets it.
type clock struct {
	start  time.Time
	before int64 // seconds that servers before this one have run on the store, as far as that was noted; fixed after the start
	sec    atomic.Int64
}

func (c *clock) init()      { c.start = time.Now(); c.sec.Store(1) }
func (c *clock) now() int64 { return c.sec.Load() }

// served returns how many seconds servers have run on the store, this one with them. The wall clock has no part in it.
func (c *clock) served() int64 { return c.before + c.sec.Load() }

// at returns the time of a coarse second.
func (c *clock) at(sec int64) time.Time { return c.start.Add(time.Duration(sec-1) * time.Second) }

func (c *clock) advance() int64 {
	sec := int64(time.Since(c.start)/time.Second) + 1
	c.sec.Store(sec)
	return sec
}
