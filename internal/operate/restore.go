package operate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"xively/internal/fault"
)

// A restore of the running server has two halves. While the server runs, the backup is unpacked in the data folder, into
// unpackedFolder, and checked to its last checksum; then that gets its other name, restoredFolder, and the server stops in
// order and starts again. Before it opens the store, what is there and what was unpacked change places (SwapRestored). A
// crash at any moment leaves the one or the other, or a swap that the next start finishes.
//
// What was there is kept in a folder replaced-<time>, which is a data folder of its own, until somebody removes it: with a restore
// that was a mistake nothing is lost.
const (
	unpackedFolder  = "restoring"
	restoredFolder  = "restored"
	replacingFolder = "replacing"
	replacedPrefix  = "replaced-"
)

// restoreMargin is how much of the disk a restore leaves to the server that goes on meanwhile.
const restoreMargin = 64 << 20

// swapped is what changes places. The store goes first and comes last: a folder in the middle of a swap has none, and is refused
// by whoever does not finish it.
var swapped = append([]string{"xively.db", "journal"}, beside...)

// restore starts to restore a backup and returns it as it is then.
func (b *backups) restore(name string) (Backup, error) {
	one, err := b.find(name)
	if err != nil {
		return one, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return one, fault.New(fault.Unavailable, "The server is stopping. Try again in a moment.")
	case b.running != nil && b.running.State == "running":
		return one, fault.New(fault.Conflict, "The backup %s is being made; wait until it is done.", b.running.Name)
	case b.running != nil:
		return one, fault.New(fault.Conflict, "The backup %s is being restored.", b.running.Name)
	case one.State != "done":
		return one, fault.New(fault.Conflict, "The backup is not done.")
	}
	one.State, one.Error = "restoring", ""
	b.running = &one
	b.done.Go(func() { b.runRestore(name) })
	return one, nil
}

// runRestore unpacks a backup and then has the server start again. It is the goroutine of restore.
func (b *backups) runRestore(name string) {
	file := filepath.Join(b.s.cfg.Dir, name)
	err := b.roomFor(file)
	if err == nil {
		err = unpackRestored(b.live, file, b.s.cfg.Data)
	}
	b.mu.Lock()
	if err != nil {
		b.running = nil
		b.wrong[name] = "The restore failed, and nothing was changed: " + plainError(err) + "."
	} else {
		b.running.State = "restarting"
	}
	b.mu.Unlock()
	if err != nil {
		b.s.log.Error("restore failed", "name", name, "err", err)
		return
	}
	b.s.log.Info("restore is ready, starting again", "name", name)
	close(b.restored)
}

// roomFor reads a whole backup and says whether the disk has room for what is in it.
func (b *backups) roomFor(file string) error {
	var size int64
	if _, err := readArchiveFile(file, func(_ string, content io.Reader) error {
		if err := b.live.Err(); err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, content)
		size += n
		return err
	}); err != nil {
		return err
	}
	if free := b.s.source.Server().DiskFree; free > 0 && free < size+restoreMargin {
		return fmt.Errorf("it needs %d MiB, and the disk has %d MiB free", (size+restoreMargin)>>20, free>>20)
	}
	return nil
}

// unpackRestored makes ready what SwapRestored takes.
func unpackRestored(ctx context.Context, file, data string) error {
	partial, whole := filepath.Join(data, unpackedFolder), filepath.Join(data, restoredFolder)
	if exists(whole) {
		return errors.New("another backup waits for the server to start again")
	}
	defer os.RemoveAll(partial) // when it has its name, nothing is left to remove
	if _, _, err := unpackAll(ctx, file, partial); err != nil {
		return err
	}
	if err := os.Rename(partial, whole); err != nil {
		return err
	}
	return syncFolder(data)
}

// SwapRestored finishes a restore that waits in a data folder, or one that a crash has interrupted in the middle of this. Nobody else may use
// the folder meanwhile. It returns the name of the folder with what was there before, and "" when there was nothing to do.
func SwapRestored(data string, now time.Time) (kept string, err error) {
	from, aside := filepath.Join(data, restoredFolder), filepath.Join(data, replacingFolder)
	if !exists(from) {
		return "", nil
	}
	if err := os.Mkdir(aside, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	for _, name := range swapped {
		if !exists(filepath.Join(from, name)) {
			continue // it has come already, or the backup has none and what is there stays
		}
		if err := move(filepath.Join(data, name), filepath.Join(aside, name)); err != nil {
			return "", err
		}
	}
	if err := syncFolders(data, aside); err != nil {
		return "", err
	}
	for _, name := range slices.Backward(swapped) {
		if err := move(filepath.Join(from, name), filepath.Join(data, name)); err != nil {
			return "", err
		}
	}
	if err := syncFolders(data, from); err != nil {
		return "", err
	}
	if os.Remove(aside) != nil { // it is empty only when a crash came after this
		kept = replacedPrefix + now.UTC().Format(timeForm)
		for n := 2; exists(filepath.Join(data, kept)); n++ {
			kept = fmt.Sprintf("%s%s-%d", replacedPrefix, now.UTC().Format(timeForm), n)
		}
		if err := os.Rename(aside, filepath.Join(data, kept)); err != nil {
			return "", err
		}
	}
	if err := os.Remove(from); err != nil {
		return "", err
	}
	return kept, syncFolder(data)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// move renames what is there; what is not has been moved already.
func move(from, to string) error {
	if err := os.Rename(from, to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncFolders(dirs ...string) error {
	for _, dir := range dirs {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

// replaced returns the folders that restores have left, the oldest first.
func (b *backups) replaced() []string {
	found, _ := filepath.Glob(filepath.Join(b.s.cfg.Data, replacedPrefix+"*")) // the pattern is good
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	slices.Sort(found)
	return found
}
