package logging

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"xively/storage"
)

// position is an entry's place in its account's log: by time of arrival, then by count. No two entries share one.
type position struct {
	time int64 // ServiceTimestamp
	seq  uint64
}

func (a position) compare(b position) int {
	switch {
	case a.time < b.time, a.time == b.time && a.seq < b.seq:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// record is an entry packed, in memory.
type record struct {
	position
	source string
	data   []byte // JSON
}

// engine keeps the entries. An entry is in the head, in memory, from the moment it is accepted, and in a journal record;
// after a checkpoint it is in the store. The journal's bound (storage.Config.CheckpointBytes) bounds the head.
type engine struct {
	db  *storage.DB
	seq atomic.Uint64 // the last one given to an entry

	mu     sync.Mutex
	head   map[string][]record // by account, since the last Freeze
	frozen map[string][]record // by account, what the next Flush must write
}

// store gives the entry its place and adds it to b and to the head. Called between Begin and End of b, before Append.
func (e *engine) store(entry *Entry, b *storage.Batch) error {
	data, err := encode(entry)
	if err != nil {
		return fmt.Errorf("logging: %w", err)
	}
	at := position{entry.ServiceTimestamp, e.seq.Add(1)}
	b.Add(stream, appendPosition(nil, at), data)
	e.add(entry.AccountID, record{at, entry.SourceID, data})
	return nil
}

func (e *engine) add(account string, r record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.head == nil {
		e.head = map[string][]record{}
	}
	e.head[account] = append(e.head[account], r)
}

// snapshot returns what is in memory of an account. The records are not to be changed.
func (e *engine) snapshot(account string) []record {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Concat(e.frozen[account], e.head[account])
}

// Replay takes a record of the journal into the head. It is storage's to call, at start.
func (e *engine) Replay(_ storage.LSN, data []byte) error {
	if len(data) < positionSize {
		return fmt.Errorf("logging: a journal record of %d bytes", len(data))
	}
	at, data := positionOf(data), slices.Clone(data[positionSize:])
	entry, err := decode(data)
	if err != nil {
		return err
	}
	e.add(entry.AccountID, record{at, entry.SourceID, data})
	e.seq.Store(max(e.seq.Load(), at.seq))
	return nil
}

// Freeze marks what the next Flush has to write: everything in memory now. It is storage's to call, with no batch open.
func (e *engine) Freeze() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.frozen) == 0 {
		e.frozen, e.head = e.head, nil
		return
	}
	for account, records := range e.head { // an earlier Flush failed
		e.frozen[account] = append(e.frozen[account], records...)
	}
	e.head = nil
}

// Flush writes what was frozen and forgets it when that is on disk. It is storage's to call.
func (e *engine) Flush(tx *storage.Tx) error {
	e.mu.Lock()
	frozen := maps.Clone(e.frozen)
	e.mu.Unlock()
	s := openStore(tx)
	for account, records := range frozen {
		for _, r := range records {
			s.put(account, r)
		}
	}
	s.putSeq(e.seq.Load())
	tx.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.frozen = nil
	})
	return nil
}

// sweep removes entries older than cutoff from the store, in small transactions, until none is left or stop says so. It
// returns how many.
func (e *engine) sweep(cutoff time.Time, stop func() bool) (removed int, err error) {
	const atOnce = 1000
	for !stop() {
		n := 0
		err := e.db.Update(func(tx *storage.Tx) error {
			n = openStore(tx).removeBefore(max(cutoff.UnixMilli(), 0), atOnce)
			return nil
		})
		if removed += n; err != nil || n < atOnce {
			return removed, err
		}
	}
	return removed, nil
}
