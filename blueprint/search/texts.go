package search

import (
	"bytes"
	"slices"
	"strings"
)

// texts is the part of a column that holds texts and lists of texts. Each different value is stored once and has a
// number; documents refer to it. A question is answered on the values first and then by one pass over the references.
type texts struct {
	of     pages[uint32] // slot → number of its value
	values []value       // by number, from 1
	free   []uint32
	byRaw  names
	terms  terms
	lists  map[uint32][]uint32 // the different items of each value that is a list
	order  order
}

type value struct {
	raw    string // as given; of a list, listKey
	folded string
	refs   uint32 // slots and lists that have it
}

// listKey is what stands for a list among the values: no text begins so.
func listKey(items []string) string { return "\x00" + strings.Join(items, "\x00") }

func isList(raw string) bool { return raw[0] == 0 }

func (p *texts) raw(n uint32) string { return p.values[n].raw }

// set gives the slot a value; "" is none.
func (p *texts) set(slot uint32, raw string) {
	old := p.of.at(slot)
	if old == 0 && raw == "" || old != 0 && p.values[old].raw == raw {
		return
	}
	var n uint32
	if raw != "" {
		n = p.hold(raw)
	}
	p.of.set(slot, n)
	p.order.touch(slot)
	if old != 0 {
		p.release(old)
	}
}

// hold returns the number of a value and counts the new holder.
func (p *texts) hold(raw string) uint32 {
	n := p.byRaw.find(raw, p.raw)
	if n == 0 {
		n = p.add(raw)
	}
	p.values[n].refs++
	return n
}

func (p *texts) add(raw string) uint32 {
	if len(p.values) == 0 {
		p.values = make([]value, 1, 8)
	}
	n := uint32(len(p.values))
	if last := len(p.free) - 1; last >= 0 {
		n, p.free = p.free[last], p.free[:last]
	} else {
		p.values = append(p.values, value{})
	}
	folded := fold(raw)
	p.values[n] = value{raw: raw, folded: folded}
	p.byRaw.add(raw, n)
	if isList(raw) {
		p.addItems(n, raw)
		return n
	}
	for at := 0; ; {
		begin, end, ok := nextWord(folded, at)
		if !ok {
			return n
		}
		p.terms.add(folded[begin:end], n)
		at = end
	}
}

func (p *texts) addItems(n uint32, raw string) {
	if p.lists == nil {
		p.lists = map[uint32][]uint32{}
	}
	var items []uint32
	for item := range strings.SplitSeq(raw[1:], "\x00") {
		if m := p.hold(item); slices.Contains(items, m) {
			p.values[m].refs--
		} else {
			items = append(items, m)
		}
	}
	p.lists[n] = items
}

func (p *texts) release(n uint32) {
	v := &p.values[n]
	if v.refs--; v.refs > 0 {
		return
	}
	items := p.lists[n]
	if items != nil {
		delete(p.lists, n)
	} else {
		for at := 0; ; {
			begin, end, ok := nextWord(v.folded, at)
			if !ok {
				break
			}
			p.terms.remove(v.folded[begin:end], n)
			at = end
		}
		p.terms.sweep()
	}
	p.byRaw.remove(v.raw, n)
	*v = value{}
	p.free = append(p.free, n)
	for _, m := range items {
		p.release(m)
	}
}

// collect adds the slots whose value is in the set, or is a list with an item in it.
func (p *texts) collect(set bitset, out bitset) {
	for n, items := range p.lists {
		if slices.ContainsFunc(items, set.has) {
			set.add(n)
		}
	}
	for i, page := range p.of {
		if page == nil {
			continue
		}
		for w := range pageWords {
			var word uint64
			for j, n := range page[w*64 : w*64+64] {
				word |= (set[n>>6] >> (n & 63) & 1) << j
			}
			out[i*pageWords+w] |= word
		}
	}
}

// each calls fn with every value in use that is not a list.
func (p *texts) each(fn func(n uint32, v *value)) {
	for n := 1; n < len(p.values); n++ {
		if v := &p.values[n]; v.refs > 0 && !isList(v.raw) {
			fn(uint32(n), v)
		}
	}
}

// textOrder sorts the slots of a part of texts.
type textOrder struct {
	t *table
	p *texts
}

func (o textOrder) size() int               { return o.t.size() }
func (o textOrder) member(slot uint32) bool { return o.p.of.at(slot) != 0 }

func (o textOrder) compare(a, b uint32) int {
	x, y := o.p.of.at(a), o.p.of.at(b)
	if x == y {
		return o.t.compare(a, b)
	}
	var xs, ys [128]byte
	if c := bytes.Compare(appendNatural(xs[:0], o.p.values[x].folded), appendNatural(ys[:0], o.p.values[y].folded)); c != 0 {
		return c
	}
	return o.compareRaw(x, y)
}

// compareRaw decides between values that only differ in what the natural order does not see.
func (o textOrder) compareRaw(x, y uint32) int {
	return strings.Compare(o.p.values[x].raw, o.p.values[y].raw)
}

// build sorts the values and then counts the slots into their places.
func (o textOrder) build() []uint32 {
	count, size := 0, 0
	for i := range o.p.values {
		if v := &o.p.values[i]; v.refs > 0 {
			count, size = count+1, size+len(v.folded)+8
		}
	}
	all, arena := make([]keyed, 0, count), make([]byte, 0, size)
	begins := make([]int, len(o.p.values)+1)
	for n := range o.p.values {
		begins[n] = len(arena)
		if v := &o.p.values[n]; v.refs > 0 {
			arena = appendNatural(arena, v.folded)
			all = append(all, keyed{n: uint32(n)})
		}
	}
	begins[len(o.p.values)] = len(arena)
	sortTexts(all, func(n uint32) []byte { return arena[begins[n]:begins[n+1]] }, o.compareRaw)

	return o.place(all)
}

// place returns the slots by their values, which are sorted; those with the same value in the order of the table.
func (o textOrder) place(values []keyed) []uint32 {
	counts := make([]uint32, len(o.p.values))
	slots := o.t.inOrder()
	for _, slot := range slots {
		counts[o.p.of.at(slot)]++
	}
	next, sum := counts, uint32(0) // where the next slot with a value goes
	for _, v := range values {
		next[v.n], sum = sum, sum+counts[v.n]
	}
	out := make([]uint32, sum)
	for _, slot := range slots {
		if n := o.p.of.at(slot); n != 0 {
			out[next[n]] = slot
			next[n]++
		}
	}
	return out
}
