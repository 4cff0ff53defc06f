package identity

import (
	"context"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

// signUp makes a user at an application's or an admin's word. Without a password a link to choose one is mailed. An
// application with a group makes the user an end user of it at once; otherwise the directory's API does that.
// Errors: fault Invalid, Conflict, TooMany, Unprocessable for a password against the rules.
func (s *Service) signUp(ctx context.Context, app Application, u User, password string) (_ User, endUserID string, err error) {
	u.ID, u.Created = uuid.NewString(), s.now().UTC()
	if err := u.validate(); err != nil {
		return u, "", err
	}
	var members Members
	if app.OrganizationID != "" {
		if members, err = s.members(); err != nil {
			return u, "", err
		}
	}
	account, err := s.Account(u.AccountID)
	if err != nil {
		return u, "", err
	}
	if password != "" {
		if u.Password, err = s.hashNewPassword(ctx, password, u.EmailAddress); err != nil {
			return u, "", err
		}
	} else if app.Type == endUserApp {
		return u, "", fault.Field("password", "password is missing.")
	}
	err = s.db.Update(func(tx *storage.Tx) error {
		if err := addUser(tx, u); err != nil || members == nil {
			return err
		}
		id, err := members.AddEndUser(tx, u.AccountID, u.ID, u.Name(), u.EmailAddress, app.OrganizationID, app.EndUserTemplateID)
		endUserID = id
		return err
	})
	if err != nil {
		return u, "", err
	}
	if password == "" {
		s.mailReset(u, account.Name, welcomeMail)
	}
	return u, endUserID, nil
}
