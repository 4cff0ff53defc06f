package identity

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// maxUsersBatch is how many users one users/batch call may ask for.
const maxUsersBatch = 200

// profile is what is shown of a user.
func profile(u User) map[string]any {
	return map[string]any{
		"id": u.ID, "userId": u.ID, "accountId": u.AccountID, "emailAddress": u.EmailAddress, "emailVerified": u.EmailVerified,
		"firstName": u.FirstName, "lastName": u.LastName, "phoneNumber": u.PhoneNumber, "jobRole": u.JobRole,
		"disabled": u.Disabled, "secondFactor": u.SecondFactor != nil && u.SecondFactor.Active, "created": rest.Time(u.Created),
	}
}

// seer is caller for who may read the user's profile: the user, an admin, or a back end.
func (s *Service) seer(c echo.Context, userID string) (caller, error) {
	who, err := s.caller(c)
	if err == nil && who.session.UserID != userID && !who.admin && who.principal.Kind != auth.Application {
		err = fault.New(fault.Forbidden, "You may see your own profile only.")
	}
	return who, err
}

func (s *Service) getProfile(c echo.Context) error {
	who, err := s.seer(c, c.Param("userId"))
	if err != nil {
		return err
	}
	u, err := s.User(who.session.AccountID, c.Param("userId"))
	if err != nil {
		return err
	}
	return rest.JSON(c, profile(u))
}

type profileRequest struct {
	UserID       string  `json:"userId"`
	EmailAddress string  `json:"emailAddress"`
	AccountID    string  `json:"accountId"`
	Password     string  `json:"password"`
	FirstName    *string `json:"firstName"`
	LastName     *string `json:"lastName"`
	PhoneNumber  *string `json:"phoneNumber"`
	JobRole      *string `json:"jobRole"`
}

func (r profileRequest) apply(u *User) {
	for _, f := range []struct {
		from *string
		to   *string
	}{{r.FirstName, &u.FirstName}, {r.LastName, &u.LastName}, {r.PhoneNumber, &u.PhoneNumber}, {r.JobRole, &u.JobRole}} {
		if f.from != nil {
			*f.to = strings.TrimSpace(*f.from)
		}
	}
}

// postProfile changes what is sent of one's own profile, or for an admin of anybody's in the account.
func (s *Service) postProfile(c echo.Context) error {
	who, err := s.user(c)
	if err != nil {
		return err
	}
	var r profileRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if r.UserID == "" {
		r.UserID = who.session.UserID
	}
	if r.UserID != who.session.UserID && !who.admin {
		return fault.New(fault.Forbidden, "You may change your own profile only.")
	}
	u, err := s.changeUser(who.session.AccountID, r.UserID, func(_ *storage.Tx, u *User) error {
		r.apply(u)
		return u.validate()
	})
	if err != nil {
		return err
	}
	s.record(c, who, "profile.changed", "user", u.ID)
	return rest.JSON(c, profile(u))
}

// postEmailAddress changes the address one signs in with. The old address is told.
func (s *Service) postEmailAddress(c echo.Context) error {
	who, err := s.confirmed(c)
	if err != nil {
		return err
	}
	var r struct {
		UserID          string `json:"userId"`
		NewEmailAddress string `json:"newEmailAddress"`
	}
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := onlyOwn(r.UserID, who); err != nil {
		return err
	}
	r.NewEmailAddress = strings.TrimSpace(r.NewEmailAddress)
	if err := validateEmail(r.NewEmailAddress); err != nil {
		return err
	}
	old := ""
	u, err := s.changeUser(who.session.AccountID, who.session.UserID, func(_ *storage.Tx, u *User) error {
		old = u.EmailAddress
		u.EmailVerified = u.EmailVerified && foldEmail(old) == foldEmail(r.NewEmailAddress)
		u.EmailAddress = r.NewEmailAddress
		return nil
	})
	if err != nil {
		return err
	}
	s.record(c, who, "emailAddress.changed", "user", u.ID)
	s.notifyAt(old, "You sign in with "+u.EmailAddress+" from now on.")
	return rest.JSON(c, profile(u))
}

