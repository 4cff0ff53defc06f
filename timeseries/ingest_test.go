package timeseries

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func post(e *echo.Echo, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	return rec
}

func TestBulk(t *testing.T) {
	const csv, ndjson, influx = "text/csv", "application/x-ndjson", "application/vnd.influx.line-protocol"
	one, many := "/api/v4/data/bulk/one", "/api/v4/data"
	for _, s := range []struct {
		name, target, contentType, body string
		status                          int
		answer                          []string
		topic                           string // read back
		want                            []Point
	}{
		{"CSV", one, csv, "1,a,1.5,\n2,b,,text\n", 200, []string{`{"stored":2,"failed":0,"errors":[]}`}, "bulk/one", []Point{full(1, "a", 1.5, ""), text(2, "b", "text")}},
		{"CSV with names and a mark", one, csv + "; charset=utf-8", "\ufefftime,category,numericValue,stringValue\r\n2020-01-01T00:00:00.250Z,a,1,\r\n", 200,
			[]string{`"stored":1`}, "bulk/one", []Point{full(1577836800250, "a", 1, "")}},
		{"CSV of many", many, csv, "topic,time,category,numericValue,stringValue\nbulk/x,1,a,1,\nbulk/y,2,a,2,\nbulk/x,3,a,3,", 200, []string{`"stored":3`}, "bulk/x", []Point{full(1, "a", 1, ""), full(3, "a", 3, "")}},
		{"bad lines are told, good ones stored", one, csv, "1,a,1,\n2,a,x,\n\n3,a,3,\n4\n", 200, []string{`"stored":2,"failed":2`,
			`{"line":2,"message":"byte 4: the numericValue \"x\" is not a decimal number"}`, `{"line":5,"message":"byte 1: 1 of the columns`}, "bulk/one", []Point{full(1, "a", 1, ""), full(3, "a", 3, "")}},
		{"no good line", one, csv, "x\ny\n", 400, []string{"None of the 2 lines", "Line 1: byte"}, "bulk/one", nil},
		{"NDJSON", one, ndjson, `{"time":1,"category":"a","numericValue":1}` + "\n" + `{"temp":5,"hum":6}` + "\n", 200, []string{`"stored":3`}, "bulk/one",
			[]Point{num(1, "a", 1), num(testNow, "temp", 5), num(testNow, "hum", 6)}},
		{"NDJSON of many", many, ndjson, `{"topic":"bulk/j","time":1,"numericValue":1}` + "\n" + `{"time":2,"numericValue":1}`, 200, []string{`"stored":1,"failed":1`, "names no topic"}, "bulk/j", []Point{{Time: 1, Numeric: 1, Has: HasNumeric}}},
		{"NDJSON that is not", one, ndjson, "[1]\n{\n", 400, []string{"not a JSON object"}, "bulk/one", nil},
		{"influx", one, influx, "weather,place=us\\ midwest temp=82.5,hum=30i,ok=t,note=\"a \\\"b\\\", c\" 1556813561098000000\nweather value=7 1556813561099999999\n# comment\n", 200,
			[]string{`"stored":5`}, "bulk/one", []Point{num(1556813561098, "temp", 82.5), num(1556813561098, "hum", 30), num(1556813561098, "ok", 1), text(1556813561098, "note", `a "b", c`), {Time: 1556813561099, Numeric: 7, Has: HasNumeric}}},
		{"influx by topic", many + "?precision=s", influx, "m,topic=bulk/i v=1 5", 200, []string{`"stored":1`}, "bulk/i", []Point{num(5000, "v", 1)}},
		{"influx by device", many + "?precision=ms", influx, "temp,device=" + device + " value=1 5", 200, []string{`"stored":1`}, topic, []Point{{Time: 5, Numeric: 1, Has: HasNumeric}}},
		{"influx before 1970", one + "?precision=us", influx, "m v=1 -1500", 200, []string{`"stored":1`}, "bulk/one", []Point{num(-2, "v", 1)}},
		{"influx, all that is wrong", one, influx, "m\nm,t v=1\n,t=1 v=1\nm v=x\nm v=\"open\nm v=1 x\nm v=1,=2\nm v", 200 + 200,
			[]string{`None of the 8 lines`}, "bulk/one", nil},
		{"no form", one, "application/octet-stream", "1,a,1,", 415, []string{"Say what the lines are"}, "bulk/one", nil},
		{"form by parameter", one + "?format=csv", "application/octet-stream", "1,a,1,", 200, []string{`"stored":1`}, "bulk/one", []Point{full(1, "a", 1, "")}},
		{"unknown precision", one + "?precision=h", influx, "m v=1", 400, []string{"precision"}, "bulk/one", nil},
		{"no channel", "/api/v4/data/bulk/simple", csv, "1,a,1,", 404, []string{"no time-series channel"}, "bulk/one", nil},
		{"forbidden", "/api/v4/data/secret", csv, "1,a,1,", 403, []string{"Rule 7"}, "bulk/one", nil},
		{"forbidden in a line", many, csv, "secret,1,a,1,\nbulk/z,1,a,1,", 200, []string{`"stored":1,"failed":1`, "Rule 7"}, "bulk/z", []Point{full(1, "a", 1, "")}},
		{"of another account", many, csv, "xi/blue/v1/" + other + "/d/x/temp,1,a,1,", 400, []string{"no time-series channel"}, "bulk/one", nil},
		{"a long line", one, csv, "1,a,1," + strings.Repeat("x", maxLine) + "\n2,a,2,", 200, []string{`"stored":1,"failed":1`, "longer than"}, "bulk/one", []Point{full(2, "a", 2, "")}},
		{"not UTF-8", one, csv, "1,a\xff,1,\n2,a,2,", 200, []string{`"stored":1,"failed":1`, "UTF-8"}, "bulk/one", []Point{full(2, "a", 2, "")}},
		{"nothing", one, csv, "\n\n", 200, []string{`"stored":0,"failed":0`}, "bulk/one", nil},
	} {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			e := newAPI(t, w)
			rec := post(e, s.target, s.contentType, s.body)
			for _, piece := range s.answer {
				if !strings.Contains(rec.Body.String(), piece) {
					t.Errorf("lacks %s in\n%s", piece, rec.Body)
				}
			}
			if rec.Code != s.status {
				t.Fatalf("status %d, want %d: %s", rec.Code, s.status, rec.Body)
			}
			w.crash(t) // the answer says that it is on disk
			q := everything()
			q.Topic = s.topic
			wantPoints(t, "read back", w.all(t, q), s.want)
		})
	}
}

