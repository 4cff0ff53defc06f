package logging

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xively/internal/fault"
	"xively/storage/storagetest"
)

func TestSink(t *testing.T) {
	w := newWorld(t)
	if w.Sink(account, logTopic+"x") != nil {
		t.Error("a channel that is no log has a sink")
	}
	before := time.Now().UnixMilli()
	w.publish(t, `{"sourceId":"forged","accountId":"`+other+`","organizationId":"forged","message":"Fan overheated","sourceTimestamp":"1461234567890"}`)
	found := w.search(t, `{}`)
	if found.Total != 1 {
		t.Fatalf("%d entries, want 1", found.Total)
	}
	e := found.Entries[0]
	if e.AccountID != account || e.SourceID != device || e.SourceType != "deviceId" || e.DeviceTemplateID != template || e.OrganizationID != organization {
		t.Errorf("the entry says it comes from %+v", e)
	}
	if e.SourceTimestamp != 1461234567890 || e.ServiceTimestamp < before || e.ID == "" {
		t.Errorf("source time %d, service time %d, id %q", e.SourceTimestamp, e.ServiceTimestamp, e.ID)
	}
}

// TestPublishedSurvives: what a device published is there after a crash and after a restart, with the same id.
func TestPublishedSurvives(t *testing.T) {
	w := newWorld(t)
	w.publish(t, "one")
	w.checkpoint(t)
	w.publish(t, "two")
	before := w.search(t, `{}`)
	w.crash(t)
	w.publish(t, "three")
	w.restart(t)
	found := w.search(t, `{"sort":"serviceTimestamp"}`)
	if got := messages(found); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Fatalf("messages %q", got)
	}
	if found.Entries[0].ID != before.Entries[1].ID || found.Entries[1].ID != before.Entries[0].ID {
		t.Error("an id has changed")
	}
}

// TestFreezeWithoutFlush: what an earlier checkpoint froze and could not write is written by the next.
func TestFreezeWithoutFlush(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.publish(t, fmt.Sprint(i))
		w.engine.Freeze()
	}
	if found := w.search(t, `{}`); found.Total != 3 {
		t.Errorf("%d entries before the flush, want 3", found.Total)
	}
	w.restart(t)
	if found := w.search(t, `{}`); found.Total != 3 {
		t.Errorf("%d entries after it, want 3", found.Total)
	}
}

func TestAppend(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.Append(Entry{AccountID: account, SourceID: device, SourceType: "deviceId", Message: fmt.Sprint(i), Severity: Lifecycle, Custom: map[string]any{"connected": true}})
	}
	w.Append(Entry{Message: "without account"})
	if err := w.AppendWait(t.Context(), Entry{AccountID: account, SourceID: device, Message: "last"}); err != nil {
		t.Fatal(err)
	}
	w.crash(t) // all before the last are on disk too
	if found := w.search(t, `{"size":0}`); found.Total != 51 || len(found.Entries) != 0 {
		t.Errorf("%d entries, %d of them shown; want 51, 0", found.Total, len(found.Entries))
	}
	if found := w.search(t, `{"query":{"term":{"custom.connected":true}}}`); found.Total != 50 {
		t.Errorf("%d entries with connected, want 50", found.Total)
	}
}

// TestAppendInsideBatch: the broker reports from within a publish, while a checkpoint may be waiting for it to end.
func TestAppendInsideBatch(t *testing.T) {
	w := newWorld(t)
	b := w.db.Journal().Begin()
	for range 3 * queueLength {
		w.Append(Entry{AccountID: account, Message: "m"})
	}
	b.End()
	if err := w.AppendWait(t.Context(), Entry{AccountID: account, Message: "m"}); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats(); s.Stored+s.Dropped != 3*queueLength+1 {
		t.Errorf("of %d entries, %d are stored and %d counted as dropped", 3*queueLength+1, s.Stored, s.Dropped)
	}
}