func onlyOwn(userID string, who caller) error {
	if userID != "" && userID != who.session.UserID {
		return fault.New(fault.Forbidden, "You may do this for yourself only.")
	}
	return nil
}

func (s *Service) postChangePassword(c echo.Context) error {
	who, err := s.user(c)
	if err != nil {
		return err
	}
	var r struct {
		UserID      string `json:"userId"`
		OldPassword string `json:"oldPassword"`
		NewPassword string `json:"newPassword"`
	}
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := onlyOwn(r.UserID, who); err != nil {
		return err
	}
	if err := required("oldPassword", r.OldPassword, "newPassword", r.NewPassword); err != nil {
		return err
	}
	if err := s.changePassword(c.Request().Context(), who.session, r.OldPassword, r.NewPassword, c.RealIP()); err != nil {
		return err
	}
	return answerSuccess(c)
}

func (s *Service) postUsersBatch(c echo.Context) error {
	who, err := s.caller(c)
	if err != nil {
		return err
	}
	var r struct {
		UserIDs []string `json:"userIds"`
		IDs     []string `json:"ids"`
		Users   []string `json:"users"`
	}
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	ids := append(append(r.UserIDs, r.IDs...), r.Users...)
	if len(ids) == 0 || len(ids) > maxUsersBatch {
		return fault.Field("userIds", "This must have 1 to %d ids of users.", maxUsersBatch)
	}
	users := []any{}
	for _, id := range ids {
		if who.session.UserID != id && !who.admin && who.principal.Kind != auth.Application {
			continue // not to be told from one that does not exist
		}
		u, err := s.User(who.session.AccountID, id)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		if err == nil {
			users = append(users, profile(u))
		}
	}
	return rest.JSON(c, map[string]any{"users": users})
}

// postCreateUser makes a user for an application (AccessToken header) or an admin.
func (s *Service) postCreateUser(c echo.Context) error {
	var r profileRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("emailAddress", r.EmailAddress); err != nil {
		return err
	}
	app, sent, err := s.app(c, r.AccountID)
	if err != nil {
		return err
	}
	if !sent {
		who, err := s.admin(c, false)
		if err != nil {
			return err
		}
		app = Application{AccountID: who.session.AccountID, Type: backEndApp}
	}
	if r.AccountID != "" && r.AccountID != app.AccountID {
		return fault.Field("accountId", "This is not the account of the caller.")
	}
	u := User{AccountID: app.AccountID, EmailAddress: strings.TrimSpace(r.EmailAddress)}
	r.apply(&u)
	u, endUserID, err := s.signUp(c.Request().Context(), app, u, r.Password)
	if err != nil {
		if fault.KindOf(err) == fault.Conflict {
			s.lookedFor(c, app)
		}
		return err
	}
	s.audit(Event{AccountID: u.AccountID, Action: "user.created", ObjectType: "user", ObjectID: u.ID, Remote: c.RealIP()})
	answer := profile(u)
	if endUserID != "" {
		answer["endUserId"] = endUserID
	}
	return rest.JSON(c, answer)
}

// mustApp is app where an application has to call.
func (s *Service) mustApp(c echo.Context, accountID string) (Application, error) {
	a, sent, err := s.app(c, accountID)
	if err == nil && !sent {
		err = fault.New(fault.Unauthenticated, "Send the application's token in the AccessToken header.")
	}
	return a, err
}

func (s *Service) getUserID(c echo.Context) error {
	app, err := s.mustApp(c, c.QueryParam("accountId"))
	if err != nil {
		return err
	}
	email, err := url.PathUnescape(c.Param("email")) // the router hands it on as it was sent
	if err != nil {
		return fault.Field("email", "This is not well escaped.")
	}
	u, known, err := s.findUser(app.AccountID, foldEmail(email))
	if err != nil {
		return err
	}
	if !known {
		s.lookedFor(c, app)
		return fault.New(fault.NotFound, "There is no user with this e-mail address in the account.")
	}
	return rest.JSON(c, map[string]string{"userId": u.ID, "id": u.ID})
}

