package rest

import (
	"testing"
	"time"
)

func TestKeep(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{"": 0, "forever": KeepForever, "1d": day, "36h": 36 * time.Hour, "12w": 84 * day,
		"5y": 1825 * day, "200y": 200 * 365 * day, "30 d": 30 * day} {
		got, ok := ParseKeep(s)
		if !ok || got != want {
			t.Errorf("ParseKeep(%q) = %v, %v, want %v", s, got, ok, want)
		}
		if back, ok := ParseKeep(FormatKeep(got)); !ok || back != got {
			t.Errorf("%q came back as %q", s, FormatKeep(got))
		}
	}
	for _, s := range []string{"d", "23h", "0d", "-1d", "1.5d", "30", "30m", "201y", "99999999999999999999d", "never", "1dd", "😀"} {
		if got, ok := ParseKeep(s); ok {
			t.Errorf("ParseKeep(%q) = %v", s, got)
		}
	}
	if got := FormatKeep(84 * day); got != "84d" {
		t.Errorf("12 weeks are %q", got)
	}
}
