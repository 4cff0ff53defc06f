package logging

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
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
	Every      time.Duration // width of the histogram's bars; 0 for no histogram
	EveryOf    string        // the time that is counted by: serviceTimestamp or sourceTimestamp

	where    condition
	pageOnly bool // Result.Total need not be right
}

// ParseQuery reads the body of a search, a part of Elasticsearch's query language:
//
//	{"query": CLAUSE, "from": 0, "size": 10, "sort": [{"sourceTimestamp": {"order": "desc"}}], "accountId": …}
//
//	{"match_all": {}}
//	{"term": {"sourceId": "…"}}                              the whole value; for tags, one of them
//	{"terms": {"severity": ["error", "critical"]}}
//	{"prefix": {"code": "E7"}}                               values that begin so
//	{"exists": {"field": "custom.remote"}}
//	{"ids": {"values": ["…"]}}
//	{"range": {"sourceTimestamp": {"gte": …, "lt": …}}}      also serviceTimestamp, code and custom members
//	{"match": {"message": "fan overheated"}}                 all words, in any order and case; also details, code, tags, _all
//	{"match": {"message": {"query": "fan pump", "operator": "or"}}}
//	{"match_phrase": {"message": "over 150"}}                the words one after the other
//	{"query_string": {"query": "severity:error AND message:over*"}}   see ParseText; the default operator is OR
//	{"bool": {"must": …, "filter": …, "should": …, "must_not": …, "minimum_should_match": 1}}   each one clause or an array
//
// should decides only where there is neither must nor filter, or minimum_should_match is 1: then one of its clauses has to
// match. Values are JSON numbers, strings or booleans; a time is epoch milliseconds or an ISO 8601 date. Without a query all
// entries match; without sort the newest by sourceTimestamp come first.
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
type parser struct{ count int }

