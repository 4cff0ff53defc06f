package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

const (
	storeName   = "xively.db"
	newName     = "xively.db.new" // a store in the making
	journalName = "journal"
)

// Config says where the store is and how it behaves. Sizes are in bytes; 0 means the default.
type Config struct {
	Dir string // the data folder; made (0700) when absent

	// CheckpointBytes is how much the journal gathers before it is written into the store. More means rarer and larger
	// checkpoints, a longer start after a crash, and more disk. Default 64 MiB.
	CheckpointBytes int64

	// SegmentBytes is the size of one journal file, default 16 MiB or CheckpointBytes if that is less.
	SegmentBytes int64

	// BacklogBytes is how much may be appended to the journal and not yet be on disk before Begin blocks. Memory may hold
	// twice as much. Half of SegmentBytes or less lets every group fit into a file. Default: that half.
	BacklogBytes int64

	// CheckBytes is the largest store file that Open reads as a whole to check it, default 1 GiB (about a second). Of a
	// larger one it checks the inner pages only; values are checked when read, and Verify checks everything.
	CheckBytes int64

	// MaxBytes is how much the store may hold, free pages of its file not counted; over it the store is Full. Default 0: as much as the disk takes.
	MaxBytes int64

	// Locked, when set, is called by Open when the folder is this process's and before anything in it is read: for who has to put
	// something in its place first. Its error is Open's.
	Locked func() error

	// Sync, when set, stands between the store and the disk, for simulations and for measurements that leave the disk out.
	// It is called with the path of a journal file after each write to it and with that of the store before each commit,
	// and returns when what was written lasts, or why it does not. Nothing is really synced then.
	Sync func(path string) error
}

func (c *Config) setDefaults() {
	c.CheckpointBytes = cmp.Or(c.CheckpointBytes, 64<<20)
	c.SegmentBytes = roundUp(max(cmp.Or(c.SegmentBytes, min(16<<20, c.CheckpointBytes)), 2*blockSize))
	c.BacklogBytes = cmp.Or(c.BacklogBytes, min(8<<20, max(c.SegmentBytes/2, 64<<10)))
	c.CheckBytes = cmp.Or(c.CheckBytes, 1<<30)
}

// Validate reports the first setting that cannot work.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("storage: dir: a data folder is needed")
	case c.CheckpointBytes < 0, c.SegmentBytes < 0, c.BacklogBytes < 0, c.CheckBytes < 0, c.MaxBytes < 0:
		return errors.New("storage: sizes must not be negative")
	}
	return nil
}

// DB is an open store. Its methods may be called from any goroutine.
type DB struct {
	// Fixed after Open.
	cfg     Config
	log     *slog.Logger
	lock    *os.File
	engine  *bbolt.DB
	journal *Journal
	failed  chan struct{}

	commits  committer
	counters counters
	failure  atomic.Pointer[error] // nil while all is well
	full     atomic.Pointer[error] // nil while there is room

	room      room
	roomQuit  chan struct{}
	stirred   chan struct{} // something was written since roomLoop looked
	roomEnded sync.WaitGroup

	viewsMu sync.Mutex
	closed  bool // no more views
	views   sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Journal returns the store's journal.
func (db *DB) Journal() *Journal { return db.journal }

// Failed returns a channel that is closed at the first I/O failure. From then on nothing is acknowledged; reads go on.
// The process should log Err and end: the next Open finds out what is on disk.
func (db *DB) Failed() <-chan struct{} { return db.failed }

// Err returns why the store has failed, wrapping ErrFailed, or nil.
func (db *DB) Err() error {
	if p := db.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// fail puts the store into its failed state, which nothing ends, and returns the error of the first failure.
func (db *DB) fail(cause error) error {
	err := fmt.Errorf("%w: %w", ErrFailed, cause)
	if db.failure.CompareAndSwap(nil, &err) {
		db.log.Error("store failed", "err", cause)
		close(db.failed)
		db.journal.abandon()
	}
	return db.Err()
}

// Close takes a last checkpoint, so that the next start replays nothing, and releases the folder. Whoever uses the store
// must have stopped: an open Batch blocks Close, and what is appended during it may be refused. A second Close returns
// what the first returned.
func (db *DB) Close() error { return db.CloseBy(context.Background()) }

// CloseBy is Close for those who have no time. When ctx ends, the checkpoint under way is given up as soon as its present
// transaction is over; the next start replays what the journal has, as after a crash.
func (db *DB) CloseBy(ctx context.Context) error {
	db.closeOnce.Do(func() { db.closeErr = db.close(ctx) })
	return db.closeErr
}

func (db *DB) close(ctx context.Context) error {
	close(db.roomQuit)
	db.roomEnded.Wait()
	err := db.journal.close(ctx)
	db.stopCommitter()
	if db.room.file != nil { // by now: the last checkpoint's commits look for room, too
		_ = db.room.file.Close()
	}
	return errors.Join(err, db.release())
}

func (db *DB) stopCommitter() {
	q := &db.commits
	q.mu.Lock()
	q.closing = true
	q.wake.Signal()
	q.mu.Unlock()
	q.stopped.Wait()
}

// release waits for the views and closes the files.
func (db *DB) release() error {
	db.viewsMu.Lock()
	db.closed = true
	db.viewsMu.Unlock()
	db.views.Wait()
	var err error
	if db.engine != nil {
		err = db.engine.Close()
	}
	return errors.Join(err, db.lock.Close())
}

func (db *DB) beginView() (*bbolt.Tx, error) {
	db.viewsMu.Lock()
	if db.closed {
		db.viewsMu.Unlock()
		return nil, ErrClosed
	}
	db.views.Add(1)
	db.viewsMu.Unlock()
	engine, err := db.engine.Begin(false)
	if err != nil {
		db.views.Done()
	}
	return engine, err
}

func (db *DB) storePath() string { return filepath.Join(db.cfg.Dir, storeName) }

// fileSize returns 0 for a file that is not there.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
