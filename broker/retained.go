package broker

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"xively/broker/topic"
)

// retainedStore holds an account's retained messages, the newest of each topic. The order of two writers is their LSNs'.
type retainedStore struct {
	mu    sync.RWMutex
	names topic.Names[*Message]
	bytes int               // of topics and payloads
	gone  map[string]uint64 // topics deleted while an older writer may still be about to set them
}

// set stores m, or with an empty payload deletes what is there [MQTT-3.3.1-10]. It reports whether anything changed.
func (r *retainedStore) set(name string, m *Message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.names.Get(name); ok && old.lsn > m.lsn {
		return false
	}
	if len(m.payload) == 0 {
		if r.gone == nil {
			r.gone = map[string]uint64{}
		}
		r.gone[name] = m.lsn
		r.bytes -= r.sizeLocked(name)
		return r.names.Delete(name)
	}
	if r.gone[name] > m.lsn {
		return false
	}
	delete(r.gone, name)
	r.bytes += len(name) + len(m.payload) - r.sizeLocked(name)
	r.names.Set(name, m)
	return true
}

// sizeLocked returns what a topic's message counts in bytes; 0 for none.
func (r *retainedStore) sizeLocked(name string) int {
	if m, ok := r.names.Get(name); ok {
		return len(m.topic) + len(m.payload)
	}
	return 0
}

// with returns how many messages and bytes there would be with a message of so many payload bytes on a topic.
func (r *retainedStore) with(name []byte, payload int) (messages, bytes int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	old := r.sizeLocked(string(name))
	messages = r.names.Len()
	if old == 0 {
		messages++
	}
	return messages, r.bytes - old + len(name) + payload
}

// forget drops the marks of deleted topics. Called when no batch is open: nobody holds an older LSN any more.
func (r *retainedStore) forget() {
	r.mu.Lock()
	clear(r.gone)
	r.mu.Unlock()
}

func (r *retainedStore) get(name string) *Message {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m, _ := r.names.Get(name)
	return m
}

func (r *retainedStore) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.names.Len()
}

// each walks the retained messages whose topic the filter matches, in no order. Nothing else may be done to the store meanwhile.
func (r *retainedStore) each(filter string) iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		r.mu.RLock()
		defer r.mu.RUnlock()
		r.names.Match(filter, func(_ string, m *Message) bool { return yield(m) })
	}
}

// match returns the retained messages whose topic the filter matches, by topic.
func (r *retainedStore) match(filter string) []*Message {
	out := slices.Collect(r.each(filter))
	slices.SortFunc(out, func(a, b *Message) int { return strings.Compare(a.topic, b.topic) })
	return out
}

// sendRetained gives the client the retained messages of a filter it has subscribed to, old subscription or new [MQTT-3.3.1-6]
// [MQTT-3.8.4-3]. They carry the RETAIN flag [MQTT-3.3.1-8].
func (c *conn) sendRetained(filter string, granted byte) {
	for _, m := range c.sess.sp.retained.match(filter) {
		if c.srv.authz.MayReceive(c.who, m.topic) != nil {
			continue // a filter wider than the grant: the same rule as for live messages
		}
		c.sess.deliverRetained(c, m, granted)
	}
}

// deliverRetained sends or queues one retained message. At QoS 0 it goes ahead of the connection's buffer bound being judged: what does not
// fit now waits in the session like the others, for a subscriber that gets half of what is retained has been told a falsehood.
func (s *Session) deliverRetained(c *conn, m *Message, granted byte) {
	if qos := min(m.qos, granted); qos > 0 && s.persistent() {
		s.deliverRetainedLasting(m, qos)
		return
	}
	s.mu.Lock()
	s.replay.push(replayed{m.topic, granted})
	s.pumpLocked(c)
	s.mu.Unlock()
	c.outMu.Lock()
	if len(c.out) > 0 {
		c.pub.touchLocked(c)
	}
	c.outMu.Unlock()
}

// deliverRetainedLasting queues a copy under an LSN of its own: the session must get it even if it comes back after a crash, and even if
// the topic's retained message is another one by then.
func (s *Session) deliverRetainedLasting(m *Message, qos byte) {
	b := s.srv.jnl.Begin()
	id, ok := s.reserve(len(m.payload))
	if ok {
		copied := &Message{topic: m.topic, payload: m.payload, qos: m.qos}
		s.srv.store.addQueuedRetained(b, copied, receiver{s: s, id: id, qos: qos})
		copied.lsn = b.Append()
		s.enqueue(queued{msg: copied, id: id, qos: qos, retain: true})
	}
	b.End()
	if !ok {
		s.srv.dropQueued(s, m.topic)
	}
}
