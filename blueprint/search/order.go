package search

import (
	"bytes"
	"slices"
	"unsafe"
)

// order keeps the slots that have a value in a column, or all slots of a table, sorted; made at the first use and mended
// at the next use after changes. Writers call touch under the index's lock; readers call tidy under the table's.
type order struct {
	slots []uint32
	built bool
	dirty []uint32 // slots that changed since; may repeat
}

// touch notes that the slot's value changed, came or went.
func (o *order) touch(slot uint32) {
	if !o.built {
		return
	}
	if o.dirty = append(o.dirty, slot); len(o.dirty) > 1024+len(o.slots)/32 {
		*o = order{} // sorting anew is cheaper than so many insertions
	}
}

// sorting tells order how its slots are sorted.
type sorting interface {
	size() int               // slots there are, with a value or not
	build() []uint32         // all, sorted
	member(slot uint32) bool // whether the slot belongs in
	compare(a, b uint32) int // of two members, total
}

// tidy returns the slots in order. The slice is the order's own.
func (o *order) tidy(s sorting) []uint32 {
	switch {
	case !o.built:
		o.slots, o.built = s.build(), true
	case len(o.dirty) > 0:
		o.mend(s)
	}
	return o.slots
}

func (o *order) mend(s sorting) {
	slices.Sort(o.dirty)
	dirty := slices.Compact(o.dirty)
	gone := newBitset(s.size())
	for _, slot := range dirty {
		gone.add(slot)
	}
	kept := slices.DeleteFunc(o.slots, gone.has)
	fresh := slices.DeleteFunc(dirty, func(slot uint32) bool { return !s.member(slot) })
	slices.SortFunc(fresh, s.compare)
	o.slots, o.dirty = insertSorted(kept, fresh, s.compare), nil
}

// insertSorted merges few fresh into many, both sorted, by binary search and block moves from the end.
func insertSorted(many, fresh []uint32, compare func(a, b uint32) int) []uint32 {
	end := len(many)
	out := slices.Grow(many, len(fresh))[:len(many)+len(fresh)]
	for i := len(fresh) - 1; i >= 0; i-- {
		at, _ := slices.BinarySearchFunc(out[:end], fresh[i], compare)
		copy(out[at+i+1:], out[at:end])
		out[at+i] = fresh[i]
		end = at
	}
	return out
}

// keyed is a slot, or the number of a value, and the key it is sorted by.
type keyed struct {
	key uint64
	n   uint32
}

// sortKeyed sorts by key and keeps the order of equals. A byte that is the same in all keys costs one look.
func sortKeyed(a []keyed) {
	if len(a) < 256 {
		slices.SortStableFunc(a, func(x, y keyed) int {
			switch {
			case x.key < y.key:
				return -1
			case x.key > y.key:
				return 1
			}
			return 0
		})
		return
	}
	var differ uint64
	for _, k := range a {
		differ |= k.key ^ a[0].key
	}
	from, to := a, make([]keyed, len(a))
	for shift := 0; shift < 64; shift += 8 {
		if differ>>shift&0xff == 0 {
			continue
		}
		var starts [256]int
		for _, k := range from {
			starts[k.key>>shift&0xff]++
		}
		sum := 0
		for i, n := range starts {
			starts[i] = sum
			sum += n
		}
		for _, k := range from {
			at := &starts[k.key>>shift&0xff]
			to[*at] = k
			*at++
		}
		from, to = to, from
	}
	if len(a) > 0 && &from[0] != &a[0] {
		copy(a, from)
	}
}

// sortTexts sorts numbers by their texts, and those whose texts are equal by tie. Texts are compared eight bytes at a
// time, as machine words, and read again only where they agree so far.
func sortTexts(a []keyed, text func(n uint32) []byte, tie func(x, y uint32) int) {
	s := textSort{text, tie}
	s.from(a, 0)
}

type textSort struct {
	text func(n uint32) []byte
	tie  func(x, y uint32) int
}

func (s *textSort) from(a []keyed, depth int) {
	if len(a) < 16 {
		slices.SortFunc(a, func(x, y keyed) int {
			if c := bytes.Compare(s.text(x.n), s.text(y.n)); c != 0 {
				return c
			}
			return s.tie(x.n, y.n)
		})
		return
	}
	for i := range a {
		a[i].key = chunk(s.text(a[i].n), depth)
	}
	sortKeyed(a)
	for begin := 0; begin < len(a); {
		end := begin + 1
		for end < len(a) && a[end].key == a[begin].key {
			end++
		}
		if end-begin > 1 {
			s.ties(a[begin:end], depth+8)
		}
		begin = end
	}
}

func (s *textSort) ties(a []keyed, depth int) {
	for _, k := range a {
		if len(s.text(k.n)) > depth {
			s.from(a, depth)
			return
		}
	}
	// The texts are at an end; zeros that they end with look like the filling of shorter ones.
	slices.SortFunc(a, func(x, y keyed) int {
		if c := len(s.text(x.n)) - len(s.text(y.n)); c != 0 {
			return c
		}
		return s.tie(x.n, y.n)
	})
}

// bytesOf lends the bytes of a text; nobody may write to them.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// chunk is the eight bytes of s from depth on as a number that compares as they do; a text that ends is filled up.
func chunk(s []byte, depth int) uint64 {
	var key uint64
	if len(s) >= depth+8 {
		s = s[depth : depth+8]
		return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 | uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
	}
	for i := depth; i < depth+8; i++ {
		key <<= 8
		if i < len(s) {
			key |= uint64(s[i])
		}
	}
	return key
}
