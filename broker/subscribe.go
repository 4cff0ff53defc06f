package broker

import (
	"fmt"
	"slices"

	"xively/broker/packet"
)

// subackRefused is the SUBACK return code for a filter that was not granted [MQTT-3.9.3-2].
const subackRefused = 0x80

// handleSubscribe grants or refuses each filter, answers once what was granted is on disk, then sends the retained messages.
func (c *conn) handleSubscribe(b []byte) bool {
	id, requests, err := packet.DecodeSubscribe(b, nil)
	if err != nil {
		return c.violation(err)
	}
	if n := len(requests); n > c.srv.cfg.MaxFilters {
		c.close(fmt.Sprintf("SUBSCRIBE with %d filters is over the limit of %d (broker.max_filters)", n, c.srv.cfg.MaxFilters))
		return false
	}
	c.grown = true
	codes := make([]byte, len(requests)) // one per filter, in their order [MQTT-3.8.4-5] [MQTT-3.9.3-1]
	filters := make([]string, len(requests))
	for i, r := range requests {
		filters[i], codes[i] = string(r.Filter), r.QoS
		if err := c.srv.checkFilter(filters[i]); err != nil {
			return c.violation(err)
		}
		if err := c.judge(filters[i]); err != nil {
			codes[i] = subackRefused
			c.srv.stats.subscribeRefus.Add(1)
			c.refused("subscribe", filters[i], err)
		}
	}
	lsn := c.sess.subscribe(filters, codes)
	c.replyBytes(packet.AppendSuback(nil, id, codes), lsn) // [MQTT-3.8.4-1] [MQTT-3.8.4-2]
	shared := false
	for i, f := range filters {
		if codes[i] == subackRefused {
			continue
		}
		if isShared(f) {
			shared = true
		} else {
			c.sendRetained(f, codes[i])
			c.sendFigures(f)
		}
		if c.srv.subscribed != nil {
			c.srv.subscribed.Subscribed(c.info, matchable(f))
		}
	}
	if shared {
		c.sess.takeOver()
	}
	return true
}

// judge says whether the client may have the filter.
func (c *conn) judge(filter string) error {
	if isShared(filter) {
		_, own, ok := cutShared(filter)
		if !ok {
			return errShared
		}
		filter = own
	}
	return c.srv.authz.MaySubscribe(c.who, filter)
}

// subscribe adds the granted filters to the session and the index and changes codes of those over the session's limit. An equal filter
// is replaced [MQTT-3.8.4-3].
func (s *Session) subscribe(filters []string, codes []byte) (lsn uint64) {
	b := s.srv.jnl.Begin()
	s.sp.mu.Lock()
	s.mu.Lock()
	if s.subs == nil && !s.ended {
		s.subs = make(map[string]byte, 1)
	}
	over := 0
	for i, f := range filters {
		if codes[i] == subackRefused {
			continue
		}
		if _, had := s.subs[f]; !had && len(s.subs) >= s.srv.cfg.MaxSubscriptions || s.ended {
			codes[i] = subackRefused
			over++
			continue
		}
		s.subs[f] = codes[i]
		s.sp.addLocked(f, s, codes[i])
		if s.persistent() {
			s.srv.store.addSubscribe(b, s.id, f, codes[i])
		}
	}
	lsn = b.Append()
	s.touchLocked()
	s.mu.Unlock()
	s.sp.mu.Unlock()
	b.End()
	if over > 0 {
		s.srv.stats.subscribeRefus.Add(uint64(over))
		s.srv.events.Refused(s.connInfo(), "subscribe", "", fmt.Sprintf("%d filters refused: a session has at most %d subscriptions (broker.max_subscriptions)", over, s.srv.cfg.MaxSubscriptions))
	}
	return lsn
}

// handleUnsubscribe takes the filters away, by exact text [MQTT-3.10.4-1], and always answers [MQTT-3.10.4-5].
func (c *conn) handleUnsubscribe(b []byte) bool {
	id, raw, err := packet.DecodeUnsubscribe(b, nil)
	if err != nil {
		return c.violation(err)
	}
	if n := len(raw); n > c.srv.cfg.MaxFilters {
		c.close(fmt.Sprintf("UNSUBSCRIBE with %d filters is over the limit of %d (broker.max_filters)", n, c.srv.cfg.MaxFilters))
		return false
	}
	filters := make([]string, 0, len(raw))
	for _, f := range raw {
		if err := c.srv.checkFilter(string(f)); err != nil {
			return c.violation(err)
		}
		filters = append(filters, string(f))
	}
	slices.Sort(filters)
	batch := c.srv.jnl.Begin()
	c.sess.unsubscribe(slices.Compact(filters), batch)
	lsn := batch.Append()
	batch.End()
	c.reply(packet.UNSUBACK, id, lsn) // [MQTT-3.10.4-4]
	return true
}
