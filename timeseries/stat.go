package timeseries

import "math"

// stat is what aggregation knows of a run of points of one category. The zero value is of no points.
type stat struct {
	points  int64 // all of them
	numbers int64 // those with a number, of which the rest speaks

	min, max            float64
	sum, lost           float64 // the sum and what rounding has taken from it (Neumaier)
	first, last         float64
	firstTime, lastTime int64
	area                float64 // each number times the milliseconds until the next one, from the first to the last
}

// add counts a number behind all others. Counting points is the caller's.
func (s *stat) add(t int64, v float64) {
	if s.numbers == 0 {
		s.min, s.max, s.first, s.firstTime = v, v, v, t
	} else {
		s.area += s.last * float64(t-s.lastTime)
	}
	s.numbers++
	s.min, s.max = min(s.min, v), max(s.max, v)
	s.plus(v)
	s.last, s.lastTime = v, t
}

func (s *stat) plus(v float64) {
	sum := s.sum + v
	if math.Abs(s.sum) >= math.Abs(v) {
		s.lost += (s.sum - sum) + v
	} else {
		s.lost += (v - sum) + s.sum
	}
	s.sum = sum
}

// total returns the sum of the numbers.
func (s *stat) total() float64 {
	if t := s.sum + s.lost; !math.IsNaN(t) {
		return t
	}
	return s.sum // beyond what a float64 holds
}

// merge adds a run that comes behind s.
func (s *stat) merge(o *stat) {
	s.points += o.points
	if o.numbers == 0 {
		return
	}
	if s.numbers == 0 {
		points := s.points
		*s = *o
		s.points = points
		return
	}
	s.area += s.last*float64(o.firstTime-s.lastTime) + o.area
	s.numbers += o.numbers
	s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	s.plus(o.sum)
	s.lost += o.lost
	s.last, s.lastTime = o.last, o.lastTime
}
