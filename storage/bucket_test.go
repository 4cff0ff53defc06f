package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"xively/storage"
	"xively/storage/storagetest"
)

var errWanted = errors.New("wanted")

func update(t testing.TB, db *storage.DB, fn func(tx *storage.Tx)) {
	t.Helper()
	if err := db.Update(func(tx *storage.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t testing.TB, db *storage.DB, fn func(tx *storage.Tx)) {
	t.Helper()
	if err := db.View(func(tx *storage.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatalf("View: %v", err)
	}
}

// model is a bucket as a plain map.
type model map[string]string

func (m model) keys(from, to []byte) []string {
	var keys []string
	for k := range m {
		if k >= string(from) && (to == nil || k < string(to)) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func collect(seq iter.Seq2[[]byte, []byte]) (keys []string, values model) {
	values = model{}
	for k, v := range seq {
		keys = append(keys, string(k))
		values[string(k)] = string(v)
	}
	return keys, values
}

// compare checks a range of the bucket against the model, both ways.
func (m model) compare(t testing.TB, b *storage.Bucket, from, to []byte) {
	t.Helper()
	want := m.keys(from, to)
	got, values := collect(b.Scan(from, to))
	if !slices.Equal(got, want) {
		t.Fatalf("Scan(%q, %q) gave %d keys %.300q, want %d %.300q", from, to, len(got), got, len(want), want)
	}
	for _, k := range got {
		if values[k] != m[k] {
			t.Fatalf("Scan gave %q = %.80q, want %.80q", k, values[k], m[k])
		}
	}
	down, _ := collect(b.ScanDown(from, to))
	slices.Reverse(down)
	if !slices.Equal(down, want) {
		t.Fatalf("ScanDown(%q, %q) gave %d keys, want %d", from, to, len(down), len(want))
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefgh\x00\xff"[r.IntN(10)]
	}
	return b
}

// TestModel runs random transactions, some of which fail half-way, and compares the store with a map.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			dir := t.TempDir()
			db := storagetest.OpenIn(t, dir)
			state := map[string]model{"one": {}, "two": {}}
			for round := range 150 {
				var after map[string]model
				fail := r.IntN(3)
				err := db.Update(func(tx *storage.Tx) error {
					after = mutate(t, r, tx, state)
					switch fail {
					case 1:
						return errWanted
					case 2:
						tx.Bucket("one").Put(nil, nil)
					}
					return nil
				})
				switch {
				case fail == 0 && err == nil:
					state = after
				case fail == 1 && errors.Is(err, errWanted), fail == 2 && errors.Is(err, storage.ErrInvalidKey):
				default:
					t.Fatalf("round %d, outcome %d: Update returned %v", round, fail, err)
				}
				view(t, db, func(tx *storage.Tx) {
					for name, m := range state {
						m.compare(t, tx.Bucket(name), nil, nil)
					}
				})
				if round%50 == 49 {
					db = storagetest.Reopen(t, db, dir)
				}
			}
		})
	}
}

// mutate does random writes and returns the model after them. It reads in between, so that the transaction's own writes
// are seen by every kind of read.
func mutate(t *testing.T, r *rand.Rand, tx *storage.Tx, state map[string]model) map[string]model {
	after := map[string]model{}
	for name, m := range state {
		b, next := tx.Bucket(name), model{}
		for k, v := range m {
			next[k] = v
		}
		after[name] = next
		for range r.IntN(60) {
			k := randomBytes(r, 1+r.IntN(3))
			if r.IntN(20) == 0 {
				k = bytes.Repeat(k, 1+r.IntN(5000))
			}
			v := randomBytes(r, r.IntN(40)*r.IntN(40)*r.IntN(6))
			b.Put(k, v)
			next[string(k)] = string(v)
		}
		from, to := randomBytes(r, r.IntN(3)), randomBytes(r, r.IntN(3))
		next.compare(t, b, from, to)
		if r.IntN(3) == 0 {
			next.eat(t, r, b, next.keys(from, nil), b.Scan(from, nil))
		}
		if r.IntN(3) == 0 {
			keys := next.keys(nil, to)
			slices.Reverse(keys)
			next.eat(t, r, b, keys, b.ScanDown(nil, to))
		}
		next.compare(t, b, nil, nil)
		next.compare(t, b, from, to)
	}
	return after
}

// eat deletes most of what the iteration visits, under its feet, and checks that it visits all the keys.
func (m model) eat(t *testing.T, r *rand.Rand, b *storage.Bucket, keys []string, seq iter.Seq2[[]byte, []byte]) {
	var visited []string
	for k := range seq {
		visited = append(visited, string(k))
		if r.IntN(4) != 0 {
			b.Delete(k)
			delete(m, string(k))
		}
	}
	if !slices.Equal(visited, keys) {
		t.Fatalf("an iteration that deletes visited %d keys, want %d", len(visited), len(keys))
	}
}

func TestPrefix(t *testing.T) {
	db := storagetest.Open(t)
	keys := []string{"a", "ab", "ab\x00", "ab\xff", "ab\xff\xff", "abc", "ac", "\xff", "\xff\xff", "\xff\xff\x01"}
	update(t, db, func(tx *storage.Tx) {
		for _, k := range keys {
			tx.Bucket("b").Put([]byte(k), nil)
		}
	})
	for _, p := range []string{"", "a", "ab", "ab\xff", "abc", "b", "\xff", "\xff\xff"} {
		var want []string
		for _, k := range keys {
			if strings.HasPrefix(k, p) {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		view(t, db, func(tx *storage.Tx) {
			if got, _ := collect(tx.Bucket("b").Prefix([]byte(p))); !slices.Equal(got, want) {
				t.Errorf("Prefix(%q) = %q, want %q", p, got, want)
			}
		})
	}
}

func TestGet(t *testing.T) {
	db := storagetest.Open(t)
	update(t, db, func(tx *storage.Tx) {
		b := tx.Bucket("b")
		v := []byte("value")
		b.Put([]byte("k"), v)
		v[0] = '!' // Put has copied it
		b.Put([]byte("empty"), nil)
		if got := b.Get([]byte("k")); string(got) != "value" {
			t.Errorf("inside the transaction Get = %q", got)
		}
	})
	view(t, db, func(tx *storage.Tx) {
		b := tx.Bucket("b")
		if got := b.Get([]byte("empty")); got == nil || len(got) != 0 {
			t.Errorf("empty value: %v, want empty and not nil", got)
		}
		for _, k := range []string{"", "x", strings.Repeat("x", 40000)} {
			if got := b.Get([]byte(k)); got != nil {
				t.Errorf("absent key %.5q: %q", k, got)
			}
		}
		if got := tx.Bucket("never written").Get([]byte("k")); got != nil {
			t.Errorf("missing bucket: %q", got)
		}
		if keys, _ := collect(tx.Bucket("never written").ScanDown(nil, nil)); keys != nil {
			t.Errorf("missing bucket: %q", keys)
		}
	})
}

func TestNextID(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	var ids []uint64
	next := func() {
		update(t, db, func(tx *storage.Tx) { ids = append(ids, tx.Bucket("b").NextID()) })
	}
	next()
	next()
	update(t, db, func(tx *storage.Tx) {
		if id := tx.Bucket("other").NextID(); id != 1 {
			t.Errorf("another bucket begins with %d", id)
		}
	})
	db = storagetest.Reopen(t, db, dir)
	next()
	if !slices.Equal(ids, []uint64{1, 2, 3}) {
		t.Errorf("ids %v, want 1 2 3", ids)
	}
}

// TestMisuse: a transaction used against its rules ends with an error that says so, and nothing else happens.
func TestMisuse(t *testing.T) {
	db := storagetest.Open(t)
	var old *storage.Tx
	var oldBucket *storage.Bucket
	update(t, db, func(tx *storage.Tx) { old, oldBucket = tx, tx.Bucket("b") })
	k := []byte("k")
	tests := []struct {
		name string
		run  func(func(*storage.Tx) error) error
		do   func(tx *storage.Tx)
		want error
	}{
		{"put in view", db.View, func(tx *storage.Tx) { tx.Bucket("b").Put(k, k) }, storage.ErrReadOnly},
		{"delete in view", db.View, func(tx *storage.Tx) { tx.Bucket("b").Delete(k) }, storage.ErrReadOnly},
		{"id in view", db.View, func(tx *storage.Tx) { tx.Bucket("b").NextID() }, storage.ErrReadOnly},
		{"on commit in view", db.View, func(tx *storage.Tx) { tx.OnCommit(func() {}) }, storage.ErrReadOnly},
		{"empty key", db.Update, func(tx *storage.Tx) { tx.Bucket("b").Put(nil, k) }, storage.ErrInvalidKey},
		{"long key", db.Update, func(tx *storage.Tx) { tx.Bucket("b").Put(make([]byte, 32769), k) }, storage.ErrInvalidKey},
		{"old bucket", db.View, func(*storage.Tx) { oldBucket.Get(k) }, storage.ErrTxDone},
		{"old transaction", db.Update, func(*storage.Tx) { old.Bucket("c").Put(k, k) }, storage.ErrTxDone},
	}
	for _, test := range tests {
		if err := test.run(func(tx *storage.Tx) error { test.do(tx); return nil }); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// TestViewPanic: a caller's panic in View is its own, and the transaction is not left open.
func TestViewPanic(t *testing.T) {
	db := storagetest.Open(t)
	func() {
		defer func() {
			if r := recover(); r != "mine" {
				t.Errorf("recovered %v, want the caller's panic", r)
			}
		}()
		db.View(func(*storage.Tx) error { panic("mine") })
	}()
	update(t, db, func(tx *storage.Tx) { tx.Bucket("b").Put([]byte("k"), nil) })
}

// TestViewIsolated: a view sees the state it began with while writers go on.
func TestViewIsolated(t *testing.T) {
	db := storagetest.Open(t)
	put := func(v string) {
		update(t, db, func(tx *storage.Tx) { tx.Bucket("b").Put([]byte("k"), []byte(v)) })
	}
	put("old")
	view(t, db, func(tx *storage.Tx) {
		b := tx.Bucket("b")
		var others sync.WaitGroup
		others.Go(func() { put("new") })
		others.Wait()
		if got := b.Get([]byte("k")); string(got) != "old" {
			t.Errorf("the view sees %q", got)
		}
	})
}
