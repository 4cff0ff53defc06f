package identity

import (
	"fmt"
	"strings"
	"testing"

	"xively/internal/auth"
)

func TestProfilesAndUsers(t *testing.T) {
	a, accountID := newAPI(t)
	ann := a.signInAnn()
	bob := a.user(accountID, "bob@example.com", auth.EndUser)
	strange, strangeUser, _, err := a.CreateAccount(t.Context(), "Other", "cat@example.com", annPassword)
	if err != nil {
		t.Fatal(err)
	}
	bobToken := a.signIn("bob@example.com", bobPassword)
	a.want(200, "POST", "profile/update", `{"firstName":"Bob","lastName":"Böse","phoneNumber":"+49 1","unknown":7}`, bearer(bobToken))
	got := a.want(200, "GET", "profile/"+bob.ID, "", bearer(ann))
	for name, want := range map[string]string{"userId": bob.ID, "emailAddress": "bob@example.com", "firstName": "Bob", "lastName": "Böse", "phoneNumber": "+49 1", "accountId": accountID} {
		if got.str(name) != want {
			t.Errorf("%s is %q, want %q", name, got.str(name), want)
		}
	}
	if strings.Contains(got.Text, "argon2id") || got.Body["message"] != nil {
		t.Errorf("profile %s", got.Text)
	}
	annUser, _, _ := a.findUser(accountID, foldEmail(annMail))
	a.want(403, "GET", "profile/"+annUser.ID, "", bearer(bobToken))
	a.want(404, "GET", "profile/"+strangeUser, "", bearer(ann))
	a.want(403, "POST", "profile/update", `{"userId":"`+annUser.ID+`","firstName":"x"}`, bearer(bobToken))
	a.want(400, "POST", "profile/update", `{"firstName":"a\u0000b"}`, bearer(bobToken))
	for _, path := range []string{"users/batch", "users/batch/"} {
		all := a.want(200, "POST", path, fmt.Sprintf(`{"userIds":[%q,%q,%q]}`, bob.ID, annUser.ID, strangeUser), bearer(ann))
		if n := len(all.Body["users"].([]any)); n != 2 {
			t.Errorf("%d profiles: %s", n, all.Text)
		}
	}
	if own := a.want(200, "POST", "users/batch", fmt.Sprintf(`{"ids":[%q,%q]}`, bob.ID, annUser.ID), bearer(bobToken)); len(own.Body["users"].([]any)) != 1 {
		t.Errorf("an end user sees %s", own.Text)
	}
	a.want(403, "GET", "users", "", bearer(bobToken))
	if list := a.want(200, "GET", "users?pageSize=1", "", bearer(ann)); !strings.Contains(list.Text, `"count":2`) {
		t.Errorf("list %s", list.Text)
	}
	a.want(409, "PUT", "users/"+annUser.ID, `{"disabled":true}`, bearer(ann))
	a.want(409, "DELETE", "users/"+annUser.ID, "", bearer(ann))
	a.want(404, "DELETE", "users/"+strangeUser, "", bearer(ann))
	a.want(200, "DELETE", "users/"+bob.ID, "", bearer(ann))
	a.want(404, "GET", "profile/"+bob.ID, "", bearer(ann))
	if _, known, _ := a.findUser(accountID, "bob@example.com"); known {
		t.Error("the address is still taken")
	}
	if accounts, err := a.Accounts(); err != nil || len(accounts) != 2 {
		t.Errorf("accounts %v, %v", accounts, err)
	}
	_ = strange
}
