package logging

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/internal/fault"
	"xively/storage"
)

// TestAgainstModel fills the log at random, with checkpoints, restarts, crashes and sweeps between, and compares searches
// with a plain slice.
func TestAgainstModel(t *testing.T) {
	seeds := 5
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { againstModel(t, rand.New(rand.NewPCG(uint64(seed), 3))) })
	}
}

func againstModel(t *testing.T, r *rand.Rand) {
	w := newTimelessWorld(t)
	var model []*line // in order of arrival
	clock := int64(1_600_000_000_000)
	for range 400 {
		switch k := r.IntN(100); {
		case k < 60:
			for range 1 + r.IntN(20)*r.IntN(2) {
				clock += r.Int64N(3)*1000 - r.Int64N(2)*500 // also backwards
				if l := w.put(t, randomEntry(r, clock, len(model)), clock); l.account == account {
					model = append(model, l)
				}
			}
		case k < 72:
			w.checkpoint(t)
		case k < 76:
			if _, err := w.engine.merge(account, never); err != nil {
				t.Fatal(err)
			}
		case k < 78:
			w.restart(t)
		case k < 80:
			w.crash(t)
		case k < 82:
			cutoff := clock - r.Int64N(400_000)
			w.engine.expire(time.UnixMilli(cutoff))
			if _, err := w.engine.sweep(never); err != nil {
				t.Fatal(err)
			}
			model = slices.DeleteFunc(model, func(l *line) bool { return l.time < w.engine.oldest.Load() })
			w.config.Retention = 0
		default:
			compareSearch(t, w, model, randomQuery(r, clock))
		}
		// What has expired comes back when a restart forgets the cutoff, and the sweep had to leave it.
		w.engine.expire(time.UnixMilli(oldestOf(model)))
	}
	compareSearch(t, w, model, `{"size":1000}`)
	checkStore(t, w.db)
}

func oldestOf(model []*line) int64 {
	oldest := int64(0)
	for i, l := range model {
		if i == 0 || l.time < oldest {
			oldest = l.time
		}
	}
	return oldest
}

var someSeverities = []string{Error, Warning, Informational, Lifecycle}

func randomEntry(r *rand.Rand, at int64, n int) Entry {
	e := Entry{
		AccountID: account, SourceID: fmt.Sprint("source-", r.IntN(4)), SourceType: "deviceId",
		Message: fmt.Sprintf("entry %d says %c", n, 'a'+r.IntN(4)), Severity: someSeverities[r.IntN(4)],
		SourceTimestamp: at - r.Int64N(5000), ServiceTimestamp: at,
	}
	switch r.IntN(4) {
	case 0:
		e.SourceID = fmt.Sprintf("33333333-3333-4333-8333-33333333333%d", r.IntN(3))
		e.Details = fmt.Sprintf("Übertemperatur: %d.%d °C at 10.0.%d.%d, T800x%d", r.IntN(90), r.IntN(10), r.IntN(3), r.IntN(256), r.IntN(3))
	case 1:
		e.Custom = map[string]any{"n": r.IntN(3), "deep": map[string]any{"ok": r.IntN(2) == 0}, "list": []any{"x<y", r.IntN(3)}}
		e.OrganizationID = fmt.Sprint("o", r.IntN(3))
	case 2:
		e.Tags = []string{"fan", fmt.Sprint("t", r.IntN(3))}[:1+r.IntN(2)]
		e.DeviceTemplateID = template
	}
	if r.IntN(3) > 0 {
		e.Code = strconv.Itoa(r.IntN(12) * 50)
	}
	if r.IntN(8) == 0 {
		e.AccountID = other
	}
	return e
}

