package storage_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"xively/storage"
	"xively/storage/storagetest"
)

// tally is a Consumer that counts per key: a record twice or not at all shows as a wrong count.
type tally struct {
	bucket string
	mu     sync.Mutex
	head   map[uint64]uint64 // not yet in the store
	frozen map[uint64]uint64
	last   storage.LSN // of the newest record seen by Replay
	err    error       // for Flush to return
	panics bool        // Freeze panics
}

func newTally(bucket string) *tally { return &tally{bucket: bucket, head: map[uint64]uint64{}} }

func (c *tally) add(key uint64) {
	c.mu.Lock()
	c.head[key]++
	c.mu.Unlock()
}

func (c *tally) Replay(lsn storage.LSN, record []byte) error {
	if lsn < c.last {
		return fmt.Errorf("replay of %d behind %d", lsn, c.last)
	}
	c.last = lsn
	c.add(binary.BigEndian.Uint64(record))
	return nil
}

func (c *tally) Freeze() {
	if c.panics {
		panic("freeze")
	}
	c.mu.Lock()
	c.frozen, c.head = c.head, map[uint64]uint64{}
	c.mu.Unlock()
}

func (c *tally) Flush(tx *storage.Tx) error {
	b := tx.Bucket(c.bucket)
	for key, n := range c.frozen {
		k := binary.BigEndian.AppendUint64(nil, key)
		if v := b.Get(k); v != nil {
			n += binary.BigEndian.Uint64(v)
		}
		b.Put(k, binary.BigEndian.AppendUint64(nil, n))
	}
	return c.err
}

