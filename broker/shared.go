package broker

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"xively/broker/packet"
	"xively/broker/topic"
)

// Shared subscriptions: $share/<group>/<filter> makes the session a member of a group, and a message that the filter matches goes to one
// member instead of to all. MQTT 5 describes them; they need nothing of a client, so clients of 3.1.1 have them here too.
//
//   - Permission is judged on the filter itself and, at delivery, on the topic and the member that would get it.
//   - Which member: the next one (Config.SharedDelivery "round-robin"), or for each topic always the same one as long as it is there ("sticky").
//     Members whose client is away, and those with no room, are passed over.
//   - With nobody there the message waits in the queue of a member with a persistent session, as it would for that session alone. What
//     waits goes on to another such member that is there or comes first (handOver). What was sent once stays with whom it was sent to.
//   - A session gets one copy of a message, whatever subscriptions it has: a member that gets the message otherwise is passed over, and if all
//     do the group has it. Only what is handed over may be a second copy, which was another session's.
//   - Retained messages are not sent to a new member.

// shareHead is how a shared subscription's filter begins.
const shareHead = "$share/"

// Config.SharedDelivery.
const (
	sharedRoundRobin = "round-robin"
	sharedSticky     = "sticky"
)

// isShared says whether a filter asks for a shared subscription, well-formed or not.
func isShared(filter string) bool { return filter == "$share" || strings.HasPrefix(filter, shareHead) }

// cutShared returns the group and the filter of a shared subscription; ok is false when it is none or not well-formed.
func cutShared(text string) (group, filter string, ok bool) {
	rest, ok := strings.CutPrefix(text, shareHead)
	if !ok {
		return "", "", false
	}
	group, filter, ok = strings.Cut(rest, "/")
	if !ok || group == "" || strings.ContainsAny(group, "+#") || filter == "" || isShared(filter) {
		return "", "", false
	}
	return group, filter, true
}

// matchable returns what a subscription's filter matches topics with.
func matchable(text string) string {
	if _, filter, ok := cutShared(text); ok {
		return filter
	}
	return text
}

// checkFilter is topic.CheckFilter with the server's limits, which hold for a shared subscription's own filter.
func (s *Server) checkFilter(text string) error {
	levels := s.cfg.MaxTopicLevels
	if isShared(text) {
		levels += 2
	}
	return topic.CheckFilter(text, s.cfg.MaxTopicBytes, levels)
}

var errShared = fmt.Errorf("a shared subscription is $share/, the name of a group without + # and /, and a topic filter")

// via names the shared subscription because of which a message is in a session's queue: a hash of its text, the same in every process. Three
// bytes of it keep a queue's entry small; should two subscriptions of one session look the same, one of them is handed what was the other's.
type via [3]byte

var (
	viaPlain   = via{}        // a subscription that is not shared
	viaSeveral = via{0, 0, 1} // more than one of them: the message stays where it is
)

func viaOf(text string) via {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	sum := h.Sum64()
	v := via{byte(sum), byte(sum >> 8), byte(sum >> 16)}
	if v == viaPlain || v == viaSeveral {
		v[0] = 1
	}
	return v
}

// group is the members of one shared subscription: the same group name and the same filter.
type group struct {
	members []target      // in the order in which they came; guarded by space.mu
	next    atomic.Uint32 // round robin's place
}

// addLocked enters a subscription into the index. sp.mu is held, and for dropLocked too.
func (sp *space) addLocked(text string, s *Session, qos byte) {
	sp.gen.Add(1)
	name, filter, ok := cutShared(text)
	if !ok {
		if sp.subs.Set(text, s, qos) && isSys(text) {
			sp.sys.Add(1)
		}
		return
	}
	g, found := sp.groups.Get(filter, name)
	if !found {
		g = &group{}
		sp.groups.Set(filter, strings.Clone(name), g)
	}
	if i := g.find(s); i >= 0 {
		g.members[i].qos = qos
		return
	}
	if isSys(filter) {
		sp.sys.Add(1)
	}
	g.members = append(g.members, target{s: s, qos: qos, via: viaOf(text)})
	sp.shared++
}

