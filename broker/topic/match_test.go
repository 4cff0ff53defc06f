package topic

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	cases := []struct {
		filter, name string
		want         bool
	}{
		// MQTT 3.1.1 §4.7.1.2
		{"sport/tennis/player1/#", "sport/tennis/player1", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/tennis/player1/#", "sport/tennis/player2", false},
		{"sport/#", "sport", true},
		{"#", "a", true},
		{"#", "/", true},
		// §4.7.1.3
		{"sport/tennis/+", "sport/tennis/player1", true},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"+/#", "a", true},
		{"+/+/#", "a", false},
		{"a/+/b/#", "a/x/b", true},
		// §4.7.2
		{"#", "$SYS/monitor", false},
		{"+/monitor/Clients", "$SYS/monitor/Clients", false},
		{"+", "$SYS", false},
		{"+/#", "$SYS", false},
		{"$SYS/#", "$SYS/monitor/Clients", true},
		{"$SYS/#", "$SYS", true},
		{"$SYS/monitor/+", "$SYS/monitor/Clients", true},
		{"a/+", "a/$SYS", true},
		{"a/#", "a/$SYS", true},
		{"/+", "/$SYS", true},
		// §4.7.3: byte by byte, nothing normalized
		{"ACCOUNTS", "Accounts", false},
		{"/finance", "finance", false},
		{"a/", "a", false},
		{"a", "a/", false},
		{"a//b", "a/b", false},
		{"a/+/b", "a//b", true},
		{"\u00e9", "e\u0301", false},
		{"a b", "a b", true},
		// not well formed: only a whole level is a wildcard
		{"a+", "ab", false},
		{"a+", "a+", true},
		{"a#", "a#", true},
		{"a/#/b", "a/x/b", false},
		{"a/#/b", "a/#/b", true},
	}
	for _, c := range cases {
		if got := Matches(c.filter, c.name); got != c.want {
			t.Errorf("Matches(%q, %q) = %v, want %v", c.filter, c.name, got, c.want)
		}
		var tree Tree[int, int]
		tree.Set(c.filter, 1, 1)
		got := false
		tree.Match(c.name, func(int, int) { got = true })
		if got != c.want {
			t.Errorf("Tree with %q: Match(%q) finds it: %v, want %v", c.filter, c.name, got, c.want)
		}
		var names Names[int]
		names.Set(c.name, 1)
		got = false
		names.Match(c.filter, func(string, int) bool { got = true; return true })
		if got != c.want {
			t.Errorf("Names with %q: Match(%q) finds it: %v, want %v", c.name, c.filter, got, c.want)
		}
	}
}

func TestCovers(t *testing.T) {
	cases := []struct {
		outer, inner string
		want         bool
	}{
		{"a/b", "a/b", true},
		{"#", "a/+/b/#", true},
		{"#", "+/#", true},
		{"+/#", "#", true},   // a name has a first level, so the two say the same
		{"/+/#", "/#", true}, // nor is there an empty name
		{"+/+/#", "#", false},
		{"+/#", "+", true},
		{"+", "#", false},
		{"a/#", "a", true},
		{"a/#", "a/#", true},
		{"a/#", "a/+/#", true},
		{"a/+/#", "a/#", false}, // a
		{"a/#", "b/#", false},
		{"a/+", "a/#", false},
		{"a/+", "a/b", true},
		{"a/+", "a/+", true},
		{"a/b", "a/+", false},
		{"+/b", "a/+", false},
		{"a/+/c", "a/b/c", true},
		{"a/b/#", "a/b", true},
		{"a/b/#", "a", false},
		{"#", "$SYS/#", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x/+", true},
		{"#", "/$x", true},
		{"xi/blue/v1/A/d/D/#", "xi/blue/v1/A/d/D/temperature", true},
		{"xi/blue/v1/A/d/D/#", "xi/blue/v1/+/d/D/temperature", false},
	}
	for _, c := range cases {
		if got := Covers(c.outer, c.inner); got != c.want {
			t.Errorf("Covers(%q, %q) = %v, want %v", c.outer, c.inner, got, c.want)
		}
	}
}

// rows returns every row of 1 to max of the levels, as names or filters.
func rows(levels []string, max int) []string {
	all, last := []string(nil), []string{""}
	for n := range max {
		var next []string
		for _, front := range last {
			for _, l := range levels {
				if n == 0 {
					next = append(next, l)
				} else {
					next = append(next, front+"/"+l)
				}
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

// Covers against its definition: all pairs of filters of up to three levels, judged by all names of up to four. The
// level z stands for those that no filter names.
func TestCoversAgainstAllNames(t *testing.T) {
	var filters, names []string
	for _, f := range rows([]string{"a", "", "$", "+", "#"}, 3) {
		if CheckFilter(f, 0, 0) == nil {
			filters = append(filters, f)
		}
	}
	for _, n := range rows([]string{"a", "", "$", "z", "$z"}, 4) {
		if CheckName(n, 0, 0) == nil {
			names = append(names, n)
		}
	}
	matched := make([]map[string]bool, len(filters))
	for i, f := range filters {
		matched[i] = map[string]bool{}
		for _, n := range names {
			if Matches(f, n) {
				matched[i][n] = true
			}
		}
	}
	for i, outer := range filters {
		for j, inner := range filters {
			witness := ""
			want := true
			for n := range matched[j] {
				if !matched[i][n] {
					want, witness = false, n
					break
				}
			}
			if got := Covers(outer, inner); got != want {
				t.Errorf("Covers(%q, %q) = %v, want %v; %q matched by inner alone", outer, inner, got, want, witness)
			}
		}
	}
}

// randomTopic makes a name or, with wildcards, a filter, of the few levels that make matches likely.
func randomTopic(r *rand.Rand, levels []string) string {
	s := make([]string, 1+r.IntN(4))
	for i := range s {
		s[i] = levels[r.IntN(len(levels))]
	}
	return strings.Join(s, "/")
}

var (
	nameLevels   = []string{"a", "b", "", "$", "$a", "aa"}
	filterLevels = []string{"a", "b", "", "$", "$a", "aa", "+", "+", "+", "#", "a+", "##"} // some not well formed
)
