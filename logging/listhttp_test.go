package logging

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func (w *world) get(t *testing.T, path string, query ...string) *httptest.ResponseRecorder {
	t.Helper()
	v := url.Values{}
	for i := 0; i < len(query); i += 2 {
		v.Set(query[i], query[i+1])
	}
	rec := httptest.NewRecorder()
	w.serve(t, admin).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/v1"+path+"?"+v.Encode(), nil))
	return rec
}

// fillMinutes stores n entries, one a minute from the epoch on, in the store and in memory; every tenth is an error.
func fillMinutes(t *testing.T, w *world, n int) {
	t.Helper()
	for i := range n {
		e := Entry{AccountID: account, SourceID: device, SourceType: "deviceId", Message: fmt.Sprint("minute ", i), Severity: Informational}
		if i%10 == 0 {
			e.Severity = Error
		}
		w.put(t, e, int64(i+1)*60_000)
		if i%17 == 0 {
			w.checkpoint(t)
		}
	}
}

// TestPaging: the pages together are all entries, each once, although more arrive meanwhile.
func TestPaging(t *testing.T) {
	w := newTimelessWorld(t)
	fillMinutes(t, w, 95)
	var got []string
	cursor := ""
	for pages := 1; ; pages++ {
		rec := w.get(t, "/logs", "q", "minute device:Kitchen", "size", "20", "cursor", cursor)
		var answer struct {
			Logs struct {
				Results []struct{ ID, Message string }
				Meta    struct {
					Count  int
					Cursor string
				}
			}
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != 200 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		if want := 95 - len(got); answer.Logs.Meta.Count != want {
			t.Errorf("count %d, want %d", answer.Logs.Meta.Count, want)
		}
		for _, e := range answer.Logs.Results {
			got = append(got, e.Message)
		}
		if cursor = answer.Logs.Meta.Cursor; cursor == "" {
			if pages != 5 {
				t.Errorf("%d pages, want 5", pages)
			}
			break
		}
		w.put(t, Entry{AccountID: account, SourceID: device, Message: "minute, later"}, 1e9)
	}
	for i, m := range got {
		if m != fmt.Sprint("minute ", 94-i) {
			t.Fatalf("entry %d is %q", i, m)
		}
	}
	if len(got) != 95 {
		t.Errorf("%d entries", len(got))
	}
}

func TestExport(t *testing.T) {
	w := newTimelessWorld(t)
	fillMinutes(t, w, 60)
	for order, first := range map[string]string{"asc": "minute 20", "desc": "minute 49"} {
		rec := w.get(t, "/logs/export", "from", "1970-01-01T00:21:00Z", "to", "1970-01-01T00:51:00Z", "order", order)
		lines := strings.Split(strings.TrimSpace(rec.Body.String()), "\n")
		if rec.Code != 200 || len(lines) != 30 || rec.Header().Get("Content-Type") != "application/x-ndjson" || !strings.Contains(lines[0], `"message":"`+first+`"`) {
			t.Errorf("%s: %d, %d lines, the first %s", order, rec.Code, len(lines), lines[0])
		}
	}
}

func TestHistogram(t *testing.T) {
	w := newTimelessWorld(t)
	fillMinutes(t, w, 60)
	rec := w.get(t, "/logs/histogram", "from", "1970-01-01T00:00:00Z", "to", "1970-01-01T00:30:00Z", "interval", "10m")
	want := `{"histogram":{"buckets":[{"time":0,"count":9,"severities":{"error":1,"informational":8}},` +
		`{"time":600000,"count":10,"severities":{"error":1,"informational":9}},{"time":1200000,"count":10,"severities":{"error":1,"informational":9}}],"count":29,"interval":600000}}`
	if got := strings.TrimSpace(rec.Body.String()); rec.Code != 200 || got != want {
		t.Errorf("%d\n got %s\nwant %s", rec.Code, got, want)
	}
}

func TestListRefusals(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		path  string
		query []string
		field string
	}{
		{"/logs", []string{"q", "severity:bad"}, "q"},
		{"/logs", []string{"size", "1000000000"}, "size"},
		{"/logs", []string{"cursor", "xyz"}, "cursor"},
		{"/logs", []string{"from", "yesterday"}, "from"},
		{"/logs/histogram", []string{"interval", "1ms"}, "interval"},
		{"/logs/histogram", []string{"interval", "x"}, "interval"},
		{"/logs/histogram", []string{"from", "1970-01-01", "interval", "1s"}, "interval"},
		{"/logs/histogram", []string{"field", "code"}, "field"},
		{"/logs/export", []string{"order", "up"}, "order"},
		{"/logs/tail", []string{"lastEventId", "x"}, "Last-Event-ID"},
	} {
		if rec := w.get(t, c.path, c.query...); rec.Code != 400 || !strings.Contains(rec.Body.String(), `"field":"`+c.field+`"`) {
			t.Errorf("%s %v: %d %s", c.path, c.query, rec.Code, rec.Body)
		}
	}
	for _, path := range []string{"/logs", "/logs/histogram", "/logs/export", "/logs/tail"} {
		rec := httptest.NewRecorder()
		w.serve(t, devicePrincipal).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/v1"+path, nil))
		if rec.Code != http.StatusForbidden {
			t.Errorf("%s as a device: %d", path, rec.Code)
		}
	}
}

func TestPostLogs(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"sourceId":"` + device + `","sourceType":"deviceId","accountId":"` + account + `","message":"by hand","code":7,"severity":"warn"}`, 200, `"count":1`},
		{`{"entries":[{"sourceId":"a","message":"x"},{"sourceId":"a","message":"y","tags":["t"]}]}`, 200, `"count":2`},
		{`{"sourceId":"a"}`, 400, `"field":"message"`},
		{`{"message":"a"}`, 400, `"field":"sourceId"`},
		{`{"entries":[{"sourceId":"a","message":"x"},7]}`, 400, `"field":"entries[1]"`},
		{`{"entries":[]}`, 400, `"field":"entries"`},
		{`{"sourceId":"a","message":"of the past","serviceTimestamp":"2020-01-01T00:00:00Z"}`, 200, `"count":1`},
		{`{"sourceId":"a","message":"to come","serviceTimestamp":"2999-01-01T00:00:00Z"}`, 400, `"field":"serviceTimestamp"`},
		{`{"sourceId":"a","message":"when","serviceTimestamp":"yesterday"}`, 400, `"field":"serviceTimestamp"`},
		{`{"sourceId":"a","message":"x","accountId":"` + other + `"}`, 403, ``},
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/logs", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.serve(t, admin).ServeHTTP(rec, r)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.body, rec.Code, rec.Body)
		}
	}
	w.crash(t)
	if found := w.search(t, `{}`); found.Total != 3 {
		t.Errorf("%d entries after a crash, want 3", found.Total)
	}
	if found := w.search(t, `{"query":{"bool":{"must":[{"term":{"code":"7"}},{"term":{"severity":"warning"}}]}}}`); found.Total != 1 {
		t.Error("an entry is not as it was written")
	}
}
