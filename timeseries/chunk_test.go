package timeseries

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func sameEntry(a, b entry) bool {
	if math.Float64bits(a.Numeric) != math.Float64bits(b.Numeric) {
		return false
	}
	a.Numeric, b.Numeric = 0, 0
	return a == b
}

func FuzzInts(f *testing.F) {
	f.Add([]byte{1, 2, 3, 250, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		// Garbage does not panic.
		r := reader{buf: data}
		r.column(make([]int64, 1+len(data)%300))
		// What was packed comes back. The data's bytes choose values of all sizes.
		var v []int64
		for i, b := range data {
			x := int64(b)
			if i%3 == 0 && len(v) > 0 {
				x = v[len(v)-1] + int64(int8(b))
			}
			if i%17 == 16 {
				x = int64(uint64(b)<<56 | uint64(i))
			}
			v = append(v, x)
		}
		if len(v) == 0 {
			return
		}
		packed := appendColumn(nil, v)
		got := make([]int64, len(v))
		r = reader{buf: packed}
		if r.column(got); r.bad || len(r.buf) > 0 || !slices.Equal(got, v) {
			t.Fatalf("%v came back as %v", v, got)
		}
	})
}

func TestIntsOfEveryWidth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for width := range 65 {
		for _, n := range []int{1, 2, 127, 128, 129, 300} {
			for _, outliers := range []int{0, 9} {
				v := make([]int64, n)
				for i := range v {
					if width > 0 {
						v[i] = int64(r.Uint64() >> (64 - width))
					}
					if outliers > 0 && r.IntN(outliers) == 0 {
						v[i] = int64(r.Uint64())
					}
				}
				got := make([]int64, n)
				rd := reader{buf: appendColumn(nil, v)}
				if rd.column(got); rd.bad || len(rd.buf) > 0 || !slices.Equal(got, v) {
					t.Fatalf("width %d, %d values: %v came back as %v", width, n, v, got)
				}
			}
		}
	}
}

func TestNumbersComeBackExactly(t *testing.T) {
	for _, v := range [][]float64{
		{0}, {math.Copysign(0, -1)}, {0, math.Copysign(0, -1), 1}, {0.1, 0.2, 0.3}, {21.5, 21.6, -3, 1e6}, {1e15, 1e16, 1e300},
		{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64}, {math.Pi, math.E, math.Sqrt2}, {1.0 / 3, 2.0 / 3},
		{9007199254740991, 9007199254740993, -9007199254740991}, {0.000000000001, 1}, {0.0000000000001, 1}, {123456789.123, 0.1},
	} {
		buf, _ := appendNumbers(nil, v, nil)
		got := make([]float64, len(v))
		r := reader{buf: buf}
		r.numbers(got, make([]int64, len(v)))
		for i := range v {
			if r.bad || math.Float64bits(got[i]) != math.Float64bits(v[i]) {
				t.Errorf("%v came back as %v", v, got)
				break
			}
		}
	}
}

// sensor is a week of one number with one decimal every ten seconds: a slow wave, noise, and now and then a jump.
func sensor(n int) []entry {
	r := rand.New(rand.NewPCG(3, 4))
	entries := make([]entry, n)
	level := 20.0
	for i := range entries {
		if r.IntN(2000) == 0 {
			level = 15 + 10*r.Float64()
		}
		v := level + 3*math.Sin(float64(i)/1000) + 0.3*r.NormFloat64()
		entries[i] = entry{num(1_700_000_000_000+int64(i)*10_000, "temp", math.Round(v*10)/10), 1<<32 + uint64(i)}
	}
	return entries
}

// TestChunkSize holds the format to what it promises for the plainest of sensors.
func TestChunkSize(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(i int, e *entry)
		most   float64
	}{
		{"every ten seconds", func(int, *entry) {}, 0.80},
		{"times shake by 50 ms", func(i int, e *entry) { e.Time += int64(i*7919) % 100 }, 1.70},
		{"constant", func(_ int, e *entry) { e.Numeric = 21.5 }, 0.15},
		{"on and off", func(i int, e *entry) { e.Numeric = float64(i * 7919 % 13 / 7) }, 0.30},
		{"three categories of one time", func(i int, e *entry) {
			e.Time = 1_700_000_000_000 + int64(i/3)*10_000
			e.Category = string(rune('a' + i%3))
		}, 1.35},
		{"floats of four bytes", func(i int, e *entry) { e.Numeric = float64(float32(math.Sin(float64(i)))) }, 5},
	} {
		entries := sensor(60_480)
		for i := range entries {
			c.change(i, &entries[i])
		}
		bytes := 0
		pieces(entries, func(piece []entry) { bytes += len(appendChunk(nil, piece)) + idSize + positionSize + 4 })
		got := float64(bytes) / float64(len(entries))
		t.Logf("%s: %.3f bytes a point, keys and checksums included", c.name, got)
		if got > c.most {
			t.Errorf("%s: %.3f bytes a point, want at most %.2f", c.name, got, c.most)
		}
	}
}

