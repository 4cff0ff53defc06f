package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

const (
	maxUserSessions   = 1000   // some clients sign in anew every quarter of an hour and never sign out
	maxCachedSessions = 20_000 // about 6 MiB
)

// Session is one sign-in. It lives from Created to Expires unless it is ended before; tokens of it come and go.
type Session struct {
	ID          string    `json:"id"`
	UserID      string    `json:"userId"`
	AccountID   string    `json:"accountId"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires"`
	RenewalHash []byte    `json:"renewalHash"` // SHA-256 of the renewal key, which only tokens carry
}

// startSession stores a session for a user whose password was right a moment ago, and signs its first token. The oldest
// sessions over maxUserSessions end, those that have run out are cleared away.
func (s *Service) startSession(ctx context.Context, checked User, life time.Duration) (jwt string, err error) {
	if _, err := s.keys.signing(ctx); err != nil { // may take a while the first time: before anything is stored
		return "", err
	}
	now := s.now().UTC()
	renewalKey := newRenewalKey()
	session := Session{ID: uuid.NewString(), UserID: checked.ID, AccountID: checked.AccountID,
		Created: now, Expires: now.Add(life), RenewalHash: renewalHash(renewalKey)}
	err = s.db.Update(func(tx *storage.Tx) error {
		user, found, err := getUser(tx, checked.AccountID, checked.ID)
		if err != nil {
			return err
		}
		// Meanwhile it may have been disabled, or its password changed because somebody else knew it.
		if !found || user.Disabled || user.Password != checked.Password {
			return wrongSignIn()
		}
		if err := s.trimSessions(tx, checked.ID, now); err != nil {
			return err
		}
		return putSession(tx, session)
	})
	if err != nil {
		return "", err
	}
	return s.issue(ctx, session, renewalKey)
}

func (s *Service) trimSessions(tx *storage.Tx, userID string, now time.Time) error {
	alive := 0
	var oldest Session
	err := s.endSessions(tx, userID, func(old Session) bool {
		if !now.Before(old.Expires) {
			return true
		}
		if alive == 0 || old.Created.Before(oldest.Created) {
			oldest = old
		}
		alive++
		return false
	})
	if err != nil || alive < maxUserSessions {
		return err
	}
	return s.endSessions(tx, userID, func(old Session) bool { return old.ID == oldest.ID })
}

// endSessions ends those of the user's sessions that which picks; they are of no use from the commit on.
func (s *Service) endSessions(tx *storage.Tx, userID string, which func(Session) bool) error {
	var ended []Session
	for session, err := range userSessions(tx, userID) {
		if err != nil {
			return err
		}
		if which(session) {
			ended = append(ended, session)
		}
	}
	for _, session := range ended {
		deleteSession(tx, session.UserID, session.ID)
		tx.OnCommit(func() { s.sessions.drop(session.ID) })
	}
	return nil
}

// endSession ends one session; ending one that is not there is fine.
func (s *Service) endSession(session Session) error {
	return s.db.Update(func(tx *storage.Tx) error {
		deleteSession(tx, session.UserID, session.ID)
		tx.OnCommit(func() { s.sessions.drop(session.ID) })
		return nil
	})
}

// liveSession returns the session if it has neither run out nor been ended. Error: fault Unauthenticated.
func (s *Service) liveSession(userID, id string) (Session, error) {
	session, cached := s.sessions.get(id)
	if !cached {
		before := s.sessions.ends()
		found := false
		err := s.db.View(func(tx *storage.Tx) (err error) {
			session, found, err = getSession(tx, userID, id)
			return err
		})
		if err != nil {
			return Session{}, err
		}
		if !found {
			return Session{}, signInAgain("The session has ended. Sign in again.")
		}
		s.sessions.add(session, before)
	}
	if session.UserID != userID || !s.now().Before(session.Expires) {
		return Session{}, signInAgain("The session has ended. Sign in again.")
	}
	return session, nil
}

func signInAgain(message string) error { return fault.New(fault.Unauthenticated, "%s", message) }

// newRenewalKey returns 16 random bytes in base64, the form clients know.
func newRenewalKey() string {
	var key [16]byte
	rand.Read(key[:]) // never fails
	return base64.StdEncoding.EncodeToString(key[:])
}

func renewalHash(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// sessionCache keeps sessions that were read lately, so that a request costs no store read. It holds at most
// maxCachedSessions; any one makes room for a new one.
type sessionCache struct {
	mu     sync.Mutex
	byID   map[string]Session
	ending uint64 // sessions ended so far
}

func newSessionCache() *sessionCache { return &sessionCache{byID: map[string]Session{}} }

func (c *sessionCache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byID)
}

func (c *sessionCache) get(id string) (Session, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.byID[id]
	return s, ok
}

// ends is asked before reading the store, for add.
func (c *sessionCache) ends() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

// add keeps a session read from the store, unless a session has been ended since before was asked: it may be this one,
// and then what was read is stale.
func (c *sessionCache) add(s Session, before uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != before {
		return
	}
	if len(c.byID) >= maxCachedSessions {
		for id := range c.byID {
			delete(c.byID, id)
			break
		}
	}
	c.byID[s.ID] = s
}

func (c *sessionCache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending++
	delete(c.byID, id)
}
