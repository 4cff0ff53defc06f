package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"xively/internal/fault"
)

func newID() string { return uuid.NewString() }

// part decodes one of a token's three parts.
func part(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Clients decode the payload: exactly these names.
func TestTokenAsClientsReadIt(t *testing.T) {
	f := newFixture(t)
	accountID, userID := f.account()
	token := f.signInAnn()
	header, payload := part(t, token, 0), part(t, token, 1)
	if header["typ"] != "JWT" || header["alg"] != "RS256" || header["kid"] != payload["cert"] || len(header) != 3 {
		t.Errorf("header %v", header)
	}
	if keys := slices.Sorted(maps.Keys(payload)); !slices.Equal(keys, []string{"accountId", "cert", "exp", "expires", "iat", "id", "renewalKey", "userId"}) {
		t.Errorf("payload keys %v", keys)
	}
	expires := f.clock.now().Add(20 * time.Minute)
	if payload["accountId"] != accountID || payload["userId"] != userID || payload["expires"] != float64(expires.UnixMilli()) || payload["exp"] != float64(expires.Unix()) {
		t.Errorf("payload %v", payload)
	}
	if key, err := base64.StdEncoding.DecodeString(payload["renewalKey"].(string)); err != nil || len(key) != 16 {
		t.Errorf("renewalKey %v", payload["renewalKey"])
	}
	if len(token) > 1200 {
		t.Errorf("the token has %d bytes", len(token))
	}
}

// forge signs a token as the service does, after change has had its way with it.
func (f *fixture) forge(token string, change func(header, payload map[string]any)) string {
	f.t.Helper()
	key, err := f.keys.signing(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	header, payload := part(f.t, token, 0), part(f.t, token, 1)
	change(header, payload)
	unsigned := encodePart(f.t, header) + "." + encodePart(f.t, payload)
	signature, err := jwt.SigningMethodRS256.Sign(unsigned, key.private)
	if err != nil {
		f.t.Fatal(err)
	}
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func encodePart(t *testing.T, m map[string]any) string {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// Tokens of other algorithms, keys and purposes (I03, I04, I05), and such as cost to read (I06).
func TestI03I04I05TokensRefused(t *testing.T) {
	f := newFixture(t)
	f.account()
	good := f.signInAnn()
	if same := f.forge(good, func(_, _ map[string]any) {}); !f.accepts(same) {
		t.Fatal("a token signed anew is refused: the rows below would show nothing")
	}
	key, err := f.keys.signing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	public, err := x509.MarshalPKIXPublicKey(&key.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	sign := func(method jwt.SigningMethod, with any) string {
		token := jwt.NewWithClaims(method, jwt.MapClaims(part(t, good, 1)))
		token.Header["kid"] = key.id
		signed, err := token.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	header := func(name string, v any) string {
		return f.forge(good, func(h, _ map[string]any) { h[name] = v })
	}
	claim := func(name string, v any) string {
		return f.forge(good, func(_, p map[string]any) { p[name] = v })
	}
	without := func(name string) string { return f.forge(good, func(_, p map[string]any) { delete(p, name) }) }
	now := f.clock.now()
	rows := map[string]string{
		"empty": "", "dots": "..", "garbage": "a.b.c", "two parts": parts[0] + "." + parts[1], "four parts": good + ".", "padding": good + "=",
		"no signature": parts[0] + "." + parts[1] + ".", "other signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", 342),
		"other payload": parts[0] + "." + encodePart(t, map[string]any{"id": newID()}) + "." + parts[2],
		"none":          sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"HS256, PEM":    sign(jwt.SigningMethodHS256, publicPEM), "HS256, DER": sign(jwt.SigningMethodHS256, public),
		"RS384": sign(jwt.SigningMethodRS384, key.private), "RS512": sign(jwt.SigningMethodRS512, key.private),
		"PS256": sign(jwt.SigningMethodPS256, key.private), "ES256": sign(jwt.SigningMethodES256, elliptical),
		"alg none": header("alg", "none"), "alg None": header("alg", "None"), "alg rs256": header("alg", "rs256"),
		"alg array": header("alg", []string{"RS256"}), "alg null": header("alg", nil), "alg HS256": header("alg", "HS256"),
		"typ": header("typ", "at+jwt"), "crit": header("crit", []string{"exp"}), "zip": header("zip", "DEF"), "b64": header("b64", false),
		"jku": header("jku", "https://evil.example/keys"), "x5u": header("x5u", "https://evil.example/cert"),
		"jwk": header("jwk", map[string]any{"kty": "RSA"}), "x5c": header("x5c", []string{"MII"}),
		"kid path": header("kid", "../../secret.key"), "kid URL": header("kid", "https://evil.example"), "kid quote": header("kid", "' OR 1=1--"),
		"kid other": header("kid", newID()), "kid number": header("kid", 1), "kid missing": f.forge(good, func(h, _ map[string]any) { delete(h, "kid") }),
		"kid 1 MiB": header("kid", strings.Repeat("k", 1<<20)), "cert other": claim("cert", newID()), "cert missing": without("cert"),
		"both other": f.forge(good, func(h, p map[string]any) { id := newID(); h["kid"], p["cert"] = id, id }),
		"no exp":     without("exp"), "no expires": without("expires"), "no iat": without("iat"), "exp text": claim("exp", "tomorrow"),
		"exp longer than expires": claim("exp", now.Add(time.Hour).Unix()), "iat ahead": claim("iat", now.Add(61*time.Second).Unix()),
		"nbf": claim("nbf", now.Unix()), "aud": claim("aud", "app"), "iss": claim("iss", "me"),
		"sub": claim("sub", "me"), "jti": claim("jti", "me"),
		"no session": without("id"), "other session": claim("id", newID()), "session path": claim("id", "../x"), "session in capitals": claim("id", strings.ToUpper(part(t, good, 1)["id"].(string))),
		"other user": claim("userId", newID()), "no user": without("userId"), "other account": claim("accountId", newID()), "no account": without("accountId"),
		"other renewal key": claim("renewalKey", newRenewalKey()), "no renewal key": without("renewalKey"),
		"a million dots": strings.Repeat(".", 1_000_000), "10 MiB": strings.Repeat("a", 10<<20), "over 8 KiB": claim("more", strings.Repeat("x", 8<<10)),
	}
	for name, token := range rows {
		for range 2 { // a second time, should the first have been cached
			_, _, err := f.Verify(t.Context(), token)
			f.wantKind(err, fault.Unauthenticated, name)
			_, err = f.VerifyFresh(t.Context(), token)
			f.wantKind(err, fault.Unauthenticated, name+", fresh")
		}
	}
	if !f.accepts(f.forge(good, func(_, p map[string]any) { p["iat"] = now.Add(60 * time.Second).Unix() })) {
		t.Error("a clock 60 s behind is refused")
	}
}

func (f *fixture) accepts(token string) bool {
	_, err := f.VerifyFresh(f.t.Context(), token)
	return err == nil
}

// A million dots must not be cut into a million strings.
func TestI06RefusalIsCheap(t *testing.T) {
	f := newFixture(t)
	for name, token := range map[string]string{"dots": strings.Repeat(".", 1_000_000), "short dots": strings.Repeat(".", maxToken), "letters": strings.Repeat("a", 10<<20)} {
		if n := testing.AllocsPerRun(10, func() { f.parse(token) }); n > 2 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzToken(f *testing.F) {
	k := &keyring{byID: map[string]*signingKey{}, now: time.Now}
	private, _ := testKey()
	k.current = &signingKey{id: newID(), private: private}
	k.byID[k.current.id] = k.current
	s := &Service{keys: k, now: time.Now, cfg: Config{}.withDefaults()}
	session := Session{ID: newID(), UserID: newID(), AccountID: newID(), Expires: time.Now().Add(time.Hour)}
	good, err := s.issue(context.Background(), session, newRenewalKey())
	if err != nil {
		f.Fatal(err)
	}
	if _, err := s.parse(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Add(strings.Repeat(".", 100))
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := s.parse(token); err == nil && token != good {
			t.Errorf("accepted: %q", token)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	k := &keyring{byID: map[string]*signingKey{}, now: time.Now}
	private, _ := testKey()
	k.current = &signingKey{id: newID(), private: private}
	k.byID[k.current.id] = k.current
	s := &Service{keys: k, now: time.Now, cfg: Config{}.withDefaults(), sessions: newRecent[Session](), dir: newDirectory()}
	key := newRenewalKey()
	session := Session{ID: newID(), UserID: newID(), AccountID: newID(), Expires: time.Now().Add(time.Hour), RenewalHash: renewalHash(key)}
	s.sessions.add(session.ID, session, 0)
	token, err := s.issue(context.Background(), session, key)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := s.tokenSession(token); err != nil {
			b.Fatal(err)
		}
	}
}
