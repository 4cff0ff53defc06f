package timeseries

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"xively/storage"
)

// blockPoints and blockBytes close a block of the head and a chunk of the store, whichever comes first.
const (
	blockPoints = 1024
	blockBytes  = 32 << 10
)

// engine keeps the points. It is what Service knows of storage: sink and record write, read reads, and the three methods
// of storage.Consumer move what is in memory to the store.
//
// A point is in the head of its series from the moment it is accepted, in a journal record, and after a checkpoint in a
// chunk. Each point has a position (time, seq) of its own that stays with it on this way, so that a reader who finds it
// both in memory and in the store, because a checkpoint went by, can tell that it is one point.
//
// The head holds what the journal has not yet handed to the store, packed, at about 13 bytes a point: the journal's
// bound (storage.Config.CheckpointBytes) bounds it. Besides, each series written to since the start has a few hundred
// bytes here for good; there are at most as many as the directory has channels.
//
// Lock order: series.mu, then engine.mu.
type engine struct {
	db     *storage.DB
	seq    atomic.Uint64 // the last one given to a point
	freeze atomic.Uint64 // counts Freeze calls

	mu     sync.RWMutex
	series map[string]*series
	dirty  []*series // have points in head since the last Freeze
	frozen []*series // have points that the next Flush must write
}

// series is the part of one series that is in memory.
type series struct {
	key    []byte // of its chunks, see store.go
	record []byte // begins each of its journal records

	mu     sync.Mutex
	freeze uint64   // the engine's count when the head was begun
	head   []*block // the points since then, in order of arrival; the last block is open
	frozen []*block // older ones, not in the store yet
}

// find returns the series, made if need be.
func (e *engine) find(account, topic string) *series {
	key := seriesKey(account, topic)
	if s := e.lookup(key); s != nil {
		return s
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.series[string(key)]
	if s == nil {
		s = &series{key: key, record: appendText(appendText(nil, account), topic)}
		e.series[string(key)] = s
	}
	return s
}

// lookup returns the series or nil.
func (e *engine) lookup(key []byte) *series {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.series[string(key)]
}

// store gives the points their places, adds them to the head of s, and to body, whose bytes belong in a journal record
// behind s.record. Called between Begin and End of the record's batch.
func (e *engine) store(s *series, points []Point, body *block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := e.seq.Add(uint64(len(points))) - uint64(len(points))
	for _, p := range points {
		seq++
		body.add(entry{p, seq})
		e.addLocked(s, entry{p, seq})
	}
}

// addLocked puts x into the head of s. The caller holds s.mu.
func (e *engine) addLocked(s *series, x entry) {
	e.rotateLocked(s)
	if len(s.head) == 0 {
		s.head = append(s.head, &block{})
		e.mu.Lock()
		e.dirty = append(e.dirty, s)
		e.mu.Unlock()
	}
	open := s.head[len(s.head)-1]
	if open.count >= blockPoints || len(open.buf) >= blockBytes {
		open.categories = nil // needed for adding only
		open = &block{}
		s.head = append(s.head, open)
	}
	open.add(x)
}

// rotateLocked freezes the head of s if Freeze was called since it was begun. The caller holds s.mu.
func (e *engine) rotateLocked(s *series) {
	if now := e.freeze.Load(); s.freeze != now {
		s.frozen = append(s.frozen, s.head...)
		s.head = nil
		s.freeze = now
	}
}

// snapshot returns what s has in memory. Blocks only grow at their end, so the copies stay as they are.
func (s *series) snapshot() []block {
	s.mu.Lock()
	defer s.mu.Unlock()
	blocks := make([]block, 0, len(s.frozen)+len(s.head))
	for _, b := range s.frozen {
		blocks = append(blocks, *b)
	}
	for _, b := range s.head {
		blocks = append(blocks, *b)
	}
	return blocks
}

// Replay takes a record of the journal into the head. It is storage's to call, at start.
func (e *engine) Replay(_ storage.LSN, record []byte) error {
	r := reader{buf: record}
	account, topic := r.text(), r.text()
	if r.bad {
		return errBlock
	}
	entries, err := decodeBlock(nil, r.buf)
	if err != nil {
		return err
	}
	s := e.find(account, topic)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range entries {
		e.addLocked(s, x)
		e.seq.Store(max(e.seq.Load(), x.seq))
	}
	return nil
}

// Freeze marks what the next Flush has to write: everything in memory now. It is storage's to call, with no batch open,
// and touches no series: each freezes its head when it is next looked at.
func (e *engine) Freeze() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.frozen = append(e.frozen, e.dirty...)
	e.dirty = nil
	e.freeze.Add(1)
}

// Flush writes what was frozen into chunks and forgets it when that is on disk. It is storage's to call.
func (e *engine) Flush(tx *storage.Tx) error {
	e.mu.Lock()
	slices.SortFunc(e.frozen, func(a, b *series) int { return bytes.Compare(a.key, b.key) }) // the store likes order
	e.frozen = slices.Compact(e.frozen)
	frozen := e.frozen
	e.mu.Unlock()

	chunks := chunkStore{tx.Bucket(chunkBucket)}
	written := make([]int, len(frozen)) // blocks of each series
	for i, s := range frozen {
		s.mu.Lock()
		e.rotateLocked(s)
		blocks := slices.Clone(s.frozen)
		s.mu.Unlock()
		written[i] = len(blocks)
		if err := chunks.write(s.key, blocks); err != nil {
			return err
		}
	}
	putSeq(tx, e.seq.Load())
	tx.OnCommit(func() {
		for i, s := range frozen {
			s.mu.Lock()
			s.frozen = slices.Delete(s.frozen, 0, written[i])
			s.mu.Unlock()
		}
		e.mu.Lock()
		e.frozen = nil
		e.mu.Unlock()
	})
	return nil
}
