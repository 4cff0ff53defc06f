package identity

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

// User is somebody who can sign in to one account: an admin or an end user, the directory knows which.
type User struct {
	ID            string        `json:"id"` // the API's userId
	AccountID     string        `json:"accountId"`
	EmailAddress  string        `json:"emailAddress"`            // as it was given; unique in the account by foldEmail
	EmailVerified bool          `json:"emailVerified,omitempty"` // what was sent to the address came back, or a provider says so
	FirstName     string        `json:"firstName,omitempty"`
	LastName      string        `json:"lastName,omitempty"`
	PhoneNumber   string        `json:"phoneNumber,omitempty"`
	JobRole       string        `json:"jobRole,omitempty"`
	Password      string        `json:"password,omitempty"` // argon2id in PHC form; never leaves the package; "" for none yet
	Disabled      bool          `json:"disabled,omitempty"`
	Created       time.Time     `json:"created"`
	SecondFactor  *secondFactor `json:"secondFactor,omitempty"`
	Links         []Link        `json:"links,omitempty"` // sign-ins at OpenID providers
}

// Name is what people call the user: the names, or the e-mail address.
func (u User) Name() string {
	if name := strings.TrimSpace(u.FirstName + " " + u.LastName); name != "" {
		return name
	}
	return u.EmailAddress
}

func noUser() error {
	return fault.New(fault.NotFound, "There is no user with this id in the account.")
}

// User returns a user of the account. Error: fault NotFound.
func (s *Service) User(accountID, userID string) (u User, err error) {
	err = s.db.View(func(tx *storage.Tx) (err error) {
		u, err = mustGetUser(tx, accountID, userID)
		return err
	})
	return u, err
}

// Users returns the account's users, the newest first.
func (s *Service) Users(accountID string) (users []User, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key, value := range tx.Bucket(usersBucket).Prefix([]byte(userKey(accountID, ""))) {
			var u User
			if err := decode(usersBucket, string(key), value, &u); err != nil {
				return err
			}
			users = append(users, u)
		}
		return nil
	})
	sortNewest(users, func(u User) (time.Time, string) { return u.Created, u.ID })
	return users, err
}

// changeUser stores a change of a user. Error: fault NotFound; what change returns.
func (s *Service) changeUser(accountID, userID string, change func(tx *storage.Tx, u *User) error) (u User, err error) {
	err = s.db.Update(func(tx *storage.Tx) (err error) {
		if u, err = mustGetUser(tx, accountID, userID); err != nil {
			return err
		}
		before := foldEmail(u.EmailAddress)
		if err = change(tx, &u); err != nil {
			return err
		}
		if after := foldEmail(u.EmailAddress); after != before {
			if _, taken := userIDByEmail(tx, accountID, after); taken {
				return emailTaken()
			}
			tx.Bucket(emailsBucket).Delete(emailKey(accountID, before))
		}
		return putUser(tx, u)
	})
	return u, err
}

func mustGetUser(tx *storage.Tx, accountID, userID string) (User, error) {
	u, found, err := getUser(tx, accountID, userID)
	if err == nil && !found {
		err = noUser()
	}
	return u, err
}

func emailTaken() error {
	return &fault.Error{Kind: fault.Conflict, Field: "emailAddress", Message: "This account has a user with this e-mail address already."}
}

// findUser looks for the user with a folded e-mail address. Without accountID the address must exist in exactly one
// account; that one address in two accounts is not told apart from one in none is on purpose.
func (s *Service) findUser(accountID, email string) (user User, known bool, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		if accountID == "" {
			owners := emailOwners(tx, email, 2)
			if len(owners) != 1 {
				return nil
			}
			accountID = owners[0]
		}
		id, found := userIDByEmail(tx, accountID, email)
		if !found {
			return nil
		}
		user, known, err = getUser(tx, accountID, id)
		return err
	})
	return user, known, err
}

// addUser stores a new user. Error: fault Conflict when the account has the e-mail address already.
func addUser(tx *storage.Tx, u User) error {
	if _, taken := userIDByEmail(tx, u.AccountID, foldEmail(u.EmailAddress)); taken {
		return emailTaken()
	}
	return putUser(tx, u)
}

