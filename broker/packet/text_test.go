package packet

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"
)

// badTexts are strings that no text field may hold, each with the rule it breaks.
var badTexts = []struct{ name, s, rule string }{
	{"null", "a\x00", "MQTT-1.5.3-2"},
	{"null in two bytes", "a\xc0\x80", "MQTT-1.5.3-1"},
	{"overlong slash", "\xc0\xaf", "MQTT-1.5.3-1"},
	{"overlong in three bytes", "\xe0\x80\xaf", "MQTT-1.5.3-1"},
	{"high surrogate", "\xed\xa0\x80", "MQTT-1.5.3-1"},
	{"low surrogate", "\xed\xbf\xbf", "MQTT-1.5.3-1"},
	{"surrogate pair", "\xed\xa0\x80\xed\xb0\x80", "MQTT-1.5.3-1"},
	{"lone continuation", "abc\x80", "MQTT-1.5.3-1"},
	{"cut in a character", "abcdefg\xe2\x82", "MQTT-1.5.3-1"},
	{"over U+10FFFF", "\xf4\x90\x80\x80", "MQTT-1.5.3-1"},
	{"byte FF", "\xff", "MQTT-1.5.3-1"},
	{"U+0001", "\x01", "MQTT 3.1.1 §1.5.3"},
	{"line feed", "abcdefgh\nabcdefgh", "MQTT 3.1.1 §1.5.3"},
	{"U+007F", "abcdefg\x7f", "MQTT 3.1.1 §1.5.3"},
	{"U+0085", "\u0085", "MQTT 3.1.1 §1.5.3"},
	{"U+FFFF", "\uffff", "MQTT 3.1.1 §1.5.3"},
	{"U+FDD0", "\ufdd0", "MQTT 3.1.1 §1.5.3"},
	{"U+10FFFE", "\U0010fffe", "MQTT 3.1.1 §1.5.3"},
}

func TestTextFields(t *testing.T) {
	fields := []struct {
		name string
		make func(s string) []byte
	}{
		{"client id", func(s string) []byte { return raw(0x10, str("MQTT"), "\x04\x02\x00\x3c", str(s)) }},
		{"will topic", func(s string) []byte { return raw(0x10, str("MQTT"), "\x04\x06\x00\x3c", str("d"), str(s), str("")) }},
		{"user name", func(s string) []byte { return raw(0x10, str("MQTT"), "\x04\x82\x00\x3c", str("d"), str(s)) }},
		{"topic name", func(s string) []byte { return raw(0x30, str(s), "\x00payload") }},
		{"subscribe filter", func(s string) []byte { return raw(0x82, "\x00\x01", str("a"), "\x00", str(s), "\x00") }},
		{"unsubscribe filter", func(s string) []byte { return raw(0xa2, "\x00\x01", str("a"), str(s)) }},
	}
	for _, f := range fields {
		for _, c := range badTexts {
			t.Run(f.name+"/"+c.name, func(t *testing.T) {
				_, err := decode(f.make(c.s))
				wantRule(t, err, c.rule)
			})
		}
		// [MQTT-1.5.3-3]: U+FEFF is a character like others, at the front too.
		for _, s := range []string{"d1", "\ufeff", "\ufeffa", "grüße/温度/🌡", strings.Repeat("ü", 1000), " ", "$SYS"} {
			t.Run(f.name+"/"+s[:min(len(s), 8)], func(t *testing.T) {
				b := f.make(s)
				p, err := decode(b)
				wantRule(t, err, "")
				if err == nil && string(encode(nil, p)) != string(b) {
					t.Errorf("%q did not come through unchanged: %+v", s, p)
				}
			})
		}
	}
}

// The offset in the error is that of the byte that is wrong.
func TestTextOffset(t *testing.T) {
	for pad := range 20 {
		b := raw(0x30, str(strings.Repeat("a", pad)+"\x00bc"))
		_, err := decode(b)
		if m, ok := err.(*MalformedError); !ok || m.Offset != 4+pad || b[m.Offset] != 0 {
			t.Errorf("null after %d letters: got %v, want it at byte %d", pad, err, 4+pad)
		}
	}
}

// Every code point there is, against a plain statement of the choice in the package comment.
func TestEveryCodePoint(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if r >= 0xd800 && r <= 0xdfff {
			continue // no encoding; see badTexts
		}
		refuse := r <= 0x1f || 0x7f <= r && r <= 0x9f || 0xfdd0 <= r && r <= 0xfdef || r%0x10000 >= 0xfffe
		s := append([]byte("topics/"), string(r)+"/temperature"...) // in the middle of the words of eight bytes
		if at, bad := checkText(s); (bad != textOK) != refuse || refuse && at != 7 {
			t.Errorf("U+%04X: got %q at %d, want refused %v at 7", r, bad.reason(), at, refuse)
		}
		if _, bad := checkName(s); (bad != textOK) != (refuse || r == '+' || r == '#') {
			t.Errorf("U+%04X in a topic name: got %q", r, bad.reason())
		}
	}
}

// The steps of eight bytes see in any place what looking at each byte sees.
func TestEightBytesAtOnce(t *testing.T) {
	var s [8]byte
	for place := range s {
		for _, fill := range []byte{' ', '~', 'a', '+', '"', ','} {
			for c := range 256 {
				for i := range s {
					s[i] = fill
				}
				s[place] = byte(c)
				w := binary.LittleEndian.Uint64(s[:])
				if got, want := plain(w), c >= 0x20 && c < 0x7f; got != want {
					t.Fatalf("plain(%q): got %v, want %v", s, got, want)
				}
				if !plain(w) {
					continue
				}
				if got, want := has(w, '+'), c == '+' || fill == '+'; got != want {
					t.Fatalf("has(%q, '+'): got %v, want %v", s, got, want)
				}
			}
		}
	}
}
