package storage

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
)

const (
	pageSize  = 4096 // fixed, so that a folder can move to a machine with larger pages
	allocSize = 4 << 20
	idLen     = 8
)

// Open opens the store in cfg.Dir, or makes a new one when the folder has none. It refuses a folder that another process
// uses (ErrLocked), a file that is no store (ErrNotStore), one written by a newer program (ErrNewer), and one that is
// empty, cut short or damaged (ErrDamaged); a refusal changes nothing.
func Open(cfg Config, log *slog.Logger) (*DB, error) {
	return open(cfg, log, migrations)
}

func open(cfg Config, log *slog.Logger, m []migration) (*DB, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	if err := makeFolder(cfg.Dir); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	db := &DB{cfg: cfg, log: log, lock: lock, failed: make(chan struct{}), roomQuit: make(chan struct{}), stirred: make(chan struct{}, 1)}
	db.commits.wake.L = &db.commits.mu
	if err := db.load(m); err != nil {
		return nil, errors.Join(err, db.release())
	}
	return db, nil
}

// load does all of Open that needs the lock.
func (db *DB) load(m []migration) error {
	if db.cfg.Locked != nil {
		if err := db.cfg.Locked(); err != nil {
			return err
		}
	}
	if err := prepare(db.cfg); err != nil {
		return err
	}
	path := db.storePath()
	info, err := inspectStore(path, fileSize(path) <= db.cfg.CheckBytes, 1)
	if err != nil {
		return err
	}
	if err := refuseSchema(path, info.schema, schemaVersion(m)); err != nil {
		return err
	}
	if info.lostHeader {
		db.log.Warn("one of the store's two header pages is damaged, using the other: the newest transaction may be missing", "file", path)
	}
	if db.engine, err = openEngine(path, db.cfg.Sync != nil); err != nil {
		return err
	}
	if db.journal, err = openJournal(db, info); err != nil {
		return err
	}
	db.commits.stopped.Add(1)
	go db.commitLoop(nil)
	db.journal.start()
	if err := db.migrate(m, info.schema); err != nil {
		db.journal.stop()
		db.stopCommitter()
		return err
	}
	db.roomEnded.Add(1)
	go db.roomLoop()
	return nil
}

// openEngine maps the file. The checks before it make a fault unlikely; one that comes all the same becomes an error.
func openEngine(path string, noSync bool) (engine *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damagedf("%s: %v", path, r)
		}
	}()
	engine, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         time.Nanosecond, // the folder's lock is ours: nobody may hold this one
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapSize(),
		PageSize:        pageSize,
		NoSync:          noSync,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: open: %w", path, err)
	}
	engine.AllocSize = allocSize
	return engine, nil
}

// mapSize is the address space reserved for the file. While it fits, a commit that grows the file need not wait for the
// views to end. It costs no memory.
func mapSize() int {
	if strconv.IntSize == 64 {
		return 1 << 30
	}
	return 1 << 26
}

func makeFolder(dir string) error {
	if found, err := exists(dir); found || err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// prepare makes the store when there is none, after making sure that there really never was one.
func prepare(cfg Config) error {
	path := filepath.Join(cfg.Dir, storeName)
	found, err := exists(path)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if found {
		return os.RemoveAll(filepath.Join(cfg.Dir, newName))
	}
	if err := refuseOrphans(cfg.Dir, path); err != nil {
		return err
	}
	if err := initialise(cfg, path); err != nil {
		return fmt.Errorf("make a new store in %s: %w", cfg.Dir, err)
	}
	return nil
}

// refuseOrphans keeps Open from making a new store beside the journal of a lost one. A first start that was interrupted
// leaves a store under its temporary name and a journal without entries: that one begins again.
func refuseOrphans(dir, path string) error {
	files, err := listSegments(filepath.Join(dir, journalName))
	if err != nil || len(files) == 0 {
		return err
	}
	interrupted, err := exists(filepath.Join(dir, newName))
	if err != nil {
		return err
	}
	for _, f := range files {
		if !interrupted || !f.empty() {
			return fmt.Errorf("%s: %w: the file is missing and its journal is there: put the file back or restore a backup",
				path, ErrDamaged)
		}
	}
	return nil
}

// initialise makes a store in an order that a crash may interrupt anywhere: the file gets its name when all is in place.
func initialise(cfg Config, path string) error {
	temporary := filepath.Join(cfg.Dir, newName)
	journal := filepath.Join(cfg.Dir, journalName)
	if err := errors.Join(os.RemoveAll(temporary), os.RemoveAll(journal)); err != nil {
		return err
	}
	var id [idLen]byte
	rand.Read(id[:])
	if err := createStore(temporary, id); err != nil {
		return err
	}
	if err := createJournal(journal, id, cfg.SegmentBytes); err != nil {
		return err
	}
	if err := syncDir(cfg.Dir); err != nil { // the temporary name is the sign of an interrupted start
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(cfg.Dir)
}

func createStore(path string, id [idLen]byte) error {
	engine, err := openEngine(path, false)
	if err != nil {
		return err
	}
	seed := bucketSeed(ownBucket)
	put := func(b *bbolt.Bucket, key string, value []byte) error {
		sum := checksum(seed, []byte(key), value)
		return b.Put([]byte(key), append(binary.BigEndian.AppendUint32(nil, sum), value...))
	}
	err = engine.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(ownBucket))
		if err != nil {
			return err
		}
		version := binary.BigEndian.AppendUint32(nil, schemaVersion(migrations))
		return errors.Join(put(b, schemaKey, version), put(b, idKey, id[:]))
	})
	return errors.Join(err, engine.Close())
}
