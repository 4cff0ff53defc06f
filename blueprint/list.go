package blueprint

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"xively/internal/fault"
	"xively/internal/rest"
)

// null in a filter selects objects without the value: parentId=null gives the root organizations.
const null = "null"

// list finds one page of live objects and how many there are in all. Filters name fields; others are not looked at.
//
// Cost: without a filter and in order of creation, the keys up to the end of the page. A filter on an indexed field costs
// the keys of its matches (a partial one, all keys of that index) and decodes the page only, as does sorting by an indexed
// field. Any other filter or order decodes every object that the indexed filters leave over.
func (t *txn) list(k *kind, filters map[string]string, p rest.Page) ([]*object, int, error) {
	if err := k.sortable(p.SortBy); err != nil {
		return nil, 0, err
	}
	byCreation := p.SortBy == "" || p.SortBy == "created"
	if len(filters) == 0 && byCreation {
		refs := t.pageOfAll(k, p)
		objects, err := t.loadAll(k, refs)
		return objects, t.count(k), err
	}
	refs, err := t.matches(k, filters)
	if err != nil {
		return nil, 0, err
	}
	if !byCreation {
		if refs, err = t.sort(k, refs, p.SortBy); err != nil {
			return nil, 0, err
		}
	}
	if p.Desc {
		slices.Reverse(refs)
	}
	total := len(refs)
	from := min(p.Offset(), total)
	objects, err := t.loadAll(k, refs[from:min(from+p.PageSize, total)])
	return objects, total, err
}

func (k *kind) sortable(by string) error {
	switch by {
	case "", "created", "lastModified":
		return nil
	}
	if f := k.field(by); f == nil || f.kind == list {
		return fault.Field("sortBy", "A %s cannot be sorted by %s; use created, lastModified or one of its own members.", k.title, quote(by))
	}
	return nil
}

// pageOfAll walks the order of creation to the page.
func (t *txn) pageOfAll(k *kind, p rest.Page) []ref {
	prefix := t.valuePrefix(k, indexAll, "")
	end := slices.Clone(prefix)
	end[len(end)-1] = 1 // the 00 before the ref
	b := t.tx.Bucket(indexBucket)
	keys := b.Scan(prefix, end)
	if p.Desc {
		keys = b.ScanDown(prefix, end)
	}
	var refs []ref
	skip := p.Offset()
	for key := range keys {
		if skip > 0 {
			skip--
			continue
		}
		if len(refs) == p.PageSize {
			break
		}
		refs = append(refs, ref(key[len(key)-len(ref{}):]))
	}
	return refs
}

