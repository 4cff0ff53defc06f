package blueprint

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"xively/internal/fault"
	"xively/internal/rest"
)

type fieldKind byte

const (
	text    fieldKind = iota
	number            // stored as float64
	list              // of texts
	boolean           // stored as bool
	moment            // stored as a text, the form of rest.Time
)

// truth is the choice of a field that clients know as a text, "false" or "true"; JSON's own words are taken too.
var truth = []string{"false", "true"}

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
	anyone   bool     // … also of what the caller cannot read
	owner    bool     // deleting what the value refers to deletes this too, instead of being refused
	partial  bool     // the filter finds parts of the text, in any letter case
	index    byte     // code of its index, 0 = none
	unique   bool     // in the account; needs an index
	custom   bool     // the object's template has it, not its kind
	initial  any      // what an object is made with when nothing is sent
	check    func(v any) error
}

const (
	defaultMost = 256
	mostInList  = 32
)

// tags are free words on an object, found by tag:word.
func tags() field { return field{name: "tags", kind: list, most: 64} }

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
	case boolean:
		return f.parseBool(v)
	case moment:
		return f.parseMoment(v)
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
	case bool:
		if f.choices == nil {
			return "", fault.Field(f.name, "This must be a string.")
		}
		s = strconv.FormatBool(v)
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

func (f *field) parseBool(v any) (any, error) {
	if v == "" {
		return nil, nil
	}
	b, ok := rest.Bool(v)
	if !ok {
		return nil, fault.Field(f.name, "This must be true or false.")
	}
	return b, nil
}

// momentForms are the ways clients write a time; without a zone it is UTC.
var momentForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999-0700", "2006-01-02 15:04:05.999-0700",
	"2006-01-02T15:04:05.999", "2006-01-02 15:04:05.999", "2006-01-02T15:04", "2006-01-02"}

func (f *field) parseMoment(v any) (any, error) {
	if v == "" {
		return nil, nil
	}
	if ms, ok := rest.Int(v); ok && ms >= 0 && ms < 253402300800000 { // before the year 10000
		return timeText(ms), nil
	}
	if s, ok := v.(string); ok {
		for _, form := range momentForms {
			if at, err := time.Parse(form, strings.TrimSpace(s)); err == nil && at.Year() >= 0 && at.Year() < 10000 {
				return rest.Time(at), nil
			}
		}
	}
	return nil, fault.Field(f.name, "This must be a time such as 2017-03-01T10:00:00.000Z, or milliseconds since 1970.")
}

// holds reports whether a stored value is of the field's kind: a field that was deleted and made again may find others.
func (f *field) holds(v any) bool {
	switch v.(type) {
	case string:
		return f.kind == text || f.kind == moment
	case float64:
		return f.kind == number
	case bool:
		return f.kind == boolean
	case []string:
		return f.kind == list
	}
	return false
}

func (f *field) parseList(v any) (any, error) {
	if s, ok := v.(string); ok { // a form or a cell has one text
		v = []any{}
		for _, part := range strings.Split(s, "|") {
			v = append(v.([]any), part)
		}
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
	if err := t.assignFields(k, k.fields, old, o, in); err != nil {
		return err
	}
	custom, err := t.customFields(k, o)
	if err != nil {
		return err
	}
	return t.assignFields(k, custom, old, o, in)
}

func (t *txn) assignFields(k *kind, fields []field, old, o *object, in map[string]any) error {
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
		if f.fixed && old != nil && !reflect.DeepEqual(f.orDefault(parsed), f.orDefault(old.Values[f.name])) {
			return fault.Field(f.name, "This cannot be changed after the %s is made.", k.title)
		}
		o.set(f.name, parsed)
	}
	for i := range fields {
		f := &fields[i]
		if f.choices != nil && o.Values[f.name] == nil && !f.required {
			o.set(f.name, f.choices[0])
		}
		if old == nil && f.initial != nil && o.Values[f.name] == nil {
			o.set(f.name, f.initial)
		}
	}
	return nil
}

// orDefault is what a choice that is not set stands for.
func (f *field) orDefault(v any) any {
	if v == nil && f.choices != nil && !f.required {
		return f.choices[0]
	}
	return v
}

// complete refuses an object that lacks a required value. old is nil on create. What was made before its template
// required a value may go on without it.
func (t *txn) complete(k *kind, old, o *object) error {
	fields, err := t.fields(k, o)
	if err != nil {
		return err
	}
	for i := range fields {
		f := &fields[i]
		if !f.required || f.custom && old != nil && old.Values[f.name] == nil {
			continue
		}
		if s, isText := o.Values[f.name].(string); o.Values[f.name] == nil || isText && strings.TrimSpace(s) == "" {
			return fault.Field(f.name, "A %s needs this.", k.title)
		}
	}
	return nil
}
