package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
)

// checkpointLoop is the checkpointer: started by Open, ended by Close or by the store's failure.
func (j *Journal) checkpointLoop() {
	defer j.running.Done()
	for {
		select {
		case <-j.due:
			if err := j.checkpoint(); err != nil {
				return // the store has failed and says so
			}
		case <-j.quit:
			return
		case <-j.db.failed:
			return
		}
	}
}

// errGivenUp is a checkpoint's end when there is no time for it. Nothing is lost: the journal has it all.
var errGivenUp = errors.New("checkpoint given up")

// checkpoint brings what the journal holds into the store and trims the journal. An error but errGivenUp fails the store.
func (j *Journal) checkpoint() error {
	j.checkpointing.Lock()
	defer j.checkpointing.Unlock()
	if err := j.db.Err(); err != nil {
		return err
	}
	j.inCheckpoint.Store(true)
	defer j.inCheckpoint.Store(false)
	if err := j.flushAll(); errors.Is(err, errGivenUp) {
		return err
	} else if err != nil {
		return j.db.fail(fmt.Errorf("checkpoint: %w", err))
	}
	if err := j.trim(); err != nil {
		return j.db.fail(fmt.Errorf("trim journal: %w", err))
	}
	j.db.counters.checkpoints.Add(1)
	return nil
}

func (j *Journal) flushAll() error {
	streams := slices.Sorted(maps.Keys(j.consumers))
	cut, err := j.freeze(streams)
	if err != nil {
		return err
	}
	// The store must not know of batches that a crash could still take away.
	if err := j.Wait(context.Background(), cut); err != nil {
		return err
	}
	for _, s := range streams {
		if p, ok := j.consumers[s].(Preparer); ok {
			if err := p.Prepare(j.noTime); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("stream %q: prepare: %w", s, err)
			}
		}
		if j.noTime.Err() != nil {
			return errGivenUp
		}
		if err := j.flush(s, cut); err != nil {
			return fmt.Errorf("stream %q: %w", s, err)
		}
	}
	return nil
}

// freeze stops the world between two batches and has every consumer remember what it holds. It returns the last LSN
// before that.
func (j *Journal) freeze(streams []Stream) (cut LSN, err error) {
	j.barrier.Lock()
	defer j.barrier.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	cut = j.Last()
	j.since.Store(j.backlog.Load())
	j.letBegin()
	for _, s := range streams {
		j.consumers[s].Freeze()
	}
	return cut, nil
}

func (j *Journal) flush(s Stream, cut LSN) error {
	err := j.db.Update(func(tx *Tx) error {
		if j.cuts[s] != cut {
			tx.Bucket(ownBucket).putUint64(cutKey+string([]byte{s}), cut)
		}
		return j.consumers[s].Flush(tx)
	})
	if err == nil {
		j.cuts[s] = cut
	}
	return err
}

// trim gives back the segments that nobody needs any more. The floor is stored first: from then on it does not matter
// which of their names a crash takes away.
func (j *Journal) trim() error {
	floor := j.trimmable()
	trimmed := j.cutLive(floor)
	if len(trimmed) == 0 {
		return nil
	}
	err := j.db.Update(func(tx *Tx) error {
		tx.Bucket(ownBucket).putUint64(floorKey, floor)
		return nil
	})
	if err != nil {
		return err
	}
	return j.recycle(trimmed)
}

// trimmable returns the LSN up to which every stream's records are in the store. A stream without a consumer holds it
// back while it has records behind its cut.
func (j *Journal) trimmable() LSN {
	floor := j.durable.Load()
	j.mu.Lock()
	last := j.lastOf
	j.mu.Unlock()
	for s := range last {
		s := Stream(s)
		if _, ok := j.consumers[s]; !ok && last[s] <= j.cuts[s] {
			continue
		} else if !ok {
			j.log.Warn("journal keeps records of a stream that nobody reads", "stream", string([]byte{s}))
		}
		floor = min(floor, j.cuts[s])
	}
	return floor
}

// cutLive takes the segments wholly at or below floor out of the chain.
func (j *Journal) cutLive(floor LSN) []*segment {
	j.files.Lock()
	defer j.files.Unlock()
	n := 0
	for n+1 < len(j.live) && j.live[n+1].first <= floor+1 {
		n++
	}
	trimmed := slices.Clone(j.live[:n])
	j.live = slices.Delete(j.live, 0, n)
	return trimmed
}

// recycle makes spares of segments, as many as a full journal needs, and removes the rest.
func (j *Journal) recycle(trimmed []*segment) error {
	j.files.Lock()
	room := int(j.db.cfg.CheckpointBytes/j.db.cfg.SegmentBytes) + 2 - len(j.spares)
	j.files.Unlock()
	var spares []string
	for _, s := range trimmed {
		if len(spares) >= room || s.size != j.db.cfg.SegmentBytes {
			if err := os.Remove(s.path); err != nil {
				return err
			}
			continue
		}
		spare := filepath.Join(j.dir, fmt.Sprintf("%016x%s", s.seq, spareSuffix))
		if err := os.Rename(s.path, spare); err != nil {
			return err
		}
		spares = append(spares, spare)
	}
	// A spare gets a new header while it still has this name: the old one must be gone for good.
	if err := syncDir(j.dir); err != nil {
		return err
	}
	j.files.Lock()
	j.spares = append(j.spares, spares...)
	j.files.Unlock()
	return nil
}

// tidy takes stock of what earlier runs left in the folder: spares, and segments that nobody needs.
func (j *Journal) tidy(c *chain) error {
	for _, path := range c.spares {
		if !isStandard(path, j.db.cfg.SegmentBytes) {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		j.spares = append(j.spares, path)
	}
	for _, s := range c.trimmed {
		if err := os.Remove(s.path); err != nil {
			return err
		}
	}
	return j.recycle(j.cutLive(c.floor))
}

// replay calls c.Replay for the stream's records above cut.
func (s *segment) replay(stream Stream, cut LSN, c Consumer) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	fixed := segment{path: s.path, first: s.first, mark: s.mark, size: s.size} // the rest of s may be the writer's
	return fixed.scan(f, func(fr frame, body []byte) error {
		return fr.records(body, func(lsn LSN, of Stream, record []byte) error {
			if of != stream || lsn <= cut {
				return nil
			}
			return c.Replay(lsn, record)
		})
	})
}
