package logging

import (
	"container/heap"
	"context"
	"math"
	"slices"

	"xively/internal/fault"
)

// Result is the answer to a Query.
type Result struct {
	Total   int      // entries that match
	Entries []*Entry // those from Query.From on, at most Query.Size, in the order of Query.Sort
	Buckets []Bucket // when Query.Every asks for them
}

// Search looks through an account's entries. What it costs follows from what the index leaves over: see the package
// comment. Errors: fault Unavailable when ctx ends first.
func (s *Service) Search(ctx context.Context, account string, q Query) (Result, error) {
	found, err := s.engine.search(ctx, account, q)
	if err != nil {
		return Result{}, err
	}
	r := Result{Total: found.total, Entries: []*Entry{}, Buckets: found.histogram.buckets()}
	for _, l := range found.page(q.From) {
		r.Entries = append(r.Entries, l.entry())
	}
	return r, nil
}

func (e *engine) search(ctx context.Context, account string, q Query) (*collector, error) {
	where := every{q.where, between{position{time: e.oldest.Load()}, position{time: math.MaxInt64}}}
	var found *collector
	err := e.view(account, func(m memory, s store) error {
		found = newCollector(q, where)
		return found.account(ctx, account, m, s)
	})
	if ctx.Err() != nil {
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "The search took too long. Narrow it by sourceId, by a word or by a range of serviceTimestamp.")
	}
	return found, err
}

// collector gathers what a search finds: the count, the best hits, the histogram.
type collector struct {
	where     every // its conditions in the order in which they are tried
	sort      []SortKey
	byTime    string // the time that the first sort key is, when no other can matter; "" otherwise
	limit     int
	pageOnly  bool // nobody asks for the count: what cannot come into the page is not looked at
	sortBits  int  // what is read of a row to sort it
	histogram *histogram

	total   int
	hits    []*hit // the worst first
	scratch line   // a copy of what is shared, for conditions that may write to it
}

// hit is a line found; row tells where the texts are that it does not have yet.
type hit struct {
	*line
	from *chunk
	row  int
}

func newCollector(q Query, where condition) *collector {
	c := &collector{where: planned(where), sort: q.Sort, sortBits: timesBit, limit: q.From + q.Size, pageOnly: q.pageOnly, histogram: newHistogram(q)}
	if k := q.Sort[0]; k.Member == "sourceTimestamp" || k.Member == "serviceTimestamp" {
		c.byTime = k.Member
	}
	for _, k := range q.Sort {
		c.sortBits |= bitsOf(k.Member)
	}
	return c
}

