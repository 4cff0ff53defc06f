package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

const (
	resetLife   = 30 * time.Minute
	welcomeLife = 7 * 24 * time.Hour
)

// reset is a right to choose a new password, once, until Expires and as long as the user's password and address are the
// ones it was made for. Its token proves who holds the user's mailbox.
type reset struct {
	ID        string    `json:"id"`
	AccountID string    `json:"accountId"`
	UserID    string    `json:"userId"`
	Hash      []byte    `json:"hash"`
	State     []byte    `json:"state"` // of the user when it was made
	Mailed    bool      `json:"mailed"`
	Expires   time.Time `json:"expires"`
}

func passwordState(u User) []byte {
	sum := sha256.Sum256([]byte(u.Password + "\x00" + u.EmailAddress))
	return sum[:]
}

func (s *Service) newReset(u User, life time.Duration, mailed bool) (token string, err error) {
	id := uuid.NewString()
	token, hash := newCredential(resetPrefix, id, u.ID)
	r := reset{ID: id, AccountID: u.AccountID, UserID: u.ID, Hash: hash, State: passwordState(u), Mailed: mailed, Expires: s.now().UTC().Add(life)}
	return token, s.db.Update(func(tx *storage.Tx) error { return put(tx, resetsBucket, id, r) })
}

// resetLink begins with the configured address, whatever the request's headers say. The token is in the fragment, which
// browsers send nowhere.
func (s *Service) resetLink(userID, token string) string {
	return s.cfg.PublicURL + "/reset-password#" + url.Values{"userId": {userID}, "token": {token}}.Encode()
}

// mailKind is one of the texts that bring a link to choose a password.
type mailKind struct {
	subject, text string // text with the account's name and the link
	life          time.Duration
}

var (
	resetMail = mailKind{"Choose a new password",
		"Somebody, probably you, asked for a new password for your sign-in at %s. Choose it here within 30 minutes:\n\n%s\n\nIf it was not you, do nothing: your password stays as it is.\n", resetLife}
	welcomeMail = mailKind{"Choose your password",
		"You were made a user of %s. Choose your password here within 7 days:\n\n%s\n", welcomeLife}
)

// mailReset makes a token and mails it, after the answer to the request and not more often than mails allows.
func (s *Service) mailReset(u User, accountName string, kind mailKind) {
	if !s.mails.Take(u.AccountID + " " + foldEmail(u.EmailAddress)) {
		return
	}
	s.outbox.add(func(ctx context.Context) error {
		token, err := s.newReset(u, kind.life, true)
		if err != nil {
			return err
		}
		s.audit(Event{AccountID: u.AccountID, Action: "passwordReset.mailed", ObjectType: "user", ObjectID: u.ID})
		return s.mailer.Send(ctx, u.EmailAddress, kind.subject, fmt.Sprintf(kind.text, accountName, s.resetLink(u.ID, token)))
	})
}

// ForgotPassword mails a link to choose a new password to the user with the address, if there is one. Whether there is
// cannot be told from the answer or its time.
func (s *Service) ForgotPassword(accountID, email string) {
	s.outbox.add(func(context.Context) error {
		u, known, err := s.findUser(accountID, foldEmail(email))
		if err != nil || !known || u.Disabled {
			return err
		}
		account, err := s.Account(u.AccountID)
		if err != nil {
			return err
		}
		s.mailReset(u, account.Name, resetMail)
		return nil
	})
}

func badReset() error {
	return fault.Field("passwordResetToken", "This link is not valid any more. Ask for a new one.")
}

// resetPassword spends a token for a new password. It ends all the user's sessions and lifts the lock after wrong
// passwords. A second factor stays. Errors: fault Invalid, the same for every token that is not good; those of a new
// password; TooMany.
func (s *Service) resetPassword(ctx context.Context, userID, token, password, remote string) error {
	if err := s.addresses.check(remote); err != nil {
		return err
	}
	r, u, err := s.checkReset(userID, token)
	if err != nil {
		s.addresses.Count(remote)
		return err
	}
	hash, err := s.hashNewPassword(ctx, password, u.EmailAddress)
	if err != nil {
		return err
	}
	u, err = s.changeUser(r.AccountID, r.UserID, func(tx *storage.Tx, u *User) error {
		if !bytes.Equal(passwordState(*u), r.State) { // of two at once one wins
			return badReset()
		}
		tx.Bucket(resetsBucket).Delete([]byte(r.ID))
		u.Password = hash
		u.EmailVerified = u.EmailVerified || r.Mailed
		return s.endSessions(tx, u.ID, func(Session) bool { return true })
	})
	if err != nil {
		return err
	}
	s.lockout.clear(lockKey(u.AccountID, foldEmail(u.EmailAddress)))
	s.notify(u, "password.reset", "Your password was changed by a link sent to you. You are signed out everywhere.")
	return nil
}

