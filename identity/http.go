package identity

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
)

// Routes mounts the module below g, the group of /api/v1. Answers of Xively's own calls are bare objects, the others have
// the envelopes of the directory; errors have the identity service's plain shape.
func (s *Service) Routes(g *echo.Group) {
	route := func(method, path string, h echo.HandlerFunc) { g.Add(method, path, h, rest.PlainErrors) }
	route(http.MethodPost, "/auth/login-user", s.postLogin)
	route(http.MethodPost, "/auth/login-application", s.postLoginApplication)
	route(http.MethodPost, "/auth/create-user", s.postCreateUser)
	route(http.MethodPost, "/auth/forgot-password", s.postForgotPassword)
	route(http.MethodPost, "/auth/confirm", s.postConfirm)
	route(http.MethodPost, "/auth/logout", s.postLogout)
	route(http.MethodGet, "/auth/validate-jwt", s.getValidateJWT)
	route(http.MethodGet, "/auth/providers", s.getSignInProviders)

	route(http.MethodPost, "/sessions/renew-session", s.postRenewSession)
	route(http.MethodGet, "/sessions", s.getSessions)
	route(http.MethodDelete, "/sessions", s.deleteSessions)
	route(http.MethodDelete, "/sessions/:id", s.deleteSession)

	route(http.MethodGet, "/users", s.getUsers)
	route(http.MethodPut, "/users/:userId", s.putUser)
	route(http.MethodDelete, "/users/:userId", s.deleteUser)
	route(http.MethodDelete, "/users/:userId/second-factor", s.deleteUserSecondFactor)
	route(http.MethodGet, "/users/by-email/:email/user-id", s.getUserID)
	route(http.MethodGet, "/users/:userId/password-reset-token", s.getPasswordResetToken)
	route(http.MethodPost, "/users/:userId/change-password-with-token", s.postChangePasswordWithToken)
	route(http.MethodPost, "/users/batch", s.postUsersBatch)
	route(http.MethodPost, "/users/batch/", s.postUsersBatch)
	route(http.MethodGet, "/profile/:userId", s.getProfile)
	route(http.MethodPost, "/profile/update", s.postProfile)
	route(http.MethodPost, "/profile/update-email-address", s.postEmailAddress)
	route(http.MethodPost, "/profile/change-password", s.postChangePassword)

	route(http.MethodGet, "/second-factor", s.getSecondFactor)
	route(http.MethodPost, "/second-factor", s.postSecondFactor)
	route(http.MethodPost, "/second-factor/confirm", s.postSecondFactorConfirm)
	route(http.MethodPost, "/second-factor/recovery-codes", s.postRecoveryCodes)
	route(http.MethodDelete, "/second-factor", s.deleteSecondFactor)

	route(http.MethodGet, "/applications", s.getApplications)
	route(http.MethodPost, "/applications", s.postApplication)
	route(http.MethodGet, "/applications/:id", s.getApplication)
	route(http.MethodPut, "/applications/:id", s.putApplication)
	route(http.MethodPost, "/applications/:id/token", s.postApplicationToken)
	route(http.MethodDelete, "/applications/:id", s.deleteApplicationRoute)

	route(http.MethodGet, "/api-keys", s.getAPIKeys)
	route(http.MethodPost, "/api-keys", s.postAPIKey)
	route(http.MethodDelete, "/api-keys/:id", s.deleteAPIKeyRoute)

	route(http.MethodGet, "/invitations", s.getInvitations)
	route(http.MethodPost, "/invitations", s.postInvitation)
	route(http.MethodDelete, "/invitations/:id", s.deleteInvitationRoute)
	route(http.MethodPost, "/invitations/read", s.postReadInvitation)
	route(http.MethodPost, "/invitations/accept", s.postAcceptInvitation)

	route(http.MethodGet, "/identity-providers", s.getProviders)
	route(http.MethodPost, "/identity-providers", s.postProvider)
	route(http.MethodGet, "/identity-providers/:id", s.getProvider)
	route(http.MethodPut, "/identity-providers/:id", s.putProvider)
	route(http.MethodDelete, "/identity-providers/:id", s.deleteProvider)
	route(http.MethodPost, "/identity-providers/:id/test", s.postTestProvider)

	route(http.MethodGet, "/setup", s.getSetup)
	route(http.MethodPost, "/setup", s.postSetup)
}

