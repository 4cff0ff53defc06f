package timeseries

import (
	"math"
	"slices"
	"strconv"

	"xively/internal/fault"
)

// Ways to fill buckets without points: null, the row before, a straight line between the rows around, or a number.
const (
	fillNull     = "null"
	fillPrevious = "previous"
	fillLinear   = "linear"
)

func checkFill(s string) error {
	switch s {
	case "", fillNull, fillPrevious, fillLinear:
		return nil
	}
	if v, ok := parseNumber(s); !ok || math.IsInf(v, 0) {
		return fault.Field("fill", "This must be null, previous, linear or a number.")
	}
	return nil
}

// fill returns a's rows with a row for each bucket of the range and each category, when the query asks for it. A side of
// the range that was not given ends with the data, and no range goes beyond now.
func (a *aggregator) fill() ([]Row, error) {
	if a.q.Fill == "" || len(a.rows) == 0 {
		return a.rows, nil
	}
	from, to := a.rows[0].Time, a.rows[len(a.rows)-1].Time
	if a.q.From > MinTime {
		from, _ = a.q.Interval.bucket(a.q.From)
	}
	if a.q.To < MaxTime {
		last, _ := a.q.Interval.bucket(min(a.q.To, a.q.now))
		to = max(to, last)
	}
	var filled []Row
	for _, rows := range byCategory(a.rows) {
		var err error
		if filled, err = a.fillCategory(filled, rows, from, to); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(filled, func(x, y Row) int {
		if x.Time != y.Time {
			return int(max(-1, min(1, x.Time-y.Time)))
		}
		return compareCategories(x.HasCat, x.Category, y.HasCat, y.Category)
	})
	return filled, nil
}

func byCategory(rows []Row) (groups [][]Row) {
	for _, r := range rows {
		i := slices.IndexFunc(groups, func(g []Row) bool { return g[0].HasCat == r.HasCat && g[0].Category == r.Category })
		if i < 0 {
			groups = append(groups, []Row{r})
		} else {
			groups[i] = append(groups[i], r)
		}
	}
	return groups
}

func (a *aggregator) fillCategory(filled, rows []Row, from, to int64) ([]Row, error) {
	var previous *Row
	for t := from; t <= to; {
		_, next := a.q.Interval.bucket(t)
		if len(filled) >= MaxRows {
			return nil, tooManyRows()
		}
		if len(rows) > 0 && rows[0].Time == t {
			previous, rows = &rows[0], rows[1:]
			filled = append(filled, *previous)
		} else {
			r := Row{Time: t, HasCat: a.rows[0].HasCat, Values: make([]float64, len(a.q.Aggregate))}
			if previous != nil {
				r.HasCat, r.Category = previous.HasCat, previous.Category
			} else if len(rows) > 0 {
				r.HasCat, r.Category = rows[0].HasCat, rows[0].Category
			}
			for i, name := range a.q.Aggregate {
				r.Values[i] = a.gap(i, name, t, previous, rows)
			}
			filled = append(filled, r)
		}
		t = next
	}
	return filled, nil
}

// gap returns the value of a bucket without points; a count is always known.
func (a *aggregator) gap(i int, name string, t int64, previous *Row, rest []Row) float64 {
	if name == "count" {
		return 0
	}
	switch a.q.Fill {
	case fillNull:
		return math.NaN()
	case fillPrevious:
		if previous == nil {
			return math.NaN()
		}
		return previous.Values[i]
	case fillLinear:
		if previous == nil || len(rest) == 0 {
			return math.NaN()
		}
		part := float64(t-previous.Time) / float64(rest[0].Time-previous.Time)
		return previous.Values[i] + part*(rest[0].Values[i]-previous.Values[i])
	}
	v, _ := strconv.ParseFloat(a.q.Fill, 64)
	return v
}
