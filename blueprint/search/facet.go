package search

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Bucket is a value of a facet.
type Bucket struct {
	Value string `json:"value"` // as a text; of times an age: <1h, 1h..1d, …
	Count int    `json:"count"` // documents that have it
	Query string `json:"query"` // finds just these: to be added to the query
}

const defaultBuckets = 20

// facet counts the values of a field among the matches: the most frequent first, of equals false and true, then numbers,
// then texts, ascending. Times are counted by age, behind the others. Last, with an empty Value, are those without a
// value, if there are any.
func (t *table) facet(match bitset, field string, r *Request) []Bucket {
	c := t.queried(field)
	if c == nil {
		return nil
	}
	best := ranking{limit: cmp.Or(r.FacetLimit, defaultBuckets)}
	for _, p := range []*numbers{c.truths, c.numbers} {
		if p != nil {
			t.tallyNumbers(match, p, &best)
		}
	}
	if c.texts != nil {
		c.texts.tally(match, nil, &best)
	}
	var buckets []Bucket
	for _, b := range best.sorted() {
		o := operand{text: b.value()}
		buckets = append(buckets, Bucket{o.text, b.count, c.name + ":=" + o.quoted()})
	}
	if c.times != nil {
		buckets = append(buckets, t.countAges(match, c, r.Now)...)
	}
	without := newBitset(t.size())
	c.present(without)
	without.not(match)
	if n := without.count(); n > 0 {
		buckets = append(buckets, Bucket{"", n, "NOT " + c.name + ":*"})
	}
	return buckets
}

// tally is how many documents have a value: a text, or a key of truths or numbers.
type tally struct {
	count int
	key   uint64 // 0 for a text
	truth bool
	text  string
}

func (a tally) compare(b tally) int {
	return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.class(), b.class()), cmp.Compare(a.key, b.key), strings.Compare(a.text, b.text))
}

func (a tally) class() int {
	switch {
	case a.truth:
		return 0
	case a.key != 0:
		return 1
	}
	return 2
}

func (a tally) value() string {
	switch {
	case a.truth:
		return boolText(a.key)
	case a.key != 0:
		return numberText(a.key)
	}
	return a.text
}

// ranking keeps the best of many tallies: up to twice as many as it must, so that it rarely sorts.
type ranking struct {
	limit int
	all   []tally
	cut   bool // all[:limit] are sorted and full: what is behind the last of them is out
}

func (r *ranking) add(t tally) {
	if t.count == 0 || r.cut && r.all[r.limit-1].compare(t) <= 0 {
		return
	}
	if r.all = append(r.all, t); len(r.all)/2 > r.limit {
		r.all = r.sorted()
		r.cut = true
	}
}

func (r *ranking) sorted() []tally {
	slices.SortFunc(r.all, tally.compare)
	return r.all[:min(r.limit, len(r.all))]
}

// tallyNumbers walks the part in its order, in which equals are neighbours.
func (t *table) tallyNumbers(match bitset, p *numbers, best *ranking) {
	t.lazy.Lock()
	sorted := p.order.tidy(numberOrder{t, p})
	t.lazy.Unlock()
	var run tally
	for _, slot := range sorted {
		if !match.has(slot) {
			continue
		}
		if key := p.of.at(slot); key != run.key {
			best.add(run)
			run = tally{key: key, truth: key <= trueKey}
		}
		run.count++
	}
	best.add(run)
}

// tally counts the values, those in the set only when there is one.
func (p *texts) tally(match, only bitset, best *ranking) {
	counts := make([]int, len(p.values))
	match.each(func(slot uint32) { counts[p.of.at(slot)]++ })
	for n, items := range p.lists {
		for _, item := range items {
			counts[item] += counts[n]
		}
	}
	p.each(func(n uint32, v *value) {
		if only == nil || only.has(n) {
			best.add(tally{count: counts[n], text: v.raw})
		}
	})
}

var ageSteps = []string{"1h", "1d", "7d", "30d", "365d"}

func (t *table) countAges(match bitset, c *column, now time.Time) []Bucket {
	counts := make([]int, len(ageSteps)+1)
	least := make([]uint64, len(ageSteps)) // the first key that is younger than each step
	for i, s := range ageSteps {
		least[i] = timeKey(now.Add(-parseAge(s)).UnixMilli()) + 1
	}
	match.each(func(slot uint32) {
		key := c.times.of.at(slot)
		if key == 0 {
			return
		}
		i := 0
		for i < len(least) && key < least[i] {
			i++
		}
		counts[i]++
	})
	var buckets []Bucket
	for i, n := range counts {
		if n > 0 {
			b := ageBucket(c.name, i)
			b.Count = n
			buckets = append(buckets, b)
		}
	}
	return buckets
}

// ageBucket names the span before step i; the youngest has no beginning and the oldest no end.
func ageBucket(field string, i int) Bucket {
	switch i {
	case 0:
		return Bucket{Value: "<" + ageSteps[0], Query: field + ":<" + ageSteps[0]}
	case len(ageSteps):
		return Bucket{Value: ">=" + ageSteps[i-1], Query: field + ":>=" + ageSteps[i-1]}
	}
	from, to := ageSteps[i-1], ageSteps[i]
	return Bucket{Value: from + ".." + to, Query: "(" + field + ":>=" + from + " " + field + ":<" + to + ")"}
}
