package timeseries

import (
	"strconv"
	"strings"
	"time"

	"xively/internal/fault"
)

// interval is how long a bucket of an aggregation is: a fixed time counted from 1970, or days, weeks (from Monday),
// months or years of a time zone's calendar. The zero value is of no aggregation.
type interval struct {
	fixed                      int64 // milliseconds; 0 when one of the next is set
	days, weeks, months, years int
	zone                       *time.Location
}

// parseInterval reads a number and a unit: 10s, 5m, 1h, 1d, 1w, 1mo, 1y. A day in UTC is a fixed time.
func parseInterval(s string, zone *time.Location) (interval, error) {
	refuse := fault.Field("interval", "This must be a whole number and one of s, m, h, d, w, mo, y, such as 5m or 1d.")
	digits := strings.TrimRight(s, "smhdwoy")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 100_000 {
		return interval{}, refuse
	}
	iv := interval{zone: zone}
	switch s[len(digits):] {
	case "s":
		iv.fixed = int64(n) * 1000
	case "m":
		iv.fixed = int64(n) * minuteMs
	case "h":
		iv.fixed = int64(n) * hourMs
	case "d":
		iv.days = n
	case "w":
		iv.weeks = n
	case "mo":
		iv.months = n
	case "y":
		iv.years = n
	default:
		return interval{}, refuse
	}
	return iv, nil
}

// bucket returns the begin of the bucket that t lies in, and of the next one.
func (iv interval) bucket(t int64) (start, next int64) {
	if iv.fixed > 0 {
		start = floorTo(t, iv.fixed)
		return start, start + iv.fixed
	}
	at := time.UnixMilli(t).In(iv.zone)
	y, m, d := at.Date()
	date := func(y int, m time.Month, d int) int64 { return time.Date(y, m, d, 0, 0, 0, 0, iv.zone).UnixMilli() }
	switch {
	case iv.days > 0, iv.weeks > 0:
		step, shift := iv.days, int64(0)
		if iv.weeks > 0 {
			step, shift = 7*iv.weeks, 3 // 1970-01-01 was a Thursday
		}
		day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
		back := int((day+shift)%int64(step)+int64(step)) % step
		return date(y, m, d-back), date(y, m, d-back+step)
	case iv.months > 0:
		months := y*12 + int(m) - 1
		months -= ((months % iv.months) + iv.months) % iv.months
		return date(0, time.Month(months+1), 1), date(0, time.Month(months+iv.months+1), 1)
	default:
		y -= ((y % iv.years) + iv.years) % iv.years
		return date(y, 1, 1), date(y+iv.years, 1, 1)
	}
}

// least is about how long a bucket is, to tell how many a range has.
func (iv interval) least() int64 {
	if iv.fixed > 0 {
		return iv.fixed
	}
	return int64(iv.days+7*iv.weeks+28*iv.months+365*iv.years) * (dayMs - hourMs)
}

// holds reports whether all of [from, to) lies in one bucket.
func (iv interval) holds(from, to int64) bool {
	_, next := iv.bucket(from)
	return to <= next
}
