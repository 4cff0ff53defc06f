package identity

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

// Kinds of application credentials.
const (
	endUserApp = "endUser" // in people's hands, so its token is no secret: signs end users up and in
	backEndApp = "backEnd" // on the customer's own servers
)

const maxRedirectURIs = 20

// Application is a program that calls with an appId and an appToken. It is also a client of the OpenID provider, with
// these as client_id and client_secret, when it has redirect URIs.
type Application struct {
	ID           string    `json:"id"` // the appId
	AccountID    string    `json:"accountId"`
	Name         string    `json:"name"`
	Type         string    `json:"type"` // endUser or backEnd
	TokenHash    []byte    `json:"tokenHash"`
	TokenStart   string    `json:"tokenStart"` // shown to tell tokens apart
	RedirectURIs []string  `json:"redirectUris,omitempty"`
	Public       bool      `json:"public,omitempty"` // an OpenID client that cannot keep a secret
	Created      time.Time `json:"created"`
	CreatedByID  string    `json:"createdById,omitempty"`
	Version      int       `json:"version"`
	// With OrganizationID a sign-up makes an end user of this group.
	OrganizationID    string `json:"organizationId,omitempty"`
	EndUserTemplateID string `json:"endUserTemplateId,omitempty"`
}

func (a *Application) validate() error {
	if err := validateName("name", a.Name); err != nil {
		return err
	}
	if a.Type != endUserApp && a.Type != backEndApp {
		return fault.Field("type", "This must be endUser or backEnd.")
	}
	if len(a.RedirectURIs) > maxRedirectURIs {
		return fault.Field("redirectUris", "There may be at most %d.", maxRedirectURIs)
	}
	for _, uri := range a.RedirectURIs {
		if err := validateRedirectURI(uri); err != nil {
			return err
		}
	}
	for field, id := range map[string]string{"organizationId": a.OrganizationID, "endUserTemplateId": a.EndUserTemplateID} {
		if id != "" && !isID(id) {
			return fault.Field(field, "This must be an id: a lower-case UUID.")
		}
	}
	return nil
}

// validateRedirectURI takes https, http to the own machine, and the private schemes of mobile apps. Where an answer goes
// is compared letter by letter later.
func validateRedirectURI(uri string) error {
	refuse := fault.Field("redirectUris", "Each must be https://…, http:// to localhost, or an app's own scheme; without a fragment, user or backslash.")
	u, err := url.Parse(uri)
	if err != nil || len(uri) > 2000 || u.Scheme == "" || strings.ContainsAny(uri, "\\#\r\n\t <>\"") || u.User != nil {
		return refuse
	}
	switch strings.ToLower(u.Scheme) {
	case "https":
		if u.Host == "" {
			return refuse
		}
	case "http":
		if h := u.Hostname(); h != "localhost" && h != "127.0.0.1" && h != "::1" {
			return refuse
		}
	case "javascript", "data", "vbscript", "file", "blob", "about":
		return refuse
	}
	return nil
}

func noApplication() error {
	return fault.New(fault.NotFound, "There is no application with this id in the account.")
}

// createApplication stores a new application and returns its token, which is shown this once.
func (s *Service) createApplication(a Application) (_ Application, token string, err error) {
	a.ID, a.Created, a.Version = uuid.NewString(), s.now().UTC(), 1
	if err := a.validate(); err != nil {
		return a, "", err
	}
	token, a.TokenHash = newCredential(appTokenPrefix, a.ID, a.AccountID)
	a.TokenStart = shownPart(token)
	return a, token, s.db.Update(func(tx *storage.Tx) error { return putApplication(tx, a) })
}

func putApplication(tx *storage.Tx, a Application) error {
	tx.Bucket(accountAppsBucket).Put([]byte(a.AccountID+"/"+a.ID), nil)
	return put(tx, appsBucket, a.ID, a)
}

func mustGetApplication(tx *storage.Tx, accountID, id string) (a Application, err error) {
	found, err := get(tx, appsBucket, id, &a)
	if err == nil && (!found || a.AccountID != accountID) {
		return Application{}, noApplication()
	}
	return a, err
}

