package broker

import (
	"errors"
	"testing"
)

func TestAlertTail(t *testing.T) {
	broken := errors.New("local error: tls: bad record MAC")
	for _, c := range []struct {
		reads []string
		want  string
	}{
		{nil, broken.Error()},
		{[]string{"\x16\x03\x01\x02", "\x14\x03\x03\x00\x01\x01\x15\x03\x03\x00\x02\x02\x2d"}, "remote error: tls: expired certificate"},
		{[]string{"\x15\x03\x03\x00", "\x02", "\x02\x30"}, "remote error: tls: unknown certificate authority"},
		{[]string{"\x15\x03\x03\x00\x02\x02\x30", "x"}, broken.Error()},
		{[]string{"\x17\x03\x03\x00\x02\x02\x30"}, broken.Error()},
	} {
		var a alertTail
		for _, r := range c.reads {
			a.saw([]byte(r))
		}
		if got := a.meant(broken).Error(); got != c.want {
			t.Errorf("%q: %s, want %s", c.reads, got, c.want)
		}
	}
}
