//go:build linux

package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func testLog(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// openFailing opens a store that the test is going to break, so that it is not verified at the end.
func openFailing(t *testing.T, cfg Config) *DB {
	t.Helper()
	db, err := Open(cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// breakFile makes every later write to the process's open files whose path ends so fail, as one to a file opened for
// reading does.
func breakFile(t *testing.T, dir, suffix string) {
	t.Helper()
	device, err := os.Open("/dev/null")
	if err != nil {
		t.Skip(err)
	}
	defer device.Close()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for _, path := range fds {
		target, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(target, dir) || !strings.HasSuffix(target, suffix) {
			continue
		}
		var fd int
		fmt.Sscan(filepath.Base(path), &fd)
		if err := unix.Dup3(int(device.Fd()), fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		broken++
	}
	if broken == 0 {
		t.Fatalf("no open file in %s ends in %s", dir, suffix)
	}
}

func put(key string) func(tx *Tx) error {
	return func(tx *Tx) error {
		tx.Bucket("b").Put([]byte(key), []byte("value"))
		return nil
	}
}

func (j *Journal) appendOne(s Stream, data string) LSN {
	b := j.Begin()
	defer b.End()
	b.Add(s, []byte(data))
	return b.Append()
}

// TestIOFailure: when a write of the store or of the journal fails, everybody who waits gets the error, nothing is
// acknowledged any more, reads go on, and the next start has all that was acknowledged.
func TestIOFailure(t *testing.T) {
	for name, suffix := range map[string]string{"store": storeName, "journal": segmentSuffix} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := openFailing(t, Config{Dir: dir})
			j := db.Journal()
			before := j.appendOne('x', "before")
			if err := errors.Join(db.Update(put("before")), j.Wait(t.Context(), before)); err != nil {
				t.Fatal(err)
			}
			breakFile(t, dir, suffix)

			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					// Both kinds, so that the failure of one file is met by those who wait for the other.
					for n := range 1000 {
						err := db.Update(put(fmt.Sprint(i, n)))
						if err == nil {
							err = j.Wait(context.Background(), j.appendOne('x', "after"))
						}
						if errors.Is(err, ErrFailed) {
							return
						}
					}
					t.Error("writes go on being acknowledged")
				})
			}
			all.Wait()
			select {
			case <-db.Failed():
			default:
				t.Error("Failed is not closed")
			}
			after := j.appendOne('x', "after")
			told := make(chan error, 1)
			j.Notify(before, tell(told))
			for what, err := range map[string]error{
				"Update":                  db.Update(put("after")),
				"Wait":                    j.Wait(t.Context(), after),
				"Wait for a durable one":  j.Wait(t.Context(), before),
				"Waiter":                  <-told,
				"Err":                     db.Err(),
				"checkpoint, as at Close": j.checkpoint(),
			} {
				if !errors.Is(err, ErrFailed) {
					t.Errorf("%s: %v, want ErrFailed", what, err)
				}
			}
			if err := db.View(func(tx *Tx) error {
				if tx.Bucket("b").Get([]byte("before")) == nil {
					t.Error("an old value is not readable")
				}
				return nil
			}); err != nil {
				t.Errorf("View: %v", err)
			}
			if err := db.Close(); !errors.Is(err, ErrFailed) {
				t.Errorf("Close: %v, want ErrFailed", err)
			}
			db = openFailing(t, Config{Dir: dir})
			if db.Journal().Durable() < before {
				t.Error("an acknowledged batch is gone after restart")
			}
			if err := db.Update(put("again")); err != nil {
				t.Errorf("Update after restart: %v", err)
			}
		})
	}
}

type tell chan error

func (w tell) Durable(err error) { w <- err }

// TestBacklogBound: while the disk is slow, Begin blocks instead of filling memory, and goes on when it may.
func TestBacklogBound(t *testing.T) {
	const bound, batch, writers = 100_000, 10_000, 8
	db := openFailing(t, Config{Dir: t.TempDir(), BacklogBytes: bound})
	j := db.Journal()
	data := strings.Repeat("x", batch)
	j.files.Lock() // rotation waits for it: the writer stands still at the end of its file
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range 500 {
				j.appendOne('x', data)
			}
		})
	}
	most, same := int64(0), 0
	for ; same < 50; same++ { // until it has stood still for a while
		if n := j.backlog.Load(); n > most {
			most, same = n, 0
		}
		time.Sleep(2 * time.Millisecond)
	}
	j.files.Unlock()
	all.Wait()
	// What the writer holds, what gathers up to the bound, and one batch of everybody who had begun.
	if limit := int64(bound + (writers+1)*(batch+10)); most > limit {
		t.Errorf("backlog grew to %d bytes, bound %d", most, bound)
	}
	if most <= bound {
		t.Errorf("backlog only grew to %d bytes: the test does not reach the bound", most)
	}
}

