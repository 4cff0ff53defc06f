package search

import "math/bits"

// bitset is a set of small numbers: slots of a table, or values of a column. Sets that are combined have the same length.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) has(n uint32) bool { return b[n>>6]>>(n&63)&1 != 0 }
func (b bitset) add(n uint32)      { b[n>>6] |= 1 << (n & 63) }
func (b bitset) remove(n uint32)   { b[n>>6] &^= 1 << (n & 63) }

func (b bitset) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

func (b bitset) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

func (b bitset) and(c bitset) {
	for i := range b {
		b[i] &= c[i]
	}
}

func (b bitset) or(c bitset) {
	for i := range b {
		b[i] |= c[i]
	}
}

// not turns b into what of all is not in b.
func (b bitset) not(all bitset) {
	for i := range b {
		b[i] = all[i] &^ b[i]
	}
}

// each calls fn with every member, ascending.
func (b bitset) each(fn func(n uint32)) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			fn(uint32(i<<6 + bits.TrailingZeros64(w)))
		}
	}
}