func (sp *space) dropLocked(text string, s *Session) {
	sp.gen.Add(1)
	name, filter, ok := cutShared(text)
	if !ok {
		if sp.subs.Delete(text, s) && isSys(text) {
			sp.sys.Add(-1)
		}
		return
	}
	g, found := sp.groups.Get(filter, name)
	if !found {
		return
	}
	if i := g.find(s); i >= 0 {
		g.members = slices.Delete(g.members, i, i+1)
		sp.shared--
		if isSys(filter) {
			sp.sys.Add(-1)
		}
	}
	if len(g.members) == 0 {
		sp.groups.Delete(filter, name)
	}
}

func (g *group) find(s *Session) int {
	return slices.IndexFunc(g.members, func(m target) bool { return m.s == s })
}

// choice is a group as one route sees it: the members that may have the topic, and how the next one is found.
type choice struct {
	members []target
	group   *group // nil when sticky: then members are in the order in which they are asked
}

// choicesLocked returns the groups that a topic goes to. sp.mu is held; permission and plain targets are the caller's to judge.
func (sp *space) choicesLocked(name string) (all []choice) {
	if sp.shared == 0 {
		return nil
	}
	sp.groups.Match(name, func(_ string, g *group) {
		all = append(all, choice{members: slices.Clone(g.members), group: g})
	})
	return all
}

// settle leaves of the choices what route r needs: members that may receive and have no plain subscription, in their order.
func (s *Server) settle(all []choice, r *route) []choice {
	plain := make(map[*Session]bool, len(r.targets))
	for _, t := range r.targets {
		plain[t.s] = true
	}
	kept := all[:0]
	for _, c := range all {
		c.members = slices.DeleteFunc(c.members, func(m target) bool {
			return plain[m.s] || s.authz.MayReceive(m.s.who, r.topic) != nil
		})
		if len(c.members) == 0 {
			continue
		}
		if s.cfg.SharedDelivery == sharedSticky {
			c.group = nil
			c.rank(r.topic)
		}
		kept = append(kept, c)
	}
	return kept
}

// rankSeed is the same for all topics of a process, so that a topic stays with its member however often routes are made.
var rankSeed = maphash.MakeSeed()

// rank orders members by a hash of topic and member (rendezvous hashing): a member that goes leaves its topics to all the others evenly, and
// one that comes takes some of each.
func (c *choice) rank(name string) {
	weight := func(m target) uint64 {
		return maphash.String(rankSeed, name+"\x00"+m.s.key.id+"\x00"+m.s.key.clientID)
	}
	slices.SortFunc(c.members, func(a, b target) int { return cmp.Compare(weight(b), weight(a)) })
}

// pick chooses the member that gets a message: one that is there and has room, else with QoS above 0 one with a persistent session and room,
// else the first of either, which then counts the loss. taken are those whom other groups chose.
func (c *choice) pick(m *message, taken []target) (target, bool) {
	n, start := len(c.members), 0
	if c.group != nil {
		start = int(c.group.next.Add(1)-1) % n
	}
	last, twice := -1, -1
	for _, online := range [2]bool{true, false} {
		for i := range n {
			at := (start + i) % n
			t := c.members[at]
			if (t.s.conn.Load() != nil) != online || !online && (!t.s.persistent() || min(t.qos, m.qos) == 0) {
				continue
			}
			if other := slices.IndexFunc(taken, func(x target) bool { return x.s == t.s }); other >= 0 {
				twice = other
				continue
			}
			if t.s.takes(min(t.qos, m.qos), len(m.topic), len(m.payload)) {
				return t, true
			}
			if last < 0 {
				last = at
			}
		}
		if twice >= 0 { // it has its copy, and so has this group
			taken[twice].via = viaSeveral
			return target{}, false
		}
	}
	if last < 0 {
		return target{}, false
	}
	return c.members[last], true
}