// randomClause returns one clause of any kind.
func randomClause(r *rand.Rand, clock int64, depth int) string {
	f := fmt.Sprintf
	bounds := []string{"gt", "gte", "lt", "lte"}
	switch r.IntN(22) {
	case 0:
		return f(`{"term":{"sourceId":"source-%d"}}`, r.IntN(5))
	case 1:
		return f(`{"range":{"serviceTimestamp":{"gte":%d}}}`, clock-r.Int64N(200_000))
	case 2:
		return f(`{"range":{"sourceTimestamp":{"%s":%d}}}`, bounds[r.IntN(4)], clock-r.Int64N(100_000))
	case 3: // at a time that entries have
		return f(`{"range":{"serviceTimestamp":{"%s":%d}}}`, bounds[r.IntN(4)], clock-r.Int64N(20)*500)
	case 4:
		return f(`{"match":{"message":"%c"}}`, 'A'+r.IntN(4))
	case 5:
		return f(`{"match":{"message":{"query":"entry %d","operator":"%s"}}}`, r.IntN(100), []string{"and", "or"}[r.IntN(2)])
	case 6:
		return f(`{"term":{"custom.n":%d}}`, r.IntN(4))
	case 7:
		return f(`{"term":{"custom.list":"%s"}}`, []string{"x<y", "0", "1", "x"}[r.IntN(4)])
	case 8:
		return f(`{"term":{"custom.deep.ok":%v}}`, r.IntN(2) == 0)
	case 9:
		return f(`{"match":{"details":"ÜBERTEMPERATUR %d"}}`, r.IntN(100))
	case 10:
		return f(`{"match_phrase":{"_all":"10 0 %d %d"}}`, r.IntN(3), r.IntN(256))
	case 11:
		return f(`{"query_string":{"query":"t800x%d* OR fan -code:%d*"}}`, r.IntN(4), r.IntN(6))
	case 12:
		return f(`{"range":{"code":{"%s":%d}}}`, bounds[r.IntN(4)], r.IntN(600))
	case 13:
		return f(`{"terms":{"severity":["error","%s"]}}`, someSeverities[r.IntN(4)])
	case 14:
		return f(`{"prefix":{"%s":"%s"}}`, []string{"code", "sourceId", "message", "details"}[r.IntN(4)], []string{"1", "source", "entry 1", "Über", "33"}[r.IntN(5)])
	case 15:
		return f(`{"exists":{"field":"%s"}}`, []string{"code", "details", "custom.n", "tags", "organizationId", "message"}[r.IntN(6)])
	case 16:
		return f(`{"term":{"tags":"%s"}}`, []string{"fan", "t0", "t1", "T1"}[r.IntN(4)])
	case 17:
		return f(`{"term":{"organizationId":"o%d"}}`, r.IntN(4))
	case 18:
		return f(`{"term":{"sourceId":"33333333-3333-4333-8333-33333333333%d"}}`, r.IntN(4))
	case 19:
		return f(`{"term":{"serviceTimestamp":%d}}`, clock-r.Int64N(20)*500)
	case 20:
		return f(`{"term":{"message":"entry %d says %c"}}`, r.IntN(100), 'a'+r.IntN(4))
	}
	if depth > 2 {
		return `{"match_all":{}}`
	}
	clause := func() string { return randomClause(r, clock, depth+1) }
	return f(`{"bool":{"should":[%s,%s],"must_not":[%s]}}`, clause(), clause(), clause())
}

func randomQuery(r *rand.Rand, clock int64) string {
	var clauses []string
	for range r.IntN(4) {
		clauses = append(clauses, randomClause(r, clock, 0))
	}
	sorts := []string{`[{"sourceTimestamp":{"order":"desc"}}]`, `["code",{"severity":"desc"}]`, `[{"code":"desc"}]`, `"serviceTimestamp"`, `[]`,
		`{"message":"desc"}`, `{"serviceTimestamp":"desc"}`, `["sourceTimestamp","custom.n"]`}
	return fmt.Sprintf(`{"query":{"bool":{"must":[%s]}},"from":%d,"size":%d,"sort":%s}`,
		strings.Join(clauses, ","), r.IntN(20), r.IntN(60), sorts[r.IntN(len(sorts))])
}

func compareSearch(t *testing.T, w *world, model []*line, json string) {
	t.Helper()
	q := query(t, json)
	q.Every, q.EveryOf = 20*time.Second, "serviceTimestamp"
	want := newCollector(q, q.where)
	want.limit = len(model)
	for _, l := range model {
		want.line(l)
	}
	lines := want.page(q.From)
	lines = lines[:min(q.Size, len(lines))]
	found, err := w.Search(t.Context(), account, q)
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	entries := []*Entry{}
	for _, l := range lines {
		entries = append(entries, l.entry())
	}
	if found.Total != want.total || !slices.EqualFunc(found.Entries, entries, func(a, b *Entry) bool { return reflect.DeepEqual(a, b) }) {
		t.Fatalf("%s\n got %d in all: %q\nwant %d in all: %q", json, found.Total, messages(found), want.total, messages(Result{Entries: entries}))
	}
	if bars := want.histogram.buckets(); !reflect.DeepEqual(found.Buckets, bars) {
		t.Fatalf("%s\n got %v\nwant %v", json, found.Buckets, bars)
	}
}

