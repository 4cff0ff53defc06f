package blueprint

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"xively/blueprint/search"
	"xively/internal/fault"
	"xively/internal/rest"
)

// null in a filter selects objects without the value: parentId=null gives the root organizations.
const null = "null"

// wanted is what a list request asks for.
type wanted struct {
	rest.Page
	filters []search.Filter
	query   *search.Query
	facets  []string
}

// found is its answer.
type found struct {
	objects []*object
	total   int
	facets  map[string][]search.Bucket
}

// Limits of a list request.
const (
	maxFacets     = 20
	maxFacetPairs = 1_000_000 // values of a facet the platform itself asks for
)

// want reads a list's query: any field by its name (partial where the field says so, null for none), q for the query
// language, facets for counts by value. Keys that name no field are not looked at.
func (t *txn) want(k *kind, query url.Values, p rest.Page) (w wanted, err error) {
	w.Page = p
	for name, values := range query {
		if len(values) == 0 || values[0] == "" || name == "sortBy" || name == "sortOrder" { // saved searches have members of these names
			continue
		}
		f, err := t.fieldNamed(k, name)
		if err != nil {
			return w, err
		}
		if f != nil {
			w.filters = append(w.filters, t.filter(k, f, values[0]))
		}
	}
	if w.query, err = t.parseQuery(k, query.Get("q")); err != nil {
		return w, err
	}
	for _, name := range strings.Split(query.Get("facets"), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if ok, err := t.searchable(k, name); err != nil || !ok {
			return w, cmpErr(err, fault.Field("facets", "A %s has no %s.", k.title, quote(name)))
		}
		w.facets = append(w.facets, name)
	}
	if len(w.facets) > maxFacets {
		return w, fault.Field("facets", "At most %d at a time.", maxFacets)
	}
	if w.SortBy != "" && w.SortBy != "id" {
		f, err := t.fieldNamed(k, w.SortBy)
		if err != nil {
			return w, err
		}
		if ok, _ := t.searchable(k, w.SortBy); !ok || f != nil && f.kind == list {
			return w, fault.Field("sortBy", "A %s cannot be sorted by %s; use created, lastModified or one of its own members.", k.title, quote(w.SortBy))
		}
	}
	return w, nil
}

// parseQuery reads the query language; what it cannot mean is said with its place.
func (t *txn) parseQuery(k *kind, text string) (*search.Query, error) {
	if text == "" {
		return nil, nil
	}
	q, err := search.Parse(text)
	if err == nil {
		err = q.CheckFields(func(name string) bool { ok, _ := t.searchable(k, name); return ok })
	}
	if syntax := (*search.SyntaxError)(nil); errors.As(err, &syntax) {
		return nil, fault.Field("q", "%s", syntax.Error())
	}
	return q, err
}

// searchable reports whether a word names something of the kind that is indexed.
func (t *txn) searchable(k *kind, name string) (bool, error) {
	switch strings.ToLower(name) {
	case "id", "created", "lastmodified", "tag":
		return true, nil
	}
	for i := range k.fields {
		if strings.EqualFold(k.fields[i].name, name) {
			return true, nil
		}
	}
	f, err := t.customNamed(k, name)
	if f != nil || err != nil || k.customBy == "" {
		return f != nil, err
	}
	<-t.finder.ready // a custom field in another letter case
	return slices.ContainsFunc(t.finder.index(t.account).Fields(k.one), func(s string) bool { return strings.EqualFold(s, name) }), nil
}

func (t *txn) fieldNamed(k *kind, name string) (*field, error) {
	if f := k.field(name); f != nil {
		return f, nil
	}
	if k.one == "organization" && name == "deviceTemplateId" {
		return &field{name: name}, nil
	}
	return t.customNamed(k, name)
}

