package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// noun is a resource with the seven verbs of the directory.
type noun struct {
	One, Many string // members of the envelopes
	Path      string
	Alias     string // a second path
	Title     string // "device template"
	Text      string // what it is
	Tag       string
	// Members of a request and an answer, in shorthand: "!" needed to create one, "?" not always in an answer, "kept "
	// before the type: set by the server, and "sent ": only in requests.
	Fields map[string]any
	Custom bool              // the template's custom fields are members, too
	Given  bool              // neither made nor deleted over REST
	Expand map[string]string // word of the expand parameter → schema
	Query  map[string]any    // of a list, besides the fields
	Fails  []int
}

// commonFields are members of every noun's answers.
var commonFields = map[string]any{
	"id": "uuid", "accountId": "uuid", "version": "string -- to be sent as etag with a change", "created": "time", "createdById": "string?",
	"lastModified": "time", "lastModifiedById": "string?",
}

func (n *noun) schemaName() string { return strings.ToUpper(n.One[:1]) + n.One[1:] }

// schema is that of the noun in answers.
func (n *noun) schema() (object, error) {
	members := maps.Clone(commonFields)
	for key, v := range n.Fields {
		text, isText := v.(string)
		if isText && strings.HasPrefix(text, "sent ") {
			continue
		}
		if isText {
			v = strings.TrimPrefix(text, "kept ")
		}
		members[strings.TrimSuffix(key, "!")] = v
	}
	for word, of := range n.Expand {
		members[camel(word)+"?"] = of + "?"
	}
	s, err := schema(members, inAnswer)
	if err != nil {
		return nil, err
	}
	if n.Text != "" {
		s["description"] = n.Text
	}
	if n.Custom {
		s["additionalProperties"] = true
	}
	return s, nil
}

// request is the body of a create or an update. Whole objects may be sent back: what the server keeps is not looked at.
func (n *noun) request(toCreate bool) object {
	members := map[string]any{"accountId": "uuid -- the caller's own"}
	for key, v := range n.Fields {
		if strings.HasSuffix(key, "?") && !strings.HasSuffix(key, "!?") {
			if text, ok := v.(string); !ok || !strings.HasPrefix(text, "sent ") {
				continue // only an answer has it
			}
		}
		text, isText := v.(string)
		if isText && strings.HasPrefix(text, "kept ") {
			continue
		}
		name := strings.TrimRight(key, "!?")
		if toCreate && strings.Contains(key, "!") {
			name += "!"
		}
		if isText {
			v = input(strings.TrimPrefix(text, "sent "))
			if strings.HasSuffix(name, "!") {
				v = strings.Replace(v.(string), "uuid?", "uuid", 1)
			}
		}
		members[name] = v
	}
	return members
}

// inputs are the schemas of what requests may send for a type of answers: forms have only texts, and old clients send
// numbers where texts belong. All of them take null, which unsets.
var inputs = map[string]string{
	"string": "TextInput", "number": "NumberInput", "boolean": "BooleanInput", "false|true": "BooleanInput", "time": "TimeInput", "string*": "TextsInput",
}

// input is the shorthand of a field in requests.
func input(text string) string {
	kind, meaning, described := strings.Cut(text, " -- ")
	kind = strings.TrimSuffix(kind, "?")
	switch {
	case inputs[kind] != "":
		kind = inputs[kind]
	case strings.ContainsRune(kind, '|'):
		kind += "|?" // the empty text unsets, too
	default:
		kind += "?"
	}
	if described {
		kind += " -- " + meaning
	}
	return kind
}

