package timeseries

import (
	"math"
	"strconv"
	"strings"
)

// influxLine reads a line of InfluxDB's line protocol:
//
//	measurement[,tag=value…] field=value[,field=value…] [timestamp]
//
// Each field makes a point. Its category is the field's key, except that the field "value" has none. Where the path
// names no topic, the tag "topic" does, or else the tag "device" the device and the measurement its channel. Integers and
// booleans (1, 0) are numbers, strings are text. Comments are left out.
func influxLine(in *ingest, line string) error {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil
	}
	l := lineReader{s: line}
	measurement := l.word(", ")
	topic, device := "", ""
	for l.take(',') {
		key := l.word("=, ")
		if !l.take('=') {
			return malformed(l.at, "a tag without a value")
		}
		value := l.word(", ")
		switch key {
		case "topic":
			topic = value
		case "device":
			device = value
		}
	}
	if measurement == "" {
		return malformed(0, "no measurement")
	}
	if topic == "" && device != "" {
		topic = "xi/blue/v1/" + in.caller.AccountID + "/d/" + device + "/" + measurement
	}
	if !l.take(' ') {
		return malformed(l.at, "no fields")
	}
	l.blanks()
	var points []Point
	for more := true; more; more = l.take(',') {
		p, err := l.field(in.now)
		if err != nil {
			return err
		}
		points = append(points, p)
	}
	if err := l.timestamp(points, in.unit); err != nil {
		return err
	}
	if in.topic != "" {
		topic = ""
	}
	for _, p := range points {
		if err := in.put(topic, p); err != nil {
			return err
		}
	}
	return nil
}

// lineReader takes a line apart from left to right.
type lineReader struct {
	s  string
	at int
}

func (l *lineReader) take(c byte) bool {
	if l.at < len(l.s) && l.s[l.at] == c {
		l.at++
		return true
	}
	return false
}

func (l *lineReader) blanks() {
	for l.take(' ') {
	}
}

// word reads up to one of the characters in ends. A backslash before one of them, or before an equals sign, makes it an
// ordinary one.
func (l *lineReader) word(ends string) string {
	var b strings.Builder
	for l.at < len(l.s) {
		c := l.s[l.at]
		if c == '\\' && l.at+1 < len(l.s) && strings.IndexByte(", =", l.s[l.at+1]) >= 0 {
			b.WriteByte(l.s[l.at+1])
			l.at += 2
			continue
		}
		if strings.IndexByte(ends, c) >= 0 {
			break
		}
		b.WriteByte(c)
		l.at++
	}
	return b.String()
}

// field reads key=value.
func (l *lineReader) field(now int64) (Point, error) {
	p := Point{Time: now}
	start := l.at
	key := l.word("=, ")
	if key == "" || !l.take('=') {
		return p, malformed(start, "a field must be key=value")
	}
	if key != "value" {
		if len(key) > MaxText {
			return p, malformed(start, "the field's key has %d bytes; the limit is %d", len(key), MaxText)
		}
		p.Category, p.Has = key, HasCategory
	}
	start = l.at
	if l.take('"') {
		text, ok := l.quoted()
		if !ok {
			return p, malformed(start, "the text has no closing quote")
		}
		if len(text) > MaxText {
			return p, malformed(start, "the text has %d bytes; the limit is %d", len(text), MaxText)
		}
		p.String, p.Has = text, p.Has|HasString
		return p, nil
	}
	word := l.word(", ")
	v, ok := influxNumber(word)
	if !ok {
		return p, malformed(start, "the value %s is no number, boolean or quoted text", excerpt(word))
	}
	p.Numeric, p.Has = v, p.Has|HasNumeric
	return p, nil
}

func (l *lineReader) quoted() (string, bool) {
	var b strings.Builder
	for l.at < len(l.s) {
		c := l.s[l.at]
		l.at++
		switch {
		case c == '"':
			return b.String(), true
		case c == '\\' && l.at < len(l.s) && (l.s[l.at] == '"' || l.s[l.at] == '\\'):
			c = l.s[l.at]
			l.at++
		}
		b.WriteByte(c)
	}
	return "", false
}

func influxNumber(s string) (float64, bool) {
	switch s {
	case "t", "T", "true", "True", "TRUE":
		return 1, true
	case "f", "F", "false", "False", "FALSE":
		return 0, true
	}
	if s != "" && (s[len(s)-1] == 'i' || s[len(s)-1] == 'u') {
		v, err := strconv.ParseInt(s[:len(s)-1], 10, 64)
		return float64(v), err == nil
	}
	v, ok := parseNumber(s)
	return v, ok && !math.IsInf(v, 0)
}

// timestamp reads the rest of the line and gives it to the points; without one they keep the server's time.
func (l *lineReader) timestamp(points []Point, unit int64) error {
	rest := strings.TrimSpace(l.s[l.at:])
	if rest == "" {
		return nil
	}
	if !l.take(' ') {
		return malformed(l.at, "a blank and the timestamp must follow the fields")
	}
	v, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return malformed(l.at, "the timestamp %s is not a whole number", excerpt(rest))
	}
	ms := math.Floor(float64(v) * (float64(unit) / 1e6))
	if unit < 1e6 {
		ms = float64(floorTo(v, 1e6/unit) / (1e6 / unit))
	}
	if ms < float64(MinTime) || ms > float64(MaxTime) {
		return malformed(l.at, "the timestamp %s is outside the years 1 to 9999; check precision", excerpt(rest))
	}
	for i := range points {
		points[i].Time = int64(ms)
	}
	return nil
}
