package storage_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"xively/storage"
	"xively/storage/storagetest"
)

var writeSample = flag.Bool("update", false, "write testdata of the current schema version anew")

// TestOldStores opens a small folder written by each schema version there has been. The sample of a new version is made
// with -update, in the commit that raises it, and never changed again.
func TestOldStores(t *testing.T) {
	current := filepath.Join("testdata", "v1")
	if *writeSample {
		sample(t, current)
	}
	for _, dir := range []string{current} {
		db := storagetest.OpenIn(t, storagetest.CopyStopped(t, dir))
		view(t, db, func(tx *storage.Tx) {
			if got := tx.Bucket("a.b").Get([]byte("key")); string(got) != "value" {
				t.Errorf("%s: value %q", dir, got)
			}
		})
		var records collector
		attach(t, db, 's', &records)
		if len(records) != 2 || string(records[0]) != "first" || string(records[1]) != "second" {
			t.Errorf("%s: records %q", dir, records)
		}
		if lsn := record(db.Journal(), 's', nil, nil); lsn != 3 {
			t.Errorf("%s: LSN goes on with %d", dir, lsn)
		}
	}
}

func sample(t *testing.T, dir string) {
	cfg := storage.Config{Dir: t.TempDir(), SegmentBytes: 8192}
	db, err := storage.Open(cfg, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *storage.Tx) { tx.Bucket("a.b").Put([]byte("key"), []byte("value")) })
	for _, r := range []string{"first", "second"} {
		wait(t, db.Journal(), record(db.Journal(), 's', []byte(r), nil))
	}
	storagetest.Check(t, db, cfg.Dir)
	report, err := storage.Verify(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(cfg.Dir, store), func(b []byte) []byte { return b[:report.Pages*4096] })
	if err := os.CopyFS(dir, os.DirFS(cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	remove(t, filepath.Join(dir, "LOCK"))
}