// operations returns the seven verbs below path.
func (n *noun) operations(path string) map[string]operation {
	envelope := n.One + " " + n.schemaName()
	etag := map[string]any{"etag": "string -- the version that the change is about, with or without quotes; another one in the store is answered with 412"}
	view := map[string]any{"accountId": "uuid -- the caller's own"}
	if words := slices.Sorted(maps.Keys(n.Expand)); len(words) > 0 {
		view["expand"] = "string -- what to put in beside its id, separated by commas: account, " + strings.Join(words, ", ")
	}
	one := maps.Clone(view)
	if n.One == "organization" {
		one["count"] = "string -- children counts what is directly in the organization"
	}
	base := operation{Tag: n.Tag, One: envelope}
	with := func(change func(*operation)) operation {
		op := base
		change(&op)
		return op
	}
	a := article(n.Title)
	update := func(op *operation) {
		op.Summary, op.Body, op.Headers = "Change "+a, n.request(false), etag
		op.Text = "Only what is sent changes; null unsets a field. What the server keeps is not looked at."
		op.Fails = append([]int{409, 412, 422}, n.Fails...)
	}
	all := map[string]operation{
		"GET " + path: with(func(op *operation) {
			op.Summary, op.One, op.List, op.Query = "List "+plural(n.Title), "", n.Many+" "+n.schemaName(), n.listQuery(one)
		}),
		"POST " + path: with(func(op *operation) {
			op.Summary, op.Text, op.Body, op.Fails = "Create "+a, n.Text, n.request(true), append([]int{404, 409, 422}, n.Fails...)
		}),
		"GET " + path + "/{id}":   with(func(op *operation) { op.Summary, op.Query = "Read "+a, one }),
		"PUT " + path + "/{id}":   with(update),
		"PATCH " + path + "/{id}": with(update),
		"DELETE " + path + "/{id}": with(func(op *operation) {
			op.Summary, op.Headers, op.Fails = "Delete "+a, etag, []int{409, 412, 413, 415}
			op.Text = "Deleted objects are kept for a while and can be recovered. The answer is the object as it was."
		}),
		"POST " + path + "/{id}/recover": with(func(op *operation) {
			op.Summary, op.Body, op.Fails = "Undo the deletion of "+a, map[string]any{}, []int{409, 422}
		}),
	}
	if n.Given {
		maps.DeleteFunc(all, func(route string, _ operation) bool {
			return strings.HasPrefix(route, "POST ") || strings.HasPrefix(route, "DELETE ")
		})
	}
	return all
}

func (n *noun) listQuery(view map[string]any) map[string]any {
	query := maps.Clone(view)
	query["q"] = "string -- a search: words, field:value, ranges, AND, OR, NOT"
	query["facets"] = "string -- fields to count the values of, separated by commas"
	// Any field is a filter by its name; custom ones cannot be listed here.
	query["filters"] = map[string]any{"raw": object{"type": "object", "additionalProperties": object{"type": "string"},
		"description": "Any member by its name, as in name=Kitchen; null for those without it. Of devices, serialNumber and firmwareVersion match in part."}}
	maps.Copy(query, n.Query)
	return query
}

// list is the answer of a list: with facets when they are asked for.
func (n *noun) list() (object, error) {
	return listOf(n.Many, n.schemaName(), map[string]any{"facets?": "FacetValue*%"})
}

func article(title string) string {
	if strings.ContainsRune("aeio", rune(title[0])) {
		return "an " + title
	}
	return "a " + title
}

func plural(title string) string {
	if what, of, ok := strings.Cut(title, " of "); ok {
		return plural(what) + " of " + of
	}
	if strings.HasSuffix(title, "ch") {
		return title + "es"
	}
	return title + "s"
}

// camel is "deviceTemplate" for "device-template".
func camel(word string) string {
	var b strings.Builder
	up := false
	for _, r := range word {
		switch {
		case r == '-':
			up = true
			continue
		case up:
			r = unicode.ToUpper(r)
		}
		up = false
		b.WriteRune(r)
	}
	return b.String()
}

func (p *part) addNouns() error {
	for i := range p.Nouns {
		n := &p.Nouns[i]
		s, err := n.schema()
		if err != nil {
			return fmt.Errorf("noun %s: %w", n.One, err)
		}
		p.Schemas[n.schemaName()] = map[string]any{"raw": s}
		for _, path := range []string{n.Path, n.Alias} {
			if path != "" {
				maps.Copy(p.Operations, n.operations(path))
			}
		}
	}
	return nil
}
