package broker

import (
	"slices"
	"sync"
)

// Buffers of encoded bytes come in three sizes from shared pools, so that a connection owns none while it is idle. A larger one is
// made for the occasion and left to the garbage collector.
const (
	smallBuf  = 2 << 10
	middleBuf = 16 << 10
	largeBuf  = 128 << 10
)

var (
	smallPool  = sync.Pool{New: func() any { return new([smallBuf]byte) }}
	middlePool = sync.Pool{New: func() any { return new([middleBuf]byte) }}
	largePool  = sync.Pool{New: func() any { return new([largeBuf]byte) }}
)

// getBuf returns an empty buffer with room for n bytes or more.
func getBuf(n int) []byte {
	switch {
	case n <= smallBuf:
		return smallPool.Get().(*[smallBuf]byte)[:0]
	case n <= middleBuf:
		return middlePool.Get().(*[middleBuf]byte)[:0]
	case n <= largeBuf:
		return largePool.Get().(*[largeBuf]byte)[:0]
	}
	return make([]byte, 0, n)
}

// putBuf gives b back; nobody may touch its bytes afterwards. The pools keep array pointers, which costs no allocation.
func putBuf(b []byte) {
	switch cap(b) {
	case smallBuf:
		smallPool.Put((*[smallBuf]byte)(b[:smallBuf]))
	case middleBuf:
		middlePool.Put((*[middleBuf]byte)(b[:middleBuf]))
	case largeBuf:
		largePool.Put((*[largeBuf]byte)(b[:largeBuf]))
	}
}

// growBuf returns b with room for n more bytes.
func growBuf(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	want := len(b) + n
	if want > largeBuf {
		want = max(want, 2*cap(b))
	}
	nb := append(getBuf(want), b...)
	putBuf(b)
	return nb
}

// fifo is a queue in one slice. Pushing is amortised O(1); the slice is let go when it empties.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int    { return len(q.items) - q.head }
func (q *fifo[T]) at(i int) *T { return &q.items[q.head+i] }
func (q *fifo[T]) push(v T)    { q.items = append(q.items, v) }
func (q *fifo[T]) all() []T    { return q.items[q.head:] }
func (q *fifo[T]) front() *T   { return &q.items[q.head] }
func (q *fifo[T]) pop() {
	var zero T
	q.items[q.head] = zero
	q.head++
	switch {
	case q.head == len(q.items):
		if cap(q.items) > 64 {
			q.items = nil
		}
		q.items, q.head = q.items[:0], 0
	case q.head > 64 && q.head > len(q.items)/2:
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
}

// remove takes the i-th item out and keeps the order of the others.
func (q *fifo[T]) remove(i int) {
	if i == 0 {
		q.pop()
		return
	}
	q.items = slices.Delete(q.items, q.head+i, q.head+i+1)
}

// insert puts v before the i-th item.
func (q *fifo[T]) insert(i int, v T) { q.items = slices.Insert(q.items, q.head+i, v) }

// keep drops every item for which f is false.
func (q *fifo[T]) keep(f func(*T) bool) {
	kept := q.items[:0]
	for i := q.head; i < len(q.items); i++ {
		if f(&q.items[i]) {
			kept = append(kept, q.items[i])
		}
	}
	clear(q.items[len(kept):])
	q.items, q.head = kept, 0
}
