package logging

import (
	"fmt"
	"strings"
	"testing"

	"xively/storage"
	"xively/storage/storagetest"
)

// chunks returns how many rows each chunk of the account in the store has.
func (w *world) chunks(t *testing.T) (rows []int) {
	t.Helper()
	err := w.db.View(func(tx *storage.Tx) error {
		all, err := openStore(tx).list(account)
		for i := range all {
			rows = append(rows, all[i].count)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestMerge: many small checkpoints leave few chunks, and each entry is packed anew a few times only.
func TestMerge(t *testing.T) {
	w := newTimelessWorld(t)
	const total = 120
	packed := 0
	for i := range total {
		w.put(t, Entry{AccountID: account, SourceID: device, Message: fmt.Sprint("entry ", i)}, int64(1000+i))
		w.checkpoint(t)
		before := w.chunks(t)
		gone, err := w.engine.merge(account, never)
		if err != nil {
			t.Fatal(err)
		}
		after := w.chunks(t)
		if len(after) != len(before)-gone {
			t.Fatalf("%d of %d chunks are left, %d have gone", len(after), len(before), gone)
		}
		for k := range after {
			if after[k] != before[k] { // the first that differs is the merged one
				packed += after[k]
				break
			}
		}
	}
	if n := len(w.chunks(t)); n > 12 {
		t.Errorf("%d chunks of %d entries: %v", n, total, w.chunks(t))
	}
	if packed > 5*total {
		t.Errorf("%d entries were packed again, of %d", packed, total)
	}
	if found := w.search(t, `{"size":0}`); found.Total != total {
		t.Errorf("%d entries", found.Total)
	}
	checkStore(t, w.db)
}

// TestLongEntries: a chunk is full by text as well as by rows, so that no search has to hold much of it.
func TestLongEntries(t *testing.T) {
	w := newTimelessWorld(t)
	long := strings.Repeat("word ", maxDetails/5)
	b := w.db.Journal().Begin()
	const total = 600
	for i := range total {
		e := Entry{AccountID: account, SourceID: device, Message: fmt.Sprint("entry ", i), Details: long}
		e.normalize(textNow)
		w.engine.store(lineOf(&e), b)
	}
	b.Append()
	b.End()
	w.checkpoint(t)
	for _, rows := range w.chunks(t) {
		if rows > chunkText/maxDetails+1 {
			t.Errorf("a chunk of %d long entries", rows)
		}
	}
	if _, err := w.engine.merge(account, never); err != nil {
		t.Fatal(err)
	}
	if found := w.search(t, `{"query":{"match":{"details":"word"}}}`); found.Total != total || len(w.chunks(t)) < 2 {
		t.Errorf("%d entries found, in %d chunks", found.Total, len(w.chunks(t)))
	}
}

// TestOldForm: a log of another form is refused at the start, and not at the first search.
func TestOldForm(t *testing.T) {
	w := newWorld(t)
	w.publish(t, "m")
	w.checkpoint(t)
	w.Close()
	err := w.db.Update(func(tx *storage.Tx) error {
		for k := range tx.Bucket(chunkBucket).Scan(nil, nil) {
			tx.Bucket(chunkBucket).Put(k, []byte{1})
			break
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(DefaultConfig(), w.db, w, storagetest.Log(t)); err == nil || !strings.Contains(err.Error(), "form 1") {
		t.Errorf("%v", err)
	}
}
