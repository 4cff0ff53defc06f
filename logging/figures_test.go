package logging

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"xively/storage"
	"xively/storage/storagetest"
)

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestFigures prints what a large log costs: XIVELY_LOG_FIGURES=10000000 go test -run TestFigures -v -timeout 30m ./logging.
// With XIVELY_LOG_NDJSON=FILE the same entries are written there, one a line, and grep is measured beside.
func TestFigures(t *testing.T) {
	total, err := strconv.Atoi(os.Getenv("XIVELY_LOG_FIGURES"))
	if err != nil {
		t.Skip("XIVELY_LOG_FIGURES says how many entries; without it there is nothing to measure")
	}
	dir := t.TempDir()
	c := storagetest.Config(dir)
	c.NoSync = true                          // the disk is measured elsewhere
	c.CheckpointBytes, c.SegmentBytes = 0, 0 // as in service
	db, err := storage.Open(c, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	w := (&world{config: Config{MaxBytes: 1 << 40}, dir: dir}).open(t, db)
	days := 30 * 24 * time.Hour
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	needle := fill(t, w, total, begin, days/time.Duration(total))
	w.Close()
	db = storagetest.Reopen(t, db, dir)
	w.open(t, db)
	began := cpu()
	for _, account := range must(w.engine.accounts()) {
		if _, err := w.engine.merge(account, never); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("merge: %.2f µs CPU an entry", float64(cpu()-began)/float64(total)/1e3)
	size := must(w.engine.size())
	file, err := os.Stat(filepath.Join(dir, "xively.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d chunks", len(w.chunks(t)))
	t.Logf("%d entries: %.1f bytes an entry in chunks, %.1f in the store file", total, float64(size)/float64(total), float64(file.Size())/float64(total))
	dev := newBelievable(1, begin, 0).devices
	measure(t, w, "newest 50", "", total)
	measure(t, w, "needle: a word once in all", needle, total)
	measure(t, w, "a device", "device:"+dev[700].id, total)
	measure(t, w, "a device that never rests", "device:"+dev[7].id, total)
	measure(t, w, "a device's errors", "severity>=error device:"+dev[700].id, total)
	measure(t, w, "severity>=critical", "severity>=critical", total)
	measure(t, w, "a device and a phrase", `severity>=warning device:`+dev[7].id+` "over 150"`, total)
	measure(t, w, "a code and an organization", "code:500 organization:"+dev[3].organization, total)
	measure(t, w, "a tag, one day", "tag:leak since:2026-01-10 until:2026-01-11", total)
	measure(t, w, "a frequent word, counted", "overheated", total)
	measure(t, w, "a number that is in most chunks", "over* 151", total)
	measure(t, w, "a custom member", "custom.clientId:AP-000123", total)
	measure(t, w, "two hours", "since:2026-01-15T10:00 until:2026-01-15T12:00", total)
	q := must(ParseText("severity>=error", nil, time.Now()))
	q.Every, q.EveryOf = 12*time.Hour, "serviceTimestamp"
	at := time.Now()
	found := must(w.Search(t.Context(), account, q))
	t.Logf("%-34s %9d found %8.1f ms", "histogram of errors, 60 bars", found.Total, float64(time.Since(at))/1e6)
	grep(t, needle, dev[700].id)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fill stores entries as a broker would, and returns a word that one of them has.
func fill(t *testing.T, w *world, total int, begin time.Time, step time.Duration) (needle string) {
	gen := newBelievable(1, begin, step)
	var out *bufio.Writer
	if path := os.Getenv("XIVELY_LOG_NDJSON"); path != "" {
		f := must(os.Create(path))
		defer f.Close()
		out = bufio.NewWriterSize(f, 1<<20)
		defer out.Flush()
	}
	j := w.db.Journal()
	var generating, storing time.Duration
	for n := 0; n < total; {
		began := cpu()
		type message struct {
			at      time.Time
			d       *believableDevice
			payload []byte
		}
		var batch []message
		for ; len(batch) < 10_000 && n < total; n++ {
			at, d, payload := gen.next(nil)
			if n == total/3 {
				needle = "q7x9zz41"
				payload = []byte(`{"message":"pairing failed, token ` + needle + `","severity":"warning"}`)
			}
			if out != nil {
				fmt.Fprintf(out, `{"serviceTimestamp":%d,%s`+"\n", at.UnixMilli(), payload[1:])
			}
			batch = append(batch, message{at, d, payload})
		}
		generating += cpu() - began
		began = cpu()
		for i := range batch {
			m := &batch[i]
			b := j.Begin()
			e := parsePayload(m.payload)
			e.AccountID, e.SourceID, e.SourceType = account, m.d.id, "deviceId"
			e.DeviceTemplateID, e.OrganizationID = m.d.template, m.d.organization
			e.normalize(m.at)
			w.engine.store(lineOf(&e), b)
			b.Append()
			b.End()
		}
		storing += cpu() - began
	}
	began := cpu()
	w.Close()
	storing += cpu() - began
	t.Logf("ingest: %.2f µs CPU an entry (parse, journal, chunks, checkpoints); the generator's %.2f µs apart", float64(storing)/float64(total)/1e3, float64(generating)/float64(total)/1e3)
	return needle
}

func measure(t *testing.T, w *world, name, text string, total int) {
	t.Helper()
	q := must(ParseText(text, nil, time.Now()))
	q.Size = 50
	q.Sort = []SortKey{{Member: "sourceTimestamp", Desc: true}}
	best, worst, used := time.Hour, time.Duration(0), time.Duration(0)
	var found Result
	for range 3 {
		runtime.GC()
		at, c := time.Now(), cpu()
		found = must(w.Search(t.Context(), account, q))
		took := time.Since(at)
		best, worst, used = min(best, took), max(worst, took), cpu()-c
	}
	t.Logf("%-34s %9d found %8.1f ms (first or worst %.1f; CPU %.1f)", name, found.Total, float64(best)/1e6, float64(worst)/1e6, float64(used)/1e6)
}

func grep(t *testing.T, words ...string) {
	path := os.Getenv("XIVELY_LOG_NDJSON")
	if path == "" {
		return
	}
	info := must(os.Stat(path))
	for _, word := range words {
		at := time.Now()
		out, _ := exec.Command("grep", "-c", "-F", word, path).Output()
		t.Logf("grep -c -F %.20s over %d MB of NDJSON: %.0f ms, %s", word, info.Size()>>20, float64(time.Since(at))/1e6, out)
	}
}
