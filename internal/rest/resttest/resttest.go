// Package resttest runs REST scenarios: one row says a request and what must and must not come back.
package resttest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Scenario is one request. Want and Unwanted are pieces of the answer as it is written out: lines "Name: value" of the
// header in canonical spelling, an empty line, the body.
type Scenario struct {
	Name     string
	Method   string // "" is GET
	Target   string
	Header   []string // "Name: value"
	Body     string
	Status   int
	Want     []string
	Unwanted []string
}

// Run sends the scenario's request to h and reports what is not as it should be. It returns the answer for whatever a
// row cannot say.
func (s Scenario) Run(t testing.TB, h http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	method := s.Method
	if method == "" {
		method = http.MethodGet
	}
	r := httptest.NewRequest(method, s.Target, strings.NewReader(s.Body))
	for _, line := range s.Header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var text strings.Builder
	w.Header().Write(&text)
	text.WriteString("\r\n" + w.Body.String())
	got := text.String()
	if w.Code != s.Status {
		t.Errorf("%s %s\nstatus %d, want %d, in\n%s", method, s.Target, w.Code, s.Status, got)
	}
	for _, piece := range s.Want {
		if !strings.Contains(got, piece) {
			t.Errorf("%s %s\nlacks %q in\n%s", method, s.Target, piece, got)
		}
	}
	for _, piece := range s.Unwanted {
		if strings.Contains(got, piece) {
			t.Errorf("%s %s\nhas the unwanted %q in\n%s", method, s.Target, piece, got)
		}
	}
	return w
}
