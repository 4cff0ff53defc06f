package timeseries

import (
	"context"
	"encoding/binary"
	"math"
	"slices"

	"xively/internal/fault"
)

// Limits of an aggregation.
const (
	MaxRows   = 10_000    // in an answer, over all categories of a series
	maxValues = 2_000_000 // in memory for percentiles
)

// functions are what a bucket can be told by. Those that need more than a stat say so.
var functions = map[string]struct {
	of     func(b *bucket) float64 // NaN: there is no answer, null
	values bool                    // needs all numbers
	times  bool                    // needs the times of numbers, which a chunk's header does not tell
	area   bool                    // needs stat.area, which rows by the minute do not have
	before bool                    // needs the last number before the bucket
}{
	"count": {of: func(b *bucket) float64 { return float64(b.stat.points) }},
	"min":   {of: func(b *bucket) float64 { return b.stat.min }},
	"max":   {of: func(b *bucket) float64 { return b.stat.max }},
	"sum":   {of: func(b *bucket) float64 { return b.stat.total() }},
	"avg":   {of: func(b *bucket) float64 { return b.stat.total() / float64(b.stat.numbers) }},
	"first": {of: func(b *bucket) float64 { return b.stat.first }},
	"last":  {of: func(b *bucket) float64 { return b.stat.last }},
	"p50":   {of: func(b *bucket) float64 { return b.percentile(0.50) }, values: true},
	"p95":   {of: func(b *bucket) float64 { return b.percentile(0.95) }, values: true},
	"p99":   {of: func(b *bucket) float64 { return b.percentile(0.99) }, values: true},
	"twa":   {of: (*bucket).timeWeighted, times: true, area: true, before: true},
	"delta": {of: (*bucket).delta, before: true},
	"rate":  {of: (*bucket).rate, times: true, before: true},
}

// needs is what the functions of a query need together.
type needs struct{ values, times, area, before bool }

func needsOf(names []string) (n needs) {
	for _, name := range names {
		f := functions[name]
		n.values, n.times, n.area, n.before = n.values || f.values, n.times || f.times, n.area || f.area, n.before || f.before
	}
	return n
}

// Row is a bucket's answer for one category. Values are those of the functions asked for, in their order; NaN is null.
type Row struct {
	Time     int64 // the bucket's begin, milliseconds
	Category string
	HasCat   bool
	Values   []float64
}

// bucket is the present bucket of one category.
type bucket struct {
	has        bool
	name       string
	start, end int64 // what of the bucket lies in the range, [start, end)
	stat       stat
	values     []float64

	// The last number before the bucket.
	before     float64
	beforeTime int64
	hasBefore  bool
}

// percentile interpolates between the two nearest ranks.
func (b *bucket) percentile(p float64) float64 {
	if len(b.values) == 0 {
		return math.NaN()
	}
	slices.Sort(b.values) // sorted already for the next one
	at := p * float64(len(b.values)-1)
	low := int(at)
	high := min(low+1, len(b.values)-1)
	return b.values[low] + (at-float64(low))*(b.values[high]-b.values[low])
}

// timeWeighted is the mean of a number that holds until the next one comes.
func (b *bucket) timeWeighted() float64 {
	s := &b.stat
	from, area := s.firstTime, s.area
	if b.hasBefore {
		from = b.start
		area += b.before * float64(s.firstTime-b.start)
	}
	area += s.last * float64(b.end-s.lastTime)
	if b.end <= from {
		return s.last
	}
	return area / float64(b.end-from)
}

// delta is how much a meter has counted: from the last number before the bucket, else from its first, to its last.
func (b *bucket) delta() float64 {
	if b.hasBefore {
		return b.stat.last - b.before
	}
	return b.stat.last - b.stat.first
}

// rate is delta a second.
func (b *bucket) rate() float64 {
	from := b.stat.firstTime
	if b.hasBefore {
		from = b.beforeTime
	}
	if b.stat.lastTime <= from {
		return math.NaN()
	}
	return b.delta() / (float64(b.stat.lastTime-from) / 1000)
}

