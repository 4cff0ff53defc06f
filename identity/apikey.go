package identity

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// Scopes of an API key. None lets it manage sign-ins, keys and users: for that a person has to be there.
const (
	readScope      = "read"      // GET, searches and queries
	writeScope     = "write"     // every other REST call, and what read allows
	messagingScope = "messaging" // MQTT, and publishing over HTTP

	personScope = "sign-in" // no key has it: what only people may do, who are signed in
)

const (
	maxAPIKeys    = 50 // of one user
	maxAPIKeyLife = 2 * 366 * 24 * time.Hour
)

// APIKey stands for its user in scripts, as Bearer token and as MQTT password with the user name Auth:JWT.
type APIKey struct {
	ID        string    `json:"id"`
	AccountID string    `json:"accountId"`
	UserID    string    `json:"userId"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	Hash      []byte    `json:"hash"`
	Start     string    `json:"start"` // shown to tell keys apart
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"`  // zero for never
	LastUsed  time.Time `json:"lastUsed,omitzero"` // to the minute
}

// keyHolder is a key whose user was not disabled when it was read.
type keyHolder struct{ APIKey }

func (k APIKey) allows(scope string) bool {
	return slices.Contains(k.Scopes, scope) || scope == readScope && slices.Contains(k.Scopes, writeScope)
}

// createAPIKey stores a new key of its user and returns it, to be shown this once.
func (s *Service) createAPIKey(k APIKey) (_ APIKey, text string, err error) {
	k.ID, k.Created = uuid.NewString(), s.now().UTC()
	if err := validateName("name", k.Name); err != nil {
		return k, "", err
	}
	if len(k.Scopes) == 0 {
		k.Scopes = []string{readScope}
	}
	for _, scope := range k.Scopes {
		if scope != readScope && scope != writeScope && scope != messagingScope {
			return k, "", fault.Field("scopes", "Each must be read, write or messaging.")
		}
	}
	if !k.Expires.IsZero() && (!k.Expires.After(k.Created) || k.Expires.After(k.Created.Add(maxAPIKeyLife))) {
		return k, "", fault.Field("expires", "This must be a time from now on and within two years.")
	}
	text, k.Hash = newCredential(apiKeyPrefix, k.ID, k.UserID)
	k.Start = shownPart(text)
	err = s.db.Update(func(tx *storage.Tx) error {
		n := 0
		for range tx.Bucket(apiKeysBucket).Prefix([]byte(k.UserID + "/")) {
			n++
		}
		if n >= maxAPIKeys {
			return fault.New(fault.Conflict, "You have %d keys, which is as many as one can have. Delete one first.", n)
		}
		return put(tx, apiKeysBucket, sessionKey(k.UserID, k.ID), k)
	})
	return k, text, err
}

// APIKeys returns the user's keys, those that have run out with them, the newest first.
func (s *Service) APIKeys(accountID, userID string) (keys []APIKey, err error) {
	err = s.db.View(func(tx *storage.Tx) error {
		for key, value := range tx.Bucket(apiKeysBucket).Prefix([]byte(userID + "/")) {
			var k APIKey
			if err := decode(apiKeysBucket, string(key), value, &k); err != nil {
				return err
			}
			if at := s.touched.at(k.ID); at.After(k.LastUsed) {
				k.LastUsed = at
			}
			if k.AccountID == accountID {
				keys = append(keys, k)
			}
		}
		return nil
	})
	sortNewest(keys, func(k APIKey) (time.Time, string) { return k.Created, k.ID })
	return keys, err
}

