package timeseries

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
	"xively/storage/storagetest"
)

// model is a series kept the plain way: sorted by time, those of one time in the order they came.
type model []Point

func (m *model) add(points []Point) {
	*m = append(*m, points...)
	slices.SortStableFunc(*m, func(a, b Point) int { return int(max(-1, min(1, a.Time-b.Time))) })
}

func (m model) read(q Query) []Point {
	var points []Point
	for _, p := range m {
		if p.Time >= q.From && p.Time <= q.To && (q.Category == nil || p.Has&HasCategory != 0 && p.Category == *q.Category) {
			points = append(points, p)
		}
	}
	if q.Newest {
		slices.Reverse(points)
	}
	return points
}

// TestAgainstModel does random things to three series and compares every read with the model: late points, equal times,
// checkpoints at any moment, clean restarts and crashes.
func TestAgainstModel(t *testing.T) {
	seeds := 6
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { againstModel(t, rand.New(rand.NewPCG(uint64(seed), 7))) })
	}
}

func againstModel(t *testing.T, r *rand.Rand) {
	w := newWorld(t, t.TempDir())
	models := make([]model, 3)
	clock := int64(1_600_000_000_000)
	for range 150 {
		i := r.IntN(len(models))
		name := fmt.Sprint(topic, i)
		switch k := r.IntN(100); {
		case k < 60:
			var points []Point
			for range 1 + r.IntN(1+r.IntN(600)) {
				points = append(points, randomPoint(r, &clock))
			}
			csv, ok := formatCSV(points)
			if !ok {
				t.Fatal("the test made a point without CSV form")
			}
			w.publish(t, name, csv)
			models[i].add(points)
		case k < 75:
			w.checkpoint(t)
		case k < 78:
			w.restart(t)
		case k < 81:
			w.crash(t)
		default:
			q := randomQuery(r, clock)
			q.Topic = name
			wantPoints(t, fmt.Sprintf("%+v", q), w.all(t, q), models[i].read(q))
		}
	}
	for i, m := range models {
		q := everything()
		q.Topic = fmt.Sprint(topic, i)
		wantPoints(t, "at the end", w.all(t, q), m)
	}
	checkChunks(t, w.db)
}

func randomPoint(r *rand.Rand, clock *int64) Point {
	p := Point{Time: *clock, Category: fmt.Sprint("c", r.IntN(40)), Has: HasCategory}
	switch r.IntN(20) {
	case 0:
		p.Time -= r.Int64N(1 << 20) // late
	case 1:
		p.Time -= r.Int64N(1 << 34) // very late
	case 2, 3, 4: // the same time again
	default:
		*clock += r.Int64N(2000)
	}
	if r.IntN(10) > 0 {
		p.Numeric, p.Has = float64(r.IntN(1000))/10, p.Has|HasNumeric
	}
	if r.IntN(4) == 0 {
		p.String, p.Has = strings.Repeat("x", r.IntN(100)), p.Has|HasString
	}
	return p
}

func randomQuery(r *rand.Rand, clock int64) Query {
	q := everything()
	q.PageSize = 1 + r.IntN(300)
	q.Newest = r.IntN(2) == 0
	if r.IntN(3) > 0 {
		q.From = clock - r.Int64N(1<<uint(10+r.IntN(25)))
	}
	if r.IntN(3) > 0 {
		q.To = max(q.From, clock-r.Int64N(1<<uint(10+r.IntN(25))))
	}
	if r.IntN(3) == 0 {
		category := fmt.Sprint("c", r.IntN(41))
		q.Category = &category
	}
	return q
}

