package logging

import (
	"container/heap"
	"context"
	"encoding/hex"
	"math"
	"slices"

	"xively/internal/fault"
	"xively/storage"
)

// Result is the answer to a Query.
type Result struct {
	Total   int      // entries that match
	Entries []*Entry // those from Query.From on, at most Query.Size, in the order of Query.Sort
}

// Search looks through an account's entries. It reads every entry that the time range and the source in the query leave
// over: a range of serviceTimestamp and a term on sourceId make a search of a large log fast. Errors: fault Unavailable
// when ctx ends first.
func (s *Service) Search(ctx context.Context, account string, q Query) (Result, error) {
	p := planOf(q.where)
	top := newTop(q)
	look := func(at position, data []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := decode(data)
		if err != nil {
			return err
		}
		e.ID = hex.EncodeToString(appendPosition(nil, at))
		if q.where.matches(e) {
			top.offer(hit{e, at})
		}
		return nil
	}
	err := s.engine.visit(account, p, look)
	if ctx.Err() != nil {
		return Result{}, fault.Wrap(fault.Unavailable, ctx.Err(), "The search took too long. Narrow it by sourceId or by a range of serviceTimestamp.")
	}
	return Result{Total: top.total, Entries: top.page(q.From)}, err
}

// visit calls fn with each entry of the account that the plan leaves over, once, in no certain order.
func (e *engine) visit(account string, p plan, fn func(position, []byte) error) error {
	// Memory first: what a checkpoint moves to the store in between is then seen twice, which seen mends, and never missed.
	head := e.snapshot(account)
	seen := map[uint64]bool{}
	oldest := uint64(math.MaxUint64) // seq in memory
	for _, r := range head {
		oldest = min(oldest, r.seq)
	}
	err := e.db.View(func(tx *storage.Tx) error {
		for at, data := range openStore(tx).scan(account, p.source, p.from, p.to) {
			if at.seq >= oldest {
				seen[at.seq] = true
			}
			if err := fn(at, data); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range head {
		if seen[r.seq] || r.time < p.from || r.time >= p.to || p.source != "" && p.source != r.source {
			continue
		}
		if err := fn(r.position, r.data); err != nil {
			return err
		}
	}
	return nil
}

// plan is what can be told from a query before looking at entries.
type plan struct {
	source   string // "" for all
	from, to int64  // serviceTimestamp, half open
}

func planOf(where condition) plan {
	p := plan{to: math.MaxInt64}
	p.narrow(where)
	return p
}

// narrow uses a condition that every entry found must meet.
func (p *plan) narrow(where condition) {
	switch c := where.(type) {
	case every:
		for _, each := range c {
			p.narrow(each)
		}
	case equals:
		if c.member == "sourceId" && len(c.wanted) == 1 {
			p.source = c.wanted[0] // a second, different one leaves nothing over anyway
		}
	case within:
		if c.member == "serviceTimestamp" {
			if c.min > 0 {
				p.from = max(p.from, int64(min(c.min, 1e15)))
			}
			if c.max < 1e15 {
				p.to = min(p.to, int64(max(c.max, 0))+1)
			}
		}
	}
}

type hit struct {
	*Entry
	at position
}

// top keeps the best from + size hits, the worst of them first, and counts all.
type top struct {
	sort  []SortKey
	limit int
	total int
	hits  []hit
}

func newTop(q Query) *top { return &top{sort: q.Sort, limit: q.From + q.Size} }

func (t *top) offer(h hit) {
	t.total++
	switch {
	case t.limit == 0:
	case len(t.hits) < t.limit:
		heap.Push(t, h)
	case t.compare(h, t.hits[0]) < 0:
		t.hits[0] = h
		heap.Fix(t, 0)
	}
}

// page returns the hits in order, without the first ones.
func (t *top) page(from int) []*Entry {
	slices.SortFunc(t.hits, t.compare)
	entries := []*Entry{}
	for _, h := range t.hits[min(from, len(t.hits)):] {
		entries = append(entries, h.Entry)
	}
	return entries
}

// compare orders hits as asked; equal ones by arrival, in the direction of the first key.
func (t *top) compare(a, b hit) int {
	for _, key := range t.sort {
		if c := key.compare(a.Entry, b.Entry); c != 0 {
			return c
		}
	}
	if t.sort[0].Desc {
		return b.at.compare(a.at)
	}
	return a.at.compare(b.at)
}

// The heap's methods: worst hit first.

func (t *top) Len() int           { return len(t.hits) }
func (t *top) Less(i, j int) bool { return t.compare(t.hits[i], t.hits[j]) > 0 }
func (t *top) Swap(i, j int)      { t.hits[i], t.hits[j] = t.hits[j], t.hits[i] }
func (t *top) Push(x any)         { t.hits = append(t.hits, x.(hit)) }
func (t *top) Pop() any {
	last := t.hits[len(t.hits)-1]
	t.hits = t.hits[:len(t.hits)-1]
	return last
}
