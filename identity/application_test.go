package identity

import (
	"fmt"
	"strings"
	"testing"

	"xively/internal/auth"
)

func TestApplications(t *testing.T) {
	a, accountID := newAPI(t)
	box := a.mailbox()
	ann := a.signInAnn()
	group := newID()
	backID, back := a.application(ann, `{"name":"back","type":"backEnd"}`)
	_, front := a.application(ann, `{"name":"front","type":"endUser","organizationId":"`+group+`"}`)
	a.want(400, "POST", "applications", `{"name":"x","type":"other"}`, bearer(ann))
	a.want(403, "GET", "applications", "", bearer(a.signInEnd(accountID)))

	app := a.want(200, "POST", "auth/login-application", fmt.Sprintf(`{"appId":%q,"appToken":%q,"accountId":%q}`, backID, back, accountID))
	p, err := a.VerifyFresh(t.Context(), app.str("jwt"))
	if err != nil || p.Kind != auth.Application || p.ID != backID || p.AccountID != accountID {
		t.Errorf("application is %+v, %v", p, err)
	}
	c, _ := a.parse(app.str("jwt"))
	if c.AccountID != accountID || c.UserID != backID {
		t.Errorf("payload %+v", c)
	}
	a.want(401, "POST", "auth/login-application", fmt.Sprintf(`{"appId":%q,"appToken":%q,"accountId":%q}`, newID(), back, accountID))
	a.want(403, "GET", "sessions", "", bearer(app.str("jwt")))
	a.want(200, "GET", "auth/validate-jwt?jwt="+ann, "", "AccessToken: "+back)
	a.want(401, "GET", "auth/validate-jwt?jwt="+ann, "", "AccessToken: "+back+"x")

	made := a.want(200, "POST", "auth/create-user", "emailAddress=new%40example.com&password=a+wholly+Odd+1+here&applicationId=x&accountId="+accountID,
		"AccessToken: "+front, "Content-Type: application/x-www-form-urlencoded")
	if made.str("emailAddress") != "new@example.com" || made.str("userId") == "" || made.str("endUserId") == "" || a.users.placed[0] != group {
		t.Errorf("made %s in %v", made.Text, a.users.placed)
	}
	again := a.want(409, "POST", "auth/create-user", `{"emailAddress":"NEW@example.com","password":"a wholly Odd 1 here"}`, "AccessToken: "+front)
	if again.Body["emailAddress"] != nil || again.Body["error"] == nil {
		t.Errorf("duplicate %s", again.Text)
	}
	a.want(400, "POST", "auth/create-user", `{"emailAddress":"two@example.com"}`, "AccessToken: "+front)
	a.want(200, "POST", "auth/create-user", `{"emailAddress":"two@example.com","firstName":"Two"}`, "AccessToken: "+back)
	if mails := a.mail(box, "two@example.com"); len(mails) != 1 || !strings.Contains(mails[0], "Acme") {
		t.Errorf("mailed %q", mails)
	}
	a.want(401, "POST", "auth/create-user", `{"emailAddress":"three@example.com","password":"a wholly Odd 1 here"}`)
	end := a.signIn("new@example.com", "a wholly Odd 1 here")
	if p, _, err := a.Verify(t.Context(), end); err != nil || p.Kind != auth.EndUser {
		t.Errorf("signed up as %+v, %v", p, err)
	}
	a.want(403, "POST", "auth/create-user", `{"emailAddress":"three@example.com","password":"a wholly Odd 1 here"}`, bearer(end))

	id := a.want(200, "GET", "users/by-email/new%40example.com/user-id?accountId="+accountID, "", "AccessToken: "+front)
	if id.str("userId") != made.str("userId") {
		t.Errorf("by e-mail %s", id.Text)
	}
	a.want(404, "GET", "users/by-email/zz@example.com/user-id", "", "AccessToken: "+front)
	a.want(401, "GET", "users/by-email/new@example.com/user-id", "")
	reset := a.want(200, "GET", "users/"+id.str("userId")+"/password-reset-token", "", "AccessToken: "+back).str("passwordResetToken")
	a.want(200, "POST", "users/"+id.str("userId")+"/change-password-with-token", fmt.Sprintf(`{"passwordResetToken":%q,"newPassword":"a wholly Odd 2 here"}`, reset))
	if got := a.want(200, "GET", "users/"+id.str("userId")+"/password-reset-token", "", "AccessToken: "+front); got.Body["passwordResetToken"] != nil {
		t.Error("an application in everybody's hands gets a reset token")
	}

	fresh := a.want(200, "POST", "applications/"+backID+"/token", "", bearer(ann)).str("application.appToken")
	a.want(401, "GET", "users/by-email/new@example.com/user-id", "", "AccessToken: "+back)
	a.want(200, "GET", "users/by-email/new@example.com/user-id", "", "AccessToken: "+fresh)
	if a.accepts(app.str("jwt")) {
		t.Error("a session by the old token lives on")
	}
	a.want(412, "PUT", "applications/"+backID, `{"name":"x"}`, bearer(ann), "ETag: 1")
	a.want(200, "PUT", "applications/"+backID, `{"name":"x"}`, bearer(ann), `ETag: "2"`)
	a.want(200, "DELETE", "applications/"+backID, "", bearer(ann))
	a.want(401, "GET", "users/by-email/new@example.com/user-id", "", "AccessToken: "+fresh)
	a.want(404, "GET", "applications/"+backID, "", bearer(ann))
}
