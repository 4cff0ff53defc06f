package storage

import (
	"sync/atomic"
	"time"
)

// Stats are counters since Open and present sizes. Sizes are in bytes.
type Stats struct {
	Updates    uint64        // calls of Update answered
	Commits    uint64        // groups committed
	LastCommit time.Duration // of the newest commit, two syncs
	StoreBytes int64         // xively.db

	Batches      uint64        // appended to the journal
	JournalSyncs uint64        // groups written
	Written      uint64        // bytes written to the journal, headers and padding included
	LastSync     time.Duration // of the newest group: write and sync
	Backlog      int64         // appended and not yet on disk
	Live         int64         // in the journal and not yet checkpointed
	JournalBytes int64         // files of the journal, spare ones included
	Recycled     uint64        // journal files used again instead of made new
	Checkpoints  uint64
	Full         int // 1 while there is no room for new data
}

type counters struct {
	updates, commits                               atomic.Uint64
	lastCommit, lastSync                           atomic.Int64
	batches, syncs, written, checkpoints, recycled atomic.Uint64
}

// Stats returns the store's counters. It is cheap and may be called at any time.
func (db *DB) Stats() Stats {
	c := &db.counters
	s := Stats{
		Updates:      c.updates.Load(),
		Commits:      c.commits.Load(),
		LastCommit:   time.Duration(c.lastCommit.Load()),
		StoreBytes:   fileSize(db.storePath()),
		Batches:      c.batches.Load(),
		JournalSyncs: c.syncs.Load(),
		Written:      c.written.Load(),
		LastSync:     time.Duration(c.lastSync.Load()),
		Recycled:     c.recycled.Load(),
		Checkpoints:  c.checkpoints.Load(),
	}
	if db.Full() != nil {
		s.Full = 1
	}
	s.Backlog, s.Live, s.JournalBytes = db.journal.sizes()
	return s
}
