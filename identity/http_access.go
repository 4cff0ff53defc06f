package identity

import (
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// sessionsOf says whose sessions a call is about: one's own, or for an admin those of ?userId=.
func (s *Service) sessionsOf(c echo.Context) (who caller, userID string, err error) {
	if who, err = s.user(c); err != nil {
		return who, "", err
	}
	userID = c.QueryParam("userId")
	if userID == "" {
		userID = who.session.UserID
	}
	if userID != who.session.UserID && !who.admin {
		return who, "", fault.New(fault.Forbidden, "You may do this for yourself only.")
	}
	return who, userID, nil
}

func (s *Service) getSessions(c echo.Context) error {
	who, userID, err := s.sessionsOf(c)
	if err != nil {
		return err
	}
	sessions, err := s.Sessions(who.session.AccountID, userID)
	if err != nil {
		return err
	}
	return page(c, "sessions", sessions, func(one Session) map[string]any {
		return map[string]any{"id": one.ID, "userId": one.UserID, "method": one.Method, "created": rest.Time(one.Created), "expires": rest.Time(one.Expires),
			"lastUsed": rest.Time(one.LastUsed), "remote": one.Remote, "userAgent": one.UserAgent, "applicationId": one.ClientID, "current": one.ID == who.session.ID}
	})
}

func (s *Service) deleteSession(c echo.Context) error {
	who, userID, err := s.sessionsOf(c)
	if err != nil {
		return err
	}
	n, err := s.EndSessions(who.session.AccountID, userID, func(one Session) bool { return one.ID == c.Param("id") })
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.NotFound, "There is no session with this id.")
	}
	s.record(c, who, "session.ended", "session", c.Param("id"))
	return answerSuccess(c)
}

// deleteSessions ends all the user's sessions but the one of the call.
func (s *Service) deleteSessions(c echo.Context) error {
	who, userID, err := s.sessionsOf(c)
	if err != nil {
		return err
	}
	n, err := s.EndSessions(who.session.AccountID, userID, func(one Session) bool { return one.ID != who.session.ID })
	if err != nil {
		return err
	}
	s.record(c, who, "sessions.ended", "user", userID)
	return rest.JSON(c, map[string]any{"success": true, "ended": n})
}

