package blueprint

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"xively/storage"
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

// FuzzDecode: what the quick decoder understands, encoding/json understands in the same way.
func FuzzDecode(f *testing.F) {
	for _, o := range []*object{{}, {ID: "a", AccountID: "b", Created: 1, CreatedBy: "c", Modified: 2, ModifiedBy: "d", Revision: 3, Deleted: 4, DeletedWith: "e",
		Values: map[string]any{"text": "Café \n\u2028 <\"", "number": -1.5e-7, "whole": 10.0, "yes": true, "no": false, "list": []string{"a", "ß"}, "none": []string{}}}} {
		data, err := json.Marshal(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	for _, s := range []string{`{"id":"a","id":"b"}`, `{"values":{"a":1},"values":{"b":2}}`, `{"values":{"a":[1]}}`, `{"values":{"a":null}}`, `{"ID":"a"}`, `{"created":01}`,
		`{"created":1e2}`, `{"values":{"a":01}}`, `{"values":{"a":1.}}`, `{"id":"\ud800"}`, "{\"id\":\"\xff\"}", `{"id":"a"} `, `{"id":"a"}x`, `{"created":`, `{"revision":18446744073709551615}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := decoder{shared: map[string]string{}, b: []byte(s)}
		quick := new(object)
		if !d.object(quick) || d.at != len(s) {
			return
		}
		if slow, err := decodeAny([]byte(s)); err != nil || !reflect.DeepEqual(quick, slow) {
			t.Errorf("%s: read as %+v, and by encoding/json as %+v, %v", s, quick, slow, err)
		}
	})
}

// TestDecodeIsQuick: everything that is stored is in the form that the quick decoder understands.
func TestDecodeIsQuick(t *testing.T) {
	h := newHome(t)
	h.oneOfEach(h.a, h.kitchen)
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"name": "Küche <1>", "tags": []string{"a"}, "latitude": -0.5})
	h.must("tokenA", "DELETE", "/devices/"+h.lamp, nil)
	n := 0
	err := h.db.View(func(tx *storage.Tx) error {
		for _, k := range h.s.kinds {
			for _, value := range tx.Bucket(k.bucket()).Scan(nil, nil) {
				d := decoder{b: value}
				if !d.object(new(object)) || d.at != len(value) {
					t.Errorf("%s: not understood at %d: %s", k.one, d.at, value)
				}
				n++
			}
		}
		return nil
	})
	if err != nil || n < 20 {
		t.Errorf("%d objects, %v", n, err)
	}
}

func FuzzReadExport(f *testing.F) {
	head := `{"export":"xively blueprint","form":1}` + "\n"
	for _, s := range []string{"", head, head + `{"kind":"device","id":"x","values":{"a":[1]}}`, head + "\n\n{}\n", head + "[", "{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_ = readExport(strings.NewReader(s), 2, func([]numbered) error { return nil })
	})
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
