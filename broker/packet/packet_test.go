package packet

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// raw makes a packet of a first byte and what follows the fixed header.
func raw(first byte, body ...string) []byte {
	s := strings.Join(body, "")
	return append(appendLength([]byte{first}, len(s)), s...)
}

// str makes a string with its length in front.
func str(s string) string { return string(appendBytes(nil, s)) }

// wantRule checks that err is a MalformedError that cites rule, or nil when rule is empty.
func wantRule(t *testing.T, err error, rule string) {
	t.Helper()
	if rule == "" {
		if err != nil {
			t.Errorf("got error %v, want none", err)
		}
		return
	}
	var m *MalformedError
	if !errors.As(err, &m) {
		t.Errorf("got error %v, want one that cites %s", err, rule)
	} else if m.Rule != rule {
		t.Errorf("got %v, want rule %s", err, rule)
	}
}

// decode frames b and gives it to the decoder of its type; the result is what an encoder needs to make b again.
func decode(b []byte) (any, error) {
	size, _, err := Frame31(b, MaxSize)
	if err != nil {
		return nil, err
	}
	if size == 0 || size > len(b) {
		return nil, errIncomplete
	}
	b = b[:size]
	switch t := TypeOf(b[0]); t {
	case CONNECT:
		p := new(Connect)
		return p, p.Decode(b)
	case CONNACK:
		present, code, err := DecodeConnack(b)
		return connack{present, code}, err
	case PUBLISH:
		p := new(Publish)
		return p, p.Decode(b)
	case SUBSCRIBE:
		id, subs, err := DecodeSubscribe(b, nil)
		return subscribe{id, subs}, err
	case SUBACK:
		id, codes, err := DecodeSuback(b)
		return suback{id, codes}, err
	case UNSUBSCRIBE:
		id, filters, err := DecodeUnsubscribe(b, nil)
		return unsubscribe{id, filters}, err
	case PINGREQ, PINGRESP, DISCONNECT:
		return t, DecodeEmpty(b)
	default:
		id, err := DecodeID(b)
		return ack{t, id}, err
	}
}

var errIncomplete = errors.New("more bytes are needed")

type (
	connack struct {
		present bool
		code    byte
	}
	ack struct {
		t  Type
		id uint16
	}
	subscribe struct {
		id   uint16
		subs []Subscription
	}
	suback struct {
		id    uint16
		codes []byte
	}
	unsubscribe struct {
		id      uint16
		filters [][]byte
	}
)

// encode appends what decode returned.
func encode(dst []byte, p any) []byte {
	switch p := p.(type) {
	case *Connect:
		return AppendConnect(dst, p)
	case connack:
		return AppendConnack(dst, p.present, p.code)
	case *Publish:
		return AppendPublish(dst, p)
	case ack:
		return AppendAck(dst, p.t, p.id)
	case subscribe:
		return AppendSubscribe(dst, p.id, p.subs)
	case suback:
		return AppendSuback(dst, p.id, p.codes)
	case unsubscribe:
		return AppendUnsubscribe(dst, p.id, p.filters)
	case Type:
		switch p {
		case PINGREQ:
			return AppendPingreq(dst)
		case PINGRESP:
			return AppendPingresp(dst)
		case DISCONNECT:
			return AppendDisconnect(dst)
		}
	}
	panic("no encoder")
}

// valid are packets that keep every rule, at least one of each type.
var valid = []struct {
	name string
	b    []byte
}{
	{"CONNECT", raw(0x10, str("MQTT"), "\x04\x02\x00\x3c", str("d1"))},
	{"CONNECT, all there is", raw(0x10, str("MQTT"), "\x04\xee\x00\x3c", str("d1"), str("w/t"), str("gone\x00\xff"), str("u"), str("p\x00"))},
	{"CONNECT, empty fields", raw(0x10, str("MQTT"), "\x04\xc6\x00\x00", str(""), str("w"), str(""), str(""), str(""))},
	{"CONNECT, user name without password", raw(0x10, str("MQTT"), "\x04\x82\xff\xff", str("d1"), str("u"))},
	{"CONNECT 3.1", raw(0x10, str("MQIsdp"), "\x03\xee\x00\x3c", str("d1"), str("w/t"), str("gone"), str("u"), str("p"))},
	{"CONNACK, accepted", raw(0x20, "\x00\x00")},
	{"CONNACK, session present", raw(0x20, "\x01\x00")},
	{"CONNACK, refused", raw(0x20, "\x00\x05")},
	{"PUBLISH, QoS 0", raw(0x30, str("a/b"), "hello")},
	{"PUBLISH, QoS 0, no payload", raw(0x31, str("a/b"))},
	{"PUBLISH, QoS 1", raw(0x32, str("a/b"), "\x00\x01hello")},
	{"PUBLISH, QoS 2, again, retained", raw(0x3d, str("a/b"), "\xff\xffhello")},
	{"PUBLISH, length of two bytes", raw(0x30, str("a/b"), strings.Repeat("x", 200))},
	{"PUBACK", raw(0x40, "\x00\x01")},
	{"PUBREC", raw(0x50, "\xff\xff")},
	{"PUBREL", raw(0x62, "\x01\x00")},
	{"PUBCOMP", raw(0x70, "\x01\x02")},
	{"SUBSCRIBE", raw(0x82, "\x00\x01", str("a/+"), "\x01")},
	{"SUBSCRIBE, three filters", raw(0x82, "\x00\x01", str("a/+"), "\x00", str("#"), "\x02", str("/"), "\x01")},
	{"SUBACK", raw(0x90, "\x00\x01", "\x00\x01\x02\x80")},
	{"UNSUBSCRIBE", raw(0xa2, "\x00\x01", str("a/+"), str("#"))},
	{"UNSUBACK", raw(0xb0, "\x00\x01")},
	{"PINGREQ", raw(0xc0)},
	{"PINGRESP", raw(0xd0)},
	{"DISCONNECT", raw(0xe0)},
}

