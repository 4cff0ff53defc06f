package storagetest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"xively/storage"
)

// Sizes of the pieces a file is copied in.
const (
	livePiece    = 4096
	stoppedPiece = 1 << 20
)

// Crash returns a copy of the folder as a kill -9 at some moment during the call would leave it, to be opened with OpenIn.
// The store may be in use meanwhile; what it acknowledged before the call is in the copy.
func Crash(t testing.TB, db *storage.DB, dir string) string {
	t.Helper()
	to := t.TempDir()
	// No commit runs while this function does. The journal goes on, but nothing above the store's floor is trimmed.
	err := db.Update(func(*storage.Tx) error {
		return copyFolder(dir, to, livePiece)
	})
	if err != nil {
		t.Fatalf("copy %s: %v", dir, err)
	}
	return to
}

// CopyStopped returns a copy of the folder of a store that is not open.
func CopyStopped(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := copyFolder(dir, to, stoppedPiece); err != nil {
		t.Fatalf("copy %s: %v", dir, err)
	}
	return to
}

// copyJournal copies the newest file first: the copies are then a state that was, and not a later file without an entry
// of an earlier one.
func copyJournal(dir, to string, piece int64) error {
	if err := os.Mkdir(filepath.Join(to, "journal"), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(dir, "journal"))
	if err != nil {
		return err
	}
	slices.Reverse(entries)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".journal") {
			continue
		}
		name := filepath.Join("journal", e.Name())
		if err := copyFile(dir, to, name, piece); err != nil {
			return err
		}
		// Trimmed and perhaps used again while it was copied: a crash would not find it under this name either.
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			if err := os.Remove(filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func copyFolder(dir, to string, piece int64) error {
	return errors.Join(copyFile(dir, to, "xively.db", piece), copyJournal(dir, to, piece))
}

// copyFile copies from the end to the beginning, piece by piece: who appends meanwhile is seen to have written the
// earlier before the later. A file that is gone is left out.
func copyFile(dir, to, name string, piece int64) error {
	in, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(to, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	zero, buf := make([]byte, piece), make([]byte, piece)
	for at := (info.Size() - 1) / piece * piece; at >= 0; at -= piece {
		n, err := in.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return err
		}
		if bytes.Equal(buf[:n], zero[:n]) {
			continue
		}
		if _, err := out.WriteAt(buf[:n], at); err != nil {
			return err
		}
	}
	return nil
}
