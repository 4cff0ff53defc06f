package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"xively/internal/fault"
	"xively/storage"
)

// One-time codes as authenticator apps make them: RFC 6238 with SHA-1, 30 seconds, six digits. A code of the step before
// and after counts, too, as clocks differ; each step counts once.
const (
	totpStep      = 30
	totpSecretLen = 20
	recoveryCodes = 10
)

// secondFactor is what a user must show besides the password.
type secondFactor struct {
	Sealed   []byte   `json:"sealed"`             // the shared secret
	Active   bool     `json:"active,omitempty"`   // false until the first code was right
	LastStep int64    `json:"lastStep,omitempty"` // of the last code taken
	Recovery [][]byte `json:"recovery,omitempty"` // SHA-256 of the recovery codes not used yet
}

var base32Plain = base32.StdEncoding.WithPadding(base32.NoPadding)

// totp returns the code of a step.
func totp(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	binary.Write(mac, binary.BigEndian, step) // never fails
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

func totpPlace(userID string) string { return usersBucket + "/" + userID + "/secondFactor" }

// wantCode is the answer to a right password without the code that is needed, and to a wrong code.
func wantCode(code string) error {
	message := "This user needs a one-time code, too: send it as oneTimeCode."
	if code != "" {
		message = "The one-time code is wrong or was used already."
	}
	return &fault.Error{Kind: fault.Unauthenticated, Field: "oneTimeCode", Message: message}
}

// take spends a one-time or a recovery code. The caller stores the change.
func (f *secondFactor) take(seal *sealer, userID, code string, now time.Time) (bool, error) {
	code = strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
	for i, hash := range f.Recovery {
		if matches(hash, code) {
			f.Recovery = append(f.Recovery[:i:i], f.Recovery[i+1:]...)
			return true, nil
		}
	}
	secret, err := seal.open(totpPlace(userID), f.Sealed)
	if err != nil {
		return false, fmt.Errorf("second factor of user %s: %w", userID, err)
	}
	current := now.Unix() / totpStep
	for step := current - 1; step <= current+1; step++ {
		if step > f.LastStep && subtle.ConstantTimeCompare([]byte(totp(secret, step)), []byte(code)) == 1 {
			f.LastStep = step
			return true, nil
		}
	}
	return false, nil
}

// spendCode finishes what checkPassword began: it takes the code of a user who needs one, and stores a password hash made
// with newer parameters. It returns the user as stored.
func (s *Service) spendCode(checked User, code, freshHash string) (User, error) {
	needed := checked.SecondFactor != nil && checked.SecondFactor.Active
	if needed && code == "" {
		return checked, wantCode("")
	}
	if !needed && freshHash == "" {
		return checked, nil
	}
	return s.changeUser(checked.AccountID, checked.ID, func(_ *storage.Tx, u *User) error {
		if u.Password != checked.Password || u.Disabled {
			return wrongSignIn()
		}
		if u.SecondFactor != nil && u.SecondFactor.Active {
			ok, err := u.SecondFactor.take(s.keys.seal, u.ID, code, s.now())
			if err != nil {
				return err
			}
			if !ok {
				return wantCode("wrong")
			}
		}
		if freshHash != "" {
			u.Password = freshHash
		}
		return nil
	})
}

// beginSecondFactor makes a secret for the user's authenticator app. It counts from finishSecondFactor on.
// Error: fault Conflict when there is a second factor already.
func (s *Service) beginSecondFactor(accountID, userID string) (secret, uri string, err error) {
	random := make([]byte, totpSecretLen)
	rand.Read(random) // never fails
	account, err := s.Account(accountID)
	if err != nil {
		return "", "", err
	}
	u, err := s.changeUser(accountID, userID, func(_ *storage.Tx, u *User) error {
		if u.SecondFactor != nil && u.SecondFactor.Active {
			return fault.New(fault.Conflict, "There is a second factor already. Remove it first.")
		}
		u.SecondFactor = &secondFactor{Sealed: s.keys.seal.seal(totpPlace(userID), random)}
		return nil
	})
	if err != nil {
		return "", "", err
	}
	secret = base32Plain.EncodeToString(random)
	label := url.PathEscape("Xively " + account.Name + ":" + u.EmailAddress)
	query := url.Values{"secret": {secret}, "issuer": {"Xively " + account.Name}, "period": {"30"}, "digits": {"6"}, "algorithm": {"SHA1"}}
	return secret, "otpauth://totp/" + label + "?" + strings.ReplaceAll(query.Encode(), "+", "%20"), nil
}

// finishSecondFactor takes the first code, from when on codes are needed, and returns the recovery codes.
func (s *Service) finishSecondFactor(accountID, userID, code string) (recovery []string, err error) {
	u, err := s.changeUser(accountID, userID, func(_ *storage.Tx, u *User) error {
		f := u.SecondFactor
		if f == nil || f.Active {
			return fault.New(fault.Conflict, "Begin with POST /second-factor.")
		}
		ok, err := f.take(s.keys.seal, userID, code, s.now())
		if err != nil {
			return err
		}
		if !ok {
			return fault.Field("oneTimeCode", "This is not the code the authenticator shows now. Check that its clock is right.")
		}
		f.Active = true
		recovery = f.newRecovery()
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.notify(u, "secondFactor.enabled", "A second factor is needed from now on to sign in as you.")
	return recovery, nil
}

// newRecovery replaces the recovery codes: sixteen letters and digits, 80 random bits each.
func (f *secondFactor) newRecovery() (codes []string) {
	f.Recovery = nil
	for range recoveryCodes {
		var random [10]byte
		rand.Read(random[:]) // never fails
		code := strings.ToLower(base32Plain.EncodeToString(random[:]))
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
		f.Recovery = append(f.Recovery, credentialHash(code))
	}
	return codes
}

// renewRecovery replaces the recovery codes. Error: fault Conflict without a second factor.
func (s *Service) renewRecovery(accountID, userID string) (recovery []string, err error) {
	u, err := s.changeUser(accountID, userID, func(_ *storage.Tx, u *User) error {
		if u.SecondFactor == nil || !u.SecondFactor.Active {
			return fault.New(fault.Conflict, "There is no second factor.")
		}
		recovery = u.SecondFactor.newRecovery()
		return nil
	})
	if err == nil {
		s.notify(u, "secondFactor.recoveryCodes", "Your recovery codes were replaced; the old ones are of no use any more.")
	}
	return recovery, err
}

func (s *Service) removeSecondFactor(accountID, userID string) error {
	u, err := s.changeUser(accountID, userID, func(_ *storage.Tx, u *User) error {
		u.SecondFactor = nil
		return nil
	})
	if err == nil {
		s.notify(u, "secondFactor.removed", "No second factor is needed any more to sign in as you.")
	}
	return err
}

// confirm takes the proof that the user of a session is still the user, good for confirmedFor.
func (s *Service) confirm(ctx context.Context, session Session, password, code, remote string) error {
	u, err := s.User(session.AccountID, session.UserID)
	if err != nil {
		return err
	}
	if _, err := s.checkPassword(ctx, lockKey(u.AccountID, foldEmail(u.EmailAddress)), remote, u, true, password, code); err != nil {
		return err
	}
	return s.db.Update(func(tx *storage.Tx) error {
		return s.changeSession(tx, session.UserID, session.ID, func(session *Session) error {
			session.Confirmed = s.now().UTC()
			return nil
		})
	})
}
