package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockName = "LOCK"

// lockFolder takes the lock on a data folder at once or not at all. The lock belongs to the open file: it ends with the
// process, however that ends, so that a LOCK file left behind means nothing.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	return f, flock(f, dir, unix.LOCK_EX)
}

// lockFolderShared keeps a server out while Verify reads. A folder that never had a LOCK file needs none: nil, nil.
func lockFolderShared(dir string) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	return f, flock(f, dir, unix.LOCK_SH)
}

func flock(f *os.File, dir string, how int) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if err == nil {
		return nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("data folder %s: %w: stop that one first, or choose another folder", dir, ErrLocked)
	}
	return fmt.Errorf("data folder %s: lock: %w", dir, err)
}