func (t *txn) filter(k *kind, f *field, value string) search.Filter {
	switch {
	case k.one == "organization" && f.name == "deviceTemplateId":
		return search.Filter{Field: "id", Op: search.Equal, Values: t.organizationsWith(value)}
	case value == null:
		return search.Filter{Field: f.name, Op: search.Missing}
	case f.partial:
		return search.Filter{Field: f.name, Op: search.Contains, Values: []string{value}}
	}
	return search.Filter{Field: f.name, Op: search.Equal, Values: []string{value}}
}

// organizationsWith are the organizations with a device of a template in them.
func (t *txn) organizationsWith(template string) (ids []string) {
	r, err := t.finder.search(t.account, search.Request{Kind: "device", Facets: []string{"organizationId"}, FacetLimit: maxFacetPairs,
		Filters: []search.Filter{{Field: "deviceTemplateId", Values: []string{template}}}})
	if err != nil {
		return nil
	}
	for _, b := range r.Facets["organizationId"] {
		ids = append(ids, b.Value)
	}
	return ids
}

// list finds one page of the live objects that the caller may read, and how many there are in all.
func (t *txn) list(k *kind, w wanted) (found, error) {
	scope, err := t.scope(k)
	if err != nil {
		return found{}, err
	}
	return t.listIn(scope, k, w)
}

// listIn is list for what is in a scope.
func (t *txn) listIn(scope *search.Scope, k *kind, w wanted) (f found, err error) {
	r := search.Request{Kind: k.one, Query: w.query, Filters: w.filters, Sort: w.SortBy, Desc: w.Desc,
		Offset: w.Offset(), Limit: w.PageSize, Facets: w.facets, Scope: scope}
	if r.Sort == "created" {
		r.Sort = ""
	}
	result, err := t.finder.search(t.account, r)
	if err != nil {
		return f, err
	}
	f.total, f.facets = result.Total, result.Facets
	for _, id := range result.IDs {
		o, err := load(t.tx, k, id)
		if err != nil {
			return f, err
		}
		if o != nil && o.Deleted == 0 && o.AccountID == t.account { // else deleted since this view began
			f.objects = append(f.objects, o)
		}
	}
	return f, nil
}

// scope is what of a kind the caller may read; nil for everything.
func (t *txn) scope(k *kind) (*search.Scope, error) {
	if t.who == nil || t.who.admin {
		return nil, nil
	}
	if !slices.Contains(reachable, k.one) {
		if k.one != "grant" {
			return &search.Scope{}, nil // admitKind has refused already
		}
		ids, err := t.visibleGrants()
		return &search.Scope{IDs: ids}, err
	}
	return t.scopeOf(t.who, k), nil
}

// scopeOf is what of a reachable kind r may read; nil for everything.
func (t *txn) scopeOf(r *reach, k *kind) *search.Scope {
	if r.admin {
		return nil
	}
	s := &search.Scope{}
	now := timeText(t.at.UnixMilli())
	done := map[string]bool{}
	for i := range r.sources {
		src := &r.sources[i]
		switch {
		case !src.has(permissionFor(read, k)) || src.over(now):
		case src.device != "" && k.one == "device":
			s.IDs = append(s.IDs, src.device)
		case src.query != nil && k.one == "device":
			s.Queries = append(s.Queries, src.query)
		case src.organization != "":
			for _, r := range t.below(nil, done, t.byName["organization"], src.organization) {
				s.Values = append(s.Values, r.id())
			}
		}
	}
	if k.one == "organization" {
		s.IDs, s.Values = s.Values, nil
	}
	if k.one == r.k.one {
		s.IDs = append(s.IDs, r.p.ID)
	}
	return s
}

// loadRef loads what an index names; that it is missing would be our bug.
func (t *txn) loadRef(k *kind, r ref) (*object, error) {
	o, err := load(t.tx, k, r.id())
	if err == nil && (o == nil || o.AccountID != t.account) {
		return nil, fmt.Errorf("%s %s: in the index of account %s and not in the store", k.one, r.id(), t.account)
	}
	return o, err
}