func showApplication(a Application) map[string]any {
	uris := a.RedirectURIs
	if uris == nil {
		uris = []string{}
	}
	return map[string]any{"id": a.ID, "appId": a.ID, "accountId": a.AccountID, "name": a.Name, "type": a.Type, "appTokenStart": a.TokenStart,
		"redirectUris": uris, "public": a.Public, "organizationId": orNil(a.OrganizationID), "endUserTemplateId": orNil(a.EndUserTemplateID),
		"created": rest.Time(a.Created), "createdById": orNil(a.CreatedByID), "version": strconv.Itoa(a.Version)}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

type applicationRequest struct {
	Name              *string   `json:"name"`
	Type              *string   `json:"type"`
	RedirectURIs      *[]string `json:"redirectUris"`
	Public            *bool     `json:"public"`
	OrganizationID    *string   `json:"organizationId"`
	EndUserTemplateID *string   `json:"endUserTemplateId"`
}

func (r applicationRequest) apply(a *Application) {
	set(&a.Name, r.Name)
	set(&a.RedirectURIs, r.RedirectURIs)
	set(&a.Public, r.Public)
	set(&a.OrganizationID, r.OrganizationID)
	set(&a.EndUserTemplateID, r.EndUserTemplateID)
}

// set takes over what a partial update sent.
func set[T any](to *T, sent *T) {
	if sent != nil {
		*to = *sent
	}
}

func (s *Service) getApplications(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	apps, err := s.Applications(who.session.AccountID)
	if err != nil {
		return err
	}
	return page(c, "applications", apps, showApplication)
}

func (s *Service) postApplication(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	var r applicationRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	a := Application{AccountID: who.session.AccountID, CreatedByID: who.principal.ID}
	r.apply(&a)
	set(&a.Type, r.Type)
	a, token, err := s.createApplication(a)
	if err != nil {
		return err
	}
	s.record(c, who, "application.created", "application", a.ID)
	return answerApplication(c, a, token)
}

func answerApplication(c echo.Context, a Application, token string) error {
	shown := showApplication(a)
	if token != "" {
		shown["appToken"] = token
	}
	return rest.One(c, "application", shown)
}

func (s *Service) getApplication(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	a, err := s.application(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	return answerApplication(c, a, "")
}

func (s *Service) putApplication(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	var r applicationRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	a, err := s.changeApplication(who.session.AccountID, c.Param("id"), func(a *Application) error {
		if err := checkETag(c, a.Version); err != nil {
			return err
		}
		if r.Type != nil && *r.Type != a.Type {
			return fault.Field("type", "The type of an application does not change. Make a new one.")
		}
		r.apply(a)
		return nil
	})
	if err != nil {
		return err
	}
	s.record(c, who, "application.changed", "application", a.ID)
	return answerApplication(c, a, "")
}

// checkETag compares the etag, if there is one, with the object's version.
func checkETag(c echo.Context, version int) error {
	if tag := rest.ETag(c); tag != "" && tag != strconv.Itoa(version) {
		return fault.New(fault.Stale, "This was changed meanwhile. Read it again.")
	}
	return nil
}

func (s *Service) postApplicationToken(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	a, token, err := s.newApplicationToken(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	s.record(c, who, "application.newToken", "application", a.ID)
	return answerApplication(c, a, token)
}

func (s *Service) deleteApplicationRoute(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	a, err := s.deleteApplication(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	s.record(c, who, "application.deleted", "application", a.ID)
	return answerApplication(c, a, "")
}

func showAPIKey(k APIKey) map[string]any {
	return map[string]any{"id": k.ID, "userId": k.UserID, "name": k.Name, "scopes": k.Scopes, "keyStart": k.Start,
		"created": rest.Time(k.Created), "expires": shownTime(k.Expires), "lastUsed": shownTime(k.LastUsed)}
}

func (s *Service) getAPIKeys(c echo.Context) error {
	who, userID, err := s.sessionsOf(c)
	if err != nil {
		return err
	}
	keys, err := s.APIKeys(who.session.AccountID, userID)
	if err != nil {
		return err
	}
	return page(c, "apiKeys", keys, showAPIKey)
}

// postAPIKey makes a key for oneself. expires is a time; without it the key does not run out.
func (s *Service) postAPIKey(c echo.Context) error {
	who, err := s.confirmed(c)
	if err != nil {
		return err
	}
	var r struct {
		Name    string    `json:"name"`
		Scopes  []string  `json:"scopes"`
		Expires time.Time `json:"expires"`
	}
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	k, text, err := s.createAPIKey(APIKey{AccountID: who.session.AccountID, UserID: who.session.UserID, Name: r.Name, Scopes: r.Scopes, Expires: r.Expires})
	if err != nil {
		return err
	}
	s.record(c, who, "apiKey.created", "apiKey", k.ID)
	shown := showAPIKey(k)
	shown["key"] = text
	return rest.One(c, "apiKey", shown)
}

func (s *Service) deleteAPIKeyRoute(c echo.Context) error {
	who, userID, err := s.sessionsOf(c)
	if err != nil {
		return err
	}
	k, err := s.deleteAPIKey(who.session.AccountID, userID, c.Param("id"))
	if err != nil {
		return err
	}
	s.record(c, who, "apiKey.deleted", "apiKey", k.ID)
	return rest.One(c, "apiKey", showAPIKey(k))
}

func showInvitation(i Invitation) map[string]any {
	return map[string]any{"id": i.ID, "accountId": i.AccountID, "emailAddress": i.EmailAddress, "created": rest.Time(i.Created),
		"createdById": i.CreatedByID, "expires": rest.Time(i.Expires)}
}

func (s *Service) getInvitations(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	open, err := s.Invitations(who.session.AccountID)
	if err != nil {
		return err
	}
	return page(c, "invitations", open, showInvitation)
}

// postInvitation answers with the link, too, for installations without mail.
func (s *Service) postInvitation(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	var r loginRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	i, link, err := s.invite(who.session.AccountID, who.principal.ID, r.EmailAddress)
	if err != nil {
		return err
	}
	s.record(c, who, "invitation.created", "invitation", i.ID)
	shown := showInvitation(i)
	shown["link"] = link
	return rest.One(c, "invitation", shown)
}

func (s *Service) deleteInvitationRoute(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	i, err := s.deleteInvitation(who.session.AccountID, c.Param("id"))
	if err != nil {
		return err
	}
	s.record(c, who, "invitation.deleted", "invitation", i.ID)
	return rest.One(c, "invitation", showInvitation(i))
}

type invitedRequest struct {
	Token     string `json:"token"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	JobRole   string `json:"jobRole"`
	Password  string `json:"password"`
}

// postReadInvitation shows an invitation to who holds its token: a POST, as tokens do not belong into addresses.
func (s *Service) postReadInvitation(c echo.Context) error {
	var r invitedRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	i, err := s.invitation(r.Token, c.RealIP())
	if err != nil {
		return err
	}
	account, err := s.Account(i.AccountID)
	if err != nil {
		return err
	}
	return rest.One(c, "invitation", map[string]any{"emailAddress": i.EmailAddress, "accountName": account.Name, "expires": rest.Time(i.Expires), "jobRoles": jobRoles})
}

func (s *Service) postAcceptInvitation(c echo.Context) error {
	var r invitedRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("token", r.Token, "password", r.Password); err != nil {
		return err
	}
	jwt, err := s.acceptInvitation(c.Request().Context(), r.Token, User{FirstName: r.FirstName, LastName: r.LastName, JobRole: r.JobRole}, r.Password, s.origin(c, "invitation"))
	if err != nil {
		return err
	}
	s.replaceCookie(c)
	return answerJWT(c, jwt)
}
