package identity

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// ended collects what OnEnd tells.
type ended struct {
	mu  sync.Mutex
	ids []string
}

func (e *ended) add(_, _, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids = append(e.ids, id)
}

// wait returns when want has been told, or fails after a minute.
func (e *ended) wait(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		e.mu.Lock()
		told := slices.Contains(e.ids, want)
		e.mu.Unlock()
		if told {
			return
		}
	}
	t.Errorf("the end of %q was not told; told were %q", want, e.ids)
}

func TestSessionListAndRevocation(t *testing.T) {
	a, accountID := newAPI(t)
	var told ended
	a.OnEnd(told.add)
	bob := a.user(accountID, "bob@example.com", auth.EndUser)
	first := a.want(200, "POST", "auth/login-user", fmt.Sprintf(`{"emailAddress":"bob@example.com","password":%q}`, bobPassword), "User-Agent: Phone 1", "From: 198.51.100.20").str("jwt")
	a.clock.advance(time.Second)
	second, ann := a.signIn("bob@example.com", bobPassword), a.signInAnn()
	list := a.want(200, "GET", "sessions", "", bearer(second))
	for _, piece := range []string{`"count":2`, `"userAgent":"Phone 1"`, `"remote":"198.51.100.20"`, `"method":"password"`, `"current":true`} {
		if !strings.Contains(list.Text, piece) {
			t.Errorf("list lacks %s: %s", piece, list.Text)
		}
	}
	for _, secret := range []string{"renewal", "ash"} {
		if strings.Contains(list.Text, secret) {
			t.Errorf("list has %s: %s", secret, list.Text)
		}
	}
	p, _ := a.VerifyFresh(t.Context(), first)
	a.want(404, "DELETE", "sessions/"+newID(), "", bearer(second))
	a.want(404, "DELETE", "sessions/"+p.SessionID, "", bearer(ann)) // not hers
	a.want(200, "DELETE", "sessions/"+p.SessionID, "", bearer(second))
	told.wait(t, p.SessionID)
	if a.accepts(first) || !a.accepts(second) {
		t.Error("the wrong session ended")
	}
	a.want(403, "GET", "sessions?userId="+bob.ID, "", bearer(a.signInEnd(accountID)))
	q, _ := a.VerifyFresh(t.Context(), second)
	if got := a.want(200, "DELETE", "sessions?userId="+bob.ID, "", bearer(ann)); got.Body["ended"] != 1.0 {
		t.Errorf("ended %s", got.Text)
	}
	told.wait(t, q.SessionID)
	if a.accepts(second) || !a.accepts(ann) {
		t.Error("the wrong sessions ended")
	}
}

// signInEnd signs an end user of the account in.
func (a *api) signInEnd(accountID string) string {
	mail := newID()[:8] + "@example.com"
	a.user(accountID, mail, auth.EndUser)
	return a.signIn(mail, bobPassword)
}

