package blueprint

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/openapi/openapitest"
	"xively/internal/rest"
	"xively/storage"
	"xively/storage/storagetest"
)

// world is a directory with two accounts, reached over REST by tokens.
type world struct {
	t      testing.TB
	db     *storage.DB
	s      *Service
	e      *echo.Echo
	tokens map[string]auth.Principal
	a, b   *tenant
}

type tenant struct {
	account, token string
	p              auth.Principal
}

func (w *world) Verify(_ context.Context, token string) (auth.Principal, string, error) {
	p, ok := w.tokens[token]
	if !ok {
		return p, "", fault.New(fault.Unauthenticated, "The token is not valid.")
	}
	return p, "", nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldIn(t, storagetest.Open(t))
}

func newWorldIn(t testing.TB, db *storage.DB) *world {
	t.Helper()
	log := storagetest.Log(t)
	w := &world{t: t, db: db, s: New(Config{}, db, log), tokens: map[string]auth.Principal{}}
	t.Cleanup(func() {
		if err := w.s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	w.mount()
	w.a, w.b = w.tenant("tokenA"), w.tenant("tokenB")
	return w
}

// mount serves w.s, anew when it was replaced.
func (w *world) mount() {
	w.e = echo.New()
	// What a test sends to many routes at once is not looked at by all of them.
	w.e.Pre(openapitest.Pre(w.t, "action", "deviceTemplateId", "expand", "kind", "object", "objectId", "organizationId", "principal", "q"))
	w.e.HTTPErrorHandler = rest.ErrorHandler(storagetest.Log(w.t))
	w.s.Routes(w.e.Group("/api/v1", rest.Authenticate(w)))
}

func (w *world) tenant(token string) *tenant {
	w.t.Helper()
	account, user := uuid.NewString(), uuid.NewString()
	err := w.db.Update(func(tx *storage.Tx) error {
		_, err := w.s.Bootstrap(tx, account, "Acme "+token, user, token+"@example.com")
		return err
	})
	if err != nil {
		w.t.Fatalf("bootstrap: %v", err)
	}
	p, err := w.s.UserPrincipal(account, user)
	if err != nil {
		w.t.Fatalf("principal of the first user: %v", err)
	}
	w.tokens[token] = p
	return &tenant{account, token, p}
}

type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// call makes a request; body is nil, a string sent as it is, or anything to be sent as JSON. header alternates names and values.
func (w *world) call(token, method, path string, body any, header ...string) answer {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		reader = strings.NewReader(string(data))
	}
	r := httptest.NewRequest(method, "/api/v1"+path, reader)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.e.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), text: rec.Body.String()}
	_ = json.Unmarshal(rec.Body.Bytes(), &a.body)
	return a
}

// must is call that has to succeed; it returns what is in the envelope.
func (w *world) must(token, method, path string, body any, header ...string) map[string]any {
	w.t.Helper()
	a := w.call(token, method, path, body, header...)
	if a.status != http.StatusOK || len(a.body) != 1 {
		w.t.Fatalf("%s %s: got %d %s, want 200 and one envelope", method, path, a.status, a.text)
	}
	for _, inner := range a.body {
		return inner.(map[string]any)
	}
	return nil
}

func (w *world) make(tn *tenant, path string, body map[string]any) (id string) {
	w.t.Helper()
	return w.must(tn.token, "POST", path, body)["id"].(string)
}

func (w *world) template(tn *tenant, name string, channels ...string) string {
	w.t.Helper()
	id := w.make(tn, "/devices/templates", map[string]any{"accountId": tn.account, "name": name})
	for _, c := range channels {
		name, persistence, _ := strings.Cut(c, ":")
		w.make(tn, "/channels/templates", map[string]any{"accountId": tn.account, "entityId": id, "entityType": "deviceTemplate",
			"name": name, "persistenceType": persistence})
	}
	return id
}

func (w *world) device(tn *tenant, template, serial string) string {
	w.t.Helper()
	return w.make(tn, "/devices", map[string]any{"accountId": tn.account, "deviceTemplateId": template, "serialNumber": serial})
}

func (w *world) credential(tn *tenant, kind, id string) string {
	w.t.Helper()
	return w.must(tn.token, "POST", "/access/mqtt-credentials", map[string]any{"entityId": id, "entityType": kind})["secret"].(string)
}

func (w *world) login(clientID, user, secret string) (auth.Principal, error) {
	return w.s.AuthenticateMQTT(context.Background(), clientID, user, []byte(secret))
}

func results(list map[string]any) (out []map[string]any) {
	for _, r := range list["results"].([]any) {
		out = append(out, r.(map[string]any))
	}
	return out
}

func column(list map[string]any, name string) (out []string) {
	for _, r := range results(list) {
		out = append(out, fmt.Sprint(r[name]))
	}
	return out
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}
