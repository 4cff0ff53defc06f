package logging

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"xively/internal/fault"
	"xively/internal/rest"
)

// Limits of a search.
const (
	DefaultSize = 10
	MaxSize     = 1000
	maxReach    = 10_000 // from + size
	maxClauses  = 128
	maxNesting  = 16
	maxWords    = 64
	maxSorts    = 8
)

// Query is a search of one account's entries.
type Query struct {
	From, Size int
	Sort       []SortKey
	where      condition
}

// ParseQuery reads the body of a search, a small part of Elasticsearch's query language:
//
//	{"query": CLAUSE, "from": 0, "size": 10, "sort": [{"sourceTimestamp": {"order": "desc"}}], "accountId": …}
//
//	{"match_all": {}}
//	{"term": {"sourceId": "…"}}                              the whole value; for tags, one of them
//	{"terms": {"severity": ["error", "critical"]}}
//	{"range": {"sourceTimestamp": {"gte": …, "lt": …}}}      also serviceTimestamp and code
//	{"match": {"message": "fan overheated"}}                 all words, in any order and case; also details
//	{"bool": {"must": …, "filter": …, "should": …, "must_not": …}}   each one clause or an array of them
//
// should decides only where there is neither must nor filter: then one of its clauses has to match. Values are JSON
// numbers, strings or booleans; a time is epoch milliseconds or an ISO 8601 date. Without a query all entries match;
// without sort the newest by sourceTimestamp come first.
//
// accountId, which clients put into every body, must be account: fault Forbidden. Everything that is not understood is
// refused with a fault Invalid whose field is its path: a clause left out would quietly find the wrong entries.
func ParseQuery(body map[string]any, account string) (Query, error) {
	q := Query{Size: DefaultSize, where: every{}}
	p := parser{}
	for _, name := range inOrder(body) {
		v := body[name]
		var err error
		switch name {
		case "query":
			q.where, err = p.clause(name, v, 0)
		case "from":
			q.From, err = wholeNumber(name, v, maxReach)
		case "size":
			q.Size, err = wholeNumber(name, v, MaxSize)
		case "sort":
			q.Sort, err = parseSort(v)
		case "accountId":
			if text(v) != account {
				err = fault.New(fault.Forbidden, "The accountId is not the account of your sign-in.")
			}
		default:
			err = fault.Field(name, "This is not supported; a search has query, from, size and sort.")
		}
		if err != nil {
			return Query{}, err
		}
	}
	if q.From+q.Size > maxReach {
		return Query{}, fault.Field("from", "from and size together may reach %d; narrow the search, for instance by a range of serviceTimestamp.", maxReach)
	}
	if len(q.Sort) == 0 {
		q.Sort = []SortKey{{Member: "sourceTimestamp", Desc: true}}
	}
	return q, nil
}

func wholeNumber(path string, v any, most int) (int, error) {
	n, ok := rest.Int(v)
	if !ok || n < 0 || n > int64(most) {
		return 0, fault.Field(path, "This must be a whole number from 0 to %d.", most)
	}
	return int(n), nil
}

// parser counts clauses over the whole query.
type parser struct{ clauses int }

// clause reads {"<kind>": {…}}.
func (p *parser) clause(path string, v any, depth int) (condition, error) {
	if p.clauses++; p.clauses > maxClauses || depth > maxNesting {
		return nil, fault.Field(path, "The query has more than %d clauses, or is nested deeper than %d.", maxClauses, maxNesting)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fault.Field(path, "This must be an object such as {\"term\": {\"sourceId\": \"…\"}}.")
	}
	if len(m) == 0 {
		return every{}, nil
	}
	kind, inner, err := only(path, m)
	if err != nil {
		return nil, err
	}
	path += "." + kind
	switch kind {
	case "match_all":
		return every{}, nil
	case "bool":
		return p.bool(path, inner, depth)
	case "term", "terms", "range", "match":
	default:
		return nil, fault.Field(path, "The clause %q is not supported; there are bool, term, terms, range, match and match_all.", kind)
	}
	m, ok = inner.(map[string]any)
	if !ok {
		return nil, fault.Field(path, "This must be an object with one member of entries.")
	}
	member, value, err := only(path, m)
	if err != nil {
		return nil, err
	}
	path += "." + member
	if !known(member) {
		return nil, fault.Field(path, "Entries have no member %q.", member)
	}
	switch kind {
	case "term":
		return parseTerm(path, member, value)
	case "terms":
		return parseTerms(path, member, value)
	case "range":
		return parseRange(path, member, value)
	}
	return parseMatch(path, member, value)
}

// only returns the single member of m.
func only(path string, m map[string]any) (name string, v any, err error) {
	if len(m) != 1 {
		return "", nil, fault.Field(path, "This must have one member; it has %d. Put several clauses into bool.must.", len(m))
	}
	name = inOrder(m)[0]
	return name, m[name], nil
}

