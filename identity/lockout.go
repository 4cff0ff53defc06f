package identity

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/fault"
	"xively/internal/rest"
)

const (
	maxFailures  = 7
	lockoutTime  = 30 * time.Minute
	maxLockouts  = 1 << 16 // names remembered; about 4 MiB
	evictSamples = 8
)

// lockoutKey stands for an account and e-mail address, which may not exist. A hash, so that a long name costs no more
// than a short one and none is kept in clear.
type lockoutKey [16]byte

func lockKey(accountID, email string) lockoutKey {
	sum := sha256.Sum256([]byte(accountID + "\x00" + email))
	return lockoutKey(sum[:16])
}

// lockout counts wrong passwords per name and locks a name for lockoutTime after maxFailures. A success, or lockoutTime
// without a failure, forgets them. When maxLockouts names are remembered, the one least recently failed of a few is
// dropped for a new one; at the rate hashing allows, filling it takes longer than the attack it would help is worth.
type lockout struct {
	now     func() time.Time
	refused atomic.Int64

	mu       sync.Mutex
	failures map[lockoutKey]failures
}

type failures struct {
	count int
	last  time.Time
}

func newLockout(now func() time.Time) *lockout {
	return &lockout{now: now, failures: map[lockoutKey]failures{}}
}

// check returns fault TooMany with rest.RetryAfter while the name is locked.
func (l *lockout) check(k lockoutKey) error {
	l.mu.Lock()
	f := l.failures[k]
	l.mu.Unlock()
	left := lockoutTime - l.now().Sub(f.last)
	if f.count < maxFailures || left <= 0 {
		return nil
	}
	l.refused.Add(1)
	return fault.Wrap(fault.TooMany, rest.RetryAfter(left),
		"There were too many wrong passwords for this e-mail address. Wait 30 minutes and try again.")
}

func (l *lockout) failed(k lockoutKey) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	f, known := l.failures[k]
	if !known && len(l.failures) >= maxLockouts {
		l.evictLocked()
	}
	if now.Sub(f.last) >= lockoutTime {
		f.count = 0
	}
	l.failures[k] = failures{count: f.count + 1, last: now}
}

func (l *lockout) clear(k lockoutKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failures, k)
}

func (l *lockout) evictLocked() {
	var oldest lockoutKey
	var last time.Time
	seen := 0
	for k, f := range l.failures { // starts at a random place
		if seen == 0 || f.last.Before(last) {
			oldest, last = k, f.last
		}
		if seen++; seen == evictSamples {
			break
		}
	}
	delete(l.failures, oldest)
}
