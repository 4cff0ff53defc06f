package identity

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// I12 beyond signing in: asking for a mail answers the same for everybody, before any work is done.
func TestI12ForgotPasswordTellsNothing(t *testing.T) {
	a, accountID := newAPI(t)
	box := a.mailbox()
	known := a.want(200, "POST", "auth/forgot-password", fmt.Sprintf(`{"emailAddress":%q}`, annMail))
	unknown := a.want(200, "POST", "auth/forgot-password", `{"emailAddress":"nobody@example.com"}`)
	if known.Text != unknown.Text {
		t.Errorf("%s and %s", known.Text, unknown.Text)
	}
	if got := len(a.mail(box, annMail)); got != 1 {
		t.Errorf("%d mails", got)
	}
	if got := a.mail(box, "nobody@example.com"); got != nil {
		t.Errorf("mailed %q", got)
	}
	app, token := a.application(a.signInAnn(), `{"name":"app","type":"endUser"}`)
	_ = app
	u, _, _ := a.findUser(accountID, foldEmail(annMail))
	known = a.want(200, "GET", "users/"+u.ID+"/password-reset-token", "", "AccessToken: "+token)
	unknown = a.want(200, "GET", "users/"+newID()+"/password-reset-token", "", "AccessToken: "+token)
	if known.Text != unknown.Text {
		t.Errorf("%s and %s", known.Text, unknown.Text)
	}
	for range 10 { // nobody can be buried in mails
		a.want(200, "POST", "auth/forgot-password", fmt.Sprintf(`{"emailAddress":%q}`, annMail), "From: 198.51.100.3")
	}
	if got := len(a.mail(box, annMail)); got > mailBurst {
		t.Errorf("%d mails", got)
	}
}

// I13: the link is from the configured address, works once, for half an hour, and only while nothing has changed.
func TestI13ResetLink(t *testing.T) {
	a, accountID := newAPI(t)
	box := a.mailbox()
	u, _, _ := a.findUser(accountID, foldEmail(annMail))
	other := a.user(accountID, "bob@example.com", auth.EndUser)
	ask := func() string {
		t.Helper()
		before := len(a.mail(box, annMail))
		a.want(200, "POST", "auth/forgot-password", fmt.Sprintf(`{"emailAddress":%q,"accountId":%q}`, annMail, accountID), "X-Forwarded-Host: evil.example", "Host: evil.example")
		mails := a.mail(box, annMail)
		if len(mails) != before+1 {
			t.Fatalf("%d mails, want %d", len(mails), before+1)
		}
		mail := mails[before]
		if !strings.Contains(mail, "http://localhost:8080/reset-password#") || strings.Contains(mail, "evil") {
			t.Errorf("mail %q", mail)
		}
		a.clock.advance(20 * time.Minute)
		return tokenOf(t, mail)
	}
	try := func(status int, userID, token, password string) answer {
		t.Helper()
		return a.want(status, "POST", "users/"+userID+"/change-password-with-token", fmt.Sprintf(`{"passwordResetToken":%q,"newPassword":%q}`, token, password))
	}
	late := ask()
	a.clock.advance(10 * time.Minute)
	bad := try(400, u.ID, late, "a wholly Odd 1 here")
	good := ask()
	try(422, u.ID, good, "12345678")
	refused := []answer{try(400, other.ID, good, "a wholly Odd 1 here"), try(400, u.ID, good[:len(good)-2]+"AA", "a wholly Odd 1 here"),
		try(400, u.ID, "xir_short", "a wholly Odd 1 here"), try(400, newID(), good, "a wholly Odd 1 here")}
	second := ask() // the first stays good beside it
	a.clock.advance(-20 * time.Minute)
	try(200, u.ID, good, "a wholly Odd 1 here")
	refused = append(refused, try(400, u.ID, good, "a wholly Odd 2 here"), try(400, u.ID, second, "a wholly Odd 2 here"))
	for _, one := range refused {
		if one.str("message") != bad.str("message") {
			t.Errorf("%s and %s", one.Text, bad.Text)
		}
	}
	a.outbox.wait(t.Context())
	if strings.Contains(a.logs.String(), good) {
		t.Error("the token is in the log")
	}
	if v, err := a.User(accountID, u.ID); err != nil || !v.EmailVerified {
		t.Errorf("the address is not verified: %+v, %v", v, err)
	}
	a.signIn(annMail, "a wholly Odd 1 here")
	if mails := a.mail(box, annMail); !strings.Contains(mails[len(mails)-1], "was changed") {
		t.Errorf("no notice: %q", mails)
	}
}

func TestOperatorReset(t *testing.T) {
	a, accountID := newAPI(t)
	jwt := a.signInAnn()
	link, err := a.ResetLink("", annMail)
	if err != nil || !strings.HasPrefix(link, "http://localhost:8080/reset-password#") {
		t.Fatalf("link %q, %v", link, err)
	}
	a.wantKind(a.ResetUser(t.Context(), accountID, "nobody@example.com", "a wholly Odd 1 here"), fault.NotFound, "reset nobody")
	if err := a.ResetUser(t.Context(), accountID, annMail, "a wholly Odd 1 here"); err != nil {
		t.Fatal(err)
	}
	if a.accepts(jwt) {
		t.Error("the session lives on")
	}
	u, _, _ := a.findUser(accountID, foldEmail(annMail))
	a.want(400, "POST", "users/"+u.ID+"/change-password-with-token", fmt.Sprintf(`{"passwordResetToken":%q,"newPassword":"a wholly Odd 2 here"}`, tokenOf(t, link)))
}

func TestCreateUserInATransaction(t *testing.T) {
	a, accountID := newAPI(t)
	box := a.mailbox()
	create := func(mail string) (id string, err error) {
		err = a.db.Update(func(tx *storage.Tx) error {
			id, err = a.CreateUser(tx, accountID, mail, map[string]string{"firstName": "End"})
			return err
		})
		return id, err
	}
	id, err := create("end@example.com")
	if err != nil {
		t.Fatal(err)
	}
	_, err = create("END@example.com")
	a.wantKind(err, fault.Conflict, "the address again")
	mails := a.mail(box, "end@example.com")
	if len(mails) != 1 {
		t.Fatalf("mailed %q", mails)
	}
	if _, err := a.SignIn(t.Context(), accountID, "end@example.com", "", "x"); err == nil {
		t.Error("signed in without a password")
	}
	a.want(200, "POST", "users/"+id+"/change-password-with-token", fmt.Sprintf(`{"passwordResetToken":%q,"newPassword":"a wholly Odd 1 here"}`, tokenOf(t, mails[0])))
	a.signIn("end@example.com", "a wholly Odd 1 here")
}
