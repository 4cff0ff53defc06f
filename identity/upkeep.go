package identity

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"xively/storage"
)

// touches remembers when sessions and API keys were last used until that is written down, each minute: a write for each
// request would be a disk flush for each request. A crash forgets at most the last minutes. At most
// maxRecent are remembered.
type touches struct {
	mu   sync.Mutex
	byID map[string]touch
}

type touch struct {
	key string // in its bucket
	at  time.Time
}

func (t *touches) at(id string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id].at
}

func (t *touches) touch(id, key string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[string]touch{}
	}
	if _, known := t.byID[id]; known || len(t.byID) < maxRecent {
		t.byID[id] = touch{key, at}
	}
}

// writeTouched writes down when sessions and API keys were last used.
func (s *Service) writeTouched() error {
	s.touched.mu.Lock()
	all := make(map[string]touch, len(s.touched.byID))
	for id, t := range s.touched.byID {
		all[id] = t
	}
	s.touched.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	err := s.db.Update(func(tx *storage.Tx) error {
		for _, t := range all {
			if err := setLastUsed[Session](tx, sessionsBucket, t, func(s *Session) *time.Time { return &s.LastUsed }); err != nil {
				return err
			}
			if err := setLastUsed[APIKey](tx, apiKeysBucket, t, func(k *APIKey) *time.Time { return &k.LastUsed }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id := range all { // from now on the store knows better than what was read before
		s.sessions.drop(id)
		s.apiKeys.drop(id)
	}
	s.touched.mu.Lock()
	defer s.touched.mu.Unlock()
	for id, t := range all {
		if s.touched.byID[id] == t {
			delete(s.touched.byID, id)
		}
	}
	return nil
}

// setLastUsed changes a record that is in the bucket; the ids of different buckets never meet.
func setLastUsed[T any](tx *storage.Tx, bucket string, t touch, field func(*T) *time.Time) error {
	var v T
	found, err := get(tx, bucket, t.key, &v)
	if err != nil || !found {
		return err
	}
	if at := field(&v); at.Before(t.at) {
		*at = t.at
	}
	return put(tx, bucket, t.key, v)
}

// sweep deletes what has run out: sessions, of which OnEnd is told, and one-time secrets.
func (s *Service) sweep() error {
	now := s.now()
	var over []Session
	err := s.db.View(func(tx *storage.Tx) error {
		for key, value := range tx.Bucket(sessionsBucket).Scan(nil, nil) {
			var session Session
			if err := decode(sessionsBucket, string(key), value, &session); err != nil {
				return err
			}
			if s.dead(session, now) {
				over = append(over, session)
			}
		}
		return nil
	})
	for _, part := range slices.Collect(slices.Chunk(over, 500)) {
		if err != nil {
			return err
		}
		err = s.db.Update(func(tx *storage.Tx) error {
			for _, session := range part {
				if err := s.endSessions(tx, session.UserID, func(other Session) bool { return other.ID == session.ID && s.dead(other, now) }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return err
	}
	for _, bucket := range []string{resetsBucket, invitationsBucket, codesBucket} {
		if err := s.sweepExpired(bucket, now); err != nil {
			return err
		}
	}
	return nil
}

// sweepExpired deletes the bucket's records whose "expires" lies in the past.
func (s *Service) sweepExpired(bucket string, now time.Time) error {
	var keys [][]byte
	err := s.db.View(func(tx *storage.Tx) error {
		for key, value := range tx.Bucket(bucket).Scan(nil, nil) {
			var r struct {
				Expires time.Time `json:"expires"`
			}
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			if !now.Before(r.Expires) {
				keys = append(keys, slices.Clone(key))
			}
		}
		return nil
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return s.db.Update(func(tx *storage.Tx) error {
		for _, key := range keys {
			tx.Bucket(bucket).Delete(key)
		}
		return nil
	})
}

func sortNewest[T any](list []T, by func(T) (time.Time, string)) {
	slices.SortFunc(list, func(a, b T) int {
		at, aID := by(a)
		bt, bID := by(b)
		return cmp.Or(bt.Compare(at), cmp.Compare(aID, bID))
	})
}
