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
	"sync/atomic"
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
// that pass in a quarter of a minute, so that roll-ups and retention have work: points are kept for a week, roll-ups for a
// month. Memory and the store must end where they were in the middle, and every day that a query sees must be whole.
func TestSoak(t *testing.T) {
	length := soak(t, 30*time.Minute)
	s := &soakTest{world: &world{dir: t.TempDir(), cfg: Config{KeepPoints: 7 * 24 * time.Hour, KeepRollups: 30 * 24 * time.Hour}}, t: t}
	db, err := storage.Open(storage.Config{Dir: s.dir, CheckpointBytes: 16 << 20}, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storagetest.Check(t, db, s.dir) })
	s.open(t, db)
	s.begin = dayStart(dayOf(testNow) + 1)
	s.clock.Store(s.begin)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { s.devices(ctx) })
	all.Go(func() { s.every(ctx, time.Second, func() error { return s.tidy(ctx) }) })
	r := rand.New(rand.NewPCG(2, 2))
	all.Go(func() { s.every(ctx, 20*time.Millisecond, func() error { return s.query(ctx, r) }) })
	var middle, end figures
	const steps = 20
	for i := range steps {
		select {
		case <-ctx.Done():
		case <-time.After(length / steps):
		}
		runtime.GC()
		end = s.figures()
		if i == steps/2-1 {
			middle = end
		}
		t.Logf("%v: day %d, %d points, %d queries: resident %d MiB, at most %d MiB, store %d MiB, CPU %v", time.Duration(i+1)*length/steps,
			(s.clock.Load()-s.begin)/dayMs, s.Stats().Points, s.queries.Load(), end.resident, end.peak, end.store, cpuTime(t).Round(time.Second))
	}
	all.Wait()
	if end.resident > middle.resident*5/4+32 {
		t.Errorf("%d MiB are resident at the end, %d in the middle", end.resident, middle.resident)
	}
	if end.store > middle.store*3/2+32 {
		t.Errorf("the store has %d MiB at the end, %d in the middle", end.store, middle.store)
	}
}

type soakTest struct {
	*world
	t       *testing.T
	begin   int64 // of the devices' time
	queries atomic.Int64
}

type figures struct{ resident, peak, store int }

func (s *soakTest) figures() figures {
	now, peak := residentMiB(s.t)
	return figures{now, peak, int(storeBytes(s.t, s.world) >> 20)}
}

const (
	soakDevices = 500
	soakStep    = 30_000 // milliseconds between two points of a device
	soakRound   = 600_000
)

func soakTopic(i int) string { return fmt.Sprintf("xi/blue/v1/%s/d/%036d/temp", account, i) }

// every calls do again and again; what the end of ctx breaks is no error.
func (s *soakTest) every(ctx context.Context, pause time.Duration, do func() error) {
	for ctx.Err() == nil {
		if err := do(); err != nil && ctx.Err() == nil {
			s.t.Error(err)
		}
		time.Sleep(pause) // a pace, no waiting for anything
	}
}

// devices publish ten minutes of their time in a round, ten times a second. Each value is the point's place in its day.
func (s *soakTest) devices(ctx context.Context) {
	sinks := make([]func(auth.Principal, string, []byte, *storage.Batch), soakDevices)
	for i := range sinks {
		sinks[i] = s.Sink(account, soakTopic(i))
	}
	j := s.db.Journal()
	var csv []byte
	s.every(ctx, 100*time.Millisecond, func() error {
		from := s.clock.Load()
		for i := range sinks {
			csv = csv[:0]
			for at := from; at < from+soakRound; at += soakStep {
				csv = fmt.Appendf(csv, "%d,temp,%d.%d,\n", at, (at-s.begin)%dayMs/soakStep, i%10)
			}
			b := j.Begin()
			sinks[i](admin, "", csv, b)
			b.Append()
			b.End()
		}
		s.clock.Add(soakRound)
		return nil
	})
}

// query asks for a device's days, hours, chart and newest points, and looks whether the days are whole.
func (s *soakTest) query(ctx context.Context, r *rand.Rand) error {
	s.queries.Add(1)
	i := r.IntN(soakDevices)
	q := everything()
	q.Topic = soakTopic(i)
	q.Interval, q.Aggregate = interval{days: 1, zone: time.UTC}, []string{"count", "min", "max"}
	days, err := s.Aggregate(ctx, q)
	if err != nil {
		return err
	}
	const perDay = dayMs / soakStep
	part := float64(i%10) / 10
	for n, d := range days {
		if n > 0 && n < len(days)-1 && (d.Values[0] != perDay || d.Values[1] != part || d.Values[2] != perDay-1+part) {
			return fmt.Errorf("device %d, day %d of %d: %v", i, n, len(days), d.Values)
		}
	}
	q.Interval, q.Aggregate = interval{fixed: hourMs}, []string{"avg", "twa", "rate"}
	if _, err := s.Aggregate(ctx, q); err != nil {
		return err
	}
	q = everything()
	q.Topic, q.Points, q.From = soakTopic(i), 500, s.clock.Load()-7*dayMs
	if _, err := s.Downsample(ctx, q); err != nil {
		return err
	}
	q.Newest, q.PageSize = true, 10
	page, err := s.Read(ctx, q)
	if err == nil && s.clock.Load() > s.begin+soakRound && len(page.Points) != 10 {
		return fmt.Errorf("device %d has %d newest points", i, len(page.Points))
	}
	return err
}
