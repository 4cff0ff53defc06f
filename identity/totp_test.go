package identity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// RFC 6238 appendix B, SHA-1, cut to six digits.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := totp(secret, at/totpStep); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

func TestSecondFactor(t *testing.T) {
	a, accountID := newAPI(t)
	ann := a.signInAnn()
	begun := a.want(200, "POST", "second-factor", "", bearer(ann))
	secret, err := base32Plain.DecodeString(begun.str("secondFactor.secret"))
	if err != nil || len(secret) != totpSecretLen || !strings.HasPrefix(begun.str("secondFactor.uri"), "otpauth://totp/Xively%20Acme:Ann@example.com?") {
		t.Fatalf("begun %s, %v", begun.Text, err)
	}
	code := func() string { return totp(secret, a.clock.now().Unix()/totpStep) }
	login := func(status int, code string) answer {
		t.Helper()
		body, _ := json.Marshal(map[string]string{"emailAddress": annMail, "password": annPassword, "oneTimeCode": code})
		return a.want(status, "POST", "auth/login-user", string(body))
	}
	login(200, "") // not yet
	a.want(400, "POST", "second-factor/confirm", `{"oneTimeCode":"000000"}`, bearer(ann))
	done := a.want(200, "POST", "second-factor/confirm", `{"oneTimeCode":"`+code()+`"}`, bearer(ann))
	var codes []string
	for _, c := range done.Body["secondFactor"].(map[string]any)["recoveryCodes"].([]any) {
		codes = append(codes, c.(string))
	}
	if len(codes) != recoveryCodes || len(slices.Compact(slices.Sorted(slices.Values(codes)))) != recoveryCodes {
		t.Fatalf("recovery codes %q", codes)
	}
	if got := login(401, ""); !strings.Contains(got.Text, `"field":"oneTimeCode"`) {
		t.Errorf("without a code: %s", got.Text)
	}
	login(401, code()) // the step was spent on confirming
	a.clock.advance(totpStep * time.Second)
	used := code()
	login(200, used)
	login(401, used)
	a.clock.advance(3 * totpStep * time.Second)
	login(401, used)
	login(200, strings.ToUpper(codes[3]))
	login(401, codes[3])
	if got := a.want(200, "GET", "second-factor", "", bearer(ann)); !strings.Contains(got.Text, `"enabled":true,"recoveryCodesLeft":9`) {
		t.Errorf("state %s", got.Text)
	}
	for range maxFailures {
		a.call("POST", "auth/login-user", fmt.Sprintf(`{"emailAddress":%q,"password":%q,"oneTimeCode":"000000"}`, annMail, annPassword))
	}
	login(429, code()) // guessing codes locks as guessing passwords does
	a.clock.advance(lockoutTime)
	if _, err := a.SignIn(t.Context(), "", annMail, annPassword, "x"); err == nil {
		t.Error("signed in without the code")
	}
	a.want(403, "DELETE", "second-factor", "", bearer(ann))
	a.want(200, "POST", "auth/confirm", fmt.Sprintf(`{"password":%q,"oneTimeCode":%q}`, annPassword, code()), bearer(ann))
	a.want(200, "POST", "second-factor/recovery-codes", "", bearer(ann))
	login(401, codes[4])
	u, _, _ := a.findUser(accountID, foldEmail(annMail))
	sealed, _ := json.Marshal(u)
	if strings.Contains(string(sealed), begun.str("secondFactor.secret")) || strings.Contains(string(sealed), string(secret)) {
		t.Error("the secret is stored in clear")
	}
	if err := a.ResetUser(t.Context(), accountID, annMail, "a wholly Odd 1 here"); err != nil { // the operator helps
		t.Fatal(err)
	}
	a.signIn(annMail, "a wholly Odd 1 here")
}

// I23: what guards the sign-in wants a fresh proof, tells the owner, and leaves a trace.
func TestI23SensitiveChanges(t *testing.T) {
	a, accountID := newAPI(t)
	box := a.mailbox()
	var mu sync.Mutex
	var events []string
	a.OnAudit(func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.AccountID != accountID || e.At.IsZero() {
			t.Errorf("event %+v", e)
		}
		events = append(events, e.Action)
	})
	ann := a.signInAnn()
	p, _ := a.VerifyFresh(t.Context(), ann)
	a.clock.advance(confirmedFor + time.Second)
	calls := []struct{ method, path, body, action string }{
		{"POST", "profile/update-email-address", `{"userId":"` + p.UserID + `","newEmailAddress":"ann2@example.com"}`, "emailAddress.changed"},
		{"POST", "api-keys", `{"name":"k"}`, "apiKey.created"},
		{"POST", "applications", `{"name":"app","type":"backEnd"}`, "application.created"},
		{"POST", "invitations", `{"emailAddress":"x@example.com"}`, "invitation.created"},
		{"POST", "second-factor", ``, ""},
		{"DELETE", "second-factor", ``, "secondFactor.removed"},
	}
	for _, call := range calls {
		if got := a.want(403, call.method, call.path, call.body, bearer(ann)); !strings.Contains(got.Text, "auth/confirm") {
			t.Errorf("answer %s", got.Text)
		}
	}
	a.want(401, "POST", "auth/confirm", `{"password":"wrong"}`, bearer(ann))
	a.want(200, "POST", "auth/confirm", fmt.Sprintf(`{"password":%q}`, annPassword), bearer(ann))
	for _, call := range calls {
		a.want(200, call.method, call.path, call.body, bearer(ann))
		if mu.Lock(); call.action != "" && !slices.Contains(events, call.action) {
			t.Errorf("%s left no trace in %q", call.action, events)
		}
		mu.Unlock()
	}
	if mails := a.mail(box, annMail); len(mails) != 1 || !strings.Contains(mails[0], "ann2@example.com") {
		t.Errorf("the old address was told %q", mails)
	}
	if mails := a.mail(box, "ann2@example.com"); len(mails) != 1 || !strings.Contains(mails[0], "second factor") {
		t.Errorf("the owner was told %q", mails)
	}
	a.want(401, "POST", "profile/change-password", `{"oldPassword":"wrong","newPassword":"a wholly Odd 1 here"}`, bearer(ann))
	a.signIn("ann2@example.com", annPassword)
}

func TestRehashOnParameterChange(t *testing.T) {
	a, accountID := newAPI(t)
	before, _, _ := a.findUser(accountID, foldEmail(annMail))
	a.signInAnn()
	if same, _, _ := a.findUser(accountID, foldEmail(annMail)); same.Password != before.Password {
		t.Error("hashed anew for no reason")
	}
	a.hash.params.passes = 2
	a.signInAnn()
	after, _, _ := a.findUser(accountID, foldEmail(annMail))
	if p, _, _, err := decodeHash(after.Password); err != nil || p.passes != 2 {
		t.Errorf("parameters %+v, %v", p, err)
	}
	a.signInAnn()
}
