package logging

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	w := newWorld(t)
	var model []*Entry // in order of arrival
	clock := int64(1_600_000_000_000)
	for range 300 {
		switch k := r.IntN(100); {
		case k < 65:
			clock += r.Int64N(3) * 1000
			e := randomEntry(r, clock, len(model))
			w.put(t, e, clock)
			if e.AccountID == account {
				model = append(model, &e)
			}
		case k < 75:
			w.checkpoint(t)
		case k < 77:
			w.restart(t)
		case k < 79:
			w.crash(t)
		case k < 81: // old entries go, from the store; the journal must not know them any more
			w.restart(t)
			cutoff := clock - r.Int64N(400_000)
			if _, err := w.engine.sweep(time.UnixMilli(cutoff), func() bool { return false }); err != nil {
				t.Fatal(err)
			}
			model = slices.DeleteFunc(model, func(e *Entry) bool { return e.ServiceTimestamp < cutoff })
		default:
			compareSearch(t, w, model, randomQuery(r, clock))
		}
	}
	compareSearch(t, w, model, `{"size":1000}`)
	checkIndex(t, w.db)
}

var severities = []string{Error, Warning, Informational, Lifecycle}

func randomEntry(r *rand.Rand, at int64, n int) Entry {
	e := Entry{
		AccountID: account, SourceID: fmt.Sprint("source-", r.IntN(4)), SourceType: "deviceId",
		Message: fmt.Sprintf("entry %d says %c", n, 'a'+r.IntN(4)), Severity: severities[r.IntN(4)],
		SourceTimestamp: at - r.Int64N(5000), ServiceTimestamp: at,
	}
	if r.IntN(3) > 0 {
		e.Code = strconv.Itoa(r.IntN(12) * 50)
	}
	if r.IntN(8) == 0 {
		e.AccountID = other
	}
	return e
}

func randomQuery(r *rand.Rand, clock int64) string {
	clauses := []string{}
	add := func(format string, args ...any) { clauses = append(clauses, fmt.Sprintf(format, args...)) }
	if r.IntN(2) == 0 {
		add(`{"term":{"sourceId":"source-%d"}}`, r.IntN(5))
	}
	if r.IntN(3) == 0 {
		add(`{"range":{"serviceTimestamp":{"gte":%d}}}`, clock-r.Int64N(200_000))
	}
	if r.IntN(3) == 0 {
		add(`{"range":{"serviceTimestamp":{"lt":%d}}}`, clock-r.Int64N(100_000))
	}
	if r.IntN(3) == 0 {
		bounds := []string{"gt", "gte", "lt", "lte"} // at a time that entries have
		add(`{"range":{"serviceTimestamp":{"%s":%d}}}`, bounds[r.IntN(4)], clock-r.Int64N(20)*1000)
	}
	if r.IntN(3) == 0 {
		add(`{"match":{"message":"%c"}}`, 'A'+r.IntN(4))
	}
	if r.IntN(3) == 0 {
		add(`{"bool":{"should":[{"term":{"severity":"error"}},{"range":{"code":{"gt":%d}}}]}}`, r.IntN(600))
	}
	sorts := []string{`[{"sourceTimestamp":{"order":"desc"}}]`, `["code",{"severity":"desc"}]`, `[{"code":"desc"}]`, `"serviceTimestamp"`, `[]`}
	return fmt.Sprintf(`{"query":{"bool":{"must":[%s]}},"from":%d,"size":%d,"sort":%s}`,
		strings.Join(clauses, ","), r.IntN(20), r.IntN(60), sorts[r.IntN(len(sorts))])
}

func compareSearch(t *testing.T, w *world, model []*Entry, json string) {
	t.Helper()
	q := query(t, json)
	var hits []hit
	for i, e := range model {
		if q.where.matches(e) {
			hits = append(hits, hit{e, position{e.ServiceTimestamp, uint64(i)}})
		}
	}
	slices.SortStableFunc(hits, newTop(q).compare)
	var want []string
	for _, h := range hits[min(q.From, len(hits)):min(q.From+q.Size, len(hits))] {
		want = append(want, h.Message)
	}
	found := w.search(t, json)
	if got := messages(found); found.Total != len(hits) || !slices.Equal(got, want) {
		t.Fatalf("%s\n got %d in all: %q\nwant %d in all: %q", json, found.Total, got, len(hits), want)
	}
}

// checkIndex holds the index to the entries.
func checkIndex(t *testing.T, db *storage.DB) {
	t.Helper()
	err := db.View(func(tx *storage.Tx) error {
		s := openStore(tx)
		want := map[string]bool{}
		for k, v := range s.entries.Scan(nil, nil) {
			e, err := decode(v)
			if err != nil {
				return err
			}
			want[string(key(positionOf(k[len(k)-positionSize:]), e.AccountID, e.SourceID))] = true
		}
		for k := range s.sources.Scan(nil, nil) {
			if !want[string(k)] {
				t.Errorf("the index has %q, and no entry does", k)
			}
			delete(want, string(k))
		}
		for k := range want {
			t.Errorf("the index lacks %q", k)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSearchDuringCheckpoints: an entry that moves from memory to the store meanwhile is found, once.
func TestSearchDuringCheckpoints(t *testing.T) {
	w := newWorld(t)
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
	w := newWorld(t)
	w.put(t, Entry{AccountID: account, Message: "m"}, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Search(ctx, account, query(t, `{}`)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a search whose time is over gave %v, want Unavailable", err)
	}
}

func BenchmarkSearch(b *testing.B) {
	w := newWorld(b)
	j := w.db.Journal()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 20_000 {
		batch := j.Begin()
		e := randomEntry(r, int64(1000+i), i)
		if err := w.engine.store(&e, batch); err != nil {
			b.Fatal(err)
		}
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
