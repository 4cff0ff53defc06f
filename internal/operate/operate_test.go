package operate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

// fake is a Source that says what a test wants.
type fake struct {
	traffic Traffic
	server  Server
	cert    Certificate
	broken  error // of the log
}

func (f *fake) Operator(account string) bool               { return account == "a" }
func (f *fake) Accounts() ([]string, error)                { return []string{"a"}, nil }
func (f *fake) Counts(string) (Counts, error)              { return Counts{}, nil }
func (f *fake) Traffic(string) Traffic                     { return f.traffic }
func (f *fake) Server() Server                             { return f.server }
func (f *fake) Certificate() Certificate                   { return f.cert }
func (f *fake) Limits(string) ([]Limit, error)             { return nil, nil }
func (f *fake) Mail() Mail                                 { return Mail{} }
func (f *fake) Did(auth.Principal, string, string, string) {}
func (f *fake) SendTestMail(context.Context, string) error { return nil }
func (f *fake) LogHistogram(context.Context, string, time.Time, time.Time, time.Duration) ([]LogBucket, error) {
	return nil, f.broken
}
func (f *fake) LogTroubles(context.Context, string, time.Time) ([]Trouble, error) {
	return nil, f.broken
}

type world struct {
	*Service
	*fake
	at time.Time
}

