package broker

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGrowBufKeepsBytes(t *testing.T) {
	for _, sizes := range [][]int{{1, smallBuf}, {smallBuf, 1}, {middleBuf, 1}, {largeBuf, 1}, {largeBuf + 1, largeBuf}, {0, 1}} {
		b := getBuf(sizes[0])
		if len(b) != 0 || cap(b) < sizes[0] {
			t.Fatalf("getBuf(%d): len %d cap %d", sizes[0], len(b), cap(b))
		}
		b = append(b, bytes.Repeat([]byte{7}, sizes[0])...)
		g := growBuf(b, sizes[1])
		if len(g) != sizes[0] || cap(g)-len(g) < sizes[1] || bytes.Count(g, []byte{7}) != sizes[0] {
			t.Errorf("growBuf(%d bytes, %d): len %d cap %d", sizes[0], sizes[1], len(g), cap(g))
		}
		putBuf(g)
	}
}

// A buffer that grew to be large is doubled, not extended by every packet.
func TestGrowBufIsAmortised(t *testing.T) {
	b := getBuf(largeBuf)
	grown := 0
	for range 20 * largeBuf / 100 {
		was := cap(b)
		b = append(growBuf(b, 100), make([]byte, 100)...)
		if cap(b) != was {
			grown++
		}
	}
	if grown > 8 {
		t.Errorf("grew %d times", grown)
	}
}

// fifo against a plain slice.
func TestFifo(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var q fifo[*int]
	var want []*int
	for step := range 200_000 {
		switch op := rnd.IntN(100); {
		case op < 48:
			q.push(&step)
			want = append(want, &step)
		case op < 90 && len(want) > 0:
			if q.front() == nil || *q.front() != want[0] {
				t.Fatal("wrong front")
			}
			q.pop()
			want = want[1:]
		case op < 94 && len(want) > 0:
			i := rnd.IntN(len(want))
			q.remove(i)
			want = slices.Delete(slices.Clone(want), i, i+1)
		case op < 98:
			i := rnd.IntN(len(want) + 1)
			q.insert(i, &step)
			want = slices.Insert(slices.Clone(want), i, &step)
		case op == 98:
			odd := func(p *int) bool { return *p%3 == 0 }
			q.keep(func(p **int) bool { return !odd(*p) })
			want = slices.DeleteFunc(slices.Clone(want), odd)
		}
		if q.len() != len(want) || !slices.Equal(q.all(), want) {
			t.Fatalf("step %d: %d items, wanted %d", step, q.len(), len(want))
		}
		for _, p := range q.items[:q.head] {
			if p != nil {
				t.Fatal("an item that was taken out is still held")
			}
		}
		for _, p := range q.items[len(q.items):cap(q.items)] {
			if p != nil {
				t.Fatal("an item that was taken out is still held behind the end")
			}
		}
		if len(want) > 300 {
			for range 300 {
				q.pop()
			}
			want = want[300:]
		}
	}
}
