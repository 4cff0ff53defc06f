package storage

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// treeStore returns the path of a closed store with branch pages, inline buckets, a value with overflow pages and free
// pages, and its values.
func treeStore(t *testing.T) (path string, values map[string]string) {
	t.Helper()
	dir := t.TempDir()
	db, err := Open(Config{Dir: dir, SegmentBytes: 8192}, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		err := db.Update(func(tx *Tx) error {
			b := tx.Bucket("tree")
			for i := range 150 {
				b.Put(fmt.Appendf(nil, "key %d %04d", round%2, i), fmt.Appendf(nil, "round %d value %d", round/2, i))
			}
			tx.Bucket("tree").Put([]byte("long"), make([]byte, 9000))
			tx.Bucket("inline").Put([]byte("key"), []byte("value"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, storeName)
	return path, readValues(t, path)
}

// readValues reads the store with the engine.
func readValues(t *testing.T, path string) map[string]string {
	t.Helper()
	engine, err := openEngine(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	tx, err := engine.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	values := map[string]string{}
	for _, name := range []string{"tree", "inline", ownBucket} {
		c := tx.Bucket([]byte(name)).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			values[name+"/"+string(k)] = string(v)
		}
	}
	return values
}

// TestInspectEveryByte flips a bit of every byte of a store file: each is reported, or costs a header page, or changes
// nothing that can be read.
func TestInspectEveryByte(t *testing.T) {
	path, want := treeStore(t)
	info, err := inspectStore(path, true, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole := make([]byte, info.pages*pageSize)
	if _, err := f.ReadAt(whole, 0); err != nil {
		t.Fatal(err)
	}
	step := 5
	if testing.Short() {
		step = 23
	}
	reported, harmless := 0, 0
	for at := 0; at < len(whole); at += step {
		bit := byte(1) << (at / step % 8)
		flip := func(b byte) {
			if _, err := f.WriteAt([]byte{b}, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
		flip(whole[at] ^ bit)
		got, err := inspectStore(path, true, 1)
		switch {
		case err != nil, got.lostHeader:
			reported++
		case bytes.Count(whole[at:(at/pageSize+1)*pageSize], []byte{0}) == pageSize-at%pageSize:
			harmless++ // the unused end of a page: too many to read the store for each
		default:
			harmless++
			if !maps.Equal(readValues(t, path), want) {
				t.Errorf("page %d, byte %d, bit %#x: damage went unseen", at/pageSize, at%pageSize, bit)
			}
		}
		flip(whole[at])
	}
	t.Logf("%d pages: %d flips reported, %d harmless", info.pages, reported, harmless)
	if reported < len(whole)/step/5 {
		t.Errorf("only %d flips reported", reported)
	}
}

// TestInspectStalePage: a page that points to a free one, whose old values pass every checksum, is reported even when the
// leaves are not read.
func TestInspectStalePage(t *testing.T) {
	path, _ := treeStore(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := inspectStore(path, true, 1)
	if err != nil {
		t.Fatal(err)
	}
	pages := int(info.pages)
	at := func(id int) page { return page(whole[id*pageSize:][:pageSize]) }
	tried := 0
	for id := firstContentPage; id < pages; id++ {
		if at(id).flags() != branchPage || int(at(id).id()) != id {
			continue
		}
		child := at(id)[pageHeaderLen+8 : pageHeaderLen+16]
		was := native.Uint64(child)
		for other := uint64(firstContentPage); other < info.pages; other++ {
			native.PutUint64(child, other)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := inspectStore(path, false, 1); err == nil && other != was && at(int(other)).flags() == leafPage {
				// The branch itself may be a free page: then nothing changed.
				if values := readValues(t, path); values["tree/key 0 0000"] == "" {
					t.Errorf("page %d points to page %d, unseen", id, other)
				}
			}
			tried++
		}
		native.PutUint64(child, was)
	}
	if tried == 0 {
		t.Error("the store has no branch page")
	}
}
