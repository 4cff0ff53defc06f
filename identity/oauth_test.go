package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
)

// site is an installation that really listens, for OpenID: issuer and client must reach it.
type site struct {
	*api
	url       string
	accountID string
	admin     string // Ann's token
}

func newSite(t *testing.T) *site {
	t.Helper()
	a, accountID := newAPI(t)
	a.clock.advance(time.Since(a.clock.now())) // go-oidc and other providers look at the real clock
	server := httptest.NewServer(a.h)
	t.Cleanup(server.Close)
	a.cfg.PublicURL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	a.federation = newFederation(a.clock.now, true)
	return &site{a, a.cfg.PublicURL, accountID, a.signInAnn()}
}

// browser keeps cookies and follows no redirect by itself.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// visit returns status, where it leads and the body.
func visit(t *testing.T, c *http.Client, to string) (status int, location *url.URL, body string) {
	t.Helper()
	resp, err := c.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	location, _ = resp.Location()
	return resp.StatusCode, location, string(text)
}

func (s *site) signedIn(c *http.Client, jwt string) {
	at, _ := url.Parse(s.url)
	c.Jar.SetCookies(at, []*http.Cookie{{Name: rest.TokenName, Value: jwt, Path: "/"}})
}

// relyingParty is another server that has people sign in at the site, by go-oidc.
type relyingParty struct {
	s        *site
	cfg      oauth2.Config
	provider *oidc.Provider
	verifier string
}

const rpCallback = "https://rp.example.com/callback"

func newRelyingParty(t *testing.T, s *site, scopes ...string) *relyingParty {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	id, secret := s.application(s.admin, `{"name":"rp","type":"backEnd","redirectUris":["`+rpCallback+`","https://rp.example.com/b?x=1"]}`)
	return &relyingParty{s, oauth2.Config{ClientID: id, ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: rpCallback,
		Scopes: append([]string{"openid"}, scopes...)}, provider, oauth2.GenerateVerifier()}
}

func (r *relyingParty) begin(more ...oauth2.AuthCodeOption) string {
	return r.cfg.AuthCodeURL("the state", append([]oauth2.AuthCodeOption{oidc.Nonce("the nonce"), oauth2.S256ChallengeOption(r.verifier)}, more...)...)
}

// code has a signed-in browser fetch a code.
func (r *relyingParty) code(t *testing.T, c *http.Client) string {
	t.Helper()
	status, to, body := visit(t, c, r.begin())
	if status != 302 || !strings.HasPrefix(to.String(), rpCallback+"?") || to.Query().Get("state") != "the state" || to.Query().Get("iss") != r.s.url || to.Query().Get("code") == "" {
		t.Fatalf("authorize: %d to %v: %s", status, to, body)
	}
	return to.Query().Get("code")
}

func (r *relyingParty) exchange(ctx context.Context, code string) (*oauth2.Token, error) {
	return r.cfg.Exchange(ctx, code, oauth2.VerifierOption(r.verifier))
}

