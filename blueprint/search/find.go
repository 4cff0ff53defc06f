package search

import (
	"slices"
	"strings"
	"time"
)

// find returns the documents that pass all of a request, whose Now is set; the set is the caller's.
func (t *table) find(r *Request) bitset {
	match := slices.Clone(t.live)
	if r.Scope != nil {
		match.and(t.within(r.Scope, r.Now))
	}
	for i := range r.Filters {
		match.and(t.filter(&r.Filters[i], r.Now))
	}
	if r.Query != nil && r.Query.root != nil {
		match.and(t.eval(r.Query.root, r.Now))
	}
	return match
}

func (t *table) within(s *Scope, now time.Time) bitset {
	field := s.Field
	if field == "" {
		field = "organizationId"
	}
	out := t.filter(&Filter{Field: field, Op: Equal, Values: s.Values}, now)
	t.addIDs(s.IDs, out)
	for _, q := range s.Queries {
		if q == nil || q.root == nil {
			out.or(t.live)
		} else {
			out.or(t.eval(q.root, now))
		}
	}
	return out
}

func (t *table) addIDs(ids []string, out bitset) {
	for _, id := range ids {
		if slot, ok := t.slot(id); ok {
			out.add(slot)
		}
	}
}

var filterHow = map[Op]how{Equal: equal, Contains: contains, AtLeast: atLeast, AtMost: atMost}

func (t *table) filter(f *Filter, now time.Time) bitset {
	out := newBitset(t.size())
	c := t.column(f.Field)
	switch {
	case f.Field == idField && f.Op == Equal:
		t.addIDs(f.Values, out)
		return out
	case f.Op == Missing:
		if c != nil && f.Field != idField {
			c.present(out)
			out.not(t.live)
		} else if f.Field != idField {
			out.or(t.live)
		}
		return out
	}
	leaves := make([]leaf, len(f.Values))
	for i, v := range f.Values {
		leaves[i] = leaf{field: f.Field, how: filterHow[f.Op], a: newOperand(v)}
	}
	switch {
	case f.Field == idField:
		for i := range leaves {
			t.answerIDs(&leaves[i], out)
		}
	case c != nil:
		t.answer(c, leaves, now, out)
	}
	return out
}

// eval returns the documents that pass a part of a query; the set is the caller's.
func (t *table) eval(n node, now time.Time) bitset {
	switch n := n.(type) {
	case and:
		out := t.eval(n[0], now)
		for _, part := range n[1:] {
			if out.empty() {
				break
			}
			out.and(t.eval(part, now))
		}
		return out
	case or:
		out := t.eval(n[0], now)
		for _, part := range n[1:] {
			out.or(t.eval(part, now))
		}
		return out
	case not:
		out := t.eval(n.of, now)
		out.not(t.live)
		return out
	}
	return t.evalLeaf(n.(*leaf), now)
}

func (t *table) evalLeaf(l *leaf, now time.Time) bitset {
	out := newBitset(t.size())
	switch {
	case l.how == near || l.how == box:
		t.inArea(&l.area, out)
	case l.how == anything && (l.field == "" || l.field == idField):
		copy(out, t.live)
	case l.field == idField:
		t.answerIDs(l, out)
	case l.field != "":
		if c := t.queried(l.field); c != nil {
			t.answer(c, []leaf{*l}, now, out)
		}
	default:
		for _, c := range t.columns {
			t.answer(c, []leaf{*l}, now, out)
		}
		t.answerIDs(l, out)
	}
	return out
}

// queried finds the field that a query names; tag:x may ask the field tags.
func (t *table) queried(name string) *column {
	c := t.column(name)
	if c == nil && strings.EqualFold(name, "tag") {
		c = t.column("tags")
	}
	return c
}

// answer adds the slots whose value in the column fits one of the leaves.
func (t *table) answer(c *column, leaves []leaf, now time.Time, out bitset) {
	var set bitset
	for i := range leaves {
		l := &leaves[i]
		if l.how == anything {
			c.present(out)
			continue
		}
		if key := l.a.truth; key != 0 && c.truths != nil && l.field != "" && !l.prefix && (l.how == holds || l.how == equal) {
			c.truths.between(key, key, out)
		}
		if c.numbers != nil {
			if from, to, ok := l.numberRange(); ok {
				c.numbers.between(from, to, out)
			}
		}
		if c.times != nil && l.field != "" {
			if from, to, ok := l.timeRange(now); ok {
				c.times.between(from, to, out)
			}
		}
		if c.texts != nil {
			if set == nil {
				set = newBitset(len(c.texts.values))
			}
			t.matchTexts(c.texts, l, set)
		}
	}
	if !set.empty() {
		c.texts.collect(set, out)
	}
}
