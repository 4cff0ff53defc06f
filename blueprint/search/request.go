package search

import (
	"fmt"
	"time"
)

// Request asks for one page of the documents of a kind that pass the query, all filters and the scope.
type Request struct {
	Kind    string
	Query   *Query // nil for everything
	Filters []Filter
	Scope   *Scope // who may see what; nil for everything
	// Sort is a field; "" is the order of Doc.Order. Ascending, documents without a value come first, then false, true,
	// numbers, times and texts, in which letter case and accents do not count and digits count by their number. Equals are
	// in order of Doc.Order. Desc is the exact reverse.
	Sort   string
	Desc   bool
	Offset int
	Limit  int // 0 for none: only the total and facets
	// Facets are fields whose values are to be counted among all that pass.
	Facets []string
	// FacetLimit is how many values of each facet are returned, the most frequent first; 0 means 20.
	FacetLimit int
	Now        time.Time // what ages count from; the zero time means now
}

// Scope is what a caller may see: documents whose Field is one of Values, those with IDs, and those that pass one of the
// queries. Empty lists are nothing.
type Scope struct {
	Field   string // "" means organizationId
	Values  []string
	IDs     []string
	Queries []*Query
}

// Filter is a condition on one field: the form of a query parameter, for programs. A document of a field's list passes
// when one item does.
type Filter struct {
	Field  string
	Op     Op
	Values []string // one of them must fit; Missing takes none
}

// Op is how a filter compares.
type Op byte

const (
	// Equal finds the text letter for letter, the number, the time (in any form queries take) or the truth value.
	Equal Op = iota
	// Contains finds texts with the value anywhere in it; letter case and accents do not count.
	Contains
	AtLeast
	AtMost
	// Missing finds documents without a value.
	Missing
)

// Result is one page.
type Result struct {
	IDs    []string // in order; empty past the end
	Total  int      // documents that pass, on all pages
	Facets map[string][]Bucket
}

// Search answers a request. A field that no document has is empty everywhere. The error tells of a request that makes
// no sense: a negative offset or limit.
func (x *Index) Search(r Request) (Result, error) {
	if r.Offset < 0 || r.Limit < 0 || r.FacetLimit < 0 {
		return Result{}, fmt.Errorf("search: offset %d, limit %d and facet limit %d must not be negative", r.Offset, r.Limit, r.FacetLimit)
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	t := x.tables[r.Kind]
	if t == nil {
		return Result{}, nil
	}
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	match := t.find(&r)
	res := Result{Total: match.count()}
	if r.Limit > 0 {
		res.IDs = t.page(match, &r, res.Total)
	}
	for _, field := range r.Facets {
		if res.Facets == nil {
			res.Facets = map[string][]Bucket{}
		}
		res.Facets[field] = t.facet(match, field, &r)
	}
	return res, nil
}

const idField = "id"

// page walks the order to the page. What is not in the match costs a bit test.
func (t *table) page(match bitset, r *Request, total int) []string {
	w := walk{skip: min(r.Offset, total), left: min(r.Limit, max(total-r.Offset, 0))}
	if w.left == 0 {
		return nil
	}
	w.found = make([]uint32, 0, w.left)
	runs, masks := t.runs(match, r.Sort)
	if r.Desc {
		for i := len(runs) - 1; i >= 0 && w.left > 0; i-- {
			w.down(runs[i], masks[i])
		}
	} else {
		for i := 0; i < len(runs) && w.left > 0; i++ {
			w.up(runs[i], masks[i])
		}
	}
	ids := make([]string, len(w.found))
	for i, slot := range w.found {
		ids[i] = t.ids[slot]
	}
	return ids
}

// runs returns slots in the order of a field, each run with the set of those that count in it. Until the next writer
// comes nothing changes the runs.
func (t *table) runs(match bitset, field string) (runs [][]uint32, masks []bitset) {
	t.lazy.Lock()
	defer t.lazy.Unlock()
	if field == idField {
		return [][]uint32{t.idOrder.tidy(idOrder{t})}, []bitset{match}
	}
	c := t.column(field)
	if field == "" || c == nil {
		return [][]uint32{t.inOrder()}, []bitset{match}
	}
	without := newBitset(t.size())
	c.present(without)
	without.not(match)
	runs, masks = [][]uint32{t.inOrder()}, []bitset{without}
	for _, run := range c.inOrder(t) {
		runs, masks = append(runs, run), append(masks, match)
	}
	return runs, masks
}

type walk struct {
	skip, left int
	found      []uint32
}

func (w *walk) up(run []uint32, mask bitset) {
	for _, slot := range run {
		if mask.has(slot) && !w.take(slot) {
			return
		}
	}
}

func (w *walk) down(run []uint32, mask bitset) {
	for i := len(run) - 1; i >= 0; i-- {
		if mask.has(run[i]) && !w.take(run[i]) {
			return
		}
	}
}

// take reports whether there is more to take.
func (w *walk) take(slot uint32) bool {
	if w.skip > 0 {
		w.skip--
		return true
	}
	w.found = append(w.found, slot)
	w.left--
	return w.left > 0
}
