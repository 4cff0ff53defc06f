package timeseries

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/openapi/openapitest"
	"xively/internal/rest"
	"xively/storage/storagetest"
)

// newAPI mounts the routes as the platform does; the header Caller-Account says who calls.
func newAPI(t testing.TB, w *world) *echo.Echo {
	e := echo.New()
	if t, ok := t.(*testing.T); ok { // elsewhere holding an answer to its description would take most of the time
		e.Pre(openapitest.Pre(t, "foo"))
	}
	e.HTTPErrorHandler = rest.ErrorHandler(storagetest.Log(t))
	g := e.Group("/api/v4", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			p := admin
			if a := c.Request().Header.Get("Caller-Account"); a != "" {
				p.AccountID = a
			}
			c.SetRequest(c.Request().WithContext(auth.NewContext(c.Request().Context(), p)))
			return next(c)
		}
	})
	w.Routes(g)
	return e
}

func get(e *echo.Echo, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	return rec
}

// points of the scenarios, at 2015-09-14 11:30:00.000, …01.500, …02.250, …03.000
const scenarioCSV = "1442230200000,temp,70.5,\n1442230201500,mode,,eco\n1442230202250,temp,71,\n1442230203000,temp,72\n"

func TestGetData(t *testing.T) {
	w := newWorld(t, t.TempDir())
	e := newAPI(t, w)
	w.publish(t, topic, scenarioCSV)
	spaced := "xi/blue/v1/" + account + "/d/" + device + "/my channel"
	w.publish(t, spaced, "1442230200000,a,1,")
	latestNamed := "xi/blue/v1/" + account + "/d/" + device + "/latest"
	w.publish(t, latestNamed, "1442230200000,a,9,")
	w.publish(t, "xi/blue/v1/"+account+"/d/"+device+"/secret", "1442230200000,a,9,")
	w.publish(t, "free/topic", "1442230200000,a,5,")

	data := "/api/v4/data/" + topic
	bareLast := `{"category":"temp","numericValue":72,"stringValue":null,"time":"2015-09-14T11:30:03Z","meta":{`
	for _, s := range []struct {
		name, target string
		header       []string
		status       int
		want         []string
		unwanted     []string
	}{
		{name: "all, oldest first", target: data, status: 200, want: []string{
			`"start":"2015-09-14T11:30:00Z","end":"2015-09-14T11:30:03Z","count":4}`,
			`"result":[{"category":"temp","numericValue":70.5,"stringValue":"","time":"2015-09-14T11:30:00Z"}`,
			`{"category":"mode","numericValue":null,"stringValue":"eco","time":"2015-09-14T11:30:01Z"}`,
			`{"category":"temp","numericValue":72,"stringValue":null,"time":"2015-09-14T11:30:03Z"}]`,
			`"timeSpent":`}, unwanted: []string{"pagingToken", `"message"`}},
		{name: "escaped topic", target: "/api/v4/data/" + url.PathEscape(topic), status: 200, want: []string{`"count":4`}},
		{name: "blank as %20", target: "/api/v4/data/" + strings.ReplaceAll(spaced, " ", "%20"), status: 200, want: []string{`"count":1`}},
		{name: "blank, all escaped", target: "/api/v4/data/" + url.PathEscape(spaced), status: 200, want: []string{`"count":1`}},
		{name: "free topic", target: "/api/v4/data/free/topic", status: 200, want: []string{`"numericValue":5`}},
		{name: "omitNull", target: data + "?omitNull=true", status: 200, unwanted: []string{"null"},
			want: []string{`{"category":"mode","stringValue":"eco","time":"2015-09-14T11:30:01Z"}`}},
		{name: "category", target: data + "?category=mode", status: 200, want: []string{`"count":1`, "eco"}},
		{name: "groupType 0 is no group", target: data + "?groupType=0", status: 200, want: []string{`"count":4`}},
		{name: "groupType is a short interval", target: data + "?groupType=3&aggregate=max", status: 200, want: []string{`"count":2`, `{"category":"temp","numericValue":72,"max":72,"time":"2015-09-14T00:00:00Z"}`}},
		{name: "groupType unknown", target: data + "?groupType=6", status: 400, want: []string{`"field":"groupType"`}},

		{name: "aggregates", target: data + "?interval=2s&aggregate=count,min,max,sum,avg,first,last,p50&category=temp&omitNull=true", status: 200, want: []string{
			`"start":"2015-09-14T11:30:00Z","end":"2015-09-14T11:30:02Z","count":2}`,
			`{"category":"temp","numericValue":1,"count":1,"min":70.5,"max":70.5,"sum":70.5,"avg":70.5,"first":70.5,"last":70.5,"p50":70.5,"time":"2015-09-14T11:30:00Z"}`,
			`{"category":"temp","numericValue":2,"count":2,"min":71,"max":72,"sum":143,"avg":71.5,"first":71,"last":72,"p50":71.5,"time":"2015-09-14T11:30:02Z"}]`}},
		{name: "a day of Kolkata", target: data + "?interval=1d&timezone=Asia/Kolkata", status: 200, want: []string{`"time":"2015-09-13T18:30:00Z"`}},
		{name: "epoch times", target: data + "?interval=1d&timeFormat=epoch", status: 200, want: []string{`"time":1442188800000}`}},
		{name: "filled", target: data + "?interval=1s&fill=previous&category=temp&startDateTime=2015-09-14T11:29:59Z&endDateTime=2015-09-14T11:30:04Z", status: 200, want: []string{`"count":6}`,
			`{"category":"temp","numericValue":null,"avg":null,"time":"2015-09-14T11:29:59Z"}`, `{"category":"temp","numericValue":70.5,"avg":70.5,"time":"2015-09-14T11:30:01Z"}`}},
		{name: "aggregate of nothing", target: data + "?interval=1d&category=none", status: 404},
		{name: "aggregate without interval", target: data + "?aggregate=avg", status: 400, want: []string{`"field":"interval"`}},
		{name: "unknown aggregate", target: data + "?interval=1d&aggregate=median", status: 400, want: []string{`"field":"aggregate"`, "p95"}},
		{name: "interval of nothing", target: data + "?interval=0s", status: 400, want: []string{`"field":"interval"`}},
		{name: "interval of fortnights", target: data + "?interval=2f", status: 400, want: []string{`"field":"interval"`}},
		{name: "unknown time zone", target: data + "?interval=1d&timezone=Mars/Olympus", status: 400, want: []string{`"field":"timezone"`}},
		{name: "time zone of a file", target: data + "?interval=1d&timezone=../../etc/passwd", status: 400, want: []string{`"field":"timezone"`}},
		{name: "unknown fill", target: data + "?interval=1d&fill=guess", status: 400, want: []string{`"field":"fill"`}},
		{name: "a hundred years by the second", target: data + "?interval=1s&fill=null&startDateTime=1950-01-01T00:00:00Z&endDateTime=2050-01-01T00:00:00Z", status: 422, want: []string{"10000 rows"}},
		{name: "down-sampled", target: data + "?points=3", status: 200, want: []string{`"count":3`, `"numericValue":70.5`, `"numericValue":72`}},
		{name: "down-sampled to nothing", target: data + "?points=2", status: 400, want: []string{`"field":"points"`}},
		{name: "latest aggregated", target: data + "/latest?interval=1s", status: 400, want: []string{`"field":"interval"`}},
		{name: "export as CSV", target: data + "?format=csv", status: 200, want: []string{
			"time,category,numericValue,stringValue\n2015-09-14T11:30:00.000Z,temp,70.5,\n2015-09-14T11:30:01.500Z,mode,,eco\n"}},
		{name: "export as NDJSON", target: data + "?format=ndjson&omitNull=true", status: 200, want: []string{
			`{"time":"2015-09-14T11:30:01.500Z","category":"mode","stringValue":"eco"}` + "\n"}},
		{name: "export of nothing", target: data + "x?format=csv", status: 404},
		{name: "export of a secret", target: "/api/v4/data/xi/blue/v1/" + account + "/d/" + device + "/secret?format=csv", status: 403},
		{name: "unknown format", target: data + "?format=xml", status: 400, want: []string{`"field":"format"`}},

		{name: "several series", target: "/api/v4/query?topic=" + topic + "&topic=free/topic&topic=free/none&interval=1d&omitNull=true", status: 200, want: []string{
			`"topic":"` + topic + `","meta":{`, `{"topic":"free/topic","meta":{`, `"avg":5,`, `{"topic":"free/none","meta":{`, `"start":"","end":"","count":0},"result":[]}`, `"count":3}}`}},
		{name: "latest of several", target: "/api/v4/query?latest=true&topic=" + topic + "&topic=free/topic", status: 200, want: []string{`"numericValue":72`, `"numericValue":5`}, unwanted: []string{"70.5"}},
		{name: "several, one secret", target: "/api/v4/query?topic=" + topic + "&topic=secret", status: 403},
		{name: "several, one of another account", target: "/api/v4/query?topic=" + topic, header: []string{"Caller-Account", other}, status: 404},
		{name: "several, none", target: "/api/v4/query", status: 400, want: []string{`"field":"topic"`}},
		{name: "cost", target: "/api/v4/series?prefix=free/", status: 200, want: []string{`"topic":"free/topic"`, `"unwritten":1`}, unwanted: []string{"xi/blue"}},
		{name: "cost leaves secrets out", target: "/api/v4/series", status: 200, want: []string{`"count":4,`}, unwanted: []string{"secret"}},
		{name: "cost of another account", target: "/api/v4/series", header: []string{"Caller-Account", other}, status: 200, want: []string{`"results":[]`}},
		{name: "other parameters are ignored", target: data + "?accountId=x&foo=bar", status: 200, want: []string{`"count":4`}},

		{name: "range, Z", target: data + "?startDateTime=2015-09-14T11:30:02Z&endDateTime=2015-09-14T11:30:02Z", status: 200, want: []string{`"count":1`, `"numericValue":71,`}},
		{name: "range, milliseconds", target: data + "?startDateTime=2015-09-14T11:30:01.501Z&endDateTime=2015-09-14T11:30:02.249Z", status: 404},
		{name: "range, both ends belong to it", target: data + "?startDateTime=2015-09-14T11:30:01.500Z&endDateTime=2015-09-14T11:30:02.250Z", status: 200, want: []string{`"count":2`}},
		{name: "range, blank and offset, plus not escaped", target: data + "?startDateTime=2015-09-14%2011:30:02.000+0000", status: 200, want: []string{`"count":2`}},
		{name: "range, blank and offset", target: data + "?startDateTime=2015-09-14%2011:30:02.000%2B0000", status: 200, want: []string{`"count":2`}},
		{name: "range, other offset", target: data + "?startDateTime=2015-09-14%2013:30:02.000%2B0200", status: 200, want: []string{`"count":2`}},
		{name: "range, dots", target: data + "?endDateTime=2015.09.14%2011:30:01", status: 200, want: []string{`"count":2`}},
		{name: "range, epoch", target: data + "?startDateTime=1442230203000", status: 200, want: []string{`"count":1`}},
		{name: "range before all", target: data + "?endDateTime=2015-09-14T11:29:59Z", status: 404, want: []string{"no data"}},
		{name: "range upside down", target: data + "?startDateTime=2015-09-14T11:30:02Z&endDateTime=2015-09-14T11:29:59Z", status: 400, want: []string{`"field":"endDateTime"`}},
		{name: "bad date", target: data + "?startDateTime=yesterday", status: 400, want: []string{`"field":"startDateTime"`}},
		{name: "date out of range", target: data + "?endDateTime=99999-09-14T11:30:02Z", status: 400, want: []string{`"field":"endDateTime"`}},
		{name: "pageSize 0", target: data + "?pageSize=0", status: 400, want: []string{`"field":"pageSize"`}},
		{name: "pageSize 1000", target: data + "?pageSize=1000", status: 200, want: []string{`"count":4`}},
		{name: "pageSize 1001", target: data + "?pageSize=1001", status: 400, want: []string{`"field":"pageSize"`}},
		{name: "pageSize 10^30", target: data + "?pageSize=1000000000000000000000000000000", status: 400},
		{name: "pageSize word", target: data + "?pageSize=many", status: 400},
		{name: "groupType word", target: data + "?groupType=hour", status: 400, want: []string{`"field":"groupType"`}},
		{name: "omitNull word", target: data + "?omitNull=perhaps", status: 400, want: []string{`"field":"omitNull"`}},
		{name: "bad token", target: data + "?pagingToken=abc", status: 400, want: []string{`"field":"pagingToken"`}},
		{name: "token of no time", target: data + "?pagingToken=ffffffff-ffff-ffff-ffff-ffffffffffff", status: 400},

		{name: "latest, bare and wrapped", target: data + "/latest", status: 200, want: []string{bareLast, `"numericValue":72`,
			`"stringValue":null,"time":"2015-09-14T11:30:03Z"}`, `"result":[{"category":"temp"`, `"count":1`}},
		{name: "latest with pageSize, newest first", target: data + "/latest?pageSize=2", status: 200,
			want:     []string{`"result":[{"category":"temp","numericValue":72,`, `"start":"2015-09-14T11:30:03Z","end":"2015-09-14T11:30:02Z","count":2`},
			unwanted: []string{bareLast}},
		{name: "latest with pageSize 1 is not bare", target: data + "/latest?pageSize=1&omitNull=true", status: 200, unwanted: []string{bareLast}, want: []string{`"count":1`}},
		{name: "latest of a category", target: data + "/latest?category=mode", status: 200, want: []string{`"stringValue":"eco"`}},
		{name: "latest, escaped topic", target: "/api/v4/data/" + url.PathEscape(topic) + "/latest", status: 200, want: []string{bareLast}},
		{name: "latest of nothing", target: "/api/v4/data/free/nothing/latest", status: 404},
		{name: "latest before a date", target: data + "/latest?endDateTime=2015-09-14T11:30:02Z", status: 200, want: []string{`"numericValue":71`}},
		{name: "channel of name latest", target: "/api/v4/data/" + url.PathEscape(latestNamed), status: 200, want: []string{`"numericValue":9`}},
		{name: "latest of channel latest", target: "/api/v4/data/" + latestNamed + "/latest", status: 200, want: []string{`"numericValue":9`}},

		{name: "no topic", target: "/api/v4/data/", status: 400, want: []string{`"field":"topic"`}},
		{name: "unknown topic", target: data + "x", status: 404, want: []string{"NotFound"}},
		{name: "forbidden topic", target: "/api/v4/data/xi/blue/v1/" + account + "/d/" + device + "/secret", status: 403, want: []string{"Rule 7"}},
		{name: "topic of another account", target: data, header: []string{"Caller-Account", other}, status: 404, unwanted: []string{"70.5"}},
		{name: "forbidden name in another account is unknown too", target: "/api/v4/data/xi/blue/v1/" + other + "/d/x/secret", status: 404},
		{name: "other account in capitals", target: "/api/v4/data/" + strings.ToUpper(topic), status: 404},
		{name: "free topic of another account", target: "/api/v4/data/free/topic", header: []string{"Caller-Account", other}, status: 404},
	} {
		t.Run(s.name, func(t *testing.T) {
			rec := get(e, s.target, s.header...)
			if rec.Code != s.status {
				t.Fatalf("GET %s\nstatus %d, want %d\n%s", s.target, rec.Code, s.status, rec.Body)
			}
			for _, piece := range s.want {
				if !strings.Contains(rec.Body.String(), piece) {
					t.Errorf("GET %s\nlacks %s in\n%s", s.target, piece, rec.Body)
				}
			}
			for _, piece := range s.unwanted {
				if strings.Contains(rec.Body.String(), piece) {
					t.Errorf("GET %s\nhas unwanted %s in\n%s", s.target, piece, rec.Body)
				}
			}
		})
	}
}

