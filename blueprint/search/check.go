package search

import (
	"fmt"
	"maps"
	"slices"
)

// Check looks for damage in the index itself: that every document, value, word and order agree. It takes a second for
// some hundred thousand documents and holds up writers meanwhile. An error means a bug in this package.
func (x *Index) Check() error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, kind := range slices.Sorted(maps.Keys(x.tables)) {
		t := x.tables[kind]
		t.lazy.Lock()
		err := t.check()
		t.lazy.Unlock()
		if err != nil {
			return fmt.Errorf("search index of %s: %w", kind, err)
		}
	}
	return nil
}

func (t *table) check() error {
	if n := t.live.count(); n != t.count || t.byID.used != t.count || len(t.ids) != t.count+len(t.free) {
		return fmt.Errorf("%d documents are counted, %d alive, %d by id, in %d slots of which %d are free", t.count, n, t.byID.used, len(t.ids), len(t.free))
	}
	for i, id := range t.ids {
		slot, known := t.slot(id)
		if alive := t.live.has(uint32(i)); alive != (id != "") || alive && (!known || int(slot) != i) {
			return fmt.Errorf("slot %d with id %q does not agree with what is alive or the ids", i, id)
		}
	}
	if err := checkOrder(t.inOrder(), t, t.count); err != nil {
		return err
	}
	if err := checkOrder(t.idOrder.tidy(idOrder{t}), idOrder{t}, t.count); err != nil {
		return fmt.Errorf("by id: %w", err)
	}
	for _, c := range t.columns {
		if err := t.checkColumn(c); err != nil {
			return fmt.Errorf("field %s: %w", c.name, err)
		}
	}
	return nil
}

func (t *table) checkColumn(c *column) error {
	have, parts := newBitset(t.size()), 0
	for _, p := range c.numeric() {
		n, err := t.checkPart(p.of.present, p.order.tidy(numberOrder{t, p}), numberOrder{t, p})
		if err != nil {
			return err
		}
		parts += n
	}
	if c.texts != nil {
		o := textOrder{t, c.texts}
		n, err := t.checkPart(c.texts.of.present, c.texts.order.tidy(o), o)
		if err != nil {
			return err
		}
		parts += n
		if err := c.texts.check(); err != nil {
			return err
		}
	}
	if c.present(have); have.count() != parts {
		return fmt.Errorf("%d values belong to %d documents", parts, have.count())
	}
	return nil
}

// checkPart returns how many slots have a value.
func (t *table) checkPart(present func(bitset), sorted []uint32, s sorting) (int, error) {
	have := newBitset(t.size())
	present(have)
	n := have.count()
	if have.and(t.live); have.count() != n {
		return n, fmt.Errorf("%d slots without a document have a value", n-have.count())
	}
	return n, checkOrder(sorted, s, n)
}

func checkOrder(sorted []uint32, s sorting, count int) error {
	if len(sorted) != count {
		return fmt.Errorf("%d are in order and %d have a value", len(sorted), count)
	}
	for i, slot := range sorted {
		if !s.member(slot) {
			return fmt.Errorf("slot %d is in order and has no value", slot)
		}
		if i > 0 && s.compare(sorted[i-1], slot) >= 0 {
			return fmt.Errorf("slots %d and %d are not in order", sorted[i-1], slot)
		}
	}
	return nil
}

// check compares the dictionary with the references to it, and the words with the texts.
func (p *texts) check() error {
	refs := make([]uint32, len(p.values))
	for _, page := range p.of {
		if page != nil {
			for _, n := range page {
				refs[n]++
			}
		}
	}
	for _, items := range p.lists {
		for _, n := range items {
			refs[n]++
		}
	}
	used, wordsWanted := 0, map[string]map[uint32]bool{}
	for n := 1; n < len(p.values); n++ {
		v := &p.values[n]
		if v.refs != refs[n] {
			return fmt.Errorf("value %q is counted %d times and used %d times", v.raw, v.refs, refs[n])
		}
		if v.refs == 0 {
			continue
		}
		used++
		if p.byRaw.find(v.raw, p.raw) != uint32(n) || v.folded != fold(v.raw) || isList(v.raw) != (p.lists[uint32(n)] != nil) {
			return fmt.Errorf("value %q cannot be found", v.raw)
		}
		if isList(v.raw) {
			continue
		}
		for _, w := range words(v.folded) {
			if wordsWanted[w] == nil {
				wordsWanted[w] = map[uint32]bool{}
			}
			wordsWanted[w][uint32(n)] = true
		}
	}
	if used != p.byRaw.used || used+len(p.free) != max(len(p.values), 1)-1 {
		return fmt.Errorf("%d values are used, %d can be found and %d are free of %d", used, p.byRaw.used, len(p.free), len(p.values)-1)
	}
	return p.terms.check(wordsWanted)
}

func (t *terms) check(wanted map[string]map[uint32]bool) error {
	t.tidy()
	if len(t.sorted) != t.byText.used || t.byText.used != len(wanted)+t.empty {
		return fmt.Errorf("%d words are sorted, %d can be found, %d are wanted and %d are without values", len(t.sorted), t.byText.used, len(wanted), t.empty)
	}
	for i, n := range t.sorted {
		e := &t.list[n]
		if i > 0 && t.compare(t.sorted[i-1], n) >= 0 || t.byText.find(e.text, t.text) != n {
			return fmt.Errorf("word %q is not in order or cannot be found", e.text)
		}
		var buf [1]uint32
		in := e.in(&buf)
		if !slices.IsSorted(in) || len(in) != len(wanted[e.text]) {
			return fmt.Errorf("word %q is in %d values and should be in %d", e.text, len(in), len(wanted[e.text]))
		}
		for _, v := range in {
			if !wanted[e.text][v] {
				return fmt.Errorf("word %q is not in value %d", e.text, v)
			}
		}
	}
	return nil
}
