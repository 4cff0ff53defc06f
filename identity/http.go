package identity

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// Routes mounts the module below g, the group of /api/v1. Success is {"jwt":"…"} or {"success":true}; errors have the
// identity service's plain shape.
func (s *Service) Routes(g *echo.Group) {
	route := func(method, path string, h echo.HandlerFunc) { g.Add(method, path, h, rest.PlainErrors) }
	route(http.MethodPost, "/auth/login-user", s.postLogin)
	route(http.MethodPost, "/auth/logout", s.postLogout)
	route(http.MethodGet, "/auth/validate-jwt", s.getValidateJWT)
	route(http.MethodPost, "/sessions/renew-session", s.postRenewSession)
	route(http.MethodGet, "/setup", s.getSetup)
	route(http.MethodPost, "/setup", s.postSetup)
}

type loginRequest struct {
	EmailAddress string `json:"emailAddress"`
	Password     string `json:"password"`
	AccountID    string `json:"accountId"` // also taken from the query; may be left out, see SignIn
	RenewalType  string `json:"renewalType"`
}

func (s *Service) postLogin(c echo.Context) error {
	var r loginRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if r.AccountID == "" {
		r.AccountID = c.QueryParam("accountId")
	}
	if err := required("emailAddress", r.EmailAddress, "password", r.Password); err != nil {
		return err
	}
	life := s.cfg.SessionLife
	if r.RenewalType == "short" {
		life = s.cfg.ShortSessionLife
	}
	jwt, err := s.signIn(c.Request().Context(), r.AccountID, r.EmailAddress, r.Password, c.Request().RemoteAddr, life)
	if err != nil {
		return err
	}
	return answerJWT(c, jwt)
}

// required takes pairs of a field's name and value and refuses the first that is empty.
func required(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return fault.Field(pairs[i], "%s is missing.", pairs[i])
		}
	}
	return nil
}

func answerJWT(c echo.Context, jwt string) error {
	rest.SendToken(c, jwt)
	return rest.JSON(c, map[string]string{"jwt": jwt})
}

func answerSuccess(c echo.Context) error { return rest.JSON(c, map[string]bool{"success": true}) }

// token returns the request's token. rest.Authenticate is not used here: these calls must also work for a user the
// directory does not know, and renew by themselves. Its rule about cookies is kept.
func token(c echo.Context) (string, error) {
	token, fromCookie, err := rest.RequestToken(c)
	if err == nil && fromCookie && !rest.SameOrigin(c.Request()) {
		err = fault.New(fault.Forbidden, "A page of another site may not do this with your sign-in.")
	}
	return token, err
}

// postLogout also succeeds for a session that has ended already, so that a client can always get rid of its cookie.
func (s *Service) postLogout(c echo.Context) error {
	token, err := token(c)
	if err != nil {
		return err
	}
	if err := s.logout(token); err != nil && fault.KindOf(err) != fault.Unauthenticated {
		return err
	}
	rest.ClearToken(c)
	return answerSuccess(c)
}

func (s *Service) getValidateJWT(c echo.Context) error {
	if err := required("jwt", c.QueryParam("jwt")); err != nil {
		return err
	}
	_, _, expired, err := s.tokenSession(c.QueryParam("jwt"))
	if err != nil {
		return err
	}
	if expired {
		return signInAgain("The token has run out. Renew it, or sign in again.")
	}
	return answerSuccess(c)
}

func (s *Service) postRenewSession(c echo.Context) error {
	token, err := token(c)
	if err != nil {
		return err
	}
	jwt, err := s.renew(c.Request().Context(), token)
	if err != nil {
		return err
	}
	return answerJWT(c, jwt)
}

func (s *Service) getSetup(c echo.Context) error {
	needed, err := s.setupNeeded()
	if err != nil {
		return err
	}
	return rest.One(c, "setup", map[string]bool{"needed": needed})
}

type setupRequest struct {
	Token        string `json:"token"`
	EmailAddress string `json:"emailAddress"`
	Password     string `json:"password"`
	AccountName  string `json:"accountName"`
}

func (s *Service) postSetup(c echo.Context) error {
	var r setupRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("token", r.Token, "emailAddress", r.EmailAddress, "password", r.Password); err != nil {
		return err
	}
	jwt, err := s.setUp(c.Request().Context(), r.Token, r.AccountName, r.EmailAddress, r.Password)
	if err != nil {
		return err
	}
	return answerJWT(c, jwt)
}
