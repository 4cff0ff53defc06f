package timeseries

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// FuzzBulk posts any body in each of the forms: nothing panics, nothing is a server's error, and what the answer says was
// stored is there.
func FuzzBulk(f *testing.F) {
	for _, body := range []string{
		"1442230200000,temp,70.5,\n,hum,,eco\n", "time,category,numericValue,stringValue\n2015-09-14T11:30:00Z,a,1,\"x,\"\"y\"\n",
		`{"time":1442230200000,"category":"temp","numericValue":1}` + "\n" + `{"e":[{"n":"a","v":1}],"bt":1442230200}`,
		"temp,device=a value=1,b=2i,c=\"x\",d=t 1442230200000000000\n# no\nm v=1e3", "\xef\xbb\xbf1,a,1,\r\n\r\n\x00", "{", "\"", "a b=",
	} {
		for form := range byte(3) {
			f.Add(form, []byte(body))
		}
	}
	w := newWorld(f, f.TempDir())
	e := newAPI(f, w)
	n := 0
	f.Fuzz(func(t *testing.T, form byte, body []byte) {
		n++
		topic := "fuzz/" + strconv.Itoa(n)
		format := []string{"csv", "ndjson", "influx"}[form%3]
		r := httptest.NewRequest(http.MethodPost, "/api/v4/data/"+topic+"?format="+format, bytes.NewReader(body))
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, r)
		var answer ingestAnswer
		switch rec.Code {
		case http.StatusOK:
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
		case http.StatusBadRequest, http.StatusUnprocessableEntity:
		default:
			t.Fatalf("%s %q: %d %s", format, body, rec.Code, rec.Body)
		}
		q := everything()
		q.Topic = topic
		if got := w.all(t, q); len(got) != answer.Stored {
			t.Fatalf("%s %q: %d points are there, %d were stored", format, body, len(got), answer.Stored)
		}
		if lines := strings.Count(string(body), "\n") + 1; answer.Failed > lines {
			t.Fatalf("%s %q: %d lines of %d failed", format, body, answer.Failed, lines)
		}
		if err := w.DeleteAll(account, topic); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzNumbers: numbers come back with their very bits, whatever they are, and no bytes that are none panic.
func FuzzNumbers(f *testing.F) {
	for _, numbers := range [][]float64{{1.5, 2.25, -3}, {0, math.Copysign(0, -1)}, {1e300, 5e-324}, {21.1, 21.2, 21.3}, {1 << 53, 1<<53 + 2}} {
		var b []byte
		for _, v := range numbers {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var numbers []float64
		for rest := b; len(rest) >= 8 && len(numbers) < chunkPoints; rest = rest[8:] {
			numbers = append(numbers, math.Float64frombits(binary.LittleEndian.Uint64(rest)))
		}
		if len(numbers) > 0 {
			packed, ints := appendNumbers(nil, numbers, nil)
			back := make([]float64, len(numbers))
			r := reader{buf: packed}
			r.numbers(back, grow(ints, len(back)))
			for i, v := range numbers {
				if r.bad || len(r.buf) > 0 || math.Float64bits(back[i]) != math.Float64bits(v) {
					t.Fatalf("%v came back as %v", v, back[i])
				}
			}
		}
		if len(b) > 0 {
			r := reader{buf: b}
			some := make([]float64, 1+int(b[0]))
			r.numbers(some, make([]int64, len(some)))
		}
	})
}

// FuzzAnswerNumber: a number of an answer is what encoding/json would write.
func FuzzAnswerNumber(f *testing.F) {
	for _, v := range []float64{0, -0.5, 21.5, 0.001, 1e-7, 123456.789, 1e21, 999999999999.9, -1e12, 0.1 + 0.2, math.Copysign(0, -1)} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		got := string(appendNumber(nil, v))
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var a, b float64
		if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal(want, &b) != nil || a != v || b != v {
			t.Fatalf("%v is written %s, by encoding/json %s", v, got, want)
		}
		if math.Abs(v) >= 1e-6 && math.Abs(v) < 1e21 && got != string(want) {
			t.Fatalf("%v is written %s, by encoding/json %s", v, got, want)
		}
	})
}
