package packet

// DecodeID reads a framed packet that is a packet identifier and nothing else: PUBACK, PUBREC, PUBREL, PUBCOMP or
// UNSUBACK.
func DecodeID(b []byte) (uint16, error) {
	t := Type(0)
	if len(b) > 0 {
		t = TypeOf(b[0])
	}
	switch t {
	case PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK:
	default:
		return 0, &MalformedError{t, 0, "MQTT 3.1.1 §2.2.1", "packet is of another type"}
	}
	r, err := open(b, t)
	if err != nil {
		return 0, err
	}
	id, err := r.id()
	if err != nil {
		return 0, err
	}
	return id, r.end()
}

// AppendAck appends a PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK; PUBREL gets the flags it must have [MQTT-3.6.1-1].
func AppendAck(dst []byte, t Type, id uint16) []byte {
	return append(dst, byte(t)<<4|t.flags(), 2, byte(id>>8), byte(id))
}
