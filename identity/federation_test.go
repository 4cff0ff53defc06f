package identity

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"xively/internal/auth"
	ourstorage "xively/storage"
)

// realProvider runs the OpenID provider of zitadel/oidc with its two example users, and knows the site as a client.
func realProvider(t *testing.T, s *site) (issuer, clientID, secret string) {
	t.Helper()
	var handler atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Load().(http.Handler).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	issuer = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	clientID, secret = newID(), randomText()
	storage.RegisterClients(storage.WebClient(clientID, secret, s.url+callbackPath))
	before := slog.Default()
	handler.Store(http.Handler(exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)))
	slog.SetDefault(before)
	return issuer, clientID, secret
}

func (s *site) provider(issuer, clientID, secret string, rule Rule) (id string) {
	s.t.Helper()
	body, _ := json.Marshal(map[string]any{"name": "Company", "issuer": issuer, "clientId": clientID, "clientSecret": secret, "rule": rule})
	got := s.want(200, "POST", "identity-providers", string(body), bearer(s.admin))
	if strings.Contains(got.Text, secret) {
		s.t.Errorf("the secret is shown: %s", got.Text)
	}
	return got.str("identityProvider.id")
}

// signInAtReal has the browser go to the provider, sign in there and follow the way back up to our callback.
func signInAtReal(t *testing.T, s *site, c *http.Client, start, user string) (callback string) {
	t.Helper()
	status, to, body := visit(t, c, s.url+start)
	if status != 302 || to.Query().Get("code_challenge_method") != "S256" || to.Query().Get("nonce") == "" || to.Query().Get("state") == "" {
		t.Fatalf("start: %d to %v %s", status, to, body)
	}
	_, login, _ := visit(t, c, to.String())
	resp, err := c.PostForm(login.String(), url.Values{"id": {login.Query().Get("authRequestID")}, "username": {user}, "password": {"verysecure"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	at, err := resp.Location()
	if err != nil {
		t.Fatalf("the provider's sign-in: %d", resp.StatusCode)
	}
	_, back, _ := visit(t, c, at.String())
	if back == nil || !strings.HasPrefix(back.String(), s.url+callbackPath) {
		t.Fatalf("the provider leads to %v", back)
	}
	return back.String()
}

func (s *site) start(id string) string {
	return "/oauth2/start?" + url.Values{"accountId": {s.accountID}, "providerId": {id}, "next": {"/devices?x=1"}}.Encode()
}

// me says who the browser's cookie is.
func (s *site) me(c *http.Client) (jwt string) {
	at, _ := url.Parse(s.url)
	for _, cookie := range c.Jar.Cookies(at) {
		if cookie.Name == "xively-access-token" {
			return cookie.Value
		}
	}
	return ""
}

func TestSignInAtARealProvider(t *testing.T) {
	s := newSite(t)
	issuer, clientID, secret := realProvider(t, s)
	group := newID()
	id := s.provider(issuer, clientID, secret, Rule{CreateUsers: true, EmailDomains: []string{"ZITADEL.ch"}, OrganizationID: group})
	if offered := s.want(200, "GET", "auth/providers?accountId="+s.accountID, ""); !strings.Contains(offered.Text, id) || strings.Contains(offered.Text, issuer) {
		t.Errorf("offered %s", offered.Text)
	}
	c := browser(t)
	callback := signInAtReal(t, s, c, s.start(id), "test-user@localhost")
	status, to, body := visit(t, c, callback)
	if status != 302 || to.String() != s.url+"/devices?x=1" {
		t.Fatalf("callback: %d to %v %s", status, to, body)
	}
	p, _, err := s.Verify(t.Context(), s.me(c))
	if err != nil || p.Kind != auth.EndUser || p.AccountID != s.accountID {
		t.Fatalf("signed in as %+v, %v", p, err)
	}
	u, err := s.User(s.accountID, p.UserID)
	if err != nil || u.EmailAddress != "test-user@zitadel.ch" || !u.EmailVerified || u.Password != "" || u.Links[0] != (Link{issuer, "id1"}) || s.users.placed[0] != group {
		t.Errorf("made %+v, %v", u, err)
	}
	if status, _, _ := visit(t, c, callback); status != 400 { // I17: one use
		t.Errorf("callback again: %d", status)
	}
	again := browser(t)
	visit(t, again, signInAtReal(t, s, again, s.start(id), "test-user@localhost"))
	if q, _, err := s.Verify(t.Context(), s.me(again)); err != nil || q.UserID != p.UserID {
		t.Errorf("the second time it is %+v, %v", q, err)
	}
	mobile := browser(t) // the mobile SDK's address
	status, to, _ = visit(t, mobile, signInAtReal(t, s, mobile, "/api/authentication/oauth/authenticate?redirect_uri=xi"+s.accountID+"&provider_id="+id, "test-user@localhost"))
	if status != 302 || to.Scheme != "xi"+s.accountID || !strings.Contains(to.Fragment, "jwt=eyJ") || s.me(mobile) != "" {
		t.Errorf("mobile: %d to %v", status, to)
	}
	if err := s.DisableUser(s.accountID, p.UserID, true); err != nil {
		t.Fatal(err)
	}
	out := browser(t)
	if status, _, _ := visit(t, out, signInAtReal(t, s, out, s.start(id), "test-user@localhost")); status != 403 || s.me(out) != "" {
		t.Errorf("disabled: %d", status)
	}
}

// I17: a state is good once, in the browser that began, for ten minutes.
func TestI17State(t *testing.T) {
	s := newSite(t)
	issuer, clientID, secret := realProvider(t, s)
	id := s.provider(issuer, clientID, secret, Rule{CreateUsers: true, OrganizationID: newID()})
	c := browser(t)
	callback := signInAtReal(t, s, c, s.start(id), "test-user@localhost")
	u, _ := url.Parse(callback)
	q := u.Query()
	with := func(name, value string) string {
		changed := url.Values{}
		for k, v := range q {
			changed[k] = v
		}
		if changed.Set(name, value); value == "" {
			changed.Del(name)
		}
		return s.url + callbackPath + "?" + changed.Encode()
	}
	none := browser(t)
	other := browser(t)
	visit(t, other, s.url+s.start(id))
	for name, row := range map[string]struct {
		c  *http.Client
		to string
	}{
		"no state": {c, with("state", "")}, "made-up state": {c, with("state", randomText())}, "no cookie": {none, with("code", "x")},
	} {
		if status, _, _ := visit(t, row.c, row.to); status != 400 || s.me(row.c) != "" {
			t.Errorf("%s: %d", name, status)
		}
	}
	stolen := browser(t) // another browser with the state and a cookie of its own making spends it, and gets nothing
	callback = signInAtReal(t, s, c, s.start(id), "test-user@localhost")
	at, _ := url.Parse(callback)
	stolen.Jar.SetCookies(at, []*http.Cookie{{Name: stateCookie + "-" + at.Query().Get("state")[:8], Value: "x", Path: "/oauth2/"}})
	if status, _, _ := visit(t, stolen, callback); status != 400 || s.me(stolen) != "" {
		t.Errorf("another browser: %d", status)
	}
	if status, _, _ := visit(t, c, callback); status != 400 {
		t.Errorf("after it was spent: %d", status)
	}
	callback = signInAtReal(t, s, c, s.start(id), "test-user@localhost")
	s.clock.advance(pendingLife)
	if status, _, _ := visit(t, c, callback); status != 400 || s.me(c) != "" {
		t.Errorf("late: %d", status)
	}
}

// I20: an address at a provider opens nobody's door; the two are linked by who is signed in.
func TestI20NoLinkByMail(t *testing.T) {
	s := newSite(t)
	issuer, clientID, secret := realProvider(t, s)
	id := s.provider(issuer, clientID, secret, Rule{CreateUsers: true, OrganizationID: newID()})
	victim := s.user(s.accountID, "test-user@zitadel.ch", auth.AccountUser)
	c := browser(t)
	if status, _, body := visit(t, c, signInAtReal(t, s, c, s.start(id), "test-user@localhost")); status != 403 || s.me(c) != "" {
		t.Fatalf("taken over by an address: %d %s", status, body)
	}
	if status, _, _ := visit(t, c, s.url+s.start(id)+"&link=true"); status != 401 {
		t.Errorf("link without a sign-in: %d", status)
	}
	s.signedIn(c, s.signIn("test-user@zitadel.ch", bobPassword))
	if status, to, body := visit(t, c, signInAtReal(t, s, c, s.start(id)+"&link=true", "test-user@localhost")); status != 302 {
		t.Fatalf("link: %d to %v %s", status, to, body)
	}
	d := browser(t)
	visit(t, d, signInAtReal(t, s, d, s.start(id), "test-user@localhost"))
	if p, _, err := s.Verify(t.Context(), s.me(d)); err != nil || p.UserID != victim.ID {
		t.Errorf("linked sign-in is %+v, %v", p, err)
	}
	e := browser(t)
	s.signedIn(e, s.signInNew(s.accountID))
	if status, _, _ := visit(t, e, signInAtReal(t, s, e, s.start(id)+"&link=true", "test-user@localhost")); status != 409 {
		t.Errorf("link what is another's: %d", status)
	}
	rule := Rule{CreateUsers: true, OrganizationID: newID()}
	p := Provider{ID: newID(), AccountID: s.accountID, Rule: rule}
	for name, who := range map[string]external{
		"unverified":            {Link: Link{"https://a", "1"}, EmailAddress: "x@example.com"},
		"same subject, another": {Link: Link{"https://evil", "id1"}, EmailAddress: "test-user@zitadel.ch", EmailVerified: true},
		"no address":            {Link: Link{"https://a", "2"}, EmailVerified: true},
	} {
		if u, err := s.federatedUser(p, who); err == nil {
			t.Errorf("%s: let in as %+v", name, u)
		}
	}
}

func TestProviderRules(t *testing.T) {
	s := newSite(t)
	organization, fallback := newID(), newID()
	rule := Rule{CreateUsers: true, AdminGroups: []string{"admins"}, Organizations: []GroupRule{{"plant", organization}}, OrganizationID: fallback}
	n := 0
	admit := func(rule Rule, groups ...any) (auth.Kind, string, error) {
		n++
		who := readClaims(Link{"https://a", fmt.Sprint(n)}, map[string]any{"email": fmt.Sprintf("p%d@example.com", n), "email_verified": true, "name": "P\x00 Q", "groups": groups}, rule)
		s.users.placed = nil
		u, err := s.federatedUser(Provider{ID: newID(), AccountID: s.accountID, Rule: rule}, who)
		if err != nil {
			return 0, "", err
		}
		p, _ := s.users.UserPrincipal(s.accountID, u.ID)
		return p.Kind, strings.Join(s.users.placed, ","), nil
	}
	for _, row := range []struct {
		groups []any
		kind   auth.Kind
		at     string
	}{{[]any{"x", "admins"}, auth.AccountUser, ""}, {[]any{"plant"}, auth.EndUser, organization}, {nil, auth.EndUser, fallback}, {[]any{7, "y"}, auth.EndUser, fallback}} {
		if kind, at, err := admit(rule, row.groups...); kind != row.kind || at != row.at || err != nil {
			t.Errorf("%v: %v at %q, %v", row.groups, kind, at, err)
		}
	}
	rule.OrganizationID = ""
	if _, _, err := admit(rule, "y"); err == nil {
		t.Error("in no group and let in")
	}
	if _, _, err := admit(Rule{}, "admins"); err == nil {
		t.Error("made a user without the rule's leave")
	}
}

// I19: providers do not answer for each other.
func TestI19MixUp(t *testing.T) {
	s := newSite(t)
	issuer, clientID, secret := realProvider(t, s)
	first := s.provider(issuer, clientID, secret, Rule{CreateUsers: true, OrganizationID: newID()})
	issuer2, clientID2, secret2 := realProvider(t, s)
	second := s.provider(issuer2, clientID2, secret2, Rule{CreateUsers: true, OrganizationID: newID()})
	c := browser(t)
	honest, _ := url.Parse(signInAtReal(t, s, c, s.start(first), "test-user@localhost"))
	_, to, _ := visit(t, c, s.url+s.start(second))
	mixed := url.Values{"code": {honest.Query().Get("code")}, "state": {to.Query().Get("state")}}
	if status, _, _ := visit(t, c, s.url+callbackPath+"?"+mixed.Encode()); status != 400 || s.me(c) != "" {
		t.Errorf("one provider's code on the other's state: %d", status)
	}
	named := honest.Query()
	named.Set("iss", issuer2)
	if status, _, _ := visit(t, c, s.url+callbackPath+"?"+named.Encode()); status != 400 || s.me(c) != "" {
		t.Errorf("an answer that names another issuer: %d", status)
	}
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"x","token_endpoint":"x","jwks_uri":"x"}`, issuer)
	}))
	defer liar.Close()
	s.want(422, "POST", "identity-providers", fmt.Sprintf(`{"name":"x","issuer":%q,"clientId":"x"}`, liar.URL), bearer(s.admin))
	got := s.want(200, "GET", "identity-providers", "", bearer(s.admin))
	if !strings.Contains(got.Text, `"count":2`) || strings.Contains(got.Text, secret) {
		t.Errorf("list %s", got.Text)
	}
	s.want(200, "DELETE", "identity-providers/"+second, "", bearer(s.admin))
	if status, _, _ := visit(t, c, s.url+s.start(second)); status != 404 {
		t.Errorf("deleted: %d", status)
	}
	s.want(200, "PUT", "identity-providers/"+first, `{"disabled":true}`, bearer(s.admin))
	if status, _, _ := visit(t, c, s.url+s.start(first)); status != 404 {
		t.Errorf("disabled: %d", status)
	}
}

// A second installation of ours as the provider: both sides of this package meet.
func TestSignInAtAnotherInstallation(t *testing.T) {
	provider, client := newSite(t), newSite(t)
	appID, appToken := provider.application(provider.admin, fmt.Sprintf(`{"name":"client","type":"backEnd","redirectUris":[%q]}`, client.url+callbackPath))
	id := client.provider(provider.url, appID, appToken, Rule{CreateUsers: true, GroupsClaim: "roles", AdminGroups: []string{"accountUser"}})
	c := browser(t)
	signIn := func() (status int, body string) {
		// One cookie jar for two ports of one host would mix up their cookies: each side gets its own browser.
		_, to, _ := visit(t, c, client.url+client.start(id))
		there := browser(t)
		provider.signedIn(there, provider.admin)
		_, back, text := visit(t, there, to.String())
		if back == nil {
			t.Fatalf("the provider says %s", text)
		}
		status, _, body = visit(t, c, back.String())
		return status, body
	}
	if status, body := signIn(); status != 403 || !strings.Contains(body, "verified") {
		t.Errorf("with an unverified address: %d %s", status, body)
	}
	p, _ := provider.VerifyFresh(t.Context(), provider.admin)
	verified := func(on bool) {
		u, _ := provider.User(provider.accountID, p.UserID)
		token, _ := provider.newReset(u, resetLife, true)
		if err := provider.resetPassword(t.Context(), u.ID, token, annPassword, "x"); err != nil {
			t.Fatal(err)
		}
		provider.admin = provider.signInAnn()
	}
	verified(true)
	if status, body := signIn(); status != 403 || !strings.Contains(body, "already") { // Ann is a user there, too
		t.Errorf("with an address that is taken: %d %s", status, body)
	}
	if _, err := provider.changeUserEmail(p.UserID, "someone@example.com"); err != nil {
		t.Fatal(err)
	}
	if status, body := signIn(); status != 302 {
		t.Fatalf("%d %s", status, body)
	}
	q, _, err := client.Verify(t.Context(), client.me(c))
	if err != nil || q.Kind != auth.AccountUser || q.AccountID != client.accountID {
		t.Errorf("signed in as %+v, %v", q, err)
	}
}

func (s *site) changeUserEmail(userID, mail string) (User, error) {
	return s.changeUser(s.accountID, userID, func(_ *ourstorage.Tx, u *User) error {
		u.EmailAddress = mail
		return nil
	})
}

// A provider that is down, slow or endless touches nobody else.
func TestProviderTrouble(t *testing.T) {
	s := newSite(t)
	issuer, clientID, secret := realProvider(t, s)
	id := s.provider(issuer, clientID, secret, Rule{})
	c := browser(t)
	if status, _, _ := visit(t, c, signInAtReal(t, s, c, s.start(id), "test-user@localhost")); status != 403 {
		t.Errorf("without a rule: %d", status)
	}
	stuck, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	p, _ := s.Service.provider(s.accountID, id)
	p.Issuer = "http://" + stuck.Addr().String()
	if _, err := s.storeProvider(p, nil); err != nil {
		t.Fatal(err)
	}
	held := make(chan net.Conn, 1)
	go func() {
		if nc, err := stuck.Accept(); err == nil {
			held <- nc
		}
	}()
	waiting := make(chan int, 1)
	go func() {
		resp, err := http.Get(s.url + s.start(id))
		if err != nil {
			waiting <- 0
			return
		}
		resp.Body.Close()
		waiting <- resp.StatusCode
	}()
	s.signInAnn()
	s.want(200, "GET", "me", "", bearer(s.admin))
	if len(waiting) > 0 {
		t.Error("a password sign-in took as long as the stuck provider")
	}
	(<-held).Close()
	if status := <-waiting; status != 503 {
		t.Errorf("stuck: %d", status)
	}
	s.federation.http.Timeout = time.Second
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	s.want(422, "POST", "identity-providers", fmt.Sprintf(`{"name":"x","issuer":%q,"clientId":"x"}`, endless.URL), bearer(s.admin))
}

// P07: without private_providers no connection is made to this machine or a private network, whatever leads there.
func TestPrivateAddressesAreNotDialled(t *testing.T) {
	s := newSite(t)
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	s.federation = newFederation(s.clock.now, false)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]"} {
		s.want(422, "POST", "identity-providers", fmt.Sprintf(`{"name":"x","issuer":"http://%s:%s","clientId":"x"}`, host, port), bearer(s.admin))
	}
	for _, bad := range []string{"file:///etc/passwd", "gopher://x", "http://", "http://u:p@example.com", "https://example.com?x"} {
		s.want(400, "POST", "identity-providers", fmt.Sprintf(`{"name":"x","issuer":%q,"clientId":"x"}`, bad), bearer(s.admin))
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
	s.federation = newFederation(s.clock.now, true)
	hop := httptest.NewServer(http.RedirectHandler(server.URL, http.StatusFound))
	defer hop.Close()
	s.want(422, "POST", "identity-providers", fmt.Sprintf(`{"name":"x","issuer":%q,"clientId":"x"}`, hop.URL), bearer(s.admin))
	if n := reached.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}
