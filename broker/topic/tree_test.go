package topic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// matchAll returns what Match finds as sorted "filter subscriber=value" lines, when the tree's keys say their filter.
func matchAll(tree *Tree[string, int], name string) []string {
	var got []string
	tree.Match(name, func(k string, v int) { got = append(got, fmt.Sprint(k, "=", v)) })
	slices.Sort(got)
	return got
}

// A tree under random Set and Delete against a plain map, and its Match against Matches on every filter held:
// about a million pairs.
func TestTreeAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pairs := 0
	for round := range 40 {
		var tree Tree[string, int]
		model := map[[2]string]int{} // filter and subscriber, which names its filter
		for step := range 1500 {
			filter := randomTopic(r, filterLevels)
			k := filter + " s" + fmt.Sprint(r.IntN(4))
			_, had := model[[2]string{filter, k}]
			if r.IntN(1500) > step/2 {
				if got := tree.Set(filter, k, step); got != !had {
					t.Fatalf("Set(%q, %q) says new %v, want %v", filter, k, got, !had)
				}
				model[[2]string{filter, k}] = step
			} else {
				if got := tree.Delete(filter, k); got != had {
					t.Fatalf("Delete(%q, %q) says %v, want %v", filter, k, got, had)
				}
				delete(model, [2]string{filter, k})
			}
			if tree.Len() != len(model) {
				t.Fatalf("Len is %d, want %d", tree.Len(), len(model))
			}
			if step%25 != 0 {
				continue
			}
			name := randomTopic(r, nameLevels)
			var want []string
			for fk, v := range model {
				pairs++
				if Matches(fk[0], name) {
					want = append(want, fmt.Sprint(fk[1], "=", v))
				}
				if got, ok := tree.Get(fk[0], fk[1]); !ok || got != v {
					t.Fatalf("Get(%q, %q): got %d %v, want %d", fk[0], fk[1], got, ok, v)
				}
			}
			slices.Sort(want)
			if got := matchAll(&tree, name); !slices.Equal(got, want) {
				t.Fatalf("round %d: Match(%q)\ngot  %q\nwant %q", round, name, got, want)
			}
		}
		for fk := range model {
			tree.Delete(fk[0], fk[1])
		}
		if tree.Len() != 0 || len(tree.root.kids) > 0 || tree.root.plus != nil || tree.root.index != nil {
			t.Fatalf("round %d: something is left in an emptied tree: %+v", round, tree)
		}
	}
	if pairs < 1_000_000 {
		t.Errorf("looked at %d pairs of filter and name, want a million", pairs)
	}
}

func TestTreeZeroValue(t *testing.T) {
	var tree Tree[int, int]
	tree.Match("a", func(int, int) { t.Error("an empty tree matched") })
	if tree.Delete("a", 1) || tree.Delete("#", 1) || tree.Len() != 0 {
		t.Error("deleted from an empty tree")
	}
	if _, ok := tree.Get("a/+", 1); ok {
		t.Error("got from an empty tree")
	}
}

// A subscriber of several filters that match comes once for each; Set again replaces the value.
func TestTreeOverlap(t *testing.T) {
	var tree Tree[string, int]
	tree.Set("a/b", "s", 0)
	tree.Set("a/+", "s", 1)
	tree.Set("a/#", "s", 2)
	tree.Set("#", "s", 2)
	tree.Set("b", "s", 2)
	if isNew := tree.Set("#", "s", 0); isNew {
		t.Error("the same filter and subscriber was new")
	}
	want := []string{"s=0", "s=0", "s=1", "s=2"}
	if got := matchAll(&tree, "a/b"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Many subscribers of one filter, taken away in any order: the small list, the index, and back.
func TestTreeManySubscribers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, smallSet, smallSet + 1, 10_000} {
		var tree Tree[int, int]
		for _, k := range r.Perm(n) {
			if !tree.Set("a/+", k, k) || tree.Set("a/+", k, -k) {
				t.Fatalf("%d subscribers: %d is new the second time", n, k)
			}
		}
		seen := map[int]bool{}
		tree.Match("a/b", func(k, v int) {
			if v != -k || seen[k] {
				t.Fatalf("%d subscribers: got %d=%d, again %v", n, k, v, seen[k])
			}
			seen[k] = true
		})
		if len(seen) != n || tree.Len() != n {
			t.Fatalf("%d subscribers: Match gave %d, Len %d", n, len(seen), tree.Len())
		}
		for i, k := range r.Perm(n) {
			if !tree.Delete("a/+", k) || tree.Delete("a/+", k) || tree.Len() != n-i-1 {
				t.Fatalf("%d subscribers: delete %d", n, k)
			}
		}
		if len(tree.root.kids) != 0 {
			t.Errorf("%d subscribers: emptied tree has %d nodes at the root", n, len(tree.root.kids))
		}
	}
}

// Many filters below one level, taken away in any order: the small list of children, the index, and back.
func TestTreeManyChildren(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{smallKids, smallKids + 1, 3000} {
		var tree Tree[int, int]
		tree.Set("p", -1, 0) // keeps the parent, so that its list shrinks and does not vanish
		for _, k := range r.Perm(n) {
			tree.Set(fmt.Sprint("p/", k), k, 0)
		}
		for i, k := range r.Perm(n) {
			got := -1
			tree.Match(fmt.Sprint("p/", k), func(k, _ int) { got = k })
			if got != k || !tree.Delete(fmt.Sprint("p/", k), k) || tree.Delete(fmt.Sprint("p/", k), k) {
				t.Fatalf("%d children, %d gone: Match gave %d, want %d, and one delete", n, i, got, k)
			}
			if p := tree.root.kids[0]; cap(p.kids) > 8*max(len(p.kids), smallKids) {
				t.Fatalf("%d children, %d gone: there is still room for %d", n, i+1, cap(p.kids))
			}
		}
		p := tree.root.kids[0]
		if len(p.kids) != 0 || p.index != nil || cap(p.kids) > 2*smallKids {
			t.Errorf("%d children: %d left, room for %d, index %v", n, len(p.kids), cap(p.kids), p.index)
		}
	}
}

