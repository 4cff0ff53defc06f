package timeseries

import (
	"context"
	"errors"
	"slices"

	"xively/storage"
)

// span asks for points of one series: those with positions in [from, to), of one category if category is not nil, in
// ascending or descending order. With whole or readings from and to are times, without seq, and the order ascending.
type span struct {
	from, to position
	category *string
	desc     bool

	// readings, if not nil, may be given the points of a chunk that nothing else lies between, instead of yield, and
	// returns false when it has enough. The slice is valid during the call.
	readings func(categories []chunkCategory, points []reading) bool
	// whole, if not nil, may take a chunk of the span as it is, with no other points in between, and then returns true.
	whole func(c *chunk) bool
}

// contents is a series as one reader sees it: the points in memory, taken first, and a view of the store. What a
// checkpoint moves to the store in between is then seen twice, which merge mends, and never missed.
type contents struct {
	info   seriesInfo
	blocks []block // in memory
	tx     *storage.Tx
}

// view calls fn with the contents of the series as of now. Nothing of it outlives the call.
func (e *engine) view(account, topic string, fn func(c contents) error) error {
	name := seriesKey(account, topic)
	for {
		var before uint64 // its number
		err := e.db.View(func(tx *storage.Tx) error {
			info, _ := getSeries(tx, name)
			before = info.id
			return nil
		})
		if err != nil {
			return err
		}
		c := contents{blocks: e.memory(name, before)}
		seen := false
		err = e.db.View(func(tx *storage.Tx) error {
			c.tx = tx
			// A series that has come into the directory meanwhile was looked for in memory under the wrong number.
			if c.info, _ = getSeries(tx, name); c.info.id != before {
				return nil
			}
			seen = true
			return fn(c)
		})
		if seen || err != nil {
			return err
		}
	}
}

// walk calls yield with the points of the span in its order, some at a time, until yield returns false. The slice is
// valid during the call. Errors: ctx's, and damage.
func (c contents) walk(ctx context.Context, sp span, yield func([]entry) bool) error {
	m := merge{span: sp, yield: yield, blocks: slices.Clone(c.blocks)}
	m.sortBlocks()
	if c.info.id != 0 {
		if err := m.chunks(ctx, chunkStore{c.tx.Bucket(chunkBucket)}, c.info.id); err != nil {
			return err
		}
	}
	return m.finish(ctx)
}

// read returns the first limit points of the span.
func (e *engine) read(ctx context.Context, account, topic string, sp span, limit int) (entries []entry, err error) {
	err = e.view(account, topic, func(c contents) error {
		return c.walk(ctx, sp, func(some []entry) bool {
			entries = append(entries, some[:min(len(some), limit-len(entries))]...)
			return len(entries) < limit
		})
	})
	return entries, err
}

// merge brings runs of points into one order. Runs come in the order of their first point (with desc: their last), so
// that the points before a new run's first are final and can be handed out.
type merge struct {
	span
	yield   func([]entry) bool
	blocks  []block // from memory, those not used yet
	pending []entry // in order; may still mix with runs to come
	done    bool    // yield has had enough
}

// run is some points of one place: a chunk or a block.
type run struct {
	min, max position
	sorted   bool
	decode   func([]entry) ([]entry, error)
}

// chunks hands the chunks of the span to m, in its order, until m has enough.
func (m *merge) chunks(ctx context.Context, b chunkStore, id uint64) error {
	from, to := chunkKey(id, m.from), chunkKey(id, m.to)
	found := b.ScanDown(chunkKey(id, firstPosition), to)
	if !m.desc {
		if c, ok, err := b.at(id, m.from); err != nil {
			return err
		} else if ok {
			from = chunkKey(id, c.first)
		}
		found = b.Scan(from, to)
	}
	for k, v := range found {
		c, err := b.parse(k, v)
		if err != nil {
			return err
		}
		if c.last.compare(m.from) < 0 {
			if m.desc {
				return nil
			}
			continue
		}
		if err := m.addChunk(ctx, id, &c); m.done || err != nil {
			return err
		}
	}
	return nil
}

// addChunk takes a chunk, after the blocks of memory that begin before it.
func (m *merge) addChunk(ctx context.Context, id uint64, c *chunk) error {
	r := run{min: c.first, max: c.last, sorted: true, decode: func(dst []entry) ([]entry, error) {
		if !c.hasCategory(m.category) {
			return dst, nil
		}
		entries, err := c.decode(dst)
		if err != nil {
			err = damagedChunk(id, c.first, err)
		}
		return entries, err
	}}
	for len(m.blocks) > 0 && m.order(m.blockBegin(0), m.begin(r)) <= 0 {
		if err := m.addBlock(ctx); m.done || err != nil {
			return err
		}
	}
	if m.whole != nil && m.alone(r) {
		if m.settle(r.min); m.done {
			return nil
		}
		if len(m.pending) == 0 && m.whole(c) {
			return ctx.Err()
		}
	}
	if m.readings != nil && m.undisturbed(c) {
		if m.settle(r.min); m.done {
			return nil
		}
		if len(m.pending) == 0 {
			return errors.Join(m.addReadings(id, c), ctx.Err())
		}
	}
	return m.addRun(ctx, r)
}

