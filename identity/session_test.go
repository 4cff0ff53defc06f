package identity

import (
	"sync"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

func TestExpiredTokenOfLiveSessionIsRenewed(t *testing.T) {
	f := newFixture(t)
	f.account()
	jwt := f.signInAnn()
	f.clock.advance(20*time.Minute - time.Second)
	if _, renewed, err := f.Verify(t.Context(), jwt); err != nil || renewed != "" {
		t.Errorf("before its end: renewed %q, %v", renewed, err)
	}
	f.clock.advance(time.Second)
	_, err := f.VerifyFresh(t.Context(), jwt)
	f.wantKind(err, fault.Unauthenticated, "VerifyFresh at its end")
	p, renewed, err := f.Verify(t.Context(), jwt)
	if err != nil || renewed == "" || !p.Authenticated() {
		t.Fatalf("at its end: %v, renewed %q, %v", p, renewed, err)
	}
	if fresh, err := f.VerifyFresh(t.Context(), renewed); err != nil || fresh != p {
		t.Errorf("the renewed one: %v, %v; want %v", fresh, err, p)
	}
}

func TestSessionEndsWithItsAge(t *testing.T) {
	f := newFixture(t)
	f.account()
	jwt := f.signInAnn()
	f.clock.advance(f.cfg.SessionLife - 10*time.Minute)
	_, renewed, err := f.Verify(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.parse(renewed)
	if err != nil || c.Expires != f.clock.now().Add(10*time.Minute).UnixMilli() {
		t.Errorf("renewed ten minutes before the end of the session: expires %v, %v", time.UnixMilli(c.Expires), err)
	}
	f.clock.advance(10 * time.Minute)
	for _, token := range []string{jwt, renewed} {
		_, _, err := f.Verify(t.Context(), token)
		f.wantKind(err, fault.Unauthenticated, "after the session's end")
	}
}

func TestLogoutEndsEveryTokenOfTheSession(t *testing.T) {
	f := newFixture(t)
	f.account()
	jwt, other := f.signInAnn(), f.signInAnn()
	f.clock.advance(time.Second)
	again, err := f.renew(t.Context(), jwt)
	if err != nil || again == jwt {
		t.Fatalf("renewed %v, %v", again == jwt, err)
	}
	f.VerifyFresh(t.Context(), jwt) // so that it is cached
	if err := f.logout(jwt); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, token := range []string{jwt, again} {
			_, _, err := f.Verify(t.Context(), token)
			f.wantKind(err, fault.Unauthenticated, "verify")
			_, err = f.renew(t.Context(), token)
			f.wantKind(err, fault.Unauthenticated, "renew")
			f.wantKind(f.logout(token), fault.Unauthenticated, "log out twice")
		}
		if _, err := f.VerifyFresh(t.Context(), other); err != nil {
			t.Errorf("the other session: %v", err)
		}
		f.close()
		f.open()
	}
}

func TestDisabledUserIsOutAtOnce(t *testing.T) {
	f := newFixture(t)
	accountID, userID := f.account()
	first, second := f.signInAnn(), f.signInAnn()
	f.VerifyFresh(t.Context(), first)
	f.user(accountID, "second@example.com", auth.AccountUser)
	if err := f.DisableUser(accountID, userID, true); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{first, second} {
		_, _, err := f.Verify(t.Context(), token)
		f.wantKind(err, fault.Unauthenticated, "verify")
	}
	if err := f.DisableUser(accountID, userID, false); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.Verify(t.Context(), first)
	f.wantKind(err, fault.Unauthenticated, "old token of a user allowed again")
	f.signInAnn()
	f.wantKind(f.DisableUser(userID, accountID, true), fault.NotFound, "disable nobody")
}

// What was checked a moment ago may have changed before the session is stored.
func TestSessionIsForTheUserAsCheckedOnly(t *testing.T) {
	f := newFixture(t)
	accountID, userID := f.account()
	checked, _, err := f.findUser(accountID, foldEmail(annMail))
	if err != nil {
		t.Fatal(err)
	}
	changed := checked
	changed.Password = f.hash.dummy
	if err := f.db.Update(func(tx *storage.Tx) error { return putUser(tx, changed) }); err != nil {
		t.Fatal(err)
	}
	_, err = f.startSession(t.Context(), checked, origin{method: "password", life: time.Hour})
	f.wantKind(err, fault.Unauthenticated, "password changed meanwhile")
	f.user(accountID, "second@example.com", auth.AccountUser)
	if err := f.DisableUser(accountID, userID, true); err != nil {
		t.Fatal(err)
	}
	_, err = f.startSession(t.Context(), changed, origin{method: "password", life: time.Hour})
	f.wantKind(err, fault.Unauthenticated, "disabled meanwhile")
	checked.ID = newID()
	_, err = f.startSession(t.Context(), checked, origin{method: "password", life: time.Hour})
	f.wantKind(err, fault.Unauthenticated, "deleted meanwhile")
}

func TestUserUnknownToTheDirectory(t *testing.T) {
	f := newFixture(t)
	f.account()
	jwt := f.signInAnn()
	f.VerifyFresh(t.Context(), jwt)
	f.users.forget()
	_, _, err := f.Verify(t.Context(), jwt)
	f.wantKind(err, fault.Forbidden, "verify")
	_, err = f.VerifyFresh(t.Context(), jwt)
	f.wantKind(err, fault.Forbidden, "verify fresh")
}

func TestUserSessionsAreBounded(t *testing.T) {
	f := newFixture(t)
	accountID, userID := f.account()
	user, _, err := f.findUser(accountID, foldEmail(annMail))
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		f.db.View(func(tx *storage.Tx) error {
			for range userSessions(tx, userID) {
				n++
			}
			return nil
		})
		return n
	}
	first := f.signInAnn()
	f.clock.advance(time.Second)
	second := f.signInAnn()
	err = f.db.Update(func(tx *storage.Tx) error {
		for range maxUserSessions - 2 {
			s := Session{ID: newID(), UserID: user.ID, AccountID: accountID, Created: f.clock.now(), Expires: f.clock.now().Add(time.Hour), LastUsed: f.clock.now()}
			if err := putSession(tx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.signInAnn()
	if n := count(); n != maxUserSessions {
		t.Errorf("%d sessions are stored, want %d", n, maxUserSessions)
	}
	_, _, err = f.Verify(t.Context(), first)
	f.wantKind(err, fault.Unauthenticated, "the oldest")
	if _, _, err := f.Verify(t.Context(), second); err != nil {
		t.Errorf("the second: %v", err)
	}
	f.clock.advance(2 * time.Hour) // past the made-up ones
	f.signInAnn()
	if n := count(); n != 3 {
		t.Errorf("%d sessions are stored after most have run out, want 3", n)
	}
}

// A session that is ended between being read and being cached must not stay usable.
func TestCacheRefusesWhatEndedMeanwhile(t *testing.T) {
	c := newRecent[Session]()
	before := c.ends()
	c.drop("a")
	c.add("a", Session{ID: "a"}, before)
	if _, ok := c.get("a"); ok {
		t.Error("it is cached")
	}
	c.add("a", Session{ID: "a"}, c.ends())
	if _, ok := c.get("a"); !ok {
		t.Error("it is not cached")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newRecent[Session]()
	for range maxRecent + 100 {
		c.add(newID(), Session{}, 0)
	}
	if c.len() != maxRecent {
		t.Errorf("%d sessions are cached, want %d", c.len(), maxRecent)
	}
}

func TestVerifyDuringLogouts(t *testing.T) {
	f := newFixture(t)
	f.account()
	var all sync.WaitGroup
	for range 8 {
		jwt := f.signInAnn()
		for range 3 {
			all.Go(func() {
				for range 20 {
					f.VerifyFresh(t.Context(), jwt)
				}
			})
		}
		all.Go(func() {
			if err := f.logout(jwt); err != nil {
				t.Error(err)
			}
			if _, err := f.VerifyFresh(t.Context(), jwt); fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("after log-out: %v", err)
			}
		})
	}
	all.Wait()
}
