package identity

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/openapi/openapitest"
	"xively/internal/rest"
	"xively/internal/rest/resttest"
)

func (f *fixture) handler() http.Handler {
	e := echo.New()
	e.Pre(openapitest.Pre(f.t))
	e.HTTPErrorHandler = rest.ErrorHandler(slog.New(slog.DiscardHandler))
	g := e.Group("/api/v1")
	f.Routes(g)
	f.OpenIDRoutes(e.Group(""))
	e.IPExtractor = echo.ExtractIPDirect()
	g.POST("/me", func(c echo.Context) error { return rest.One(c, "me", rest.Caller(c).UserID) }, f.Authenticate)
	g.GET("/me", func(c echo.Context) error { return rest.One(c, "me", rest.Caller(c).UserID) }, f.Authenticate)
	return e
}

func TestLogin(t *testing.T) {
	f := newFixture(t)
	accountID, _ := f.account()
	h := f.handler()
	const path, form = "/api/v1/auth/login-user", "Content-Type: application/x-www-form-urlencoded"
	body := func(mail, password, account string) string {
		data, _ := json.Marshal(map[string]string{"emailAddress": mail, "password": password, "accountId": account, "renewalType": "short", "other": "x"})
		return string(data)
	}
	for _, s := range []resttest.Scenario{
		{Name: "json", Body: body(annMail, annPassword, accountID), Status: 200,
			Want: []string{`{"jwt":"eyJ`, "Xively-Access-Token: eyJ", "Set-Cookie: xively-access-token=eyJ", "; Path=/; HttpOnly; SameSite=Lax",
				"Set-Cookie: xively-csrf-token=", "Cache-Control: no-store"}, Unwanted: []string{`"message"`}},
		{Name: "form", Header: []string{form}, Body: "emailAddress=ann%40example.com&password=correct+Horse+7+staple&accountId=" + accountID, Status: 200, Want: []string{`{"jwt":"`}},
		{Name: "no account", Body: body(annMail, annPassword, ""), Status: 200},
		{Name: "account in the query", Target: path + "?accountId=" + accountID, Body: body(annMail, annPassword, ""), Status: 200},
		{Name: "wrong account in the query", Target: path + "?accountId=x", Body: body(annMail, annPassword, ""), Status: 401},
		{Name: "another site's page gets no cookie", Header: []string{"Sec-Fetch-Site: cross-site"}, Body: body(annMail, annPassword, ""), Status: 200,
			Want: []string{`{"jwt":"`}, Unwanted: []string{"Set-Cookie"}},
		{Name: "wrong password", Body: body(annMail, "wrong password", accountID), Status: 401,
			Want:     []string{`"error":"Unauthorized"`, `"statusCode":401`, `"message":"The e-mail address or the password is wrong`, "Cache-Control: no-store"},
			Unwanted: []string{"Set-Cookie", "Xively-Access-Token", "wrong password"}},
		{Name: "no mail", Body: body("", annPassword, accountID), Status: 400, Want: []string{`"error":"Bad Request"`, `"field":"emailAddress"`}},
		{Name: "no password", Body: body(annMail, "", accountID), Status: 400, Want: []string{`"field":"password"`}},
		{Name: "no body", Status: 400},
		{Name: "number for a password", Body: `{"emailAddress":"a@b","password":12345678}`, Status: 400, Want: []string{`"field":"password"`}},
		{Name: "broken", Body: `{"emailAddress":`, Status: 400, Want: []string{`"error":"Bad Request"`}},
		{Name: "xml", Header: []string{"Content-Type: text/xml"}, Body: "<a/>", Status: 415, Want: []string{`"error":"Unsupported Media Type"`}},
		{Name: "huge", Body: strings.Repeat("x", rest.MaxBody+1), Status: 413},
		{Name: "wrong method", Method: "GET", Status: 405},
	} {
		t.Run(s.Name, func(t *testing.T) {
			if s.Method == "" {
				s.Method = "POST"
			}
			if s.Target == "" {
				s.Target = path
			}
			s.Run(t, h)
		})
	}
}

func TestLoginLockedAnswer(t *testing.T) {
	f := newFixture(t)
	f.account()
	h := f.handler()
	s := resttest.Scenario{Method: "POST", Target: "/api/v1/auth/login-user", Body: `{"emailAddress":"x@y","password":"wrong"}`, Status: 401}
	for range maxFailures {
		s.Run(t, h)
	}
	s.Status, s.Want = 429, []string{"Retry-After: 1800", `"error":"Too Many Requests"`}
	s.Run(t, h)
}