// deleteAPIKey ends a key at once. Error: fault NotFound.
func (s *Service) deleteAPIKey(accountID, userID, id string) (k APIKey, err error) {
	err = s.db.Update(func(tx *storage.Tx) error {
		found, err := get(tx, apiKeysBucket, sessionKey(userID, id), &k)
		if err != nil {
			return err
		}
		if !found || k.AccountID != accountID {
			return fault.New(fault.NotFound, "There is no API key with this id.")
		}
		tx.Bucket(apiKeysBucket).Delete([]byte(sessionKey(userID, id)))
		tx.OnCommit(func() {
			s.apiKeys.drop(id)
			go s.ended(accountID, userID, id)
		})
		return nil
	})
	return k, err
}

func deleteAPIKeys(tx *storage.Tx, userID string) error {
	var keys [][]byte
	for key := range tx.Bucket(apiKeysBucket).Prefix([]byte(userID + "/")) {
		keys = append(keys, slices.Clone(key))
	}
	for _, key := range keys {
		tx.Bucket(apiKeysBucket).Delete(key)
	}
	return nil
}

func isAPIKey(token string) bool { return strings.HasPrefix(token, apiKeyPrefix) }

// apiKeyUser says whom a key stands for. Errors: fault Unauthenticated, the same whatever is wrong; Forbidden when the
// scope is not among the key's.
func (s *Service) apiKeyUser(text, scope string) (auth.Principal, error) {
	k, err := s.liveAPIKey(text)
	if err != nil {
		return auth.Principal{}, err
	}
	if !k.allows(scope) {
		return auth.Principal{}, fault.New(fault.Forbidden, "The API key %q lacks the scope %q that this needs.", k.Name, scope)
	}
	p, err := s.userPrincipal(k.AccountID, k.UserID)
	p.SessionID = k.ID
	return p, err
}

func (s *Service) liveAPIKey(text string) (APIKey, error) {
	refuse := signInAgain("The API key is not valid, or has run out or been deleted.")
	id, userID, ok := readCredential(apiKeyPrefix, text)
	if !ok {
		return APIKey{}, refuse
	}
	k, cached := s.apiKeys.get(id)
	if !cached {
		before := s.apiKeys.ends()
		found := false
		err := s.db.View(func(tx *storage.Tx) (err error) {
			if found, err = get(tx, apiKeysBucket, sessionKey(userID, id), &k.APIKey); err != nil || !found {
				return err
			}
			u, known, err := getUser(tx, k.AccountID, k.UserID)
			found = known && !u.Disabled
			return err
		})
		if err != nil {
			return APIKey{}, err
		}
		if !found {
			return APIKey{}, refuse
		}
		s.apiKeys.add(id, k, before)
	}
	now := s.now()
	if !matches(k.Hash, text) || k.UserID != userID || !k.Expires.IsZero() && !now.Before(k.Expires) {
		return APIKey{}, refuse
	}
	if last := s.touched.at(id); now.Sub(last) >= time.Minute && now.Sub(k.LastUsed) >= time.Minute {
		s.touched.touch(id, sessionKey(userID, id), now.UTC())
	}
	return k.APIKey, nil
}

type scopeKey struct{}

// Authenticate is rest.Authenticate that also knows what a call needs of an API key. Use it for every route that needs
// a caller: a limited key is refused wherever its scope cannot be judged.
func (s *Service) Authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	authenticated := rest.Authenticate(s)(next)
	return func(c echo.Context) error {
		r := c.Request()
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), scopeKey{}, neededScope(r.Method, c.Path()))))
		return authenticated(c)
	}
}

func neededScope(method, path string) string {
	switch {
	case strings.HasPrefix(path, "/messaging/"):
		return messagingScope
	case strings.HasPrefix(path, "/api/v1/backups/") && (strings.HasSuffix(path, "/file") || strings.HasSuffix(path, "/restore")):
		return personScope // the file holds every secret of the server, and a restore brings back what was taken away since
	case method == http.MethodGet, method == http.MethodHead:
		return readScope
	case method == http.MethodPost && (strings.HasSuffix(path, "/search") || strings.HasSuffix(path, "/query")):
		return readScope // questions too long for an address
	}
	return writeScope
}