// checkChunks holds the chunks to what store.go says of them.
func checkChunks(t *testing.T, db *storage.DB) {
	t.Helper()
	err := db.View(func(tx *storage.Tx) error {
		var series uint64
		var last position
		b := chunkStore{tx.Bucket(chunkBucket)}
		for k, v := range b.Scan(nil, nil) {
			c, err := b.parse(k, v)
			if err != nil {
				return err
			}
			entries, err := c.decode(nil)
			if err != nil {
				return err
			}
			switch {
			case len(entries) != c.count || c.count > chunkPoints || c.count == 0:
				t.Errorf("chunk %x has %d points, says %d", k, len(entries), c.count)
			case entries[0].position() != c.first || entries[len(entries)-1].position() != c.last:
				t.Errorf("chunk %x does not end where it says", k)
			case !slices.IsSortedFunc(entries, compareEntries):
				t.Errorf("chunk %x is not sorted", k)
			}
			if id := binary.BigEndian.Uint64(k); id != series {
				series = id
			} else if last.compare(c.first) >= 0 {
				t.Errorf("chunk %x overlaps the one before", k)
			}
			last = c.last
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestManyPointsOfOneTime puts all points of many checkpoints into one millisecond.
func TestManyPointsOfOneTime(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var want model
	for i := range 6 {
		var points []Point
		for n := range 700 {
			points = append(points, num(5000, "a", float64(i*1000+n)))
		}
		csv, _ := formatCSV(points)
		w.publish(t, topic, csv)
		want.add(points)
		w.checkpoint(t)
	}
	wantPoints(t, "one millisecond", w.all(t, everything()), want)
	q := everything()
	q.Newest, q.PageSize = true, 7
	wantPoints(t, "newest first", w.all(t, q), want.read(q))
	checkChunks(t, w.db)
}

// TestFlushedTwice: a record that is replayed although its points are in the store already is one set of points.
func TestFlushedTwice(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.publish(t, topic, "1,a,1,\n2,a,2,")
	w.checkpoint(t) // by hand: the journal does not know of it, and replays
	w.crash(t)
	want := []Point{full(1, "a", 1, ""), full(2, "a", 2, "")}
	wantPoints(t, "after replay", w.all(t, everything()), want)
	w.checkpoint(t)
	wantPoints(t, "after a second flush", w.all(t, everything()), want)
	checkChunks(t, w.db)
}

// TestPagingUnderInserts: what comes in between two pages neither repeats nor hides a point.
func TestPagingUnderInserts(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var want []Point
	for i := range 50 {
		w.publish(t, topic, fmt.Sprintf("%d,a,%d,", 1000+i/3*10, i)) // three points of each time
		want = append(want, full(int64(1000+i/3*10), "a", float64(i), ""))
	}
	q := everything()
	q.PageSize = 7
	var got []Point
	for n := 0; ; n++ {
		page, err := w.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Points {
			if p.Category == "a" {
				got = append(got, p)
			}
		}
		if q.Token = page.Token; q.Token == "" {
			break
		}
		at := page.Points[len(page.Points)-1].Time
		w.publish(t, topic, fmt.Sprintf("%d,late,1,\n%d,now,1,\n%d,ahead,1,", at-5, at, at+5))
		if n%2 == 0 {
			w.checkpoint(t)
		}
	}
	wantPoints(t, "points that were there from the start", got, want)
}

// TestReadDuringCheckpoints reads while points are written and checkpoints go by: what was acknowledged is there, once.
func TestReadDuringCheckpoints(t *testing.T) {
	w := newWorld(t, t.TempDir())
	const total = 200
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := w.all(t, everything())
				for i, p := range got {
					if p.Numeric != float64(i) {
						t.Errorf("point %d of %d is %v: one is missing or there twice", i, len(got), p.Numeric)
						return
					}
				}
			}
		})
	}
	for i := range total {
		w.publish(t, topic, fmt.Sprintf("%d,a,%d,", i, i))
		if i%8 == 0 {
			w.checkpoint(t)
		}
	}
	close(stop)
	readers.Wait()
	if got := w.all(t, everything()); len(got) != total {
		t.Errorf("%d points at the end, want %d", len(got), total)
	}
}

