package storage

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A full disk must not be met in the middle of a write. So the store has room in hand: blocks reserved behind the end of its file, as much as
// a checkpoint mostly needs, and one spare journal file. A checkpoint that needs more than there is waits. When it can no longer get them, or is larger than Config.MaxBytes, it is full: it says so,
// and its users turn new data away, while what makes room (deletes, acknowledgements, checkpoints) lives on what was reserved. It looks every
// second whether there is room again. While it is not full it looks when something was written: a store at rest has its reserve.

// roomEvery is how often the store looks at most.
const roomEvery = time.Second

// room is the store's reserve. Owned by whoever holds mu.
type room struct {
	mu       sync.Mutex
	file     *os.File // xively.db
	reserved int64    // blocks are there up to this offset
	off      bool     // the file system cannot reserve
}

// Full returns nil while there is room for new data, else an error that wraps ErrFull and says why. Writes are not refused: that is for the
// callers to do with what they can turn away.
func (db *DB) Full() error {
	if p := db.full.Load(); p != nil {
		return *p
	}
	return nil
}

// setFull notes what the last look has found; nil is room.
func (db *DB) setFull(cause error) {
	before := db.full.Load()
	switch {
	case cause == nil && before != nil:
		db.full.Store(nil)
		db.log.Info("there is room in the store again")
	case cause != nil:
		err := fmt.Errorf("%w: %w", ErrFull, cause)
		if db.full.Swap(&err) == nil {
			db.stir()
			db.log.Error("store is full: new data is refused until there is room", "err", cause)
			db.journal.wantCheckpoint() // it may give journal files back
		}
	}
}

// roomLoop looks for room: started by Open, ended by Close.
func (db *DB) roomLoop() {
	defer db.roomEnded.Done()
	t := time.NewTimer(roomEvery)
	defer t.Stop()
	for {
		db.lookForRoom()
		if db.Full() == nil {
			select {
			case <-db.roomQuit:
				return
			case <-db.stirred:
			}
		}
		t.Reset(roomEvery)
		select {
		case <-db.roomQuit:
			return
		case <-t.C:
		}
	}
}

// stir has roomLoop look, within roomEvery: something was written, or the store has become full.
func (db *DB) stir() {
	select {
	case db.stirred <- struct{}{}:
	default:
	}
}

func (db *DB) lookForRoom() {
	if db.Err() != nil {
		return
	}
	db.journal.press(math.MaxUint64) // what nobody waits for has waited long enough
	spares := 1
	if db.Full() != nil {
		spares = 2 // else a store on the brink would be full and not full in turn
	}
	err := errors.Join(db.reserve(), db.journal.keepSpares(spares))
	if err == nil {
		err = db.withinQuota()
	}
	db.setFull(err)
}

// grown looks for room when a commit has taken some of what was reserved.
func (db *DB) grown() {
	if db.Full() != nil {
		return // roomLoop looks
	}
	end, err := db.pagesEnd()
	db.room.mu.Lock()
	short := err == nil && end+db.cfg.CheckpointBytes > db.room.reserved && !db.room.off
	db.room.mu.Unlock()
	if short {
		db.lookForRoom()
	}
}

// waitForRoom holds a commit of a checkpoint up until the pages of the store can grow by n bytes beyond end, for the reserve may be gone. Nothing else
// is committed meanwhile, and nothing acknowledged. It gives up when the store is closing.
func (db *DB) waitForRoom(end, n int64) {
	for {
		err := db.reserveTo(end+n, end+n)
		if err == nil || db.Err() != nil {
			return
		}
		db.setFull(err)
		select {
		case <-db.roomQuit:
			return
		case <-time.After(roomEvery / 4):
		}
	}
}

// pagesEnd returns where the pages of the store end, which is before the file does.
func (db *DB) pagesEnd() (int64, error) {
	tx, err := db.beginView()
	if err != nil {
		return 0, err
	}
	defer db.views.Done()
	end := tx.Size()
	return end, tx.Rollback()
}

// reserve makes sure that the store can grow by a checkpoint.
func (db *DB) reserve() error {
	end, err := db.pagesEnd()
	if err != nil {
		return err
	}
	least := end + db.cfg.CheckpointBytes
	return db.reserveTo(least, least+min(allocSize, db.cfg.CheckpointBytes/4)) // not again with every commit
}

// reserveTo reserves blocks up to want unless there are enough of them up to least.
func (db *DB) reserveTo(least, want int64) error {
	r := &db.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off || least <= r.reserved {
		return nil
	}
	if r.file == nil {
		f, err := os.OpenFile(db.storePath(), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		r.file = f
	}
	// From the beginning: the file has parts without blocks, too, that the engine has not written yet.
	switch err := reserveBlocks(r.file, r.reserved, want-r.reserved); {
	case errors.Is(err, errors.ErrUnsupported):
		r.off = true
	case err != nil:
		return fmt.Errorf("%s: reserve %d bytes: %w", db.storePath(), want-r.reserved, err)
	}
	r.reserved = want
	return nil
}

// keepSpares makes sure that the journal has files to go on in.
func (j *Journal) keepSpares(n int) error {
	j.files.Lock()
	defer j.files.Unlock()
	for len(j.spares) < n {
		if err := j.makeSpareLocked(); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) makeSpareLocked() error {
	var path string
	var f *os.File
	err := error(os.ErrExist)
	for errors.Is(err, os.ErrExist) { // of an earlier run
		j.made++
		path = filepath.Join(j.dir, fmt.Sprintf("room-%d%s", j.made, spareSuffix))
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return err
	}
	err = preallocate(f, j.db.cfg.SegmentBytes)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, errors.Join(err, os.Remove(path)))
	}
	j.spares = append(j.spares, path)
	return nil
}

// withinQuota compares what is used with Config.MaxBytes. A store that was over it has to fall a twentieth below.
func (db *DB) withinQuota() error {
	if db.cfg.MaxBytes == 0 {
		return nil
	}
	limit := db.cfg.MaxBytes
	if db.Full() != nil {
		limit -= limit / 20
	}
	used, err := db.used()
	if err != nil {
		return err
	}
	if used > limit {
		return fmt.Errorf("%d bytes are used, %d are allowed (storage.max_bytes)", used, db.cfg.MaxBytes)
	}
	return nil
}

// used is the pages of the store that hold something, and what the journal holds beyond them.
func (db *DB) used() (int64, error) {
	end, err := db.pagesEnd()
	s := db.engine.Stats()
	return end - int64(s.FreePageN+s.PendingPageN)*pageSize + db.journal.since.Load(), err
}

// noSpace says that err is a write that the file system has no room for, which has changed nothing. A sync that fails so is another matter.
func noSpace(err error) bool {
	var path *os.PathError
	return errors.As(err, &path) && path.Op == "write" && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}