func TestShortSession(t *testing.T) {
	f := newFixture(t)
	f.account()
	s := resttest.Scenario{Method: "POST", Target: "/api/v1/auth/login-user", Status: 200,
		Body: fmt.Sprintf(`{"emailAddress":%q,"password":%q,"renewalType":"short"}`, annMail, annPassword)}
	jwt := jwtOf(t, s.Run(t, f.handler()))
	f.clock.advance(24*time.Hour - time.Second)
	if _, _, err := f.Verify(t.Context(), jwt); err != nil {
		t.Errorf("within its day: %v", err)
	}
	f.clock.advance(time.Second)
	if _, _, err := f.Verify(t.Context(), jwt); err == nil {
		t.Error("it lives longer than its day")
	}
}

func jwtOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ JWT string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.JWT == "" {
		t.Fatalf("no jwt in %s", w.Body)
	}
	if w.Header().Get(rest.TokenName) != body.JWT {
		t.Errorf("the header's token is not the body's")
	}
	return body.JWT
}

func TestSessionRoutes(t *testing.T) {
	f := newFixture(t)
	_, userID := f.account()
	h := f.handler()
	live, ended := f.signInAnn(), f.signInAnn()
	if err := f.logout(ended); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(21 * time.Minute)
	expired := live
	fresh, err := f.renew(t.Context(), live)
	if err != nil {
		t.Fatal(err)
	}
	bearer := func(token string) []string { return []string{"Authorization: Bearer " + token} }
	cookie := func(token string, more ...string) []string {
		return append(more, "Cookie: xively-access-token="+token)
	}
	const renew, logout, validate, me = "/api/v1/sessions/renew-session", "/api/v1/auth/logout", "/api/v1/auth/validate-jwt", "/api/v1/me"
	for _, s := range []resttest.Scenario{
		{Name: "renew", Method: "POST", Target: renew, Header: bearer(fresh), Status: 200, Want: []string{`{"jwt":"`, "Xively-Access-Token: eyJ", "Set-Cookie: xively-access-token=eyJ"}},
		{Name: "renew, run out", Method: "POST", Target: renew, Header: bearer(expired), Status: 200, Want: []string{`{"jwt":"`}},
		{Name: "renew by cookie", Method: "POST", Target: renew, Header: cookie(fresh), Status: 200},
		{Name: "renew by another site's page", Method: "POST", Target: renew, Header: cookie(fresh, "Sec-Fetch-Site: cross-site"), Status: 403, Want: []string{`"error":"Forbidden"`}},
		{Name: "renew, ended", Method: "POST", Target: renew, Header: bearer(ended), Status: 401, Want: []string{`"error":"Unauthorized"`}},
		{Name: "renew, nothing", Method: "POST", Target: renew, Status: 401, Want: []string{`"error":"Unauthorized"`}},
		{Name: "renew by GET", Target: renew, Header: bearer(fresh), Status: 405},
		{Name: "call, run out", Target: me, Header: bearer(expired), Status: 200, Want: []string{userID, "Xively-Access-Token: eyJ", "Set-Cookie: xively-access-token=eyJ"}},
		{Name: "call, fresh", Target: me, Header: bearer(fresh), Status: 200, Unwanted: []string{"Xively-Access-Token"}},
		{Name: "call, ended", Target: me, Header: bearer(ended), Status: 401, Want: []string{`"error":{"code":"Unauthorized"`}},
		{Name: "validate, nobody", Target: validate + "?jwt=" + fresh, Status: 401},
		{Name: "validate", Target: validate + "?jwt=" + fresh, Header: bearer(fresh), Status: 200, Want: []string{`{"success":true}`, "Cache-Control: no-store"}},
		{Name: "validate, run out", Target: validate + "?jwt=" + expired, Header: bearer(fresh), Status: 401},
		{Name: "validate, ended", Target: validate + "?jwt=" + ended, Header: bearer(fresh), Status: 401},
		{Name: "validate, nothing", Target: validate, Status: 400, Want: []string{`"field":"jwt"`}},
		{Name: "log out by another site's page", Method: "POST", Target: logout, Header: cookie(fresh, "Sec-Fetch-Site: cross-site"), Status: 403},
		{Name: "log out by GET", Target: logout, Header: bearer(fresh), Status: 405},
		{Name: "still there", Target: me, Header: bearer(fresh), Status: 200},
		{Name: "log out", Method: "POST", Target: logout, Header: cookie(fresh), Status: 200,
			Want: []string{`{"success":true}`, "Set-Cookie: xively-access-token=; Path=/; Max-Age=0", "Set-Cookie: xively-csrf-token=; Path=/; Max-Age=0"}},
		{Name: "gone", Target: me, Header: bearer(fresh), Status: 401},
		{Name: "run out and gone", Target: me, Header: bearer(expired), Status: 401},
		{Name: "log out again", Method: "POST", Target: logout, Header: cookie(fresh), Status: 200, Want: []string{"Max-Age=0"}},
		{Name: "log out, nothing", Method: "POST", Target: logout, Status: 401},
	} {
		t.Run(s.Name, func(t *testing.T) { s.Run(t, h) })
	}
}

