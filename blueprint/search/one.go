package search

import (
	"slices"
	"strings"
	"time"
)

// Matches reports whether one document passes a query: membership of a group that a saved search describes. It looks at
// this document's values only, some microseconds however many others there are; a test holds its answers to Search.
func (x *Index) Matches(kind, id string, q *Query, now time.Time) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	t, slot, ok := x.find(kind, id)
	return ok && (q == nil || q.root == nil || t.passes(slot, q.root, now))
}

// Ages reports whether what a query finds changes as time goes by: it asks how long ago something was.
func (q *Query) Ages() bool {
	return q != nil && slices.ContainsFunc(q.leaves, func(l *leaf) bool { return l.field != "" && (l.a.age != 0 || l.b.age != 0) })
}

// passes is eval for one document.
func (t *table) passes(slot uint32, n node, now time.Time) bool {
	switch n := n.(type) {
	case and:
		return !slices.ContainsFunc(n, func(part node) bool { return !t.passes(slot, part, now) })
	case or:
		return slices.ContainsFunc(n, func(part node) bool { return t.passes(slot, part, now) })
	case not:
		return !t.passes(slot, n.of, now)
	}
	l := n.(*leaf)
	switch {
	case l.how == near || l.how == box:
		p := t.geo.at(slot)
		return p.known && l.area.holds(p)
	case l.how == anything && (l.field == "" || l.field == idField):
		return true
	case l.field == idField:
		return l.fitsID(t.ids[slot])
	case l.field != "":
		c := t.queried(l.field)
		return c != nil && c.fits(slot, l, now)
	}
	return l.fitsID(t.ids[slot]) || slices.ContainsFunc(t.columns, func(c *column) bool { return c.fits(slot, l, now) })
}

// fits is answer for one document.
func (c *column) fits(slot uint32, l *leaf, now time.Time) bool {
	if key := c.truths.key(slot); key != 0 {
		return l.how == anything || key == l.a.truth && l.field != "" && !l.prefix && (l.how == holds || l.how == equal)
	}
	if key := c.numbers.key(slot); key != 0 {
		from, to, ok := l.numberRange()
		return l.how == anything || ok && from <= key && key <= to
	}
	if key := c.times.key(slot); key != 0 {
		if l.how == anything || l.field == "" {
			return l.how == anything
		}
		from, to, ok := l.timeRange(now)
		return ok && from <= key && key <= to
	}
	if c.texts == nil || c.texts.of.at(slot) == 0 {
		return false
	}
	n := c.texts.of.at(slot)
	if items, isList := c.texts.lists[n]; isList && l.how != anything {
		return slices.ContainsFunc(items, func(n uint32) bool { return l.fitsText(&c.texts.values[n]) })
	}
	return l.how == anything || l.fitsText(&c.texts.values[n])
}

// fitsText is matchTexts for one value that is not a list.
func (l *leaf) fitsText(v *value) bool {
	switch l.how {
	case holds:
		if len(l.a.words) > 0 {
			return holdsPhrase(v.folded, l.a.words, l.prefix)
		}
		return strings.Contains(v.folded, l.a.folded)
	case contains:
		return strings.Contains(v.folded, l.a.folded)
	case equal:
		return v.raw == l.a.text
	}
	var buf [256]byte
	return l.a.age == 0 && l.fits(appendNatural(buf[:0], v.folded))
}
