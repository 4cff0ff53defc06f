package identity

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"xively/internal/fault"
	"xively/internal/rest"
)

func TestSevenWrongPasswordsLock(t *testing.T) {
	f := newFixture(t)
	f.account()
	for _, mail := range []string{annMail, "nobody@example.com"} {
		for range maxFailures {
			_, err := f.SignIn(t.Context(), "", mail, "wrong password", "test")
			f.wantKind(err, fault.Unauthenticated, mail)
		}
		hashed := f.Stats().PasswordHashes
		f.clock.advance(10 * time.Minute)
		_, err := f.SignIn(t.Context(), "", mail, annPassword, "test")
		f.wantKind(err, fault.TooMany, mail+" when locked")
		var after rest.RetryAfter
		if !errors.As(err, &after) || time.Duration(after) != 20*time.Minute {
			t.Errorf("%s: retry after %v, want 20m", mail, time.Duration(after))
		}
		if f.Stats().PasswordHashes != hashed {
			t.Errorf("%s: a password was hashed while locked", mail)
		}
		f.clock.advance(-10 * time.Minute)
	}
	f.clock.advance(lockoutTime)
	f.signInAnn()
}

func TestSuccessForgetsFailures(t *testing.T) {
	f := newFixture(t)
	f.account()
	for range 3 {
		for range maxFailures - 1 {
			f.SignIn(t.Context(), "", annMail, "wrong password", "test")
		}
		f.signInAnn()
	}
	for range maxFailures - 1 {
		f.SignIn(t.Context(), "", annMail, "wrong password", "test")
	}
	f.clock.advance(lockoutTime)
	f.SignIn(t.Context(), "", annMail, "wrong password", "test")
	f.signInAnn()
}

// Guesses sent all at once get no more tries than those sent one by one, but for the ones being hashed at that moment.
func TestLockHoldsAgainstParallelGuesses(t *testing.T) {
	f := newFixture(t)
	f.account()
	before := f.Stats().PasswordHashes
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { f.SignIn(t.Context(), "", annMail, "wrong password", "test") })
	}
	all.Wait()
	if n := f.Stats().PasswordHashes - before; int(n) > maxFailures+hashesAtOnce-1 {
		t.Errorf("%d guesses were tried", n)
	}
}

// A name given with many accounts, or none, is one name: no way to get more tries.
func TestLockIsByResolvedAccount(t *testing.T) {
	f := newFixture(t)
	accountID, _ := f.account()
	for i := range maxFailures {
		f.SignIn(t.Context(), []string{"", accountID}[i%2], []string{annMail, "ANN@example.com"}[i%2], "wrong password", "test")
	}
	_, err := f.SignIn(t.Context(), accountID, annMail, annPassword, "test")
	f.wantKind(err, fault.TooMany, "sign in")
}

func TestOverlongPasswordIsNotHashed(t *testing.T) {
	f := newFixture(t)
	f.account()
	before := f.Stats().PasswordHashes
	_, err := f.SignIn(t.Context(), "", annMail, mixed(1_000_000), "test")
	f.wantKind(err, fault.Unauthenticated, "sign in")
	if f.Stats().PasswordHashes != before {
		t.Error("it was hashed")
	}
}

func TestLockoutIsBounded(t *testing.T) {
	c := clock{at: time.Unix(1e9, 0)}
	l := newLockout(c.now)
	for i := range maxLockouts + 1000 {
		c.advance(time.Millisecond)
		l.failed(lockKey("a", fmt.Sprint(i)))
	}
	if n := len(l.failures); n != maxLockouts {
		t.Errorf("%d names are remembered, want %d", n, maxLockouts)
	}
}
