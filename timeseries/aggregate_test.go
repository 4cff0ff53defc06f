package timeseries

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"xively/internal/fault"
)

// aggregate is Aggregate done the plain way.
func (m model) aggregate(q Query) []Row {
	type key struct {
		start    int64
		has      bool
		category string
	}
	groups := map[key][]Point{}
	before := map[key]Point{} // by category, the last number before the range
	for _, p := range m {
		if q.Category != nil && (p.Has&HasCategory == 0 || p.Category != *q.Category) || p.Time > q.To {
			continue
		}
		if p.Time < q.From {
			if p.Has&HasNumeric != 0 {
				before[key{0, p.Has&HasCategory != 0, p.Category}] = p
			}
			continue
		}
		start, _ := q.Interval.bucket(p.Time)
		k := key{start, p.Has&HasCategory != 0, p.Category}
		groups[k] = append(groups[k], p)
	}
	keys := slices.SortedFunc(maps.Keys(groups), func(a, b key) int {
		if a.start != b.start {
			return int(max(-1, min(1, a.start-b.start)))
		}
		return compareCategories(a.has, a.category, b.has, b.category)
	})
	var rows []Row
	for _, k := range keys {
		_, next := q.Interval.bucket(k.start)
		start, end := max(k.start, q.From), min(next, q.To+1, q.now)
		ck := key{0, k.has, k.category}
		last, known := before[ck]
		r := Row{Time: k.start, Category: k.category, HasCat: k.has}
		for _, name := range q.Aggregate {
			r.Values = append(r.Values, plain(name, groups[k], last, known, start, end))
		}
		for _, p := range groups[k] {
			if p.Has&HasNumeric != 0 {
				before[ck] = p
			}
		}
		rows = append(rows, r)
	}
	return rows
}

func plain(name string, points []Point, before Point, known bool, start, end int64) float64 {
	var v, sorted []float64
	var times []int64
	for _, p := range points {
		if p.Has&HasNumeric != 0 {
			v, times = append(v, p.Numeric), append(times, p.Time)
		}
	}
	if name == "count" {
		return float64(len(points))
	}
	if len(v) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	sorted = slices.Sorted(slices.Values(v))
	percentile := func(p float64) float64 {
		at := p * float64(len(v)-1)
		low := int(at)
		return sorted[low] + (at-float64(low))*(sorted[min(low+1, len(v)-1)]-sorted[low])
	}
	delta, since := v[len(v)-1]-v[0], times[0]
	if known {
		delta, since = v[len(v)-1]-before.Numeric, before.Time
	}
	switch name {
	case "min":
		return sorted[0]
	case "max":
		return sorted[len(v)-1]
	case "sum":
		return sum
	case "avg":
		return sum / float64(len(v))
	case "first":
		return v[0]
	case "last":
		return v[len(v)-1]
	case "p50":
		return percentile(0.5)
	case "p95":
		return percentile(0.95)
	case "p99":
		return percentile(0.99)
	case "delta":
		return delta
	case "rate":
		if times[len(times)-1] <= since {
			return math.NaN()
		}
		return delta / (float64(times[len(times)-1]-since) / 1000)
	}
	from, area := times[0], 0.0 // twa
	if known {
		from = start
		area = before.Numeric * float64(times[0]-start)
	}
	for i := range v {
		until := end
		if i+1 < len(v) {
			until = times[i+1]
		}
		area += v[i] * float64(until-times[i])
	}
	if end <= from {
		return v[len(v)-1]
	}
	return area / float64(end-from)
}

func sameRows(got, want []Row) error {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			return fmt.Errorf("%d rows, want %d", len(got), len(want))
		}
		g, w := got[i], want[i]
		same := g.Time == w.Time && g.Category == w.Category && g.HasCat == w.HasCat && len(g.Values) == len(w.Values)
		for k := 0; same && k < len(w.Values); k++ {
			a, b := g.Values[k], w.Values[k]
			same = math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b))
		}
		if !same {
			return fmt.Errorf("row %d is %+v, want %+v", i, g, w)
		}
	}
	return nil
}

