package timeseries

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

const day = 24 * time.Hour

// says is a Retention by the end of a topic.
type says map[string]keep

func (s says) Retention(_, topic string) (points, rollups time.Duration) {
	for end, k := range s {
		if strings.HasSuffix(topic, end) {
			return k.points, k.rollups
		}
	}
	return 0, 0
}

// MayAdminister lets everybody but of account other.
func (w *world) MayAdminister(p auth.Principal, what, _ string) error {
	if p.AccountID == other {
		return fault.New(fault.Forbidden, "Only admins may see %s.", what)
	}
	return nil
}

func TestRetentionOverREST(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.UseAdmins(w)
	w.UseAudit(w)
	w.UseRetention(says{"short": {points: 2 * day}})
	e := newAPI(t, w)
	ask := func(method, body string, header ...string) (int, retentionAnswer) {
		t.Helper()
		r := httptest.NewRequest(method, "/api/v4/retention", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, r)
		var a struct{ Retention retentionAnswer }
		_ = json.Unmarshal(rec.Body.Bytes(), &a)
		return rec.Code, a.Retention
	}
	want := func(what string, code int, got, want retentionAnswer) {
		t.Helper()
		want.ServerKeepPoints, want.ServerKeepRollups = "1y", "5y"
		if code != http.StatusOK || got != want {
			t.Errorf("%s: %d %+v, want %+v", what, code, got, want)
		}
	}
	code, got := ask("GET", "")
	want("at first", code, got, retentionAnswer{})
	code, got = ask("PUT", `{"keepPoints":"30d","keepRollups":"10y"}`)
	want("set", code, got, retentionAnswer{KeepPoints: "30d", KeepRollups: "10y"})
	code, got = ask("PUT", `{"keepPoints":"forever"}`)
	want("one of them", code, got, retentionAnswer{KeepPoints: "forever", KeepRollups: "10y"})
	for _, bad := range []string{`{"keepPoints":"1h"}`, `{"keepRollups":5}`, `{"keepPoints":"soon"}`} {
		if code, _ := ask("PUT", bad); code != http.StatusBadRequest {
			t.Errorf("%s gave %d", bad, code)
		}
	}
	for _, method := range []string{"GET", "PUT"} {
		if code, _ := ask(method, `{}`, "Caller-Account", other); code != http.StatusForbidden {
			t.Errorf("%s by somebody who is no admin gave %d", method, code)
		}
	}
	if code, _ := ask("PUT", `{"keepPoints":"forever"}`); code != http.StatusOK { // no change
		t.Errorf("the same again gave %d", code)
	}
	who := w.audits[0][:strings.Index(w.audits[0], ":")]
	if want := []string{who + ": retention of points: map[keepPoints:<nil> keepRollups:<nil>] -> map[keepPoints:30d keepRollups:10y]",
		who + ": retention of points: map[keepPoints:30d] -> map[keepPoints:forever]"}; !slices.Equal(w.audits, want) {
		t.Errorf("audited: %q, want %q", w.audits, want)
	}
	w.restart(t)
	w.UseAdmins(w)
	w.UseRetention(says{"short": {points: 2 * day}})
	e = newAPI(t, w)
	code, got = ask("GET", "")
	want("after a restart", code, got, retentionAnswer{KeepPoints: "forever", KeepRollups: "10y"})

	w.publish(t, "a/long", "1442230200000,a,1,")
	w.publish(t, "a/short", "1442230200000,a,1,")
	w.checkpoint(t)
	var list struct {
		Series struct{ Results []Cost }
	}
	if err := json.Unmarshal(get(e, "/api/v4/series?prefix=a/").Body.Bytes(), &list); err != nil || len(list.Series.Results) != 2 {
		t.Fatal(list, err)
	}
	for i, want := range []Cost{
		{Topic: "a/long", KeepPoints: "forever", KeepRollups: "10y", Expires: ""},
		{Topic: "a/short", KeepPoints: "2d", KeepRollups: "10y", Expires: "2015-09-16T11:30:00Z"},
	} {
		if c := list.Series.Results[i]; c.Topic != want.Topic || c.KeepPoints != want.KeepPoints || c.KeepRollups != want.KeepRollups || c.Expires != want.Expires {
			t.Errorf("%+v, want %+v", c, want)
		}
	}
	code, got = ask("PUT", `{"keepPoints":null,"keepRollups":""}`)
	want("taken back", code, got, retentionAnswer{})
}

// TestRetentionBySeries: each series goes by the most precise word there is, points go and what they came to stays.
func TestRetentionBySeries(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.UseRetention(says{"short": {points: 3 * day}, "forever": {points: -1}, "briefly": {points: 3 * day, rollups: 6 * day}})
	if err := w.db.Update(func(tx *storage.Tx) error {
		w.keeps.put(tx, account, keep{points: 8 * day})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	begin := dayStart(dayOf(testNow))
	names := []string{"x/account", "x/short", "x/forever", "x/briefly"}
	for d := range int64(10) {
		for _, name := range names {
			var points []Point
			for i := range int64(24) {
				points = append(points, num(begin+d*dayMs+i*hourMs, "t", float64(i)))
			}
			csv, _ := formatCSV(points)
			w.publish(t, name, csv)
		}
		w.checkpoint(t)
	}
	w.clock.Store(begin + 10*dayMs + hourMs)
	for range 3 {
		if err := w.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []struct{ points, days int }{{10 * 24, 10}, {6 * 24, 10}, {10 * 24, 10}, {6 * 24, 6}} {
		q := everything()
		q.Topic = names[i]
		points := w.all(t, q)
		q.Interval, q.Aggregate = interval{days: 1, zone: time.UTC}, []string{"count", "max"}
		rows, err := w.Aggregate(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		// A chunk goes whole, or is cut when its begin is over by a day.
		if max := want.points; len(points) > max || len(points) < min(max, 3*24-1) {
			t.Errorf("%s: %d points, want at most %d", names[i], len(points), max)
		}
		if len(rows) < want.days || i != 3 && len(rows) != want.days {
			t.Errorf("%s: %d days, want %d", names[i], len(rows), want.days)
		}
		for _, r := range rows {
			if r.Values[0] != 24 || r.Values[1] != 23 {
				t.Errorf("%s: a day has %v", names[i], r.Values)
			}
		}
	}
	// The chunks of slow series are cut: nothing stays for months because its chunk is not full.
	w.clock.Store(begin + 15*dayMs)
	w.publish(t, "x/account", fmt.Sprintf("%d,t,1,", begin+14*dayMs))
	w.checkpoint(t)
	if err := w.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	q := everything()
	q.Topic = "x/account"
	if got := w.all(t, q); len(got) == 0 || got[0].Time < begin+5*dayMs {
		t.Errorf("the oldest of %d points is %v before its time", len(got), time.Duration(begin+7*dayMs-got[0].Time)*time.Millisecond)
	}
	checkChunks(t, w.db)
}
