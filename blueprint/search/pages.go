package search

const (
	pageSlots = 1024
	pageWords = pageSlots / 64
)

// pages holds one T for each slot, the zero T meaning none. A page exists once something was set in it, so a field that
// few documents have costs little.
type pages[T comparable] []*[pageSlots]T

func (p pages[T]) at(slot uint32) T {
	if i := slot / pageSlots; int(i) < len(p) && p[i] != nil {
		return p[i][slot%pageSlots]
	}
	var none T
	return none
}

func (p *pages[T]) set(slot uint32, v T) {
	i := int(slot / pageSlots)
	for len(*p) <= i {
		*p = append(*p, nil)
	}
	if (*p)[i] == nil {
		(*p)[i] = new([pageSlots]T)
	}
	(*p)[i][slot%pageSlots] = v
}

// present adds the slots that have something.
func (p pages[T]) present(out bitset) {
	var none T
	for i, page := range p {
		if page == nil {
			continue
		}
		for w := range pageWords {
			var word uint64
			for j, v := range page[w*64 : w*64+64] {
				if v != none {
					word |= 1 << j
				}
			}
			out[i*pageWords+w] |= word
		}
	}
}
