package broker

import (
	"xively/internal/fault"
)

// A full store takes no message that has to be on disk. MQTT 3.1.1 has no word for that, so it is not acknowledged, and nothing that the
// connection sends after it is, either, lest an older message come behind a newer one. Everything else goes on: deliveries, acknowledgements,
// subscriptions, QoS 0 and messages that nobody keeps. When there is room again the connection is closed; its client comes back and sends
// what was not acknowledged [MQTT-4.4.0-1].

// mustLast says whether something of m would be written down. What takes a retained message away needs no room.
func (p *publisher) mustLast(r *route, m *message) bool {
	keeps := (r.lasting || len(r.choices) > 0) && m.qos > 0
	return keeps || len(r.sinks) > 0 || m.retain && len(m.payload) > 0
}

// starves says whether m cannot be taken because the store is full, or was when an earlier message of this connection came. Such a message
// is not answered.
func (c *conn) starves(r *route, m *message) bool {
	starved := c.starved.Load() && m.qos > 0
	full := c.srv.db.Full()
	if !starved && (full == nil || !c.pub.mustLast(r, m)) {
		return false
	}
	c.srv.stats.refusedFull.Add(1)
	if m.qos > 0 {
		c.starved.Store(true)
	}
	if !c.toldFull && full != nil {
		c.toldFull = true
		text := "the store is full: messages of QoS 0 that had to be kept are dropped, others are not acknowledged until there is room"
		c.srv.events.Refused(c.info, "publish", r.topic, text)
	}
	return true
}

// feed is called by tick: when a full store has room again, those who wait for acknowledgements get their chance.
func (s *Server) feed(wasFull bool) (full bool) {
	if full = s.db.Full() != nil; full || !wasFull {
		return full
	}
	for _, c := range s.connections() {
		if c.starved.Load() {
			c.close(reasonRoom)
		}
	}
	return false
}

// refuseFull is starves for senders that can be told.
func (p *publisher) refuseFull(r *route, m *message) error {
	err := p.srv.db.Full()
	if err == nil || !p.mustLast(r, m) {
		return nil
	}
	p.srv.stats.refusedFull.Add(1)
	return fault.Wrap(fault.Unavailable, err, "The store is full: the message was not taken.")
}