// TestExportComesBack: what was exported makes the same series again, over several pages.
func TestExportComesBack(t *testing.T) {
	w := newWorld(t, t.TempDir())
	e := newAPI(t, w)
	var csv strings.Builder
	for i := range 2*exportPage + 10 {
		fmt.Fprintf(&csv, "%d,\"c,%d\",%v,\"say \"\"%d\"\"\"\n", 1_700_000_000_000+i*7, i%3, float64(i)/8, i)
	}
	if rec := post(e, "/api/v4/data/from", "text/csv", csv.String()); rec.Code != 200 {
		t.Fatal(rec.Body)
	}
	q := everything()
	q.Topic = "from"
	want := w.all(t, q)
	for _, format := range []string{"csv", "ndjson"} {
		rec := get(e, "/api/v4/data/from?format="+format)
		if rec = post(e, "/api/v4/data/to"+format+"?format="+format, "", rec.Body.String()); rec.Code != 200 {
			t.Fatal(rec.Body)
		}
		q.Topic = "to" + format
		wantPoints(t, format, w.all(t, q), want)
	}
}

// TestExportIsNoFormula: text of a device is not what a spreadsheet runs.
func TestExportIsNoFormula(t *testing.T) {
	p := full(0, "=cmd", 1, "@x")
	if got := string(appendCSV(nil, &p, true)); got != `0,"'=cmd",1,"'@x"` {
		t.Error(got)
	}
}

func TestQueryByPost(t *testing.T) {
	w := newWorld(t, t.TempDir())
	e := newAPI(t, w)
	w.publish(t, "a", "1000,t,1,")
	w.publish(t, "b", "2000,t,2,")
	rec := post(e, "/api/v4/query", "application/json", `{"topic":["a","b"],"interval":"1m","aggregate":["max","count"],"timeFormat":"epoch"}`)
	var answer struct {
		Series []struct {
			Topic  string
			Result []struct {
				Time, Max, Count float64
			}
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != 200 {
		t.Fatal(rec.Body, err)
	}
	if len(answer.Series) != 2 || answer.Series[1].Topic != "b" || answer.Series[1].Result[0].Max != 2 || answer.Series[1].Result[0].Count != 1 {
		t.Errorf("%+v", answer)
	}
	for _, body := range []string{`{"topic":{"a":1}}`, `{"topic":["a"],"format":"csv"}`, `{"topic":["a"],"pagingToken":"x"}`, `{"topic":["a"],"latest":true,"points":5}`, `{"deviceId":["x"]}`} {
		if rec := post(e, "/api/v4/query", "application/json", body); rec.Code != 400 {
			t.Errorf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
}

func FuzzInflux(f *testing.F) {
	f.Add("weather,place=us\\ midwest temp=82.5,hum=30i,ok=t,note=\"a \\\"b\\\", c\" 1556813561098000000")
	f.Add("m v")
	f.Fuzz(func(t *testing.T, line string) {
		in := &ingest{topic: "t", unit: 1, targets: map[string]*target{"t": {}}}
		if err := influxLine(in, line); err != nil {
			return
		}
		for _, p := range in.targets["t"].points {
			if p.Time < MinTime || p.Time > MaxTime || len(p.Category) > MaxText || len(p.String) > MaxText {
				t.Errorf("%q gave %+v", line, p)
			}
		}
	})
}
