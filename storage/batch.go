package storage

import (
	"encoding/binary"
	"slices"
)

// keepBatch is the largest buffer an idle Batch keeps.
const keepBatch = 256 << 10

// Batch is records that become durable together or not at all. It belongs to one goroutine, from Begin to End.
type Batch struct {
	j       *Journal
	buf     []byte // stream, length, record; …
	streams []Stream
	lsn     LSN
}

// Add appends one record, the parts put together, copied. Records of a batch keep their order. Adding after Append is a
// bug and panics.
func (b *Batch) Add(s Stream, parts ...[]byte) {
	if b.lsn != 0 {
		panic("storage: Batch.Add after Append")
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b.buf = append(b.buf, s)
	b.buf = binary.AppendUvarint(b.buf, uint64(n))
	for _, p := range parts {
		b.buf = append(b.buf, p...)
	}
	if !slices.Contains(b.streams, s) {
		b.streams = append(b.streams, s)
	}
}

// Empty reports whether the batch has no record.
func (b *Batch) Empty() bool { return len(b.buf) == 0 }

// Append gives the batch its place in the order of the world and returns it; 0 when the batch is empty. Memory is changed
// after it and before End. A second call returns the same LSN.
func (b *Batch) Append() LSN { return b.append(true) }

// AppendLater is Append for what nobody waits for: it goes to disk with the next batch of anybody's, when somebody waits for it after all, or
// after a second or two.
func (b *Batch) AppendLater() LSN { return b.append(false) }

func (b *Batch) append(now bool) LSN {
	if b.lsn != 0 || b.Empty() {
		return b.lsn
	}
	j := b.j
	j.mu.Lock()
	b.lsn = j.next
	j.next++
	if !j.broken && !j.stopping {
		j.backlog.Add(j.gather.add(b.lsn, b.buf))
		for _, s := range b.streams {
			j.lastOf[s] = b.lsn
		}
		if now || j.backlog.Load() > j.db.cfg.BacklogBytes/8 {
			j.pressLocked()
		}
	}
	j.mu.Unlock()
	if !now {
		j.db.stir()
	}
	j.db.counters.batches.Add(1)
	return b.lsn
}

// End closes the batch, whether it was appended or not. b must not be used again.
func (b *Batch) End() {
	j := b.j
	j.barrier.RUnlock()
	if cap(b.buf) > keepBatch {
		b.buf = nil
	}
	b.j, b.buf, b.streams, b.lsn = nil, b.buf[:0], b.streams[:0], 0
	j.batches.Put(b)
}

// gathering is the body of the next frame, with room in front for the header and for the block that the frame begins in.
type gathering struct {
	buf   []byte // room, body
	first LSN
	count uint32
}

const (
	gatherRoom = blockSize + frameHeaderLen
	keepGather = 4 << 20 // the largest buffer kept when it is mostly unused
)

func newGathering() *gathering {
	return &gathering{buf: make([]byte, gatherRoom, 64<<10)}
}

// add appends one batch and returns by how much the body grew.
func (g *gathering) add(lsn LSN, batch []byte) int64 {
	before := len(g.buf)
	if g.count == 0 {
		g.first = lsn
	}
	g.count++
	g.buf = binary.AppendUvarint(g.buf, uint64(len(batch)))
	g.buf = append(g.buf, batch...)
	return int64(len(g.buf) - before)
}

func (g *gathering) body() []byte { return g.buf[gatherRoom:] }
func (g *gathering) last() LSN    { return g.first + LSN(g.count) - 1 }

func (g *gathering) reset() {
	if cap(g.buf) > keepGather && len(g.buf) < cap(g.buf)/4 {
		g.buf = make([]byte, gatherRoom, 64<<10)
	}
	g.buf, g.count = g.buf[:gatherRoom], 0
}
