package search

import "hash/maphash"

// names finds the number of a text among numbered texts that its owner keeps; a map would keep them a second time.
// Open addressing, linear probing, at most three quarters full. Numbers start at 1.
type names struct {
	cells []cell
	used  int
}

// cell is a hash, to tell most texts apart without reading them, and a number; number 0 is an empty cell.
type cell struct{ hash, n uint32 }

var seed = maphash.MakeSeed()

func hashOf(s string) uint32 { return uint32(maphash.String(seed, s)) }

// find returns the number of s, 0 when it has none. text gives the text of a number.
func (t *names) find(s string, text func(uint32) string) uint32 {
	if len(t.cells) == 0 {
		return 0
	}
	hash, mask := hashOf(s), uint32(len(t.cells)-1)
	for i := hash & mask; ; i = (i + 1) & mask {
		c := t.cells[i]
		if c.n == 0 || c.hash == hash && text(c.n) == s {
			return c.n
		}
	}
}

// add puts in a number whose text s is not in yet.
func (t *names) add(s string, n uint32) {
	if t.used >= len(t.cells)*3/4 {
		old := t.cells
		t.cells = make([]cell, max(8, 2*len(old)))
		for _, c := range old {
			if c.n != 0 {
				t.place(c)
			}
		}
	}
	t.place(cell{hashOf(s), n})
	t.used++
}

func (t *names) place(c cell) {
	mask := uint32(len(t.cells) - 1)
	i := c.hash & mask
	for t.cells[i].n != 0 {
		i = (i + 1) & mask
	}
	t.cells[i] = c
}

// remove takes out number n with text s, which is in. What was pushed past its cell moves back.
func (t *names) remove(s string, n uint32) {
	mask := uint32(len(t.cells) - 1)
	hole := hashOf(s) & mask
	for t.cells[hole].n != n {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.cells[i].n != 0; i = (i + 1) & mask {
		home := t.cells[i].hash & mask
		if (i-home)&mask >= (i-hole)&mask {
			t.cells[hole] = t.cells[i]
			hole = i
		}
	}
	t.cells[hole] = cell{}
	t.used--
}
