package timeseries

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// jsonBuffer builds an answer by appending: answers have thousands of small objects.
type jsonBuffer struct {
	buf      []byte
	omitNull bool
	epoch    bool // times as milliseconds

	category, quoted string // the last one, as JSON
}

// appendNumber appends v as encoding/json does.
func appendNumber(buf []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(buf, "null"...)
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(buf, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(buf, v, 'f', -1, 64)
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

func (j *jsonBuffer) time(ms int64) {
	if j.epoch {
		j.buf = strconv.AppendInt(j.buf, ms, 10)
		return
	}
	j.buf = append(j.buf, '"')
	j.buf = append(appendTime(j.buf, ms), '"')
}

// name appends a member's name, with a comma before it if it is not the first.
func (j *jsonBuffer) name(name string) {
	if c := j.buf[len(j.buf)-1]; c != '{' && c != '[' {
		j.buf = append(j.buf, ',')
	}
	j.buf = append(append(append(j.buf, '"'), name...), '"', ':')
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
	for i := range rows {
		if i > 0 {
			j.buf = append(j.buf, ',')
		}
		r := &rows[i]
		j.buf = append(j.buf, '{')
		j.categoryMember(r.HasCat, r.Category)
		j.number("numericValue", r.Values[0])
		for k, name := range names {
			j.number(name, r.Values[k])
		}
		j.name("time")
		j.time(r.Time)
		j.buf = append(j.buf, '}')
	}
	j.buf = append(j.buf, ']')
}
