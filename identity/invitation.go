package identity

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

const (
	invitationLife = 7 * 24 * time.Hour
	maxInvitations = 200 // open at once in one account
)

// Invitation allows who holds its link to become an admin of the account, once.
type Invitation struct {
	ID           string    `json:"id"`
	AccountID    string    `json:"accountId"`
	EmailAddress string    `json:"emailAddress"`
	Hash         []byte    `json:"hash"`
	Created      time.Time `json:"created"`
	CreatedByID  string    `json:"createdById"`
	Expires      time.Time `json:"expires"`
}

// jobRoles are what an invited person may say to do; it changes nothing.
var jobRoles = []string{"Engineering/R&D", "Innovation", "Business", "Other"}

func (s *Service) members() (Members, error) {
	m, ok := s.dir.(Members)
	if !ok {
		return nil, fault.New(fault.Unavailable, "This installation cannot give people a place in the account from here.")
	}
	return m, nil
}

// invite stores an invitation and mails its link, which it also returns, to be shown this once.
func (s *Service) invite(accountID, createdBy, email string) (i Invitation, link string, err error) {
	if _, err := s.members(); err != nil {
		return i, "", err
	}
	now := s.now().UTC()
	i = Invitation{ID: uuid.NewString(), AccountID: accountID, EmailAddress: strings.TrimSpace(email), Created: now, CreatedByID: createdBy, Expires: now.Add(invitationLife)}
	if err := validateEmail(i.EmailAddress); err != nil {
		return i, "", err
	}
	account, err := s.Account(accountID)
	if err != nil {
		return i, "", err
	}
	token, hash := newCredential(invitePrefix, i.ID, accountID)
	i.Hash = hash
	err = s.db.Update(func(tx *storage.Tx) error {
		if _, taken := userIDByEmail(tx, accountID, foldEmail(i.EmailAddress)); taken {
			return emailTaken()
		}
		n := 0
		for range tx.Bucket(invitationsBucket).Prefix([]byte(accountID + "/")) {
			n++
		}
		if n >= maxInvitations {
			return fault.New(fault.Conflict, "There are %d open invitations, which is as many as there can be. Delete one first.", n)
		}
		return put(tx, invitationsBucket, accountID+"/"+i.ID, i)
	})
	if err != nil {
		return i, "", err
	}
	link = s.cfg.PublicURL + "/invitation#" + url.Values{"token": {token}}.Encode()
	if _, off := s.mailer.(noMailer); !off {
		s.outbox.add(func(ctx context.Context) error {
			return s.mailer.Send(ctx, i.EmailAddress, "You are invited to administer "+account.Name,
				fmt.Sprintf("Follow this link within 7 days to become an admin of %s:\n\n%s\n", account.Name, link))
		})
	}
	return i, link, nil
}

// Invitations returns the account's open invitations, the newest first.
func (s *Service) Invitations(accountID string) (open []Invitation, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key, value := range tx.Bucket(invitationsBucket).Prefix([]byte(accountID + "/")) {
			var i Invitation
			if err := decode(invitationsBucket, string(key), value, &i); err != nil {
				return err
			}
			if s.now().Before(i.Expires) {
				open = append(open, i)
			}
		}
		return nil
	})
	sortNewest(open, func(i Invitation) (time.Time, string) { return i.Created, i.ID })
	return open, err
}

func (s *Service) deleteInvitation(accountID, id string) (i Invitation, err error) {
	err = s.db.Update(func(tx *storage.Tx) error {
		found, err := get(tx, invitationsBucket, accountID+"/"+id, &i)
		if err == nil && !found {
			err = fault.New(fault.NotFound, "There is no open invitation with this id.")
		}
		tx.Bucket(invitationsBucket).Delete([]byte(accountID + "/" + id))
		return err
	})
	return i, err
}

func badInvitation() error {
	return fault.Field("token", "This invitation is not valid any more. Ask for a new one.")
}

func (s *Service) openInvitation(tx *storage.Tx, token string) (i Invitation, err error) {
	id, accountID, ok := readCredential(invitePrefix, token)
	if !ok {
		return i, badInvitation()
	}
	found, err := get(tx, invitationsBucket, accountID+"/"+id, &i)
	if err == nil && (!found || !matches(i.Hash, token) || !s.now().Before(i.Expires)) {
		err = badInvitation()
	}
	return i, err
}

// invitation returns what an invitation's holder may see of it. Errors: fault Invalid, TooMany.
func (s *Service) invitation(token, remote string) (i Invitation, err error) {
	if err := s.addresses.check(remote); err != nil {
		return i, err
	}
	err = s.db.View(func(tx *storage.Tx) (err error) {
		i, err = s.openInvitation(tx, token)
		return err
	})
	if err != nil {
		s.addresses.Count(remote)
	}
	return i, err
}

// acceptInvitation makes the invited person a user and an admin, and signs in. Of several calls at once one succeeds.
func (s *Service) acceptInvitation(ctx context.Context, token string, who User, password string, from origin) (jwt string, err error) {
	members, err := s.members()
	if err != nil {
		return "", err
	}
	i, err := s.invitation(token, from.remote)
	if err != nil {
		return "", err
	}
	u := User{ID: uuid.NewString(), AccountID: i.AccountID, EmailAddress: i.EmailAddress, FirstName: who.FirstName, LastName: who.LastName,
		JobRole: who.JobRole, Created: s.now().UTC()}
	if err := u.validate(); err != nil {
		return "", err
	}
	if u.JobRole != "" && !slices.Contains(jobRoles, u.JobRole) {
		return "", fault.Field("jobRole", "This must be one of: %s.", strings.Join(jobRoles, ", "))
	}
	if u.Password, err = s.hashNewPassword(ctx, password, u.EmailAddress); err != nil {
		return "", err
	}
	err = s.db.Update(func(tx *storage.Tx) error {
		if _, err := s.openInvitation(tx, token); err != nil {
			return err
		}
		tx.Bucket(invitationsBucket).Delete([]byte(i.AccountID + "/" + i.ID))
		if err := addUser(tx, u); err != nil {
			return err
		}
		_, err := members.AddAccountUser(tx, u.AccountID, u.ID, u.Name())
		return err
	})
	if err != nil {
		return "", err
	}
	s.audit(Event{AccountID: u.AccountID, UserID: u.ID, Action: "invitation.accepted", ObjectType: "invitation", ObjectID: i.ID, Remote: from.remote})
	return s.startSession(ctx, u, from)
}
