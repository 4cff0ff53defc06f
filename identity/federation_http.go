package identity

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// stateCookie binds a sign-in under way to the browser that began it.
const stateCookie = "xively-sign-in"

// getStart sends the browser to a provider. next is a local path to go to afterwards, default /. Mobile apps name theirs
// as redirect_uri, xi<accountId>, which also says the account, and get the token there in the fragment. With link=true the
// user who is signed in is linked to who answers there.
func (s *Service) getStart(c echo.Context) error {
	accountID, next := c.QueryParam("accountId"), c.QueryParam("next")
	if app := c.QueryParam("redirect_uri"); app != "" {
		id, ok := strings.CutPrefix(app, "xi")
		if !ok || !isID(id) || accountID != "" && accountID != id {
			return fault.Field("redirect_uri", "This must be xi and the account's id.")
		}
		accountID, next = id, app+"://"
	} else if next == "" {
		next = "/"
	} else if !localPath(next) {
		return fault.Field("next", "This must be a path on this server.")
	}
	id := c.QueryParam("providerId")
	if id == "" {
		id = c.QueryParam("provider_id")
	}
	p, err := s.provider(accountID, id)
	if err != nil {
		return err
	}
	if p.Disabled {
		return noProvider()
	}
	var linking Session
	if c.QueryParam("link") == "true" {
		who, err := s.confirmed(c)
		if err != nil {
			return err
		}
		if linking = who.session; linking.AccountID != accountID {
			return noProvider()
		}
	}
	to, state, browser, err := s.startFederation(c.Request().Context(), p, next, linking)
	if err != nil {
		return err
	}
	c.SetCookie(s.signInCookie(c, state, browser, 600))
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Redirect(http.StatusFound, to)
}

// signInCookie is one per sign-in, so that two tabs do not get in each other's way.
func (s *Service) signInCookie(c echo.Context, state, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: stateCookie + "-" + state[:8], Value: value, Path: "/oauth2/", MaxAge: maxAge, HttpOnly: true,
		Secure: c.Request().TLS != nil || strings.HasPrefix(s.cfg.PublicURL, "https:"), SameSite: http.SameSiteLaxMode}
}

// localPath takes what browsers cannot read as another site: "//host", "/\host" and control characters lead away.
func localPath(path string) bool {
	if len(path) > maxOAuthParam || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsRune(path, '\\') {
		return false
	}
	for _, r := range path {
		if r <= ' ' || r == 0x7f {
			return false
		}
	}
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == ""
}