// TestForeignTopicLooksUnknown: the answer about another account's topic is the one about a topic nobody has.
func TestForeignTopicLooksUnknown(t *testing.T) {
	w := newWorld(t, t.TempDir())
	e := newAPI(t, w)
	w.publish(t, topic, scenarioCSV)
	foreign := get(e, "/api/v4/data/"+topic, "Caller-Account", other)
	unknown := get(e, "/api/v4/data/"+topic+"x", "Caller-Account", other)
	body := func(rec *httptest.ResponseRecorder) string {
		var m map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "requestId")
		return strings.ReplaceAll(fmt.Sprint(rec.Code, m), topic+"x", topic)
	}
	if a, b := body(foreign), body(unknown); a != b {
		t.Errorf("foreign %s\nunknown %s", a, b)
	}
}

func TestPagingOverREST(t *testing.T) {
	w := newWorld(t, t.TempDir())
	e := newAPI(t, w)
	var csv strings.Builder
	for i := range 25 {
		fmt.Fprintf(&csv, "%d,a,%d,\n", 1442230200000+i/5*1000, i)
	}
	w.publish(t, topic, csv.String())
	for _, c := range []struct {
		size  int
		pages []int
	}{
		{10, []int{10, 10, 5}}, {5, []int{5, 5, 5, 5, 5}}, {25, []int{25}}, {26, []int{25}}, {24, []int{24, 1}},
	} {
		var got []float64
		var pages []int
		target := fmt.Sprintf("/api/v4/data/%s?pageSize=%d", topic, c.size)
		for token := ""; ; {
			rec := get(e, target+token)
			var answer struct {
				Meta   struct{ PagingToken string }
				Result []struct{ NumericValue float64 }
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); rec.Code != 200 || err != nil {
				t.Fatalf("%s: %d %s", target+token, rec.Code, rec.Body)
			}
			pages = append(pages, len(answer.Result))
			for _, p := range answer.Result {
				got = append(got, p.NumericValue)
			}
			if answer.Meta.PagingToken == "" {
				break
			}
			token = "&pagingToken=" + answer.Meta.PagingToken
		}
		want := make([]float64, 25)
		for i := range want {
			want[i] = float64(i)
		}
		if !slices.Equal(pages, c.pages) || !slices.Equal(got, want) {
			t.Errorf("pageSize %d: pages %v, want %v; values %v", c.size, pages, c.pages, got)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("startDateTime=2015-09-14T11:30:02Z&endDateTime=2015-09-14 11:30:02.000+0000&pageSize=5&category=a&pagingToken=x")
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		q, err := ParseQuery(values)
		if err == nil && (q.From < MinTime || q.To > MaxTime || q.From > q.To || q.PageSize < 1 || q.PageSize > MaxPageSize) {
			t.Errorf("%q gave %+v", raw, q)
		}
		parseToken(q.Token)
	})
}