func TestTreeDoesNotKeepTheCallersString(t *testing.T) {
	buf := []byte("a/b")
	var tree Tree[int, int]
	tree.Set(string(buf), 1, 1)
	if l := tree.root.kids[0].level; l != "a" {
		t.Fatalf("level is %q", l)
	}
	big := "x/" + strings.Repeat("y", 60_000)
	tree.Set(big, 1, 1)
	tree.Set("x/z", 1, 1)
	tree.Delete(big, 1)
	var x *filterNode[int, int]
	for _, k := range tree.root.kids {
		if k.level == "x" {
			x = k
		}
	}
	if len(x.kids) != 1 {
		t.Errorf("x has %d children, want 1", len(x.kids))
	}
}

// Names and filters of the greatest depth there can be cost time in proportion, no stack and no panic.
func TestTreeDepth(t *testing.T) {
	deep := strings.Repeat("/", MaxBytes)
	wild := strings.Repeat("+/", MaxBytes/2) + "#"
	var tree Tree[int, int]
	tree.Set(deep, 1, 1)
	tree.Set(wild, 2, 1)
	tree.Set("#", 3, 1)
	sum := 0
	tree.Match(deep, func(k, _ int) { sum += k })
	if sum != 1+2+3 || !Matches(wild, deep) || !Covers(wild, wild) {
		t.Errorf("got the sum %d of subscribers, want 6", sum)
	}
	if !tree.Delete(deep, 1) || !tree.Delete(wild, 2) || !tree.Delete("#", 3) || len(tree.root.kids) != 0 || tree.root.plus != nil {
		t.Error("deep filters were not taken away whole")
	}
	var names Names[int]
	names.Set(deep, 1)
	found := 0
	for _, f := range []string{deep, wild, "#", "/#"} {
		names.Match(f, func(string, int) bool { found++; return true })
	}
	if found != 4 || !names.Delete(deep) || len(names.root.kids) != 0 {
		t.Errorf("found %d, want 4; %d nodes left at the root", found, len(names.root.kids))
	}
}

// 50,000 filters of many + and a last level that never matches: a publish costs no more than the nodes they share.
func TestTreeCostOfManyPlus(t *testing.T) {
	var tree Tree[int, int]
	for i := range 50_000 {
		tree.Set(strings.Repeat("+/", 1+i%31)+"x"+fmt.Sprint(i), i, 0)
	}
	name := strings.Repeat("a/", 31) + "a"
	if n := visits(&tree, name); n > 100 {
		t.Errorf("Match looked at %d nodes for a name of 32 levels, want at most one for each level and +", n)
	}
}

// visits counts the nodes that Match looks at.
func visits(tree *Tree[int, int], name string) int {
	count := 0
	var walk func(n *filterNode[int, int], rest []string)
	walk = func(n *filterNode[int, int], rest []string) {
		count++
		if len(rest) == 0 {
			return
		}
		if k := n.kid(rest[0]); k != nil {
			walk(k, rest[1:])
		}
		if n.plus != nil {
			walk(n.plus, rest[1:])
		}
	}
	walk(&tree.root, strings.Split(name, "/"))
	return count
}

func FuzzTree(f *testing.F) {
	f.Add("a/b", "a/+", "#")
	f.Add("$SYS/x", "#", "$SYS/#")
	f.Add("/", "+/+", "/#")
	f.Add("a/#/b", "a/#/b", "a+")
	f.Add("", "", "#/")
	f.Fuzz(func(t *testing.T, name, filter1, filter2 string) {
		var tree Tree[string, int]
		var names Names[int]
		tree.Set(filter1, filter1, 1)
		tree.Set(filter2, filter2, 1)
		names.Set(name, 1)
		for _, filter := range []string{filter1, filter2} {
			want, got := Matches(filter, name), false
			tree.Match(name, func(k string, _ int) { got = got || k == filter })
			if got != want {
				t.Errorf("tree: %q finds %q: %v, Matches says %v", name, filter, got, want)
			}
			got = false
			names.Match(filter, func(string, int) bool { got = true; return true })
			if got != want {
				t.Errorf("names: %q finds %q: %v, Matches says %v", filter, name, got, want)
			}
		}
		if CheckFilter(filter1, 0, 0) == nil && CheckFilter(filter2, 0, 0) == nil && CheckName(name, 0, 0) == nil &&
			Covers(filter1, filter2) && Matches(filter2, name) && !Matches(filter1, name) {
			t.Errorf("%q is said to cover %q, but only the latter matches %q", filter1, filter2, name)
		}
		tree.Delete(filter1, filter1)
		tree.Delete(filter2, filter2)
		names.Delete(name)
		if tree.Len()+names.Len()+len(tree.root.kids)+len(names.root.kids) != 0 || tree.root.plus != nil {
			t.Errorf("something is left of %q %q %q", name, filter1, filter2)
		}
	})
}
