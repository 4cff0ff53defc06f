package logging

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/rest"
	"xively/storage/storagetest"
)

func TestPostSearch(t *testing.T) {
	w := newTimelessWorld(t)
	w.put(t, Entry{AccountID: account, SourceID: device, SourceType: "deviceId", DeviceTemplateID: template, Message: "Device connected",
		Severity: Lifecycle, Code: "200", Custom: map[string]any{"connected": true}, SourceTimestamp: 1461234567890}, 1461234567999)
	w.put(t, Entry{AccountID: account, SourceID: "another", SourceType: "deviceId", Message: "<script>", Severity: Error,
		SourceTimestamp: 1461234560000}, 1461234568000)
	w.put(t, Entry{AccountID: other, SourceID: device, SourceType: "deviceId", Message: "foreign", SourceTimestamp: 1461234560000}, 1461234568000)

	e := echo.New()
	e.HTTPErrorHandler = rest.ErrorHandler(storagetest.Log(t))
	caller := auth.Principal{}
	w.Routes(e.Group("/api/v1", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.SetRequest(c.Request().WithContext(auth.NewContext(c.Request().Context(), caller)))
			return next(c)
		}
	}))

	mine := auth.Principal{Kind: auth.AccountUser, AccountID: account, ID: "admin"}
	for _, s := range []struct {
		name     string
		caller   auth.Principal
		body     string
		status   int
		want     []string
		unwanted []string
	}{
		{name: "clients' query", caller: mine, status: 200,
			body: `{"query":{"bool":{"must":[{"term":{"sourceId":"` + device + `"}}]}},"from":0,"size":50,"sort":[{"sourceTimestamp":{"order":"desc"}}]}`,
			want: []string{`{"hits":{"total":1,"max_score":null,"hits":[{"_index":"logs","_type":"log","_id":"`, `"_score":null,"_source":{`,
				`"accountId":"` + account + `","sourceId":"` + device + `","sourceType":"deviceId","deviceTemplateId":"` + template + `",`,
				`"message":"Device connected","severity":"lifecycle","code":"200","custom":{"connected":true},` +
					`"sourceTimestamp":1461234567890,"serviceTimestamp":1461234567999,"incidents":[]}}]}}`}},
		{name: "no body: all, newest first", caller: mine, status: 200,
			want: []string{`"total":2`, `"incidents":[]}},{"_index"`}, unwanted: []string{"foreign"}},
		{name: "nothing found", caller: mine, body: `{"query":{"term":{"sourceId":"x"}}}`, status: 200,
			want: []string{`{"hits":{"total":0,"max_score":null,"hits":[]}}`}},
		{name: "other account's entries by term", caller: mine, body: `{"query":{"term":{"accountId":"` + other + `"}}}`, status: 200, want: []string{`"total":0`}},
		{name: "other account in the body", caller: mine, body: `{"accountId":"` + other + `"}`, status: 403},
		{name: "own account in the body", caller: mine, body: `{"accountId":"` + account + `"}`, status: 200, want: []string{`"total":2`}},
		{name: "unsupported clause", caller: mine, body: `{"query":{"fuzzy":{"message":"x"}}}`, status: 400, want: []string{`"field":"query.fuzzy"`, `fuzzy`}},
		{name: "size over limit", caller: mine, body: `{"size":1000000000}`, status: 400, want: []string{`"field":"size"`}},
		{name: "not JSON", caller: mine, body: `{"query":`, status: 400},
		{name: "deep", caller: mine, body: strings.Repeat(`{"query":`, 100) + `1` + strings.Repeat(`}`, 100), status: 400},
		{name: "device", caller: auth.Principal{Kind: auth.Device, AccountID: account, ID: device}, status: 403, unwanted: []string{"hits"}},
		{name: "end user", caller: auth.Principal{Kind: auth.EndUser, AccountID: account, ID: "u"}, status: 403, unwanted: []string{"hits"}},
		{name: "nobody", status: 403, unwanted: []string{"hits"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			caller = s.caller
			r := httptest.NewRequest(http.MethodPost, "/api/v1/logs/search", strings.NewReader(s.body))
			r.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			e.ServeHTTP(rec, r)
			if rec.Code != s.status {
				t.Fatalf("status %d, want %d\n%s", rec.Code, s.status, rec.Body)
			}
			for _, piece := range s.want {
				if !strings.Contains(rec.Body.String(), piece) {
					t.Errorf("lacks %s in\n%s", piece, rec.Body)
				}
			}
			for _, piece := range s.unwanted {
				if strings.Contains(rec.Body.String(), piece) {
					t.Errorf("has unwanted %s in\n%s", piece, rec.Body)
				}
			}
		})
	}
}
