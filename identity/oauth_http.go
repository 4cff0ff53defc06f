package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

const (
	authorizePath = "/oauth2/authorize"
	callbackPath  = "/oauth2/callback"
	maxOAuthParam = 2000 // bytes
)

// OpenIDRoutes mounts what lies outside of /api/v1: the OpenID provider, and the way to sign in at another one.
func (s *Service) OpenIDRoutes(g *echo.Group) {
	route := func(method, path string, h echo.HandlerFunc) { g.Add(method, path, h, rest.PlainErrors) }
	visit := func(path string, h echo.HandlerFunc) { g.GET(path, h, rest.PlainErrors, rest.PageErrors) } // browsers navigate there
	route(http.MethodGet, "/.well-known/openid-configuration", s.getDiscovery)
	route(http.MethodGet, "/.well-known/jwks.json", s.getJWKS)
	visit(authorizePath, s.getAuthorize)
	route(http.MethodPost, "/oauth2/token", s.postToken)
	route(http.MethodPost, "/oauth2/revoke", s.postRevoke)
	route(http.MethodGet, "/oauth2/userinfo", s.getUserInfo)
	route(http.MethodPost, "/oauth2/userinfo", s.getUserInfo)

	visit("/oauth2/start", s.getStart)
	visit("/api/authentication/oauth/authenticate", s.getStart) // where mobile apps begin
	visit(callbackPath, s.getCallback)
}

func (s *Service) getDiscovery(c echo.Context) error {
	c.Response().Header().Set("Access-Control-Allow-Origin", "*") // public, as the keys below
	base := s.cfg.PublicURL
	return c.JSON(http.StatusOK, map[string]any{
		"issuer": base, "authorization_endpoint": base + authorizePath, "token_endpoint": base + "/oauth2/token",
		"userinfo_endpoint": base + "/oauth2/userinfo", "revocation_endpoint": base + "/oauth2/revoke", "jwks_uri": base + "/.well-known/jwks.json",
		"scopes_supported": knownScopes, "response_types_supported": []string{"code"}, "response_modes_supported": []string{"query", "fragment", "form_post"},
		"grant_types_supported": []string{"authorization_code", "refresh_token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "none"},
		"claims_supported":                               []string{"sub", "id", "userId", "accountId", "roles", "expires", "cert", "email", "email_verified", "name", "given_name", "family_name", "auth_time", "nonce"},
		"authorization_response_iss_parameter_supported": true,
	})
}

// getJWKS shows the public halves of the keys that verify now.
func (s *Service) getJWKS(c echo.Context) error {
	if _, err := s.keys.signing(c.Request().Context()); err != nil {
		return err
	}
	keys := []any{}
	for id, key := range s.keys.all() {
		keys = append(keys, map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id,
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())})
	}
	h := c.Response().Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "public, max-age=300")
	return c.JSON(http.StatusOK, map[string]any{"keys": keys})
}

// oauthClient returns the application with the client id. Error: fault Invalid.
func (s *Service) oauthClient(id string) (a Application, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		found, err := get(tx, appsBucket, id, &a)
		if err == nil && !found {
			err = fault.Field("client_id", "There is no application with this client_id.")
		}
		return err
	})
	return a, err
}

// getAuthorize answers where the client waits for the answer. Only when the client or that place is not known to be right
// does the browser stay here, with a 400. A user who is not signed in is sent to the sign-in page, and from there back.
func (s *Service) getAuthorize(c echo.Context) error {
	q := c.QueryParams()
	for name, values := range q {
		if len(values) != 1 || len(values[0]) > maxOAuthParam {
			return fault.Field(name, "This parameter is there more than once, or is too long.")
		}
	}
	client, err := s.oauthClient(q.Get("client_id"))
	if err != nil {
		return err
	}
	if !slices.Contains(client.RedirectURIs, q.Get("redirect_uri")) {
		return fault.Field("redirect_uri", "This is not, letter by letter, one of the application's redirect URIs.")
	}
	answer, err := s.authorize(c, client, q)
	var refused *oauthError
	if errors.As(err, &refused) {
		answer, err = url.Values{"error": {refused.code}, "error_description": {refused.description}}, nil
	}
	if err != nil || answer == nil { // nil: on the way to the sign-in page
		return err
	}
	answer.Set("iss", s.cfg.PublicURL)
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	return sendAuthorization(c, q.Get("redirect_uri"), q.Get("response_mode"), answer)
}

