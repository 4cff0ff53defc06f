package storage_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"xively/storage"
	"xively/storage/storagetest"
)

// held starts an Update that stays in its function until release is called, so that others gather behind it.
func held(t *testing.T, db *storage.DB) (release func()) {
	t.Helper()
	inside, gate := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- db.Update(func(*storage.Tx) error {
			close(inside)
			<-gate
			return nil
		})
	}()
	<-inside
	return func() {
		close(gate)
		if err := <-done; err != nil {
			t.Errorf("held Update: %v", err)
		}
	}
}

// gathered runs the functions so that all but a few of them share one commit, and returns their errors.
func gathered(t *testing.T, db *storage.DB, fns ...func(*storage.Tx) error) []error {
	t.Helper()
	release := held(t, db)
	errs := make([]error, len(fns))
	var started, all sync.WaitGroup
	for i, fn := range fns {
		started.Add(1)
		all.Go(func() {
			started.Done()
			errs[i] = db.Update(fn)
		})
	}
	started.Wait()
	for range 100 {
		runtime.Gosched() // lets most of them reach the queue; which ones does not matter
	}
	release()
	all.Wait()
	return errs
}

func TestGroupSharesCommit(t *testing.T) {
	db := storagetest.Open(t)
	before := db.Stats()
	fns := make([]func(*storage.Tx) error, 200)
	for i := range fns {
		fns[i] = func(tx *storage.Tx) error {
			tx.Bucket("b").Put(fmt.Append(nil, i), nil)
			return nil
		}
	}
	for i, err := range gathered(t, db, fns...) {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	after := db.Stats()
	if n := after.Updates - before.Updates; n != 201 {
		t.Errorf("%d updates counted, want 201", n)
	}
	if n := after.Commits - before.Commits; n > 50 {
		t.Errorf("200 concurrent updates took %d commits", n)
	}
}

// TestGroupFailures: in one group some return errors, some panic, some end their goroutine; each function runs once, the
// good ones' writes stay and nobody else's.
func TestGroupFailures(t *testing.T) {
	db := storagetest.Open(t)
	update(t, db, func(tx *storage.Tx) {
		for i := range 100 {
			tx.Bucket("b").Put(fmt.Append(nil, i), []byte("old"))
		}
	})
	var runs [100]atomic.Int32
	var fns []func(*storage.Tx) error
	for i := range 100 {
		fns = append(fns, func(tx *storage.Tx) error {
			runs[i].Add(1)
			b := tx.Bucket("b")
			b.Put(fmt.Append(nil, i), []byte("new"))
			b.Delete(fmt.Append(nil, i))
			b.Put(fmt.Append(nil, i), []byte("newer"))
			b.Put(fmt.Append(nil, "extra", i), nil)
			tx.OnCommit(func() { runs[i].Add(100) })
			switch i % 4 {
			case 1:
				return errWanted
			case 2:
				panic(i)
			case 3:
				runtime.Goexit()
			}
			return nil
		})
	}
	errs := gathered(t, db, fns...)
	view(t, db, func(tx *storage.Tx) {
		b := tx.Bucket("b")
		for i := range 100 {
			value, extra := string(b.Get(fmt.Append(nil, i))), b.Get(fmt.Append(nil, "extra", i)) != nil
			var p *storage.PanicError
			var errOK bool
			switch i % 4 {
			case 0:
				errOK = errs[i] == nil
			case 1:
				errOK = errors.Is(errs[i], errWanted)
			case 2:
				errOK = errors.As(errs[i], &p) && p.Value == i
			case 3:
				errOK = errs[i] != nil
			}
			wantValue, wantRuns := "old", int32(1)
			if i%4 == 0 {
				wantValue, wantRuns = "newer", 101
			}
			if !errOK || value != wantValue || extra != (i%4 == 0) || runs[i].Load() != wantRuns {
				t.Errorf("call %d: err %v, value %q, extra key %v, runs %d", i, errs[i], value, extra, runs[i].Load())
			}
		}
	})
}

// TestOnCommitOrder: what the callbacks build follows the store exactly.
func TestOnCommitOrder(t *testing.T) {
	db := storagetest.Open(t)
	var mirror []uint64 // changed only by callbacks, which never run two at a time
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			var seen bool
			update(t, db, func(tx *storage.Tx) {
				id := tx.Bucket("b").NextID()
				tx.OnCommit(func() { mirror = append(mirror, id) })
				tx.OnCommit(func() { seen = true })
			})
			if !seen {
				t.Error("Update returned before its callbacks ran")
			}
		})
	}
	all.Wait()
	if len(mirror) != 50 || !slices.IsSorted(mirror) {
		t.Errorf("callbacks ran as %v", mirror)
	}
}

func TestOnCommitPanic(t *testing.T) {
	db := storagetest.Open(t)
	err := db.Update(func(tx *storage.Tx) error {
		tx.Bucket("b").Put([]byte("k"), nil)
		tx.OnCommit(func() { panic("late") })
		return nil
	})
	var p *storage.PanicError
	if !errors.As(err, &p) {
		t.Fatalf("Update returned %v, want the panic", err)
	}
	update(t, db, func(tx *storage.Tx) {
		if tx.Bucket("b").Get([]byte("k")) == nil {
			t.Error("the write is gone, but it was committed")
		}
	})
}

func TestAfterClose(t *testing.T) {
	db := storagetest.Open(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	none := func(*storage.Tx) error { return nil }
	if err := db.Update(none); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Update: %v, want ErrClosed", err)
	}
	if err := db.View(none); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("View: %v, want ErrClosed", err)
	}
	j := db.Journal()
	b := j.Begin()
	b.Add('b', []byte("x"))
	lsn := b.Append()
	b.End()
	if err := j.Wait(t.Context(), lsn); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Wait: %v, want ErrClosed", err)
	}
}