func TestDecodeThenEncodeGivesTheSameBytes(t *testing.T) {
	for _, c := range valid {
		t.Run(c.name, func(t *testing.T) {
			p, err := decode(c.b)
			if err != nil {
				t.Fatalf("decode %x: %v", c.b, err)
			}
			if got := encode(nil, p); !bytes.Equal(got, c.b) {
				t.Errorf("decoded to %+v, which encodes to\n%x, want\n%x", p, got, c.b)
			}
		})
	}
}

// Every packet cut at every byte: with its length left as it was it is incomplete, with the length made to fit it is
// malformed or a packet in its own right, which encodes to the same bytes, or, with the leniency of 3.1, to others that
// mean the same.
func TestCutAtEveryByte(t *testing.T) {
	for _, c := range valid {
		t.Run(c.name, func(t *testing.T) {
			_, header, _ := Frame(c.b, MaxSize)
			for n := range c.b {
				if _, err := decode(c.b[:n]); err != errIncomplete {
					t.Errorf("first %d bytes of %x: got error %v, want %v", n, c.b, err, errIncomplete)
				}
				if n < header {
					continue
				}
				cut := raw(c.b[0], string(c.b[header:n]))
				p, err := decode(cut)
				if err == nil {
					got := encode(nil, p)
					if c, ok := p.(*Connect); ok && c.Level == Level31 {
						if q, err := decode(got); err != nil || !reflect.DeepEqual(p, q) {
							t.Errorf("cut to %x: decoded to %+v, then to %+v, error %v", cut, p, q, err)
						}
					} else if !bytes.Equal(got, cut) {
						t.Errorf("cut to %x: decoded to %+v, which encodes to %x", cut, p, got)
					}
				} else if m := new(MalformedError); !errors.As(err, &m) || m.Offset > len(cut) || m.Type != TypeOf(c.b[0]) {
					t.Errorf("cut to %x: got error %#v, want a MalformedError inside the packet", cut, err)
				}
			}
		})
	}
}

// Only a PUBLISH's payload, a SUBACK's codes and lists of filters may go on after the last field.
func TestNothingMayFollowTheLastField(t *testing.T) {
	for _, c := range valid {
		t.Run(c.name, func(t *testing.T) {
			_, header, _ := Frame(c.b, MaxSize)
			for _, more := range []string{"\x00", "\xff", "\x00\x00\x00\x00"} {
				longer := raw(c.b[0], string(c.b[header:]), more)
				switch TypeOf(c.b[0]) {
				case PUBLISH, SUBACK:
					continue
				}
				if _, err := decode(longer); err == nil {
					t.Errorf("decoded %x, which has %x too many", longer, more)
				}
			}
		})
	}
}

// A decoder given bytes that are not one whole packet of its type says so and does not read past them.
func TestDecodersRefuseWhatIsNotFramed(t *testing.T) {
	decoders := map[string]func([]byte) error{
		"Connect":           func(b []byte) error { return new(Connect).Decode(b) },
		"Publish":           func(b []byte) error { return new(Publish).Decode(b) },
		"DecodeConnack":     func(b []byte) error { _, _, err := DecodeConnack(b); return err },
		"DecodeID":          func(b []byte) error { _, err := DecodeID(b); return err },
		"DecodeSubscribe":   func(b []byte) error { _, _, err := DecodeSubscribe(b, nil); return err },
		"DecodeSuback":      func(b []byte) error { _, _, err := DecodeSuback(b); return err },
		"DecodeUnsubscribe": func(b []byte) error { _, _, err := DecodeUnsubscribe(b, nil); return err },
		"DecodeEmpty":       DecodeEmpty,
	}
	inputs := [][]byte{nil, {}, {0x00}, {0xf0, 0}, {0x10}, {0x30}, {0x40, 3, 0, 1}, {0x40, 2, 0, 1, 9}, {0xc0, 0x80}, {0x30, 3, 0, 1, 'a', 9}, {0x90, 3, 0, 1, 0, 0}, {0xc0, 0xff, 0xff, 0xff, 0xff, 1}}
	for name, decode := range decoders {
		for _, b := range inputs {
			var m *MalformedError
			if err := decode(b); !errors.As(err, &m) {
				t.Errorf("%s(%x): got error %v, want a MalformedError", name, b, err)
			}
		}
	}
}

func TestMalformedErrorReadsWell(t *testing.T) {
	_, err := decode(raw(0x30, str("")))
	want := "malformed PUBLISH at byte 4: topic name is empty [MQTT-4.7.3-1]"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[Type]string{1: "CONNECT", 3: "PUBLISH", 14: "DISCONNECT", 0: "packet type 0", 15: "packet type 15"} {
		if got := typ.String(); got != want {
			t.Errorf("Type(%d): got %q, want %q", byte(typ), got, want)
		}
	}
}
