// Package openapitest holds what a test asks and gets to the OpenAPI document.
package openapitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"xively/internal/openapi"
)

// readDocument returns the document, stricter than it is published: objects in answers have no members beside those that
// are described, unless it says so. Clients must take new members; a member that the document forgot is our mistake.
var readDocument = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := openapi.Document()
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	for _, s := range doc.Components.Schemas {
		closeObjects(s)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, answer := range op.Responses.Map() {
				for _, media := range answer.Value.Content {
					closeObjects(media.Schema)
				}
			}
		}
	}
	return doc, nil
})

func closeObjects(s *openapi3.SchemaRef) {
	if s == nil || s.Value == nil {
		return
	}
	v := s.Value
	if s.Ref != "" && v.AdditionalProperties.Has != nil && !*v.AdditionalProperties.Has {
		return // was here already
	}
	if v.Properties != nil && v.AdditionalProperties.Has == nil && v.AdditionalProperties.Schema == nil {
		none := false
		v.AdditionalProperties.Has = &none
	}
	if s.Ref != "" {
		return // a component, which is visited by itself
	}
	closeObjects(v.Items)
	closeObjects(v.AdditionalProperties.Schema)
	for _, p := range v.Properties {
		closeObjects(p)
	}
}

// Document returns it as tools read it, with answers closed to members that are not described.
func Document(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := readDocument()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// described finds what the document says of a request: the path with the most fixed segments wins, as in the router.
// {topic} takes the rest of a path.
func described(doc *openapi3.T, method, path string) (pattern string, op *openapi3.Operation, params map[string]string) {
	best := -1
	for candidate, item := range doc.Paths.Map() {
		o := item.GetOperation(method)
		if o == nil {
			continue
		}
		if found, fixed, ok := match(candidate, path); ok && fixed > best {
			best, pattern, op, params = fixed, candidate, o, found
		}
	}
	return pattern, op, params
}

func match(pattern, path string) (params map[string]string, fixed int, ok bool) {
	params = map[string]string{}
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i, w := range want {
		if w == "{topic}" {
			after := want[i+1:]
			end := len(got) - len(after)
			if end <= i || !slices.Equal(got[end:], after) || got[i] == "" {
				return nil, 0, false
			}
			params["topic"] = strings.Join(got[i:end], "/")
			return params, fixed + len(after), true
		}
		if i >= len(got) {
			return nil, 0, false
		}
		if name, isParam := strings.CutPrefix(w, "{"); isParam {
			if got[i] == "" {
				return nil, 0, false
			}
			params[strings.TrimSuffix(name, "}")] = got[i]
			continue
		}
		if w != got[i] {
			return nil, 0, false
		}
		fixed++
	}
	return params, fixed, len(want) == len(got)
}

// Hold reports what h is asked and answers otherwise than the document says. A request has to be as described
// only when it succeeds: tests send wrong ones, too. unknown are names of query parameters that tests send although nobody
// looks at them.
func Hold(t testing.TB, h http.Handler, unknown ...string) http.Handler {
	doc := Document(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pattern, op, params := described(doc, r.Method, r.URL.EscapedPath())
		if op == nil || pattern == "/mqtt" {
			h.ServeHTTP(w, r)
			return
		}
		asked := &bounded{}
		body := r.Body
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(body, asked), body}
		kept := r.Clone(context.WithoutCancel(r.Context()))
		got := &answered{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(got, r)
		if got.status == http.StatusNotModified { // a cache's question, which HTTP answers for every file
			return
		}
		if err := compare(doc, pattern, op, params, kept, asked, got, unknown); err != nil {
			t.Errorf("%s %s differs from the document: %v\nrequest: %.1000s\nanswer: %d %.1500s", r.Method, r.URL, err, asked.Bytes(), got.status, got.body.Bytes())
		}
	})
}

// Pre is Hold for the tests of a module: to be given to Echo.Pre.
func Pre(t testing.TB, unknown ...string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			held := Hold(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				c.Response().Writer = w
				if err := next(c); err != nil {
					c.Error(err)
				}
			}), unknown...)
			held.ServeHTTP(c.Response().Writer, c.Request())
			return nil
		}
	}
}

// A bounded buffer keeps the beginning of what is long.
type bounded struct {
	bytes.Buffer
	cut bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.cut = b.cut || b.Len()+len(p) > 4<<20; !b.cut {
		b.Buffer.Write(p)
	}
	return len(p), nil
}

type answered struct {
	http.ResponseWriter
	status int
	body   bounded
}

func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answered) Write(p []byte) (int, error) {
	_, _ = a.body.Write(p)
	return a.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func compare(doc *openapi3.T, pattern string, op *openapi3.Operation, params map[string]string, r *http.Request, asked *bounded, got *answered, unknown []string) error {
	item := doc.Paths.Value(pattern)
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, QueryParams: r.URL.Query(),
		Route: &routers.Route{Spec: doc, Path: pattern, PathItem: item, Method: r.Method, Operation: op},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			MultiError: true, ExcludeRequestBody: !hasJSON(op.RequestBody) || asked.cut || asked.Len() == 0},
	}
	in.Options.WithCustomSchemaErrorFunc(func(err *openapi3.SchemaError) string { // without the whole schema
		return "/" + strings.Join(err.JSONPointer(), "/") + ": " + err.Reason
	})
	if got.status < 300 {
		if err := checkRequest(in, op, asked.Bytes(), unknown); err != nil {
			return err
		}
	}
	media, _, _ := mime.ParseMediaType(got.Header().Get("Content-Type"))
	answer := op.Responses.Status(got.status)
	if answer == nil {
		return fmt.Errorf("no answer with status %d is described", got.status)
	}
	if media != "" && answer.Value.Content.Get(media) == nil {
		return fmt.Errorf("no answer of type %s is described", media)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: got.status, Header: got.Header(), Options: in.Options}
	if media != "application/json" || got.body.cut || r.Method == http.MethodHead {
		return nil
	}
	out.SetBodyBytes(got.body.Bytes())
	return openapi3filter.ValidateResponse(context.Background(), out)
}

func hasJSON(body *openapi3.RequestBodyRef) bool {
	return body != nil && body.Value.Content["application/x-www-form-urlencoded"] != nil
}

func checkRequest(in *openapi3filter.RequestValidationInput, op *openapi3.Operation, body []byte, unknown []string) error {
	r := in.Request
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Header.Get("Content-Type") == "" { // some clients leave it out; the server looks at the body
		r.Header.Set("Content-Type", "application/json")
	}
	if op.RequestBody == nil && len(bytes.TrimSpace(body)) > 0 && r.Method != http.MethodDelete && !bytes.Equal(bytes.TrimSpace(body), []byte("{}")) {
		return fmt.Errorf("no body is described")
	}
	for name := range in.QueryParams {
		if !takesQuery(op, name) && !slices.Contains(unknown, name) {
			return fmt.Errorf("no query parameter %q is described", name)
		}
	}
	return openapi3filter.ValidateRequest(context.Background(), in)
}

func takesQuery(op *openapi3.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *openapi3.ParameterRef) bool {
		return p.Value.In == "query" && (p.Value.Name == name || p.Value.Schema.Value.Type.Is("object"))
	})
}
