package timeseries

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const testNow = 1_700_000_000_000

func num(ms int64, category string, v float64) Point {
	return Point{Time: ms, Category: category, Numeric: v, Has: HasCategory | HasNumeric}
}

func full(ms int64, category string, v float64, s string) Point {
	return Point{Time: ms, Category: category, Numeric: v, String: s, Has: HasCategory | HasNumeric | HasString}
}

func text(ms int64, category, s string) Point {
	return Point{Time: ms, Category: category, String: s, Has: HasCategory | HasString}
}

func bare(v float64) Point { return Point{Time: testNow, Numeric: v, Has: HasNumeric} }

// parseCases are the payload forms of real clients, then what else is told apart.
var parseCases = []struct {
	name    string
	payload string
	want    []Point
}{
	{"blanks, empty text, newline", "1461234567890, temp, 70, \n", []Point{full(1461234567890, "temp", 70, "")}},
	{"single quotes belong to the category", "1461234567890, 'fan', 2, \n", []Point{full(1461234567890, "'fan'", 2, "")}},
	{"no blanks", "1461234567890,temp,70,", []Point{full(1461234567890, "temp", 70, "")}},
	{"no timestamp", ",Value,12.345678,", []Point{full(testNow, "Value", 12.345678, "")}},
	{"no timestamp, text", ",cat,12.5,str", []Point{full(testNow, "cat", 12.5, "str")}},
	{"three columns", "1461234567890,fan,0", []Point{num(1461234567890, "fan", 0)}},
	{"ISO timestamp", "2016-04-21T10:29:27.890Z,fan,0,", []Point{full(1461234567890, "fan", 0, "")}},
	{"ISO timestamp with offset", "2016-04-21T12:29:27.890+02:00,fan,0,", []Point{full(1461234567890, "fan", 0, "")}},
	{"ISO timestamp, blank and short offset", "2016-04-21 10:29:27.890+0000,fan,0,", []Point{full(1461234567890, "fan", 0, "")}},
	{"ISO timestamp without zone", "2016-04-21T10:29:27,fan,0,", []Point{full(1461234567000, "fan", 0, "")}},
	{"several lines", "1,a,1,\n2,b,2,x\r\n\n3,c,,y\n", []Point{full(1, "a", 1, ""), full(2, "b", 2, "x"), text(3, "c", "y")}},
	{"number forms", "1,a,-1.5e3,\n1,a,+.5,\n1,a,123456789012345678,\n1,a,5.,", []Point{
		full(1, "a", -1500, ""), full(1, "a", 0.5, ""), full(1, "a", 123456789012345678, ""), full(1, "a", 5, "")}},
	{"text in double quotes", `1,a,2,"{""x"":1,""y"":[2,3]}"`, []Point{full(1, "a", 2, `{"x":1,"y":[2,3]}`)}},
	{"quoted category, blanks inside kept", `1, " a,b " ,2,`, []Point{full(1, " a,b ", 2, "")}},
	{"open double quote is text", `1,a,2,"x`, []Point{full(1, "a", 2, `"x`)}},
	{"stray double quote is text", `1,a,2,"x"y`, []Point{full(1, "a", 2, `"x"y`)}},
	{"limits", "1," + strings.Repeat("c", 1024) + ",1," + strings.Repeat("s", 1024), []Point{
		full(1, strings.Repeat("c", 1024), 1, strings.Repeat("s", 1024))}},
	{"before 1970", "-1000,a,1,", []Point{full(-1000, "a", 1, "")}},

	{"SenML", `{"bn":"urn:x","bt":1461234567,"bu":"Cel","e":[{"n":"temp","u":"Cel","v":21.5,"t":0.89},{"n":"mode","sv":"eco"},{"n":"on","bv":true}]}`,
		[]Point{num(1461234567890, "temp", 21.5), text(1461234567000, "mode", "eco"), num(1461234567000, "on", 1)}},
	{"SenML without times", ` {"e":[{"n":"temp","v":"21.5"}]}`, []Point{num(testNow, "temp", 21.5)}},
	{"SenML base name, time before now", `{"bn":"dev","e":[{"v":1,"t":-5}]}`, []Point{num(testNow-5000, "dev", 1)}},
	{"SenML with milliseconds", `{"bt":1461234567890,"e":[{"n":"a","v":1}]}`, []Point{num(1461234567890, "a", 1)}},
	{"SenML text is free", `{"e":[{"n":"a","sv":"x,y\nz"}]}`, []Point{text(testNow, "a", "x,y\nz")}},

	{"JSON point", `{"time":"2016-04-21T10:29:27.890Z","category":"temp","numericValue":21.5,"stringValue":""}`,
		[]Point{full(1461234567890, "temp", 21.5, "")}},
	{"JSON point, time in ms, others null", `{"time":1461234567890,"category":null,"numericValue":"3","extra":{}}`,
		[]Point{{Time: 1461234567890, Numeric: 3, Has: HasNumeric}}},
	{"JSON values in their order", `{"temp":21.5,"mode":"eco","on":true,"off":false,"gone":null}`,
		[]Point{num(testNow, "temp", 21.5), text(testNow, "mode", "eco"), num(testNow, "on", 1), num(testNow, "off", 0)}},
	{"JSON number", "21.57\n", []Point{bare(21.57)}},
	{"negative JSON number", "-3", []Point{bare(-3)}},

	{"float", "\x00\x00\xac\x41", []Point{bare(21.5)}},
	{"float is the shortest decimal", "\xcd\xcc\xcc\x3d", []Point{bare(0.1)}},
	{"float of letters", "AAAA", []Point{bare(12.078431)}},
	{"float of a brace", "{BAA", []Point{bare(12.078731)}},
	{"four bytes of number", "21.5", []Point{bare(21.5)}},
	{"four bytes of CSV", ",,5,", []Point{full(testNow, "", 5, "")}},
	{"zero float", "\x00\x00\x00\x00", []Point{bare(0)}},
}

