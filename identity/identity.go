package identity

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/throttle"
	"xively/storage"
)

// Config of the module. A zero field means its default.
type Config struct {
	// Dir is the data folder; secret.key, which seals the signing keys, lives in it and is made when missing.
	Dir string `yaml:"-"`
	// TokenLife is how long a JWT is good without being renewed. Default 20m, 1m to 24h.
	TokenLife time.Duration `yaml:"token_life"`
	// SessionLife is how long a sign-in lasts, from the sign-in on. Default 336h (14 days), 30m to 2400h (100 days).
	SessionLife time.Duration `yaml:"session_life"`
	// ShortSessionLife is the same for a sign-in with renewalType "short". Default 24h, 30m to SessionLife.
	ShortSessionLife time.Duration `yaml:"short_session_life"`
	// SessionIdle ends a session that was not used for so long. Default 0: only SessionLife ends it. Else 15m to SessionLife.
	SessionIdle time.Duration `yaml:"session_idle"`
	// PasswordMemoryKiB is argon2id's memory per hash in KiB. Default 19456, 8192 to 1048576. New hashes only.
	PasswordMemoryKiB uint32 `yaml:"password_memory_kib"`
	// PasswordPasses is argon2id's number of passes over that memory. Default 2, 1 to 16. New hashes only.
	PasswordPasses uint32 `yaml:"password_passes"`
	// PublicURL is where people and other servers reach this installation, such as https://iot.example.com: links in mails
	// begin with it, and it is the issuer of the OpenID provider. What a request says in its Host header never counts.
	// Default http://localhost:8080.
	PublicURL string `yaml:"public_url"`
	// PrivateProviders lets OpenID providers be reached at addresses of private networks and of this machine.
	PrivateProviders bool `yaml:"private_providers"`
	// Mail says how mails go out.
	Mail MailConfig `yaml:"mail"`
}

// DefaultConfig returns the settings that hold where nothing else is said.
func DefaultConfig() Config {
	c := Config{}.withDefaults()
	c.Mail.Port = 587
	return c
}

func (c Config) withDefaults() Config {
	if c.TokenLife == 0 {
		c.TokenLife = 20 * time.Minute
	}
	if c.SessionLife == 0 {
		c.SessionLife = 14 * 24 * time.Hour
	}
	if c.ShortSessionLife == 0 {
		c.ShortSessionLife = min(24*time.Hour, c.SessionLife)
	}
	if c.PasswordMemoryKiB == 0 {
		c.PasswordMemoryKiB = 19 << 10
	}
	if c.PasswordPasses == 0 {
		c.PasswordPasses = 2
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://localhost:8080"
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	return c
}

// Validate says which setting is out of its range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.TokenLife < time.Minute || c.TokenLife > 24*time.Hour:
		return fmt.Errorf("token_life is %v; it must be from 1m to 24h", c.TokenLife)
	case c.SessionLife < 30*time.Minute || c.SessionLife > 2400*time.Hour:
		return fmt.Errorf("session_life is %v; it must be from 30m to 2400h", c.SessionLife)
	case c.ShortSessionLife < 30*time.Minute || c.ShortSessionLife > c.SessionLife:
		return fmt.Errorf("short_session_life is %v; it must be from 30m to session_life", c.ShortSessionLife)
	case c.SessionIdle != 0 && (c.SessionIdle < 15*time.Minute || c.SessionIdle > c.SessionLife):
		return fmt.Errorf("session_idle is %v; it must be 0, or from 15m to session_life", c.SessionIdle)
	case c.PasswordMemoryKiB < 8<<10 || c.PasswordMemoryKiB > 1<<20:
		return fmt.Errorf("password_memory_kib is %d; it must be from 8192 to 1048576", c.PasswordMemoryKiB)
	case c.PasswordPasses > 16:
		return fmt.Errorf("password_passes is %d; it must be from 1 to 16", c.PasswordPasses)
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("public_url is %q; it must be http:// or https:// and a host, with a port if need be", c.PublicURL)
	}
	return c.Mail.Validate()
}

