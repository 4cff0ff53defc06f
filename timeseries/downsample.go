package timeseries

import (
	"context"
	"math"
	"slices"

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

// Downsample returns q.Points points of each category that look like all of them in a chart: numbers only, in order of
// time, the first and the last one always. Errors: fault Unprocessable over the limit; Unavailable when ctx ends first.
func (s *Service) Downsample(ctx context.Context, q Query) ([]Point, error) {
	var all []*sampled
	total := 0
	err := s.engine.view(q.Account, q.Topic, func(c contents) error {
		sp := span{from: position{time: q.From}, to: position{time: q.To + 1}, category: q.Category, light: true}
		return c.walk(ctx, sp, func(entries []entry) bool {
			all = collect(all, entries)
			total += len(entries)
			return total <= maxDownsample
		})
	})
	if err != nil {
		return nil, readError(ctx, err)
	}
	if total > maxDownsample {
		return nil, fault.New(fault.Unprocessable, "The range has more than %d points; ask for a shorter range, or for intervals and aggregates.", maxDownsample)
	}
	var points []Point
	for _, c := range all {
		for _, x := range lttb(c.samples, q.Points) {
			p := Point{Time: x.time, Numeric: x.value, Has: HasNumeric}
			if c.has {
				p.Category, p.Has = c.name, p.Has|HasCategory
			}
			points = append(points, p)
		}
	}
	if len(all) > 1 {
		slices.SortStableFunc(points, func(a, b Point) int { return int(max(-1, min(1, a.Time-b.Time))) })
	}
	return points, nil
}

func collect(all []*sampled, entries []entry) []*sampled {
	var c *sampled
	for i := range entries {
		e := &entries[i]
		if e.Has&HasNumeric == 0 {
			continue
		}
		has := e.Has&HasCategory != 0
		if c == nil || c.has != has || c.name != e.Category {
			k := slices.IndexFunc(all, func(x *sampled) bool { return x.has == has && x.name == e.Category })
			if k < 0 {
				k = len(all)
				all = append(all, &sampled{has: has, name: e.Category})
			}
			c = all[k]
		}
		if len(c.samples) == cap(c.samples) {
			c.samples = slices.Grow(c.samples, 3*len(c.samples)+len(entries)-i)
		}
		c.samples = append(c.samples, sample{e.Time, e.Numeric})
	}
	return all
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