// lookedFor counts an answer that tells whether somebody exists: an application in people's hands must not be a way to try
// many addresses.
func (s *Service) lookedFor(c echo.Context, app Application) {
	if app.Type == endUserApp {
		s.addresses.Count(c.RealIP())
	}
}

// getPasswordResetToken hands the token to a back end, which passes it on. At an end-user application's word, whose token
// everybody has, it is mailed: whoever asks must hold the mailbox.
func (s *Service) getPasswordResetToken(c echo.Context) error {
	app, err := s.mustApp(c, "")
	if err != nil {
		return err
	}
	u, err := s.User(app.AccountID, c.Param("userId"))
	if app.Type == backEndApp {
		if err != nil {
			return err
		}
		token, err := s.newReset(u, resetLife, false)
		if err != nil {
			return err
		}
		s.audit(Event{AccountID: u.AccountID, Action: "passwordReset.tokenMade", ObjectType: "user", ObjectID: u.ID, Remote: c.RealIP()})
		return rest.JSON(c, map[string]string{"passwordResetToken": token})
	}
	if err == nil {
		s.ForgotPassword(u.AccountID, u.EmailAddress)
	} else if fault.KindOf(err) != fault.NotFound {
		return err
	}
	return answerSuccess(c)
}

func (s *Service) postForgotPassword(c echo.Context) error {
	var r loginRequest
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("emailAddress", r.EmailAddress); err != nil {
		return err
	}
	if err := s.addresses.check(c.RealIP()); err != nil {
		return err
	}
	s.addresses.Count(c.RealIP())
	s.ForgotPassword(r.AccountID, r.EmailAddress)
	return answerSuccess(c)
}

func (s *Service) postChangePasswordWithToken(c echo.Context) error {
	var r struct {
		NewPassword        string `json:"newPassword"`
		PasswordResetToken string `json:"passwordResetToken"`
	}
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if err := required("newPassword", r.NewPassword, "passwordResetToken", r.PasswordResetToken); err != nil {
		return err
	}
	if err := s.resetPassword(c.Request().Context(), c.Param("userId"), r.PasswordResetToken, r.NewPassword, c.RealIP()); err != nil {
		return err
	}
	return answerSuccess(c)
}

func (s *Service) getUsers(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	users, err := s.Users(who.session.AccountID)
	if err != nil {
		return err
	}
	return page(c, "users", users, profile)
}

// putUser disables a user or allows it again.
func (s *Service) putUser(c echo.Context) error {
	who, err := s.admin(c, false)
	if err != nil {
		return err
	}
	var r struct {
		Disabled *bool `json:"disabled"`
	}
	if err := rest.Bind(c, &r); err != nil {
		return err
	}
	if r.Disabled == nil {
		return fault.Field("disabled", "This must be true or false.")
	}
	if err := s.DisableUser(who.session.AccountID, c.Param("userId"), *r.Disabled); err != nil {
		return err
	}
	action := "user.enabled"
	if *r.Disabled {
		action = "user.disabled"
	}
	s.record(c, who, action, "user", c.Param("userId"))
	u, err := s.User(who.session.AccountID, c.Param("userId"))
	if err != nil {
		return err
	}
	return rest.One(c, "user", profile(u))
}

func (s *Service) deleteUser(c echo.Context) error {
	who, err := s.admin(c, true)
	if err != nil {
		return err
	}
	u, err := s.User(who.session.AccountID, c.Param("userId"))
	if err != nil {
		return err
	}
	if err := s.DeleteUser(u.AccountID, u.ID); err != nil {
		return err
	}
	s.record(c, who, "user.deleted", "user", u.ID)
	return rest.One(c, "user", profile(u))
}
