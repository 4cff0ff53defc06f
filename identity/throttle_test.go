package identity

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// I11: wrong passwords, codes, tokens and keys count together by address; the owner comes in again.
func TestI11GuessingFromOneAddress(t *testing.T) {
	a, accountID := newAPI(t)
	limited := 0
	for i := range 1000 {
		got := a.call("POST", "auth/login-user", fmt.Sprintf(`{"emailAddress":"u%d@example.com","password":"guess"}`, i))
		if got.Status == 429 {
			limited++
		} else if got.Status != 401 {
			t.Fatalf("status %d: %s", got.Status, got.Text)
		}
	}
	if limited != 1000-addressBurst {
		t.Errorf("%d of 1000 tries were limited, want all but %d", limited, addressBurst)
	}
	for _, way := range []struct{ method, path, body, header string }{
		{"POST", "auth/login-application", `{"appId":"x","appToken":"y"}`, "X: y"},
		{"GET", "users/by-email/a@b/user-id", "", "AccessToken: xia_wrong"},
		{"POST", "users/" + newID() + "/change-password-with-token", `{"newPassword":"long Enough 1 is","passwordResetToken":"xir_x"}`, "X: y"},
		{"POST", "invitations/accept", `{"token":"x","password":"y"}`, "X: y"},
		{"POST", "auth/forgot-password", `{"emailAddress":"ann@example.com"}`, "X: y"},
	} {
		if got := a.want(429, way.method, way.path, way.body, way.header); got.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	right := fmt.Sprintf(`{"emailAddress":%q,"password":%q,"accountId":%q}`, annMail, annPassword, accountID)
	a.want(200, "POST", "auth/login-user", right, "From: 198.51.100.77") // from elsewhere the owner is free to come in
	a.clock.advance(addressEvery + time.Second)
	a.want(200, "POST", "auth/login-user", right)
	for range maxFailures { // an attacker with many addresses locks the name
		a.call("POST", "auth/login-user", fmt.Sprintf(`{"emailAddress":%q,"password":"guess","accountId":%q}`, annMail, accountID), "From: 198.51.100."+fmt.Sprint(time.Now().Nanosecond()%250))
	}
	a.want(429, "POST", "auth/login-user", right, "From: 198.51.100.77")
	u, _, _ := a.findUser(accountID, foldEmail(annMail))
	token, _ := a.newReset(u, resetLife, true)
	a.want(200, "POST", "users/"+u.ID+"/change-password-with-token", fmt.Sprintf(`{"passwordResetToken":%q,"newPassword":"a wholly Odd 1 here"}`, token), "From: 198.51.100.77")
	a.want(200, "POST", "auth/login-user", strings.Replace(right, annPassword, "a wholly Odd 1 here", 1), "From: 198.51.100.77")
}
