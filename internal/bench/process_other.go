//go:build !linux

package bench

import (
	"errors"
	"time"
)

var errNoProc = errors.New("processor time and memory of another process are read on Linux only")

func processor(int) (time.Duration, error) { return 0, errNoProc }

func resident(int) (int64, error) { return 0, errNoProc }
