package logging

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func believableLines(n int) []*line {
	gen := newBelievable(3, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 250*time.Millisecond)
	var lines []*line
	for i := range n {
		at, d, payload := gen.next(nil)
		e := parsePayload(payload)
		e.AccountID, e.SourceID, e.SourceType, e.DeviceTemplateID, e.OrganizationID = account, d.id, "deviceId", d.template, d.organization
		if i%50 == 0 {
			e.SourceID, e.own = fmt.Sprint("no uuid ", i%3), true
		}
		e.normalize(at)
		l := lineOf(&e)
		l.seq = uint64(i + 1)
		lines = append(lines, l)
	}
	return lines
}

func open(t testing.TB, p *packed) *chunk {
	t.Helper()
	k, err := newChunk(account, p.header, p.part)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestChunk: what is packed comes back, at the sizes where blocks and chunks end.
func TestChunk(t *testing.T) {
	for _, n := range []int{1, 2, blockRows - 1, blockRows, blockRows + 1, 3 * blockRows, chunkRows} {
		lines := believableLines(n)
		k := open(t, pack(append([]*line{}, lines...)))
		for row, want := range lines {
			if got := k.line(row, allBits); !reflect.DeepEqual(got, want) {
				t.Fatalf("%d rows, row %d\n got %+v\nwant %+v", n, row, got, want)
			}
		}
		if k.err != nil || k.count != n {
			t.Errorf("%d rows, %v; want %d", k.count, k.err, n)
		}
	}
}

// TestChunkOfStrangers: a chunk in which nothing repeats is as good.
func TestChunkOfStrangers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]rune, r.IntN(12))
		for i := range b {
			b[i] = []rune("ab1 9:äÉ\n\"{�𝔸٣")[r.IntN(14)]
		}
		return string(b)
	}
	var lines []*line
	for i := range chunkRows {
		l := &line{position: position{int64(1 + r.IntN(1000)), uint64(i + 1)}, account: account, origin: origin{text(), text(), text(), fmt.Sprint(i)},
			severity: byte(r.IntN(9)), code: text(), text: [texts]string{text() + fmt.Sprint("x", i), text(), ""}, sourceTime: int64(r.IntN(1e9) + 1)}
		if r.IntN(2) == 0 {
			l.tags = []string{text(), text()}
		}
		lines = append(lines, l)
	}
	p := pack(append([]*line{}, lines...))
	k := open(t, p)
	bySeq := map[uint64]*line{}
	for _, l := range lines {
		bySeq[l.seq] = l
	}
	for row := range k.count {
		if got := k.line(row, allBits); !reflect.DeepEqual(got, bySeq[got.seq]) {
			t.Fatalf("got %+v\nwant %+v", got, bySeq[got.seq])
		}
	}
}

// FuzzPattern: filling a pattern gives the text back, and words are where words says.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"", "Fan overheated: 150 F", "10.0.0.7", "ÄÖ9 ٣٤", "a\x00b1", "K2 İ1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		pattern, vars := appendPattern(nil, s, nil)
		if got := fillPattern(string(pattern), func(k int) []byte { return []byte(vars[k]) }); got != s {
			t.Fatalf("%q comes back as %q", s, got)
		}
		if n := bytes.Count(pattern, []byte{placeholder}); n != len(vars) {
			t.Fatalf("%q: %d placeholders, %d variables", s, n, len(vars))
		}
		variables := 0
		for _, w := range words(s) {
			if isVariable(w) {
				variables++
			}
			low, _ := lowered([]byte(w), nil)
			if string(low) != strings.ToLower(w) {
				t.Fatalf("%q in lower case is %q", w, low)
			}
		}
		if variables != len(vars) {
			t.Fatalf("%q: %d variables, %d of its words are", s, len(vars), variables)
		}
	})
}

// FuzzChunk: whatever stands in the store, reading it ends in rows or in an error.
func FuzzChunk(f *testing.F) {
	good := pack(believableLines(100))
	f.Add(good.header, good.filters, good.origin[3], good.rare, good.shapes, good.times[0], good.columns[0])
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, []byte{}, []byte{}, []byte{})
	where := planned(every{hasWords{anywhere, literals([]string{"fan", "3"})}, equals{"severity", []string{Error}}, equals{"sourceId", []string{device}},
		equals{"organizationId", []string{organization}}, within{member: "sourceTimestamp", max: 5}})
	f.Fuzz(func(t *testing.T, header, filters, origin, rare, shapes, times, column []byte) {
		p := &packed{header: header, filters: filters, rare: rare, shapes: shapes}
		for range chunkRows / blockRows {
			p.times, p.columns = append(p.times, times), append(p.columns, column)
		}
		for range originNumbers {
			p.origin = append(p.origin, origin)
		}
		k, err := newChunk(account, p.header, p.part)
		if err != nil {
			return
		}
		for _, c := range []condition{where, not{where}, some(where)} {
			rows, _ := c.rows(k, k.all())
			if rows.count() > k.count {
				t.Fatal("more rows than there are")
			}
		}
		for row := 0; row < k.count; row += 1 + k.count/10 {
			_ = k.line(row, allBits)
		}
	})
}

// FuzzRecord: a journal record is read or refused, and what is read is written the same.
func FuzzRecord(f *testing.F) {
	for _, l := range believableLines(5) {
		f.Add(l.appendRecord(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseRecord(data)
		if err != nil {
			return
		}
		again, err := parseRecord(l.appendRecord(nil))
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%+v comes back as %+v, %v", l, again, err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	lines := believableLines(chunkRows)
	b.ResetTimer()
	for b.Loop() {
		pack(append([]*line{}, lines...))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunkRows, "ns/entry")
}

func BenchmarkParsePayload(b *testing.B) {
	payload := []byte(`{"sourceId":"` + device + `","sourceType":"deviceId","accountId":"` + account + `","message":"Fan overheated","code":400,"details":"over 150 F","severity":"error","tags":["malfunction"],"sourceTimestamp":"1461234567890"}`)
	for b.Loop() {
		parsePayload(payload)
	}
}
