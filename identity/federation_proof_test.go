package identity

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// forger is a provider that says whatever the test wants: what a real one would never send.
type forger struct {
	*httptest.Server
	key *rsa.PrivateKey
	id  func(nonce string) string // the ID token of the next exchange
	// What the last exchange brought.
	verifier, nonce string
}

func newForger(t *testing.T) *forger {
	t.Helper()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"issuer": f.URL, "authorization_endpoint": f.URL + "/auth", "token_endpoint": f.URL + "/token",
			"jwks_uri": f.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":%q,"e":%q}]}`,
			base64.RawURLEncoding.EncodeToString(key.N.Bytes()), base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()))
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		f.verifier = r.FormValue("code_verifier")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"a","token_type":"Bearer","id_token":%q}`, f.id(f.nonce))
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// I18 where we are the client: an ID token counts only with the right nonce, audience, issuer, time and signature.
func TestI18ForgedIDTokens(t *testing.T) {
	s := newSite(t)
	f := newForger(t)
	id := s.provider(f.URL, "our client", "secret", Rule{CreateUsers: true, OrganizationID: newID()})
	other, _ := testKey() // they take turns
	claims := func(nonce string, change jwt.MapClaims) jwt.MapClaims {
		c := jwt.MapClaims{"iss": f.URL, "aud": "our client", "sub": "x", "nonce": nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
			"email": "x@example.com", "email_verified": true}
		for name, value := range change {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}
		return c
	}
	sign := func(method jwt.SigningMethod, with any, c jwt.MapClaims) string {
		token := jwt.NewWithClaims(method, c)
		token.Header["kid"] = "k"
		text, err := token.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	rs := func(change jwt.MapClaims) func(string) string {
		return func(nonce string) string { return sign(jwt.SigningMethodRS256, f.key, claims(nonce, change)) }
	}
	for _, row := range []struct {
		name string
		id   func(nonce string) string
		ok   bool
	}{
		{"wrong nonce", rs(jwt.MapClaims{"nonce": "another"}), false},
		{"no nonce", rs(jwt.MapClaims{"nonce": nil}), false},
		{"other audience", rs(jwt.MapClaims{"aud": "another client"}), false},
		{"other issuer", rs(jwt.MapClaims{"iss": "https://evil.example"}), false},
		{"run out", rs(jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}), false},
		{"no end", rs(jwt.MapClaims{"exp": nil}), false},
		{"no subject", rs(jwt.MapClaims{"sub": ""}), false},
		{"none", func(n string) string {
			return sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(n, nil))
		}, false},
		{"HMAC with the client's secret", func(n string) string { return sign(jwt.SigningMethodHS256, []byte("secret"), claims(n, nil)) }, false},
		{"other key", func(n string) string { return sign(jwt.SigningMethodRS256, other, claims(n, nil)) }, false},
		{"nothing", func(string) string { return "" }, false},
		{"good", rs(nil), true},
	} {
		f.id = row.id
		c := browser(t)
		_, to, _ := visit(t, c, s.url+s.start(id))
		f.nonce = to.Query().Get("nonce")
		status, _, body := visit(t, c, s.url+callbackPath+"?"+url.Values{"code": {"c"}, "state": {to.Query().Get("state")}}.Encode())
		if row.ok != (status == 302) || row.ok != (s.me(c) != "") || !row.ok && status != 400 {
			t.Errorf("%s: %d %s", row.name, status, body)
		}
		if len(f.verifier) < 43 {
			t.Errorf("%s: verifier %q", row.name, f.verifier)
		}
	}
}
