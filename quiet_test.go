package main

import "testing"

func TestSpareMemory(t *testing.T) {
	const mib = 1 << 20
	for name, row := range map[string]struct {
		before, givenBack, now usage
		want                   bool
	}{
		"after a burst":               {usage{100 * mib, 0}, usage{10 * mib, 0}, usage{101 * mib, 40 * mib}, true},
		"still at work":               {usage{100 * mib, 0}, usage{10 * mib, 0}, usage{200 * mib, 40 * mib}, false},
		"nothing since":               {usage{100 * mib, 0}, usage{100 * mib, 0}, usage{101 * mib, 40 * mib}, false},
		"too little for a large heap": {usage{100 * mib, 0}, usage{10 * mib, 0}, usage{101 * mib, 900 * mib}, false},
		"a large burst":               {usage{800 * mib, 0}, usage{10 * mib, 0}, usage{801 * mib, 900 * mib}, true},
		"a start":                     {usage{20 * mib, 0}, usage{}, usage{21 * mib, 9 * mib}, true},
	} {
		if got := row.now.spare(row.before, row.givenBack); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if u := readUsage(); u.allocated == 0 {
		t.Error("nothing was allocated by this process")
	}
}
