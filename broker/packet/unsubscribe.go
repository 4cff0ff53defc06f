package packet

// DecodeUnsubscribe reads a framed UNSUBSCRIBE and appends its filters, in their order, to dst; they point into b.
// There is at least one. On an error filters is nil.
func DecodeUnsubscribe(b []byte, dst [][]byte) (id uint16, filters [][]byte, err error) {
	r, err := open(b, UNSUBSCRIBE)
	if err != nil {
		return 0, nil, err
	}
	if id, err = r.id(); err != nil {
		return 0, nil, err
	}
	if r.left() == 0 {
		return 0, nil, r.fail("MQTT-3.10.3-2", "no topic filter")
	}
	for r.left() > 0 {
		filter, err := r.filter() // [MQTT-3.10.3-1]
		if err != nil {
			return 0, nil, err
		}
		dst = append(dst, filter)
	}
	return id, dst, nil
}

// AppendUnsubscribe appends an UNSUBSCRIBE. It panics when a filter is over 65,535 bytes or the packet over [MaxSize].
func AppendUnsubscribe(dst []byte, id uint16, filters [][]byte) []byte {
	n := 2
	for _, f := range filters {
		n += 2 + len(f)
	}
	dst = appendLength(append(dst, byte(UNSUBSCRIBE)<<4|UNSUBSCRIBE.flags()), n)
	dst = appendUint16(dst, id)
	for _, f := range filters {
		dst = appendBytes(dst, f)
	}
	return dst
}