// getCallback is where a provider sends the browser back to.
func (s *Service) getCallback(c echo.Context) error {
	badState := fault.Field("state", "This sign-in was not begun in this browser, or too long ago. Begin again.")
	state := c.QueryParam("state")
	if len(state) < 8 || len(state) > 100 || len(c.QueryParams()["state"]) != 1 {
		return badState
	}
	cookie, err := c.Cookie(stateCookie + "-" + state[:8])
	if err != nil {
		return badState
	}
	under, ok := s.federation.take(state, cookie.Value)
	c.SetCookie(s.signInCookie(c, state, "", -1))
	if !ok {
		return badState
	}
	if iss := c.QueryParam("iss"); iss != "" && iss != under.Provider.Issuer { // RFC 9207: the answer of another provider
		return badState
	}
	code := c.QueryParam("code")
	if code == "" {
		s.log.Info("identity provider refused", "provider_id", under.Provider.ID, "reason", c.QueryParam("error"))
		return fault.Field("code", "The identity provider did not let you in.")
	}
	who, err := s.finishFederation(c.Request().Context(), under, code)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	if under.LinkUser != "" {
		if session, ok := s.browserSession(c); !ok || session.ID != under.Link {
			return badState
		}
		if err := s.linkUser(under.Provider.AccountID, under.LinkUser, who.Link); err != nil {
			return err
		}
		return c.Redirect(http.StatusFound, under.Next)
	}
	now, err := s.provider(under.Provider.AccountID, under.Provider.ID)
	if err != nil || now.Disabled {
		return noProvider()
	}
	u, err := s.federatedUser(now, who)
	if err != nil {
		return err
	}
	jwt, err := s.startSession(c.Request().Context(), u, s.origin(c, "openid"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(under.Next, "xi") { // an app's own scheme, registered on the phone; the fragment is not sent on
		return c.Redirect(http.StatusFound, under.Next+"#"+url.Values{rest.TokenName: {jwt}, "jwt": {jwt}}.Encode())
	}
	if session, ok := s.browserSession(c); ok { // as replaceCookie
		if err := s.endSession(session); err != nil {
			return err
		}
	}
	sendSignInCookie(c, jwt)
	return c.Redirect(http.StatusFound, under.Next)
}

// sendSignInCookie is rest.SendToken for a browser that comes from the provider's site, after the state has shown that
// this browser began the sign-in.
func sendSignInCookie(c echo.Context, jwt string) {
	r := c.Request()
	own := r.Clone(r.Context())
	own.Header.Del("Sec-Fetch-Site")
	own.Header.Del("Origin")
	c.SetRequest(own)
	rest.SendToken(c, jwt)
	c.SetRequest(r)
}

// getSignInProviders lists what the sign-in page of an account offers.
func (s *Service) getSignInProviders(c echo.Context) error {
	offered := []any{}
	if isID(c.QueryParam("accountId")) {
		all, err := s.Providers(c.QueryParam("accountId"))
		if err != nil {
			return err
		}
		for _, p := range all {
			if !p.Disabled {
				offered = append(offered, map[string]string{"id": p.ID, "name": p.Name,
					"start": "/oauth2/start?" + url.Values{"accountId": {p.AccountID}, "providerId": {p.ID}}.Encode()})
			}
		}
	}
	return rest.JSON(c, map[string]any{"providers": offered})
}

func (s *Service) showProvider(p Provider) map[string]any {
	return map[string]any{"id": p.ID, "accountId": p.AccountID, "name": p.Name, "issuer": p.Issuer, "clientId": p.ClientID, "hasSecret": len(p.Secret) > 0,
		"scopes": append([]string{}, p.Scopes...), "disabled": p.Disabled, "rule": p.Rule, "redirectUri": s.cfg.PublicURL + callbackPath,
		"created": rest.Time(p.Created), "version": strconv.Itoa(p.Version)}
}

type providerRequest struct {
	Name         *string   `json:"name"`
	Issuer       *string   `json:"issuer"`
	ClientID     *string   `json:"clientId"`
	ClientSecret *string   `json:"clientSecret"`
	Scopes       *[]string `json:"scopes"`
	Disabled     *bool     `json:"disabled"`
	Rule         *Rule     `json:"rule"`
}

func (r providerRequest) apply(p *Provider) {
	set(&p.Name, r.Name)
	set(&p.Issuer, r.Issuer)
	set(&p.ClientID, r.ClientID)
	set(&p.Scopes, r.Scopes)
	set(&p.Disabled, r.Disabled)
	set(&p.Rule, r.Rule)
}

func (s *Service) getProviders(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	all, err := s.Providers(who.session.AccountID)
	if err != nil {
		return err
	}
	return page(c, "identityProviders", all, s.showProvider)
}

func (s *Service) getProvider(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	p, err := s.provider(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	return rest.One(c, "identityProvider", s.showProvider(p))
}

func (s *Service) postProvider(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	var r providerRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	p := Provider{ID: uuid.NewString(), AccountID: who.session.AccountID, Created: s.now().UTC()}
	r.apply(&p)
	return s.saveProvider(c, who, p, true, r.ClientSecret, "identityProvider.created")
}

func (s *Service) putProvider(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	var r providerRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	p, err := s.provider(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	if err := checkETag(c, p.Version); err != nil {
		return err
	}
	issuer := p.Issuer
	r.apply(&p)
	return s.saveProvider(c, who, p, p.Issuer != issuer, r.ClientSecret, "identityProvider.changed")
}

// saveProvider asks a new issuer for its metadata first: a mistyped one is found now, by who typed it.
func (s *Service) saveProvider(c echo.Context, who caller, p Provider, ask bool, secret *string, action string) error {
	if err := p.validate(); err != nil {
		return err
	}
	if ask {
		if _, err := s.federation.discover(c.Request().Context(), p.Issuer); err != nil {
			return &fault.Error{Kind: fault.Unprocessable, Field: "issuer", Message: "This provider cannot be reached, or does not call itself by this issuer.", Cause: err}
		}
	}
	p, err := s.storeProvider(p, secret)
	if err != nil {
		return err
	}
	s.record(c, who, action, "identityProvider", p.ID)
	return rest.One(c, "identityProvider", s.showProvider(p))
}

func (s *Service) deleteProvider(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	p, err := s.provider(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	err = s.db.Update(func(tx *storage.Tx) error {
		tx.Bucket(providersBucket).Delete([]byte(p.AccountID + "/" + p.ID))
		return nil
	})
	if err != nil {
		return err
	}
	s.record(c, who, "identityProvider.deleted", "identityProvider", p.ID)
	return rest.One(c, "identityProvider", s.showProvider(p))
}
