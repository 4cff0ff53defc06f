package timeseries

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"xively/storage"
)

// How much Prepare writes in one transaction: others' writes wait no longer than this takes, some tens of milliseconds.
const (
	slicePoints = 100_000
	sliceSeries = 5000
)

// Prepare writes what was frozen in many small transactions, so that the one of Flush has little left to do. It is
// storage's to call, between Freeze and Flush; without it Flush does all. A crash in between, or the end of ctx, does no
// harm: the journal still has everything, and a point that is replayed takes its old place.
func (e *engine) Prepare(ctx context.Context) error {
	frozen := e.sortedFrozen()
	for part := range slices.Chunk(unnamed(frozen), sliceSeries) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.db.Update(func(tx *storage.Tx) error { e.writeNames(tx, part); return nil }); err != nil {
			return err
		}
	}
	for rest := frozen; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var n int
		err := e.db.Update(func(tx *storage.Tx) (err error) {
			n, err = e.writeSlice(tx, rest, slicePoints)
			return err
		})
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.prepared, e.frozen = frozen, nil
	return nil
}

// Flush writes what was frozen and is still in memory, and forgets it when that is on disk. It is storage's to call.
func (e *engine) Flush(tx *storage.Tx) error {
	frozen := e.sortedFrozen()
	e.writeNames(tx, unnamed(frozen))
	if _, err := e.writeSlice(tx, frozen, 0); err != nil {
		return err
	}
	putUint64(tx.Bucket(metaBucket), generationKey, e.generation.Load())
	tx.OnCommit(func() {
		e.mu.Lock()
		rested := e.rested
		e.rested, e.prepared, e.frozen = append(e.prepared, frozen...), nil, nil
		e.mu.Unlock()
		for _, s := range rested {
			e.evict(s)
		}
	})
	return nil
}

// A newcomer is a series that the directory does not have yet, with the name it gets there.
type newcomer struct {
	name string
	*series
}

// unnamed returns the newcomers among all, by name: the store likes order.
func unnamed(all []*series) (some []newcomer) {
	for _, s := range all {
		s.mu.Lock()
		if s.name != "" {
			some = append(some, newcomer{s.name, s})
		}
		s.mu.Unlock()
	}
	slices.SortFunc(some, func(a, b newcomer) int { return strings.Compare(a.name, b.name) })
	return some
}

// writeNames gives series their place in the directory.
func (e *engine) writeNames(tx *storage.Tx, part []newcomer) {
	if len(part) == 0 {
		return
	}
	directory, deleted := tx.Bucket(seriesBucket), tx.Bucket(deletedBucket)
	e.mu.RLock()
	number := e.number
	e.mu.RUnlock()
	putUint64(tx.Bucket(metaBucket), numberKey, number)
	added := map[string]int{} // of each account
	var name []byte
	for _, s := range part {
		if deleted.Get(idKey(s.id)) != nil {
			continue
		}
		name = append(name[:0], s.name...)
		if directory.Get(name) == nil {
			account, _, _ := strings.Cut(s.name, "\x00")
			added[account]++
		}
		directory.Put(name, seriesInfo{s.id, MinTime}.encode())
	}
	for account, n := range added {
		countStored(tx, []byte(account), n)
	}
	tx.OnCommit(func() {
		for _, s := range part {
			s.mu.Lock()
			s.series.name = ""
			s.mu.Unlock()
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.epoch++
		for _, s := range part {
			if e.fresh[s.name] == s.series {
				delete(e.fresh, s.name)
			}
		}
	})
}

// writeSlice writes the frozen points of the first of all, up to a number of points unless that is 0, and returns how
// many series it has dealt with.
func (e *engine) writeSlice(tx *storage.Tx, all []*series, most int) (n int, err error) {
	type done struct {
		s      *series
		blocks int
	}
	var written []done
	w, deleted := blockWriter{e: e, tx: tx, chunks: chunkStore{Bucket: tx.Bucket(chunkBucket)}}, tx.Bucket(deletedBucket)
	points := 0
	for _, s := range all {
		if most > 0 && (points >= most || n >= sliceSeries) {
			break
		}
		n++
		s.mu.Lock()
		e.rotateLocked(s)
		blocks := s.frozen // which only grows, at its end
		gone, marked := s.gone, s.marked
		s.mu.Unlock()
		if len(blocks) == 0 || gone || deleted.Get(idKey(s.id)) != nil {
			continue
		}
		written = append(written, done{s, len(blocks)})
		for i := range blocks {
			points += blocks[i].count
		}
		if marked, err = w.write(s.id, blocks, marked); err != nil {
			return n, err
		}
		s.mu.Lock()
		s.marked = marked
		s.mu.Unlock()
	}
	tx.OnCommit(func() {
		for _, d := range written {
			d.s.mu.Lock()
			if d.s.frozen = d.s.frozen[min(d.blocks, len(d.s.frozen)):]; len(d.s.frozen) == 0 {
				d.s.frozen = nil
			}
			d.s.mu.Unlock()
		}
	})
	return n, nil
}

// blockWriter writes blocks of many series in one transaction.
type blockWriter struct {
	e       *engine
	tx      *storage.Tx
	chunks  chunkStore
	entries []entry // scratch memory
}

// write adds the points of blocks to the chunks of a series, some blocks at a time to keep memory small.
func (w *blockWriter) write(id uint64, blocks []block, marked uint32) (uint32, error) {
	const atOnce = 64
	for part := range slices.Chunk(blocks, atOnce) {
		entries := w.entries[:0]
		sorted := true
		for i := range part {
			b := &part[i]
			var err error
			if entries, err = decodeBlock(entries, b.buf); err != nil {
				return marked, err
			}
			sorted = sorted && !b.unsorted && (i == 0 || part[i-1].max.compare(b.min) < 0)
		}
		if !sorted {
			slices.SortFunc(entries, compareEntries)
			entries = slices.CompactFunc(entries, samePosition)
		}
		w.entries = entries
		marked = w.e.markDays(w.tx, id, entries, marked)
		if err := w.chunks.write(id, entries); err != nil {
			return marked, err
		}
	}
	return marked, nil
}

// evict drops the series from memory when nothing of it is there.
func (e *engine) evict(s *series) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.head)+len(s.frozen) > 0 || s.name != "" || s.gone {
		return
	}
	s.gone = true
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.series, s.id)
}

func (e *engine) count() (inMemory int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.series)
}

func compareIDs(a, b *series) int { return cmp.Compare(a.id, b.id) }
