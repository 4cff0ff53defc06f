package identity

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

// maxName bounds names of accounts and people, in characters.
const maxName = 200

// Account is a tenant: nothing of one can be reached from another.
type Account struct {
	ID      string    `json:"id"` // lower-case UUID, as all ids here
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
}

// Account returns the account with the id. Error: fault NotFound.
func (s *Service) Account(id string) (Account, error) {
	var account Account
	err := s.db.View(func(tx *storage.Tx) (err error) {
		var found bool
		if account, found, err = getAccount(tx, id); err == nil && !found {
			err = fault.New(fault.NotFound, "There is no account with this id.")
		}
		return err
	})
	return account, err
}

// Accounts returns all accounts, the newest first.
func (s *Service) Accounts() (accounts []Account, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key, value := range tx.Bucket(accountsBucket).Scan(nil, nil) {
			var a Account
			if err := decode(accountsBucket, string(key), value, &a); err != nil {
				return err
			}
			accounts = append(accounts, a)
		}
		return nil
	})
	sortNewest(accounts, func(a Account) (time.Time, string) { return a.Created, a.ID })
	return accounts, err
}

// EachAccount calls fn with every account until it returns an error.
func (s *Service) EachAccount(tx *storage.Tx, fn func(id, name string) error) error {
	for key, value := range tx.Bucket(accountsBucket).Scan(nil, nil) {
		var a Account
		if err := decode(accountsBucket, string(key), value, &a); err != nil {
			return err
		}
		if err := fn(a.ID, a.Name); err != nil {
			return err
		}
	}
	return nil
}

// RenameAccount gives an account another name inside a transaction of the directory's, where its admins change it.
// Errors: fault Invalid, NotFound.
func (s *Service) RenameAccount(tx *storage.Tx, accountID, name string) error {
	if err := validateName("name", name); err != nil {
		return err
	}
	a, found, err := getAccount(tx, accountID)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "There is no account with this id.")
	}
	if err != nil {
		return err
	}
	a.Name = name
	return putAccount(tx, a)
}

// CreateAccount makes an account, its first user, who is its admin, and their directory objects, in one transaction.
// name may be "": then the e-mail address's domain is the name. All of it is on disk when CreateAccount returns.
// Errors: fault Invalid, Unprocessable for a password against the rules, TooMany.
func (s *Service) CreateAccount(ctx context.Context, name, email, password string) (accountID, userID, accountUserID string, err error) {
	user, accountUserID, err := s.createAccount(ctx, name, email, password, false)
	return user.AccountID, user.ID, accountUserID, err
}

// createAccount with onlyFirst is refused with Conflict when any account exists.
func (s *Service) createAccount(ctx context.Context, name, email, password string, onlyFirst bool) (user User, accountUserID string, err error) {
	email = strings.TrimSpace(email)
	if err := validateEmail(email); err != nil {
		return User{}, "", err
	}
	if name = strings.TrimSpace(name); name == "" {
		_, name, _ = strings.Cut(email, "@")
	}
	if err := validateName("accountName", name); err != nil {
		return User{}, "", err
	}
	hash, err := s.hashNewPassword(ctx, password, email)
	if err != nil {
		return User{}, "", err
	}
	account := Account{ID: uuid.NewString(), Name: name, Created: s.now().UTC()}
	user = User{ID: uuid.NewString(), AccountID: account.ID, EmailAddress: email, Password: hash, Created: account.Created}
	err = s.db.Update(func(tx *storage.Tx) error {
		if onlyFirst && anyAccount(tx) {
			return alreadySetUp()
		}
		if err := putAccount(tx, account); err != nil {
			return err
		}
		if err := addUser(tx, user); err != nil {
			return err
		}
		id, err := s.dir.Bootstrap(tx, account.ID, account.Name, user.ID, user.EmailAddress)
		accountUserID = id
		return err
	})
	if err != nil {
		return User{}, "", err
	}
	s.log.Info("account created", "account_id", account.ID, "user_id", user.ID)
	return user, accountUserID, nil
}

func validateName(field, name string) error {
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return fault.Field(field, "This must have 1 to %d characters.", maxName)
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fault.Field(field, "This must not have control characters.")
	}
	return nil
}