// TestAggregatesAgainstModel compares aggregates of all kinds with the plain way, while points come late, checkpoints,
// roll-ups and restarts go by.
func TestAggregatesAgainstModel(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia"}
	lengths := []string{"7s", "1m", "5m", "90m", "1h", "6h", "1d", "3d", "1w", "1mo", "1y"}
	all := slices.Sorted(maps.Keys(functions))
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 9))
		w := newWorld(t, t.TempDir())
		var m model
		clock := int64(1_700_000_000_000)
		for range 60 {
			var points []Point
			n := 1 + r.IntN(400)
			step := int64(1+r.IntN(40)) * 10_000
			for range n {
				clock += step
				p := num(clock, string(rune('a'+r.IntN(2))), float64(r.IntN(2000)-500)/10)
				switch r.IntN(40) {
				case 0:
					p.Time -= r.Int64N(20 * dayMs)
				case 1:
					p.Numeric, p.Has, p.String = 0, HasCategory|HasString, "x"
				case 2:
					p.Category = ""
				}
				points = append(points, p)
			}
			csv, _ := formatCSV(points)
			w.publish(t, topic, csv)
			m.add(points)
			w.clock.Store(clock)
			switch r.IntN(6) {
			case 0, 1:
				w.checkpoint(t)
			case 2:
				w.checkpoint(t)
				if err := w.tidy(t.Context()); err != nil {
					t.Fatal(err)
				}
			case 3:
				w.crash(t)
			}
			zone, err := time.LoadLocation(zones[r.IntN(len(zones))])
			if err != nil {
				t.Fatal(err)
			}
			length := lengths[r.IntN(len(lengths))]
			iv, err := parseInterval(length, zone)
			if err != nil {
				t.Fatal(err)
			}
			q := everything()
			q.Interval, q.now = iv, clock
			if r.IntN(2) == 0 {
				q.From = clock - r.Int64N(30*dayMs)
			}
			if r.IntN(2) == 0 {
				q.To = max(q.From, clock-r.Int64N(10*dayMs))
			}
			if length == "7s" || length == "1m" {
				q.From = max(q.From, clock-5*hourMs)
				q.To = max(q.To, q.From)
			}
			if r.IntN(3) == 0 {
				c := "a"
				q.Category = &c
			}
			for _, name := range all {
				// Not further back than before looks, and one function at a time finds its own way.
				q.Aggregate = []string{name}
				got, err := w.Aggregate(t.Context(), q)
				if err != nil {
					if strings.Contains(err.Error(), "rows") {
						continue
					}
					t.Fatal(err)
				}
				if err := sameRows(got, m.aggregate(q)); err != nil {
					t.Fatalf("seed %d, %s by %s in %s, %d to %d: %v", seed, name, length, zone, q.From, q.To, err)
				}
			}
		}
		if n := countKeys(t, w.db, rollupBucket); n == 0 {
			t.Errorf("seed %d: no day was rolled up", seed)
		}
	}
}

func TestPageRoundTrip(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		b := pageBuilder{start: dayStart(738_000)}
		at := b.start
		wild := r.IntN(3) == 0
		for at < b.start+dayMs {
			e := entry{Point: num(at, string(rune('a'+r.IntN(3))), float64(r.IntN(1000))/10)}
			if wild {
				e.Numeric = r.NormFloat64() * 1e20
			}
			if r.IntN(9) == 0 {
				e.Has &^= HasNumeric
			}
			b.add(&e)
			at += 1 + r.Int64N(1+r.Int64N(200_000))
		}
		want := b.finish()
		value := want.encode()
		for res := byDay; res < resolutions; res++ {
			got, err := decodePage(value, res)
			if err != nil || len(got) != len(want[res]) {
				t.Fatalf("seed %d, resolution %d: %d rows, want %d, %v", seed, res, len(got), len(want[res]), err)
			}
			for i := range got {
				g, w := got[i], want[res][i]
				if w.stat.numbers > 0 {
					w.stat.firstTime -= b.start
					w.stat.lastTime -= b.start
				}
				close := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }
				if !close(g.stat.sum, w.stat.total()) || res < byMinute && !close(g.stat.area, w.stat.area) {
					t.Fatalf("seed %d, resolution %d, row %d: sum %v, want %v; area %v, want %v", seed, res, i, g.stat.sum, w.stat.total(), g.stat.area, w.stat.area)
				}
				g.stat.sum, g.stat.lost, g.stat.area = 0, 0, 0
				w.stat.sum, w.stat.lost, w.stat.area = 0, 0, 0
				if g != w {
					t.Fatalf("seed %d, resolution %d, row %d: %+v, want %+v", seed, res, i, g, w)
				}
			}
		}
	}
}

func FuzzPage(f *testing.F) {
	b := pageBuilder{start: dayStart(738_000)}
	for i := range 100 {
		b.add(&entry{Point: num(b.start+int64(i)*40_000, "a", float64(i)/10)})
	}
	f.Add(b.finish().encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		for res := byDay; res < resolutions; res++ {
			if _, err := decodePage(value, res); err != nil && err != errPage {
				t.Fatal(err)
			}
		}
	})
}

