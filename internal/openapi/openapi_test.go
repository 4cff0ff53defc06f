package openapi

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
)

// load returns the document as a tool of others reads it.
func load(t *testing.T) *openapi3.T {
	t.Helper()
	text, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocumentIsValid(t *testing.T) {
	doc := load(t)
	// "{id}" beside fixed words is what the router does, too: fixed words win.
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	ids := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if other, twice := ids[op.OperationID]; twice {
				t.Errorf("%s %s and %s have the same operationId %s", method, path, other, op.OperationID)
			}
			ids[op.OperationID] = method + " " + path
			if op.Summary == "" || len(op.Tags) != 1 || op.Responses.Len() < 2 {
				t.Errorf("%s %s is not described: %+v", method, path, op)
			}
			for _, tag := range op.Tags {
				if doc.Tags.Get(tag) == nil {
					t.Errorf("%s %s: no tag %q", method, path, tag)
				}
			}
		}
	}
}

func TestShorthand(t *testing.T) {
	for _, tc := range []struct {
		in   any
		to   direction
		want string
	}{
		{"string", inAnswer, `{"type":"string"}`},
		{"uuid? -- whose", inAnswer, `{"type":"string","format":"uuid","nullable":true,"description":"whose"}`},
		{"a|b?", inAnswer, `{"type":"string","enum":["a","b",null],"nullable":true}`},
		{"Point*%", inAnswer, `{"type":"object","additionalProperties":{"type":"array","items":{"$ref":"#/components/schemas/Point"}}}`},
		{"Point?", inAnswer, `{"allOf":[{"$ref":"#/components/schemas/Point"}],"nullable":true}`},
		{map[string]any{"a": "string", "b?": "ms"}, inAnswer, `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer","format":"int64"}},"required":["a"]}`},
		{map[string]any{"a": "string", "b!": "string"}, inRequest, `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["b"]}`},
		{map[string]any{"raw": map[string]any{"type": "x"}}, inRequest, `{"type":"x"}`},
		{"strin", inAnswer, ""},
		{"", inAnswer, ""},
		{"*", inAnswer, ""},
		{7, inAnswer, ""},
		{map[string]any{"a": "strin"}, inAnswer, ""},
	} {
		got, err := schema(tc.in, tc.to)
		if (err != nil) != (tc.want == "") {
			t.Errorf("%v: %v", tc.in, err)
			continue
		}
		if err != nil {
			continue
		}
		text, _ := json.Marshal(got)
		var a, b any
		_ = json.Unmarshal(text, &a)
		_ = json.Unmarshal([]byte(tc.want), &b)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%v: %s, want %s", tc.in, text, tc.want)
		}
	}
}

// The page works under a policy that takes nothing but our own files.
func TestPage(t *testing.T) {
	e := echo.New()
	if err := Routes(e.Group("")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/docs": "/docs/docs.js", "/docs/docs.js": "/api/openapi.json", "/docs/docs.css": "grid", "/api/openapi.json": `"openapi":"3.0.3"`} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
		}
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		packed := httptest.NewRecorder()
		e.ServeHTTP(packed, r)
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatalf("%s compressed: %v", path, err)
		}
		if text, err := io.ReadAll(z); err != nil || string(text) != w.Body.String() || packed.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s compressed: %d bytes, %v, %v", path, len(text), err, packed.Header())
		}
		if path == "/api/openapi.json" {
			continue
		}
		for _, bad := range []string{"style=", "onclick", "<style", "http://", "https://", "innerHTML"} {
			if strings.Contains(w.Body.String(), bad) {
				t.Errorf("%s has %s", path, bad)
			}
		}
		if strings.Count(w.Body.String(), "<script") != strings.Count(w.Body.String(), "<script src=") {
			t.Errorf("%s has a script within", path)
		}
	}
}
