package logging

import (
	"slices"
	"time"

	"xively/internal/fault"
)

const maxBuckets = 2000

// Bucket is one bar of a histogram: the entries of [Time, Time + Query.Every).
type Bucket struct {
	Time       int64          `json:"time"` // ms
	Count      int            `json:"count"`
	Severities map[string]int `json:"severities"` // only those that occur
}

// histogram counts entries by time and severity. A nil one does nothing.
type histogram struct {
	member string
	every  int64
	bars   map[int64]*[len(severityNames)]int
	last   *[len(severityNames)]int // the bar of lastAt
	lastAt int64
}

func newHistogram(q Query) *histogram {
	if q.Every <= 0 {
		return nil
	}
	return &histogram{member: q.EveryOf, every: q.Every.Milliseconds(), bars: map[int64]*[len(severityNames)]int{}}
}

func (h *histogram) bar(ms int64) *[len(severityNames)]int {
	at := ms - ms%h.every
	if h.last == nil || at != h.lastAt {
		if h.bars[at] == nil {
			h.bars[at] = &[len(severityNames)]int{}
		}
		h.last, h.lastAt = h.bars[at], at
	}
	return h.last
}

func (h *histogram) line(l *line) {
	if h == nil {
		return
	}
	ms := l.time
	if h.member == "sourceTimestamp" {
		ms = l.sourceTime
	}
	h.bar(ms)[l.severity]++
}

// chunk adds rows of a chunk. A chunk that lies in one bar is counted by its header, a block in one bar without its times.
func (h *histogram) chunk(k *chunk, rows rowSet) {
	if h == nil {
		return
	}
	if s := k.times(h.member); s.min/h.every == s.max/h.every && rows.count() == k.count {
		bar := h.bar(s.min)
		for i, n := range k.severities {
			bar[i] += n
		}
		return
	}
	list, column := k.shapes().list, k.shapeOf()
	if len(list) == 0 {
		return
	}
	for i := range k.blocks {
		s := k.blocks[i].times(h.member)
		one := s.min/h.every == s.max/h.every
		for row := range rows.each(i*blockRows, min((i+1)*blockRows, k.count)) {
			ms := s.min
			if b := k.open[i]; !one {
				if b == nil {
					b = k.block(i)
				}
				if ms = b.times[row%blockRows]; h.member == "sourceTimestamp" {
					ms = b.from[row%blockRows]
				}
			}
			h.bar(ms)[list[column[row]].severity]++
		}
	}
}

// buckets returns the bars in order of time; those in which nothing is are left out.
func (h *histogram) buckets() []Bucket {
	if h == nil {
		return nil
	}
	all := []Bucket{}
	for at, bar := range h.bars {
		b := Bucket{Time: at, Severities: map[string]int{}}
		for i, n := range bar {
			if n > 0 {
				b.Count += n
				b.Severities[severityNames[i]] = n
			}
		}
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b Bucket) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	return all
}

// steps are bar widths that people can read off.
var steps = []time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour,
}

// step returns the width with which [from, to) has about sixty bars.
func step(from, to time.Time) time.Duration {
	for _, s := range steps {
		if to.Sub(from)/s <= 60 {
			return s
		}
	}
	return steps[len(steps)-1]
}

// checkBars refuses a histogram with too many bars.
func checkBars(from, to time.Time, every time.Duration) error {
	if every < time.Second || to.Sub(from)/every > maxBuckets {
		return fault.Field("interval", "This must be 1s or more, and give at most %d bars between from and to.", maxBuckets)
	}
	return nil
}