// A caller of a route here. principal is the zero Principal for a user the directory does not know: such a user can
// still look after the own sign-in.
type caller struct {
	session   Session
	principal auth.Principal
	admin     bool
}

// caller says who is calling, by a token of a session people or applications hold; renewing it as rest.Authenticate does,
// which is not used here because it lets only users pass whom the directory knows. API keys, and tokens that were given
// to other servers, do not reach what guards the sign-in.
func (s *Service) caller(c echo.Context) (caller, error) {
	token, err := token(c)
	if err != nil {
		return caller{}, err
	}
	if isAPIKey(token) {
		return caller{}, fault.New(fault.Forbidden, "An API key does not reach this: sign in.")
	}
	ctx := c.Request().Context()
	session, claims, expired, err := s.tokenSession(token)
	if err != nil {
		return caller{}, err
	}
	if session.ClientID != "" {
		return caller{}, fault.New(fault.Forbidden, "An access token given to another application does not reach this: sign in.")
	}
	p, err := s.principal(session, expired)
	if err != nil && fault.KindOf(err) != fault.Forbidden {
		return caller{}, err
	}
	admin := false
	if p.Kind == auth.AccountUser {
		if admin, err = s.isAdmin(p.AccountID, p.UserID); err != nil && fault.KindOf(err) != fault.Unavailable {
			return caller{}, err
		}
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	if expired {
		renewed, err := s.issue(ctx, session, claims.RenewalKey)
		if err != nil {
			return caller{}, err
		}
		rest.SendToken(c, renewed)
	}
	return caller{session, p, admin}, nil
}

// user is caller for people.
func (s *Service) user(c echo.Context) (caller, error) {
	who, err := s.caller(c)
	if err == nil && who.session.application() {
		err = fault.New(fault.Forbidden, "This is for people, not for applications.")
	}
	return who, err
}

// confirmed is user for what guards the sign-in: it wants a proof, not older than confirmedFor, that it is still the user.
func (s *Service) confirmed(c echo.Context) (caller, error) {
	who, err := s.user(c)
	if err == nil && s.now().Sub(who.session.Confirmed) > confirmedFor {
		err = &fault.Error{Kind: fault.Forbidden, Field: "password",
			Message: "You signed in a while ago. Confirm that it is you: POST /auth/confirm with your password, or sign in again."}
	}
	return who, err
}

// admin is user for who administers the account; confirm asks for what confirmed does.
func (s *Service) admin(c echo.Context, confirm bool) (caller, error) {
	who, err := s.user(c)
	if confirm && err == nil {
		who, err = s.confirmed(c)
	}
	if err != nil || who.admin {
		return who, err
	}
	if _, err := s.members(); err != nil {
		return who, err
	}
	return who, fault.New(fault.Forbidden, "Only the account's admins may do this.")
}

func (s *Service) record(c echo.Context, who caller, action, objectType, objectID string) {
	s.audit(Event{AccountID: who.session.AccountID, UserID: who.session.UserID, Action: action, ObjectType: objectType, ObjectID: objectID, Remote: c.RealIP()})
}

func (s *Service) origin(c echo.Context, method string) origin {
	return origin{method: method, remote: c.RealIP(), userAgent: c.Request().UserAgent(), life: s.cfg.SessionLife}
}

// replaceCookie ends the session whose cookie the browser brought to a sign-in: a new one takes its place, so that nobody who
// planted or copied the old cookie goes on with it.
func (s *Service) replaceCookie(c echo.Context) {
	token, fromCookie, err := rest.RequestToken(c)
	if err != nil || !fromCookie || !rest.SameOrigin(c.Request()) {
		return
	}
	if session, _, _, err := s.tokenSession(token); err == nil {
		if err := s.endSession(session); err != nil {
			s.log.Warn("old session not ended at sign-in", "err", err)
		}
	}
}

type loginRequest struct {
	EmailAddress string `json:"emailAddress"`
	Password     string `json:"password"`
	AccountID    string `json:"accountId"` // also taken from the query; may be left out, see SignIn
	RenewalType  string `json:"renewalType"`
	OneTimeCode  string `json:"oneTimeCode"` // of a second factor, or a recovery code
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
	from := s.origin(c, "password")
	if r.RenewalType == "short" {
		from.life = s.cfg.ShortSessionLife
	}
	jwt, err := s.signIn(c.Request().Context(), r.AccountID, r.EmailAddress, r.Password, r.OneTimeCode, from)
	if err != nil {
		return err
	}
	s.replaceCookie(c)
	return answerJWT(c, jwt)
}

func (s *Service) postLoginApplication(c echo.Context) error {
	var r struct {
		AppID     string `json:"appId"`
		AppToken  string `json:"appToken"`
		AccountID string `json:"accountId"`
	}
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("appId", r.AppID, "appToken", r.AppToken); err != nil {
		return err
	}
	jwt, err := s.signInApplication(c.Request().Context(), r.AppID, r.AccountID, r.AppToken, s.origin(c, "application"))
	if err != nil {
		return err
	}
	c.Response().Header().Set(rest.TokenName, jwt) // and no cookie: no browser signs in an application
	return rest.JSON(c, map[string]string{"jwt": jwt})
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

// token returns the request's token, by rest.Authenticate's rule about cookies: what changes something may come by a
// cookie from our own origin only.
func token(c echo.Context) (string, error) {
	token, fromCookie, err := rest.RequestToken(c)
	if err == nil && fromCookie && !rest.SameOrigin(c.Request()) {
		err = fault.New(fault.Forbidden, "A page of another site may not do this with your sign-in.")
	}
	return token, err
}

// postConfirm takes the password (and the code of a second factor) once more.
func (s *Service) postConfirm(c echo.Context) error {
	who, err := s.user(c)
	if err != nil {
		return err
	}
	var r loginRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("password", r.Password); err != nil {
		return err
	}
	if err := s.confirm(c.Request().Context(), who.session, r.Password, r.OneTimeCode, c.RealIP()); err != nil {
		return err
	}
	return answerSuccess(c)
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

// getValidateJWT answers for a token of its caller's account: the caller is an application, by its token in the
// AccessToken header, or somebody signed in.
func (s *Service) getValidateJWT(c echo.Context) error {
	if err := required("jwt", c.QueryParam("jwt")); err != nil {
		return err
	}
	accountID := ""
	if app, sent, err := s.app(c, ""); sent {
		if err != nil {
			return err
		}
		accountID = app.AccountID
	} else {
		who, err := s.caller(c)
		if err != nil {
			return err
		}
		accountID = who.session.AccountID
	}
	session, _, expired, err := s.tokenSession(c.QueryParam("jwt"))
	if err != nil {
		return err
	}
	if session.AccountID != accountID {
		return signInAgain("The token is not valid. Sign in again.")
	}
	if expired {
		return signInAgain("The token has run out. Renew it, or sign in again.")
	}
	return answerSuccess(c)
}

// app returns the application whose token is in the AccessToken header; sent is false when there is none.
func (s *Service) app(c echo.Context, accountID string) (a Application, sent bool, err error) {
	token := c.Request().Header.Get("AccessToken")
	if token == "" {
		return a, false, nil
	}
	a, err = s.checkAppToken("", accountID, token, c.RealIP())
	return a, true, err
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
	jwt, err := s.setUp(c.Request().Context(), r.Token, r.AccountName, r.EmailAddress, r.Password, s.origin(c, "setup"))
	if err != nil {
		return err
	}
	return answerJWT(c, jwt)
}

// shownTime writes a time for an answer; nil for none.
func shownTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return rest.Time(t)
}

// page answers one page of a list that is in memory.
func page[T any](c echo.Context, key string, all []T, show func(T) map[string]any) error {
	p, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	shown := []any{}
	for i := p.Offset(); i < len(all) && i < p.Offset()+p.PageSize; i++ {
		shown = append(shown, show(all[i]))
	}
	return rest.List(c, key, shown, len(all), p)
}
