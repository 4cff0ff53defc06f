package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

const (
	maxUserSessions = 1000 // some clients sign in anew every quarter of an hour and never sign out
	maxUserAgent    = 200  // bytes kept
	// confirmedFor is how long after somebody proved who they are they may change what guards their sign-in.
	confirmedFor = 15 * time.Minute
)

// Session is one sign-in, of a user or an application. It lives from Created to Expires unless it is ended before; tokens
// of it come and go.
type Session struct {
	ID          string    `json:"id"`
	UserID      string    `json:"userId"` // the appId for an application
	AccountID   string    `json:"accountId"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires"`
	RenewalHash []byte    `json:"renewalHash"` // SHA-256 of the renewal key, which only tokens carry
	Method      string    `json:"method"`      // password, openid, invitation, setup, application, client
	Remote      string    `json:"remote,omitempty"`
	UserAgent   string    `json:"userAgent,omitempty"`
	LastUsed    time.Time `json:"lastUsed"`  // to the minute
	Confirmed   time.Time `json:"confirmed"` // when the user last proved to be the user
	// Of a session that another server or app holds for the user (see provider.go).
	ClientID   string `json:"clientId,omitempty"`
	Scope      string `json:"scope,omitempty"`
	Generation int    `json:"generation,omitempty"` // of its refresh token; 0 for none
}

func (s Session) application() bool { return s.Method == "application" }

// origin says how a session comes about.
type origin struct {
	method    string
	remote    string
	userAgent string
	life      time.Duration
}

func newSession(userID, accountID string, from origin, now time.Time) (s Session, renewalKey string) {
	renewalKey = newRenewalKey()
	agent := from.userAgent[:min(len(from.userAgent), maxUserAgent)]
	for !utf8.ValidString(agent) && agent != "" {
		agent = agent[:len(agent)-1]
	}
	return Session{ID: uuid.NewString(), UserID: userID, AccountID: accountID, Created: now, Expires: now.Add(from.life),
		RenewalHash: renewalHash(renewalKey), Method: from.method, Remote: addressOnly(from.remote), UserAgent: agent,
		LastUsed: now, Confirmed: now}, renewalKey
}

// addressOnly takes the port off, which tells people nothing.
func addressOnly(remote string) string {
	if i := strings.LastIndexByte(remote, ':'); i > 0 && strings.Count(remote, ":") == 1 || strings.Contains(remote, "]:") {
		return strings.Trim(remote[:i], "[]")
	}
	return remote
}

// startSession stores a session for a user who proved a moment ago who it is, and signs its first token. The oldest
// sessions over maxUserSessions end, those that have run out are cleared away.
func (s *Service) startSession(ctx context.Context, checked User, from origin) (jwt string, err error) {
	if _, err := s.keys.signing(ctx); err != nil { // may take a while the first time: before anything is stored
		return "", err
	}
	now := s.now().UTC()
	session, renewalKey := newSession(checked.ID, checked.AccountID, from, now)
	err = s.db.Update(func(tx *storage.Tx) error {
		user, found, err := getUser(tx, checked.AccountID, checked.ID)
		if err != nil {
			return err
		}
		// Meanwhile it may have been disabled, or its password changed because somebody else knew it.
		if !found || user.Disabled || user.Password != checked.Password {
			return wrongSignIn()
		}
		return s.addSession(tx, session)
	})
	if err != nil {
		return "", err
	}
	s.audit(Event{AccountID: session.AccountID, UserID: session.UserID, Action: "signIn", ObjectType: "session", ObjectID: session.ID, Remote: session.Remote})
	return s.issue(ctx, session, renewalKey)
}

// addSession stores a session and makes room for it.
func (s *Service) addSession(tx *storage.Tx, session Session) error {
	if err := s.trimSessions(tx, session.UserID, session.Created); err != nil {
		return err
	}
	return putSession(tx, session)
}

func (s *Service) trimSessions(tx *storage.Tx, userID string, now time.Time) error {
	alive := 0
	var oldest Session
	err := s.endSessions(tx, userID, func(old Session) bool {
		if s.dead(old, now) {
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

// dead reports whether a session has run out.
func (s *Service) dead(session Session, now time.Time) bool {
	return !now.Before(session.Expires) || s.cfg.SessionIdle > 0 && now.Sub(s.lastUsed(session)) >= s.cfg.SessionIdle
}

// lastUsed knows of uses that are not written down yet.
func (s *Service) lastUsed(session Session) time.Time {
	if at := s.touched.at(session.ID); at.After(session.LastUsed) {
		return at
	}
	return session.LastUsed
}

// endSessions ends those of the user's sessions that which picks; they are of no use from the commit on.
func (s *Service) endSessions(tx *storage.Tx, userID string, which func(Session) bool) error {
	var ids []string
	accountID := ""
	for session, err := range userSessions(tx, userID) {
		if err != nil {
			return err
		}
		if which(session) {
			ids, accountID = append(ids, session.ID), session.AccountID
		}
	}
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		deleteSession(tx, userID, id)
	}
	tx.OnCommit(func() {
		s.sessions.drop(ids...)
		go s.ended(accountID, userID, ids...)
	})
	return nil
}

// endSession ends one session; ending one that is not there is fine.
func (s *Service) endSession(session Session) error {
	return s.db.Update(func(tx *storage.Tx) error {
		return s.endSessions(tx, session.UserID, func(other Session) bool { return other.ID == session.ID })
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
		s.sessions.add(session.ID, session, before)
	}
	now := s.now()
	if session.UserID != userID || s.dead(session, now) {
		return Session{}, signInAgain("The session has ended. Sign in again.")
	}
	if now.Sub(s.lastUsed(session)) >= time.Minute {
		s.touched.touch(session.ID, sessionKey(userID, id), now.UTC())
	}
	return session, nil
}

// changeSession stores a change of a live session. Error: fault Unauthenticated when it has ended.
func (s *Service) changeSession(tx *storage.Tx, userID, id string, change func(*Session) error) error {
	session, found, err := getSession(tx, userID, id)
	if err != nil {
		return err
	}
	if !found {
		return signInAgain("The session has ended. Sign in again.")
	}
	if err := change(&session); err != nil {
		return err
	}
	tx.OnCommit(func() { s.sessions.drop(id) })
	return putSession(tx, session)
}

// Sessions returns the user's live sessions, the newest first.
func (s *Service) Sessions(accountID, userID string) (live []Session, err error) {
	now := s.now()
	err = s.db.View(func(tx *storage.Tx) error {
		for session, err := range userSessions(tx, userID) {
			if err != nil {
				return err
			}
			if session.AccountID == accountID && !s.dead(session, now) {
				session.LastUsed = s.lastUsed(session)
				live = append(live, session)
			}
		}
		return nil
	})
	sortNewest(live, func(s Session) (time.Time, string) { return s.Created, s.ID })
	return live, err
}

// EndSessions ends the user's sessions that which picks and returns how many there were.
func (s *Service) EndSessions(accountID, userID string, which func(Session) bool) (n int, err error) {
	err = s.db.Update(func(tx *storage.Tx) error {
		n = 0
		return s.endSessions(tx, userID, func(session Session) bool {
			if session.AccountID != accountID || !which(session) {
				return false
			}
			n++
			return true
		})
	})
	return n, err
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
