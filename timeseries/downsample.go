package timeseries

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"

	"xively/internal/fault"
)

// Limits of down-sampling.
const (
	MaxSamples    = 10_000    // in an answer, of each category
	maxDownsample = 1_500_000 // numbers looked at
)

// sample is a number at a time.
type sample struct {
	time  int64
	value float64
}

// sampled is a category's numbers.
type sampled struct {
	has     bool
	name    string
	samples []sample
}

// samplesPool keeps the memory of samples for the next query: a chart of a week is a megabyte of them.
var samplesPool = sync.Pool{New: func() any { return new([]sample) }}

const pooledSamples = 1 << 18

// A sampler gathers the numbers of a range by their category.
type sampler struct {
	only  *string // a category, or nil for all
	all   []*sampled
	total int // points seen
}

// Downsample returns q.Points points of each category that look like all of them in a chart: numbers only, in order of
// time, the first and the last one always. Errors: fault Unprocessable over the limit; Unavailable when ctx ends first.
func (s *Service) Downsample(ctx context.Context, q Query) ([]Point, error) {
	sm := sampler{only: q.Category}
	defer sm.release()
	err := s.engine.view(q.Account, q.Topic, func(c contents) error {
		sp := span{from: position{time: q.From}, to: position{time: q.To + 1}, category: q.Category, readings: sm.addReadings}
		return c.walk(ctx, sp, sm.add)
	})
	if err != nil {
		return nil, readError(ctx, err)
	}
	if sm.total > maxDownsample {
		return nil, fault.New(fault.Unprocessable, "The range has more than %d points; ask for a shorter range, or for intervals and aggregates.", maxDownsample)
	}
	var points []Point
	for _, c := range sm.all {
		points = slices.Grow(points, min(len(c.samples), q.Points))
		for _, x := range lttb(c.samples, q.Points) {
			p := Point{Time: x.time, Numeric: x.value, Has: HasNumeric}
			if c.has {
				p.Category, p.Has = c.name, p.Has|HasCategory
			}
			points = append(points, p)
		}
	}
	if len(sm.all) > 1 {
		slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.Time, b.Time) })
	}
	return points, nil
}

func (sm *sampler) add(entries []entry) bool {
	var c *sampled
	for i := range entries {
		e := &entries[i]
		if e.Has&HasNumeric == 0 {
			continue
		}
		if has := e.Has&HasCategory != 0; c == nil || c.has != has || c.name != e.Category {
			c = sm.of(has, e.Category)
		}
		c.samples = append(c.samples, sample{e.Time, e.Numeric})
	}
	sm.total += len(entries)
	return sm.total <= maxDownsample
}

func (sm *sampler) addReadings(categories []chunkCategory, points []reading) bool {
	to := make([]*sampled, len(categories))
	for i := range categories {
		c := &categories[i]
		if c.numbers > 0 && (sm.only == nil || c.has && c.name == *sm.only) {
			to[i] = sm.of(c.has, c.name)
			to[i].samples = slices.Grow(to[i].samples, c.numbers)
		}
	}
	for i := range points {
		p := &points[i]
		if c := to[p.category]; c != nil && p.has&HasNumeric != 0 {
			c.samples = append(c.samples, sample{p.time, p.value})
		}
	}
	sm.total += len(points)
	return sm.total <= maxDownsample
}

func (sm *sampler) of(has bool, name string) *sampled {
	for _, c := range sm.all {
		if c.has == has && c.name == name {
			return c
		}
	}
	memory := samplesPool.Get().(*[]sample)
	sm.all = append(sm.all, &sampled{has: has, name: name, samples: (*memory)[:0]})
	return sm.all[len(sm.all)-1]
}

func (sm *sampler) release() {
	for _, c := range sm.all {
		if cap(c.samples) <= pooledSamples {
			samplesPool.Put(&c.samples)
		}
	}
}

// lttb is Largest-Triangle-Three-Buckets (Steinarsson 2013): the samples between the first and the last are divided into
// n-2 buckets, and of each the one is kept that makes the largest triangle with the one kept before and the mean of the
// next bucket. n must be at least 3.
func lttb(samples []sample, n int) []sample {
	if len(samples) <= n {
		return samples
	}
	kept := make([]sample, 0, n)
	kept = append(kept, samples[0])
	inner := len(samples) - 2
	bound := func(i int) int { return 1 + i*inner/(n-2) }
	for i := range n - 2 {
		bucket := samples[bound(i):bound(i+1)]
		next := samples[bound(i+1):min(bound(i+2), len(samples))]
		if i == n-3 {
			next = samples[len(samples)-1:]
		}
		kept = append(kept, largest(kept[len(kept)-1], bucket, next))
	}
	return append(kept, samples[len(samples)-1])
}

func largest(last sample, bucket, next []sample) sample {
	var t, v float64 // the mean of next, from last
	for _, x := range next {
		t += float64(x.time - last.time)
		v += x.value - last.value
	}
	t /= float64(len(next))
	v /= float64(len(next))
	best, most := bucket[0], -1.0
	for _, x := range bucket {
		if area := math.Abs(float64(x.time-last.time)*v - t*(x.value-last.value)); area > most {
			best, most = x, area
		}
	}
	return best
}
