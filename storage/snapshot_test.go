package storage_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"xively/storage"
	"xively/storage/storagetest"
)

// into is a SnapshotFile that makes files in a folder, and sees that each gets the size that was told.
func into(t *testing.T, dir string) storage.SnapshotFile {
	t.Helper()
	return func(name string, size int64) (io.Writer, error) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		t.Cleanup(func() {
			if info, err := os.Stat(path); err == nil && info.Size() != size {
				t.Errorf("%s has %d bytes, %d were told", name, info.Size(), size)
			}
			f.Close()
		})
		return f, err
	}
}

// TestSnapshotIsOneMoment: each writer appends a batch, waits, and notes in the store how many it has; so at every moment the
// journal has as many as the store says, or one more. Snapshots under this load are such moments, one after the other,
// checkpoints and files used again in between; a copy that took journal and store one after the other would not be.
func TestSnapshotIsOneMoment(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	c := newTally("a")
	attach(t, db, 'a', c)
	var stop atomic.Bool
	var running sync.WaitGroup
	noted := func(tx *storage.Tx, key []byte) uint64 {
		if v := tx.Bucket("noted").Get(key); v != nil {
			return binary.BigEndian.Uint64(v)
		}
		return 0
	}
	for k := range uint64(writers) {
		running.Go(func() {
			key := binary.BigEndian.AppendUint64(nil, k)
			for n := uint64(1); !stop.Load(); n++ {
				lsn := record(db.Journal(), 'a', append(key[:8:8], make([]byte, 2000)...), func() { c.add(k) })
				if err := db.Journal().Wait(t.Context(), lsn); err != nil {
					t.Error(err)
					return
				}
				err := db.Update(func(tx *storage.Tx) error {
					tx.Bucket("noted").Put(key, binary.BigEndian.AppendUint64(nil, n))
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for db.Stats().Checkpoints < 2 && !t.Failed() { // a while of its own, then snapshots all through the rest
		copyAndCheck(t, db, noted)
	}
	for range 10 {
		copyAndCheck(t, db, noted)
	}
	stop.Store(true)
	running.Wait()
}

func copyAndCheck(t *testing.T, db *storage.DB, noted func(*storage.Tx, []byte) uint64) {
	t.Helper()
	dir := t.TempDir()
	cut, err := db.Snapshot(t.Context(), into(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Verify(dir); err != nil {
		t.Fatalf("snapshot at %d: %v", cut, err)
	}
	copied := storagetest.OpenIn(t, dir)
	defer copied.Close()
	c := newTally("a")
	attach(t, copied, 'a', c)
	counts := c.counts(t, copied)
	view(t, copied, func(tx *storage.Tx) {
		for k := range uint64(writers) {
			if n := noted(tx, binary.BigEndian.AppendUint64(nil, k)); counts[k] != n && counts[k] != n+1 {
				t.Errorf("snapshot at %d: writer %d noted %d, the journal has %d", cut, k, n, counts[k])
			}
		}
	})
	if c.last > cut {
		t.Errorf("snapshot at %d has batch %d", cut, c.last)
	}
}

func TestSnapshotEnds(t *testing.T) {
	db := storagetest.Open(t)
	lsn := record(db.Journal(), 'x', []byte("x"), nil)
	wait(t, db.Journal(), lsn)
	bad := errors.New("disk full")
	for _, name := range []string{"journal", "xively.db"} {
		_, err := db.Snapshot(t.Context(), func(got string, _ int64) (io.Writer, error) {
			if filepath.Dir(got) == name || got == name {
				return nil, bad
			}
			return io.Discard, nil
		})
		if !errors.Is(err, bad) {
			t.Errorf("a full disk at %s: %v", name, err)
		}
	}
	if _, err := db.Snapshot(t.Context(), func(string, int64) (io.Writer, error) { return new(bytes.Buffer), nil }); err != nil {
		t.Errorf("after failures: %v", err)
	}
}

func TestSnapshotFolder(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	c := newTally("a")
	attach(t, db, 'a', c)
	wait(t, db.Journal(), record(db.Journal(), 'a', binary.BigEndian.AppendUint64(nil, 5), func() { c.add(5) }))
	if err := storage.SnapshotFolder(dir, into(t, t.TempDir())); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("of a store in use: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := storage.SnapshotFolder(dir, into(t, to)); err != nil {
		t.Fatal(err)
	}
	copied := storagetest.OpenIn(t, to)
	again := newTally("a")
	attach(t, copied, 'a', again)
	if n := again.counts(t, copied)[5]; n != 1 {
		t.Errorf("the copy has %d, wanted 1", n)
	}
}
