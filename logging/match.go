package logging

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
)

// A condition decides whether an entry is searched for.
type condition interface {
	matches(e *Entry) bool
}

// Members that hold text, those that hold a time, and the rest. Members of custom are named custom.<member>, and deeper.
var members = map[string]func(e *Entry) []string{
	"_id":              func(e *Entry) []string { return []string{e.ID} },
	"accountId":        func(e *Entry) []string { return []string{e.AccountID} },
	"sourceId":         func(e *Entry) []string { return []string{e.SourceID} },
	"sourceType":       func(e *Entry) []string { return []string{e.SourceType} },
	"deviceTemplateId": func(e *Entry) []string { return optional(e.DeviceTemplateID) },
	"organizationId":   func(e *Entry) []string { return optional(e.OrganizationID) },
	"message":          func(e *Entry) []string { return []string{e.Message} },
	"severity":         func(e *Entry) []string { return []string{e.Severity} },
	"code":             func(e *Entry) []string { return optional(e.Code) },
	"details":          func(e *Entry) []string { return optional(e.Details) },
	"tags":             func(e *Entry) []string { return e.Tags },
	"incidents":        func(e *Entry) []string { return nil },
	"sourceTimestamp":  func(e *Entry) []string { return []string{strconv.FormatInt(e.SourceTimestamp, 10)} },
	"serviceTimestamp": func(e *Entry) []string { return []string{strconv.FormatInt(e.ServiceTimestamp, 10)} },
}

const customPrefix = "custom."

func optional(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// known reports whether entries can have the member.
func known(member string) bool {
	return members[member] != nil || strings.HasPrefix(member, customPrefix)
}

// values returns a member's values as text; none when the entry does not have it.
func (e *Entry) values(member string) []string {
	if get := members[member]; get != nil {
		return get(e)
	}
	path, ok := strings.CutPrefix(member, customPrefix)
	if !ok {
		return nil
	}
	var v any = e.Custom
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	if list, ok := v.([]any); ok {
		var all []string
		for _, v := range list {
			all = append(all, text(v))
		}
		return all
	}
	if v == nil {
		return nil
	}
	return []string{text(v)}
}

// number returns a member's first value as a number.
func (e *Entry) number(member string) (float64, bool) {
	values := e.values(member)
	if len(values) == 0 {
		return 0, false
	}
	return parseFloat(values[0])
}

func parseFloat(s string) (float64, bool) {
	n := json.Number(s)
	f, err := n.Float64()
	return f, err == nil && f == f
}

// every matches when all of it does; an empty one always.
type every []condition

func (c every) matches(e *Entry) bool {
	for _, each := range c {
		if !each.matches(e) {
			return false
		}
	}
	return true
}

// some matches when one of it does.
type some []condition

func (c some) matches(e *Entry) bool {
	for _, each := range c {
		if each.matches(e) {
			return true
		}
	}
	return false
}

type not struct{ condition }

func (c not) matches(e *Entry) bool { return !c.condition.matches(e) }

// equals matches when one value of the member is one of the wanted ones, in full and in this case.
type equals struct {
	member string
	wanted []string
}

func (c equals) matches(e *Entry) bool {
	for _, v := range e.values(c.member) {
		for _, w := range c.wanted {
			if v == w {
				return true
			}
		}
	}
	return false
}

// within matches numbers in a range; a bound that is not there is infinite.
type within struct {
	member             string
	min, max           float64
	openBelow, openTop bool // the bound itself does not belong
}

func (c within) matches(e *Entry) bool {
	v, ok := e.number(c.member)
	return ok && (v > c.min || v == c.min && !c.openBelow) && (v < c.max || v == c.max && !c.openTop)
}

// hasWords matches texts in which each of the words stands as a word, in any case.
type hasWords struct {
	member string
	words  []string // lower case
}

func (c hasWords) matches(e *Entry) bool {
	have := map[string]bool{}
	for _, v := range e.values(c.member) {
		for _, w := range words(v) {
			have[w] = true
		}
	}
	for _, w := range c.words {
		if !have[w] {
			return false
		}
	}
	return len(c.words) > 0
}

// words splits text at everything that is neither a letter nor a digit.
func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}
