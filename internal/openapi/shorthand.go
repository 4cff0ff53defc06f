package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Schemas are written in shorthand. A text is a type and, after " -- ", what it means:
//
//	string number integer boolean object any   JSON's own
//	uuid time ms                               a lower-case UUID, a time as text, milliseconds since 1970
//	Device                                     a schema of any part, which begins with a capital
//	asc|desc                                   one of these texts
//	T*  T%  T?                                 an array of T, an object whose members are all T, T or null
//
// A map is an object with these members. In answers all are there but those with "?" behind their name; in requests those
// must be there that have "!" behind it. A map with the one member "raw" is a schema as OpenAPI writes it.

type object = map[string]any

// direction says which members of a map must be there.
type direction bool

const (
	inAnswer  direction = true
	inRequest direction = false
)

func schema(v any, to direction) (object, error) {
	switch v := v.(type) {
	case string:
		return schemaOfText(v)
	case map[string]any:
		if raw, ok := v["raw"].(map[string]any); ok && len(v) == 1 {
			return raw, nil
		}
		return schemaOfMembers(v, to)
	}
	return nil, fmt.Errorf("%v is neither a type nor members", v)
}

func schemaOfMembers(members map[string]any, to direction) (object, error) {
	properties := object{}
	required := []string{}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		name := strings.TrimRight(key, "?!")
		one, err := schema(members[key], to)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		properties[name] = one
		if to == inAnswer && !strings.HasSuffix(key, "?") || to == inRequest && strings.HasSuffix(key, "!") {
			required = append(required, name)
		}
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out, nil
}

func schemaOfText(text string) (object, error) {
	name, meaning, described := strings.Cut(text, " -- ")
	out, err := schemaOfType(strings.TrimSpace(name))
	if err != nil || !described {
		return out, err
	}
	if _, isRef := out["$ref"]; isRef { // what stands beside a reference is not heeded
		out = object{"allOf": []any{out}}
	}
	out["description"] = strings.TrimSpace(meaning)
	return out, nil
}

var plainTypes = map[string]object{
	"string": {"type": "string"}, "number": {"type": "number"}, "integer": {"type": "integer"}, "boolean": {"type": "boolean"},
	"object": {"type": "object"}, "any": {},
	"uuid": {"type": "string", "format": "uuid"}, "time": {"type": "string", "format": "date-time"},
	"ms": {"type": "integer", "format": "int64"},
}

func schemaOfType(name string) (object, error) {
	if name == "" {
		return nil, fmt.Errorf("no type")
	}
	last := len(name) - 1
	if strings.IndexByte("?*%", name[last]) >= 0 {
		inner, err := schemaOfType(name[:last])
		if err != nil {
			return nil, err
		}
		switch name[last] {
		case '*':
			return object{"type": "array", "items": inner}, nil
		case '%':
			return object{"type": "object", "additionalProperties": inner}, nil
		}
		return orNull(inner), nil
	}
	if plain, ok := plainTypes[name]; ok {
		return maps.Clone(plain), nil
	}
	if strings.ContainsRune(name, '|') {
		return object{"type": "string", "enum": strings.Split(name, "|")}, nil
	}
	if unicode.IsUpper(rune(name[0])) {
		return object{"$ref": "#/components/schemas/" + name}, nil
	}
	return nil, fmt.Errorf("%q is no type", name)
}

func orNull(s object) object {
	if _, isRef := s["$ref"]; isRef {
		return object{"allOf": []any{s}, "nullable": true}
	}
	s["nullable"] = true
	if texts, ok := s["enum"].([]string); ok { // null must be among the values, too
		all := make([]any, 0, len(texts)+1)
		for _, t := range texts {
			all = append(all, t)
		}
		s["enum"] = append(all, nil)
	}
	return s
}