// counts is the head and the store together.
func (c *tally) counts(t *testing.T, db *storage.DB) map[uint64]uint64 {
	t.Helper()
	sum := map[uint64]uint64{}
	view(t, db, func(tx *storage.Tx) {
		for k, v := range tx.Bucket(c.bucket).Scan(nil, nil) {
			sum[binary.BigEndian.Uint64(k)] = binary.BigEndian.Uint64(v)
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range c.head {
		sum[k] += n
	}
	return sum
}

func attach(t *testing.T, db *storage.DB, s storage.Stream, c storage.Consumer) {
	t.Helper()
	if err := db.Journal().Attach(s, c); err != nil {
		t.Fatalf("Attach: %v", err)
	}
}

// record appends one batch with one record and returns its LSN.
func record(j *storage.Journal, s storage.Stream, data []byte, apply func()) storage.LSN {
	b := j.Begin()
	defer b.End()
	b.Add(s, data)
	lsn := b.Append()
	if apply != nil {
		apply()
	}
	return lsn
}

func wait(t testing.TB, j *storage.Journal, lsn storage.LSN) {
	t.Helper()
	if err := j.Wait(context.Background(), lsn); err != nil {
		t.Fatalf("Wait(%d): %v", lsn, err)
	}
}

// TestReplayExact: writers count upwards through many checkpoints and files used again; a crash at a random moment loses
// nothing acknowledged, repeats nothing, and keeps batches whole. Then it goes on from there.
func TestReplayExact(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	r := rand.New(rand.NewPCG(7, 7))
	dir := t.TempDir()
	var sure, most [writers]uint64 // acknowledged before the crash; appended at all
	for round := range rounds {
		db := storagetest.OpenIn(t, dir)
		a, b := newTally("a"), newTally("b")
		attach(t, db, 'a', a)
		attach(t, db, 'b', b)
		inA, inB := a.counts(t, db), b.counts(t, db)
		for k := range uint64(writers) {
			if n := inA[k]; n < sure[k] || n > most[k] || n != inB[k] {
				t.Errorf("round %d, key %d: stream a has %d, b has %d; %d acknowledged, %d appended", round, k, n, inB[k], sure[k], most[k])
			}
		}
		run := start(t, db, a, b, inA)
		for limit := uint64(1 + r.IntN(3)); db.Stats().Recycled < limit && db.Err() == nil; {
			time.Sleep(time.Millisecond) // not for a result: for the crash to come at some moment
		}
		for k := range sure {
			sure[k] = run.acked[k].Load()
		}
		dir = storagetest.Crash(t, db, dir)
		for k := range most {
			most[k] = run.made[k].Load()
		}
		run.end()
	}
}

const writers = 8

// counting is writers that append batches with one record in each of two streams.
type counting struct {
	made, acked [writers]atomic.Uint64
	stop        chan struct{}
	running     sync.WaitGroup
}

func start(t *testing.T, db *storage.DB, a, b *tally, from map[uint64]uint64) *counting {
	run := &counting{stop: make(chan struct{})}
	for k := range uint64(writers) {
		run.running.Go(func() { run.count(t, db.Journal(), a, b, k, from[k]) })
	}
	return run
}

func (run *counting) end() {
	close(run.stop)
	run.running.Wait()
}

func (run *counting) count(t *testing.T, j *storage.Journal, a, b *tally, key, n uint64) {
	data, padding := binary.BigEndian.AppendUint64(nil, key), make([]byte, key*97%300)
	for {
		select {
		case <-run.stop:
			return
		default:
		}
		n++
		run.made[key].Store(n)
		batch := j.Begin()
		batch.Add('a', data, padding)
		batch.Add('b', data)
		lsn := batch.Append()
		a.add(key)
		b.add(key)
		batch.End()
		if n%5 != 0 {
			continue
		}
		if err := j.Wait(context.Background(), lsn); err != nil {
			t.Errorf("Wait: %v", err)
			return
		}
		run.acked[key].Store(n)
	}
}

// TestLSNNeverReused: numbers go on after a clean stop, after a crash, and after a crash behind a checkpoint that left the
// journal without a record.
func TestLSNNeverReused(t *testing.T) {
	dir := t.TempDir()
	var newest storage.LSN
	for round := range 6 {
		db := storagetest.OpenIn(t, dir)
		attach(t, db, 'a', newTally("a"))
		j := db.Journal()
		for range 3 {
			lsn := record(j, 'a', make([]byte, 8), nil)
			if lsn <= newest {
				t.Fatalf("round %d: LSN %d after %d", round, lsn, newest)
			}
			newest = lsn
		}
		wait(t, j, newest)
		if round%2 == 0 {
			dir = storagetest.Crash(t, db, dir)
			continue
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnattachedStreamIsKept: records that nobody reads outlive checkpoints and restarts.
func TestUnattachedStreamIsKept(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	attach(t, db, 'a', newTally("a"))
	j := db.Journal()
	record(j, 'x', binary.BigEndian.AppendUint64(nil, 42), nil)
	for range 3000 { // several files
		record(j, 'a', make([]byte, 1000), nil)
	}
	db = storagetest.Reopen(t, db, dir)
	attach(t, db, 'a', newTally("a"))
	db = storagetest.Reopen(t, db, dir)
	x := newTally("x")
	attach(t, db, 'x', x)
	if n := x.counts(t, db)[42]; n != 1 {
		t.Errorf("stream x has %d records, want 1", n)
	}
	attach(t, db, 'a', newTally("a"))
	db = storagetest.Reopen(t, db, dir)
	if s := db.Stats(); s.JournalBytes > 2<<20 {
		t.Errorf("journal has %d bytes after everybody's checkpoint", s.JournalBytes)
	}
}

func TestAttachTwice(t *testing.T) {
	db := storagetest.Open(t)
	attach(t, db, 'a', newTally("a"))
	if err := db.Journal().Attach('a', newTally("a")); err == nil {
		t.Error("a second consumer for the stream was taken")
	}
}

// TestBatch: what is added comes back as it was put together, empty records and empty batches included.
func TestBatch(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	j := db.Journal()
	b := j.Begin()
	if !b.Empty() || b.Append() != 0 {
		t.Error("an empty batch got a number")
	}
	b.End()
	b = j.Begin()
	b.End() // given up
	b = j.Begin()
	b.Add('a')
	b.Add('a', []byte("x"), nil, []byte("yz"))
	b.Add('c', bytes.Repeat([]byte("z"), 1000))
	big := bytes.Repeat([]byte("0123456789"), 100_000) // larger than a file
	b.Add('a', big)
	lsn := b.Append()
	if b.Empty() || lsn != 1 || b.Append() != 1 {
		t.Errorf("LSN %d, want 1, also when asked again", lsn)
	}
	b.End()
	wait(t, j, lsn)
	db = storagetest.OpenIn(t, storagetest.Crash(t, db, dir))
	var got collector
	attach(t, db, 'a', &got)
	want := [][]byte{{}, []byte("xyz"), big}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("record %d has %d bytes, want %d", i, len(got[i]), len(want[i]))
		}
	}
}

// collector keeps the records replayed to it.
type collector [][]byte

func (c *collector) Replay(_ storage.LSN, r []byte) error {
	*c = append(*c, bytes.Clone(r))
	return nil
}
func (c *collector) Freeze()                 {}
func (c *collector) Flush(*storage.Tx) error { return nil }

// told is a Waiter that sends what it is told.
type told chan error

func (w told) Durable(err error) { w <- err }

func TestNotify(t *testing.T) {
	db := storagetest.Open(t)
	j := db.Journal()
	w := make(told, 10)
	first := record(j, 'a', []byte("x"), nil)
	j.Notify(first, w)
	if err := <-w; err != nil || j.Durable() < first {
		t.Errorf("told %v with %d durable", err, j.Durable())
	}
	j.Notify(first, w) // durable already
	j.Notify(0, w)
	for range 2 {
		if err := <-w; err != nil {
			t.Errorf("told %v for a durable batch", err)
		}
	}
	never := make(told, 1)
	j.Notify(first+100, never)
	second := record(j, 'a', []byte("x"), nil)
	j.Notify(second, w)
	<-w
	select {
	case err := <-never:
		t.Errorf("told %v about a batch that does not exist", err)
	default:
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-never; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("told %v at Close, want ErrClosed", err)
	}
	j.Notify(second+1, w)
	if err := <-w; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("told %v after Close, want ErrClosed", err)
	}
}

// TestAppendLater: what nobody waits for is not written for its own sake, but goes along with what is, when somebody waits after all, and before long.
func TestAppendLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storagetest.Open(t)
		j := db.Journal()
		attach(t, db, 'a', newTally("a"))
		later := func() storage.LSN {
			b := j.Begin()
			defer b.End()
			b.Add('a', make([]byte, 8))
			return b.AppendLater()
		}
		time.Sleep(time.Hour)
		first := later()
		synctest.Wait()
		if j.Durable() >= first {
			t.Error("it was written at once")
		}
		wait(t, j, record(j, 'a', make([]byte, 8), nil))
		second := later()
		wait(t, j, second)
		syncs := db.Stats().JournalSyncs
		third := later()
		time.Sleep(3 * time.Second)
		if j.Durable() < third {
			t.Error("it is not on disk after three seconds")
		}
		if n := db.Stats().JournalSyncs - syncs; n != 1 {
			t.Errorf("%d syncs for it", n)
		}
		fourth := later()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if j.Durable() < fourth {
			t.Error("it is not on disk after Close")
		}
	})
}

