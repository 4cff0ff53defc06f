package timeseries

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

// openLarge is a world with the journal's usual sizes.
func openLarge(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	db, err := storage.Open(storage.Config{Dir: dir}, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storagetest.Check(t, db, dir) })
	return (&world{dir: dir}).open(t, db)
}

// sensorCSV is sensor as bodies of bulk requests, per at a time.
func sensorCSV(n, per int) (bodies []string) {
	var b strings.Builder
	for i, e := range sensor(n) {
		b.Write(append(appendCSV(nil, &e.Point, true), '\n'))
		if (i+1)%per == 0 || i == n-1 {
			bodies = append(bodies, b.String())
			b.Reset()
		}
	}
	return bodies
}

// BenchmarkBulk posts CSV over the router, checkpoints and roll-up marks included; the figure is the CPU of the process.
func BenchmarkBulk(b *testing.B) {
	w := openLarge(b)
	e := newAPI(b, w)
	bodies := sensorCSV(2_000_000, 20_000)
	n, before := 0, cpuTime(b)
	for i := 0; b.Loop(); i++ {
		target := fmt.Sprintf("/api/v4/data/bulk/%d", i/len(bodies))
		if rec := post(e, target, "text/csv", bodies[i%len(bodies)]); rec.Code != 200 {
			b.Fatal(rec.Body)
		}
		n += 20_000
	}
	w.checkpoint(b)
	b.ReportMetric(float64(cpuTime(b)-before)/float64(n), "cpu-ns/point")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFleet is 5,000 devices that send messages of three points each, fsync and checkpoints included.
func BenchmarkFleet(b *testing.B) {
	w := openLarge(b)
	const devices = 5000
	sinks := make([]func(auth.Principal, string, []byte, *storage.Batch), devices)
	for i := range sinks {
		sinks[i] = w.Sink(account, fmt.Sprintf("xi/blue/v1/%s/d/%036d/temp", account, i))
	}
	j := w.db.Journal()
	n, before := 0, cpuTime(b)
	clock := int64(1_700_000_000_000)
	for i := 0; b.Loop(); i++ {
		batch := j.Begin()
		for k := range 10 {
			d := (i*10 + k) % devices
			if d == 0 {
				clock += 500
			}
			sinks[d](admin, "", fmt.Appendf(nil, "%d,temp,%d.%d,\n%d,hum,%d,\n%d,bat,3.6,\n", clock, 20+i%3, i%10, clock, 40+i%5, clock), batch)
		}
		batch.Append()
		batch.End()
		n += 30
	}
	w.checkpoint(b)
	b.ReportMetric(float64(cpuTime(b)-before)/float64(n), "cpu-ns/point")
}

func storeBytes(t testing.TB, w *world) int64 {
	info, err := os.Stat(filepath.Join(w.dir, "xively.db"))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// BenchmarkWeek is a week of ten-second points down-sampled to 2,000, over HTTP on loopback.
func BenchmarkWeek(b *testing.B) {
	w := openLarge(b)
	e := newAPI(b, w)
	for _, body := range sensorCSV(60_480, 20_000) {
		post(e, "/api/v4/data/week", "text/csv", body)
	}
	w.checkpoint(b)
	server := httptest.NewServer(e)
	defer server.Close()
	for _, q := range []string{"points=2000", "interval=5m&aggregate=avg,min,max", "pageSize=1000"} {
		b.Run(q, func(b *testing.B) {
			before := cpuTime(b)
			defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op") }()
			for b.Loop() {
				resp, err := http.Get(server.URL + "/api/v4/data/week?" + q)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(err, resp)
				}
				n, _ := discard(resp)
				b.SetBytes(n)
			}
		})
	}
}

func discard(resp *http.Response) (int64, error) {
	defer resp.Body.Close()
	var n int64
	buf := make([]byte, 32<<10)
	for {
		k, err := resp.Body.Read(buf)
		n += int64(k)
		if err != nil {
			return n, nil
		}
	}
}

// BenchmarkYear is a year of ten-second points by their roll-ups.
func BenchmarkYear(b *testing.B) {
	w := openLarge(b)
	e := newAPI(b, w)
	const points = 365 * 8640
	for _, body := range sensorCSV(points, 50_000) {
		if rec := post(e, "/api/v4/data/year", "text/csv", body); rec.Code != 200 {
			b.Fatal(rec.Body)
		}
	}
	w.checkpoint(b)
	w.clock.Store(1_700_000_000_000 + 366*dayMs)
	if err := w.rollUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	var chunks, pages int64
	err := w.db.View(func(tx *storage.Tx) error {
		for k, v := range tx.Bucket(chunkBucket).Scan(nil, nil) {
			chunks += int64(len(k) + len(v) + 4)
		}
		for k, v := range tx.Bucket(rollupBucket).Scan(nil, nil) {
			pages += int64(len(k) + len(v) + 4)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("size", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(float64(chunks)/points, "chunk-B/point")
		b.ReportMetric(float64(pages)/points, "rollup-B/point")
	})
	server := httptest.NewServer(e)
	defer server.Close()
	for _, q := range []string{"interval=1d&aggregate=avg,min,max", "interval=1d&aggregate=avg,min,max&timezone=Europe/Berlin", "interval=6h&aggregate=avg", "interval=1h&aggregate=avg,min,max"} {
		b.Run(q, func(b *testing.B) {
			before := cpuTime(b)
			defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op") }()
			for b.Loop() {
				resp, err := http.Get(server.URL + "/api/v4/data/year?" + q)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(err, resp)
				}
				n, _ := discard(resp)
				b.SetBytes(n)
			}
		})
	}
}

// BenchmarkFileSize is what a fleet's points take of the store's file, free pages and the space lost in pages included:
// 300 sensors whose points come to the store in six-hour pieces.
func BenchmarkFileSize(b *testing.B) {
	for b.Loop() {
		w := openLarge(b)
		const series, perSeries, piece = 300, 60_480, 2160
		all := sensor(perSeries)
		var points []Point
		for i := range all {
			points = append(points, all[i].Point)
		}
		j := w.db.Journal()
		for at := 0; at < perSeries; at += piece {
			for i := range series {
				to := &writer{service: w.Service, account: account, topic: fmt.Sprint("size/", i)}
				batch := j.Begin()
				if err := to.store(points[at:at+piece], new(block), batch); err != nil {
					b.Fatal(err)
				}
				batch.Append()
				batch.End()
			}
		}
		if err := w.db.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(storeBytes(b, w))/(series*perSeries), "file-B/point")
	}
}