// clause reads {"<kind>": {…}}.
func (p *parser) clause(path string, v any, depth int) (condition, error) {
	if p.count++; p.count > maxClauses || depth > maxNesting {
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
	case "exists":
		return parseExists(path, inner)
	case "ids":
		return parseIDs(path, inner)
	case "query_string":
		return p.queryString(path, inner)
	case "term", "terms", "range", "match", "match_phrase", "prefix":
	default:
		return nil, fault.Field(path, "The clause %q is not supported; there are bool, term, terms, prefix, exists, ids, range, match, match_phrase, query_string and match_all.", kind)
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
	if !known(member) && !(member == "_all" && (kind == "match" || kind == "match_phrase")) {
		return nil, fault.Field(path, "Entries have no member %q.", member)
	}
	switch kind {
	case "term":
		return parseTerm(path, member, value)
	case "terms":
		return parseTerms(path, member, value)
	case "prefix":
		return parsePrefix(path, member, value)
	case "range":
		return parseRange(path, member, value)
	}
	return parseMatch(path, member, value, kind == "match_phrase")
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
	_, must := m["must"]
	_, filter := m["filter"]
	all, should, least := every{}, some{}, !must && !filter
	for _, name := range inOrder(m) {
		v, at := m[name], path+"."+name
		if name == "minimum_should_match" {
			n, ok := rest.Int(v)
			if !ok || n < 0 || n > 1 {
				return nil, fault.Field(at, "This must be 0 or 1.")
			}
			least = n == 1
			continue
		}
		clauses, err := p.clauses(at, name, v, depth)
		if err != nil {
			return nil, err
		}
		for _, c := range clauses {
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
	if len(should) > 0 && least {
		all = append(all, should)
	}
	return all, nil
}

// clauses reads a member of bool: a clause or an array of them.
func (p *parser) clauses(path, name string, v any, depth int) ([]condition, error) {
	if name != "must" && name != "filter" && name != "should" && name != "must_not" {
		return nil, fault.Field(path, "This is not supported; bool has must, filter, should, must_not and minimum_should_match.")
	}
	list, isList := v.([]any)
	if !isList {
		c, err := p.clause(path, v, depth+1)
		return []condition{c}, err
	}
	var all []condition
	for i, v := range list {
		c, err := p.clause(fmt.Sprintf("%s[%d]", path, i), v, depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// parseExists reads {"field": "…"}.
func parseExists(path string, v any) (condition, error) {
	m, _ := v.(map[string]any)
	member, _ := m["field"].(string)
	if len(m) != 1 || !known(member) {
		return nil, fault.Field(path, "This must be {\"field\": …} with a member of entries.")
	}
	return exists{member}, nil
}

// parseIDs reads {"values": […]}.
func parseIDs(path string, v any) (condition, error) {
	m, _ := v.(map[string]any)
	if len(m) != 1 || m["values"] == nil {
		return nil, fault.Field(path, "This must be {\"values\": […]} with _ids of entries.")
	}
	return parseTerms(path+".values", "_id", m["values"])
}

// parsePrefix reads text, or {"value": text}.
func parsePrefix(path, member string, v any) (condition, error) {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		v = m["value"]
	}
	s, ok := v.(string)
	if !ok || classOf(member) == timeMember && member != "_id" {
		return nil, fault.Field(path, "This must be the text that a value begins with; of a time, ask for a range.")
	}
	return prefix{member, s}, nil
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
	if member != "sourceTimestamp" && member != "serviceTimestamp" && member != "code" && classOf(member) != customMember {
		return nil, fault.Field(path, "A range can be asked of sourceTimestamp, serviceTimestamp, code and custom members.")
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
	return float64(t.UnixMilli()), err == nil && classOf(member) == timeMember
}

// parseMatch reads text, or {"query": text, "operator": "and"}.
func parseMatch(path, member string, v any, asPhrase bool) (condition, error) {
	in := wordMembers[member]
	if in == 0 {
		return nil, fault.Field(path, "Words can be looked for in message, details, code, tags and _all; use term for other members.")
	}
	operator := any("and")
	if m, ok := v.(map[string]any); ok {
		for _, name := range inOrder(m) {
			if name != "query" && (name != "operator" || asPhrase) {
				return nil, fault.Field(path+"."+name, "This is not supported; a match has query and operator, a match_phrase query.")
			}
		}
		if v = m["query"]; m["operator"] != nil {
			operator = m["operator"]
		}
	}
	if operator != "and" && operator != "or" {
		return nil, fault.Field(path+".operator", "The operator must be and, which is the default, or or.")
	}
	s, ok := v.(string)
	list := literals(words(s))
	if !ok || len(list) == 0 || len(list) > maxWords {
		return nil, fault.Field(path, "This must be text of 1 to %d words.", maxWords)
	}
	switch {
	case asPhrase:
		return phrase{in, list}, nil
	case operator == "or":
		var any some
		for _, w := range list {
			any = append(any, hasWords{in, []word{w}})
		}
		return any, nil
	}
	return hasWords{in, list}, nil
}

// queryString reads {"query": "…", "default_field": "message", "default_operator": "or"}.
func (p *parser) queryString(path string, v any) (condition, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fault.Field(path, "This must be an object with a query.")
	}
	t := textParser{in: anywhere, or: true, parser: p, field: path + ".query", now: time.Now()}
	for _, name := range inOrder(m) {
		s, ok := m[name].(string)
		switch {
		case !ok:
			return nil, fault.Field(path+"."+name, "This must be a string.")
		case name == "query":
			t.text = s
		case name == "default_field" && wordMembers[s] != 0:
			t.in = wordMembers[s]
		case name == "default_operator" && (strings.EqualFold(s, "and") || strings.EqualFold(s, "or")):
			t.or = strings.EqualFold(s, "or")
		default:
			return nil, fault.Field(path+"."+name, "This is not supported; a query_string has query, default_field (message, details, code, tags, _all) and default_operator (and, or).")
		}
	}
	return t.parse()
}
