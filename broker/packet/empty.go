package packet

// DecodeEmpty reads a framed packet without any content: PINGREQ, PINGRESP or DISCONNECT.
func DecodeEmpty(b []byte) error {
	t := Type(0)
	if len(b) > 0 {
		t = TypeOf(b[0])
	}
	switch t {
	case PINGREQ, PINGRESP, DISCONNECT:
	default:
		return &MalformedError{t, 0, "MQTT 3.1.1 §2.2.1", "packet is of another type"}
	}
	r, err := open(b, t)
	if err != nil {
		return err
	}
	return r.end()
}

// AppendPingreq appends a PINGREQ.
func AppendPingreq(dst []byte) []byte { return append(dst, byte(PINGREQ)<<4, 0) }

// AppendPingresp appends a PINGRESP.
func AppendPingresp(dst []byte) []byte { return append(dst, byte(PINGRESP)<<4, 0) }

// AppendDisconnect appends a DISCONNECT.
func AppendDisconnect(dst []byte) []byte { return append(dst, byte(DISCONNECT)<<4, 0) }
