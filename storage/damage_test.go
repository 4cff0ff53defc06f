package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xively/storage"
	"xively/storage/storagetest"
)

// contents reads every value of a folder, store and journal, as the program would see them.
func contents(t *testing.T, dir string, checkBytes int64) (map[string]string, error) {
	cfg := storagetest.Config(dir)
	cfg.CheckBytes = checkBytes
	db, err := storage.Open(cfg, storagetest.Log(t))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	all := map[string]string{}
	err = db.View(func(tx *storage.Tx) error {
		for _, name := range []string{"small", "page", "large", "many"} {
			for k, v := range tx.Bucket(name).Scan(nil, nil) {
				all[name+"/"+string(k)] = string(v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var records collector
	if err := db.Journal().Attach('x', &records); err != nil {
		return nil, err
	}
	for i, r := range records {
		all[fmt.Sprint("record ", i)] = string(r)
	}
	return all, nil
}

// spoil flips 1 to 20 bits of the file's used part, or clears one block of it.
func spoil(r *rand.Rand, b []byte) {
	used := len(bytes.TrimRight(b, "\x00"))
	if r.IntN(4) == 0 {
		at := r.IntN(used) / 4096 * 4096
		clear(b[at:min(at+4096, len(b))])
		return
	}
	for range 1 + r.IntN(20) {
		b[r.IntN(used)] ^= 1 << r.IntN(8)
	}
}

// rot spoils the store file of a folder in many ways and hands each result to check, with the true contents.
func rot(t *testing.T, seeds, stream uint64, checkBytes int64, check func(seed uint64, got, want map[string]string, err error)) {
	t.Helper()
	if testing.Short() {
		seeds /= 5
	}
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	fill(t, db)
	storagetest.Check(t, db, dir)
	want, err := contents(t, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	report, err := storage.Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, store)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole = whole[:report.Pages*4096]
	defer os.WriteFile(path, whole, 0o600) // for the check at the end
	for seed := range seeds {
		spoiled := bytes.Clone(whole)
		spoil(rand.New(rand.NewPCG(seed, stream)), spoiled)
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := contents(t, dir, checkBytes)
		if err != nil && !errors.Is(err, storage.ErrDamaged) && !errors.Is(err, storage.ErrNotStore) {
			t.Errorf("seed %d: %v, want ErrDamaged", seed, err)
		}
		check(seed, got, want, err)
	}
}

// TestBitRot: whatever bits change in the store file, either everything reads as it was written or the damage is
// reported; the process never dies of it.
func TestBitRot(t *testing.T) {
	reported := 0
	rot(t, 300, 10, 0, func(seed uint64, got, want map[string]string, err error) {
		switch {
		case err != nil:
			reported++
		case !maps.Equal(got, want):
			t.Errorf("seed %d: damage went unseen: %d values, want %d", seed, len(got), len(want))
		}
	})
	if reported < 30 {
		t.Errorf("only %d damaged files were noticed: the test spoils nothing", reported)
	}
}

// TestBitRotLarge: a store too large to be read at start reports damage when it reads the value. Damage may hide a key
// here, but no wrong value is ever read.
func TestBitRotLarge(t *testing.T) {
	rot(t, 200, 11, 1, func(seed uint64, got, want map[string]string, err error) {
		for k, v := range got {
			if want[k] != v {
				t.Errorf("seed %d: key %q reads wrong", seed, k)
			}
		}
	})
}

// TestDamagedValue: a transaction that meets a spoiled value ends with an error that names it; the others go on, even in
// the same group.
func TestDamagedValue(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	fill(t, db)
	storagetest.Check(t, db, dir)
	path := filepath.Join(dir, store)
	var original []byte
	edit(t, path, func(b []byte) []byte {
		original = bytes.Clone(b)
		return bytes.ReplaceAll(b, []byte("value4000000"), []byte("value4000001")) // key 002000
	})
	cfg := storagetest.Config(dir)
	cfg.CheckBytes = 1
	db, err := storage.Open(cfg, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	spoiled, good := []byte("key 002000"), []byte("key 002001")
	get := func(key []byte) func(*storage.Tx) error {
		return func(tx *storage.Tx) error { tx.Bucket("many").Get(key); return nil }
	}
	scan := func(tx *storage.Tx) error {
		for range tx.Bucket("many").ScanDown(nil, nil) {
		}
		return nil
	}
	put := func(tx *storage.Tx) error { tx.Bucket("small").Put([]byte("half"), nil); return get(spoiled)(tx) }
	errs := gathered(t, db, get(good), get(spoiled), put, scan, func(tx *storage.Tx) error {
		tx.Bucket("small").Put([]byte("whole"), nil)
		return nil
	})
	errs = append(errs, db.View(get(good)), db.View(get(spoiled)), db.View(scan))
	for i, wantDamage := range []bool{false, true, true, true, false, false, true, true} {
		switch err := errs[i]; {
		case !wantDamage && err != nil:
			t.Errorf("%d: %v", i, err)
		case wantDamage && (!errors.Is(err, storage.ErrDamaged) || !strings.Contains(err.Error(), `bucket many, key "key 002000"`)):
			t.Errorf("%d: %v, want ErrDamaged naming the key", i, err)
		}
	}
	view(t, db, func(tx *storage.Tx) {
		if tx.Bucket("small").Get([]byte("half")) != nil || tx.Bucket("small").Get([]byte("whole")) == nil {
			t.Error("the damaged transaction was not undone alone")
		}
	})
	db.Close()
	if err := os.WriteFile(path, original, 0o600); err != nil { // for the check at the end
		t.Fatal(err)
	}
}

// TestJournalRot: changed bits in the journal are reported, or cost at most the end of it, as a torn end would.
func TestJournalRot(t *testing.T) {
	original := used(t)
	want, err := contents(t, storagetest.CopyStopped(t, original), 0)
	if err != nil {
		t.Fatal(err)
	}
	seeds := uint64(100)
	if testing.Short() {
		seeds = 20
	}
	reported := 0
	for seed := range seeds {
		dir := storagetest.CopyStopped(t, original)
		r := rand.New(rand.NewPCG(seed, 12))
		files := journalFiles(t, dir)
		which := r.IntN(len(files))
		edit(t, files[which], func(b []byte) []byte { spoil(r, b); return b })
		got, err := contents(t, dir, 0)
		if err != nil {
			reported++
			if !errors.Is(err, storage.ErrDamaged) {
				t.Errorf("seed %d: %v, want ErrDamaged", seed, err)
			}
			continue
		}
		for k, v := range want {
			if g, ok := got[k]; ok && g != v || !ok && which < len(files)-1 {
				t.Errorf("seed %d, file %d of %d: %s reads wrong, present %v", seed, which, len(files), k, ok)
			}
		}
		os.RemoveAll(dir)
	}
	if reported < int(seeds)/2 {
		t.Errorf("only %d of %d damaged files were noticed", reported, seeds)
	}
}