// account looks at everything of an account, the newest first or as the sort wants it.
func (c *collector) account(ctx context.Context, account string, m memory, s store) error {
	for _, l := range m.open {
		c.line(l)
	}
	for _, g := range m.groups {
		packed, lines := g.look()
		for _, l := range lines {
			c.line(l)
		}
		if packed == nil {
			continue
		}
		k, err := newChunk(account, packed.header, packed.part)
		if err == nil {
			err = c.chunk(k)
		}
		if err != nil {
			return err
		}
	}
	chunks := s.newest(account)
	if c.byTime != "" && !c.sort[0].Desc {
		chunks = s.oldest(account)
	}
	for key, head := range chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := s.open(key, head)
		if err == nil {
			err = c.chunk(k)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) line(l *line) {
	c.scratch = *l
	if !c.where.matches(&c.scratch) {
		return
	}
	c.total++
	c.histogram.line(l)
	c.offer(&hit{line: c.scratch.clone()})
}

func (c *collector) chunk(k *chunk) error {
	if c.pageOnly && !c.wanted(&k.blockSpan) {
		return nil
	}
	rows := c.rows(k)
	n := rows.count()
	if n == 0 {
		return k.err
	}
	c.total += n
	c.histogram.chunk(k, rows)
	// The last block first: hits come in the order in which most sorts want them.
	for i := len(k.blocks) - 1; i >= 0 && c.limit > 0 && k.err == nil; i-- {
		if !c.wanted(&k.blocks[i]) {
			continue
		}
		for row := range rows.each(i*blockRows, min((i+1)*blockRows, k.count)) {
			c.offerRow(k, row)
		}
	}
	c.texts()
	return k.err
}

// rows returns the rows of a chunk that match. What the index cannot tell of the rows that are left is read.
func (c *collector) rows(k *chunk) rowSet {
	set, unsure := k.all(), every(nil)
	for _, each := range c.where {
		may, exact := each.rows(k, set)
		if set = set.and(may); set == nil {
			return nil
		}
		if !exact {
			unsure = append(unsure, each)
		}
	}
	if unsure == nil {
		return set
	}
	sure, want := newRowSet(k.count), reads(unsure)
	for row := range set.each(0, k.count) {
		if unsure.matches(k.line(row, want)) {
			sure.set(row)
		}
	}
	return sure
}

// offerRow reads no more of a row than it takes to see that it is not among the best.
func (c *collector) offerRow(k *chunk, row int) {
	if c.byTime != "" && len(c.hits) == c.limit {
		b := k.block(row / blockRows)
		ms, worst := b.times[row%blockRows], c.hits[0].line.time
		if c.byTime == "sourceTimestamp" {
			ms, worst = b.from[row%blockRows], c.hits[0].sourceTime
		}
		if ms < worst && c.sort[0].Desc || ms > worst && !c.sort[0].Desc {
			return
		}
	}
	c.offer(&hit{line: k.line(row, c.sortBits), row: row, from: k})
}

// wanted reports whether a row of those times can be among the best.
func (c *collector) wanted(b *blockSpan) bool {
	if c.byTime == "" || len(c.hits) < c.limit || c.limit == 0 {
		return c.limit > 0 || !c.pageOnly
	}
	span, worst := b.times(c.byTime), c.hits[0].line.time
	if c.byTime == "sourceTimestamp" {
		worst = c.hits[0].sourceTime
	}
	if c.sort[0].Desc {
		return span.max >= worst
	}
	return span.min <= worst
}

func (c *collector) offer(h *hit) {
	switch {
	case c.limit == 0:
	case len(c.hits) < c.limit:
		heap.Push(c, h)
	case c.compare(h, c.hits[0]) < 0:
		c.hits[0] = h
		heap.Fix(c, 0)
	}
}

// texts fills in what hits of the chunk at hand lack: chunks must not be held on to.
func (c *collector) texts() {
	for _, h := range c.hits {
		if h.from != nil {
			h.from.fill(h.line, h.row, allBits&^c.sortBits)
			h.from = nil
		}
	}
}

// page returns the hits in order, without the first ones.
func (c *collector) page(from int) []*line {
	slices.SortFunc(c.hits, c.compare)
	var lines []*line
	for _, h := range c.hits[min(from, len(c.hits)):] {
		lines = append(lines, h.line)
	}
	return lines
}

// compare orders hits as asked; equal ones by arrival, in the direction of the first key.
func (c *collector) compare(a, b *hit) int {
	for _, key := range c.sort {
		if c := key.compare(a.line, b.line); c != 0 {
			return c
		}
	}
	if c.sort[0].Desc {
		return b.position.compare(a.position)
	}
	return a.position.compare(b.position)
}

// The heap's methods: worst hit first.

func (c *collector) Len() int           { return len(c.hits) }
func (c *collector) Less(i, j int) bool { return c.compare(c.hits[i], c.hits[j]) > 0 }
func (c *collector) Swap(i, j int)      { c.hits[i], c.hits[j] = c.hits[j], c.hits[i] }
func (c *collector) Push(x any)         { c.hits = append(c.hits, x.(*hit)) }
func (c *collector) Pop() any {
	last := c.hits[len(c.hits)-1]
	c.hits = c.hits[:len(c.hits)-1]
	return last
}