func TestChunkHeader(t *testing.T) {
	entries := []entry{}
	for i := range 20 {
		entries = append(entries, entry{num(int64(i), "a", float64(i)/10), uint64(i)})
	}
	entries = append(entries, entry{text(30, "a", "x"), 30}, entry{bare(5), 31}, entry{num(40, "b", 7), 32})
	entries[21].Time = 35
	c, err := parseChunk(entries[0].position(), appendChunk(nil, entries))
	if err != nil {
		t.Fatal(err)
	}
	if c.count != 23 || c.last != entries[22].position() || len(c.categories) != 3 {
		t.Fatalf("header %+v", c)
	}
	a, none, b := c.categories[0], c.categories[1], c.categories[2]
	if s := a.stat; a.name != "a" || a.points != 21 || a.numbers != 20 || s.min != 0 || s.max != 1.9 || s.first != 0 || s.last != 1.9 || math.Abs(s.total()-19) > 1e-12 {
		t.Errorf("category a: %+v", a)
	}
	if none.has || none.points != 1 || !b.has || b.name != "b" {
		t.Errorf("the others: %+v, %+v", none, b)
	}
}

// randomEntries are sorted, of all shapes.
func randomEntries(r *rand.Rand, n int) []entry {
	clock := int64(1_600_000_000_000)
	entries := make([]entry, n)
	for i := range entries {
		p := randomPoint(r, &clock)
		switch r.IntN(30) {
		case 0:
			p.Numeric, p.Has = r.NormFloat64(), p.Has|HasNumeric
		case 1:
			p.Category, p.Has = "", p.Has&^HasCategory
		case 2:
			p.Category = ""
		case 3:
			p.Time = MinTime + r.Int64N(MaxTime-MinTime)
		}
		entries[i] = entry{p, r.Uint64N(1 << uint(1+r.IntN(63)))}
	}
	slices.SortFunc(entries, compareEntries)
	return slices.CompactFunc(entries, samePosition)
}

func TestChunkRoundTrip(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		entries := randomEntries(r, 1+r.IntN(chunkPoints))
		for i := range entries {
			if entries[i].Has&HasNumeric == 0 {
				entries[i].Numeric = 0
			}
		}
		pieces(entries, func(piece []entry) {
			c, err := parseChunk(piece[0].position(), appendChunk(nil, piece))
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.decode(nil)
			if err != nil || !slices.EqualFunc(got, piece, sameEntry) {
				t.Fatalf("seed %d: %d points came back as %d, %v", seed, len(piece), len(got), err)
			}
		})
	}
}

func FuzzChunk(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 9, 200} {
		f.Add(appendChunk(nil, randomEntries(r, n)))
	}
	f.Add(appendChunk(nil, sensor(300)))
	f.Fuzz(func(t *testing.T, value []byte) {
		first := position{1_600_000_000_000, 1 << 32}
		c, err := parseChunk(first, value)
		if err != nil {
			if !errors.Is(err, errChunk) {
				t.Fatal(err)
			}
			return
		}
		entries, err := c.decode(nil)
		if err != nil {
			if !errors.Is(err, errChunk) {
				t.Fatal(err)
			}
			return
		}
		if len(entries) != c.count {
			t.Fatalf("%d points, the header says %d", len(entries), c.count)
		}
		again, err := parseChunk(entries[0].position(), appendChunk(nil, entries))
		if err != nil {
			return // unsorted: not what we write
		}
		if second, err := again.decode(nil); err == nil && !slices.EqualFunc(entries, second, func(a, b entry) bool {
			if a.Has&HasNumeric == 0 {
				a.Numeric, b.Numeric = 0, 0
			}
			return sameEntry(a, b)
		}) {
			t.Fatal("decoded twice is not the same")
		}
	})
}

// TestSmallChunksGrow: what comes in many checkpoints ends in few chunks, and is not written again each time.
func TestSmallChunksGrow(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var want []Point
	for i := range 120 {
		var csv strings.Builder
		for k := range 20 {
			p := num(int64(i*20+k)*10_000, "t", float64(k))
			want = append(want, p)
			fmt.Fprintf(&csv, "%d,t,%v\n", p.Time, p.Numeric)
		}
		w.publish(t, topic, csv.String())
		w.checkpoint(t)
	}
	if n := countKeys(t, w.db, chunkBucket); n > 8 {
		t.Errorf("%d chunks for 2400 points", n)
	}
	wantPoints(t, "all", w.all(t, everything()), want)
}

func BenchmarkChunk(b *testing.B) {
	entries := sensor(chunkPoints)
	buf := appendChunk(nil, entries)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = appendChunk(buf[:0], entries)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunkPoints, "ns/point")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]entry, 0, chunkPoints)
		for b.Loop() {
			c, err := parseChunk(entries[0].position(), buf)
			if err != nil {
				b.Fatal(err)
			}
			if dst, err = c.decode(dst[:0]); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunkPoints, "ns/point")
	})
}
