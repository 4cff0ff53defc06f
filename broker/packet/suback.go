package packet

// SubackFailure is the return code of a subscription that was refused. The other codes are the granted QoS, 0 to 2.
const SubackFailure byte = 0x80

// DecodeSuback reads a framed SUBACK; codes, one for each filter of the SUBSCRIBE in its order, point into b.
func DecodeSuback(b []byte) (id uint16, codes []byte, err error) {
	r, err := open(b, SUBACK)
	if err != nil {
		return 0, nil, err
	}
	if id, err = r.id(); err != nil {
		return 0, nil, err
	}
	if r.left() == 0 {
		return 0, nil, r.fail("MQTT-3.8.4-5", "no return code")
	}
	for i, c := range b[r.off:] {
		if c > 2 && c != SubackFailure {
			r.off += i
			return 0, nil, r.fail("MQTT-3.9.3-2", "return code is reserved")
		}
	}
	return id, b[r.off:], nil
}

// AppendSuback appends a SUBACK.
func AppendSuback(dst []byte, id uint16, codes []byte) []byte {
	dst = appendLength(append(dst, byte(SUBACK)<<4), 2+len(codes))
	return append(appendUint16(dst, id), codes...)
}
