package identity

import (
	"strings"
	"testing"

	"xively/storage"
)

// I16: secrets are shown at creation and never again. I22: no two are alike.
func TestI16ShownOnce(t *testing.T) {
	a, accountID := newAPI(t)
	ann := a.signInAnn()
	appID, appToken := a.application(ann, `{"name":"back","type":"backEnd"}`)
	key := a.want(200, "POST", "api-keys", `{"name":"k"}`, bearer(ann)).str("apiKey.key")
	link := a.want(200, "POST", "invitations", `{"emailAddress":"new@example.com"}`, bearer(ann)).str("invitation.link")
	secrets := []string{appToken, key, tokenOf(t, link)}
	for _, secret := range secrets {
		if len(secret) != 4+86 {
			t.Errorf("secret %q", secret)
		}
	}
	var seen strings.Builder
	for _, path := range []string{"applications", "applications/" + appID, "api-keys", "invitations", "users", "sessions", "identity-providers"} {
		seen.WriteString(a.want(200, "GET", path, "", bearer(ann)).Text)
	}
	a.mailbox()
	seen.WriteString(a.want(200, "PUT", "applications/"+appID, `{"name":"back2"}`, bearer(ann)).Text)
	seen.WriteString(a.logs.String())
	for _, secret := range append(secrets, annPassword) {
		if strings.Contains(seen.String(), secret) {
			t.Errorf("%s is shown again", secret)
		}
	}
	a.db.View(func(tx *storage.Tx) error {
		for _, bucket := range []string{appsBucket, apiKeysBucket, invitationsBucket, usersBucket, resetsBucket, codesBucket} {
			for key, value := range tx.Bucket(bucket).Scan(nil, nil) {
				for _, secret := range secrets {
					if strings.Contains(string(key)+string(value), secret) {
						t.Errorf("%s holds %s", bucket, secret)
					}
				}
			}
		}
		return nil
	})
	_ = accountID
}

func TestI22Randomness(t *testing.T) {
	seen := map[string]bool{}
	id, owner := newID(), newID()
	for range 10_000 {
		text, hash := newCredential(apiKeyPrefix, id, owner)
		if gotID, gotOwner, ok := readCredential(apiKeyPrefix, text); !ok || gotID != id || gotOwner != owner || !matches(hash, text) {
			t.Fatalf("%s does not read back", text)
		}
		for _, secret := range []string{text, newRenewalKey(), randomText()} {
			if seen[secret] {
				t.Fatalf("%s came twice", secret)
			}
			seen[secret] = true
		}
	}
}

func FuzzReadCredential(f *testing.F) {
	text, _ := newCredential(apiKeyPrefix, newID(), newID())
	f.Add(text)
	f.Add("xik_")
	f.Fuzz(func(t *testing.T, text string) {
		if id, owner, ok := readCredential(apiKeyPrefix, text); ok && (!isID(id) || !isID(owner)) {
			t.Errorf("%q gives %q and %q", text, id, owner)
		}
	})
}
