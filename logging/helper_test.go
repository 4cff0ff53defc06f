package logging

import (
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

const (
	account      = "11111111-1111-4111-8111-111111111111"
	other        = "22222222-2222-4222-8222-222222222222"
	device       = "33333333-3333-4333-8333-333333333333"
	template     = "44444444-4444-4444-8444-444444444444"
	organization = "55555555-5555-4555-8555-555555555555"
	logTopic     = "xi/blue/v1/" + account + "/d/" + device + "/_log"
)

// world is a service with everything around it.
type world struct {
	*Service
	config Config // the zero Config stands for DefaultConfig
	db     *storage.DB
	dir    string
}

// Log knows one log channel per account.
func (w *world) Log(_, topic string) (deviceID, templateID, organizationID string, ok bool) {
	if topic != logTopic {
		return "", "", "", false
	}
	return device, template, organization, true
}

// Devices knows one device, by three names.
func (w *world) Devices(of, text string) []string {
	if of == account && (text == device || text == "AP-000001" || text == "Kitchen") {
		return []string{device}
	}
	return nil
}

// Serials knows the same one.
func (w *world) Serials(of, begin string, _ int) []string {
	if of == account && strings.HasPrefix("AP-000001", begin) {
		return []string{"AP-000001"}
	}
	return nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, Config{})
}

// newTimelessWorld is one in which entries of any year stay.
func newTimelessWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, Config{MaxBytes: 1 << 40})
}

func newWorldWith(t testing.TB, c Config) *world {
	t.Helper()
	dir := t.TempDir()
	return (&world{config: c, dir: dir}).open(t, storagetest.OpenIn(t, dir))
}

func (w *world) open(t testing.TB, db *storage.DB) *world {
	t.Helper()
	config := w.config
	if config == (Config{}) {
		config = DefaultConfig()
	}
	s, err := New(config, db, w, storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	w.Service, w.db = s, db
	t.Cleanup(func() { s.Close() })
	return w
}

// restart stops cleanly and starts again.
func (w *world) restart(t testing.TB) {
	t.Helper()
	w.Close()
	w.open(t, storagetest.Reopen(t, w.db, w.dir))
}

// crash goes on from what a kill would have left.
func (w *world) crash(t testing.TB) {
	t.Helper()
	dir := storagetest.Crash(t, w.db, w.dir)
	w.Close()
	w.dir = dir
	w.open(t, storagetest.OpenIn(t, dir))
}

// publish hands the payload to the log channel's sink and waits for the disk.
func (w *world) publish(t testing.TB, payload string) {
	t.Helper()
	sink := w.Sink(account, logTopic)
	if sink == nil {
		t.Fatalf("no sink for %s", logTopic)
	}
	j := w.db.Journal()
	b := j.Begin()
	sink(auth.Principal{Kind: auth.Device, AccountID: account, ID: device}, logTopic, []byte(payload), b)
	lsn := b.Append()
	b.End()
	if err := j.Wait(t.Context(), lsn); err != nil {
		t.Fatal(err)
	}
}

// checkpoint brings the head into the store, as storage does it when the journal is full.
func (w *world) checkpoint(t testing.TB) {
	t.Helper()
	w.engine.Freeze()
	if err := w.db.Update(w.engine.Flush); err != nil {
		t.Fatal(err)
	}
}

// put stores an entry at a time of the test's choosing, and returns it as it is kept.
func (w *world) put(t testing.TB, e Entry, at int64) *line {
	t.Helper()
	j := w.db.Journal()
	b := j.Begin()
	e.normalize(time.UnixMilli(at))
	l := lineOf(&e)
	w.engine.store(l, b)
	lsn := b.Append()
	b.End()
	if err := j.Wait(t.Context(), lsn); err != nil {
		t.Fatal(err)
	}
	return l.clone()
}

// query parses the JSON of a search.
func query(t testing.TB, json string) Query {
	t.Helper()
	body, err := decodeObject([]byte(json))
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	q, err := ParseQuery(body, account)
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return q
}

func (w *world) search(t testing.TB, json string) Result {
	t.Helper()
	found, err := w.Search(t.Context(), account, query(t, json))
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return found
}

// messages returns the messages found.
func messages(found Result) []string {
	var all []string
	for _, e := range found.Entries {
		all = append(all, e.Message)
	}
	return all
}

func never() bool { return false }