func (t *txn) loadAll(k *kind, refs []ref) ([]*object, error) {
	objects := make([]*object, 0, len(refs))
	for _, r := range refs {
		o, err := t.loadRef(k, r)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// loadRef loads what an index names; that it is missing would be our bug.
func (t *txn) loadRef(k *kind, r ref) (*object, error) {
	o, err := load(t.tx, k, r.id())
	if err == nil && (o == nil || o.AccountID != t.account) {
		return nil, fmt.Errorf("%s %s: in the index of account %s and not in the store", k.one, r.id(), t.account)
	}
	return o, err
}

// matches returns the refs of all objects that pass the filters, in order of creation.
func (t *txn) matches(k *kind, filters map[string]string) ([]ref, error) {
	var refs []ref
	slow := map[string]string{}
	first := true
	for name, want := range filters {
		ix := k.indexOn(name)
		if ix == nil || want == null && !ix.nulls {
			slow[name] = want
			continue
		}
		found := t.lookup(k, k.field(name), ix, want)
		if first {
			refs, first = found, false
		} else {
			refs = intersect(refs, found)
		}
	}
	if first {
		refs = slices.Collect(t.refsEqual(k, indexAll, ""))
	}
	return t.sift(k, refs, slow)
}

func (t *txn) lookup(k *kind, f *field, ix *index, want string) []ref {
	if want == null {
		want = ""
	}
	if !f.partial {
		refs := slices.Collect(t.refsEqual(k, ix.code, want))
		if len(ix.fields) > 1 {
			slices.SortFunc(refs, ref.compare)
		}
		return refs
	}
	var refs []ref
	part := strings.ToLower(want)
	for value, r := range t.refsByValue(k, ix.code) {
		if strings.Contains(strings.ToLower(string(value)), part) {
			refs = append(refs, r)
		}
	}
	slices.SortFunc(refs, ref.compare)
	return refs
}

// intersect keeps what is in both; both are sorted.
func intersect(a, b []ref) []ref {
	out := a[:0]
	for _, r := range a {
		for len(b) > 0 && b[0].compare(r) < 0 {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == r {
			out = append(out, r)
		}
	}
	return out
}

// sift applies the filters that no index answers.
func (t *txn) sift(k *kind, refs []ref, filters map[string]string) ([]ref, error) {
	for name, want := range filters {
		passes := k.live[name]
		if passes == nil {
			continue
		}
		delete(filters, name)
		var err error
		if refs, err = keep(refs, func(r ref) (bool, error) { return passes(t, r.id(), want) }); err != nil {
			return nil, err
		}
	}
	if len(filters) == 0 {
		return refs, nil
	}
	return keep(refs, func(r ref) (bool, error) {
		o, err := t.loadRef(k, r)
		return err == nil && k.passes(o, filters), err
	})
}

func keep(refs []ref, wanted func(ref) (bool, error)) ([]ref, error) {
	kept := refs[:0]
	for _, r := range refs {
		ok, err := wanted(r)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, r)
		}
	}
	return kept, nil
}

func (k *kind) passes(o *object, filters map[string]string) bool {
	for name, want := range filters {
		if !k.field(name).matches(o.Values[name], want) {
			return false
		}
	}
	return true
}

func (f *field) matches(v any, want string) bool {
	switch v := v.(type) {
	case nil:
		return want == null || want == ""
	case string:
		if f.partial {
			return strings.Contains(strings.ToLower(v), strings.ToLower(want))
		}
		return v == want
	case float64:
		n, err := strconv.ParseFloat(want, 64)
		return err == nil && n == v
	case []string:
		return slices.Contains(v, want)
	}
	return false
}

// sort orders refs by a member; equals keep the order of creation, those without a value come first.
func (t *txn) sort(k *kind, refs []ref, by string) ([]ref, error) {
	if ix := k.indexOn(by); ix != nil && len(ix.fields) == 1 && !t.fewOf(k, refs) {
		return t.sortByIndex(k, refs, ix), nil
	}
	type keyed struct {
		ref
		text   string
		number float64
	}
	all := make([]keyed, len(refs))
	for i, r := range refs {
		o, err := t.loadRef(k, r)
		if err != nil {
			return nil, err
		}
		all[i].ref = r
		if by == "lastModified" {
			all[i].number = float64(o.Modified)
			continue
		}
		all[i].text = o.text(by)
		if n, ok := o.Values[by].(float64); ok {
			all[i].number = n
		} else {
			all[i].number = math.Inf(-1)
		}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		return cmp.Or(strings.Compare(a.text, b.text), cmp.Compare(a.number, b.number))
	})
	for i := range all {
		refs[i] = all[i].ref
	}
	return refs, nil
}

// fewOf reports whether decoding the matches is cheaper than walking a whole index: a decode costs some thirty keys.
func (t *txn) fewOf(k *kind, refs []ref) bool { return len(refs) < t.count(k)/30 }

func (t *txn) sortByIndex(k *kind, refs []ref, ix *index) []ref {
	wanted := make(map[ref]bool, len(refs))
	for _, r := range refs {
		wanted[r] = true
	}
	valued := make([]ref, 0, len(refs))
	for _, r := range t.refsByValue(k, ix.code) {
		if wanted[r] {
			valued = append(valued, r)
			delete(wanted, r)
		}
	}
	out := make([]ref, 0, len(refs))
	for _, r := range refs {
		if wanted[r] {
			out = append(out, r)
		}
	}
	return append(out, valued...)
}
