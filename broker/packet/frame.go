package packet

// MaxSize is the size of the largest packet there can be: a fixed header of five bytes and the largest Remaining Length.
const MaxSize = 5 + maxRemaining

const maxRemaining = 268_435_455 // MQTT 3.1.1 §2.2.3: four bytes of seven bits

// Frame looks at the start of buf. It returns the size of the first packet, fixed header included, and the size of the
// fixed header alone. Size 0 without an error means that more bytes are needed to tell. The packet need not be in buf
// as a whole: size may be larger than len(buf).
//
// The error is a [*MalformedError] for a reserved packet type, wrong flags or a length of more than four bytes, seen as
// soon as the byte is there, and [ErrTooLarge] when the size is above max.
func Frame(buf []byte, max int) (size, header int, err error) {
	return frame(buf, max, 0)
}

// Frame31 is [Frame] for a connection that has said it speaks MQTT 3.1, whose §2.1 lets the sender set the DUP flag
// when it repeats PUBREL, SUBSCRIBE or UNSUBSCRIBE.
func Frame31(buf []byte, max int) (size, header int, err error) {
	return frame(buf, max, flagDup)
}

// frame does the work of Frame; the bits in ignore may be set where the type's flags are not all zero.
func frame(buf []byte, max int, ignore byte) (size, header int, err error) {
	if len(buf) == 0 {
		return 0, 0, nil
	}
	if err := checkFirst(buf[0], ignore); err != nil {
		return 0, 0, err
	}
	remaining, header := 0, 1
	for shift := 0; ; shift += 7 {
		if header == len(buf) {
			return 0, 0, nil
		}
		c := buf[header]
		header++
		remaining |= int(c&0x7f) << shift
		if c < 0x80 {
			break
		}
		if header == 5 {
			return 0, 0, &MalformedError{TypeOf(buf[0]), 4, "MQTT 3.1.1 §2.2.3", "remaining length has more than four bytes"}
		}
	}
	if size = header + remaining; size > max {
		return 0, 0, ErrTooLarge
	}
	return size, header, nil
}

func checkFirst(first, ignore byte) error {
	t := TypeOf(first)
	switch {
	case t == PUBLISH: // its flags are Publish.Decode's
		return nil
	case t < CONNECT || t > DISCONNECT:
		return &MalformedError{t, 0, "MQTT 3.1.1 §2.2.1", "packet type is reserved"}
	}
	want, got := t.flags(), first&0x0f
	if want != 0 {
		got &^= ignore
	}
	if got != want {
		return &MalformedError{t, 0, t.flagsRule(), "fixed header flags are not the ones the type must have"}
	}
	return nil
}

// open starts reading a framed packet that must be of type t and fill b exactly.
func open(b []byte, t Type) (reader, error) {
	r := reader{b: b, t: t}
	if len(b) == 0 || TypeOf(b[0]) != t {
		return r, r.fail("MQTT 3.1.1 §2.2.1", "packet is of another type")
	}
	return r, r.skipLength()
}

// appendLength appends n as a Remaining Length.
func appendLength(dst []byte, n int) []byte {
	if n > maxRemaining {
		panic("packet: remaining length over 268,435,455")
	}
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

// lengthSize returns how many bytes appendLength takes for n.
func lengthSize(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}