// No usual pair, and no account but by the token (I01).
func TestI01Setup(t *testing.T) {
	f := newFixture(t)
	h := f.handler()
	token, ok := f.SetupToken()
	if !ok || len(token) < 22 {
		t.Fatalf("set-up token %q, %v", token, ok)
	}
	const path = "/api/v1/setup"
	body := func(token, mail, password string) string {
		return fmt.Sprintf(`{"token":%q,"emailAddress":%q,"password":%q}`, token, mail, password)
	}
	for _, s := range []resttest.Scenario{
		{Name: "needed", Target: path, Status: 200, Want: []string{`{"setup":{"needed":true}}`}, Unwanted: []string{token}},
		{Name: "usual pairs do not work", Method: "POST", Target: "/api/v1/auth/login-user", Body: `{"emailAddress":"admin@example.com","password":"admin"}`, Status: 401},
		{Name: "no token", Method: "POST", Target: path, Body: body("", annMail, annPassword), Status: 400, Want: []string{`"field":"token"`}},
		{Name: "wrong token", Method: "POST", Target: path, Body: body(token[1:]+"x", annMail, annPassword), Status: 401},
		{Name: "bad mail", Method: "POST", Target: path, Body: body(token, "ann", annPassword), Status: 400, Want: []string{`"field":"emailAddress"`}},
		{Name: "bad password", Method: "POST", Target: path, Body: body(token, annMail, "12345678"), Status: 422, Want: []string{`"field":"password"`, `"error":"Unprocessable Entity"`}},
		{Name: "still needed", Target: path, Status: 200, Want: []string{`{"setup":{"needed":true}}`}},
		{Name: "done", Method: "POST", Target: path, Body: body(token, annMail, annPassword), Status: 200,
			Want: []string{`{"jwt":"`, "Set-Cookie: xively-access-token=eyJ"}, Unwanted: []string{annPassword}},
		{Name: "not needed", Target: path, Status: 200, Want: []string{`{"setup":{"needed":false}}`}},
		{Name: "token is spent", Method: "POST", Target: path, Body: body(token, "bob@example.com", annPassword), Status: 409, Want: []string{`"error":"Conflict"`}},
	} {
		t.Run(s.Name, func(t *testing.T) { s.Run(t, h) })
	}
	if !f.accepts(f.signInAnn()) {
		t.Error("the new admin cannot sign in")
	}
	if _, ok := f.SetupToken(); ok {
		t.Error("there is still a set-up token")
	}
	f.close()
	f.open()
	if f.setupToken != "" {
		t.Error("a set-up token is made although there is an account")
	}
}

func TestSetupTokenIsNewAtEachStart(t *testing.T) {
	f := newFixture(t)
	first, _ := f.SetupToken()
	f.close()
	f.open()
	second, ok := f.SetupToken()
	if !ok || first == second {
		t.Errorf("%q, then %q", first, second)
	}
	resttest.Scenario{Method: "POST", Target: "/api/v1/setup", Status: 401,
		Body: fmt.Sprintf(`{"token":%q,"emailAddress":%q,"password":%q}`, first, annMail, annPassword)}.Run(t, f.handler())
}

// Of many at once exactly one makes the account (I24).
func TestI24ParallelSetup(t *testing.T) {
	f := newFixture(t)
	h := f.handler()
	token, _ := f.SetupToken()
	var mu sync.Mutex
	status := map[int]int{}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			r := httptest.NewRequest("POST", "/api/v1/setup", strings.NewReader(
				fmt.Sprintf(`{"token":%q,"emailAddress":"ann%d@example.com","password":%q}`, token, i, annPassword)))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			status[w.Code]++
		})
	}
	all.Wait()
	if status[200] != 1 || status[200]+status[409]+status[429] != 50 {
		t.Errorf("answers by status: %v, want one 200 and else 409 and 429", status)
	}
	if n := len(f.users.users); n != 1 {
		t.Errorf("%d accounts were made", n)
	}
}
