package broker

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"xively/broker/topic"
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// space is one account's topics, as if it had a broker of its own.
type space struct {
	account  string
	retained retainedStore
	topics   topicTable

	received, delivered atomic.Uint64 // PUBLISH in and out; only ever added to

	mu       sync.RWMutex // guards what follows; never held over a call to another module
	subs     topic.Tree[*Session, byte]
	groups   topic.Tree[string, *group] // shared subscriptions: groups by filter and name
	shared   int                        // memberships in groups
	sessions map[sessionKey]*Session
	kept     map[owner]int      // persistent sessions of each principal
	fights   map[sessionKey]int // takeovers of this minute
	gen      atomic.Uint64      // grows with every change of subs
	sys      atomic.Int64       // subscriptions to the account's figures

	trafficMu sync.Mutex // guards what follows and conn.closedBooks
	past      Traffic    // of connections that have ended
}

func newSpace(account string, topics int) *space {
	return &space{account: account, topics: topicTable{max: topics}, sessions: map[sessionKey]*Session{}, kept: map[owner]int{}}
}

func (sp *space) subscribe(s *Session, filter string, qos byte) {
	sp.mu.Lock()
	sp.addLocked(filter, s, qos)
	sp.mu.Unlock()
}

func (sp *space) unsubscribe(s *Session, filters []string) {
	if len(filters) == 0 {
		return
	}
	sp.mu.Lock()
	for _, f := range filters {
		sp.dropLocked(f, s)
	}
	sp.mu.Unlock()
}

// route is everything there is to know about publishing to one topic as one principal: allowed or not, who gets it, which modules look
// at it. It is worked out once and good for as long as neither the account's subscriptions nor the directory change. A cluster would
// join here: the nodes to forward to are one more part of a route.
type route struct {
	topic   string
	gen     uint64 // space.gen when it was made
	epoch   uint64 // Authorizer.Epoch likewise
	err     error  // why publishing is refused; nil when it is allowed
	targets []target
	choices []choice // shared subscriptions: one of each gets it
	sinks   []sink
	paces   []func()    // called before the sinks, with no batch open
	lasting bool        // some target is a persistent session with a QoS above 0
	count   *topicCount // nil: none is kept, or not looked for yet
}

type sink = func(from auth.Principal, topic string, payload []byte, b *storage.Batch)

// target is one receiving session. Overlapping subscriptions make one target with the highest QoS granted [MQTT-3.3.5-1].
type target struct {
	s   *Session
	qos byte
	via via
}

// newRoute asks the Authorizer and the index. It allocates; callers keep the result.
func (s *Server) newRoute(sp *space, who auth.Principal, name string) *route {
	r := &route{topic: name, epoch: s.authz.Epoch()}
	if name[0] == '$' {
		r.err = fault.New(fault.Forbidden, "topics that begin with $ are the server's own; clients cannot publish to them [MQTT-4.7.2-1]")
	} else {
		r.err = s.authz.MayPublish(who, name)
	}
	if s.findReceivers(sp, r); r.err != nil {
		return r
	}
	for _, tap := range s.taps {
		if f := tap.Sink(sp.account, name); f != nil {
			r.sinks = append(r.sinks, f)
			if slow, ok := tap.(Pacer); ok {
				if wait := slow.Pace(sp.account, name); wait != nil {
					r.paces = append(r.paces, wait)
				}
			}
		}
	}
	return r
}

// findReceivers fills in who gets what is published to r.topic, unless that is refused.
func (s *Server) findReceivers(sp *space, r *route) {
	name := r.topic
	// The generation is read under the lock, so that a subscription made after it also makes this route stale.
	sp.mu.RLock()
	r.gen = sp.gen.Load()
	if r.err != nil {
		sp.mu.RUnlock()
		return
	}
	var many map[*Session]int
	sp.subs.Match(name, func(t *Session, qos byte) {
		i := -1
		if many != nil {
			if at, ok := many[t]; ok {
				i = at
			}
		} else {
			i = slices.IndexFunc(r.targets, func(x target) bool { return x.s == t })
		}
		if i >= 0 {
			r.targets[i].qos = max(r.targets[i].qos, qos)
			return
		}
		r.targets = append(r.targets, target{s: t, qos: qos})
		switch {
		case many != nil:
			many[t] = len(r.targets) - 1
		case len(r.targets) == 16:
			many = make(map[*Session]int, 64)
			for j, x := range r.targets {
				many[x.s] = j
			}
		}
	})
	choices := sp.choicesLocked(name)
	sp.mu.RUnlock()
	r.targets = slices.DeleteFunc(r.targets, func(t target) bool { return s.authz.MayReceive(t.s.who, name) != nil })
	if choices != nil {
		r.choices = s.settle(choices, r)
	}
	for _, t := range r.targets {
		r.lasting = r.lasting || (t.s.persistent() && t.qos > 0)
	}
}

// recheck has every subscription judged again after the directory changed, on the tick goroutine; what is not allowed any more is
// taken away and the session's owner finds the reason in the log. Deliveries stop earlier: routes are made anew at once.
func (s *Server) recheck() {
	s.mu.Lock()
	spaces := slices.Collect(maps.Values(s.spaces))
	s.mu.Unlock()
	for _, sp := range spaces {
		sp.mu.RLock()
		sessions := slices.Collect(maps.Values(sp.sessions))
		sp.mu.RUnlock()
		for _, sess := range sessions {
			s.recheckOnline(sess)
		}
	}
}

// recheckOnline also drops what waits for a client that is there; what waits for one that is not is judged when it comes back.
func (s *Server) recheckOnline(sess *Session) {
	defer s.caught(s.log, "rechecking permissions")
	s.recheckSession(sess)
	if c := sess.conn.Load(); c != nil && sess.ready(c) {
		sess.dropRefused(c.info, false)
	}
}

func (s *Server) recheckSession(sess *Session) {
	var gone []string
	for _, filter := range sess.filters() {
		if err := s.authz.MaySubscribe(sess.who, matchable(filter)); err != nil {
			gone = append(gone, filter)
			s.events.Refused(sess.connInfo(), "subscribe", filter, "subscription ended: "+err.Error())
		}
	}
	if len(gone) == 0 {
		return
	}
	b := s.jnl.Begin()
	sess.unsubscribe(gone, b)
	b.Append()
	b.End()
}