// TestConcurrentPublishersKeepOrder: after a crash the points of one time come in the order they had before.
func TestConcurrentPublishersKeepOrder(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var publishers sync.WaitGroup
	for i := range 8 {
		publishers.Go(func() {
			for n := range 25 {
				w.publish(t, topic, fmt.Sprintf("7,a,%d,", i*1000+n))
			}
		})
	}
	publishers.Wait()
	before := w.all(t, everything())
	if len(before) != 200 {
		t.Fatalf("%d points, want 200", len(before))
	}
	w.crash(t)
	wantPoints(t, "after the crash", w.all(t, everything()), before)
	w.restart(t)
	wantPoints(t, "after the restart", w.all(t, everything()), before)
}

// TestArrivalOrderAcrossStarts: points of one time keep their order, and none takes another's place, whatever happened
// to the process in between.
func TestArrivalOrderAcrossStarts(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var want []Point
	for i, between := range []func(testing.TB){w.restart, w.crash, w.restart, w.restart, w.crash, w.crash} {
		for n := range 3 {
			w.publish(t, topic, fmt.Sprintf("7,a,%d,", i*3+n))
			want = append(want, full(7, "a", float64(i*3+n), ""))
		}
		between(t)
		wantPoints(t, fmt.Sprint("after start ", i+1), w.all(t, everything()), want)
	}
}

// TestFreezeWithoutFlush: what an earlier checkpoint froze and could not write is written by the next.
func TestFreezeWithoutFlush(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var want []Point
	for i := range 6 {
		w.publish(t, topic, fmt.Sprintf("%d,a,%d,", i, i))
		want = append(want, full(int64(i), "a", float64(i), ""))
		w.engine.Freeze()
		if i == 3 {
			if err := w.db.Update(w.engine.Flush); err != nil {
				t.Fatal(err)
			}
		}
		wantPoints(t, fmt.Sprint("after freeze ", i+1), w.all(t, everything()), want)
	}
	w.restart(t)
	wantPoints(t, "after a restart", w.all(t, everything()), want)
}

// someTime is a context that ends when Err has been asked a number of times.
type someTime struct {
	context.Context
	left int
}

func (c *someTime) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestPrepareGivenUp: a checkpoint that has no time to finish leaves every series with its points once, wherever it ended,
// and the account with as many series as it has.
func TestPrepareGivenUp(t *testing.T) {
	const n = 2*sliceSeries + 1 // three transactions for names and three for points
	for ends := range 6 {
		w := &world{dir: t.TempDir()}
		db, err := storage.Open(storage.Config{Dir: w.dir}, storagetest.Log(t)) // makes no checkpoint by itself
		if err != nil {
			t.Fatal(err)
		}
		dir := w.dir
		t.Cleanup(func() { storagetest.Check(t, db, dir) })
		w.open(t, db)
		for i := range n {
			j := w.db.Journal()
			b := j.Begin()
			w.Sink(account, fmt.Sprint(topic, i))(admin, "", []byte("7,a,1,"), b)
			b.Append()
			b.End()
		}
		w.engine.Freeze()
		if err := w.engine.Prepare(&someTime{t.Context(), ends}); !errors.Is(err, context.Canceled) {
			t.Fatalf("Prepare ended with %v after %d transactions", err, ends)
		}
		w.crash(t)
		if got := w.engine.limits.series[account]; got != n {
			t.Errorf("after %d transactions the account has %d series, want %d", ends, got, n)
		}
		for _, i := range []int{0, sliceSeries, n - 1} {
			q := everything()
			q.Topic = fmt.Sprint(topic, i)
			wantPoints(t, fmt.Sprintf("series %d after %d transactions", i, ends), w.all(t, q), []Point{full(7, "a", 1, "")})
		}
	}
}

