package packet

import "encoding/binary"

// reader walks over one packet. Its methods return a *MalformedError at the place where the packet ends too early or
// holds what it must not.
type reader struct {
	b    []byte // the whole packet
	off  int    // next byte to read
	t    Type
	must string // the statement that wants the field being read to be there; may be empty
}

func (r *reader) fail(rule, reason string) error {
	return &MalformedError{r.t, r.off, rule, reason}
}

// truncated is the error for a field that does not fit in the packet, whose end is where the Remaining Length says.
func (r *reader) truncated() error {
	rule := r.must
	if rule == "" {
		rule = "MQTT 3.1.1 §2.2.3"
	}
	return r.fail(rule, "packet ends before or inside a field it must have")
}

// skipLength steps over the fixed header, and sees that it tells the packet's true size.
func (r *reader) skipLength() error {
	size, header, err := frame(r.b, MaxSize, flagDup)
	if err != nil {
		return err
	}
	if size != len(r.b) {
		return r.fail("MQTT 3.1.1 §2.2.3", "remaining length is not the packet's length")
	}
	r.off = header
	return nil
}

func (r *reader) left() int { return len(r.b) - r.off }

func (r *reader) uint8() (byte, error) {
	if r.left() < 1 {
		return 0, r.truncated()
	}
	v := r.b[r.off]
	r.off++
	return v, nil
}

func (r *reader) uint16() (uint16, error) {
	if r.left() < 2 {
		return 0, r.truncated()
	}
	v := binary.BigEndian.Uint16(r.b[r.off:])
	r.off += 2
	return v, nil
}

// id reads a Packet Identifier, which is never zero [MQTT-2.3.1-1] and so is not zero in an answer either
// [MQTT-2.3.1-6] [MQTT-2.3.1-7].
func (r *reader) id() (uint16, error) {
	if r.left() < 2 {
		return 0, r.fail(r.t.idRule(), "packet ends before its packet identifier")
	}
	v := binary.BigEndian.Uint16(r.b[r.off:])
	if v == 0 {
		return 0, r.fail(r.t.idRule(), "packet identifier is zero")
	}
	r.off += 2
	return v, nil
}

// bytes reads binary data that its length precedes. The result is never nil.
func (r *reader) bytes() ([]byte, error) {
	n, err := r.uint16()
	if err != nil {
		return nil, err
	}
	if r.left() < int(n) {
		return nil, r.truncated()
	}
	end := r.off + int(n)
	v := r.b[r.off:end:end]
	r.off = end
	return v, nil
}

// text reads a UTF-8 encoded string [MQTT-1.5.3-1].
func (r *reader) text() ([]byte, error) {
	v, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if at, bad := checkText(v); bad != textOK {
		return nil, r.badText(v, at, bad)
	}
	return v, nil
}

// name reads a Topic Name: a string that is not empty and has no wildcard.
func (r *reader) name() ([]byte, error) {
	v, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if len(v) == 0 {
		return nil, r.fail("MQTT-4.7.3-1", "topic name is empty")
	}
	if at, bad := checkName(v); bad != textOK {
		return nil, r.badText(v, at, bad)
	}
	return v, nil
}

// filter reads a Topic Filter: a string that is not empty. Where its wildcards stand is not looked at.
func (r *reader) filter() ([]byte, error) {
	v, err := r.text()
	if err == nil && len(v) == 0 {
		return nil, r.fail("MQTT-4.7.3-1", "topic filter is empty")
	}
	return v, err
}

// badText makes the error for the string v, just read, whose byte at is wrong.
func (r *reader) badText(v []byte, at int, bad textFault) error {
	r.off += at - len(v)
	return r.fail(bad.rule(), bad.reason())
}

// end sees that nothing is left over.
func (r *reader) end() error {
	if r.left() > 0 {
		return r.fail("MQTT 3.1.1 §2.2.3", "bytes follow the last field")
	}
	return nil
}

func appendUint16(dst []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(dst, v) }

// appendBytes appends data or a string with its length in front.
func appendBytes[T ~string | ~[]byte](dst []byte, v T) []byte {
	if len(v) > 0xffff {
		panic("packet: field over 65,535 bytes")
	}
	return append(appendUint16(dst, uint16(len(v))), v...)
}