// aggregator makes rows of what is fed to it in order of time.
type aggregator struct {
	q         *Query
	needs     needs
	functions []func(b *bucket) float64 // of q.Aggregate
	pages     pageDecoder

	start, next int64 // the present bucket
	open        []*bucket
	rows        []Row     // nil before the first bucket
	numbers     []float64 // room for the values of rows
	values      int       // in open
	err         error
}

func newAggregator(q *Query) *aggregator {
	a := &aggregator{q: q, needs: needsOf(q.Aggregate), start: math.MinInt64, next: math.MinInt64}
	for _, name := range q.Aggregate {
		a.functions = append(a.functions, functions[name].of)
	}
	return a
}

// at returns the present bucket of the category, after closing the one before if t is behind it.
func (a *aggregator) at(t int64, has bool, name string) *bucket {
	if t >= a.next {
		a.close()
		a.start, a.next = a.q.Interval.bucket(t)
		if a.rows == nil {
			a.rows = make([]Row, 0, min(MaxRows, max(0, min(a.q.To, a.q.now)-t)/a.q.Interval.least()+1))
		}
	}
	for _, b := range a.open {
		if b.has == has && b.name == name {
			return b
		}
	}
	b := &bucket{has: has, name: name}
	a.open = append(a.open, b)
	return b
}

// add takes a point and returns false when there is no need for more.
func (a *aggregator) add(e *entry) bool {
	b := a.at(e.Time, e.Has&HasCategory != 0, e.Category)
	b.stat.points++
	if e.Has&HasNumeric != 0 {
		a.addNumber(b, e.Time, e.Numeric)
	}
	return a.goesOn()
}

func (a *aggregator) addNumber(b *bucket, t int64, v float64) {
	b.stat.add(t, v)
	if a.needs.values {
		b.values = append(b.values, v)
		a.values++
	}
}

// goesOn is false when there is no sense in going on.
func (a *aggregator) goesOn() bool {
	if a.values > maxValues && a.err == nil {
		a.err = fault.New(fault.Unprocessable, "One interval has more than %d numbers, too many for percentiles; ask for a shorter interval.", maxValues)
	}
	return a.err == nil
}

// addReadings takes the points of a chunk.
func (a *aggregator) addReadings(categories []chunkCategory, points []reading) bool {
	wanted := int32(-1)
	if a.q.Category != nil {
		wanted = int32(slices.IndexFunc(categories, func(c chunkCategory) bool { return c.has && c.name == *a.q.Category }))
	}
	buckets := make([]*bucket, len(categories)) // the present ones
	for i := range points {
		p := &points[i]
		if a.q.Category != nil && p.category != wanted {
			continue
		}
		b := buckets[p.category]
		if b == nil || p.time >= a.next {
			c := &categories[p.category]
			b = a.at(p.time, c.has, c.name)
			buckets[p.category] = b
		}
		b.stat.points++
		if p.has&HasNumeric != 0 {
			a.addNumber(b, p.time, p.value)
		}
	}
	return a.goesOn()
}

// merge takes what a run of points of one category, all in one bucket, comes to.
func (a *aggregator) merge(from int64, has bool, name string, s *stat) bool {
	a.at(from, has, name).stat.merge(s)
	return a.err == nil
}

// close makes rows of the present bucket. Categories stay, to remember their last number.
func (a *aggregator) close() {
	if len(a.open) > 1 {
		slices.SortFunc(a.open, func(x, y *bucket) int { return compareCategories(x.has, x.name, y.has, y.name) })
	}
	for _, b := range a.open {
		if b.stat.points > 0 {
			b.start, b.end = max(a.start, a.q.From), min(a.next, a.q.To+1, a.q.now)
			a.rows = append(a.rows, a.row(b))
		}
		if b.stat.numbers > 0 {
			b.before, b.beforeTime, b.hasBefore = b.stat.last, b.stat.lastTime, true
		}
		b.stat, b.values = stat{}, b.values[:0]
	}
	a.values = 0
	if len(a.rows) > MaxRows && a.err == nil {
		a.err = tooManyRows()
	}
}

func tooManyRows() error {
	return fault.New(fault.Unprocessable, "This would be more than %d rows; ask for a longer interval, a shorter range or one category.", MaxRows)
}