func TestSink(t *testing.T) {
	w := newWorld(t, t.TempDir())
	if w.Sink(account, "xi/blue/v1/a/d/b/simple") != nil {
		t.Error("a channel that is no time series has a sink")
	}
	w.publish(t, topic, "1,a,1,\n2,a,zero,")
	w.publish(t, topic, "21.5")
	want := "byte 11 (line 2): the numericValue \"zero\" is not a decimal number"
	if len(w.reasons) != 1 || w.reasons[0] != want {
		t.Errorf("the reporter heard %q, want %q", w.reasons, want)
	}
	wantPoints(t, "the good payload", w.all(t, everything()), []Point{bare(21.5)})
	if got := w.Stats(); got != (Stats{Points: 1, Malformed: 1, InMemory: 1}) {
		t.Errorf("stats %+v", got)
	}
}

func TestReadEnds(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.publish(t, topic, "1,a,1,")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Read(ctx, everything()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a read whose time is over gave %v, want Unavailable", err)
	}
}

func FuzzBlock(f *testing.F) {
	var b block
	for i, p := range []Point{full(1, "a", 1, "x"), num(-5, "b", 2.5), text(1<<40, "a", "y"), bare(3)} {
		b.add(entry{p, uint64(i + 1)})
	}
	f.Add(b.buf)
	f.Add(b.buf[:len(b.buf)-3])
	f.Fuzz(func(t *testing.T, buf []byte) {
		entries, err := decodeBlock(nil, buf)
		if err != nil {
			if !errors.Is(err, errBlock) {
				t.Fatal(err)
			}
			return
		}
		var again block
		for _, e := range entries {
			again.add(e)
		}
		second, err := decodeBlock(nil, again.buf)
		same := func(a, b entry) bool {
			if a.Has&HasNumeric != 0 && math.Float64bits(a.Numeric) != math.Float64bits(b.Numeric) {
				return false
			}
			a.Numeric, b.Numeric = 0, 0
			return a == b
		}
		if err != nil || !slices.EqualFunc(entries, second, same) {
			t.Fatalf("%x\nis    %+v\nagain %+v, %v", buf, entries, second, err)
		}
	})
}

// FuzzReplay: no record of a damaged journal, however it got through the checksum, panics.
func FuzzReplay(f *testing.F) {
	var b block
	b.add(entry{full(1, "a", 1, "x"), 1})
	f.Add(append([]byte{7}, b.buf...))
	f.Add(defineRecord(7, string(seriesKey(account, topic))))
	f.Fuzz(func(t *testing.T, record []byte) {
		e := newEngine(Config{}, nil)
		_ = e.Replay(1, record)
	})
}

func BenchmarkIngest(b *testing.B) {
	for _, c := range []struct {
		name    string
		payload string
		points  int
	}{
		{"1 point", ",temp,21.5,", 1},
		{"100 points", strings.Repeat(",temp,21.5,\n", 100), 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, b.TempDir())
			sink := w.Sink(account, topic)
			payload := []byte(c.payload)
			j := w.db.Journal()
			from := auth.Principal{Kind: auth.Device, AccountID: account, ID: device}
			b.ReportAllocs()
			n, before := 0, cpuTime(b)
			for b.Loop() {
				batch := j.Begin()
				for range 100 {
					sink(from, topic, payload, batch)
				}
				batch.Append()
				batch.End()
				n += 100 * c.points
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/point")
			b.ReportMetric(float64(cpuTime(b)-before)/float64(n), "cpu-ns/point")
		})
	}
}

// cpuTime returns what the process has used so far, checkpoints and all; the disk decides the time that passes.
func cpuTime(b testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkReadPage(b *testing.B) {
	w := newWorld(b, b.TempDir())
	var points []Point
	for i := range 60_480 { // a week of ten seconds each
		points = append(points, num(int64(i)*10_000, "temp", 20+float64(i%100)/10))
	}
	for part := range slices.Chunk(points, 5000) {
		csv, _ := formatCSV(part)
		w.publish(b, topic, csv)
	}
	for _, where := range []string{"head", "store"} {
		b.Run(where, func(b *testing.B) {
			q := everything()
			q.From, q.PageSize = 30_000*10_000, 1000
			for b.Loop() {
				if _, err := w.Read(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
		w.checkpoint(b)
	}
}
