package timeseries

import (
	"math"
	"time"
)

// Members says which of a Point's optional members are there; a member that is not is null in answers.
type Members uint8

const (
	HasCategory Members = 1 << iota
	HasNumeric
	HasString
)

// MaxText is the limit of a category and of a string value, in bytes.
const MaxText = 1024

// The times a point can have: what the answers' four-digit year can show. Milliseconds since 1970, UTC.
const (
	MinTime int64 = -62135596800000 // 0001-01-01T00:00:00.000Z
	MaxTime int64 = 253402300799999 // 9999-12-31T23:59:59.999Z
)

// Point is one value of a series at one moment. Several points of a series may share a time; they are kept in the order
// they arrived.
type Point struct {
	Time     int64 // milliseconds since 1970, UTC, within [MinTime, MaxTime]
	Category string
	Numeric  float64 // finite
	String   string
	Has      Members
}

// position is a point's place in its series: by time, then by arrival. No two points of a series share one.
type position struct {
	time int64
	seq  uint64 // counts arrivals over all series; see engine.seq
}

var (
	firstPosition = position{time: math.MinInt64}
	lastPosition  = position{time: math.MaxInt64, seq: math.MaxUint64}
)

func (a position) compare(b position) int {
	switch {
	case a.time < b.time, a.time == b.time && a.seq < b.seq:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// next returns the smallest position after a.
func (a position) next() position {
	if a.seq++; a.seq == 0 {
		a.time++
	}
	return a
}

// entry is a point in its place.
type entry struct {
	Point
	seq uint64
}

func (e entry) position() position { return position{e.Time, e.seq} }

func compareEntries(a, b entry) int { return a.position().compare(b.position()) }

// dateLayouts are the date forms of Xively's clients: with T or a blank, zone as Z, +00:00 or +0000, or none (UTC), and
// dots in the date. time.Parse takes a fraction after the seconds with each of them.
var dateLayouts = [...]string{
	time.RFC3339,
	"2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
	"2006.01.02 15:04:05",
}

// parseDate reads s in one of dateLayouts and returns milliseconds; ok is false when s has none of the forms or lies
// outside [MinTime, MaxTime].
func parseDate(s string) (ms int64, ok bool) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			ms = t.UnixMilli()
			return ms, ms >= MinTime && ms <= MaxTime
		}
	}
	return 0, false
}