// TestRetention: points go after their time, what they came to stays for its own, and then the series is gone.
func TestRetention(t *testing.T) {
	w := newWorld(t, t.TempDir())
	begin := int64(1_700_006_400_000) // midnight
	var m model
	for d := range 10 {
		var points []Point
		for i := range 1440 {
			points = append(points, num(begin+int64(d)*dayMs+int64(i)*minuteMs, "t", float64(i%100)/10))
		}
		csv, _ := formatCSV(points)
		w.publish(t, topic, csv)
		m.add(points)
		w.checkpoint(t)
	}
	tidyAt := func(ms int64) {
		t.Helper()
		w.clock.Store(ms)
		if err := w.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tidyAt(begin + 10*dayMs + hourMs)
	daily := everything()
	daily.Interval, daily.Aggregate, daily.now = interval{days: 1, zone: time.UTC}, []string{"count", "avg", "max", "twa"}, w.clock.Load()
	want, err := w.Aggregate(t.Context(), daily)
	if err != nil || len(want) != 10 {
		t.Fatal(want, err)
	}
	if err := sameRows(want, m.aggregate(daily)); err != nil {
		t.Fatal(err)
	}

	tidyAt(begin + 5*dayMs + 365*dayMs + hourMs) // five days are over
	left := w.all(t, everything())
	if len(left) < 14400/2 || len(left) >= 14400/2+chunkPoints { // a chunk goes when all of it is over
		t.Errorf("%d points left, want half of %d and less than a chunk more", len(left), 14400)
	}
	daily.Aggregate = []string{"count", "avg", "max"} // twa of the last day reaches to now
	want, _ = w.Aggregate(t.Context(), daily)
	daily.Aggregate = []string{"count", "avg", "max", "twa"}
	got, err := w.Aggregate(t.Context(), daily)
	if err != nil || len(got) != 10 || len(want) != 10 {
		t.Fatalf("after points have gone: %d rows, %v", len(got), err)
	}
	for i := range got[:5] {
		if got[i].Values[0] != 1440 {
			t.Errorf("day %d has %v points", i, got[i].Values[0])
		}
	}
	// A late point of a day that was purged does not undo what is known of it.
	w.publish(t, topic, fmt.Sprintf("%d,t,1,", begin+hourMs))
	w.checkpoint(t)
	tidyAt(begin + 5*dayMs + 365*dayMs + 2*hourMs)
	if got, err = w.Aggregate(t.Context(), daily); err != nil || len(got) != 10 || got[0].Values[0] != 1440 {
		t.Errorf("after a late point: %+v, %v", got, err)
	}
	q := daily
	q.Aggregate, q.From = []string{"p95"}, begin
	if _, err = w.Aggregate(t.Context(), q); fault.KindOf(err) != fault.Unprocessable {
		t.Errorf("percentiles of points that are gone: %v", err)
	}
	tidyAt(begin + 20*dayMs + 365*dayMs) // no points any more
	if left := w.all(t, everything()); len(left) != 0 {
		t.Errorf("%d points are left after their time", len(left))
	}
	if got, err = w.Aggregate(t.Context(), daily); err != nil || len(got) != 10 {
		t.Errorf("roll-ups alone: %d rows, %v", len(got), err)
	}
	w.checkpoint(t)
	w.checkpoint(t)
	tidyAt(begin + 30*dayMs + 5*365*dayMs)
	tidyAt(begin + 30*dayMs + 5*365*dayMs)
	for _, bucket := range []string{seriesBucket, chunkBucket, rollupBucket, pendingBucket} {
		if n := countKeys(t, w.db, bucket); n != 0 {
			t.Errorf("%d entries are left in %s", n, bucket)
		}
	}
	w.publish(t, topic, "1,a,1,") // begins anew
	wantPoints(t, "a new series", w.all(t, everything()), []Point{full(1, "a", 1, "")})
}

// TestDelete: nothing of a deleted device comes back, whatever was in memory, in the journal or under way.
func TestDelete(t *testing.T) {
	prefix := "xi/blue/v1/" + account + "/d/" + device + "/"
	for name, between := range map[string]func(w *world){
		"at once":           func(*world) {},
		"after a flush":     func(w *world) { w.checkpoint(t) },
		"between the parts": func(w *world) { w.engine.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			w.publish(t, prefix+"a", ",a,1,")
			w.publish(t, prefix+"b", ",a,1,")
			w.publish(t, "other", ",a,1,")
			between(w)
			w.publish(t, prefix+"a", ",a,2,")
			if err := w.DeleteAll(account, prefix); err != nil {
				t.Fatal(err)
			}
			check := func(what string, want int) {
				t.Helper()
				q := everything()
				q.Topic = prefix + "a"
				if got := w.all(t, q); len(got) != want {
					t.Errorf("%s: %d points, want %d", what, len(got), want)
				}
				q.Topic = "other"
				if got := w.all(t, q); len(got) != 1 {
					t.Errorf("%s: the other series has %d points", what, len(got))
				}
			}
			check("at once", 0)
			w.crash(t)
			check("after a crash", 0)
			w.checkpoint(t)
			check("after a checkpoint", 0)
			w.checkpoint(t)
			for range 2 {
				if err := w.tidy(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := countKeys(t, w.db, chunkBucket); n != 1 {
				t.Errorf("%d chunks are left, want that of the other series", n)
			}
			if n := countKeys(t, w.db, deletedBucket); n != 0 {
				t.Errorf("%d notes of deleted series are left", n)
			}
			w.publish(t, prefix+"a", ",a,3,")
			check("a new series", 1)
		})
	}
}

// TestNumberOfDeletedSeries: a series that was deleted before any checkpoint had seen it leaves its number to nobody, or
// the next one to get it would be taken for deleted.
func TestNumberOfDeletedSeries(t *testing.T) {
	for name, again := range map[string]func(w *world, t testing.TB){"restart": (*world).restart, "crash": (*world).crash} {
		w := newWorld(t, t.TempDir())
		w.publish(t, topic, "1,a,1,")
		if err := w.DeleteAll(account, topic); err != nil {
			t.Fatal(err)
		}
		again(w, t)
		w.publish(t, topic, "2,a,2,")
		w.checkpoint(t)
		w.restart(t)
		wantPoints(t, name, w.all(t, everything()), []Point{full(2, "a", 2, "")})
	}
}

// TestSeriesAtRest: what got no points for two checkpoints is not in memory, and comes back with its order intact.
func TestSeriesAtRest(t *testing.T) {
	w := newWorld(t, t.TempDir())
	for i := range 100 {
		w.publish(t, fmt.Sprint(topic, i), "7,a,1,")
	}
	sink := w.Sink(account, topic+"5")
	for range 3 {
		w.publish(t, "busy", "1,a,1,")
		w.checkpoint(t)
	}
	if n := w.engine.count(); n > 2 {
		t.Errorf("%d series are in memory", n)
	}
	j := w.db.Journal()
	b := j.Begin()
	sink(admin, "", []byte("7,a,2,"), b)
	lsn := b.Append()
	b.End()
	if err := j.Wait(t.Context(), lsn); err != nil {
		t.Fatal(err)
	}
	q := everything()
	q.Topic = topic + "5"
	want := []Point{full(7, "a", 1, ""), full(7, "a", 2, "")}
	wantPoints(t, "in memory again", w.all(t, q), want)
	w.crash(t)
	wantPoints(t, "after a crash", w.all(t, q), want)
	w.publish(t, q.Topic, "7,a,3,")
	want = append(want, full(7, "a", 3, ""))
	w.restart(t)
	wantPoints(t, "after a restart", w.all(t, q), want)
}

func TestLTTB(t *testing.T) {
	var samples []sample
	for i := range 10_000 {
		v := math.Sin(float64(i) / 500)
		if i == 4321 {
			v = 50
		}
		samples = append(samples, sample{int64(i), v})
	}
	for _, n := range []int{3, 4, 100, 2000, 9999, 10_000, 20_000} {
		got := lttb(samples, n)
		if len(got) != min(n, len(samples)) || got[0] != samples[0] || got[len(got)-1] != samples[len(samples)-1] {
			t.Errorf("%d samples for %d", len(got), n)
		}
		if !slices.IsSortedFunc(got, func(a, b sample) int { return int(a.time - b.time) }) {
			t.Errorf("%d samples are not in order", n)
		}
		if !slices.Contains(got, sample{4321, 50}) {
			t.Errorf("%d samples lack the peak", n)
		}
	}
}

// TestDownsampleSeesAll: with room for all of them every number comes, wherever it is kept.
func TestDownsampleSeesAll(t *testing.T) {
	w := newWorld(t, t.TempDir())
	r := rand.New(rand.NewPCG(4, 4))
	var m model
	clock := int64(1_690_000_000_000)
	for range 30 {
		var points []Point
		for range 1 + r.IntN(200) {
			points = append(points, randomPoint(r, &clock))
		}
		csv, _ := formatCSV(points)
		w.publish(t, topic, csv)
		m.add(points)
		if r.IntN(2) == 0 {
			w.checkpoint(t)
		}
	}
	q := everything()
	q.From, q.To, q.Points = clock-r.Int64N(1<<20), clock, MaxSamples
	for _, category := range []string{"c1", "c2", "c3"} {
		q.Category = &category
		var want []Point
		for _, p := range m.read(q) {
			if p.Has&HasNumeric != 0 {
				p.String, p.Has = "", p.Has&^HasString
				want = append(want, p)
			}
		}
		got, err := w.Downsample(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		wantPoints(t, category, got, want)
	}
}
