package logging

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
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
// With XIVELY_LOG_NDJSON=FILE the same entries are written there, one a line, and grep is measured beside. XIVELY_LOG_DIR keeps
// the store for another run, which searches only. BENCHMARKS.md has the results.
func TestFigures(t *testing.T) {
	total, err := strconv.Atoi(os.Getenv("XIVELY_LOG_FIGURES"))
	if err != nil {
		t.Skip("XIVELY_LOG_FIGURES says how many entries; without it there is nothing to measure")
	}
	dir := cmp.Or(os.Getenv("XIVELY_LOG_DIR"), t.TempDir())
	w := &world{config: Config{MaxBytes: 1 << 40}, dir: dir}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err = os.Stat(filepath.Join(dir, "xively.db"))
	w.open(t, figuresStore(t, dir))
	if err != nil {
		fill(t, w, total, begin, 30*24*time.Hour/time.Duration(total))
		w.Close()
		w.open(t, storagetest.Reopen(t, w.db, dir))
		began := cpu()
		for _, account := range must(w.engine.accounts()) {
			must(w.engine.merge(account, never))
		}
		t.Logf("merge: %.2f µs CPU an entry", float64(cpu()-began)/float64(total)/1e3)
	}
	size := must(w.engine.size())
	file := must(os.Stat(filepath.Join(dir, "xively.db")))
	t.Logf("%d entries in %d chunks: %.1f bytes an entry in chunks, %.1f in the store file",
		total, len(w.chunks(t)), float64(size)/float64(total), float64(file.Size())/float64(total))
	w.sizes(t, total)
	only := regexp.MustCompile(os.Getenv("XIVELY_LOG_ONLY"))
	dev := newBelievable(1, begin, 0).devices
	for _, m := range []struct{ name, text string }{
		{"newest 50", ""},
		{"a word that occurs once", needle},
		{"a number that occurs once", strconv.Itoa(needleNumber)},
		{"a device", "device:" + dev[700].id},
		{"a device that never rests", "device:" + dev[7].id},
		{"a device's errors", "severity>=error device:" + dev[700].id},
		{"a device, one day", "since:2026-01-10 until:2026-01-11 device:" + dev[700].id},
		{"severity>=critical", "severity>=critical"},
		{"a code and an organization", "code:500 organization:" + dev[3].organization},
		{"a code and a template", "code:500 template:" + dev[3].template},
		{"an organization", "organization:" + dev[3].organization},
		{"a tag, one day", "tag:leak since:2026-01-10 until:2026-01-11"},
		{"two words", "water valve"},
		{"two words and a number", "flash failed 151"},
		{"a device and a phrase", `severity>=warning device:` + dev[7].id + ` "over 150"`},
		{"a phrase with numbers", `"over 150 F at 2500"`},
		{"two words with a prefix", "over* 151"},
		{"a prefix that few words have", "q7x9*"},
		{"a custom member", "custom.clientId:AP-000123"},
		{"a custom member, and not", "custom.clientId:AP-000123 -disconnected"},
		{"an address", `"10.2.77.200"`},
		{"errors but of one code", "severity:critical -code:500"},
		{"two hours", "since:2026-01-15T10:00 until:2026-01-15T12:00"},
		{"(all of) a frequent word", "overheated"},
		{"(all of) a frequent device", "heartbeat device:" + dev[7].id},
	} {
		if only.MatchString(m.name) {
			measure(t, w, m.name, must(ParseText(m.text, nil, time.Now())))
		}
	}
	q := must(ParseText("severity>=error", nil, time.Now()))
	q.Every, q.EveryOf = 12*time.Hour, "serviceTimestamp"
	if only.MatchString("histogram") {
		measure(t, w, "histogram of errors, 60 bars", q)
	}
	grep(t, needle, dev[700].id, `"code":500`)
}

// needle is in one entry, needleNumber in another.
const (
	needle       = "q7x9zz41"
	needleNumber = 987654321012
)

// figuresStore opens a store as in service, but for the disk, which is measured elsewhere.
func figuresStore(t *testing.T, dir string) *storage.DB {
	c := storagetest.Config(dir)
	c.Sync = func(string) error { return nil }
	c.CheckpointBytes, c.SegmentBytes = 0, 0
	return must(storage.Open(c, storagetest.Log(t)))
}

// sizes prints how much of the store each part of the chunks takes.
func (w *world) sizes(t *testing.T, total int) {
	err := w.db.View(func(tx *storage.Tx) error {
		var text []string
		for _, name := range []string{chunkBucket, wordBucket, originBucket, rareBucket, shapeBucket, timesBucket, columnBucket} {
			size := 0
			for k, v := range tx.Bucket(name).Scan(nil, nil) {
				size += len(k) + len(v)
			}
			text = append(text, fmt.Sprintf("%s %.2f", name, float64(size)/float64(total)))
		}
		t.Log("bytes an entry: ", strings.Join(text, ", "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fill stores entries as a broker would.
func fill(t *testing.T, w *world, total int, begin time.Time, step time.Duration) {
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
			switch n {
			case total / 3:
				payload = []byte(`{"message":"pairing failed, token ` + needle + `","severity":"warning"}`)
			case total / 2:
				payload = []byte(`{"message":"pairing failed, token ` + strconv.Itoa(needleNumber) + `","severity":"warning"}`)
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
}

// measure searches twenty times.
func measure(t *testing.T, w *world, name string, q Query) {
	t.Helper()
	const times = 20
	q.Size = 50
	q.Sort = []SortKey{{Member: "sourceTimestamp", Desc: true}}
	var took, used []time.Duration
	var found Result
	for range times {
		runtime.GC()
		at, began := time.Now(), cpu()
		found = must(w.Search(t.Context(), account, q))
		took, used = append(took, time.Since(at)), append(used, cpu()-began)
	}
	slices.Sort(took)
	slices.Sort(used)
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	t.Logf("%-30s %9d found; median %6.1f ms, worst %6.1f; CPU median %6.1f, least %6.1f", name, found.Total,
		ms(took[times/2]), ms(took[times-1]), ms(used[times/2]), ms(used[0]))
}

func grep(t *testing.T, words ...string) {
	path := os.Getenv("XIVELY_LOG_NDJSON")
	if path == "" {
		return
	}
	info := must(os.Stat(path))
	for _, word := range words {
		for range 3 {
			cmd, at := exec.Command("grep", "-c", "-F", word, path), time.Now()
			out, _ := cmd.Output()
			t.Logf("grep -c -F %.20s over %d MB of NDJSON: %5.0f ms, CPU %5.0f ms, %s", word, info.Size()>>20, float64(time.Since(at))/1e6,
				float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())/1e6, out)
		}
	}
}
