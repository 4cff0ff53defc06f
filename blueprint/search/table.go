package search

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// table holds the documents of one kind, by columns. A document has a slot, a small number that is used again after it
// is deleted. Nothing that a search answers depends on slots.
type table struct {
	ids     []string // by slot, "" for a free one
	ordinal []int64  // Doc.Order, by slot
	free    []uint32
	byID    names // slot + 1
	live    bitset
	count   int
	columns []*column // by name
	geo     pages[point]
	hasGeo  bool

	// What readers mend on their way; writers have the index to themselves.
	lazy    sync.Mutex
	order   order
	idOrder order
}

// point is where a document is; the zero point is nowhere.
type point struct {
	lat, lon float64
	known    bool
}

// size is the number of slots, a whole number of pages so that every bitset is as long.
func (t *table) size() int { return len(t.live) * 64 }

func (t *table) idOf(n uint32) string { return t.ids[n-1] }

func (t *table) slot(id string) (uint32, bool) {
	n := t.byID.find(id, t.idOf)
	return n - 1, n != 0
}

func (t *table) take(id string, ordinal int64) uint32 {
	var slot uint32
	if last := len(t.free) - 1; last >= 0 {
		slot, t.free = t.free[last], t.free[:last]
		t.ids[slot], t.ordinal[slot] = id, ordinal
	} else {
		slot = uint32(len(t.ids))
		t.ids, t.ordinal = append(t.ids, id), append(t.ordinal, ordinal)
		if int(slot) == t.size() {
			t.live = append(t.live, make(bitset, pageWords)...)
		}
	}
	t.byID.add(id, slot+1)
	t.live.add(slot)
	t.count++
	t.order.touch(slot)
	t.idOrder.touch(slot)
	return slot
}

func (t *table) drop(slot uint32) {
	for _, c := range t.columns {
		c.set(slot, nil)
	}
	t.place(slot, point{})
	t.byID.remove(t.ids[slot], slot+1)
	t.ids[slot] = ""
	t.live.remove(slot)
	t.count--
	t.free = append(t.free, slot)
	t.order.touch(slot)
	t.idOrder.touch(slot)
}

func (t *table) put(d Doc) {
	slot, known := t.slot(d.ID)
	if known && t.ordinal[slot] != d.Order {
		t.drop(slot)
		known = false
	}
	if !known {
		slot = t.take(d.ID, d.Order)
	}
	found := 0
	for _, c := range t.columns {
		v, ok := d.Fields[c.name]
		if ok {
			found++
		}
		c.set(slot, v)
	}
	if found < len(d.Fields) {
		for name, v := range d.Fields {
			if v != nil {
				t.makeColumn(name).set(slot, v)
			}
		}
	}
	t.place(slot, point{d.Lat, d.Lon, d.HasGeo})
}

func (t *table) place(slot uint32, p point) {
	if !p.known {
		p = point{}
	}
	if t.hasGeo = t.hasGeo || p.known; t.hasGeo && t.geo.at(slot) != p {
		t.geo.set(slot, p)
	}
}

// column finds a field by its name, or else by its name in another letter case; nil when no document ever had it.
func (t *table) column(name string) *column {
	at, found := slices.BinarySearchFunc(t.columns, name, compareName)
	if found {
		return t.columns[at]
	}
	for _, c := range t.columns {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

func (t *table) makeColumn(name string) *column {
	at, found := slices.BinarySearchFunc(t.columns, name, compareName)
	if !found {
		t.columns = slices.Insert(t.columns, at, &column{name: name})
	}
	return t.columns[at]
}

func compareName(c *column, name string) int { return strings.Compare(c.name, name) }

// compare is the order of the table: Doc.Order, then id.
func (t *table) compare(a, b uint32) int {
	return cmp.Or(cmp.Compare(t.ordinal[a], t.ordinal[b]), strings.Compare(t.ids[a], t.ids[b]))
}

func (t *table) member(slot uint32) bool { return t.live.has(slot) }

func (t *table) inOrder() []uint32 { return t.order.tidy(t) }

func (t *table) build() []uint32 {
	all := make([]keyed, 0, t.count)
	t.live.each(func(slot uint32) { all = append(all, keyed{timeKey(t.ordinal[slot]), slot}) })
	sortKeyed(all)
	for begin := 0; begin < len(all); {
		end := begin + 1
		for end < len(all) && all[end].key == all[begin].key {
			end++
		}
		if end-begin > 1 {
			sortTexts(all[begin:end], func(slot uint32) []byte { return bytesOf(t.ids[slot]) }, t.compare)
		}
		begin = end
	}
	return slotsOf(all)
}

// idOrder sorts a table by id.
type idOrder struct{ *table }

func (o idOrder) compare(a, b uint32) int { return strings.Compare(o.ids[a], o.ids[b]) }

func (o idOrder) build() []uint32 {
	all := make([]keyed, 0, o.count)
	o.live.each(func(slot uint32) { all = append(all, keyed{n: slot}) })
	sortTexts(all, func(slot uint32) []byte { return bytesOf(o.ids[slot]) }, o.compare)
	return slotsOf(all)
}
