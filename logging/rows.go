package logging

import (
	"iter"
	"math/bits"
)

// rowSet is a set of a chunk's rows, a bit each. nil is the empty set. Sets are shared: only their maker changes one.
type rowSet []uint64

func newRowSet(rows int) rowSet { return make(rowSet, (rows+63)/64) }

// allRows returns the set of rows 0 to n-1.
func allRows(n int) rowSet {
	s := newRowSet(n)
	for i := range s {
		s[i] = ^uint64(0)
	}
	if n%64 != 0 {
		s[len(s)-1] = 1<<(n%64) - 1
	}
	return s
}

func (s rowSet) set(row int)      { s[row/64] |= 1 << (row % 64) }
func (s rowSet) has(row int) bool { return len(s) > 0 && s[row/64]&(1<<(row%64)) != 0 }

func (s rowSet) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s rowSet) and(other rowSet) rowSet {
	if s == nil || other == nil {
		return nil
	}
	both := make(rowSet, len(s))
	var any uint64
	for i := range s {
		both[i] = s[i] & other[i]
		any |= both[i]
	}
	if any == 0 {
		return nil
	}
	return both
}

func (s rowSet) or(other rowSet) rowSet {
	if s == nil {
		return other
	}
	if other == nil {
		return s
	}
	either := make(rowSet, len(s))
	for i := range s {
		either[i] = s[i] | other[i]
	}
	return either
}

// without returns the rows of s that are not in other.
func (s rowSet) without(other rowSet) rowSet {
	if s == nil || other == nil {
		return s
	}
	rest := make(rowSet, len(s))
	for i := range s {
		rest[i] = s[i] &^ other[i]
	}
	return rest
}

// each yields the rows in [from, to), ascending.
func (s rowSet) each(from, to int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := from / 64; i < len(s) && i*64 < to; i++ {
			for w := s[i]; w != 0; w &= w - 1 {
				row := i*64 + bits.TrailingZeros64(w)
				if row < from {
					continue
				}
				if row >= to || !yield(row) {
					return
				}
			}
		}
	}
}

// anyIn reports whether a row of [from, to) is in s.
func (s rowSet) anyIn(from, to int) bool {
	for range s.each(from, to) {
		return true
	}
	return false
}
