package timeseries

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"sync"
	"time"
)

// jsonBuffer builds an answer by appending: answers have thousands of small objects.
type jsonBuffer struct {
	buf      []byte
	omitNull bool
	epoch    bool // times as milliseconds

	category, quoted string // the last one, as JSON

	day  int64  // the begin of the last time's day
	date []byte // that day, with its T
}

// answers keeps the memory of answers for the next ones: one can have megabytes.
var answers = sync.Pool{New: func() any { return &jsonBuffer{buf: make([]byte, 0, 16<<10)} }}

// newAnswer returns a buffer for an answer that looks as v says, to be given back by release.
func newAnswer(v view) *jsonBuffer {
	j := answers.Get().(*jsonBuffer)
	j.omitNull, j.epoch = v.omitNull, v.epoch
	return j
}

func (j *jsonBuffer) release() {
	if cap(j.buf) <= 4<<20 {
		j.buf, j.category, j.quoted = j.buf[:0], "", ""
		answers.Put(j)
	}
}

// appendNumber appends v as encoding/json does.
func appendNumber(buf []byte, v float64) []byte {
	for decimals := range 4 { // what sensors send, in a fraction of strconv's time
		if i, ok := scaled(v, decimals); ok && math.Abs(v) < 1e12 {
			return appendDecimal(buf, i, decimals)
		}
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(buf, "null"...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(buf, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(buf, v, 'f', -1, 64)
}

// appendDecimal appends i divided by 10^decimals.
func appendDecimal(buf []byte, i int64, decimals int) []byte {
	if i < 0 {
		buf, i = append(buf, '-'), -i
	}
	power := int64(exactPowers[decimals])
	buf = strconv.AppendInt(buf, i/power, 10)
	if decimals == 0 {
		return buf
	}
	buf = append(buf, '.')
	for power /= 10; power > 0; power /= 10 {
		buf = append(buf, '0'+byte(i/power%10))
	}
	return buf
}

func appendString(buf []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // never: s is a string
		quoted = []byte(`""`)
	}
	return append(buf, quoted...)
}

// formatTime writes whole seconds: a client in the field drops dates with milliseconds.
func formatTime(ms int64) string { return string(appendTime(nil, ms)) }

func appendTime(buf []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(buf, "2006-01-02T15:04:05Z")
}

// time appends what formatTime returns; the date is worked out once for a day.
func (j *jsonBuffer) time(ms int64) {
	if j.epoch {
		j.buf = strconv.AppendInt(j.buf, ms, 10)
		return
	}
	begin := floorTo(ms, dayMs)
	if j.date == nil || j.day != begin {
		j.day, j.date = begin, time.UnixMilli(ms).UTC().AppendFormat(j.date[:0], "2006-01-02T")
	}
	s := int(ms-begin) / 1000
	buf := append(append(j.buf, '"'), j.date...)
	j.buf = append(buf, digit(s/36000), digit(s/3600), ':', digit(s/600%6), digit(s/60), ':', digit(s/10%6), digit(s), 'Z', '"')
}

func digit(n int) byte { return '0' + byte(n%10) }

// name appends a member's name, with a comma before it if it is not the first.
func (j *jsonBuffer) name(name string) {
	buf := j.buf
	if c := buf[len(buf)-1]; c != '{' && c != '[' {
		buf = append(buf, ',')
	}
	j.buf = append(append(append(buf, '"'), name...), '"', ':')
}

func (j *jsonBuffer) null(name string) {
	if !j.omitNull {
		j.name(name)
		j.buf = append(j.buf, "null"...)
	}
}

func (j *jsonBuffer) number(name string, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		j.null(name)
		return
	}
	j.name(name)
	j.buf = appendNumber(j.buf, v)
}

func (j *jsonBuffer) categoryMember(has bool, name string) {
	if !has {
		j.null("category")
		return
	}
	if j.quoted == "" || j.category != name {
		j.category, j.quoted = name, string(appendString(nil, name))
	}
	j.name("category")
	j.buf = append(j.buf, j.quoted...)
}

// point appends {"category":…,"numericValue":…,"stringValue":…,"time":…}.
func (j *jsonBuffer) point(p *Point) {
	j.buf = append(j.buf, '{')
	j.members(p)
	j.buf = append(j.buf, '}')
}

func (j *jsonBuffer) members(p *Point) {
	j.categoryMember(p.Has&HasCategory != 0, p.Category)
	if p.Has&HasNumeric != 0 {
		j.number("numericValue", p.Numeric)
	} else {
		j.null("numericValue")
	}
	if p.Has&HasString != 0 {
		j.name("stringValue")
		j.buf = appendString(j.buf, p.String)
	} else {
		j.null("stringValue")
	}
	j.name("time")
	j.time(p.Time)
}

// points appends the members meta and result.
func (j *jsonBuffer) points(points []Point, token string, spent time.Duration) {
	j.name("meta")
	m := meta{TimeSpent: spent.Milliseconds(), Count: len(points), PagingToken: token}
	if len(points) > 0 {
		m.Start, m.End = formatTime(points[0].Time), formatTime(points[len(points)-1].Time)
	}
	j.meta(m)
	j.name("result")
	j.buf = append(j.buf, '[')
	for i := range points {
		if i > 0 {
			j.buf = append(j.buf, ',')
		}
		j.point(&points[i])
	}
	j.buf = append(j.buf, ']')
}

func (j *jsonBuffer) meta(m meta) {
	text, err := json.Marshal(m)
	if err != nil { // never: m is plain
		text = []byte("{}")
	}
	j.buf = append(j.buf, text...)
}

// rows appends the members meta and result of an aggregation. numericValue repeats the first function asked for, where
// clients that know points only look.
func (j *jsonBuffer) rows(rows []Row, names []string, spent time.Duration) {
	j.name("meta")
	m := meta{TimeSpent: spent.Milliseconds(), Count: len(rows)}
	if len(rows) > 0 {
		m.Start, m.End = formatTime(rows[0].Time), formatTime(rows[len(rows)-1].Time)
	}
	j.meta(m)
	j.name("result")
	j.buf = append(j.buf, '[')
	members := make([]string, len(names))
	for k, name := range names {
		members[k] = `,"` + name + `":`
	}
	for i := range rows {
		if i > 0 {
			j.buf = append(j.buf, ',')
		}
		j.row(&rows[i], members)
	}
	j.buf = append(j.buf, ']')
}

// row appends {"category":…,"numericValue":…,"avg":…,"time":…}. members are the functions' names as they stand in JSON.
func (j *jsonBuffer) row(r *Row, members []string) {
	j.buf = append(j.buf, '{')
	j.categoryMember(r.HasCat, r.Category)
	j.number("numericValue", r.Values[0])
	buf := j.buf // a local variable: half of the time would go into j.buf's write barriers
	for k, member := range members {
		null := math.IsNaN(r.Values[k])
		if null && j.omitNull {
			continue
		}
		if buf[len(buf)-1] == '{' {
			member = member[1:]
		}
		buf = append(buf, member...)
		if k == 0 && !null {
			from := bytes.LastIndexByte(buf[:len(buf)-len(member)], ':') + 1 // as it stands under numericValue
			buf = append(buf, buf[from:len(buf)-len(member)]...)
			continue
		}
		buf = appendNumber(buf, r.Values[k])
	}
	j.buf = buf
	j.name("time")
	j.time(r.Time)
	j.buf = append(j.buf, '}')
}
