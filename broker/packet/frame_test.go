package packet

import (
	"fmt"
	"strings"
	"testing"
)

// MQTT 3.1.1 table 2.2: the flags of each type; PUBLISH may have any here, its own decoder judges them.
func TestFrameFlags(t *testing.T) {
	rules := map[Type]string{PUBREL: "MQTT-3.6.1-1", SUBSCRIBE: "MQTT-3.8.1-1", UNSUBSCRIBE: "MQTT-3.10.1-1", DISCONNECT: "MQTT-3.14.1-1"}
	for first := range 256 {
		typ, flags := Type(first>>4), byte(first&15)
		want, want31 := "", ""
		switch {
		case typ == 0 || typ == 15:
			want, want31 = "MQTT 3.1.1 §2.2.1", "MQTT 3.1.1 §2.2.1"
		case typ == PUBLISH:
		case typ == PUBREL || typ == SUBSCRIBE || typ == UNSUBSCRIBE:
			if flags != 2 {
				want = rules[typ]
			}
			if flags != 2 && flags != 2|8 { // 3.1 has a DUP flag here
				want31 = rules[typ]
			}
		case flags != 0:
			if want = rules[typ]; want == "" {
				want = "MQTT-2.2.2-2"
			}
			want31 = want
		}
		t.Run(fmt.Sprintf("%02x", first), func(t *testing.T) {
			for _, b := range [][]byte{{byte(first)}, {byte(first), 2, 0, 1}} { // the first byte is enough to tell
				_, _, err := Frame(b, MaxSize)
				wantRule(t, err, want)
				_, _, err = Frame31(b, MaxSize)
				wantRule(t, err, want31)
			}
		})
	}
}

func TestFrameLength(t *testing.T) {
	cases := []struct {
		name         string
		b            string
		size, header int
		rule         string
	}{
		{"nothing yet", "", 0, 0, ""},
		{"first byte only", "\x30", 0, 0, ""},
		{"length not complete", "\x30\xff\xff\xff", 0, 0, ""},
		{"no content", "\xc0\x00", 2, 2, ""},
		{"packet not complete", "\x30\x10", 18, 2, ""},
		{"more than one packet", "\xc0\x00\xc0\x00", 2, 2, ""},
		{"127", "\x30\x7f", 129, 2, ""},
		{"128", "\x30\x80\x01", 131, 3, ""},
		{"16,383", "\x30\xff\x7f", 16_386, 3, ""},
		{"16,384", "\x30\x80\x80\x01", 16_388, 4, ""},
		{"2,097,151", "\x30\xff\xff\x7f", 2_097_155, 4, ""},
		{"2,097,152", "\x30\x80\x80\x80\x01", 2_097_157, 5, ""},
		{"268,435,455", "\x30\xff\xff\xff\x7f", MaxSize, 5, ""},
		{"zero in four bytes, which 3.1.1 does not forbid", "\xc0\x80\x80\x80\x00", 5, 5, ""},
		{"a fifth byte", "\x30\xff\xff\xff\xff\x01", 0, 0, "MQTT 3.1.1 §2.2.3"},
		{"a fifth byte to come", "\x30\x80\x80\x80\x80", 0, 0, "MQTT 3.1.1 §2.2.3"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			size, header, err := Frame([]byte(c.b), MaxSize)
			wantRule(t, err, c.rule)
			if size != c.size || header != c.header {
				t.Errorf("got size %d header %d, want %d and %d", size, header, c.size, c.header)
			}
		})
	}
}

func TestFrameTooLarge(t *testing.T) {
	b := raw(0x30, str("a"), strings.Repeat("x", 95)) // 100 bytes in all
	if size, _, err := Frame(b, 100); size != 100 || err != nil {
		t.Errorf("bound 100: got size %d error %v, want 100 and none", size, err)
	}
	if _, _, err := Frame(b[:2], 99); err != ErrTooLarge {
		t.Errorf("bound 99: got error %v, want %v", err, ErrTooLarge)
	}
}

// The same bytes in every cut frame to the same packets.
func TestFrameSplitReads(t *testing.T) {
	var stream []byte
	for _, c := range valid {
		stream = append(stream, c.b...)
	}
	for chunk := 1; chunk <= len(stream); chunk++ {
		var got int
		var buf []byte
		for at := 0; at < len(stream); at += chunk {
			buf = append(buf, stream[at:min(at+chunk, len(stream))]...)
			for {
				size, _, err := Frame(buf, MaxSize)
				if err != nil {
					t.Fatalf("chunks of %d: packet %d: %v", chunk, got, err)
				}
				if size == 0 || size > len(buf) {
					break
				}
				if string(buf[:size]) != string(valid[got].b) {
					t.Fatalf("chunks of %d: packet %d: got %x, want %x", chunk, got, buf[:size], valid[got].b)
				}
				buf, got = buf[size:], got+1
			}
		}
		if got != len(valid) || len(buf) > 0 {
			t.Fatalf("chunks of %d: got %d packets and %d bytes, want %d packets", chunk, got, len(buf), len(valid))
		}
	}
}
