package timeseries

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

// soak skips the test unless XIVELY_SOAK is set, and returns how long it says, or otherwise.
func soak(t *testing.T, otherwise time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv("XIVELY_SOAK")
	if s == "" {
		t.Skip("XIVELY_SOAK is not set")
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	return otherwise
}

// residentMiB returns the process's resident memory, now and at its highest.
func residentMiB(t testing.TB) (now, peak int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	read := func(name string) int {
		_, tail, _ := strings.Cut(string(status), name+":")
		kb, _ := strconv.Atoi(strings.Fields(tail)[0])
		return kb / 1024
	}
	return read("VmRSS"), read("VmHWM")
}

// TestMillionSeries holds a million series with one point each to 2 GiB, and a start with them to seconds.
func TestMillionSeries(t *testing.T) {
	soak(t, 0)
	const n = 1_000_000
	w := &world{dir: t.TempDir()}
	db, err := storage.Open(storage.Config{Dir: w.dir}, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	w.open(t, db)
	j := db.Journal()
	began := time.Now()
	for i := range n {
		b := j.Begin()
		w.Sink(account, fmt.Sprintf("xi/blue/v1/%s/d/%036d/temp", account, i))(admin, "", []byte("1700000000000,temp,21.5,"), b)
		b.Append()
		b.End()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("heap %d MiB, from the system %d MiB", m.HeapAlloc>>20, m.Sys>>20)
	now, peak := residentMiB(t)
	t.Logf("%d series written in %v; resident %d MiB, at most %d MiB", n, time.Since(began), now, peak)
	again := func(what string, next func()) {
		began, cpu := time.Now(), cpuTime(t)
		next()
		now, peak := residentMiB(t)
		t.Logf("%s: %v, CPU %v; resident %d MiB, at most %d MiB", what, time.Since(began), cpuTime(t)-cpu, now, peak)
		if peak > 2048 {
			t.Errorf("%s: %d MiB", what, peak)
		}
	}
	old := w.db
	w.dir = storagetest.Crash(t, old, w.dir)
	again("closed", func() {
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
	})
	old, w.db, w.Service = nil, nil, nil
	runtime.GC()
	again("opened as a crash leaves it", func() {
		db, err := storage.Open(storage.Config{Dir: w.dir}, storagetest.Log(t))
		if err != nil {
			t.Fatal(err)
		}
		w.open(t, db)
	})
	again("closed", func() {
		if err := w.db.Close(); err != nil {
			t.Fatal(err)
		}
	})
	runtime.GC()
	again("opened again", func() {
		db, err := storage.Open(storage.Config{Dir: w.dir}, storagetest.Log(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { storagetest.Check(t, db, w.dir) })
		w.open(t, db)
	})
	t.Logf("the store has %d MiB", storeBytes(t, w)>>20)
	q := everything()
	q.Topic = fmt.Sprintf("xi/blue/v1/%s/d/%036d/temp", account, 777_777)
	wantPoints(t, "one of them", w.all(t, q), []Point{full(1_700_000_000_000, "temp", 21.5, "")})
}

// TestSoak lets devices publish, people query and the janitor tidy for as long as XIVELY_SOAK says, 30m for "1", with days
// that pass in seconds, so that roll-ups and retention have work. Memory must end where it was in the middle.
func TestSoak(t *testing.T) {
	length := soak(t, 30*time.Minute)
	w := &world{dir: t.TempDir(), cfg: Config{KeepPoints: 7 * 24 * time.Hour, KeepRollups: 30 * 24 * time.Hour}}
	db, err := storage.Open(storage.Config{Dir: w.dir, CheckpointBytes: 16 << 20}, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storagetest.Check(t, db, w.dir) })
	w.open(t, db)
	w.clock.Store(testNow)
	const devices = 500
	name := func(i int) string { return fmt.Sprintf("xi/blue/v1/%s/d/%036d/temp", account, i) }
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { // devices: a round is ten minutes of their time
		sinks := map[int]func(auth.Principal, string, []byte, *storage.Batch){}
		for i := range devices {
			sinks[i] = w.Sink(account, name(i))
		}
		j := db.Journal()
		r := rand.New(rand.NewPCG(1, 1))
		for ctx.Err() == nil {
			now := w.clock.Add(600_000)
			for i := range devices {
				var csv []byte
				for k := range int64(20) {
					csv = fmt.Appendf(csv, "%d,temp,%d.%d,\n", max(testNow, now)-600_000+k*30_000, 20+r.IntN(3), r.IntN(10))
				}
				b := j.Begin()
				sinks[i](admin, "", csv, b)
				b.Append()
				b.End()
			}
			time.Sleep(20 * time.Millisecond) // a pace, no waiting for anything
		}
	})
	all.Go(func() {
		for ctx.Err() == nil {
			if err := w.tidy(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
	})
	queries := 0
	all.Go(func() {
		r := rand.New(rand.NewPCG(2, 2))
		for ; ctx.Err() == nil; queries++ {
			q := everything()
			q.Topic, q.Newest = name(r.IntN(devices)), true
			q.Interval, q.Aggregate = interval{fixed: hourMs}, []string{"avg", "twa"}
			if _, err := w.Aggregate(ctx, q); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if _, err := w.Read(ctx, q); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	middle := 0
	for i := range 10 {
		select {
		case <-ctx.Done():
		case <-time.After(length / 10):
		}
		runtime.GC()
		now, peak := residentMiB(t)
		if i == 4 {
			middle = now
		}
		t.Logf("%d points, day %d, store %d MiB, resident %d MiB, at most %d MiB", w.Stats().Points, (w.clock.Load()-testNow)/dayMs, storeBytes(t, w)>>20, now, peak)
	}
	all.Wait()
	t.Logf("%d queries", queries)
	if now, _ := residentMiB(t); now > middle*3/2+64 {
		t.Errorf("%d MiB at the end, %d in the middle", now, middle)
	}
}
