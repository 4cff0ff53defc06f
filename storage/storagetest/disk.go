package storagetest

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"xively/storage"
)

// A Disk stands between a store and its files as a disk with a cache does: what was written lasts once a sync has ended,
// and the test says when that is. Power takes away what was not synced, wholly or in parts. Commits of the store file are
// all or nothing; the parts of one are for the tests on real file systems.
//
// The zero Disk ends every sync at once. Its methods may be called from any goroutine, also in a synctest bubble.
type Disk struct {
	// Lies makes syncs end at once and do nothing: for the control of a durability test.
	Lies bool

	mu      sync.Mutex
	dir     string
	held    bool              // syncs wait for Release
	pending []waitingSync     // by path
	synced  map[string][]byte // journal files as they are on the platter
	files   map[string][]byte // and as they were when the power went
	off     bool
}

type waitingSync struct {
	path string
	done chan error
}

var errPowerOff = errors.New("the power is off")

// Config is the configuration of a small store in dir on this disk.
func (d *Disk) Config(dir string) storage.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dir, d.off = dir, false
	d.synced, _ = d.journalLocked() // a file that cannot be read shows when the store opens it
	return storage.Config{Dir: dir, CheckpointBytes: 3 << 10, SegmentBytes: 32 << 10, BacklogBytes: 16 << 10, Sync: d.sync}
}

// Hold has syncs wait for Release from now on, or with false lets them go.
func (d *Disk) Hold(held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = held
	if !held {
		d.releaseLocked(nil)
	}
}

// Waiting returns how many syncs wait.
func (d *Disk) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending)
}

// Release ends the syncs that wait, with an error if they shall fail.
func (d *Disk) Release(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.releaseLocked(err)
}

// ReleaseOne ends the i-th of the syncs that wait; the others go on waiting.
func (d *Disk) ReleaseOne(i int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending[i].done <- nil
	d.pending = slices.Delete(d.pending, i, i+1)
}

func (d *Disk) releaseLocked(err error) {
	for _, p := range d.pending {
		p.done <- err
	}
	d.pending = nil
}

func (d *Disk) sync(path string) error {
	d.mu.Lock()
	if d.off {
		d.mu.Unlock()
		return errPowerOff
	}
	if d.held {
		p := waitingSync{path, make(chan error, 1)}
		d.pending = append(d.pending, p)
		slices.SortFunc(d.pending, func(a, b waitingSync) int { return strings.Compare(a.path, b.path) })
		d.mu.Unlock()
		if err := <-p.done; err != nil {
			return err
		}
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	if d.Lies || !strings.HasSuffix(path, ".journal") {
		return nil
	}
	b, err := os.ReadFile(path)
	d.synced[path] = b
	return err
}

// PowerOff takes the power away: from here on nothing is written. The store fails and is to be closed.
func (d *Disk) PowerOff() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	var err error
	d.files, err = d.journalLocked()
	d.releaseLocked(errPowerOff)
	return err
}

func (d *Disk) journalLocked() (map[string][]byte, error) {
	names, err := filepath.Glob(filepath.Join(d.dir, "journal", "*.journal"))
	files := map[string][]byte{}
	for _, name := range names {
		b, readErr := os.ReadFile(name)
		err = errors.Join(err, readErr)
		files[name] = b
	}
	return files, err
}

// PowerOn makes the files what the disk has after PowerOff, chance deciding what of the unsynced part that is; nil: nothing.
func (d *Disk) PowerOn(rnd *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	late, err := d.journalLocked()
	for name := range late {
		if d.files[name] == nil {
			err = errors.Join(err, os.Remove(name))
		}
	}
	if err != nil {
		return err
	}
	if rnd != nil {
		rnd = rand.New(rand.NewPCG(rnd.Uint64(), 0)) // the caller's goes on in the same way, however much there is to tear
	}
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		b := d.files[name]
		old := d.synced[name]
		if old == nil { // made, which is durable, and not written to since
			const header = 4096
			old = append(bytes.Clone(b[:header]), make([]byte, len(b)-header)...)
		}
		if d.Lies || !bytes.Equal(old, b) {
			tear(old, b, rnd)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tear puts parts of what was there before back into b: all, none, what follows some byte, or any sectors.
func tear(old, b []byte, rnd *rand.Rand) {
	const sector = 512
	first := 0
	for first < len(b) && old[first] == b[first] {
		first++
	}
	last := len(b)
	for last > first && old[last-1] == b[last-1] {
		last--
	}
	if rnd == nil {
		copy(b, old)
		return
	}
	switch rnd.IntN(4) {
	case 0:
		copy(b, old)
	case 1:
	case 2:
		at := first + rnd.IntN(last-first+1)
		copy(b[at:], old[at:])
	case 3:
		for at := first / sector * sector; at < last; at += sector {
			if end := min(at+sector, len(b)); rnd.IntN(2) == 0 {
				copy(b[at:end], old[at:end])
			}
		}
	}
}