// Applications returns the account's applications, the newest first.
func (s *Service) Applications(accountID string) (apps []Application, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key := range tx.Bucket(accountAppsBucket).Prefix([]byte(accountID + "/")) {
			a, err := mustGetApplication(tx, accountID, string(key[len(accountID)+1:]))
			if err != nil {
				return err
			}
			apps = append(apps, a)
		}
		return nil
	})
	sortNewest(apps, func(a Application) (time.Time, string) { return a.Created, a.ID })
	return apps, err
}

func (s *Service) application(accountID, id string) (a Application, err error) {
	err = s.db.View(func(tx *storage.Tx) (err error) {
		a, err = mustGetApplication(tx, accountID, id)
		return err
	})
	return a, err
}

// changeApplication stores a change; what OpenID sign-ins it holds end when its token or its redirects change.
func (s *Service) changeApplication(accountID, id string, change func(*Application) error) (a Application, err error) {
	err = s.db.Update(func(tx *storage.Tx) (err error) {
		if a, err = mustGetApplication(tx, accountID, id); err != nil {
			return err
		}
		hash := a.TokenHash
		if err = change(&a); err != nil {
			return err
		}
		if err = a.validate(); err != nil {
			return err
		}
		a.Version++
		if !slices.Equal(hash, a.TokenHash) {
			if err := s.endSessions(tx, a.ID, func(Session) bool { return true }); err != nil {
				return err
			}
		}
		return putApplication(tx, a)
	})
	return a, err
}

// newApplicationToken replaces the token; the old one and the sessions it began are of no use any more.
func (s *Service) newApplicationToken(accountID, id string) (a Application, token string, err error) {
	a, err = s.changeApplication(accountID, id, func(a *Application) error { // id is a path's and may be anything until it is found
		token, a.TokenHash = newCredential(appTokenPrefix, a.ID, a.AccountID)
		a.TokenStart = shownPart(token)
		return nil
	})
	return a, token, err
}

// deleteApplication deletes it with its own sessions and those users gave it.
func (s *Service) deleteApplication(accountID, id string) (a Application, err error) {
	err = s.db.Update(func(tx *storage.Tx) (err error) {
		if a, err = mustGetApplication(tx, accountID, id); err != nil {
			return err
		}
		tx.Bucket(accountAppsBucket).Delete([]byte(accountID + "/" + id))
		tx.Bucket(appsBucket).Delete([]byte(id))
		return s.endSessions(tx, id, func(Session) bool { return true })
	})
	return a, err
}

// checkAppToken says which application a token belongs to. appID may be "" when only the token is known.
// Errors: fault Unauthenticated, the same whatever was wrong; TooMany.
func (s *Service) checkAppToken(appID, accountID, token, remote string) (a Application, err error) {
	if err := s.addresses.check(remote); err != nil {
		return a, err
	}
	refuse := fault.New(fault.Unauthenticated, "The application's credentials are wrong.")
	id, owner, ok := readCredential(appTokenPrefix, token)
	if ok && (appID == "" || appID == id) && (accountID == "" || accountID == owner) {
		a, err = s.application(owner, id)
		if err == nil && matches(a.TokenHash, token) {
			return a, nil
		}
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return a, err
		}
	}
	s.addresses.Count(remote)
	return Application{}, refuse
}

// signInApplication starts a session of the application's own.
func (s *Service) signInApplication(ctx context.Context, appID, accountID, token string, from origin) (jwt string, err error) {
	a, err := s.checkAppToken(appID, accountID, token, from.remote)
	if err != nil {
		return "", err
	}
	if a.Type != backEndApp { // what everybody has a copy of cannot stand for anybody
		return "", fault.New(fault.Forbidden, "Only a back-end application signs in by itself; with this one its end users do.")
	}
	if _, err := s.keys.signing(ctx); err != nil {
		return "", err
	}
	session, renewalKey := newSession(a.ID, a.AccountID, from, s.now().UTC())
	err = s.db.Update(func(tx *storage.Tx) error {
		now, err := mustGetApplication(tx, a.AccountID, a.ID)
		if err != nil {
			return err
		}
		if !matches(now.TokenHash, token) {
			return signInAgain("The application's credentials are wrong.")
		}
		return s.addSession(tx, session)
	})
	if err != nil {
		return "", err
	}
	return s.issue(ctx, session, renewalKey)
}
