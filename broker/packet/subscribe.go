package packet

// Subscription is one request in a SUBSCRIBE.
type Subscription struct {
	Filter []byte
	QoS    byte // the highest the client wants
}

// DecodeSubscribe reads a framed SUBSCRIBE and appends its requests, in their order, to dst; filters point into b.
// There is at least one. On an error subs is nil.
func DecodeSubscribe(b []byte, dst []Subscription) (id uint16, subs []Subscription, err error) {
	r, err := open(b, SUBSCRIBE)
	if err != nil {
		return 0, nil, err
	}
	if id, err = r.id(); err != nil {
		return 0, nil, err
	}
	if r.left() == 0 {
		return 0, nil, r.fail("MQTT-3.8.3-3", "no topic filter")
	}
	for r.left() > 0 {
		filter, err := r.filter() // [MQTT-3.8.3-1]
		if err != nil {
			return 0, nil, err
		}
		qos, err := r.uint8()
		if err != nil {
			return 0, nil, err
		}
		if qos > 2 {
			r.off--
			return 0, nil, r.fail("MQTT-3-8.3-4", "requested QoS is not 0, 1 or 2") // the standard spells it so
		}
		dst = append(dst, Subscription{filter, qos})
	}
	return id, dst, nil
}

// AppendSubscribe appends a SUBSCRIBE. It panics when a filter is over 65,535 bytes or the packet over [MaxSize].
func AppendSubscribe(dst []byte, id uint16, subs []Subscription) []byte {
	n := 2
	for _, s := range subs {
		n += 2 + len(s.Filter) + 1
	}
	dst = appendLength(append(dst, byte(SUBSCRIBE)<<4|SUBSCRIBE.flags()), n)
	dst = appendUint16(dst, id)
	for _, s := range subs {
		dst = append(appendBytes(dst, s.Filter), s.QoS)
	}
	return dst
}
