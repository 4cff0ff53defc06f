package identity

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestTestProvider: each thing that can be wrong with a provider is named, at the step where it is.
func TestTestProvider(t *testing.T) {
	s := newSite(t)
	var answer atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			fmt.Fprint(w, answer.Load().([2]string)[1])
			return
		}
		fmt.Fprint(w, answer.Load().([2]string)[0])
	}))
	t.Cleanup(server.Close)
	whole := fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"https://x/a","token_endpoint":"https://x/t","jwks_uri":"%s/keys"}`, server.URL, server.URL)
	answer.Store([2]string{whole, `{"keys":[{"kty":"RSA"}]}`})
	id := s.provider(server.URL, "client", "hush-hush", Rule{CreateUsers: true, OrganizationID: newID()})
	for _, row := range []struct{ discovery, keys, want string }{
		{whole, `{"keys":[{"kty":"RSA"}]}`, `"ok":true,"steps":[`},
		{whole, `{"keys":[]}`, `{"code":"keys","ok":false,"text":"The provider shows no keys`},
		{whole, `<html>`, `"code":"keys","ok":false`},
		{strings.Replace(whole, server.URL, "https://other.example", 1), ``, `{"code":"issuer","ok":false,"text":"The provider calls itself \"https://other.example\"`},
		{strings.Replace(whole, "https://x/t", "", 1), ``, `{"code":"endpoints","ok":false,"text":"The provider's token_endpoint is not an address`},
		{`not JSON`, ``, `{"code":"discovery","ok":false,"text":"`},
	} {
		answer.Store([2]string{row.discovery, row.keys})
		if got := s.want(200, "POST", "identity-providers/"+id+"/test", "{}", bearer(s.admin)); !strings.Contains(got.Text, row.want) {
			t.Errorf("%s and %s: %s", row.discovery, row.keys, got.Text)
		}
	}
	// P07: without private_providers no connection is made here, and the answer does not say what is here.
	before := s.federation
	s.federation = newFederation(s.clock.now, false)
	answer.Store([2]string{whole, `{"keys":[{"kty":"RSA"}]}`})
	got := s.want(200, "POST", "identity-providers/"+id+"/test", "{}", bearer(s.admin))
	if !strings.Contains(got.Text, "private_providers") || strings.Contains(got.Text, "127.0.0.1 is") {
		t.Errorf("on this machine: %s", got.Text)
	}
	s.federation = before
	s.want(404, "POST", "identity-providers/"+newID()+"/test", "{}", bearer(s.admin))
}

// TestCallbackErrorsArePages: a person sees a page, inert whatever the provider or an attacker sends; a program sees JSON.
func TestCallbackErrorsArePages(t *testing.T) {
	s := newSite(t)
	evil := `<script>alert(1)</script>`
	for _, path := range []string{callbackPath + "?" + url.Values{"state": {"12345678" + evil}, "error": {evil}, "error_description": {evil}}.Encode(),
		"/oauth2/start?" + url.Values{"accountId": {evil}, "providerId": {evil}, "next": {"//evil.example"}}.Encode()} {
		req, _ := http.NewRequest("GET", s.url+path, nil)
		req.Header.Set("Accept", "text/html,application/xhtml+xml")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		status, kind, policy := resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Content-Security-Policy")
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		page := string(text)
		if status != 400 || !strings.HasPrefix(kind, "text/html") || !strings.Contains(policy, "default-src 'none'") || strings.Contains(page, "<script") || !strings.Contains(page, "/sign-in") {
			t.Errorf("%s: %d %s %s\n%s", path, status, kind, policy, page)
		}
		if _, _, body := visit(t, browser(t), s.url+path); !strings.HasPrefix(body, `{"`) {
			t.Errorf("%s as a program: %s", path, body)
		}
	}
}