func TestClose(t *testing.T) {
	w := newWorld(t)
	for range 100 {
		w.Append(Entry{AccountID: account, Message: "m"})
	}
	w.Close()
	if s := w.Stats(); s.Stored != 100 {
		t.Errorf("%d entries stored when Close returned, want 100", s.Stored)
	}
	w.Append(Entry{AccountID: account, Message: "late"})
	w.Close()
	if err := w.AppendWait(t.Context(), Entry{AccountID: account}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("AppendWait after Close gave %v, want Unavailable", err)
	}
	if s := w.Stats(); s.Stored != 100 || s.Dropped != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestReport(t *testing.T) {
	w := newWorld(t)
	for range 1000 {
		w.Report("10.0.0.7", Entry{AccountID: account, Message: "refused"})
	}
	w.Report("10.0.0.8", Entry{AccountID: account, Message: "refused"})
	w.Report("10.0.0.7", Entry{AccountID: other, Message: "refused"})
	w.Close()
	if s := w.Stats(); s.Stored != 22 || s.Omitted != 980 {
		t.Errorf("stats %+v; one source must not use up another's", s)
	}
}

func TestLimiter(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := limiter{rate: reportRate, sources: map[string]*allowance{}}
	say := func() (Entry, bool) { return l.allow("a", Entry{Message: "refused"}, now) }
	kept := 0
	for range 100 {
		if _, ok := say(); ok {
			kept++
		}
	}
	if kept != 20 {
		t.Fatalf("kept %d of a burst, want %d", kept, 20)
	}
	now = now.Add(reportRate.refill)
	if e, ok := say(); !ok || e.Custom["omitted"] != 80 {
		t.Errorf("after a minute: %v, omitted %v; want an entry that tells of 80", ok, e.Custom["omitted"])
	} else if e.Details != "and 80 more like it, left out before this one" {
		t.Errorf("details %q", e.Details)
	}
	if _, ok := say(); ok {
		t.Error("a minute gave two entries")
	}
	say()
	now = now.Add(reportRate.refill)
	if s := l.summaries(now); len(s) != 1 || s[0].Message != "refused" || s[0].Custom["omitted"] != 1 {
		t.Errorf("summaries %+v; want the last entry left out, and one more", s)
	}
	if s := l.summaries(now.Add(time.Hour)); len(s) != 0 || len(l.sources) != 0 {
		t.Errorf("a quiet source: %d summaries, %d sources kept", len(s), len(l.sources))
	}
	for i := range 2 * reportSources {
		l.allow(fmt.Sprint(i), Entry{}, now)
	}
	if len(l.sources) > reportSources+1 {
		t.Errorf("%d sources are counted apart, the limit is %d", len(l.sources), reportSources)
	}
}

// TestRetention: an expired entry is found nowhere, whether it is in memory or stored among younger ones, and goes at last.
func TestRetention(t *testing.T) {
	w := newTimelessWorld(t)
	w.put(t, Entry{AccountID: account, Message: "stored, old"}, 1000)
	w.put(t, Entry{AccountID: account, Message: "stored, young"}, 9000)
	w.checkpoint(t)
	w.put(t, Entry{AccountID: account, Message: "in memory, old"}, 1000)
	w.put(t, Entry{AccountID: other, Message: "other's"}, 1000)
	w.engine.expire(time.UnixMilli(5000))
	if got := messages(w.search(t, `{}`)); !slices.Equal(got, []string{"stored, young"}) {
		t.Errorf("found %q", got)
	}
	if n, err := w.engine.sweep(never); n != 0 || err != nil {
		t.Errorf("a sweep removed %d entries, some of whose chunk are young; %v", n, err)
	}
	w.checkpoint(t)
	if n, err := w.engine.sweep(never); n != 2 || err != nil {
		t.Errorf("a sweep removed %d entries, want those of two chunks, %v", n, err)
	}
	w.engine.expire(time.UnixMilli(10_000))
	if n, err := w.engine.sweep(never); n != 2 || err != nil {
		t.Errorf("a sweep removed %d entries, want the two of the last chunk, %v", n, err)
	}
	checkStore(t, w.db)
}

// TestTrim: over the limit, the oldest of the account that has most go first.
func TestTrim(t *testing.T) {
	w := newTimelessWorld(t)
	for i := range 40 {
		of := account
		if i%4 == 0 {
			of = other
		}
		w.put(t, Entry{AccountID: of, Message: strings.Repeat(fmt.Sprint(i, " "), 100)}, int64(1000+i))
		w.checkpoint(t)
	}
	size, err := w.engine.size()
	if err != nil || size == 0 {
		t.Fatalf("size %d, %v", size, err)
	}
	removed, err := w.engine.trim(int64(size/2), never)
	if err != nil || removed < 15 || removed > 25 {
		t.Errorf("removed %d of 40, %v", removed, err)
	}
	mine := w.search(t, `{"size":100,"sort":"serviceTimestamp"}`)
	if theirs, _ := w.Search(t.Context(), other, query(t, `{}`)); theirs.Total < 9 || mine.Total != 40-removed-theirs.Total {
		t.Errorf("%d of the larger and %d of the smaller account are left", mine.Total, theirs.Total)
	}
	if first := mine.Entries[0].ServiceTimestamp; first < 1020 {
		t.Errorf("the oldest that is left is of %d", first)
	}
	checkStore(t, w.db)
}

// TestMaintain: the goroutine sums up and sweeps by itself.
func TestMaintain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put(t, Entry{AccountID: account, Message: "old"}, time.Now().UnixMilli())
		w.checkpoint(t)
		for range 25 {
			w.Report("x", Entry{AccountID: account, Message: "refused"})
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if found := w.search(t, `{"query":{"term":{"custom.omitted":4}}}`); found.Total != 1 {
			t.Errorf("%d summaries, want 1", found.Total)
		}
		time.Sleep(DefaultConfig().Retention + 2*time.Hour)
		synctest.Wait()
		if found := w.search(t, `{"query":{"term":{"message":"old"}}}`); found.Total != 0 {
			t.Error("the old entry is still there")
		}
		w.Close()
		storagetest.Check(t, w.db, w.dir)
	})
}

func TestConfig(t *testing.T) {
	for retention, ok := range map[time.Duration]bool{0: true, time.Hour: true, time.Minute: false, -time.Hour: false} {
		if err := (Config{Retention: retention}).Validate(); (err == nil) != ok {
			t.Errorf("retention %s: %v", retention, err)
		}
	}
	if _, err := New(Config{Retention: 1}, nil, nil, nil); err == nil || errors.Unwrap(err) == nil {
		t.Errorf("New with a bad config gave %v", err)
	}
}
