package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"

	"xively/internal/fault"
	"xively/storage"
)

// prepareSetup makes the one-time token when there is no account. It is new at each start and never stored.
func (s *Service) prepareSetup() error {
	needed, err := s.setupNeeded()
	if err != nil || !needed {
		return err
	}
	var token [32]byte
	rand.Read(token[:]) // never fails
	s.setupToken = base64.RawURLEncoding.EncodeToString(token[:])
	return nil
}

// SetupToken returns the token that allows POST /setup to make the first account, for the operator's eyes; ok is false
// when there is an account.
func (s *Service) SetupToken() (token string, ok bool) {
	if s.setupToken == "" {
		return "", false
	}
	if needed, err := s.setupNeeded(); err != nil || !needed {
		return "", false
	}
	return s.setupToken, true
}

func (s *Service) setupNeeded() (needed bool, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		needed = !anyAccount(tx)
		return nil
	})
	return needed, err
}

// setUp makes the first account and signs its admin in. Of calls at the same time exactly one succeeds: the store decides.
// Errors: fault Unauthenticated for a wrong token, Conflict when there is an account, and those of CreateAccount.
func (s *Service) setUp(ctx context.Context, token, accountName, email, password string, from origin) (jwt string, err error) {
	if s.setupToken == "" {
		return "", alreadySetUp()
	}
	if err := s.addresses.check(from.remote); err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.setupToken)) != 1 {
		s.addresses.Count(from.remote)
		return "", fault.New(fault.Unauthenticated, "This set-up link is not valid. Use the one printed at the last start.")
	}
	needed, err := s.setupNeeded()
	if err != nil {
		return "", err
	}
	if !needed { // said before the password is hashed; createAccount has the last word
		return "", alreadySetUp()
	}
	user, _, err := s.createAccount(ctx, accountName, email, password, true)
	if err != nil {
		return "", err
	}
	return s.startSession(ctx, user, from)
}

func alreadySetUp() error {
	return fault.New(fault.Conflict, "This installation is set up already. Sign in.")
}
