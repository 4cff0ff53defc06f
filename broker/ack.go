package broker

import "xively/broker/packet"

// handleAck takes PUBACK, PUBREC, PUBREL and PUBCOMP. One for an identifier that is not in flight changes nothing; PUBREC and
// PUBREL are still answered, so that a peer which remembers more than we do can finish.
func (c *conn) handleAck(b []byte) bool {
	id, err := packet.DecodeID(b)
	if err != nil {
		return c.violation(err)
	}
	switch packet.TypeOf(b[0]) {
	case packet.PUBACK:
		c.settled(c.sess.acknowledged(id, 1))
	case packet.PUBCOMP:
		c.settled(c.sess.acknowledged(id, 2))
	case packet.PUBREC:
		c.recorded(id)
	case packet.PUBREL:
		c.released(id)
	}
	return true
}

// settled lets the window move on. The journal hears of all messages that one batch settled in one record.
func (c *conn) settled(lsn uint64) {
	if lsn > 0 {
		c.acked = append(c.acked, lsn)
	}
	c.refill = true
}

// recorded answers PUBREC with PUBREL [MQTT-4.3.3-1]. In a persistent session it waits for the disk: were the note lost, the message would
// be sent again under an identifier that the client has let go.
func (c *conn) recorded(id uint16) {
	var lsn uint64
	if m := c.sess.recorded(id); m != nil {
		s := c.srv
		b := s.jnl.Begin()
		s.store.addRecorded(b, c.sess.id, m.lsn)
		lsn = b.Append()
		b.End()
	}
	c.reply(packet.PUBREL, id, lsn)
}

// released answers PUBREL with PUBCOMP [MQTT-4.3.3-2].
func (c *conn) released(id uint16) {
	var lsn uint64
	if known := c.sess.release(id); known && c.sess.persistent() {
		s := c.srv
		b := s.jnl.Begin()
		s.store.addReleased(b, c.sess.id, id)
		lsn = b.Append()
		b.End()
	}
	c.reply(packet.PUBCOMP, id, lsn)
}

// journalAcked writes down the batch's acknowledgements and sends what they made room for. Nothing waits for this record: a crash
// that loses it only means that a message is sent once more, with DUP set.
func (c *conn) journalAcked() {
	if len(c.acked) > 0 {
		b := c.srv.jnl.Begin()
		c.srv.store.addDone(b, c.sess.id, c.acked)
		b.AppendLater()
		b.End()
		c.acked = c.acked[:0]
	}
	if c.refill {
		c.refill = false
		c.sess.refill(c)
	}
}