// TestMigrate: an older store is brought up step by step, and a step that fails leaves it where it was.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	db, err := open(Config{Dir: dir}, testLog(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	step := func(key string) migration { return put(key) }
	wanted := errors.New("wanted")
	fails := func(tx *Tx) error { put("half done")(tx); return wanted }
	if _, err := open(Config{Dir: dir}, testLog(t), []migration{step("one"), fails}); !errors.Is(err, wanted) {
		t.Fatalf("Open with a failing migration: %v", err)
	}
	if _, err := open(Config{Dir: dir}, testLog(t), nil); !errors.Is(err, ErrNewer) {
		t.Errorf("the first step is not committed: %v", err)
	}
	once := 0
	count := func(tx *Tx) error { once++; return put("two")(tx) }
	for range 2 {
		db, err := open(Config{Dir: dir}, testLog(t), []migration{fails, count, step("three")})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		db.View(func(tx *Tx) error {
			for k := range tx.Bucket("b").Scan(nil, nil) {
				keys = append(keys, string(k))
			}
			return nil
		})
		if got := fmt.Sprint(keys); got != "[one three two]" || once != 1 {
			t.Errorf("keys %v, second step ran %d times", got, once)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFull: over its quota the store says so and goes on taking what it is given; below it again it says that, too.
func TestFull(t *testing.T) {
	db := openFailing(t, Config{Dir: t.TempDir(), MaxBytes: 1 << 20, CheckpointBytes: 64 << 10})
	value := []byte(strings.Repeat("x", 2000))
	for i := range 1000 {
		if err := db.Update(func(tx *Tx) error {
			tx.Bucket("b").Put(fmt.Append(nil, i), value)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	db.lookForRoom()
	if err := db.Full(); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "storage.max_bytes") || db.Stats().Full != 1 {
		t.Fatalf("Full: %v", err)
	}
	if err := db.Update(func(tx *Tx) error {
		for i := range 1000 {
			tx.Bucket("b").Delete(fmt.Append(nil, i))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // pages of the last transaction are free after the next
		if err := db.Update(put("x")); err != nil {
			t.Fatal(err)
		}
	}
	db.lookForRoom()
	if err := db.Full(); err != nil {
		t.Error(err)
	}
}

// TestFirstOfGroupFails: the first call of a group that writes is undone by beginning the group anew, the later ones key by
// key. Either way nothing of a call that fails stays, and all of the others does.
func TestFirstOfGroupFails(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error":  func() error { return errors.New("no") },
		"panic":  func() error { panic("no") },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			db, err := Open(Config{Dir: t.TempDir()}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Update(put("old")); err != nil {
				t.Fatal(err)
			}
			bad := func(tx *Tx) error {
				tx.Bucket("b").Put([]byte("old"), []byte("new"))
				tx.Bucket("b").Put([]byte("bad"), nil)
				tx.Bucket("b").NextID()
				tx.Bucket("c").Put([]byte("bad"), nil)
				tx.Bucket("b").Delete([]byte("old"))
				return fail()
			}
			gate, calls := make(chan struct{}), []*call{}
			fns := []func(*Tx) error{func(*Tx) error { <-gate; return nil }, bad, bad, put("1"), bad, put("2"), bad}
			for _, fn := range fns {
				c := &call{fn: fn, done: make(chan struct{}, 1)}
				if err := db.enqueue(c); err != nil {
					t.Fatal(err)
				}
				calls = append(calls, c)
			}
			close(gate)
			for i, c := range calls {
				<-c.done
				if wrong := i == 1 || i == 2 || i == 4 || i == 6; wrong != (c.err != nil) {
					t.Errorf("call %d: %v", i, c.err)
				}
			}
			err = db.View(func(tx *Tx) error {
				got := ""
				for k, v := range tx.Bucket("b").Scan(nil, nil) {
					got += fmt.Sprintf("%s=%s ", k, v)
				}
				if got != "1=value 2=value old=value " || tx.Bucket("c").Get([]byte("bad")) != nil {
					t.Errorf("the store has %s", got)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			err = db.Update(func(tx *Tx) error {
				if id := tx.Bucket("b").NextID(); id != 1 {
					t.Errorf("the first number is %d", id)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// grower is a consumer whose checkpoint is larger than what it got.
type grower struct{ records, frozen int }

func (g *grower) Replay(LSN, []byte) error { g.records++; return nil }
func (g *grower) Freeze()                  { g.frozen, g.records = g.records, 0 }
func (g *grower) Flush(tx *Tx) error {
	for i := range g.frozen * 100 {
		tx.Bucket("g").Put(fmt.Appendf(nil, "%08d", i), make([]byte, 40<<10))
	}
	return nil
}

// TestCheckpointWaitsForRoom: a checkpoint for which neither the disk nor the reserve has room waits until there is some, and goes on.
func TestCheckpointWaitsForRoom(t *testing.T) {
	mnt := t.TempDir()
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=16m"); err != nil {
		t.Skip("mount:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mnt, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	db, err := Open(Config{Dir: filepath.Join(mnt, "data"), CheckpointBytes: 1 << 20, SegmentBytes: 256 << 10}, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // before unmount
	g := &grower{}
	if err := db.journal.Attach('g', g); err != nil {
		t.Fatal(err)
	}
	b := db.journal.Begin()
	b.Add('g', []byte("one"))
	lsn := b.Append()
	g.records++
	b.End()
	if err := db.journal.Wait(t.Context(), lsn); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(mnt, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 16<<20), 0o600); !noSpace(err) {
		t.Fatalf("the disk is not full: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- db.journal.checkpoint() }()
	for db.Full() == nil {
		select {
		case err := <-done:
			t.Fatalf("the checkpoint did not wait: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if err := db.View(func(*Tx) error { return nil }); err != nil {
		t.Errorf("reading while a checkpoint waits: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := db.Update(put("after")); err != nil {
		t.Error(err)
	}
	db.journal.checkpointing.Lock()
	defer db.journal.checkpointing.Unlock()
	if cut := db.journal.cuts['g']; cut != lsn {
		t.Errorf("the store is at %d, want %d", cut, lsn)
	}
}