// CreateUser makes a user inside a transaction of the directory's, which gives it its place in the account. profile may
// hold firstName, lastName, phoneNumber and jobRole. The user has no password; once the transaction is on disk, a link to
// choose one is mailed. Errors: fault Invalid, Conflict when the address is taken, NotFound.
func (s *Service) CreateUser(tx *storage.Tx, accountID, emailAddress string, profile map[string]string) (userID string, err error) {
	u := User{ID: uuid.NewString(), AccountID: accountID, EmailAddress: strings.TrimSpace(emailAddress), Created: s.now().UTC(),
		FirstName: profile["firstName"], LastName: profile["lastName"], PhoneNumber: profile["phoneNumber"], JobRole: profile["jobRole"]}
	if err := u.validate(); err != nil {
		return "", err
	}
	account, found, err := getAccount(tx, accountID)
	if err != nil {
		return "", err
	}
	if !found {
		return "", fault.New(fault.NotFound, "There is no account with this id.")
	}
	if err := addUser(tx, u); err != nil {
		return "", err
	}
	tx.OnCommit(func() { s.mailReset(u, account.Name, welcomeMail) })
	return u.ID, nil
}

// UserRecord returns what of a user can be taken to another installation; ok is false when there is no such user.
func (s *Service) UserRecord(tx *storage.Tx, accountID, userID string) (emailAddress string, profile map[string]string, ok bool, err error) {
	u, ok, err := getUser(tx, accountID, userID)
	if err != nil || !ok {
		return "", nil, false, err
	}
	profile = map[string]string{}
	for name, v := range map[string]string{"firstName": u.FirstName, "lastName": u.LastName, "phoneNumber": u.PhoneNumber, "jobRole": u.JobRole} {
		if v != "" {
			profile[name] = v
		}
	}
	return u.EmailAddress, profile, true, nil
}

