package search

import (
	"slices"
	"strings"
)

// terms is the dictionary of the words in a column's texts: each word with the values it is in, and all words sorted so
// that those with a common beginning lie together.
type terms struct {
	list   []term // by number, from 1
	free   []uint32
	byText names

	// All terms of byText, for readers under the table's lazy lock.
	sorted []uint32 // by text; may hold terms without values
	fresh  []uint32 // made since
	empty  int      // terms without values, kept until there are many
}

// term is one word. Most are in one value only, so a list is made for the second.
type term struct {
	text string
	one  uint32    // the value when many is nil, 0 for none
	many *[]uint32 // values, ascending
}

// in returns the values the word is in, ascending.
func (t *term) in(buf *[1]uint32) []uint32 {
	switch {
	case t.many != nil:
		return *t.many
	case t.one != 0:
		buf[0] = t.one
		return buf[:]
	}
	return nil
}

func (t *terms) text(n uint32) string { return t.list[n].text }

// add notes that a word is in a value; saying it again changes nothing.
func (t *terms) add(word string, value uint32) {
	n := t.byText.find(word, t.text)
	if n == 0 {
		t.make(word, value)
		return
	}
	e := &t.list[n]
	switch {
	case e.many == nil && e.one == value:
	case e.many == nil && e.one == 0:
		e.one = value
		t.empty--
	case e.many == nil:
		e.many = &[]uint32{min(e.one, value), max(e.one, value)}
		e.one = 0
	default:
		list := *e.many
		if list[len(list)-1] < value {
			*e.many = append(list, value)
		} else if at, found := slices.BinarySearch(list, value); !found {
			*e.many = slices.Insert(list, at, value)
		}
	}
}

func (t *terms) make(word string, value uint32) {
	if len(t.list) == 0 {
		t.list = make([]term, 1, 8)
	}
	n := uint32(len(t.list))
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
	} else {
		t.list = append(t.list, term{})
	}
	t.list[n] = term{text: word, one: value}
	t.byText.add(word, n)
	t.fresh = append(t.fresh, n)
}

// remove notes that a word is no longer in a value; saying it again changes nothing.
func (t *terms) remove(word string, value uint32) {
	e := &t.list[t.byText.find(word, t.text)]
	if e.many == nil {
		if e.one == value {
			e.one = 0
			t.empty++
		}
		return
	}
	at, found := slices.BinarySearch(*e.many, value)
	if !found {
		return
	}
	*e.many = slices.Delete(*e.many, at, at+1)
	if len(*e.many) == 1 {
		e.one, e.many = (*e.many)[0], nil
	}
}

// sweep frees the terms without values once they are many. For writers.
func (t *terms) sweep() {
	if t.empty < 1024 || t.empty < len(t.list)/4 {
		return
	}
	t.sorted = slices.DeleteFunc(t.sorted, t.isEmpty)
	t.fresh = slices.DeleteFunc(t.fresh, t.isEmpty)
	for n := uint32(1); int(n) < len(t.list); n++ {
		if e := &t.list[n]; e.text != "" && t.isEmpty(n) {
			t.byText.remove(e.text, n)
			*e = term{}
			t.free = append(t.free, n)
		}
	}
	t.empty = 0
}

func (t *terms) isEmpty(n uint32) bool { return t.list[n].one == 0 && t.list[n].many == nil }

func (t *terms) compare(a, b uint32) int { return strings.Compare(t.list[a].text, t.list[b].text) }

// tidy brings sorted up to date; under the table's lazy lock.
func (t *terms) tidy() {
	if len(t.fresh) == 0 {
		return
	}
	if len(t.fresh) > 256+len(t.sorted)/32 {
		all := make([]keyed, 0, len(t.sorted)+len(t.fresh))
		for _, n := range append(t.sorted, t.fresh...) {
			all = append(all, keyed{n: n})
		}
		sortTexts(all, func(n uint32) []byte { return bytesOf(t.list[n].text) }, t.compare)
		t.sorted = slotsOf(all)
	} else {
		slices.SortFunc(t.fresh, t.compare)
		t.sorted = insertSorted(t.sorted, t.fresh, t.compare)
	}
	t.fresh = nil
}

// beginning calls fn with every term that begins so; tidy comes first.
func (t *terms) beginning(prefix string, fn func(*term)) {
	at, _ := slices.BinarySearchFunc(t.sorted, prefix, func(n uint32, p string) int { return strings.Compare(t.list[n].text, p) })
	for _, n := range t.sorted[at:] {
		if !strings.HasPrefix(t.list[n].text, prefix) {
			return
		}
		fn(&t.list[n])
	}
}