func (s *Service) authorize(c echo.Context, client Application, q url.Values) (url.Values, error) {
	a := authorization{ClientID: client.ID, RedirectURI: q.Get("redirect_uri"), Challenge: q.Get("code_challenge"), Nonce: q.Get("nonce")}
	switch mode := q.Get("response_mode"); {
	case q.Get("response_type") != "code":
		return nil, refuseOAuth("unsupported_response_type", "response_type must be code.")
	case mode != "" && mode != "query" && mode != "fragment" && mode != "form_post":
		return nil, refuseOAuth("invalid_request", "response_mode must be query, fragment or form_post.")
	case q.Get("code_challenge_method") != "S256" || len(a.Challenge) != 43:
		return nil, refuseOAuth("invalid_request", "PKCE with code_challenge_method S256 is needed.")
	case q.Has("request") || q.Has("request_uri"):
		return nil, refuseOAuth("request_not_supported", "Send the parameters in the query.")
	}
	for scope := range strings.FieldsSeq(q.Get("scope")) { // unknown ones are left out, as OpenID has it
		if slices.Contains(knownScopes, scope) && !hasScope(a.Scope, scope) {
			a.Scope = strings.TrimSpace(a.Scope + " " + scope)
		}
	}
	if !hasScope(a.Scope, openIDScope) {
		return nil, refuseOAuth("invalid_scope", "scope must contain openid.")
	}
	session, ok := s.browserSession(c)
	prompt := q.Get("prompt")
	again := !ok || prompt == "login" || prompt == "select_account"
	if maxAge, err := strconv.Atoi(q.Get("max_age")); err == nil && ok && s.now().Sub(session.Confirmed) > time.Duration(maxAge)*time.Second {
		again = true
	}
	if again {
		if prompt == "none" {
			return nil, refuseOAuth("login_required", "The user is not signed in, or not lately enough.")
		}
		return nil, s.toSignIn(c, q, client)
	}
	if session.AccountID != client.AccountID {
		return nil, refuseOAuth("access_denied", "The user is signed in to another account.")
	}
	if _, err := s.userPrincipal(session.AccountID, session.UserID); err != nil {
		if fault.KindOf(err) == fault.Forbidden {
			return nil, refuseOAuth("access_denied", "The user has no place in the account.")
		}
		return nil, err
	}
	code, err := s.grantCode(a, session)
	if err != nil {
		return nil, err
	}
	return url.Values{"code": {code}}, nil
}

// browserSession returns the session of the browser's cookie. The browser comes from another site here, by design.
func (s *Service) browserSession(c echo.Context) (Session, bool) {
	cookie, err := c.Request().Cookie(rest.TokenName)
	if err != nil {
		return Session{}, false
	}
	session, _, _, err := s.tokenSession(cookie.Value)
	return session, err == nil && !session.application() && session.ClientID == ""
}

// toSignIn sends the browser to the sign-in page, which leads it back to the same request. A demand to sign in anew is
// replaced by one for a young sign-in, or it would never be met.
func (s *Service) toSignIn(c echo.Context, q url.Values, client Application) error {
	next := url.Values{}
	for name, values := range q {
		next[name] = values
	}
	if next.Has("prompt") {
		next.Del("prompt")
		next.Set("max_age", "60")
	}
	to := url.Values{"next": {authorizePath + "?" + next.Encode()}, "accountId": {client.AccountID}}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusFound, "/sign-in?"+to.Encode())
}

const formScript = "document.forms[0].submit()"