// Directory is what identity asks of the object directory.
type Directory interface {
	// UserPrincipal says what the user is in the account: an account user or an end user, and under which id.
	// Error: fault NotFound when it is neither.
	UserPrincipal(accountID, userID string) (auth.Principal, error)
	// Bootstrap makes a new account's first directory objects in tx and returns its first account user's id.
	Bootstrap(tx *storage.Tx, accountID, accountName, userID, email string) (accountUserID string, err error)
}

// Members is the part of the directory that knows an account's admins and gives people a place in the account. With a
// Directory that lacks it everything for admins is refused here.
type Members interface {
	// AddAccountUser makes the user an admin of the account.
	AddAccountUser(tx *storage.Tx, accountID, userID, name string) (accountUserID string, err error)
	// AddEndUser makes the user an end user of the group. endUserTemplateID may be "" for the default one.
	AddEndUser(tx *storage.Tx, accountID, userID, name, emailAddress, organizationID, endUserTemplateID string) (endUserID string, err error)
	// AdminUserIDs returns the userIds of the account's admins.
	AdminUserIDs(tx *storage.Tx, accountID string) (userIDs []string, err error)
}

// Service answers who is calling. Safe for use by many goroutines.
type Service struct {
	cfg        Config
	db         *storage.DB
	dir        Directory
	log        *slog.Logger
	now        func() time.Time
	keys       *keyring
	hash       *hasher
	lockout    *lockout
	addresses  addresses          // wrong secrets by the address they came from
	mails      *throttle.Throttle // mails asked for by the address they go to
	sessions   *recent[Session]
	apiKeys    *recent[keyHolder]
	touched    touches
	outbox     *outbox
	mailer     Mailer
	federation *federation
	hooks      hooks
	setupToken string // "" when an account existed at the start
}

// New opens the module over the store. It makes cfg.Dir/secret.key when the store holds nothing sealed yet and refuses
// to start when that file is missing or is not the one the store was sealed with.
func New(cfg Config, db *storage.DB, dir Directory, log *slog.Logger) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	cfg = cfg.withDefaults()
	s := &Service{cfg: cfg, db: db, dir: dir, log: log, now: time.Now, sessions: newRecent[Session](), apiKeys: newRecent[keyHolder]()}
	clock := func() time.Time { return s.now() }
	s.hash = newHasher(hashParams{memoryKiB: cfg.PasswordMemoryKiB, passes: cfg.PasswordPasses, threads: 1})
	s.lockout = newLockout(clock)
	s.addresses = addresses{throttle.New(clock, addressBurst, addressEvery)}
	s.mails = throttle.New(clock, mailBurst, mailEvery)
	s.outbox = newOutbox(log)
	s.federation = newFederation(clock, cfg.PrivateProviders)
	s.mailer = cfg.Mail.mailer(log)
	var err error
	if s.keys, err = openKeyring(db, cfg, clock, log); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if err := s.prepareSetup(); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return s, nil
}

// Run does what is to be done from time to time, until ctx ends: clears away what has run out, and writes down when
// sessions and keys were last used. Without it nothing that has run out is accepted either.
func (s *Service) Run(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-minute.C:
		}
		err := s.writeTouched()
		if err == nil && n%10 == 0 {
			err = s.sweep()
		}
		if err != nil {
			s.log.Warn("identity upkeep failed", "err", err)
		}
	}
}

// Close waits until the mails under way are sent, at most until ctx ends, and writes what Run would have written next.
func (s *Service) Close(ctx context.Context) error {
	s.outbox.wait(ctx)
	return s.writeTouched()
}

// Stats counts what the module's limits did, since the start.
type Stats struct {
	PasswordHashes  int64 // passwords hashed
	PasswordRefused int64 // turned away because the queue for hashing was full
	LockedOut       int64 // sign-ins turned away because of too many wrong passwords before
	Throttled       int64 // calls turned away because their address sent too many wrong secrets
	MailsDropped    int64 // mails not sent because too many were waiting or the mail server refused
	Sessions        int   // sessions held in memory now
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	return Stats{PasswordHashes: s.hash.done.Load(), PasswordRefused: s.hash.refused.Load(),
		LockedOut: s.lockout.refused.Load(), Throttled: s.addresses.Refused(), MailsDropped: s.outbox.dropped.Load(),
		Sessions: s.sessions.len()}
}

