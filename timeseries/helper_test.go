package timeseries

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
	"xively/storage/storagetest"
)

const (
	account = "11111111-1111-4111-8111-111111111111"
	other   = "22222222-2222-4222-8222-222222222222"
	device  = "33333333-3333-4333-8333-333333333333"
	topic   = "xi/blue/v1/" + account + "/d/" + device + "/temp"
)

var admin = auth.Principal{Kind: auth.AccountUser, AccountID: account, ID: "admin"}

// world is a service with everything around it.
type world struct {
	*Service
	db  *storage.DB
	dir string

	cfg         Config // the zero value for DefaultConfig
	checkpoints int
	clock       atomic.Int64

	mu      sync.Mutex
	reasons []string // told to the Reporter
	audits  []string // told to Audit
}

// TimeSeries makes every topic a time-series channel but those of name "simple".
func (w *world) TimeSeries(_, topic string) bool { return !strings.HasSuffix(topic, "/simple") }

// MayRead forbids topics with "secret".
func (w *world) MayRead(p auth.Principal, topic string) error {
	if strings.Contains(topic, "secret") {
		return fault.New(fault.Forbidden, "Rule 7 forbids it to %s.", p)
	}
	return nil
}

// MayWrite forbids what MayRead does.
func (w *world) MayWrite(p auth.Principal, topic string) error { return w.MayRead(p, topic) }

func (w *world) Malformed(_, _ string, _ auth.Principal, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reasons = append(w.reasons, reason)
}

func (w *world) Audit(_ *storage.Tx, p auth.Principal, _, what string, before, after map[string]any) error {
	w.audits = append(w.audits, fmt.Sprintf("%s: %s: %v -> %v", p.ID, what, before, after))
	return nil
}

// time is testNow unless the test has moved the clock.
func (w *world) time() time.Time { return time.UnixMilli(max(testNow, w.clock.Load())) }

func newWorld(t testing.TB, dir string) *world {
	t.Helper()
	return (&world{dir: dir}).open(t, storagetest.OpenIn(t, dir))
}

func (w *world) open(t testing.TB, db *storage.DB) *world {
	t.Helper()
	s, err := New(cmp.Or(w.cfg, DefaultConfig()), db, w, w, w, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	s.UseWriting(w)
	s.now = w.time
	s.engine.now = w.time
	w.Service, w.db = s, db
	return w
}

// restart stops cleanly and starts again.
func (w *world) restart(t testing.TB) {
	t.Helper()
	w.open(t, storagetest.Reopen(t, w.db, w.dir))
}

// crash goes on from what a kill would have left.
func (w *world) crash(t testing.TB) {
	t.Helper()
	w.dir = storagetest.Crash(t, w.db, w.dir)
	w.open(t, storagetest.OpenIn(t, w.dir))
}

// publish hands the payload to the topic's sink and waits for the disk.
func (w *world) publish(t testing.TB, topic, payload string) {
	t.Helper()
	sink := w.Sink(account, topic)
	if sink == nil {
		t.Fatalf("no sink for %s", topic)
	}
	j := w.db.Journal()
	b := j.Begin()
	sink(auth.Principal{Kind: auth.Device, AccountID: account, ID: device}, topic, []byte(payload), b)
	lsn := b.Append()
	b.End()
	if err := j.Wait(t.Context(), lsn); err != nil {
		t.Fatal(err)
	}
}

// checkpoint brings the heads into the store, as storage does it when the journal is full, with or without Prepare.
func (w *world) checkpoint(t testing.TB) {
	t.Helper()
	w.engine.Freeze()
	if w.checkpoints++; w.checkpoints%2 == 0 {
		if err := w.engine.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.db.Update(w.engine.Flush); err != nil {
		t.Fatal(err)
	}
}

// all reads the whole series, page by page.
func (w *world) all(t testing.TB, q Query) []Point {
	t.Helper()
	var points []Point
	for {
		page, err := w.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, page.Points...)
		if q.Token = page.Token; q.Token == "" {
			return points
		}
	}
}

func everything() Query {
	return Query{Account: account, Topic: topic, From: MinTime, To: MaxTime, PageSize: 100}
}

func wantPoints(t testing.TB, what string, got, want []Point) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%s: got %d points, want %d; they differ from %d on\n got %+v\nwant %+v", what, len(got), len(want), i,
				got[min(i, len(got)):min(i+3, len(got))], want[min(i, len(want)):min(i+3, len(want))])
		}
	}
}

func countKeys(t testing.TB, db *storage.DB, bucket string) (n int) {
	t.Helper()
	err := db.View(func(tx *storage.Tx) error {
		for range tx.Bucket(bucket).Scan(nil, nil) {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