var formPage = template.Must(template.New("form").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Signing in</title>
<form method="post" action="{{.Action}}">{{range $name, $values := .Values}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<noscript><button>Continue</button></noscript></form><script>{{.Script}}</script></html>`))

func sendAuthorization(c echo.Context, to, mode string, answer url.Values) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	switch mode {
	case "form_post":
		sum := sha256.Sum256([]byte(formScript))
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action "+u.Scheme+"://"+u.Host+"; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		h.Set(echo.HeaderContentType, echo.MIMETextHTMLCharsetUTF8)
		// The place was registered by an admin and may have an app's own scheme, which the template would not take.
		return formPage.Execute(c.Response(), map[string]any{"Action": template.URL(to), "Values": answer, "Script": template.JS(formScript)})
	case "fragment":
		return c.Redirect(http.StatusFound, to+"#"+answer.Encode())
	}
	query := u.Query()
	for name, values := range answer {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	return c.Redirect(http.StatusFound, u.String())
}

// formClient reads the form of a client's own call and says which application it is. Confidential ones prove it by their
// token; public ones have none, and PKCE keeps others from using their codes.
func (s *Service) formClient(c echo.Context) (client Application, form url.Values, err error) {
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return client, nil, refuseOAuth("invalid_request", "The body must be a form.")
	}
	form = r.PostForm
	for name, values := range form {
		if len(values) != 1 {
			return client, nil, refuseOAuth("invalid_request", "%s is there more than once.", name)
		}
	}
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749 §2.3.1: both are form-encoded first
		var errs [2]error
		id, errs[0] = url.QueryUnescape(id)
		secret, errs[1] = url.QueryUnescape(secret)
		if errors.Join(errs[:]...) != nil {
			return client, nil, refuseOAuth("invalid_client", "The client's credentials are malformed.")
		}
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	if client, err = s.oauthClient(id); err != nil && fault.KindOf(err) == fault.Invalid {
		return client, nil, refuseOAuth("invalid_client", "The client's credentials are wrong.")
	}
	if err != nil || client.Public && secret == "" {
		return client, form, err
	}
	if _, err = s.checkAppToken(client.ID, client.AccountID, secret, c.RealIP()); err != nil && fault.KindOf(err) == fault.Unauthenticated {
		err = refuseOAuth("invalid_client", "The client's credentials are wrong.")
	}
	return client, form, err
}

// answerOAuth writes an error of OAuth's in OAuth's shape; others go the usual way.
func answerOAuth(c echo.Context, err error) error {
	var refused *oauthError
	if !errors.As(err, &refused) {
		return err
	}
	status := http.StatusBadRequest
	if refused.code == "invalid_client" {
		status = http.StatusUnauthorized
		c.Response().Header().Set("WWW-Authenticate", "Basic")
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(status, map[string]string{"error": refused.code, "error_description": refused.description})
}

func (s *Service) postToken(c echo.Context) error {
	client, form, err := s.formClient(c)
	if err != nil {
		return answerOAuth(c, err)
	}
	var t tokens
	ctx := c.Request().Context()
	switch form.Get("grant_type") {
	case "authorization_code":
		t, err = s.exchangeCode(ctx, client, form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier"), s.origin(c, "client"))
	case "refresh_token":
		t, err = s.refresh(ctx, client, form.Get("refresh_token"), form.Get("scope"))
	default:
		err = refuseOAuth("unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")
	}
	if err != nil {
		return answerOAuth(c, err)
	}
	return rest.JSON(c, t)
}

func (s *Service) postRevoke(c echo.Context) error {
	client, form, err := s.formClient(c)
	if err == nil {
		err = s.revoke(client, form.Get("token"))
	}
	if err != nil {
		return answerOAuth(c, err)
	}
	return c.NoContent(http.StatusOK)
}

func (s *Service) getUserInfo(c echo.Context) error {
	token, fromCookie, err := rest.RequestToken(c)
	if err != nil {
		return err
	}
	session, _, expired, err := s.tokenSession(token)
	if err != nil {
		return err
	}
	if fromCookie || expired || session.ClientID == "" || !hasScope(session.Scope, openIDScope) {
		return signInAgain("This needs an access token, not run out, with the scope openid.")
	}
	claims, err := s.userClaims(session)
	if err != nil {
		return err
	}
	return rest.JSON(c, claims)
}