// addReadings hands out those of a chunk's points that lie in the span.
func (m *merge) addReadings(id uint64, c *chunk) error {
	if !c.hasCategory(m.category) {
		return nil
	}
	w := columnsPool.Get().(*columns)
	defer w.release()
	if err := c.readings(w); err != nil {
		return damagedChunk(id, c.first, err)
	}
	points := w.points
	if c.first.time < m.from.time {
		points = points[timeIndex(points, m.from.time):]
	}
	if c.last.time >= m.to.time {
		points = points[:timeIndex(points, m.to.time)]
	}
	m.done = !m.readings(c.categories, points)
	return nil
}

// timeIndex returns how many of the points come before t.
func timeIndex(points []reading, t int64) int {
	n, _ := slices.BinarySearchFunc(points, t, func(p reading, t int64) int {
		if p.time < t {
			return -1
		}
		return 1
	})
	return n
}

// undisturbed reports whether nothing of memory that is not used yet begins in or before the chunk.
func (m *merge) undisturbed(c *chunk) bool {
	return !m.desc && (len(m.blocks) == 0 || m.blockBegin(0).compare(c.last) > 0)
}

// alone reports whether r lies in the span and has nothing of memory in it.
func (m *merge) alone(r run) bool {
	return m.inside(r) && !m.desc && (len(m.blocks) == 0 || m.blockBegin(0).compare(r.max) > 0)
}

func (m *merge) inside(r run) bool { return r.min.compare(m.from) >= 0 && r.max.compare(m.to) < 0 }

func (c *chunk) hasCategory(name *string) bool {
	return name == nil || slices.ContainsFunc(c.categories, func(x chunkCategory) bool { return x.has && x.name == *name })
}

func (m *merge) addBlock(ctx context.Context) error {
	b := m.blocks[0]
	m.blocks = m.blocks[1:]
	return m.addRun(ctx, run{b.min, b.max, !b.unsorted, func(dst []entry) ([]entry, error) { return decodeBlock(dst, b.buf) }})
}

// order compares positions in the direction of the span.
func (m *merge) order(a, b position) int {
	if m.desc {
		return b.compare(a)
	}
	return a.compare(b)
}

func (m *merge) begin(r run) position {
	if m.desc {
		return r.max
	}
	return r.min
}

func (m *merge) blockBegin(i int) position {
	return m.begin(run{min: m.blocks[i].min, max: m.blocks[i].max})
}

func (m *merge) sortBlocks() {
	m.blocks = slices.DeleteFunc(m.blocks, func(b block) bool {
		return b.max.compare(m.from) < 0 || b.min.compare(m.to) >= 0
	})
	slices.SortFunc(m.blocks, func(a, b block) int {
		return m.order(m.begin(run{min: a.min, max: a.max}), m.begin(run{min: b.min, max: b.max}))
	})
}

func (m *merge) addRun(ctx context.Context, r run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.settle(m.begin(r)); m.done {
		return nil
	}
	n := len(m.pending)
	var err error
	if m.pending, err = r.decode(m.pending); err != nil {
		return err
	}
	if !m.inside(r) || m.category != nil {
		m.pending = append(m.pending[:n], m.matching(m.pending[n:])...)
	}
	if !r.sorted || n > 0 {
		slices.SortFunc(m.pending, func(a, b entry) int { return m.order(a.position(), b.position()) })
		m.pending = slices.CompactFunc(m.pending, samePosition)
	} else if m.desc {
		slices.Reverse(m.pending)
	}
	return nil
}

// matching filters entries in place.
func (m *merge) matching(entries []entry) []entry {
	kept := entries[:0]
	for _, e := range entries {
		at := e.position()
		if at.compare(m.from) < 0 || at.compare(m.to) >= 0 {
			continue
		}
		if m.category == nil || *m.category == e.Category && e.Has&HasCategory != 0 {
			kept = append(kept, e)
		}
	}
	return kept
}

// settle hands out the pending points before bound.
func (m *merge) settle(bound position) {
	n := len(m.pending)
	if n > 0 && m.order(m.pending[n-1].position(), bound) >= 0 {
		for n = 0; m.order(m.pending[n].position(), bound) < 0; {
			n++
		}
	}
	m.hand(n)
}

func (m *merge) hand(n int) {
	if n == 0 || m.done {
		return
	}
	m.done = !m.yield(m.pending[:n])
	m.pending = m.pending[:copy(m.pending, m.pending[n:])]
}

// finish uses up what memory has left.
func (m *merge) finish(ctx context.Context) error {
	for len(m.blocks) > 0 && !m.done {
		if err := m.addBlock(ctx); err != nil {
			return err
		}
	}
	m.hand(len(m.pending))
	return nil
}