// checkStore reads every chunk as a whole and holds the count of bytes to them.
func checkStore(t *testing.T, db *storage.DB) {
	t.Helper()
	err := db.View(func(tx *storage.Tx) error {
		s := openStore(tx)
		parts, size := 0, 0
		for k, v := range s.chunks.Scan(nil, nil) {
			c, err := s.open(k, v)
			if err != nil {
				return err
			}
			for row := range c.count {
				if _, err := parseRecord(c.line(row, allBits).appendRecord(nil)); err != nil {
					t.Errorf("row %d of a chunk: %v", row, err)
				}
			}
			if c.err != nil {
				return c.err
			}
			parts, size = parts+len(c.blocks), size+c.size
		}
		for range s.times.Scan(nil, nil) {
			parts--
		}
		if parts != 0 || uint64(size) != s.number(bytesKey) {
			t.Errorf("%d blocks too many; %d bytes, counted as %d", -parts, size, s.number(bytesKey))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSearchDuringCheckpoints: an entry that moves from memory to the store meanwhile is found, once.
func TestSearchDuringCheckpoints(t *testing.T) {
	w := newTimelessWorld(t)
	const total = 120
	stop := make(chan struct{})
	var searchers sync.WaitGroup
	for range 2 {
		searchers.Go(func() {
			last := 0
			for {
				select {
				case <-stop:
					return
				default:
				}
				found, err := w.Search(t.Context(), account, query(t, `{"size":1000,"sort":"serviceTimestamp"}`))
				if err != nil || found.Total < last {
					t.Errorf("%d entries after %d; %v", found.Total, last, err)
					return
				}
				last = found.Total
				for i, m := range messages(found) {
					if m != fmt.Sprint("entry ", i) {
						t.Errorf("entry %d of %d is %q: one is missing or there twice", i, found.Total, m)
						return
					}
				}
			}
		})
	}
	for i := range total {
		w.put(t, Entry{AccountID: account, SourceID: device, Message: fmt.Sprint("entry ", i)}, int64(1000+i))
		if i%5 == 0 {
			w.checkpoint(t)
		}
	}
	close(stop)
	searchers.Wait()
}

func TestSearchEnds(t *testing.T) {
	w := newTimelessWorld(t)
	w.put(t, Entry{AccountID: account, Message: "m"}, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Search(ctx, account, query(t, `{}`)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a search whose time is over gave %v, want Unavailable", err)
	}
}

func BenchmarkSearch(b *testing.B) {
	w := newTimelessWorld(b)
	j := w.db.Journal()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20_000 {
		batch := j.Begin()
		e := randomEntry(r, int64(1000+i), i)
		e.normalize(time.UnixMilli(int64(1000 + i)))
		w.engine.store(lineOf(&e), batch)
		batch.Append()
		batch.End()
	}
	w.checkpoint(b)
	for _, c := range []struct{ name, query string }{
		{"all of 20000", `{}`},
		{"one source of four", `{"query":{"term":{"sourceId":"source-1"}}}`},
		{"one source, 1000 ms", `{"query":{"bool":{"must":[{"term":{"sourceId":"source-1"}},{"range":{"serviceTimestamp":{"gte":20000}}}]}}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				w.search(b, c.query)
			}
		})
	}
}

// BenchmarkSearchMemory searches what is not packed yet: as much as there may be of an account.
func BenchmarkSearchMemory(b *testing.B) {
	w := newTimelessWorld(b)
	lines := believableLines(chunkRows - 1)
	w.engine.mu.Lock()
	for _, l := range lines {
		if g := w.engine.addLocked(l); g != nil {
			g.pack()
		}
	}
	w.engine.mu.Unlock()
	for _, c := range []struct{ name, query string }{
		{"a device", `{"query":{"term":{"sourceId":"` + lines[0].source + `"}}}`},
		{"a code", `{"query":{"term":{"code":"500"}}}`},
		{"two words", `{"query":{"match":{"_all":"water valve"}}}`},
		{"a custom member", `{"query":{"term":{"custom.clientId":"AP-000123"}}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			began := cpu()
			for b.Loop() {
				w.search(b, c.query)
			}
			b.ReportMetric(float64(cpu()-began)/1e6/float64(b.N), "ms-CPU/op")
		})
	}
}

// TestParts: what is packed for searches only is found once, packed or not yet, and after a checkpoint.
func TestParts(t *testing.T) {
	w := newTimelessWorld(t)
	lines := believableLines(2*partRows + 100)
	w.engine.mu.Lock()
	for _, l := range lines {
		w.engine.addLocked(l)
	}
	w.engine.seq = uint64(len(lines))
	w.engine.mu.Unlock()
	compare := func(when string) {
		t.Helper()
		for _, text := range []string{"", "severity>=error", "fan 151", "device:" + lines[7].source, "custom.clientId:AP-000012", `"on Office"`} {
			q := must(ParseText(text, nil, time.Now()))
			q.Size = 40
			want := newCollector(q, q.where)
			for _, l := range lines {
				want.line(l)
			}
			found := must(w.Search(t.Context(), account, q))
			var ids, wanted []string
			for _, e := range found.Entries {
				ids = append(ids, e.ID)
			}
			for _, l := range want.page(0) {
				wanted = append(wanted, l.id())
			}
			if found.Total != want.total || !slices.Equal(ids, wanted) {
				t.Errorf("%s, %q: %d found, want %d; %q, want %q", when, text, found.Total, want.total, ids, wanted)
			}
		}
	}
	compare("at once")
	w.engine.mu.Lock()
	parts := slices.Clone(w.engine.heads[account].parts)
	w.engine.mu.Unlock()
	if len(parts) != 2 {
		t.Fatalf("%d parts", len(parts))
	}
	for _, p := range parts {
		p.pack()
	}
	compare("packed")
	w.checkpoint(t)
	compare("stored")
}