// takes says whether a message would be sent or queued and not dropped.
func (s *Session) takes(qos byte, name, payload int) bool {
	if qos > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.ended && !s.fullLocked(payload)
	}
	c := s.conn.Load()
	if c == nil {
		return false
	}
	c.outMu.Lock()
	defer c.outMu.Unlock()
	return !c.dead && c.hasRoomLocked(packet.PublishSize(name, payload, 0))
}

// --- what waits for a member that is away ---

// handOver gives what waits in s for its groups to other members when its client is away. A session that is about to end gives to those that
// are away too. Called without locks and without an open batch.
func (s *Session) handOver(ending bool) {
	if !s.persistent() {
		return
	}
	for _, text := range s.sharedFilters() {
		name, filter, _ := cutShared(text)
		for _, q := range s.waitingBy(viaOf(text)) {
			if !s.move(q, s.heirs(s.sp.members(name, filter), q.msg.topic, ending)) {
				break
			}
		}
	}
}

// takeOver lets s, whose client is there, have what waits for its groups with members that are not. What waits is on disk and stays there:
// a session that is not persistent gets none of it.
func (s *Session) takeOver() {
	if !s.persistent() {
		return
	}
	for _, text := range s.sharedFilters() {
		name, filter, _ := cutShared(text)
		for _, m := range s.sp.members(name, filter) {
			if m.s != s && m.s.conn.Load() == nil {
				m.s.handOver(false)
			}
		}
	}
}

// bequeath lets the other members of its groups have what waits in a session that its client is about to discard.
func (sp *space) bequeath(key sessionKey) {
	sp.mu.RLock()
	s := sp.sessions[key]
	sp.mu.RUnlock()
	if s != nil {
		s.handOver(true)
	}
}

// members returns a group's members.
func (sp *space) members(name, filter string) []target {
	sp.mu.RLock()
	defer sp.mu.RUnlock()
	if g, ok := sp.groups.Get(filter, name); ok {
		return slices.Clone(g.members)
	}
	return nil
}

// sharedFilters returns the session's shared subscriptions, nil for most sessions.
func (s *Session) sharedFilters() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.subs {
		if isShared(f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// waitingBy returns what waits in s because of a shared subscription.
func (s *Session) waitingBy(by via) (out []queued) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queue.all() {
		if q.via == by && q.msg.lsn >= s.sentBefore { // what may have been sent stays where it is
			out = append(out, q)
		}
	}
	return out
}

// heirs returns the members that can have what waits in s on a topic.
func (s *Session) heirs(members []target, name string, ending bool) []target {
	return slices.DeleteFunc(members, func(m target) bool {
		return m.s == s || !m.s.persistent() || m.qos == 0 || (m.s.conn.Load() == nil && !ending) || s.srv.authz.MayReceive(m.s.who, name) != nil
	})
}

// move gives a message that waits in s to the first of heirs with room, under an LSN of its own, in one batch. False when nobody has room or
// s is not to be taken from any more.
func (s *Session) move(q queued, heirs []target) bool {
	b := s.srv.jnl.Begin()
	defer b.End()
	for _, h := range heirs {
		id, ok := h.s.reserve(len(q.msg.payload))
		if !ok {
			continue
		}
		if !s.takeOut(q.msg) {
			h.s.unreserve()
			return false
		}
		s.srv.store.addDone(b, s.id, []uint64{q.msg.lsn})
		to := receiver{h.s, id, min(h.qos, q.msg.qos), q.via}
		copied := &Message{topic: q.msg.topic, payload: q.msg.payload, qos: q.msg.qos}
		s.srv.store.addMessage(b, s.sp.account, copied, false, []receiver{to})
		copied.lsn = b.Append()
		h.s.enqueue(queued{msg: copied, id: id, qos: to.qos, via: q.via})
		return true
	}
	return false
}

// takeOut removes a message from the queue of a session whose client is away.
func (s *Session) takeOut(m *Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn.Load() != nil || s.ended {
		return false
	}
	for i := range s.queue.len() {
		q := s.queue.at(i)
		if q.msg != m {
			continue
		}
		s.queueBytes -= len(m.payload)
		s.settleLocked(m, q.kept)
		s.queue.remove(i)
		s.overflow = false
		return true
	}
	return false
}
