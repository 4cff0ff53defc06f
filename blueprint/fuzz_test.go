package blueprint

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzReadCSV(f *testing.F) {
	for _, s := range []string{"", "serialNumber\nx\n", "\ufeffserialNumber,name\r\n\"a\nb\",c\r\n", "serialNumber,serialNumber\n", "a\n", "serialNumber,\"", "serialNumber\n\n\n,\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rows, err := readCSV(strings.NewReader(s), importOptions{})
		if err != nil && rows != nil {
			t.Fatalf("%q: rows and an error", s)
		}
		last := 1
		for _, r := range rows {
			if r.line <= last {
				t.Fatalf("%q: line %d after %d", s, r.line, last)
			}
			last = r.line
		}
	})
}

func FuzzReadExport(f *testing.F) {
	head := `{"export":"xively blueprint","form":1}` + "\n"
	for _, s := range []string{"", head, head + `{"kind":"device","id":"x","values":{"a":[1]}}`, head + "\n\n{}\n", head + "[", "{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { _, _ = readExport(strings.NewReader(s)) })
}

func FuzzDecodeState(f *testing.F) {
	for _, s := range []string{"", "{}", `{"state":{}}`, `{"state":{"name":"x","n":1e400}}`, `{"state":[]}`, "null", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if state, err := decodeState([]byte(s)); (state == nil) == (err == nil) {
			t.Fatalf("%q: state %v, error %v", s, state, err)
		}
	})
}

// FuzzFieldValues: whatever a request sends, a field takes or refuses it; what it takes can be stored and read again as
// the same value, and is taken again.
func FuzzFieldValues(f *testing.F) {
	for _, s := range []string{`"x"`, `""`, `null`, `1`, `1e400`, `-0`, `true`, `"true"`, `"2015-04-01"`, `1461234567890`, `["a","b"]`, `{}`, `"a|b"`, `"\u0000"`} {
		f.Add(s)
	}
	kinds := []field{{name: "f"}, {name: "f", lines: true}, {name: "f", kind: number}, {name: "f", kind: boolean}, {name: "f", kind: moment}, {name: "f", kind: list}, {name: "f", choices: truth}}
	f.Fuzz(func(t *testing.T, s string) {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return
		}
		for i := range kinds {
			parsed, err := kinds[i].parse(v)
			if err != nil || parsed == nil {
				continue
			}
			if !kinds[i].holds(parsed) {
				t.Fatalf("%s as kind %d became %T", s, kinds[i].kind, parsed)
			}
			value, err := json.Marshal(object{Values: map[string]any{"f": parsed}})
			if err != nil {
				t.Fatalf("%s as kind %d cannot be stored: %v", s, kinds[i].kind, err)
			}
			o, err := decode(value)
			if err != nil || !sameJSON(o.Values["f"], parsed) {
				t.Fatalf("%s as kind %d: stored %v, read %v, %v", s, kinds[i].kind, parsed, o.Values["f"], err)
			}
		}
	})
}
