package identity

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
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
	// PasswordMemoryKiB is argon2id's memory per hash in KiB. Default 19456, 8192 to 1048576. New hashes only.
	PasswordMemoryKiB uint32 `yaml:"password_memory_kib"`
	// PasswordPasses is argon2id's number of passes over that memory. Default 2, 1 to 16. New hashes only.
	PasswordPasses uint32 `yaml:"password_passes"`
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
	case c.PasswordMemoryKiB < 8<<10 || c.PasswordMemoryKiB > 1<<20:
		return fmt.Errorf("password_memory_kib is %d; it must be from 8192 to 1048576", c.PasswordMemoryKiB)
	case c.PasswordPasses > 16:
		return fmt.Errorf("password_passes is %d; it must be from 1 to 16", c.PasswordPasses)
	}
	return nil
}

// Directory is what identity asks of the object directory.
type Directory interface {
	// UserPrincipal says what the user is in the account: an account user or an end user, and under which id.
	// Error: fault NotFound when it is neither.
	UserPrincipal(accountID, userID string) (auth.Principal, error)
	// Bootstrap makes a new account's first directory objects in tx and returns its first account user's id.
	Bootstrap(tx *storage.Tx, accountID, accountName, userID, email string) (accountUserID string, err error)
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
	sessions   *sessionCache
	setupToken string // "" when an account existed at the start
}

// New opens the module over the store. It makes cfg.Dir/secret.key when the store holds nothing sealed yet and refuses
// to start when that file is missing or is not the one the store was sealed with.
func New(cfg Config, db *storage.DB, dir Directory, log *slog.Logger) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	cfg = cfg.withDefaults()
	s := &Service{cfg: cfg, db: db, dir: dir, log: log, now: time.Now, sessions: newSessionCache()}
	clock := func() time.Time { return s.now() }
	s.hash = newHasher(hashParams{memoryKiB: cfg.PasswordMemoryKiB, passes: cfg.PasswordPasses, threads: 1})
	s.lockout = newLockout(clock)
	var err error
	if s.keys, err = openKeyring(db, cfg, clock, log); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if err := s.prepareSetup(); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return s, nil
}

// Stats counts what the module's limits did, since the start.
type Stats struct {
	PasswordHashes  int64 // passwords hashed
	PasswordRefused int64 // turned away because the queue for hashing was full
	LockedOut       int64 // sign-ins turned away because of too many wrong passwords before
	Sessions        int   // sessions held in memory now
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	return Stats{PasswordHashes: s.hash.done.Load(), PasswordRefused: s.hash.refused.Load(),
		LockedOut: s.lockout.refused.Load(), Sessions: s.sessions.len()}
}

// wrongSignIn is the one answer to every sign-in that fails, so that it tells nobody which part was wrong.
func wrongSignIn() error {
	return fault.New(fault.Unauthenticated, "The e-mail address or the password is wrong, or accountId is missing or wrong.")
}

// SignIn checks a password and starts a session; jwt proves it. accountID may be "" for an e-mail address that exists in
// exactly one account. remote is the caller's address, for the log. The session is on disk when SignIn returns.
// Errors: fault Unauthenticated, the same whatever was wrong; TooMany with rest.RetryAfter.
func (s *Service) SignIn(ctx context.Context, accountID, email, password, remote string) (jwt string, err error) {
	return s.signIn(ctx, accountID, email, password, remote, s.cfg.SessionLife)
}

func (s *Service) signIn(ctx context.Context, accountID, email, password, remote string, life time.Duration) (string, error) {
	email = foldEmail(email)
	user, known, err := s.findUser(accountID, email)
	if err != nil {
		return "", err
	}
	if known {
		accountID = user.AccountID
	}
	if err := s.checkPassword(ctx, lockKey(accountID, email), user, known, password); err != nil {
		level := slog.LevelDebug // refused unseen, of which a flood can bring any number
		if fault.KindOf(err) == fault.Unauthenticated {
			level = slog.LevelWarn
		}
		s.log.Log(ctx, level, "sign-in refused", "remote", remote, "user_id", user.ID, "err", err)
		return "", err
	}
	jwt, err := s.startSession(ctx, user, life)
	if err != nil {
		return "", err
	}
	s.log.Info("signed in", "remote", remote, "account_id", user.AccountID, "user_id", user.ID)
	return jwt, nil
}

// checkPassword does the same work for a user that exists and one that does not. The lock is asked for before the queue,
// to keep it short, and again at its end, so that many guesses sent at once do not all pass before the first has failed.
func (s *Service) checkPassword(ctx context.Context, key lockoutKey, user User, known bool, password string) error {
	if err := s.lockout.check(key); err != nil {
		return err
	}
	if tooLong(password) { // cannot be anyone's
		s.lockout.failed(key)
		return wrongSignIn()
	}
	stored := s.hash.dummy
	if known {
		stored = user.Password
	}
	return s.hash.run(ctx, func() error {
		if err := s.lockout.check(key); err != nil {
			return err
		}
		match, err := s.hash.matches(stored, password)
		if err != nil {
			return fmt.Errorf("user %s: %w", user.ID, err)
		}
		if !match || !known || user.Disabled {
			s.lockout.failed(key)
			return wrongSignIn()
		}
		s.lockout.clear(key)
		return nil
	})
}