// inOrder returns the names in m sorted: of several mistakes always the same one is told.
func inOrder(m map[string]any) []string {
	return slices.Sorted(maps.Keys(m))
}

func (p *parser) bool(path string, v any, depth int) (condition, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fault.Field(path, "This must be an object with must, filter, should or must_not.")
	}
	all := every{}
	var should some
	for _, name := range inOrder(m) {
		v, at := m[name], path+"."+name
		if name != "must" && name != "filter" && name != "should" && name != "must_not" {
			return nil, fault.Field(at, "This is not supported; bool has must, filter, should and must_not.")
		}
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for i, v := range list {
			each := at
			if isList {
				each = fmt.Sprintf("%s[%d]", at, i)
			}
			c, err := p.clause(each, v, depth+1)
			if err != nil {
				return nil, err
			}
			switch name {
			case "should":
				should = append(should, c)
			case "must_not":
				all = append(all, not{c})
			default:
				all = append(all, c)
			}
		}
	}
	_, must := m["must"]
	_, filter := m["filter"]
	if len(should) > 0 && !must && !filter {
		all = append(all, should)
	}
	return all, nil
}

// parseTerm reads a value, or {"value": …}.
func parseTerm(path, member string, v any) (condition, error) {
	if m, ok := v.(map[string]any); ok {
		name, inner, err := only(path, m)
		if err != nil {
			return nil, err
		}
		if name != "value" {
			return nil, fault.Field(path+"."+name, "This is not supported; a term has a value.")
		}
		v = inner
	}
	w, err := wanted(path, member, v)
	return equals{member, []string{w}}, err
}

func parseTerms(path, member string, v any) (condition, error) {
	list, ok := v.([]any)
	if !ok || len(list) > MaxSize {
		return nil, fault.Field(path, "This must be an array of at most %d values.", MaxSize)
	}
	c := equals{member: member}
	for i, v := range list {
		w, err := wanted(fmt.Sprintf("%s[%d]", path, i), member, v)
		if err != nil {
			return nil, err
		}
		c.wanted = append(c.wanted, w)
	}
	return c, nil
}

// wanted returns a value to compare with as text, as entries have it.
func wanted(path, member string, v any) (string, error) {
	switch v.(type) {
	case string, json.Number, bool:
	default:
		return "", fault.Field(path, "This must be a string, a number or a boolean.")
	}
	s := text(v)
	switch member {
	case "severity":
		if severity, ok := severityOf(s); ok {
			s = severity
		}
	case "sourceTimestamp", "serviceTimestamp":
		if ms := timestamp(v); ms != 0 {
			s = strconv.FormatInt(ms, 10)
		}
	}
	return s, nil
}

func parseRange(path, member string, v any) (condition, error) {
	if member != "sourceTimestamp" && member != "serviceTimestamp" && member != "code" {
		return nil, fault.Field(path, "A range can be asked of sourceTimestamp, serviceTimestamp and code.")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fault.Field(path, "This must be an object with gt, gte, lt or lte.")
	}
	c := within{member: member, min: math.Inf(-1), max: math.Inf(1)}
	for _, name := range inOrder(m) {
		bound, ok := parseBound(member, m[name])
		if !ok {
			return nil, fault.Field(path+"."+name, "This must be a number; for a time, epoch milliseconds or a date such as 2015-09-14T11:30:02Z.")
		}
		switch name {
		case "gt", "gte":
			c.min, c.openBelow = bound, name == "gt"
		case "lt", "lte":
			c.max, c.openTop = bound, name == "lt"
		default:
			return nil, fault.Field(path+"."+name, "This is not supported; a range has gt, gte, lt and lte.")
		}
	}
	return c, nil
}

func parseBound(member string, v any) (float64, bool) {
	if f, ok := rest.Float(v); ok {
		return f, true
	}
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	return float64(t.UnixMilli()), err == nil && member != "code"
}

// parseMatch reads text, or {"query": text, "operator": "and"}.
func parseMatch(path, member string, v any) (condition, error) {
	if member != "message" && member != "details" {
		return nil, fault.Field(path, "Words can be looked for in message and details; use term for other members.")
	}
	if m, ok := v.(map[string]any); ok {
		for _, name := range inOrder(m) {
			switch {
			case name == "query":
			case name == "operator" && m[name] == "and":
			default:
				return nil, fault.Field(path+"."+name, "This is not supported; a match has query and, always, the operator \"and\".")
			}
		}
		v = m["query"]
	}
	s, ok := v.(string)
	c := hasWords{member, words(s)}
	if !ok || len(c.words) == 0 || len(c.words) > maxWords {
		return nil, fault.Field(path, "This must be text of 1 to %d words.", maxWords)
	}
	return c, nil
}