func TestOpenIDProviderByGoOIDC(t *testing.T) {
	s := newSite(t)
	r := newRelyingParty(t, s, "xively_apis", "offline_access", "email", "profile")
	bob := s.user(s.accountID, "bob@example.com", auth.EndUser)
	c := browser(t)
	status, to, _ := visit(t, c, r.begin())
	if status != 302 || to.Path != "/sign-in" || to.Host != strings.TrimPrefix(s.url, "http://") || !strings.HasPrefix(to.Query().Get("next"), authorizePath+"?") {
		t.Fatalf("not signed in: %d to %v", status, to)
	}
	if !localPath(to.Query().Get("next")) {
		t.Errorf("next is %q", to.Query().Get("next"))
	}
	s.signedIn(c, s.signIn("bob@example.com", bobPassword))
	token, err := r.exchange(t.Context(), r.code(t, c))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := r.provider.Verifier(&oidc.Config{ClientID: r.cfg.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.Subject != bob.ID || id.Nonce != "the nonce" || id.VerifyAccessToken(token.AccessToken) != nil {
		t.Errorf("id token %+v", id)
	}
	var claims struct {
		ID, UserID, AccountID, Cert, Email string
		Roles                              []string
		Expires                            int64
		Auth                               int64 `json:"auth_time"`
	}
	if err := id.Claims(&claims); err != nil || !isID(claims.ID) || claims.UserID != bob.ID || claims.AccountID != s.accountID || !isID(claims.Cert) ||
		claims.Email != "bob@example.com" || len(claims.Roles) != 1 || claims.Roles[0] != "endUser" || claims.Expires != id.Expiry.UnixMilli() || claims.Auth == 0 {
		t.Errorf("claims %+v, %v", claims, err)
	}
	info, err := r.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != bob.ID || info.Email != "bob@example.com" {
		t.Errorf("user info %+v, %v", info, err)
	}
	s.want(200, "GET", "me", "", bearer(token.AccessToken))
	s.want(403, "GET", "sessions", "", bearer(token.AccessToken))
	s.want(401, "POST", "sessions/renew-session", "", bearer(token.AccessToken))
	s.want(401, "GET", "me", "", bearer(raw)) // an ID token is no access token
	s.clock.advance(21 * time.Minute)
	s.want(401, "GET", "me", "", bearer(token.AccessToken)) // not renewed by use
	token.Expiry = time.Now().Add(-time.Hour)
	fresh, err := r.cfg.TokenSource(t.Context(), token).Token()
	if err != nil || fresh.RefreshToken == token.RefreshToken || fresh.AccessToken == token.AccessToken {
		t.Fatalf("refreshed to %+v, %v", fresh, err)
	}
	s.want(200, "GET", "me", "", bearer(fresh.AccessToken))
	list := s.want(200, "GET", "sessions", "", bearer(s.signIn("bob@example.com", bobPassword)))
	if !strings.Contains(list.Text, `"applicationId":"`+r.cfg.ClientID+`"`) {
		t.Errorf("the user does not see it: %s", list.Text)
	}
}

func TestOpenIDScopesLimitTheToken(t *testing.T) {
	s := newSite(t)
	r := newRelyingParty(t, s)
	c := browser(t)
	s.signedIn(c, s.admin)
	token, err := r.exchange(t.Context(), r.code(t, c))
	if err != nil || token.RefreshToken != "" {
		t.Fatalf("%+v, %v", token, err)
	}
	s.want(403, "GET", "me", "", bearer(token.AccessToken))
	info := s.want(200, "GET", "/oauth2/userinfo", "", bearer(token.AccessToken))
	if info.Body["email"] != nil || info.Body["sub"] == nil {
		t.Errorf("user info %s", info.Text)
	}
	s.want(401, "GET", "/oauth2/userinfo", "", bearer(s.admin))
}

// I08: the second use of a refresh token is refused and ends the family, also when both come at once.
func TestI08RefreshReplay(t *testing.T) {
	s := newSite(t)
	r := newRelyingParty(t, s, "xively_apis", "offline_access")
	c := browser(t)
	s.signedIn(c, s.admin)
	refresh := func(text string) answer {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}, "client_id": {r.cfg.ClientID}, "client_secret": {r.cfg.ClientSecret}}
		return s.call("POST", "/oauth2/token", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	}
	first, err := r.exchange(t.Context(), r.code(t, c))
	if err != nil {
		t.Fatal(err)
	}
	var told ended
	s.OnEnd(told.add)
	second := refresh(first.RefreshToken)
	if second.Status != 200 {
		t.Fatal(second.Text)
	}
	if got := refresh(first.RefreshToken); got.Status != 400 || got.str("error") != "invalid_grant" {
		t.Errorf("replay: %d %s", got.Status, got.Text)
	}
	p, _ := s.parse(first.AccessToken)
	told.wait(t, p.ID)
	if got := refresh(second.str("refresh_token")); got.Status != 400 {
		t.Errorf("the family lives on: %d %s", got.Status, got.Text)
	}
	s.want(401, "GET", "me", "", bearer(second.str("access_token")))

	again, err := r.exchange(t.Context(), r.code(t, c))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	status := map[int]int{}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			got := refresh(again.RefreshToken)
			mu.Lock()
			defer mu.Unlock()
			status[got.Status]++
		})
	}
	all.Wait()
	if status[200] != 1 || status[400] != 9 {
		t.Errorf("ten at once: %v", status)
	}
	s.want(401, "GET", "me", "", bearer(again.AccessToken))
	for _, bad := range []string{"", "xif_", again.RefreshToken[:len(again.RefreshToken)-1] + "A", "xif_" + base64.RawURLEncoding.EncodeToString(make([]byte, 68))} {
		if got := refresh(bad); got.Status != 400 {
			t.Errorf("%q: %d", bad, got.Status)
		}
	}
	other := newRelyingParty(t, s, "offline_access")
	mine, err := r.exchange(t.Context(), r.code(t, c))
	if err != nil {
		t.Fatal(err)
	}
	r, theirs := other, r
	if got := refresh(mine.RefreshToken); got.Status != 400 {
		t.Errorf("another client's refresh token: %d", got.Status)
	}
	r = theirs
	if got := refresh(mine.RefreshToken); got.Status != 200 {
		t.Errorf("the own one afterwards: %d %s", got.Status, got.Text)
	}
}

