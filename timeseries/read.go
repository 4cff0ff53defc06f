package timeseries

import (
	"context"
	"slices"

	"xively/storage"
)

// span asks for points of one series: those with positions in [from, to), of one category if category is not nil, the
// first limit of them in ascending or descending order.
type span struct {
	from, to position
	category *string
	limit    int
	desc     bool
}

// read returns the points sp asks for, in its order. It sees every point accepted before the call.
func (e *engine) read(ctx context.Context, account, topic string, sp span) ([]entry, error) {
	key := seriesKey(account, topic)
	m := merge{span: sp}
	// Memory first: what a checkpoint moves to the store in between is then seen twice, which merge mends, and never missed.
	if s := e.lookup(key); s != nil {
		m.blocks = s.snapshot()
	}
	m.sortBlocks()
	err := e.db.View(func(tx *storage.Tx) error {
		return chunkStore{tx.Bucket(chunkBucket)}.walk(ctx, key, &m)
	})
	if err != nil {
		return nil, err
	}
	return m.finish(ctx)
}

// walk hands the chunks of the span to m, in its order, until m has enough.
func (b chunkStore) walk(ctx context.Context, series []byte, m *merge) error {
	from, to := chunkKey(series, m.from), chunkKey(series, m.to)
	chunks := b.ScanDown(chunkKey(series, firstPosition), to)
	if !m.desc {
		if c, ok, err := b.at(series, m.from); err != nil {
			return err
		} else if ok {
			from = chunkKey(series, c.first)
		}
		chunks = b.Scan(from, to)
	}
	for k, v := range chunks {
		c, err := parseChunk(k, v)
		if err != nil {
			return err
		}
		if c.last.compare(m.from) < 0 {
			if m.desc {
				return nil
			}
			continue
		}
		if done, err := m.add(ctx, c.first, c.last, c.data); done || err != nil {
			return err
		}
	}
	return nil
}

// merge brings runs of points into one order. Runs come in the order of their first point (with desc: their last), so
// that the points before a new run's first are final and can be counted.
type merge struct {
	span
	blocks  []block // from memory, those not used yet
	out     []entry // in final order, at most limit
	pending []entry // may still mix with runs to come
}

// order compares positions in the direction of the span.
func (m *merge) order(a, b position) int {
	if m.desc {
		return b.compare(a)
	}
	return a.compare(b)
}

func (m *merge) begin(min, max position) position {
	if m.desc {
		return max
	}
	return min
}

func (m *merge) sortBlocks() {
	m.blocks = slices.DeleteFunc(m.blocks, func(b block) bool {
		return b.max.compare(m.from) < 0 || b.min.compare(m.to) >= 0
	})
	slices.SortFunc(m.blocks, func(a, b block) int { return m.order(m.begin(a.min, a.max), m.begin(b.min, b.max)) })
}

// add takes a run of the store, after the runs of memory that begin before it. done reports that nothing more is needed.
func (m *merge) add(ctx context.Context, min, max position, data []byte) (done bool, err error) {
	begin := m.begin(min, max)
	for len(m.blocks) > 0 && m.order(m.begin(m.blocks[0].min, m.blocks[0].max), begin) <= 0 {
		if done, err = m.addBlock(ctx); done || err != nil {
			return done, err
		}
	}
	return m.addRun(ctx, begin, data)
}

func (m *merge) addBlock(ctx context.Context) (done bool, err error) {
	b := m.blocks[0]
	m.blocks = m.blocks[1:]
	return m.addRun(ctx, m.begin(b.min, b.max), b.buf)
}

func (m *merge) addRun(ctx context.Context, begin position, data []byte) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if m.settle(begin) {
		return true, nil
	}
	n := len(m.pending)
	if m.pending, err = decodeBlock(m.pending, data); err != nil {
		return false, err
	}
	kept := m.pending[:n]
	for _, e := range m.pending[n:] {
		at := e.position()
		if at.compare(m.from) < 0 || at.compare(m.to) >= 0 {
			continue
		}
		if m.category == nil || *m.category == e.Category && e.Has&HasCategory != 0 {
			kept = append(kept, e)
		}
	}
	m.pending = kept
	slices.SortFunc(m.pending, func(a, b entry) int { return m.order(a.position(), b.position()) })
	m.pending = slices.CompactFunc(m.pending, func(a, b entry) bool { return a.position() == b.position() })
	return false, nil
}

// settle moves the pending points before bound to the result and reports whether it is complete.
func (m *merge) settle(bound position) bool {
	n := 0
	for n < len(m.pending) && m.order(m.pending[n].position(), bound) < 0 {
		n++
	}
	m.take(n)
	return len(m.out) == m.limit
}

func (m *merge) take(n int) {
	n = min(n, m.limit-len(m.out))
	m.out = append(m.out, m.pending[:n]...)
	m.pending = slices.Delete(m.pending, 0, n)
}

// finish uses up what memory has left and returns the result.
func (m *merge) finish(ctx context.Context) ([]entry, error) {
	for len(m.blocks) > 0 && len(m.out) < m.limit {
		if done, err := m.addBlock(ctx); done || err != nil {
			return m.out, err
		}
	}
	m.take(len(m.pending))
	return m.out, nil
}
