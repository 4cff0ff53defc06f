// Package storagetest gives tests a store, and checks it for damage when the test ends.
package storagetest

import (
	"log/slog"
	"testing"

	"xively/storage"
)

// Config is a store in dir with sizes so small that a test meets new journal files and checkpoints on its way.
func Config(dir string) storage.Config {
	return storage.Config{Dir: dir, CheckpointBytes: 1 << 20, SegmentBytes: 256 << 10, BacklogBytes: 128 << 10}
}

// Log writes to the test's output.
func Log(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// Open opens a new store in a temporary folder. When the test ends it is closed, and everything in it is verified.
func Open(t testing.TB) *storage.DB {
	t.Helper()
	return OpenIn(t, t.TempDir())
}

// OpenIn opens the store in dir, like Open. The test may close it earlier, to open the folder again.
func OpenIn(t testing.TB, dir string) *storage.DB {
	t.Helper()
	db, err := storage.Open(Config(dir), Log(t))
	if err != nil {
		t.Fatalf("open store in %s: %v", dir, err)
	}
	t.Cleanup(func() { Check(t, db, dir) })
	return db
}

// Check closes the store and verifies the folder.
func Check(t testing.TB, db *storage.DB, dir string) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("close store: %v", err)
	}
	if _, err := storage.Verify(dir); err != nil {
		t.Errorf("store is damaged at the end of the test: %v", err)
	}
}

// Reopen closes the store in dir as a clean stop does and opens it again.
func Reopen(t testing.TB, db *storage.DB, dir string) *storage.DB {
	t.Helper()
	Check(t, db, dir)
	return OpenIn(t, dir)
}
