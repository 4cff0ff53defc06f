package identity

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"xively/internal/auth"
	"xively/internal/fault"
)

func TestInvitations(t *testing.T) {
	a, accountID := newAPI(t)
	box := a.mailbox()
	ann := a.signInAnn()
	a.want(403, "POST", "invitations", `{"emailAddress":"new@example.com"}`, bearer(a.signInEnd(accountID)))
	a.want(409, "POST", "invitations", fmt.Sprintf(`{"emailAddress":%q}`, strings.ToUpper(annMail)), bearer(ann))
	made := a.want(200, "POST", "invitations", `{"emailAddress":"new@example.com"}`, bearer(ann))
	mails := a.mail(box, "new@example.com")
	if len(mails) != 1 || tokenOf(t, mails[0]) != tokenOf(t, made.str("invitation.link")) {
		t.Fatalf("mailed %q", mails)
	}
	token := tokenOf(t, mails[0])
	read := a.want(200, "POST", "invitations/read", `{"token":"`+token+`"}`)
	if read.str("invitation.accountName") != "Acme" {
		t.Errorf("read %s", read.Text)
	}
	accept := func(status int, token, more string) answer {
		t.Helper()
		return a.want(status, "POST", "invitations/accept", fmt.Sprintf(`{"token":%q,"firstName":"New","lastName":"Admin"%s}`, token, more))
	}
	accept(422, token, `,"password":"12345678"`)
	accept(400, token, `,"password":"a wholly Odd 1 here","jobRole":"King"`)
	a.users.fail = fault.New(fault.Unavailable, "no room")
	accept(503, token, `,"password":"a wholly Odd 1 here"`)
	a.users.fail = nil
	jwt := accept(200, token, `,"password":"a wholly Odd 1 here","jobRole":"Innovation"`).str("jwt")
	if p, _, err := a.Verify(t.Context(), jwt); err != nil || p.Kind != auth.AccountUser {
		t.Errorf("became %+v, %v", p, err)
	}
	accept(400, token, `,"password":"a wholly Odd 1 here"`)
	second := a.want(200, "POST", "invitations", `{"emailAddress":"late@example.com"}`, bearer(ann))
	third := a.want(200, "POST", "invitations", `{"emailAddress":"third@example.com"}`, bearer(ann))
	a.want(200, "DELETE", "invitations/"+third.str("invitation.id"), "", bearer(ann))
	accept(400, tokenOf(t, third.str("invitation.link")), `,"password":"a wholly Odd 1 here"`)
	a.clock.advance(invitationLife)
	accept(400, tokenOf(t, second.str("invitation.link")), `,"password":"a wholly Odd 1 here"`)
	if err := a.sweep(); err != nil {
		t.Fatal(err)
	}
	if open, _ := a.Invitations(accountID); len(open) != 0 {
		t.Errorf("open %v", open)
	}
}

// I24: of many at once one wins, and somebody always administers the account.
func TestI24Races(t *testing.T) {
	a, accountID := newAPI(t)
	ann := a.signInAnn()
	link := a.want(200, "POST", "invitations", `{"emailAddress":"new@example.com"}`, bearer(ann)).str("invitation.link")
	u, _, _ := a.findUser(accountID, foldEmail(annMail))
	reset, _ := a.newReset(u, resetLife, false)
	parallel := func(name string, n int, do func(i int) int) map[int]int {
		t.Helper()
		var mu sync.Mutex
		status := map[int]int{}
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				code := do(i)
				mu.Lock()
				defer mu.Unlock()
				status[code]++
			})
		}
		all.Wait()
		if status[200] != 1 || status[500] != 0 {
			t.Errorf("%s: %v, want one 200", name, status)
		}
		return status
	}
	from := func(i int) string { return fmt.Sprintf("From: 198.51.100.%d", i) }
	parallel("accept", 15, func(i int) int {
		return a.call("POST", "invitations/accept", fmt.Sprintf(`{"token":%q,"password":"a wholly Odd 1 here"}`, tokenOf(t, link)), from(i)).Status
	})
	parallel("reset", 15, func(i int) int {
		return a.call("POST", "users/"+u.ID+"/change-password-with-token", fmt.Sprintf(`{"passwordResetToken":%q,"newPassword":"a wholly Odd %d here"}`, reset, i), from(i)).Status
	})
	_, token := a.application(a.signInNew(accountID), `{"name":"app","type":"endUser"}`)
	parallel("claim an address", 15, func(i int) int {
		return a.call("POST", "auth/create-user", fmt.Sprintf(`{"emailAddress":"one@example.com","password":"a wholly Odd %d here"}`, i), "AccessToken: "+token, from(i)).Status
	})
	admins, _ := a.users.AdminUserIDs(nil, accountID)
	var all sync.WaitGroup
	for _, id := range admins {
		all.Go(func() { a.DisableUser(accountID, id, true) })
		all.Go(func() { a.DeleteUser(accountID, id) })
	}
	all.Wait()
	left := 0
	for _, id := range admins {
		if a.Active(accountID, id) == nil {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d of %d admins are left, want 1", left, len(admins))
	}
}

// signInNew makes another admin and signs in.
func (a *api) signInNew(accountID string) string {
	mail := newID()[:8] + "@example.com"
	a.user(accountID, mail, auth.AccountUser)
	return a.signIn(mail, bobPassword)
}
