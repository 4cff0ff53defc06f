package topic

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func wantRule(t *testing.T, what string, err error, rule string) {
	t.Helper()
	got := ""
	if e := new(Error); errors.As(err, &e) {
		got = e.Rule
	} else if err != nil {
		got = err.Error()
	}
	if got != rule {
		t.Errorf("%s: got error %v, want rule %q", what, err, rule)
	}
}

func TestCheck(t *testing.T) {
	const hash, plus, wild, level = "MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-4.7.1-1", "MQTT 3.1.1 §4.7.3"
	cases := []struct{ s, name, filter string }{ // the rules broken as a name and as a filter
		{"a", "", ""},
		{"/", "", ""},
		{"//", "", ""},
		{"/a/", "", ""},
		{"a b/c", "", ""},
		{"$SYS/x", "", ""},
		{"grüße/温度/🌡", "", ""},
		{"\ufeff", "", ""},
		{"", "MQTT-4.7.3-1", "MQTT-4.7.3-1"},
		{"#", wild, ""},
		{"+", wild, ""},
		{"/#", wild, ""},
		{"a/#", wild, ""},
		{"+/+/+", wild, ""},
		{"+/#", wild, ""},
		{"/+/", wild, ""},
		{"a/+/b", wild, ""},
		{"a#", wild, hash},
		{"#a", wild, hash},
		{"a/#/b", wild, hash},
		{"#/", wild, hash},
		{"##", wild, hash},
		{"#/#", wild, hash},
		{"a/b#", wild, hash},
		{"+#", wild, hash},
		{"a+", wild, plus},
		{"+a/b", wild, plus},
		{"a/+b/c", wild, plus},
		{"a/b+", wild, plus},
		{"++", wild, plus},
		{"a\x00b", "MQTT-4.7.3-2", "MQTT-4.7.3-2"},
		{"\xc0\xaf", "MQTT-1.5.3-1", "MQTT-1.5.3-1"},
		{"\xed\xa0\x80", "MQTT-1.5.3-1", "MQTT-1.5.3-1"},
		{"a/\xff", "MQTT-1.5.3-1", "MQTT-1.5.3-1"},
		{"a\n", "MQTT 3.1.1 §1.5.3", "MQTT 3.1.1 §1.5.3"},
		{"\u0085", "MQTT 3.1.1 §1.5.3", "MQTT 3.1.1 §1.5.3"},
		{"\uffff", "MQTT 3.1.1 §1.5.3", "MQTT 3.1.1 §1.5.3"},
		{strings.Repeat("a", MaxBytes), "", ""},
		{strings.Repeat("a", MaxBytes+1), "MQTT-4.7.3-3", "MQTT-4.7.3-3"},
		{strings.Repeat("/", 127), "", ""},
		{strings.Repeat("/", 128), level, level},
	}
	for _, c := range cases {
		what := c.s[:min(len(c.s), 20)]
		wantRule(t, "name "+what, CheckName(c.s, 0, 128), c.name)
		wantRule(t, "filter "+what, CheckFilter(c.s, 0, 128), c.filter)
	}
}

func TestCheckBounds(t *testing.T) {
	for _, check := range []func(string, int, int) error{CheckName, CheckFilter} {
		wantRule(t, "5 bytes of 5", check("a/b/c", 5, 3), "")
		wantRule(t, "5 bytes of 4", check("a/b/c", 4, 3), "MQTT-4.7.3-3")
		wantRule(t, "3 levels of 2", check("a/b/c", 5, 2), "MQTT 3.1.1 §4.7.3")
		wantRule(t, "no bounds", check(strings.Repeat("/", MaxBytes), 0, 0), "")
		wantRule(t, "a bound above the standard's", check(strings.Repeat("/", MaxBytes+1), 1<<20, 0), "MQTT-4.7.3-3")
	}
}

// Every code point there is, against the same plain statement that package packet is tested with.
func TestCheckEveryCodePoint(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if r >= 0xd800 && r <= 0xdfff {
			continue // no encoding
		}
		refuse := r <= 0x1f || 0x7f <= r && r <= 0x9f || 0xfdd0 <= r && r <= 0xfdef || r%0x10000 >= 0xfffe || r == '+' || r == '#'
		if err := CheckName("a/b"+string(r)+"c", 0, 0); (err != nil) != refuse {
			t.Errorf("U+%04X: got error %v, want refused %v", r, err, refuse)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"a/b", "#", "a/+/#", "a#", "+a", "/", "\x00", "\xff", "$share/g/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, filter := CheckName(s, 0, 0), CheckFilter(s, 0, 0)
		if name == nil && filter != nil {
			t.Errorf("%q is a name and not a filter: %v", s, filter)
		}
		if name == nil && !Matches(s, s) {
			t.Errorf("%q does not match itself", s)
		}
		if (name == nil) != (filter == nil && !strings.ContainsAny(s, "+#")) {
			t.Errorf("%q: name %v, filter %v", s, name, filter)
		}
	})
}
