package broker

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"xively/broker/topic"
)

// TopicInfo is what an account's topic carried since the server's start, or since the table had room for it.
type TopicInfo struct {
	Topic    string
	Messages uint64
	Bytes    uint64 // of payloads
	LastSeen time.Time
	Retained bool
}

// TopicTotals is what the table of topics does not tell one by one.
type TopicTotals struct {
	Topics                    int    // in the table
	LeftOut                   uint64 // topics that left it: others needed the room
	LeftMessages, LeftPayload uint64 // what those had carried
}

// topicTable counts an account's messages by topic, for at most Config.TopicStats topics. A topic that is new to a full table takes the place of
// the one with the fewest messages of a few looked at, so that the busy ones stay.
type topicTable struct {
	mu   sync.Mutex // guards what follows
	max  int
	byID map[string]*topicCount
	left TopicTotals
}

type topicCount struct {
	name            string
	messages, bytes atomic.Uint64
	seen            atomic.Int64 // coarse second
	gone            atomic.Bool  // not in the table any more
}

// find returns the counter of a topic, nil when none are kept.
func (t *topicTable) find(name string) *topicCount {
	if t.max <= 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.byID[name]; c != nil {
		return c
	}
	if t.byID == nil {
		t.byID = map[string]*topicCount{}
	}
	if len(t.byID) >= t.max {
		t.makeRoomLocked()
	}
	c := &topicCount{name: name}
	t.byID[name] = c
	return c
}

func (t *topicTable) makeRoomLocked() {
	var least *topicCount
	looked := 0
	for _, c := range t.byID { // in an order of the map's own
		if least == nil || c.messages.Load() < least.messages.Load() {
			least = c
		}
		if looked++; looked == 8 {
			break
		}
	}
	delete(t.byID, least.name)
	least.gone.Store(true)
	t.left.LeftOut++
	t.left.LeftMessages += least.messages.Load()
	t.left.LeftPayload += least.bytes.Load()
}

// tally is what a publisher has not yet told the table: a burst on one topic costs it one visit.
type tally struct {
	r               *route
	messages, bytes uint64
}

// count notes a message.
func (p *publisher) count(r *route, payload int) {
	if p.tally.r != r {
		p.settleTally()
		p.tally.r = r
	}
	p.tally.messages++
	p.tally.bytes += uint64(payload)
}

func (p *publisher) settleTally() {
	t := &p.tally
	if t.r == nil || t.messages == 0 || t.r.topic[0] == '$' {
		return
	}
	c := t.r.count
	if c == nil || c.gone.Load() {
		c = p.sp.topics.find(t.r.topic)
		t.r.count = c
	}
	if c != nil {
		c.messages.Add(t.messages)
		c.bytes.Add(t.bytes)
		if now := p.srv.clock.now(); c.seen.Load() != now {
			c.seen.Store(now)
		}
	}
	*t = tally{r: t.r}
}

// Topic orders of Server.Topics.
const (
	TopicsByMessages = "messages"
	TopicsByBytes    = "bytes"
	TopicsByTime     = "lastSeen"
	TopicsByName     = "topic"
)

// Topics returns the account's topics that filter matches ("" or "#": all), those with most first or, by name, the first; from
// offset on and at most limit. total is how many match.
func (s *Server) Topics(account, filter, by string, offset, limit int) (page []TopicInfo, total int, sums TopicTotals) {
	sp := s.known(account)
	if sp == nil {
		return nil, 0, sums
	}
	t := &sp.topics
	t.mu.Lock()
	counts := make([]*topicCount, 0, len(t.byID))
	for _, c := range t.byID {
		if filter == "" || topic.Matches(filter, c.name) {
			counts = append(counts, c)
		}
	}
	sums = t.left
	sums.Topics = len(t.byID)
	t.mu.Unlock()
	all := make([]TopicInfo, len(counts))
	for i, c := range counts {
		all[i] = TopicInfo{Topic: c.name, Messages: c.messages.Load(), Bytes: c.bytes.Load(), LastSeen: s.clock.at(c.seen.Load())}
	}
	slices.SortFunc(all, func(a, b TopicInfo) int {
		most := 0
		switch by {
		case TopicsByMessages:
			most = cmp.Compare(b.Messages, a.Messages)
		case TopicsByBytes:
			most = cmp.Compare(b.Bytes, a.Bytes)
		case TopicsByTime:
			most = b.LastSeen.Compare(a.LastSeen)
		}
		return cmp.Or(most, strings.Compare(a.Topic, b.Topic))
	})
	page = all[min(offset, len(all)):min(offset+limit, len(all))]
	for i := range page {
		page[i].Retained = sp.retained.get(page[i].Topic) != nil
	}
	return page, len(all), sums
}

// RetainedInfo is a retained message. Payload must not be changed.
type RetainedInfo struct {
	Topic   string
	QoS     byte
	Payload []byte
}

// Retained returns the account's retained messages that filter matches, by topic, from offset on and at most limit, and how many match.
func (s *Server) Retained(account, filter string, offset, limit int) (page []RetainedInfo, total int) {
	sp := s.known(account)
	if sp == nil {
		return nil, 0
	}
	first, total := smallest(sp.retained.each(filter), offset+limit, func(a, b *Message) int { return strings.Compare(a.topic, b.topic) })
	for _, m := range first[min(offset, len(first)):] {
		page = append(page, RetainedInfo{m.topic, m.qos, m.payload})
	}
	return page, total
}