func (a *aggregator) row(b *bucket) Row {
	n := len(a.functions)
	if len(a.numbers) < n {
		a.numbers = make([]float64, max(256, cap(a.rows)-len(a.rows))*n)
	}
	r := Row{Time: a.start, Category: b.name, HasCat: b.has, Values: a.numbers[:n:n]}
	a.numbers = a.numbers[n:]
	for i, f := range a.functions {
		if b.stat.numbers == 0 && a.q.Aggregate[i] != "count" {
			r.Values[i] = math.NaN()
			continue
		}
		if r.Values[i] = f(b); math.IsInf(r.Values[i], 0) {
			r.Values[i] = math.NaN() // JSON has no such number
		}
	}
	return r
}

// Aggregate returns the rows of q, by time and then category, gaps filled as q says. Errors: fault Unprocessable when
// the answer would be too large or needs points that are not kept any more; Unavailable when ctx ends first.
func (s *Service) Aggregate(ctx context.Context, q Query) ([]Row, error) {
	a := newAggregator(&q)
	q.now = max(s.now().UnixMilli(), q.From+1)
	if q.From > MinTime && q.To < MaxTime && q.Fill != "" && (q.To-q.From)/q.Interval.least() > MaxRows {
		return nil, tooManyRows()
	}
	err := s.engine.view(q.Account, q.Topic, func(c contents) error {
		if a.needs.before {
			if err := c.before(ctx, a); err != nil {
				return err
			}
		}
		return c.aggregate(ctx, a)
	})
	if err == nil {
		err = a.err
	}
	if err != nil {
		return nil, readError(ctx, err)
	}
	a.close()
	if a.err != nil {
		return nil, a.err
	}
	return a.fill()
}

// before looks for the last number of each category before the range, not further than some thousand points back.
func (c contents) before(ctx context.Context, a *aggregator) error {
	seen := 0
	sp := span{from: firstPosition, to: position{time: a.q.From}, category: a.q.Category, desc: true}
	return c.walk(ctx, sp, func(entries []entry) bool {
		for i := range entries {
			e := &entries[i]
			if e.Has&HasNumeric == 0 {
				continue
			}
			if b := a.known(e.Has&HasCategory != 0, e.Category); !b.hasBefore {
				b.before, b.beforeTime, b.hasBefore = e.Numeric, e.Time, true
			}
		}
		seen += len(entries)
		return seen < chunkPoints
	})
}

// known returns the category's bucket without beginning one.
func (a *aggregator) known(has bool, name string) *bucket {
	for _, b := range a.open {
		if b.has == has && b.name == name {
			return b
		}
	}
	b := &bucket{has: has, name: name}
	a.open = append(a.open, b)
	return b
}

// aggregate feeds the range to a: finished days by their roll-ups where these say enough, and the rest by points.
func (c contents) aggregate(ctx context.Context, a *aggregator) error {
	from := a.q.From
	if c.info.id != 0 && !a.needs.values {
		first, last := dayOf(max(from, MinTime)), dayOf(a.q.To)
		pages := c.tx.Bucket(rollupBucket).Scan(rollupKey(c.info.id, first), append(rollupKey(c.info.id, last), 0))
		for k, v := range pages {
			if err := ctx.Err(); err != nil {
				return err
			}
			day := binary.BigEndian.Uint32(k[idSize:])
			rows, used, err := c.rowsOf(a, day, v)
			if err != nil {
				return err
			}
			if !used {
				continue
			}
			if err := c.points(ctx, a, from, dayStart(day)-1); err != nil {
				return err
			}
			for i := range rows {
				r := &rows[i]
				if a.q.Category != nil && (!r.has || r.name != *a.q.Category) {
					continue
				}
				if !a.merge(r.stat.firstTime, r.has, r.name, &r.stat) {
					return a.err
				}
			}
			from = dayStart(day + 1)
		}
	}
	return c.points(ctx, a, from, a.q.To)
}

