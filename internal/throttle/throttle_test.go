package throttle

import (
	"fmt"
	"testing"
	"time"

	"xively/internal/fault"
)

func TestNames(t *testing.T) {
	for remote, name := range map[string]string{"192.0.2.1:99": "192.0.2.1", "[2001:db8:1:2:3::4]:5": "2001:db8:1:2::/64", "2001:db8:1:2:9::9": "2001:db8:1:2::/64",
		"::ffff:192.0.2.1": "192.0.2.1", "pipe": "pipe", "": ""} {
		if got := Name(remote); got != name {
			t.Errorf("%q is counted as %q, want %q", remote, got, name)
		}
	}
}

func TestBounds(t *testing.T) {
	at := time.Unix(0, 0)
	th := New(func() time.Time { return at }, 3, time.Minute)
	for i := range mostNames + 1000 {
		th.Count(fmt.Sprint("n", i))
	}
	if n := len(th.till); n > mostNames {
		t.Errorf("%d names are remembered", n)
	}
	took := 0
	for range 10 {
		if th.Take("a") {
			took++
		}
	}
	if took != 3 || th.Refused() != 7 || fault.KindOf(th.Check("a", "no")) != fault.TooMany {
		t.Errorf("took %d, refused %d, then %v", took, th.Refused(), th.Check("a", "no"))
	}
	th.GiveBack("a")
	if !th.Take("a") || th.Take("a") {
		t.Error("what was given back cannot be taken once")
	}
	if at = at.Add(time.Minute); !th.Take("a") || th.Take("a") {
		t.Error("a minute later one more is not one more")
	}
}
