package blueprint

import (
	"errors"
	"fmt"
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
	// OrganizationLevels is how many organizations can be inside each other, the root counted. Default 5, at most 20.
	OrganizationLevels int `yaml:"organization_levels"`
	// KeepDeleted is how long what was deleted can be recovered; after it, it is gone for good. Default 30 days.
	KeepDeleted time.Duration `yaml:"keep_deleted"`
	// KeepAudit is how long the audit trail goes back. Default 400 days.
	KeepAudit time.Duration `yaml:"keep_audit"`
	// AssociationCodeLife is how long an association code can be used. Default 30 days.
	AssociationCodeLife time.Duration `yaml:"association_code_life"`
	// GeoIPFile is a MaxMind database (.mmdb) that says where devices' addresses are; "" for none. It may be replaced
	// while the server runs.
	GeoIPFile string `yaml:"geoip_file"`
	// ReverseDNS says whether the names of devices' addresses are asked for. Default false: the questions tell the
	// resolver who is connected.
	ReverseDNS bool `yaml:"reverse_dns"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	if c.CachedDevices == 0 {
		c.CachedDevices = 65536
	}
	if c.OrganizationLevels == 0 {
		c.OrganizationLevels = 5
	}
	if c.KeepDeleted == 0 {
		c.KeepDeleted = 30 * 24 * time.Hour
	}
	if c.KeepAudit == 0 {
		c.KeepAudit = 400 * 24 * time.Hour
	}
	if c.AssociationCodeLife == 0 {
		c.AssociationCodeLife = 30 * 24 * time.Hour
	}
	return c
}

// Validate says which key is wrong and why.
func (c Config) Validate() error {
	if c.CachedDevices < 0 {
		return errors.New("cached_devices: must not be negative")
	}
	if c.OrganizationLevels < 0 || c.OrganizationLevels > 20 {
		return errors.New("organization_levels: must be from 1 to 20")
	}
	for _, d := range []struct {
		key  string
		life time.Duration
	}{{"keep_deleted", c.KeepDeleted}, {"keep_audit", c.KeepAudit}, {"association_code_life", c.AssociationCodeLife}} {
		if d.life < 0 || d.life > 0 && d.life < time.Minute {
			return fmt.Errorf("%s: %v is less than a minute", d.key, d.life)
		}
	}
	return checkGeo(c.GeoIPFile)
}

// Service is the directory of one store. Its methods may be called by many goroutines.
type Service struct {
	db     *storage.DB
	log    *slog.Logger
	kinds  []*kind
	byName map[string]*kind
	now    func() time.Time
	cfg    Config

	identities Identities

	epoch    atomic.Uint64
	views    viewCache
	presence presence

	retentions retentions

	onDenied func(Denial)
	expiry   expiry
	purge    purge

	reflector reflector
	setter    setter
	jobs      jobs
	codes     codeGuesses
	finder    finder
	locator   locator

	hookMu sync.Mutex
	hooks  []func(Revocation)

	onChange func(Change) // never changed once the service is used
}

// New returns the directory in db. Close it before db.
func New(cfg Config, db *storage.DB, log *slog.Logger) *Service {
	s := &Service{db: db, log: log, cfg: cfg.withDefaults(), kinds: newKinds(), byName: map[string]*kind{}, now: time.Now}
	for _, k := range s.kinds {
		s.byName[k.one] = k
	}
	s.epoch.Store(1)
	s.views.most = s.cfg.CachedDevices
	s.reflector.init(s)
	s.setter.init(s)
	s.jobs.init()
	s.codes.init(func() time.Time { return s.now() })
	s.locator.log, s.locator.path = log, s.cfg.GeoIPFile
	if s.cfg.ReverseDNS {
		s.locator.names.open(s.presence.named)
	}
	s.presence.start(s)
	s.finder.start(s)
	s.expiry.start(s)
	s.purge.start(s)
	return s
}

// Close writes what is known of devices' last connections and ends background work. The service must not be used after.
func (s *Service) Close() error {
	s.finder.close()
	s.jobs.close()
	s.setter.close()
	s.reflector.close()
	s.expiry.close()
	s.locator.names.close()
	s.purge.close()
	defer s.locator.close()
	return s.presence.close()
}

// Stats counts what the directory's limits did, since the start.
type Stats struct {
	SetsWaiting int   // changes that came over MQTT and are not applied yet
	SetsPaced   int64 // publishes of such changes that were held back because too many waited
	CodesPaced  int64 // association codes not looked at because too many wrong ones came before
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	q := &s.setter
	q.mu.Lock()
	defer q.mu.Unlock()
	return Stats{SetsWaiting: len(q.waiting), SetsPaced: q.paced, CodesPaced: s.codes.users.Refused() + s.codes.addresses.Refused()}
}

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
	p       auth.Principal
	by      string // for createdById
	at      time.Time
	who     *reach // on whose behalf; nil: the platform itself, which may do everything
	name    string // of that caller, also while the platform does a part of the work itself
	remote  string // where the request came from
	denials []Denial

	newEpoch bool
	revoked  []Revocation
	channels map[string][]*object // by device template, read once
	custom   map[string][]field   // by template, read once
}

func (s *Service) begin(tx *storage.Tx, p auth.Principal) *txn {
	return &txn{Service: s, tx: tx, account: p.AccountID, p: p, by: actor(p), at: s.now(), channels: map[string][]*object{}, custom: map[string][]field{}}
}

func (s *Service) view(p auth.Principal, fn func(t *txn) error) error {
	return s.db.View(func(tx *storage.Tx) error { return fn(s.begin(tx, p)) })
}

// viewFor and updateFor are view and update on behalf of a caller over REST: with the caller's rights, and with every
// refusal told to the account's log.
func (s *Service) viewFor(c caller, fn func(t *txn) error) error {
	var denials []Denial
	err := s.view(c.p, func(t *txn) error {
		defer func() { denials = t.denials }()
		return t.as(c, fn)
	})
	s.tell(c, denials, err)
	return err
}

func (s *Service) updateFor(c caller, fn func(t *txn) error) error {
	var denials []Denial
	err := s.update(c.p, func(t *txn) error {
		defer func() { denials = t.denials }()
		return t.as(c, fn)
	})
	s.tell(c, denials, err)
	return err
}

// caller is who makes a request, and from where.
type caller struct {
	p      auth.Principal
	remote string
}

func (t *txn) as(c caller, fn func(t *txn) error) (err error) {
	t.remote = c.remote
	if t.who, err = t.reachOf(c.p); err != nil {
		return err
	}
	t.name = t.who.name
	return fn(t)
}

// tell passes the refusal that ended a request on; those that were looked past on the way are not news.
func (s *Service) tell(c caller, denials []Denial, err error) {
	if kind := fault.KindOf(err); s.onDenied == nil || len(denials) == 0 || kind != fault.Forbidden && kind != fault.NotFound && kind != fault.Invalid {
		return
	}
	d := denials[len(denials)-1]
	d.Remote = c.remote
	s.onDenied(d)
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

// faultOf returns the fault in an error, nil when it has none.
func faultOf(err error) *fault.Error {
	var f *fault.Error
	errors.As(err, &f)
	return f
}

func forbidden(format string, args ...any) error { return fault.New(fault.Forbidden, format, args...) }
