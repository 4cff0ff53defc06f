package broker

import (
	"slices"

	"xively/broker/packet"
)

const fateNames = 3

// trace tells the flight recorder what became of a PUBLISH that was just handled. It looks at the route once more: only what a watched
// client publishes costs that.
func (c *conn) trace(rec Recorder, b []byte) {
	t, ok := rec.(Tracer)
	if !ok || packet.TypeOf(b[0]) != packet.PUBLISH {
		return
	}
	var p packet.Publish
	r := c.pub.last
	if p.Decode(b) != nil || r == nil || r.topic != string(p.Topic) {
		return
	}
	t.Published(c.who, c.info.ClientID, r.topic, c.fate(r, &p))
}

func (c *conn) fate(r *route, p *packet.Publish) (f Fate) {
	if r.err != nil {
		f.Refused = r.err.Error()
		return f
	}
	f.Retained, f.Kept = p.Retain && len(p.Payload) > 0, len(r.sinks)
	for _, t := range slices.Concat(r.targets, c.pub.picked) {
		f.add(t, min(t.qos, p.QoS))
	}
	sp := c.pub.sp
	sp.mu.RLock()
	var all []*Session
	sp.subs.Match(r.topic, func(s *Session, _ byte) { all = append(all, s) })
	sp.mu.RUnlock()
	for _, s := range all {
		if c.srv.authz.MayReceive(s.who, r.topic) != nil {
			name(&f.Denied, s)
		}
	}
	return f
}

// add counts one receiver.
func (f *Fate) add(t target, qos byte) {
	c := t.s.conn.Load()
	t.s.mu.Lock()
	full := t.s.overflow
	t.s.mu.Unlock()
	switch {
	case qos > 0 && full:
		name(&f.Full, t.s)
	case c == nil && qos > 0 && t.s.persistent():
		f.Waiting++
	case c == nil:
		name(&f.Away, t.s)
	case qos == 0 && c.behind():
		name(&f.Slow, t.s)
	default:
		f.Sent++
	}
}

// behind reports whether messages of QoS 0 are being dropped.
func (c *conn) behind() bool {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	return c.told
}

func name(list *[]string, s *Session) {
	if len(*list) < fateNames && !slices.Contains(*list, s.key.clientID) {
		*list = append(*list, s.key.clientID)
	}
}