// rowsOf returns the coarsest rows of the page that fit into a's buckets and range, with times made absolute. used is
// false when the day's points must be read instead.
func (c contents) rowsOf(a *aggregator, day uint32, page []byte) (rows []row, used bool, err error) {
	start, end := dayStart(day), dayStart(day+1)
	purged := start < c.info.purged // some of it at least, and the page knows all of it
	if !purged {
		if c.tx.Bucket(pendingBucket).Get(pendingKey(day, c.info.id)) != nil || c.inMemory(start, end) {
			return nil, false, nil
		}
		if start < a.q.From || end-1 > a.q.To {
			return nil, false, nil
		}
	}
	for res := byDay; res < resolutions; res++ {
		if res == byMinute && a.needs.area || !a.fits(start, end, resolutionMs[res]) {
			continue
		}
		if rows, err = a.pages.decode(page, res); err != nil {
			return nil, false, err
		}
		return a.within(rows, start, resolutionMs[res]), true, nil
	}
	if purged {
		return nil, false, purgedError(c.info.purged)
	}
	return nil, false, nil
}

func purgedError(until int64) error {
	return fault.New(fault.Unprocessable, "This needs single points, and those before %s are not kept any more; ask from then on, or for whole minutes or longer without percentiles.", formatTime(until))
}

// inMemory reports whether a point of [start, end) may be in memory.
func (c contents) inMemory(start, end int64) bool {
	return slices.ContainsFunc(c.blocks, func(b block) bool { return b.min.time < end && b.max.time >= start })
}

// fits reports whether no slot of that length is divided by a bucket's or the range's end. A range that ends inside a
// slot takes none of it in a's loop, so only whole slots count.
func (a *aggregator) fits(start, end, step int64) bool {
	if step < dayMs && a.q.Interval.fixed > 0 {
		return a.q.Interval.fixed%step == 0
	}
	for t := start; ; {
		if _, t = a.q.Interval.bucket(t); t >= end {
			break
		}
		if (t-start)%step != 0 {
			return false
		}
	}
	return start >= a.q.From && end-1 <= a.q.To || step < dayMs
}

// within keeps the rows of slots inside the range and makes their times absolute.
func (a *aggregator) within(rows []row, start, step int64) []row {
	kept := rows[:0]
	for _, r := range rows {
		from := start + int64(r.slot)*step
		if from < a.q.From || from+step-1 > a.q.To {
			continue
		}
		if r.stat.numbers > 0 {
			r.stat.firstTime += start
			r.stat.lastTime += start
		} else {
			r.stat.firstTime = from
		}
		kept = append(kept, r)
	}
	return kept
}

// points feeds the points of [from, to], by chunk headers where a chunk lies in one bucket.
func (c contents) points(ctx context.Context, a *aggregator, from, to int64) error {
	if from > to {
		return nil
	}
	if from < c.info.purged && a.needs.values {
		if from = c.info.purged; a.q.From > MinTime {
			return purgedError(c.info.purged)
		}
	}
	sp := span{from: position{time: from}, to: position{time: to + 1}, category: a.q.Category, readings: a.addReadings}
	if !a.needs.values && !a.needs.times && !a.needs.area {
		sp.whole = a.whole
	}
	err := c.walk(ctx, sp, func(entries []entry) bool {
		for i := range entries {
			if !a.add(&entries[i]) {
				return false
			}
		}
		return true
	})
	if err == nil {
		err = a.err
	}
	return err
}

// whole takes a chunk by its header, if it can.
func (a *aggregator) whole(c *chunk) bool {
	if !a.q.Interval.holds(c.first.time, c.last.time+1) {
		return false
	}
	for i := range c.categories {
		if n := c.categories[i].numbers; n > 0 && n < statsFrom {
			return false
		}
	}
	for i := range c.categories {
		x := &c.categories[i]
		if a.q.Category != nil && (!x.has || x.name != *a.q.Category) {
			continue
		}
		s := x.stat
		s.points, s.firstTime, s.lastTime = int64(x.points), c.first.time, c.last.time
		a.merge(c.first.time, x.has, x.name, &s)
	}
	return true
}

// readError tells a caller's patience that has ended from other failures.
func readError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Wrap(fault.Unavailable, err, "The read took too long. Ask for a smaller range of time, or for all categories.")
	}
	return err
}
