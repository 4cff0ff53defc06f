package storage_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"xively/storage/storagetest"
)

// TestJournalWritesAhead: what a frame writes to is not new to the file system, but for one frame in many. Blocks that are allocated and were never
// written count as a hole.
func TestJournalWritesAhead(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	attach(t, db, 'a', newTally("a"))
	wait(t, db.Journal(), record(db.Journal(), 'a', make([]byte, 8), func() {}))
	files, err := filepath.Glob(filepath.Join(dir, "journal", "*.journal"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hole, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_HOLE)
	if err != nil {
		t.Skip("the file system does not tell holes:", err)
	}
	if want := int64(256 << 10); hole < want {
		t.Errorf("after one record %d bytes of the file have been written, want %d at least", hole, want)
	}
}