// I18 and I17 on the provider's side: PKCE, one use of codes, who may exchange them.
func TestI18ProviderProofs(t *testing.T) {
	s := newSite(t)
	r := newRelyingParty(t, s, "xively_apis")
	c := browser(t)
	s.signedIn(c, s.admin)
	for name, row := range map[string]struct {
		query url.Values // replaces
		error string
	}{
		"no PKCE":        {url.Values{"code_challenge": {""}, "code_challenge_method": {""}}, "invalid_request"},
		"plain":          {url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		"token":          {url.Values{"response_type": {"token"}}, "unsupported_response_type"},
		"no openid":      {url.Values{"scope": {"email"}}, "invalid_scope"},
		"request":        {url.Values{"request": {"x"}}, "request_not_supported"},
		"none and older": {url.Values{"prompt": {"none"}, "max_age": {"-1"}}, "login_required"},
	} {
		u, _ := url.Parse(r.begin())
		q := u.Query()
		for k, v := range row.query {
			q[k] = v
		}
		u.RawQuery = q.Encode()
		status, to, body := visit(t, c, u.String())
		if status != 302 || to.Query().Get("error") != row.error || to.Query().Get("state") != "the state" {
			t.Errorf("%s: %d to %v %s", name, status, to, body)
		}
	}
	code := r.code(t, c)
	refused := func(err error) bool {
		_, ok := err.(*oauth2.RetrieveError)
		return ok
	}
	if _, err := r.cfg.Exchange(t.Context(), r.code(t, c)); !refused(err) {
		t.Errorf("no verifier: %v", err)
	}
	if _, err := r.cfg.Exchange(t.Context(), r.code(t, c), oauth2.VerifierOption(oauth2.GenerateVerifier())); !refused(err) {
		t.Errorf("another verifier: %v", err)
	}
	wrong := *r
	wrong.cfg.ClientSecret += "x"
	if _, err := wrong.exchange(t.Context(), code); !refused(err) {
		t.Errorf("wrong secret: %v", err)
	}
	wrong = *r
	wrong.cfg.RedirectURL = "https://rp.example.com/b?x=1"
	if _, err := wrong.exchange(t.Context(), r.code(t, c)); !refused(err) {
		t.Errorf("another redirect: %v", err)
	}
	token, err := r.exchange(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	s.want(200, "GET", "me", "", bearer(token.AccessToken))
	if _, err := r.exchange(t.Context(), code); !refused(err) {
		t.Errorf("code replay: %v", err)
	}
	s.want(401, "GET", "me", "", bearer(token.AccessToken)) // what the first use gave is gone, too
	late := r.code(t, c)
	s.clock.advance(codeLife)
	if _, err := r.exchange(t.Context(), late); !refused(err) {
		t.Errorf("late: %v", err)
	}
	ended := r.code(t, c)
	if err := s.logout(s.admin); err != nil {
		t.Fatal(err)
	}
	if _, err := r.exchange(t.Context(), ended); !refused(err) {
		t.Errorf("signed out meanwhile: %v", err)
	}
}

// I21: answers go where the application's admin said, letter by letter, and next stays on this server.
func TestI21Redirects(t *testing.T) {
	s := newSite(t)
	r := newRelyingParty(t, s)
	c := browser(t)
	s.signedIn(c, s.admin)
	for _, bad := range []string{"", "https://evil.example/callback", "https://rp.example.com/callback/", "https://rp.example.com/callback?a=b", "https://rp.example.com/CALLBACK",
		"http://rp.example.com/callback", "https://rp.example.com@evil.example/callback", "//rp.example.com/callback", "javascript:alert(1)", rpCallback + "\\..", rpCallback + "#x"} {
		r.cfg.RedirectURL = bad
		if status, to, _ := visit(t, c, r.begin()); status != 400 || to != nil {
			t.Errorf("%q: %d to %v", bad, status, to)
		}
	}
	for _, bad := range []string{"javascript:alert(1)", "data:text/html,x", "http://example.com/", "https://", "https://a\\b/", "https://u:p@example.com/", "https://example.com/#f", "/local", "ftp\n://x"} {
		body, _ := json.Marshal(map[string]any{"name": "x", "type": "backEnd", "redirectUris": []string{bad}})
		s.want(400, "POST", "applications", string(body), bearer(s.admin))
	}
	for path, ok := range map[string]bool{"/": true, "/devices?x=1#y": true, "//evil.example": false, "/\\evil.example": false, "https://evil.example": false,
		"javascript:alert(1)": false, "": false, "evil": false, "/\t/evil.example": false, "/a\\b": false, "/%2F/x": true, " /x": false} {
		if localPath(path) != ok {
			t.Errorf("next %q: %v", path, !ok)
		}
		if !ok && path != "" {
			if got := s.call("GET", "/oauth2/start?"+url.Values{"accountId": {s.accountID}, "next": {path}}.Encode(), ""); got.Status != 400 {
				t.Errorf("start with next %q: %d", path, got.Status)
			}
		}
	}
	r.cfg.RedirectURL = rpCallback
	if status, to, _ := visit(t, c, r.begin(oauth2.SetAuthURLParam("response_mode", "fragment"))); status != 302 || !strings.Contains(to.Fragment, "code=") || to.RawQuery != "" {
		t.Errorf("fragment: %d to %v", status, to)
	}
	status, _, page := visit(t, c, r.begin(oauth2.SetAuthURLParam("response_mode", "form_post"), oauth2.SetAuthURLParam("state", `"><script>alert(1)</script>`)))
	if status != 200 || !strings.Contains(page, `action="`+rpCallback+`"`) || !strings.Contains(page, `name="code"`) || strings.Contains(page, "<script>alert") || !strings.Contains(page, "<script>"+formScript+"</script>") {
		t.Errorf("form_post: %d %s", status, page)
	}
	r.cfg.RedirectURL = "https://rp.example.com/b?x=1"
	if _, to, _ := visit(t, c, r.begin()); to.Query().Get("x") != "1" || to.Query().Get("code") == "" {
		t.Errorf("with a query: %v", to)
	}
	_, to, _ := visit(t, c, r.begin(oauth2.SetAuthURLParam("prompt", "login")))
	if to.Path != "/sign-in" || strings.Contains(to.Query().Get("next"), "prompt") || !strings.Contains(to.Query().Get("next"), "max_age=60") {
		t.Errorf("prompt=login: %v", to)
	}
}

func TestOpenIDPublicClientAndRevocation(t *testing.T) {
	s := newSite(t)
	r := newRelyingParty(t, s, "xively_apis", "offline_access")
	c := browser(t)
	s.signedIn(c, s.admin)
	token, err := r.exchange(t.Context(), r.code(t, c))
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"token": {token.RefreshToken}, "client_id": {r.cfg.ClientID}, "client_secret": {r.cfg.ClientSecret}}
	s.want(200, "POST", "/oauth2/revoke", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	s.want(401, "GET", "me", "", bearer(token.AccessToken))
	form.Set("client_secret", "x")
	s.want(401, "POST", "/oauth2/revoke", form.Encode(), "Content-Type: application/x-www-form-urlencoded")
	s.want(200, "PUT", "applications/"+r.cfg.ClientID, `{"public":true}`, bearer(s.admin))
	r.cfg.ClientSecret = ""
	r.cfg.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	if _, err := r.exchange(t.Context(), r.code(t, c)); err != nil {
		t.Errorf("public client: %v", err)
	}
	other, _, _, err := s.CreateAccount(t.Context(), "Other", "cat@example.com", annPassword)
	if err != nil {
		t.Fatal(err)
	}
	d := browser(t)
	jwt, err := s.SignIn(t.Context(), other, "cat@example.com", annPassword, "x")
	if err != nil {
		t.Fatal(err)
	}
	s.signedIn(d, jwt)
	if _, to, _ := visit(t, d, r.begin()); to.Query().Get("error") != "access_denied" {
		t.Errorf("another account's user: %v", to)
	}
}

func TestJWKSFollowsRotation(t *testing.T) {
	s := newSite(t)
	if _, err := s.RotateKey(); err != nil {
		t.Fatal(err)
	}
	got := s.want(200, "GET", "/.well-known/jwks.json", "")
	if n := len(got.Body["keys"].([]any)); n != 2 || strings.Contains(got.Text, `"d"`) {
		t.Errorf("%d keys: %s", n, got.Text)
	}
	if _, err := s.VerifyFresh(t.Context(), s.admin); fault.KindOf(err) == fault.Unauthenticated {
		t.Error(err)
	}
}

func FuzzReadRefreshToken(f *testing.F) {
	s := newSealerForTest(f)
	session := Session{ID: "11111111-1111-4111-8111-111111111111", UserID: "22222222-2222-4222-8222-222222222222", Generation: 7}
	good := s.refreshToken(session)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(refreshPrefix)
	f.Fuzz(func(t *testing.T, text string) {
		if id, userID, generation, ok := s.readRefreshToken(text); ok && (text != good || id != session.ID || userID != session.UserID || generation != 7) {
			t.Errorf("%q is taken for %s %s %d", text, id, userID, generation)
		}
	})
}

func newSealerForTest(t testing.TB) *Service {
	seal, err := newSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &Service{keys: &keyring{seal: seal}}
}

// What localPath takes, a browser resolves to the same server.
func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "/a?b=//c#d", "//evil", "/\\evil", "/\t/evil", "https://evil", "/%2f/evil", "/..//evil"} {
		f.Add(seed)
	}
	base, _ := url.Parse("https://here.example/oauth2/callback")
	f.Fuzz(func(t *testing.T, path string) {
		if !localPath(path) {
			return
		}
		to, err := base.Parse(path)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme {
			t.Errorf("%q leads to %v, %v", path, to, err)
		}
		// Browsers drop tabs and line ends and read a backslash as a slash.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(path)
		if strings.HasPrefix(seen, "//") {
			t.Errorf("%q is read as %q", path, seen)
		}
	})
}
