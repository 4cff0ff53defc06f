package broker

import (
	"strconv"
	"strings"
	"time"

	"xively/broker/topic"
)

// AccountStats are an account's own figures; of other accounts they tell nothing.
type AccountStats struct {
	Connected     int // clients that are there
	Sessions      int // those of clients that are away with them
	Subscriptions int
	Shared        int // shared ones among them
	Retained      int
	Queued        int // messages that wait for clients
	Traffic       Traffic
}

// AccountStats adds up an account's figures. It looks at every session of the account.
func (s *Server) AccountStats(account string) AccountStats {
	sp := s.known(account)
	if sp == nil {
		return AccountStats{}
	}
	st := AccountStats{Retained: sp.retained.len()}
	sp.mu.RLock()
	st.Sessions, st.Subscriptions, st.Shared = len(sp.sessions), sp.subs.Len()+sp.shared, sp.shared
	sp.mu.RUnlock()
	sp.trafficMu.Lock()
	defer sp.trafficMu.Unlock()
	st.Traffic = sp.past
	for _, sess := range sp.all() {
		sess.mu.Lock()
		st.Queued += sess.waitingLocked() + sess.replay.len()
		st.Traffic.Dropped += sess.dropped
		sess.mu.Unlock()
		if c := sess.conn.Load(); c != nil && !c.closedBooks {
			st.Connected++
			st.Traffic.add(c.traffic())
		}
	}
	return st
}

// closeBooks moves the traffic of a connection that has ended to its account's past.
func (sp *space) closeBooks(c *conn) {
	t := c.traffic()
	sp.trafficMu.Lock()
	defer sp.trafficMu.Unlock()
	sp.past.add(t)
	c.closedBooks = true
}

// $SYS: an account's figures as messages, to whoever in the account may have them. They are not kept: a new subscription gets them at once, with
// the RETAIN flag, and everybody again each Config.SysInterval. An account without such a subscription costs nothing.
const sysHead = "$SYS/broker/"

// sysTopics are the figures that are published, in this order; the names are those of Mosquitto, where it has them.
var sysTopics = []struct {
	name  string
	value func(s *Server, st *AccountStats) string
}{
	{"version", func(s *Server, _ *AccountStats) string { return s.cfg.Version }},
	{"uptime", func(s *Server, _ *AccountStats) string {
		return strconv.FormatInt(s.clock.now()-1, 10) + " seconds"
	}},
	{"clients/connected", number(func(st *AccountStats) int { return st.Connected })},
	{"clients/disconnected", number(func(st *AccountStats) int { return st.Sessions - st.Connected })},
	{"clients/total", number(func(st *AccountStats) int { return st.Sessions })},
	{"subscriptions/count", number(func(st *AccountStats) int { return st.Subscriptions })},
	{"shared_subscriptions/count", number(func(st *AccountStats) int { return st.Shared })},
	{"retained messages/count", number(func(st *AccountStats) int { return st.Retained })},
	{"messages/stored", number(func(st *AccountStats) int { return st.Queued })},
	{"publish/messages/received", number(func(st *AccountStats) uint64 { return st.Traffic.MessagesIn })},
	{"publish/messages/sent", number(func(st *AccountStats) uint64 { return st.Traffic.MessagesOut })},
	{"publish/messages/dropped", number(func(st *AccountStats) uint64 { return st.Traffic.Dropped })},
	{"publish/messages/refused", number(func(st *AccountStats) uint64 { return st.Traffic.Refused })},
	{"bytes/received", number(func(st *AccountStats) uint64 { return st.Traffic.BytesIn })},
	{"bytes/sent", number(func(st *AccountStats) uint64 { return st.Traffic.BytesOut })},
}

func number[N int | uint64](f func(*AccountStats) N) func(*Server, *AccountStats) string {
	return func(_ *Server, st *AccountStats) string { return strconv.FormatUint(uint64(f(st)), 10) }
}

// isSys says whether a filter can match figures: wildcards at the first level do not [MQTT-4.7.2-1].
func isSys(filter string) bool { return strings.HasPrefix(filter, "$SYS/") }

// tellFigures publishes the figures of every account where somebody wants them, each interval. Started by New, ended by the server's end.
func (s *Server) tellFigures() {
	t := time.NewTicker(s.cfg.SysInterval)
	defer t.Stop()
	for {
		select {
		case <-s.stopped.Done():
			return
		case <-t.C:
		}
		s.mu.Lock()
		spaces := make([]*space, 0, len(s.spaces))
		for _, sp := range s.spaces {
			if sp.sys.Load() > 0 {
				spaces = append(spaces, sp)
			}
		}
		s.mu.Unlock()
		for _, sp := range spaces {
			s.publishFigures(sp)
		}
	}
}

func (s *Server) publishFigures(sp *space) {
	defer s.caught(s.log, "publishing figures")
	st := s.AccountStats(sp.account)
	p := &publisher{srv: s, sp: sp}
	defer p.flush()
	for _, t := range sysTopics {
		r := &route{topic: sysHead + t.name}
		s.findReceivers(sp, r)
		value := t.value(s, &st)
		p.send(r, &message{topic: []byte(r.topic), payload: []byte(value)})
	}
}

// sendFigures gives a new subscription the figures as they are.
func (c *conn) sendFigures(filter string) {
	if !isSys(filter) || c.srv.cfg.SysInterval < 0 {
		return
	}
	var st *AccountStats
	for _, t := range sysTopics {
		name := sysHead + t.name
		if !topic.Matches(filter, name) || c.srv.authz.MayReceive(c.who, name) != nil {
			continue
		}
		if st == nil {
			now := c.srv.AccountStats(c.who.AccountID)
			st = &now
		}
		if c.sendMessage(&Message{topic: name, payload: []byte(t.value(c.srv, st))}, 0, 0, true, false) {
			c.outMu.Lock()
			c.pub.touchLocked(c)
			c.outMu.Unlock()
		}
	}
}
