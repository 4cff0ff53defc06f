package timeseries

import (
	"cmp"
	"context"
	"maps"
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
	names := e.freshNames()
	for part := range slices.Chunk(slices.Sorted(maps.Keys(names)), sliceSeries) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.db.Update(func(tx *storage.Tx) error { e.writeNames(tx, part, names); return nil }); err != nil {
			return err
		}
	}
	frozen := e.sortedFrozen()
	for len(frozen) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		var n int
		err := e.db.Update(func(tx *storage.Tx) (err error) {
			n, err = e.writeSlice(tx, frozen, slicePoints)
			return err
		})
		if err != nil {
			return err
		}
		frozen = frozen[n:]
	}
	return nil
}

// Flush writes what was frozen and is still in memory, and forgets it when that is on disk. It is storage's to call.
func (e *engine) Flush(tx *storage.Tx) error {
	names := e.freshNames()
	e.writeNames(tx, slices.Sorted(maps.Keys(names)), names)
	frozen := e.sortedFrozen()
	if _, err := e.writeSlice(tx, frozen, 0); err != nil {
		return err
	}
	putUint64(tx.Bucket(metaBucket), generationKey, e.generation.Load())
	tx.OnCommit(func() {
		e.mu.Lock()
		rested := e.rested
		e.rested, e.frozen = frozen, nil
		e.mu.Unlock()
		for _, s := range rested {
			e.evict(s)
		}
	})
	return nil
}

// writeNames gives series their place in the directory.
func (e *engine) writeNames(tx *storage.Tx, part []string, names map[string]*series) {
	if len(part) == 0 {
		return
	}
	directory, deleted := tx.Bucket(seriesBucket), tx.Bucket(deletedBucket)
	e.mu.RLock()
	number := e.number
	e.mu.RUnlock()
	putUint64(tx.Bucket(metaBucket), numberKey, number)
	added := map[string]int{} // of each account
	for _, name := range part {
		if s := names[name]; deleted.Get(idKey(s.id)) == nil {
			if directory.Get([]byte(name)) == nil {
				account, _, _ := strings.Cut(name, "\x00")
				added[account]++
			}
			directory.Put([]byte(name), seriesInfo{s.id, MinTime}.encode())
		}
	}
	for account, n := range added {
		countStored(tx, []byte(account), n)
	}
	tx.OnCommit(func() {
		for _, name := range part {
			s := names[name]
			s.mu.Lock()
			s.name = ""
			s.mu.Unlock()
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.epoch++
		for _, name := range part {
			if e.fresh[name] == names[name] {
				delete(e.fresh, name)
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
	chunks, deleted := chunkStore{tx.Bucket(chunkBucket)}, tx.Bucket(deletedBucket)
	points := 0
	for _, s := range all {
		if most > 0 && (points >= most || n >= sliceSeries) {
			break
		}
		n++
		s.mu.Lock()
		e.rotateLocked(s)
		blocks := slices.Clone(s.frozen)
		gone, marked := s.gone, s.marked
		s.mu.Unlock()
		if len(blocks) == 0 || gone || deleted.Get(idKey(s.id)) != nil {
			continue
		}
		written = append(written, done{s, len(blocks)})
		for _, b := range blocks {
			points += b.count
		}
		if marked, err = e.writeBlocks(tx, chunks, s.id, blocks, marked); err != nil {
			return n, err
		}
		s.mu.Lock()
		s.marked = marked
		s.mu.Unlock()
	}
	tx.OnCommit(func() {
		for _, d := range written {
			d.s.mu.Lock()
			d.s.frozen = slices.Delete(d.s.frozen, 0, min(d.blocks, len(d.s.frozen)))
			if len(d.s.frozen) == 0 {
				d.s.frozen = nil
			}
			d.s.mu.Unlock()
		}
	})
	return n, nil
}

// writeBlocks adds the points of blocks to the chunks of a series, some blocks at a time to keep memory small.
func (e *engine) writeBlocks(tx *storage.Tx, chunks chunkStore, id uint64, blocks []*block, marked uint32) (uint32, error) {
	const atOnce = 64
	var entries []entry
	for part := range slices.Chunk(blocks, atOnce) {
		entries = entries[:0]
		sorted := true
		for i, b := range part {
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
		marked = e.markDays(tx, id, entries, marked)
		if err := chunks.write(id, entries); err != nil {
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