// wrongSignIn is the one answer to every sign-in that fails, so that it tells nobody which part was wrong.
func wrongSignIn() error {
	return fault.New(fault.Unauthenticated, "The e-mail address or the password is wrong, or accountId is missing or wrong.")
}

// SignIn checks a password and starts a session; jwt proves it. accountID may be "" for an e-mail address that exists in
// exactly one account. remote is the caller's address. The session is on disk when SignIn returns. A user with a second
// factor cannot sign in this way. Errors: fault Unauthenticated, the same whatever was wrong; TooMany with rest.RetryAfter.
func (s *Service) SignIn(ctx context.Context, accountID, email, password, remote string) (jwt string, err error) {
	return s.signIn(ctx, accountID, email, password, "", origin{method: "password", remote: remote, life: s.cfg.SessionLife})
}

func (s *Service) signIn(ctx context.Context, accountID, email, password, code string, from origin) (string, error) {
	email = foldEmail(email)
	user, known, err := s.findUser(accountID, email)
	if err != nil {
		return "", err
	}
	if known {
		accountID = user.AccountID
	}
	if user, err = s.checkPassword(ctx, lockKey(accountID, email), from.remote, user, known, password, code); err != nil {
		level := slog.LevelDebug // refused unseen, of which a flood can bring any number
		if fault.KindOf(err) == fault.Unauthenticated {
			level = slog.LevelWarn
		}
		s.log.Log(ctx, level, "sign-in refused", "remote", from.remote, "user_id", user.ID, "err", err)
		if known && level == slog.LevelWarn {
			s.audit(Event{AccountID: user.AccountID, UserID: user.ID, Action: "signIn.refused", Remote: from.remote})
		}
		return "", err
	}
	jwt, err := s.startSession(ctx, user, from)
	if err != nil {
		return "", err
	}
	s.log.Info("signed in", "remote", from.remote, "account_id", user.AccountID, "user_id", user.ID)
	return jwt, nil
}

// checkPassword does the same work for a user that exists and one that does not. The limits are asked before the queue,
// to keep it short, and again at its end, so that many guesses sent at once do not all pass before the first has failed.
// It returns the user as it is stored now: its password may have been hashed anew, its code spent.
func (s *Service) checkPassword(ctx context.Context, key lockoutKey, remote string, user User, known bool, password, code string) (User, error) {
	if err := s.mayTry(key, remote); err != nil {
		return user, err
	}
	if tooLong(password) { // cannot be anyone's
		s.failed(key, remote)
		return user, wrongSignIn()
	}
	stored := s.hash.dummy
	if known && user.Password != "" {
		stored = user.Password
	}
	fresh := ""
	err := s.hash.run(ctx, func() error {
		if err := s.mayTry(key, remote); err != nil {
			return err
		}
		match, err := s.hash.matches(stored, password)
		if err != nil {
			return fmt.Errorf("user %s: %w", user.ID, err)
		}
		if !match || !known || user.Disabled || user.Password == "" {
			s.failed(key, remote)
			return wrongSignIn()
		}
		if s.hash.outdated(stored) {
			fresh = s.hash.hash(password)
		}
		return nil
	})
	if err != nil {
		return user, err
	}
	if user, err = s.spendCode(user, code, fresh); err != nil {
		if code != "" && fault.KindOf(err) == fault.Unauthenticated {
			s.failed(key, remote)
		}
		return user, err
	}
	s.lockout.clear(key)
	return user, nil
}

func (s *Service) mayTry(key lockoutKey, remote string) error {
	if err := s.addresses.check(remote); err != nil {
		return err
	}
	return s.lockout.check(key)
}

func (s *Service) failed(key lockoutKey, remote string) {
	s.addresses.Count(remote)
	s.lockout.failed(key)
}