func newWorld(t *testing.T, dir string, db *storage.DB) *world {
	t.Helper()
	w := &world{fake: &fake{}, at: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	return w.open(t, dir, db)
}

func (w *world) open(t *testing.T, dir string, db *storage.DB) *world {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Data, cfg.Dir = dir, filepath.Join(dir, "backups")
	s, err := New(cfg, db, w.fake, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Service, s.now = s, func() time.Time { return w.at }
	return w
}

// TestHistory: rates by the minute, kept over an orderly stop, with zeros for the time in which nobody was there.
func TestHistory(t *testing.T) {
	dir, db := folder(t)
	w := newWorld(t, dir, db)
	for i := range 3 {
		w.sample()
		w.traffic.Received += 600
		w.traffic.Points += uint64(60 * i)
		w.at = w.at.Add(time.Minute)
	}
	w.sample()
	h := w.history("a")
	if fmt.Sprint(h.Received, h.Points) != "[10 10 10] [0 1 2]" || h.Interval != 60_000 || h.From != w.at.Add(-3*time.Minute).UnixMilli() {
		t.Errorf("history: %+v", h)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	saved := time.Now().Truncate(time.Minute).Add(-10 * time.Minute)
	w.at = saved // loadHistory looks at the real clock
	w.watched["a"].minuteAt = saved
	if err := w.saveHistory(); err != nil {
		t.Fatal(err)
	}
	w.open(t, dir, db)
	if h := w.history("a"); len(h.Received) < 13 || fmt.Sprint(h.Received[:4]) != "[10 10 10 0]" {
		t.Errorf("after a stop of ten minutes: %+v", h)
	}
	w.at = time.Now()
	for range minutes + 100 {
		w.sample()
		w.at = w.at.Add(time.Minute)
	}
	if h := w.history("a"); len(h.Received) != minutes {
		t.Errorf("%d minutes are kept, wanted %d", len(h.Received), minutes)
	}
}

func TestRatesNow(t *testing.T) {
	dir, db := folder(t)
	w := newWorld(t, dir, db)
	w.look("a")
	w.traffic = Traffic{Received: 100, Delivered: 50, Points: 10}
	w.at = w.at.Add(2 * time.Second)
	if _, r := w.look("a"); r != (Rates{50, 25, 5}) {
		t.Errorf("rates %+v", r)
	}
	w.at = w.at.Add(100 * time.Millisecond)
	w.traffic.Received += 1000
	if _, r := w.look("a"); r.Received != 50 {
		t.Errorf("a second look a moment later makes a rate of its own: %+v", r)
	}
}

func TestGrowth(t *testing.T) {
	dir, db := folder(t)
	w := newWorld(t, dir, db)
	w.server = Server{StoreBytes: 1000}
	for range 49 {
		w.noteSize()
		w.noteSize() // twice in an hour is once
		w.server.StoreBytes += 100
		w.at = w.at.Add(time.Hour)
	}
	all, err := w.sizes()
	if err != nil || len(all) != 49 {
		t.Fatalf("%d sizes, %v", len(all), err)
	}
	if perDay := growth(all, w.at, w.server.StoreBytes); perDay == nil || *perDay != 2400 {
		t.Errorf("growth %v a day, wanted 2400", perDay)
	}
	if perDay := growth(all[len(all)-1:], w.at.Add(-30*time.Minute), 5); perDay != nil {
		t.Errorf("half an hour tells %v", *perDay)
	}
}

// TestSchedule: a backup is made when it is due, the oldest scheduled ones go, others stay; after a failure it waits an hour.
func TestSchedule(t *testing.T) {
	dir, db := folder(t)
	w := newWorld(t, dir, db)
	made := func() string {
		t.Helper()
		w.backups.runDue(w.at)
		w.backups.done.Wait()
		all, err := w.backups.list()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, one := range all {
			names = append(names, one.State+" "+one.Started[5:16])
		}
		return strings.Join(names, ", ")
	}
	if got := made(); got != "" {
		t.Errorf("without a schedule: %s", got)
	}
	if _, err := w.backups.begin(byHand); err != nil {
		t.Fatal(err)
	}
	w.backups.done.Wait()
	if err := w.backups.setSchedule(Schedule{EveryHours: 24, Keep: 2}); err != nil {
		t.Fatal(err)
	}
	w.at = w.at.Add(time.Minute)
	for _, want := range []string{
		"done 11-27T12:01, done 11-27T12:00",
		"done 11-27T12:01, done 11-27T12:00", // not due
		"done 11-28T12:01, done 11-27T12:01, done 11-27T12:00",
		"done 11-28T12:01, done 11-27T12:01, done 11-27T12:00",
		"done 11-29T12:01, done 11-28T12:01, done 11-27T12:00",
	} {
		if got := made(); got != want {
			t.Errorf("at %v: %s, want %s", w.at, got, want)
		}
		w.at = w.at.Add(12 * time.Hour)
	}
	// The folder cannot be written to: the failure is told, tried again after an hour, and forgotten after a success.
	w.at = w.at.Add(24 * time.Hour)
	moved := w.cfg.Dir + ".away"
	if err := os.Rename(w.cfg.Dir, moved); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.cfg.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.backups.runDue(w.at)
	w.backups.done.Wait()
	if err := os.Remove(w.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(moved, w.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if got := w.backups.attention(w.at); len(got) != 1 || got[0].Severity != "error" || strings.Contains(got[0].Text, dir) {
		t.Errorf("after a failure: %+v", got)
	}
	if got := made(); !strings.HasPrefix(got, "failed") {
		t.Errorf("tried again at once: %s", got)
	}
	w.at = w.at.Add(61 * time.Minute)
	if got := made(); strings.Contains(got, "failed") || !strings.HasPrefix(got, "done 12-01T") {
		t.Errorf("an hour later: %s", got)
	}
	if got := w.backups.attention(w.at); len(got) != 0 {
		t.Errorf("after a success: %+v", got)
	}
}

// TestLeftovers: what a killed backup has left is swept at start, and is never listed (D13).
func TestLeftovers(t *testing.T) {
	dir, db := folder(t)
	backups := filepath.Join(dir, "backups")
	if err := os.MkdirAll(backups, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"xively-20261127T000000Z-manual.tar.zst.partial", "xively-20261126T000000Z-manual.tar.zst", "somebody's file"} {
		if err := os.WriteFile(filepath.Join(backups, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, dir, db)
	if all, err := w.backups.list(); err != nil || len(all) != 1 {
		t.Errorf("listed: %v, %v", all, err)
	}
	if left, _ := filepath.Glob(backups + "/*"); len(left) != 2 {
		t.Errorf("left: %v", left)
	}
}

func TestAttention(t *testing.T) {
	dir, db := folder(t)
	w := newWorld(t, dir, db)
	w.sampleDrops()
	w.server = Server{DiskFree: 500 << 20, DiskTotal: 100 << 30, MailsFailed: 2, DroppedQoS0: 7, DroppedQueue: 5}
	w.cert = Certificate{Source: "files"}
	w.cert.Expires(w.at.Add(3 * 24 * time.Hour))
	view, err := w.serverView(w.at)
	if err != nil {
		t.Fatal(err)
	}
	told := fmt.Sprint(w.serverAttention(view, w.at))
	for _, want := range []string{"expires in 3 days", "nearly full", "2 mails", "12 messages were dropped", "no backup"} {
		if !strings.Contains(told, want) {
			t.Errorf("no %q in %s", want, told)
		}
	}
	w.server, w.cert = Server{DiskFree: 50 << 30, DiskTotal: 100 << 30}, Certificate{Source: "private"}
	w.cert.Expires(w.at.Add(5 * 24 * time.Hour)) // the server renews it
	w.recent = nil
	if view, err = w.serverView(w.at); err != nil {
		t.Fatal(err)
	}
	if got := w.serverAttention(view, w.at); len(got) != 1 || got[0].Code != "backup" {
		t.Errorf("of a server in order: %+v", got)
	}
}

func TestAlike(t *testing.T) {
	all := alike([]Trouble{
		{1, "error", "fan", "fan 7 failed", "d1", "deviceId"}, {3, "error", "fan", "fan 8 failed", "d2", "deviceId"}, {2, "error", "fan", "fan 7 failed", "d1", "deviceId"},
		{5, "critical", "", `cannot open "a"`, "d3", "deviceId"}, {4, "critical", "", `cannot open "b"`, "d3", "deviceId"}, {1, "error", "", "once", "d1", "deviceId"},
	})
	if got := fmt.Sprintln(len(all), all[0].Text, all[0].Count, all[1].Text, all[1].Count, all[1].Sources, all[1].SourceID, all[2].Text); got != "3 cannot open \"a\" 2 fan 8 failed 3 2 d2 once\n" {
		t.Errorf("grouped: %s", got)
	}
}

// TestBrokenLog: the overview is for the hour in which something is broken.
func TestBrokenLog(t *testing.T) {
	dir, db := folder(t)
	w := newWorld(t, dir, db)
	w.broken = errors.New("chunk damaged")
	o, err := w.overview(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if o.Attention[0].Code != "log" || o.Attention[0].Severity != "critical" || len(o.Logs.Hours) != 25 || o.Server == nil {
		t.Errorf("with a broken log: %+v", o)
	}
	if text, err := w.live(t.Context(), "a", true); err != nil || !strings.Contains(text, `"severities":null`) {
		t.Errorf("live with a broken log: %s, %v", text, err)
	}
}

// TestStopEndsBackup: a stop does not wait for a backup, which leaves nothing.
func TestStopEndsBackup(t *testing.T) {
	dir, db := folder(t)
	w := newWorld(t, dir, db)
	w.backups.stop() // as close does, so that the backup meets it at its first byte
	if _, err := w.backups.begin(byHand); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(w.cfg.Dir + "/*"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := w.backups.begin(byHand); err == nil {
		t.Error("begun after the end")
	}
}
