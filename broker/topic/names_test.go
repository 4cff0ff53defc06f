package topic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Names under random Set and Delete against a plain map, and its Match against Matches on every name held.
func TestNamesAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for round := range 40 {
		var names Names[int]
		model := map[string]int{}
		for step := range 1500 {
			name := randomTopic(r, nameLevels)
			if r.IntN(4) == 0 {
				name += "/" + fmt.Sprint(r.IntN(30)) // more children than a small node has
			}
			_, had := model[name]
			if r.IntN(1500) > step/2 {
				if got := names.Set(name, step); got != !had {
					t.Fatalf("Set(%q) says new %v, want %v", name, got, !had)
				}
				model[name] = step
			} else {
				if got := names.Delete(name); got != had {
					t.Fatalf("Delete(%q) says %v, want %v", name, got, had)
				}
				delete(model, name)
			}
			want, held := model[name]
			if v, ok := names.Get(name); v != want || ok != held {
				t.Fatalf("Get(%q): got %d %v, want %d %v", name, v, ok, want, held)
			}
			if names.Len() != len(model) {
				t.Fatalf("Len is %d, want %d", names.Len(), len(model))
			}
			if step%10 != 0 {
				continue
			}
			filter := randomTopic(r, filterLevels)
			var found, match []string
			names.Match(filter, func(name string, v int) bool {
				found = append(found, fmt.Sprint(name, "=", v))
				return true
			})
			for n, v := range model {
				if Matches(filter, n) {
					match = append(match, fmt.Sprint(n, "=", v))
				}
			}
			slices.Sort(found)
			slices.Sort(match)
			if !slices.Equal(found, match) {
				t.Fatalf("round %d: Match(%q)\ngot  %q\nwant %q", round, filter, found, match)
			}
		}
		for n := range model {
			names.Delete(n)
		}
		if names.Len() != 0 || len(names.root.kids) > 0 || names.root.index != nil {
			t.Fatalf("round %d: something is left in an emptied tree: %+v", round, names)
		}
	}
}

func TestNamesMatchStops(t *testing.T) {
	var names Names[int]
	for i := range 100 {
		names.Set(fmt.Sprint("a/", i), i)
	}
	for _, filter := range []string{"#", "a/+", "a/7"} {
		calls := 0
		names.Match(filter, func(string, int) bool { calls++; return false })
		if calls != 1 {
			t.Errorf("%q: fn was called %d times after it returned false", filter, calls-1)
		}
	}
}

func TestNamesInnerNodesAreNotNames(t *testing.T) {
	var names Names[int]
	names.Set("a/b/c", 1)
	if _, ok := names.Get("a/b"); ok || names.Delete("a/b") || names.Len() != 1 {
		t.Error("a/b was taken for a name")
	}
	names.Set("a/b", 2)
	if !names.Delete("a/b/c") {
		t.Error("a/b/c was not there")
	}
	if v, ok := names.Get("a/b"); !ok || v != 2 {
		t.Errorf("a/b went with a/b/c: got %d %v", v, ok)
	}
}
