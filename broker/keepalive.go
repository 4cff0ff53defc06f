package broker

import (
	"sync"
	"time"
)

// wheel files connections under the second at which they are looked at next. A connection that was heard meanwhile is filed
// again; so a packet costs one store of the coarse clock and no timer is ever reset. Costs O(1) per connection and look.
type wheel struct {
	mu      sync.Mutex
	buckets map[int64][]*conn
	last    int64
}

func (w *wheel) add(sec int64, c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if sec <= w.last {
		sec = w.last + 1
	}
	if w.buckets == nil {
		w.buckets = map[int64][]*conn{}
	}
	w.buckets[sec] = append(w.buckets[sec], c)
}

// due takes out every connection filed at or before sec.
func (w *wheel) due(sec int64) []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*conn
	for ; w.last < sec; w.last++ {
		if b := w.buckets[w.last+1]; b != nil {
			out = append(out, b...)
			delete(w.buckets, w.last+1)
		}
	}
	return out
}

// tick runs until the server stops: it moves the coarse clock, ends silent connections and has permissions looked at again after
// the directory changed. Started by New.
func (s *Server) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	epoch, full := s.authz.Epoch(), false
	for {
		select {
		case <-s.stopped.Done():
			return
		case <-t.C:
		}
		now := s.clock.advance()
		for _, c := range s.silent.due(now) {
			if next := c.checkSilence(now); next > 0 {
				s.watch(next, c)
			}
		}
		for _, c := range s.partial.due(now) {
			if next := c.checkPartial(now); next > 0 {
				s.partial.add(next, c)
			}
		}
		s.unsure.listenAgain()
		s.held.forget()
		s.letGo()
		if now%minute == 0 {
			s.eachMinute()
		}
		full = s.feed(full)
		if e := s.authz.Epoch(); e != epoch {
			epoch = e
			s.recheck()
		}
	}
}

// lookAgain is the longest that the wheel holds on to a connection, in seconds: one that ended stays in memory as long.
const lookAgain = 30

// watch has checkSilence look at c at the second sec, or earlier to find it ended.
func (s *Server) watch(sec int64, c *conn) {
	s.silent.add(min(sec, s.clock.now()+lookAgain), c)
}

// checkSilence closes c when nothing was heard of it for too long, on the tick goroutine. It returns the second of the next look, 0
// when c is ending.
func (c *conn) checkSilence(now int64) int64 {
	if c.ending.Load() {
		return 0
	}
	// A second is added because lastRead is rounded down and the client may take the whole time allowed [MQTT-3.1.2-24].
	limit := c.lastRead.Load() + c.silence + 1
	if now >= limit {
		c.close(c.silenceReason())
		return 0
	}
	return limit
}

// markPartial is called by the read loop when a packet has begun and is not whole yet.
func (c *conn) markPartial() {
	now := c.srv.clock.now()
	if c.partialSince.Load() == 0 {
		c.partialSince.Store(now)
	}
	if !c.partialFiled.Swap(true) {
		c.srv.partial.add(now+c.srv.packetSeconds(), c)
	}
}

// checkPartial closes c when one packet took too long to arrive, however steadily its bytes drip; as checkSilence otherwise.
func (c *conn) checkPartial(now int64) int64 {
	if c.ending.Load() {
		return 0
	}
	since := c.partialSince.Load()
	if since == 0 {
		c.partialFiled.Store(false)
		if since = c.partialSince.Load(); since == 0 || c.partialFiled.Swap(true) {
			return 0
		}
	}
	if now < since+c.srv.packetSeconds() {
		return since + c.srv.packetSeconds()
	}
	c.close(reasonSlowPacket)
	return 0
}

func (s *Server) packetSeconds() int64 { return int64(s.cfg.PacketTimeout/time.Second) + 1 }