func TestWaitContext(t *testing.T) {
	db := storagetest.Open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Journal().Wait(ctx, 1000); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v, want the context's error", err)
	}
}

// TestCheckpointNeverInsideBatch: what Freeze sees is exactly the batches up to the cut, however slowly memory follows.
func TestCheckpointNeverInsideBatch(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	c := newTally("a")
	attach(t, db, 'a', c)
	j := db.Journal()
	for db.Stats().Checkpoints < 3 {
		record(j, 'a', binary.BigEndian.AppendUint64(make([]byte, 0, 2000), 1)[:2000], func() {
			time.Sleep(10 * time.Microsecond) // between Append and memory: a checkpoint in here would lose the record
			c.add(1)
		})
	}
	lsn := record(j, 'a', binary.BigEndian.AppendUint64(nil, 1), func() { c.add(1) })
	wait(t, j, lsn)
	db = storagetest.OpenIn(t, storagetest.Crash(t, db, dir))
	c = newTally("a")
	attach(t, db, 'a', c)
	if got := c.counts(t, db)[1]; got != lsn {
		t.Errorf("%d after the crash, %d appended", got, lsn)
	}
}

// TestConsumerFails: without a checkpoint the journal would grow for ever, so the store stops instead; nothing is lost.
func TestConsumerFails(t *testing.T) {
	for name, bad := range map[string]*tally{
		"flush returns an error": {bucket: "a", head: map[uint64]uint64{}, err: errWanted},
		"freeze panics":          {bucket: "a", head: map[uint64]uint64{}, panics: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := storage.Open(storagetest.Config(dir), storagetest.Log(t))
			if err != nil {
				t.Fatal(err)
			}
			attach(t, db, 'a', bad)
			wait(t, db.Journal(), record(db.Journal(), 'a', make([]byte, 8), func() { bad.add(0) }))
			if err := db.Close(); !errors.Is(err, storage.ErrFailed) {
				t.Errorf("Close: %v, want ErrFailed", err)
			}
			db = storagetest.OpenIn(t, dir)
			good := newTally("a")
			attach(t, db, 'a', good)
			if n := good.counts(t, db)[0]; n != 1 {
				t.Errorf("%d records after the failed checkpoint, want 1", n)
			}
		})
	}
}