func (s *Service) checkReset(userID, token string) (r reset, u User, err error) {
	id, owner, ok := readCredential(resetPrefix, token)
	if !ok || owner != userID {
		return r, u, badReset()
	}
	err = s.db.View(func(tx *storage.Tx) error {
		found, err := get(tx, resetsBucket, id, &r)
		if err != nil {
			return err
		}
		if !found || r.UserID != userID || !matches(r.Hash, token) || !s.now().Before(r.Expires) {
			return badReset()
		}
		if u, found, err = getUser(tx, r.AccountID, r.UserID); err != nil {
			return err
		}
		if !found || u.Disabled || !bytes.Equal(passwordState(u), r.State) {
			return badReset()
		}
		return nil
	})
	return r, u, err
}

// changePassword needs the old password, which is counted as a sign-in is. The user's other sessions end.
// Errors: fault Unauthenticated for a wrong old password; those of a new password; TooMany.
func (s *Service) changePassword(ctx context.Context, session Session, oldPassword, newPassword, remote string) error {
	u, err := s.User(session.AccountID, session.UserID)
	if err != nil {
		return err
	}
	key := lockKey(u.AccountID, foldEmail(u.EmailAddress))
	if u, err = s.checkPasswordOnly(ctx, key, remote, u, oldPassword); err != nil {
		return err
	}
	hash, err := s.hashNewPassword(ctx, newPassword, u.EmailAddress)
	if err != nil {
		return err
	}
	checked := u.Password
	u, err = s.changeUser(u.AccountID, u.ID, func(tx *storage.Tx, u *User) error {
		if u.Password != checked {
			return wrongSignIn()
		}
		u.Password = hash
		return s.endSessions(tx, u.ID, func(other Session) bool { return other.ID != session.ID })
	})
	if err != nil {
		return err
	}
	s.notify(u, "password.changed", "Your password was changed. All your other sign-ins were ended.")
	return nil
}

// checkPasswordOnly is checkPassword for somebody who is signed in already: the second factor was shown then.
func (s *Service) checkPasswordOnly(ctx context.Context, key lockoutKey, remote string, u User, password string) (User, error) {
	without := u
	without.SecondFactor = nil
	checked, err := s.checkPassword(ctx, key, remote, without, true, password, "")
	if err != nil {
		return u, err
	}
	u.Password = checked.Password
	return u, nil
}

// ResetUser gives a user a new password at the operator's word and takes the second factor away; the user's sessions end.
// Errors: fault NotFound, Unprocessable for a password against the rules.
func (s *Service) ResetUser(ctx context.Context, accountID, email, password string) error {
	u, err := s.operatorsUser(accountID, email)
	if err != nil {
		return err
	}
	hash, err := s.hashNewPassword(ctx, password, u.EmailAddress)
	if err != nil {
		return err
	}
	_, err = s.changeUser(u.AccountID, u.ID, func(tx *storage.Tx, u *User) error {
		u.Password, u.SecondFactor, u.Disabled = hash, nil, false
		return s.endSessions(tx, u.ID, func(Session) bool { return true })
	})
	if err == nil {
		s.lockout.clear(lockKey(u.AccountID, foldEmail(u.EmailAddress)))
		s.audit(Event{AccountID: u.AccountID, Action: "password.resetByOperator", ObjectType: "user", ObjectID: u.ID})
	}
	return err
}

// ResetLink returns a link by which the user can choose a new password, for the operator to hand over. Error: fault NotFound.
func (s *Service) ResetLink(accountID, email string) (link string, err error) {
	u, err := s.operatorsUser(accountID, email)
	if err != nil {
		return "", err
	}
	token, err := s.newReset(u, resetLife, false)
	if err != nil {
		return "", err
	}
	s.audit(Event{AccountID: u.AccountID, Action: "passwordReset.linkMade", ObjectType: "user", ObjectID: u.ID})
	return s.resetLink(u.ID, token), nil
}

func (s *Service) operatorsUser(accountID, email string) (User, error) {
	u, known, err := s.findUser(accountID, foldEmail(email))
	if err == nil && !known {
		err = fault.New(fault.NotFound, "There is no user with this e-mail address, or it is in several accounts: then name the account.")
	}
	return u, err
}