func TestParse(t *testing.T) {
	for _, c := range parseCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(nil, []byte(c.payload), testNow)
			if err != nil {
				t.Fatalf("Parse(%q): %v", c.payload, err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("Parse(%q)\n got %+v\nwant %+v", c.payload, got, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		offset, line  int
		reason        string
	}{
		{"empty", "", 0, 0, "empty"},
		{"blank", " \n", 0, 0, "empty"},
		{"word", "hello", 0, 0, "none of"},
		{"one bad line spoils all", "1,a,1,\n2,a,x1,", 11, 2, `numericValue "x1"`},
		{"timestamp", "yesterday,a,1,", 0, 1, `timestamp "yesterday"`},
		{"timestamp after 9999", "253402300800000,a,1,", 0, 1, "years 1 to 9999"},
		{"two columns", "1,2", 3, 1, "2 of the columns"},
		{"five columns", "1,a,2,x,y", 8, 1, "more than the four"},
		{"nothing in it", ",,,", 3, 1, "all empty"},
		{"hexadecimal", "1,a,0x10,", 4, 1, "not a decimal"},
		{"infinity", "1,a,inf,", 4, 1, "not a decimal"},
		{"overflow", "1,a,1e999,", 4, 1, "not a decimal"},
		{"underscore", "1,a,1_000,", 4, 1, "not a decimal"},
		{"long category", "1," + strings.Repeat("c", 1025) + ",1,", 2, 1, "1025 bytes"},
		{"long text", "1,c,1," + strings.Repeat("s", 1025), 6, 1, "1025 bytes"},
		{"not UTF-8", "1,a,2,\xff\xfe", 6, 1, "UTF-8"},
		{"float NaN", "\x00\x00\xc0\x7f", 0, 0, "finite"},
		{"float infinity", "\x00\x00\x80\x7f", 0, 0, "finite"},
		{"JSON cut", `{"e":[`, 6, 0, "not JSON"},
		{"JSON and more", `{"a":1} x`, 7, 0, "follows"},
		{"JSON without values", `{}`, 0, 0, "no values"},
		{"JSON nested", `{"a":1,"b":{"c":2}}`, 11, 0, `"b" is neither`},
		{"JSON point without value", `{"category":"temp","value":21}`, 0, 0, "neither numericValue nor stringValue"},
		{"JSON point, bad time", `{"time":"noon","category":"temp","numericValue":1}`, 0, 0, `time "noon"`},
		{"JSON not UTF-8", "{\"a\":\"\xff\"}", 0, 0, "UTF-8"},
		{"SenML empty", `{"e":[]}`, 7, 0, "no entries"},
		{"SenML wrong type", `{"e":5}`, 5, 0, `SenML member "e"`},
		{"SenML without value", `{"e":[{"n":"a","v":1},{"n":"b"}]}`, 32, 0, "entry 1: it has none"},
		{"SenML time", `{"bt":-1e15,"e":[{"n":"a","v":1}]}`, 33, 0, "years 1 to 9999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := []Point{bare(1)}
			got, err := Parse(before, []byte(c.payload), testNow)
			var m *MalformedError
			if !errors.As(err, &m) {
				t.Fatalf("Parse(%q) = %+v, %v; want a MalformedError", c.payload, got, err)
			}
			if m.Offset != c.offset || m.Line != c.line || !strings.Contains(m.Reason, c.reason) {
				t.Errorf("Parse(%q)\n got %v\nwant byte %d, line %d, %q", c.payload, m, c.offset, c.line, c.reason)
			}
			if !slices.Equal(got, before) {
				t.Errorf("Parse(%q) left %+v behind", c.payload, got)
			}
		})
	}
}

// formatCSV writes points as CSV; ok is false for those that CSV has no form for.
func formatCSV(points []Point) (csv string, ok bool) {
	var b strings.Builder
	quote := func(s string) string {
		if strings.ContainsAny(s, ",\"") || trim(s) != s {
			return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
		return s
	}
	for _, p := range points {
		if strings.ContainsAny(p.Category+p.String, "\r\n") || p.Has&HasCategory == 0 ||
			p.Category == "" && p.String == "" && p.Has&HasNumeric == 0 {
			return "", false
		}
		fmt.Fprintf(&b, "%d,%s,", p.Time, quote(p.Category))
		if p.Has&HasNumeric != 0 {
			b.WriteString(strconv.FormatFloat(p.Numeric, 'g', -1, 64))
		}
		if p.Has&HasString != 0 {
			b.WriteString("," + quote(p.String))
		}
		b.WriteString("\n")
	}
	return b.String(), true
}

func FuzzParse(f *testing.F) {
	for _, c := range parseCases {
		f.Add([]byte(c.payload))
	}
	f.Add([]byte("1,a,2,x,y"))
	f.Add([]byte(`{"e":[{"n":"a","v":1},{"n":"b"}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		points, err := Parse(nil, payload, testNow)
		if err != nil {
			var m *MalformedError
			if !errors.As(err, &m) || m.Offset < 0 || m.Offset > len(payload) {
				t.Fatalf("Parse(%q): %v with a wrong offset", payload, err)
			}
			return
		}
		if len(points) == 0 {
			t.Fatalf("Parse(%q): no points and no error", payload)
		}
		for _, p := range points {
			if p.Time < MinTime || p.Time > MaxTime || math.IsNaN(p.Numeric) || math.IsInf(p.Numeric, 0) ||
				len(p.Category) > MaxText || len(p.String) > MaxText {
				t.Fatalf("Parse(%q): %+v is over a limit", payload, p)
			}
		}
		csv, ok := formatCSV(points)
		if !ok || len(csv) == 4 {
			return
		}
		again, err := Parse(nil, []byte(csv), testNow)
		if err != nil || !slices.Equal(again, points) {
			t.Fatalf("Parse(%q) = %+v\nas CSV %q\nis %+v, %v", payload, points, csv, again, err)
		}
	})
}

func TestParseNumberIsExact(t *testing.T) {
	for _, s := range []string{"0.1", "21.5", "-0.003", "123456.789", "999999999999999", "0.000000000000001", "1.7976931348623157e308",
		"9007199254740993", "0.1234567890123456789", "5e-324", "100000000000000.5"} {
		got, ok := parseNumber(s)
		want, err := strconv.ParseFloat(s, 64)
		if !ok || err != nil || got != want {
			t.Errorf("parseNumber(%q) = %v, %v; want %v", s, got, ok, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, payload string }{
		{"csv", "1461234567890,temp,21.5,"},
		{"csv100", strings.Repeat("1461234567890,temp,21.5,\n", 100)},
		{"number", "21.5"},
		{"senml", `{"e":[{"n":"temp","v":21.5}]}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var points []Point
			n := 0
			for b.Loop() {
				points, _ = Parse(points[:0], []byte(c.payload), testNow)
				n += len(points)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/point")
		})
	}
}
