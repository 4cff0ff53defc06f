package blueprint

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// Config is what can be decided about the directory. The zero value means the defaults.
type Config struct {
	// CachedDevices bounds how many devices' places and templates are kept in memory to judge topics without a store
	// read. A device costs about 300 bytes. Default 65536; when full, the cache starts again from empty.
	CachedDevices int `yaml:"cached_devices"`
}

// Validate says which key is wrong and why.
func (c Config) Validate() error {
	if c.CachedDevices < 0 {
		return errors.New("cached_devices: must not be negative")
	}
	return nil
}

// Service is the directory of one store. Its methods may be called by many goroutines.
type Service struct {
	db     *storage.DB
	log    *slog.Logger
	kinds  []*kind
	byName map[string]*kind
	now    func() time.Time

	epoch    atomic.Uint64
	views    viewCache
	presence presence

	hookMu sync.Mutex
	hooks  []func(Revocation)
}

// New returns the directory in db. Close it before db.
func New(cfg Config, db *storage.DB, log *slog.Logger) *Service {
	s := &Service{db: db, log: log, kinds: newKinds(), byName: map[string]*kind{}, now: time.Now}
	for _, k := range s.kinds {
		s.byName[k.one] = k
	}
	s.epoch.Store(1)
	s.views.most = cfg.CachedDevices
	if s.views.most <= 0 {
		s.views.most = 65536
	}
	s.presence.start(s)
	return s
}

// Close writes what is known of devices' last connections and ends background work. The service must not be used after.
func (s *Service) Close() error { return s.presence.close() }

// Epoch changes whenever an earlier answer of MayPublish, MaySubscribe, MayReceive or Channel may have become wrong.
// Read it before asking. A new device does not change it: nobody can have asked about an id that did not exist.
func (s *Service) Epoch() uint64 { return s.epoch.Load() }

// Revocation says whose connections must end, because what let them in is gone.
type Revocation struct {
	Kind           auth.Kind
	AccountID      string
	ID             string // the entity
	CredentialOnly bool   // only the MQTT credential is gone: those signed in by token may stay
	Reason         string
}

// Matches reports whether the revocation ends a connection of p.
func (r Revocation) Matches(p auth.Principal) bool {
	return p.Kind == r.Kind && p.AccountID == r.AccountID && p.ID == r.ID && !(r.CredentialOnly && p.SessionID != "")
}

// OnRevoke registers fn to be called after each revocation is on disk and before the request that caused it is answered.
func (s *Service) OnRevoke(fn func(Revocation)) {
	s.hookMu.Lock()
	defer s.hookMu.Unlock()
	s.hooks = append(s.hooks, fn)
}

func (s *Service) revoke(all []Revocation) {
	if len(all) == 0 {
		return
	}
	s.hookMu.Lock()
	hooks := s.hooks[:len(s.hooks):len(s.hooks)]
	s.hookMu.Unlock()
	for _, r := range all {
		for _, fn := range hooks {
			fn(r)
		}
	}
}

// txn is one transaction on one account's objects.
type txn struct {
	*Service
	tx      *storage.Tx
	account string
	by      string // for createdById
	at      time.Time

	newEpoch bool
	revoked  []Revocation
	channels map[string][]*object // by device template, read once
}

func (s *Service) begin(tx *storage.Tx, p auth.Principal) *txn {
	return &txn{Service: s, tx: tx, account: p.AccountID, by: actor(p), at: s.now(), channels: map[string][]*object{}}
}

func (s *Service) view(p auth.Principal, fn func(t *txn) error) error {
	return s.db.View(func(tx *storage.Tx) error { return fn(s.begin(tx, p)) })
}

// update runs fn as one write of p. Caches learn of it when it is on disk, revocations follow outside the transaction:
// they close connections, which may themselves want to write.
func (s *Service) update(p auth.Principal, fn func(t *txn) error) error {
	var t *txn
	err := s.db.Update(func(tx *storage.Tx) error {
		t = s.begin(tx, p)
		if err := fn(t); err != nil {
			return err
		}
		t.commit()
		return nil
	})
	if err != nil {
		return err
	}
	s.revoke(t.revoked)
	return nil
}

func (t *txn) commit() {
	if t.newEpoch {
		t.tx.OnCommit(func() { t.epoch.Add(1) })
	}
}

func forbidden(format string, args ...any) error { return fault.New(fault.Forbidden, format, args...) }
