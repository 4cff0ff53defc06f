package identity

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// api calls the module's routes as clients do.
type api struct {
	*fixture
	h http.Handler
}

func newAPI(t *testing.T) (*api, string) {
	t.Helper()
	f := newFixture(t)
	accountID, _ := f.account()
	return &api{f, f.handler()}, accountID
}

type answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Text   string
}

// str returns a text of the answer by a path such as "apiKey.key".
func (a answer) str(path string) string {
	var v any = a.Body
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	s, _ := v.(string)
	return s
}

// call sends a request with headers "Name: value"; a path without a slash in front is below /api/v1.
func (a *api) call(method, path, body string, headers ...string) answer {
	a.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/api/v1/" + path
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.7:5000"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "From" {
			r.RemoteAddr = value + ":5000"
			continue
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, r)
	out := answer{Status: w.Code, Header: w.Header(), Text: w.Body.String()}
	json.Unmarshal(w.Body.Bytes(), &out.Body)
	return out
}

// want is call that reports another status.
func (a *api) want(status int, method, path, body string, headers ...string) answer {
	a.t.Helper()
	got := a.call(method, path, body, headers...)
	if got.Status != status {
		a.t.Errorf("%s %s %s: status %d, want %d: %s", method, path, body, got.Status, status, got.Text)
	}
	return got
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// application makes one and returns its id and token.
func (a *api) application(admin, body string) (id, token string) {
	a.t.Helper()
	got := a.want(200, "POST", "applications", body, bearer(admin))
	return got.str("application.id"), got.str("application.appToken")
}

// mailbox keeps what would be mailed.
type mailbox struct {
	mu    sync.Mutex
	mails []string // "to\nsubject\ntext"
}

func (m *mailbox) Send(_ context.Context, to, subject, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, to+"\n"+subject+"\n"+text)
	return nil
}

// mail waits for what is under way and returns the mails to an address so far.
func (a *api) mail(m *mailbox, to string) (mails []string) {
	a.t.Helper()
	a.outbox.wait(a.t.Context())
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.mails {
		if strings.HasPrefix(one, to+"\n") {
			mails = append(mails, one)
		}
	}
	return mails
}

func (a *api) mailbox() *mailbox {
	m := &mailbox{}
	a.SetMailer(m)
	return m
}

var tokenInMail = regexp.MustCompile(`token=([A-Za-z0-9_-]+)`)

func tokenOf(t *testing.T, mail string) string {
	t.Helper()
	found := tokenInMail.FindStringSubmatch(mail)
	if found == nil {
		t.Fatalf("no token in %q", mail)
	}
	return found[1]
}