// I07: every way out ends everything at once.
func TestI07EndsEverything(t *testing.T) {
	for _, way := range []string{"log-out", "change password", "reset password", "disable", "delete", "role"} {
		t.Run(way, func(t *testing.T) {
			a, accountID := newAPI(t)
			var told ended
			a.OnEnd(told.add)
			bob := a.user(accountID, "bob@example.com", auth.AccountUser)
			used, other := a.signIn("bob@example.com", bobPassword), a.signIn("bob@example.com", bobPassword)
			key := a.want(200, "POST", "api-keys", `{"name":"k","scopes":["write","messaging"]}`, bearer(used)).str("apiKey.key")
			if _, err := a.VerifyFresh(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			p, _ := a.VerifyFresh(t.Context(), other)
			gone, stays, keyGone, tells := []string{other}, []string{}, true, p.SessionID
			switch way {
			case "log-out":
				a.want(200, "POST", "auth/logout", "", bearer(other))
				stays, keyGone = []string{used}, false
			case "change password":
				a.want(200, "POST", "profile/change-password", fmt.Sprintf(`{"userId":%q,"oldPassword":%q,"newPassword":"a wholly Odd 1 here"}`, bob.ID, bobPassword), bearer(used))
				stays, keyGone = []string{used}, false
			case "reset password":
				token, _ := a.newReset(bob, resetLife, true)
				a.want(200, "POST", "users/"+bob.ID+"/change-password-with-token", fmt.Sprintf(`{"passwordResetToken":%q,"newPassword":"a wholly Odd 1 here"}`, token))
				gone, keyGone = append(gone, used), false
			case "disable":
				a.want(200, "PUT", "users/"+bob.ID, `{"disabled":true}`, bearer(a.signInAnn()))
				gone, tells = append(gone, used), ""
			case "delete":
				a.want(200, "DELETE", "users/"+bob.ID, "", bearer(a.signInAnn()))
				gone, tells = append(gone, used), ""
			case "role":
				a.users.forget()
				for _, token := range []string{used, other, key} {
					if _, err := a.VerifyFresh(t.Context(), token); fault.KindOf(err) != fault.Forbidden {
						t.Errorf("without a place in the account: %v", err)
					}
				}
				return
			}
			told.wait(t, tells)
			for _, token := range gone {
				if a.accepts(token) {
					t.Error("a session lives on")
				}
			}
			for _, token := range stays {
				if !a.accepts(token) {
					t.Error("the own session ended, too")
				}
			}
			if _, err := a.VerifyFresh(t.Context(), key); (err != nil) != keyGone {
				t.Errorf("API key: %v", err)
			}
		})
	}
}

// I09: a sign-in makes a new session and ends the one whose cookie the browser brought.
func TestI09SessionFixation(t *testing.T) {
	a, _ := newAPI(t)
	planted := a.signInAnn()
	body := fmt.Sprintf(`{"emailAddress":%q,"password":%q}`, annMail, annPassword)
	got := a.want(200, "POST", "auth/login-user", body, "Cookie: xively-access-token="+planted)
	if a.accepts(planted) || !a.accepts(got.str("jwt")) {
		t.Error("the planted session lives on")
	}
	fresh := got.str("jwt")
	a.want(200, "POST", "auth/login-user", body, bearer(fresh)) // a script's token is no cookie
	a.want(200, "POST", "auth/login-user", body, "Cookie: xively-access-token="+fresh, "Sec-Fetch-Site: cross-site")
	if !a.accepts(fresh) {
		t.Error("another site's page ended a session")
	}
}

// I10: idle and absolute limits.
func TestI10SessionLifetimes(t *testing.T) {
	a, _ := newAPI(t)
	a.cfg.SessionIdle = time.Hour
	accepts := func(jwt string) bool { // renewing it if need be
		_, _, err := a.Verify(t.Context(), jwt)
		return err == nil
	}
	idle, busy := a.signInAnn(), a.signInAnn()
	for range 3 {
		a.clock.advance(40 * time.Minute)
		if !accepts(busy) {
			t.Fatal("a session in use ended")
		}
		if err := a.writeTouched(); err != nil {
			t.Fatal(err)
		}
	}
	if accepts(idle) {
		t.Error("an idle session lives on")
	}
	var told ended
	a.OnEnd(told.add)
	c, _ := a.parse(idle)
	if err := a.sweep(); err != nil {
		t.Fatal(err)
	}
	told.wait(t, c.ID)
	for range 14 * 24 * 2 {
		a.clock.advance(30 * time.Minute)
		accepts(busy)
	}
	if accepts(busy) {
		t.Error("a session outlives its age")
	}
	if err := a.sweep(); err != nil {
		t.Fatal(err)
	}
	a.db.View(func(tx *storage.Tx) error {
		for key := range tx.Bucket(sessionsBucket).Scan(nil, nil) {
			t.Errorf("%s is left behind", key)
		}
		return nil
	})
}