// RestoreUser makes a user of another installation inside a transaction of the directory's import: under the same id, so
// that all that names it stays true, without a password and without a mail, as thousands may come at once. Who has the id
// or the address in the account already stays; their id is returned. Errors: fault Invalid, NotFound, and Conflict when
// the id is somebody's of another account here: sessions and keys are found by it.
func (s *Service) RestoreUser(tx *storage.Tx, accountID, userID, emailAddress string, profile map[string]string) (id string, err error) {
	u := User{ID: userID, AccountID: accountID, EmailAddress: strings.TrimSpace(emailAddress), Created: s.now().UTC(),
		FirstName: profile["firstName"], LastName: profile["lastName"], PhoneNumber: profile["phoneNumber"], JobRole: profile["jobRole"]}
	if _, err := uuid.Parse(userID); err != nil {
		return "", fault.Field("id", "This must be the id of a user: a lower-case UUID.")
	}
	if err := u.validate(); err != nil {
		return "", err
	}
	if _, found, err := getUser(tx, accountID, userID); err != nil || found {
		return userID, err
	}
	if id, taken := userIDByEmail(tx, accountID, foldEmail(u.EmailAddress)); taken {
		return id, nil
	}
	found := false
	err = s.EachAccount(tx, func(account, _ string) error {
		found = found || account == accountID
		_, theirs, err := getUser(tx, account, userID)
		if err == nil && theirs {
			err = fault.New(fault.Conflict, "The id belongs to a user of another account of this server.")
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if !found {
		return "", fault.New(fault.NotFound, "There is no account with this id.")
	}
	return u.ID, putUser(tx, u)
}

func (u User) validate() error {
	if err := validateEmail(u.EmailAddress); err != nil {
		return err
	}
	for _, f := range []struct{ field, value string }{
		{"firstName", u.FirstName}, {"lastName", u.LastName}, {"phoneNumber", u.PhoneNumber}, {"jobRole", u.JobRole},
	} {
		if f.value != "" {
			if err := validateName(f.field, f.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// Active says whether the user exists and is not disabled: nil, or fault Unauthenticated. For callers that let a user in
// by other proof than this package's.
func (s *Service) Active(accountID, userID string) error {
	u, err := s.User(accountID, userID)
	if err == nil && !u.Disabled {
		return nil
	}
	if err == nil || fault.KindOf(err) == fault.NotFound {
		return signInAgain("This user may not sign in.")
	}
	return err
}

// DisableUser forbids a user to sign in, or allows it again. Disabling ends all the user's sessions and holds back the
// API keys. Errors: fault NotFound; Conflict for the last admin.
func (s *Service) DisableUser(accountID, userID string, disabled bool) error {
	_, err := s.changeUser(accountID, userID, func(tx *storage.Tx, u *User) error {
		u.Disabled = disabled
		if !disabled {
			return nil
		}
		return s.shutOut(tx, *u)
	})
	return err
}

// DeleteUser deletes a user with all its sessions, keys and links. What the directory holds of it stays, without anybody
// behind it. Errors: fault NotFound; Conflict for the last admin.
func (s *Service) DeleteUser(accountID, userID string) error {
	return s.db.Update(func(tx *storage.Tx) error {
		u, err := mustGetUser(tx, accountID, userID)
		if err != nil {
			return err
		}
		if err := s.shutOut(tx, u); err != nil {
			return err
		}
		if err := deleteAPIKeys(tx, userID); err != nil {
			return err
		}
		for _, link := range u.Links {
			tx.Bucket(linksBucket).Delete([]byte(linkKey(accountID, link)))
		}
		tx.Bucket(emailsBucket).Delete(emailKey(accountID, foldEmail(u.EmailAddress)))
		tx.Bucket(usersBucket).Delete([]byte(userKey(accountID, userID)))
		return nil
	})
}

// shutOut ends all that a user is signed in with, unless nobody were left to administer the account.
func (s *Service) shutOut(tx *storage.Tx, u User) error {
	if err := s.notLastAdmin(tx, u); err != nil {
		return err
	}
	if err := s.endSessions(tx, u.ID, func(Session) bool { return true }); err != nil {
		return err
	}
	tx.OnCommit(func() {
		s.apiKeys.dropIf(func(k keyHolder) bool { return k.UserID == u.ID })
		go s.ended(u.AccountID, u.ID, "")
	})
	return nil
}

func (s *Service) notLastAdmin(tx *storage.Tx, u User) error {
	members, ok := s.dir.(Members)
	if !ok {
		return nil
	}
	admins, err := members.AdminUserIDs(tx, u.AccountID)
	if err != nil || !slices.Contains(admins, u.ID) {
		return err
	}
	for _, id := range admins {
		if id == u.ID {
			continue
		}
		if other, found, err := getUser(tx, u.AccountID, id); err != nil || found && !other.Disabled {
			return err
		}
	}
	return fault.New(fault.Conflict, "This is the account's last admin; without one nobody could administer it. Make another one first.")
}

// isAdmin reports whether the user administers the account.
func (s *Service) isAdmin(accountID, userID string) (is bool, err error) {
	members, err := s.members()
	if err != nil {
		return false, err
	}
	err = s.db.View(func(tx *storage.Tx) error {
		admins, err := members.AdminUserIDs(tx, accountID)
		is = slices.Contains(admins, userID)
		return err
	})
	return is, err
}

// foldEmail gives the form under which an address is unique: mail providers ignore case, and so do people.
func foldEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// validateEmail accepts what a mail server could deliver to, without the forms no one has: quotes, comments, spaces.
func validateEmail(email string) error {
	at := strings.LastIndexByte(email, '@')
	local, domain := email[:max(at, 0)], email[at+1:]
	bad := func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune("\"(),:;<>@[\\]", r)
	}
	switch {
	case at < 0, local == "", domain == "", !utf8.ValidString(email),
		strings.ContainsFunc(local, bad), strings.ContainsFunc(domain, bad):
		return fault.Field("emailAddress", "This must be an e-mail address such as ann@example.com.")
	case len(local) > 64, len(email) > 254:
		return fault.Field("emailAddress", "This is too long: at most 64 bytes before the @ and 254 in all.")
	}
	return nil
}