// slow is a tally that is not ready before its time is over.
type slow struct {
	*tally
	preparing chan struct{}
}

func (c slow) Prepare(ctx context.Context) error {
	close(c.preparing)
	<-ctx.Done()
	return ctx.Err()
}

// TestCloseBy: a checkpoint that takes longer than there is time is no failure, whether Close or the journal's size asked
// for it, and the next start has everything.
func TestCloseBy(t *testing.T) {
	for name, records := range map[string]uint64{"at Close": 10, "under way": 2000} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db, err := storage.Open(storagetest.Config(dir), storagetest.Log(t))
			if err != nil {
				t.Fatal(err)
			}
			a, b := newTally("a"), slow{newTally("b"), make(chan struct{})}
			attach(t, db, 'a', a)
			attach(t, db, 'b', b)
			for range records {
				record(db.Journal(), 'a', make([]byte, 8), func() { a.add(0) })
				record(db.Journal(), 'b', make([]byte, 1000), func() { b.add(0) })
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-b.preparing
				cancel()
			}()
			if name == "under way" {
				<-b.preparing
			}
			if err := db.CloseBy(ctx); err != nil {
				t.Errorf("CloseBy: %v", err)
			}
			db = storagetest.OpenIn(t, dir)
			a, b.tally = newTally("a"), newTally("b")
			attach(t, db, 'a', a)
			attach(t, db, 'b', b.tally)
			if inA, inB := a.counts(t, db)[0], b.counts(t, db)[0]; inA != records || inB != records {
				t.Errorf("%d and %d records after it, want %d", inA, inB, records)
			}
		})
	}
}

// TestVirtualTime: a store works inside a synctest bubble, so that modules can test their timers over a real one.
func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storagetest.Open(t)
		attach(t, db, 'a', newTally("a"))
		update(t, db, func(tx *storage.Tx) { tx.Bucket("b").Put([]byte("k"), nil) })
		time.Sleep(time.Hour)
		wait(t, db.Journal(), record(db.Journal(), 'a', make([]byte, 8), nil))
	})
}

// TestTornTail: the last frame cut off at every byte of it never blocks a start, and loses itself alone.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	j := db.Journal()
	for i := range 3 {
		wait(t, j, record(j, 'a', bytes.Repeat([]byte{byte(i)}, 10), nil))
	}
	crashed := storagetest.Crash(t, db, dir)
	path := filepath.Join(crashed, "journal", "0000000000000001.journal")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(whole, "\x00"))
	const frame = 32 + 1 + 1 + 1 + 10
	for cut := end - frame; cut < end; cut++ {
		crashed := storagetest.CopyStopped(t, crashed)
		path := filepath.Join(crashed, "journal", "0000000000000001.journal")
		torn := bytes.Clone(whole)
		clear(torn[cut:])
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := storage.Open(storagetest.Config(crashed), storagetest.Log(t))
		if err != nil {
			t.Fatalf("cut at byte %d of the frame: %v", cut-end+frame, err)
		}
		var got collector
		attach(t, db, 'a', &got)
		lsn := record(db.Journal(), 'a', []byte("new"), nil)
		wait(t, db.Journal(), lsn)
		if len(got) != 2 || lsn != 3 {
			t.Errorf("cut at byte %d of the frame: %d records and then LSN %d, want 2 and 3", cut-end+frame, len(got), lsn)
		}
		again := storagetest.CopyStopped(t, crashed)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = storagetest.OpenIn(t, again)
		got = nil
		attach(t, db, 'a', &got)
		if len(got) != 3 || string(got[2]) != "new" {
			t.Errorf("cut at byte %d of the frame: what was written over the torn end is lost", cut-end+frame)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
