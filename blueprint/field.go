package blueprint

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"xively/internal/fault"
	"xively/internal/rest"
)

type fieldKind byte

const (
	text   fieldKind = iota
	number           // stored as float64
	list             // of texts
)

// field is one member of a noun that somebody can set or the server keeps.
type field struct {
	name     string
	kind     fieldKind
	required bool
	fixed    bool     // set at create and never changed
	kept     bool     // by the server: ignored in requests
	lines    bool     // line breaks are welcome
	most     int      // characters of a text, 0 = defaultMost
	limit    float64  // a number's largest absolute value, 0 = any
	choices  []string // the only values, the first is the default
	refs     []string // kinds the value is an id of
	refBy    string   // the member that says which of refs
	owner    bool     // deleting what the value refers to deletes this too, instead of being refused
	partial  bool     // the filter finds parts of the text, in any letter case
	index    byte     // code of its index, 0 = none
	unique   bool     // in the account; needs an index
	check    func(v any) error
}

const (
	defaultMost = 256
	mostInList  = 32
)

func (f *field) refersTo() bool { return len(f.refs) > 0 }

// parse reads a value as a request sends it; null and "" for an id or a choice come back as nil: unset.
func (f *field) parse(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	parsed, err := f.parseKind(v)
	if err != nil || parsed == nil {
		return nil, err
	}
	if f.check != nil {
		if err := f.check(parsed); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

func (f *field) parseKind(v any) (any, error) {
	switch f.kind {
	case number:
		return f.parseNumber(v)
	case list:
		return f.parseList(v)
	}
	s, err := f.parseText(v)
	if err != nil {
		return nil, err
	}
	switch {
	case s == "" && (f.refersTo() || f.choices != nil):
		return nil, nil
	case f.choices != nil:
		for _, c := range f.choices {
			if s == c {
				return s, nil
			}
		}
		return nil, fault.Field(f.name, "This must be one of: %s.", strings.Join(f.choices, ", "))
	}
	return s, nil
}

func (f *field) parseText(v any) (string, error) {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case json.Number: // a serial number written as a number means its digits
		s = v.String()
	default:
		return "", fault.Field(f.name, "This must be a string.")
	}
	most := f.most
	if most == 0 {
		most = defaultMost
	}
	if utf8.RuneCountInString(s) > most {
		return "", fault.Field(f.name, "This is longer than %d characters.", most)
	}
	for _, r := range s {
		if unicode.IsControl(r) && !(f.lines && (r == '\n' || r == '\r' || r == '\t')) {
			return "", fault.Field(f.name, "This holds a control character (%U).", r)
		}
	}
	return s, nil
}

func (f *field) parseNumber(v any) (any, error) {
	if v == "" {
		return nil, nil // an empty form field
	}
	n, ok := rest.Float(v)
	if !ok {
		return nil, fault.Field(f.name, "This must be a number.")
	}
	if f.limit != 0 && (n > f.limit || n < -f.limit) {
		return nil, fault.Field(f.name, "This must be from -%g to %g.", f.limit, f.limit)
	}
	return n, nil
}

func (f *field) parseList(v any) (any, error) {
	if s, ok := v.(string); ok { // a form has one text
		v = []any{s}
	}
	array, ok := v.([]any)
	if !ok {
		return nil, fault.Field(f.name, "This must be an array of strings.")
	}
	if len(array) > mostInList {
		return nil, fault.Field(f.name, "There are more than %d.", mostInList)
	}
	out := make([]string, 0, len(array))
	for _, e := range array {
		s, ok := e.(string)
		if !ok {
			return nil, fault.Field(f.name, "This must be an array of strings.")
		}
		if s, err := f.parseText(s); err != nil {
			return nil, err
		} else if s != "" {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// assign puts the members of a request into o. old is nil on create.
func (t *txn) assign(k *kind, old, o *object, in map[string]any) error {
	fields := t.fields(k, o)
	for i := range fields {
		f := &fields[i]
		v, sent := in[f.name]
		if !sent || f.kept {
			continue
		}
		parsed, err := f.parse(v)
		if err != nil {
			return err
		}
		if f.fixed && old != nil && !reflect.DeepEqual(parsed, old.Values[f.name]) {
			return fault.Field(f.name, "This cannot be changed after the %s is made.", k.title)
		}
		o.set(f.name, parsed)
	}
	for i := range fields {
		if f := &fields[i]; f.choices != nil && o.Values[f.name] == nil && !f.required {
			o.set(f.name, f.choices[0])
		}
	}
	return nil
}

// complete refuses an object that lacks a required value.
func (t *txn) complete(k *kind, o *object) error {
	fields := t.fields(k, o)
	for i := range fields {
		f := &fields[i]
		if !f.required {
			continue
		}
		if s, isText := o.Values[f.name].(string); o.Values[f.name] == nil || isText && strings.TrimSpace(s) == "" {
			return fault.Field(f.name, "A %s needs this.", k.title)
		}
	}
	return nil
}
