package identity

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"xively/internal/fault"
	"xively/storage"
)

// User is somebody who can sign in to one account: an admin or an end user, the directory knows which.
type User struct {
	ID           string    `json:"id"` // the API's userId
	AccountID    string    `json:"accountId"`
	EmailAddress string    `json:"emailAddress"` // as it was given; unique in the account by foldEmail
	FirstName    string    `json:"firstName,omitempty"`
	LastName     string    `json:"lastName,omitempty"`
	Password     string    `json:"password"` // argon2id in PHC form; never leaves the package
	Disabled     bool      `json:"disabled,omitempty"`
	Created      time.Time `json:"created"`
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
		return &fault.Error{Kind: fault.Conflict, Field: "emailAddress", Message: "This account has a user with this e-mail address already."}
	}
	return putUser(tx, u)
}

// DisableUser forbids a user to sign in, or allows it again. Disabling ends all the user's sessions.
// Error: fault NotFound.
func (s *Service) DisableUser(accountID, userID string, disabled bool) error {
	return s.db.Update(func(tx *storage.Tx) error {
		u, found, err := getUser(tx, accountID, userID)
		if err != nil {
			return err
		}
		if !found {
			return fault.New(fault.NotFound, "There is no user with this id in the account.")
		}
		u.Disabled = disabled
		if disabled {
			if err := s.endSessions(tx, userID, func(Session) bool { return true }); err != nil {
				return err
			}
		}
		return putUser(tx, u)
	})
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
