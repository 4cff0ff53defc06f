package broker

import "xively/broker/packet"

// watched returns the flight recorder if it wants this client's packets, nil otherwise. Asked once for a batch.
func (c *conn) watched() Recorder {
	if r := c.srv.recorder; r != nil && r.Wanted(c.who) {
		return r
	}
	return nil
}

// recordOut shows the packets of an outgoing buffer to the recorder.
func (c *conn) recordOut(b []byte) {
	r := c.watched()
	for r != nil && len(b) > 0 {
		size, _, err := packet.Frame(b, packet.MaxSize)
		if err != nil || size == 0 || size > len(b) {
			return
		}
		c.record(r, false, b[:size])
		b = b[size:]
	}
}

// record shows one whole packet to the recorder: of PUBLISH topic, QoS and payload, of SUBSCRIBE and UNSUBSCRIBE the first filter, of the others
// the bytes.
func (c *conn) record(r Recorder, in bool, b []byte) {
	typ, topic, qos, body := packet.TypeOf(b[0]), "", byte(0), b
	switch typ {
	case packet.PUBLISH:
		var p packet.Publish
		if p.Decode(b) == nil {
			topic, qos, body = string(p.Topic), p.QoS, p.Payload
		}
	case packet.SUBSCRIBE:
		if _, subs, err := packet.DecodeSubscribe(b, nil); err == nil {
			topic, qos = string(subs[0].Filter), subs[0].QoS
		}
	case packet.UNSUBSCRIBE:
		if _, filters, err := packet.DecodeUnsubscribe(b, nil); err == nil {
			topic = string(filters[0])
		}
	}
	r.Packet(c.who, c.info.ClientID, in, byte(typ), topic, qos, len(body), body)
}
