package identity

import (
	"sync"
	"time"
)

// Event is something an account's audit trail should keep: who did what to what, when and from where. It holds no secret.
type Event struct {
	At         time.Time
	AccountID  string
	UserID     string // who did it; "" for the operator and for strangers
	Action     string // such as "signIn", "password.changed", "apiKey.created"
	ObjectType string // such as "user", "application"; "" when the object is the user
	ObjectID   string
	Remote     string // "" when unknown
}

// hooks are the functions others want called. They must not block.
type hooks struct {
	mu    sync.RWMutex
	end   []func(accountID, userID, sessionID string)
	audit []func(Event)
}

// OnEnd has fn called when a session, application session or API key is of no use any more before its time: signed out,
// revoked, the password changed, the user disabled. sessionID is what Principal.SessionID says; "" stands for everything
// of the user. fn is called after the end is on disk, from a goroutine of its own.
func (s *Service) OnEnd(fn func(accountID, userID, sessionID string)) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.end = append(s.hooks.end, fn)
}

// OnAudit has fn called for each Event, after what it tells is on disk.
func (s *Service) OnAudit(fn func(Event)) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.audit = append(s.hooks.audit, fn)
}

func (s *Service) ended(accountID, userID string, sessionIDs ...string) {
	s.hooks.mu.RLock()
	defer s.hooks.mu.RUnlock()
	for _, id := range sessionIDs {
		for _, fn := range s.hooks.end {
			fn(accountID, userID, id)
		}
	}
}

func (s *Service) audit(e Event) {
	e.At = s.now().UTC()
	s.log.Info("audit", "action", e.Action, "account_id", e.AccountID, "user_id", e.UserID, "object", e.ObjectType, "object_id", e.ObjectID, "remote", e.Remote)
	s.hooks.mu.RLock()
	defer s.hooks.mu.RUnlock()
	for _, fn := range s.hooks.audit {
		fn(e)
	}
}
