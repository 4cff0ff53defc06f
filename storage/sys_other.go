//go:build !linux

package storage

import (
	"errors"
	"os"
)

func datasync(f *os.File) error { return f.Sync() }

func preallocate(f *os.File, size int64) error { return f.Truncate(size) }

func reserveBlocks(*os.File, int64, int64) error { return errors.ErrUnsupported }
