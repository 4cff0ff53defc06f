package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

const keyBits = 2048

// signingKey signs tokens while it is the current one, and goes on verifying them when it is retired.
type signingKey struct {
	id      string // the tokens' kid and cert
	private *rsa.PrivateKey
	created time.Time
	retired time.Time // zero for the current key
}

// keyRecord is what the store holds of a signingKey, sealed.
type keyRecord struct {
	Created time.Time `json:"created"`
	Retired time.Time `json:"retired,omitzero"`
	PKCS8   []byte    `json:"pkcs8"`
}

// keyring holds the keys of this installation. Making an RSA key takes a tenth of a second or a few, so the first is made
// when the first token is asked for and not at start.
type keyring struct {
	db   *storage.DB
	seal *sealer
	log  *slog.Logger
	now  func() time.Time
	make func() (*rsa.PrivateKey, error)
	keep time.Duration // how long a retired key may still be needed: as long as a token it signed can be renewed

	making sync.Mutex // held while a key is made or removed; before mu

	mu      sync.RWMutex
	current *signingKey // nil before the first key
	byID    map[string]*signingKey
}

func openKeyring(db *storage.DB, cfg Config, now func() time.Time, log *slog.Logger) (*keyring, error) {
	k := &keyring{db: db, log: log, now: now, keep: cfg.SessionLife + cfg.TokenLife, byID: map[string]*signingKey{},
		make: func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, keyBits) }}
	sealed := map[string][]byte{}
	err := db.View(func(tx *storage.Tx) error {
		for id, value := range tx.Bucket(keysBucket).Scan(nil, nil) {
			sealed[string(id)] = append([]byte(nil), value...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	if k.seal, err = openSealer(cfg.Dir, len(sealed) > 0, log); err != nil {
		return nil, err
	}
	for id, value := range sealed {
		key, err := k.decode(id, value)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", id, err)
		}
		k.byID[id] = key
		if key.retired.IsZero() {
			k.current = key
		}
	}
	return k, nil
}

// signing returns the current key, making the first. Error: the context's; fault Unavailable when the key cannot be stored.
func (k *keyring) signing(ctx context.Context) (*signingKey, error) {
	k.mu.RLock()
	current := k.current
	k.mu.RUnlock()
	if current != nil {
		return current, nil
	}
	k.making.Lock()
	defer k.making.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.RLock()
	current = k.current
	k.mu.RUnlock()
	if current != nil {
		return current, nil
	}
	return k.replace(nil)
}

// RotateKey makes a new signing key and returns its id. The old one goes on verifying the tokens it signed until the last
// of them can no more be renewed; keys past that time are deleted.
func (s *Service) RotateKey() (id string, err error) {
	s.keys.making.Lock()
	defer s.keys.making.Unlock()
	s.keys.mu.RLock()
	old := s.keys.current
	s.keys.mu.RUnlock()
	key, err := s.keys.replace(old)
	if err != nil {
		return "", err
	}
	return key.id, nil
}

// RemoveKey deletes a signing key, which ends every token it signed at once; for a key that has leaked. The sessions
// live, but have to be signed in to anew. Without a current key the next token makes one. Error: fault NotFound.
func (s *Service) RemoveKey(id string) error {
	k := s.keys
	k.making.Lock()
	defer k.making.Unlock()
	if _, known := k.public(id); !known {
		return fault.New(fault.NotFound, "There is no signing key with this id.")
	}
	err := k.db.Update(func(tx *storage.Tx) error {
		tx.Bucket(keysBucket).Delete([]byte(id))
		return nil
	})
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, id)
	if k.current != nil && k.current.id == id {
		k.current = nil
	}
	k.log.Warn("signing key removed", "kid", id)
	return nil
}

// replace makes a key the current one in place of old, which may be nil. k.making is held.
func (k *keyring) replace(old *signingKey) (*signingKey, error) {
	private, err := k.make()
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	now := k.now().UTC()
	fresh := &signingKey{id: uuid.NewString(), private: private, created: now}
	changed := []*signingKey{fresh}
	if old != nil {
		retired := *old
		retired.retired = now
		changed = append(changed, &retired)
	}
	past := k.past(now)
	if err := k.store(changed, past); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The key to sign with could not be stored. Try again.")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range changed {
		k.byID[key.id] = key
	}
	for _, id := range past {
		delete(k.byID, id)
	}
	k.current = fresh
	k.log.Info("signing key made", "kid", fresh.id)
	return fresh, nil
}

// past returns the keys nothing can need any more.
func (k *keyring) past(now time.Time) (ids []string) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for id, key := range k.byID {
		if !key.retired.IsZero() && now.Sub(key.retired) > k.keep {
			ids = append(ids, id)
		}
	}
	return ids
}

func (k *keyring) store(changed []*signingKey, past []string) error {
	return k.db.Update(func(tx *storage.Tx) error {
		for _, key := range changed {
			value, err := k.encode(key)
			if err != nil {
				return err
			}
			tx.Bucket(keysBucket).Put([]byte(key.id), value)
		}
		for _, id := range past {
			tx.Bucket(keysBucket).Delete([]byte(id))
		}
		return nil
	})
}

// public returns the key that verifies tokens naming id.
func (k *keyring) public(id string) (*rsa.PublicKey, bool) {
	k.mu.RLock()
	key := k.byID[id]
	k.mu.RUnlock()
	if key == nil || !key.retired.IsZero() && k.now().Sub(key.retired) > k.keep {
		return nil, false
	}
	return &key.private.PublicKey, true
}

func (k *keyring) encode(key *signingKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(keyRecord{Created: key.created, Retired: key.retired, PKCS8: der})
	if err != nil {
		return nil, err
	}
	return k.seal.seal(keysBucket+"/"+key.id, plain), nil
}

func (k *keyring) decode(id string, sealed []byte) (*signingKey, error) {
	plain, err := k.seal.open(keysBucket+"/"+id, sealed)
	if err != nil {
		return nil, err
	}
	var r keyRecord
	if err := json.Unmarshal(plain, &r); err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(r.PKCS8)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T and not an RSA key", parsed)
	}
	return &signingKey{id: id, private: private, created: r.Created, retired: r.Retired}, nil
}

// all returns the public halves of the keys that verify tokens now.
func (k *keyring) all() map[string]*rsa.PublicKey {
	k.mu.RLock()
	ids := slices.Collect(maps.Keys(k.byID))
	k.mu.RUnlock()
	all := map[string]*rsa.PublicKey{}
	for _, id := range ids {
		if key, ok := k.public(id); ok {
			all[id] = key
		}
	}
	return all
}
