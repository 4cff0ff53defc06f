package blueprint

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage/storagetest"
)

func TestCredentialOfDevice(t *testing.T) {
	w := newWorld(t)
	id := w.device(w.a, w.template(w.a, "Sensor", "temp"), "D-1")
	var revoked []Revocation
	w.s.OnRevoke(func(r Revocation) { revoked = append(revoked, r) })

	// Clients send whole device objects along, and both encodings.
	whole := w.must("tokenA", "GET", "/devices/"+id, nil)
	whole["entityId"], whole["entityType"] = id, "device"
	first := w.must("tokenA", "POST", "/access/mqtt-credentials", whole)
	old := first["secret"].(string)
	if raw, err := base64.StdEncoding.DecodeString(old); err != nil || len(raw) != secretBytes {
		t.Errorf("secret %q is not base64 of %d bytes", old, secretBytes)
	}
	if first["entityId"] != id || first["entityType"] != "device" || first["accountId"] != w.a.account || first["serialNumber"] != nil {
		t.Errorf("credential: %v", first)
	}
	device := w.must("tokenA", "GET", "/devices/"+id, nil)
	if device["provisioningState"] != "activated" || device["version"] != whole["version"] {
		t.Errorf("after its first credential the device is %v of version %v, want activated of %v", device["provisioningState"], device["version"], whole["version"])
	}
	if len(revoked) != 0 {
		t.Errorf("the first credential revoked %v", revoked)
	}
	p, err := w.login(id, id, old)
	if want := (auth.Principal{Kind: auth.Device, AccountID: w.a.account, ID: id}); err != nil || p != want {
		t.Errorf("sign in: %+v, %v; want %+v", p, err, want)
	}

	a := w.call("tokenA", "POST", "/access/mqtt-credentials", "entityType=device&entityId="+id, "Content-Type", "application/x-www-form-urlencoded")
	second := a.body["mqttCredential"].(map[string]any)
	if second["id"] != first["id"] || second["secret"] == old || second["version"] == first["version"] {
		t.Errorf("rotation gave %v after %v", second, first)
	}
	if _, err := w.login(id, id, old); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("the old secret: %v, want Unauthenticated", err)
	}
	if _, err := w.login(id, id, second["secret"].(string)); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	if len(revoked) != 1 || !revoked[0].Matches(p) || revoked[0].Matches(w.a.p) {
		t.Errorf("rotation revoked %+v, want the device", revoked)
	}

	w.must("tokenA", "DELETE", "/access/mqtt-credentials/"+first["id"].(string), nil)
	if _, err := w.login(id, id, second["secret"].(string)); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("after the credential's delete: %v, want Unauthenticated", err)
	}
	w.must("tokenA", "POST", "/access/mqtt-credentials/"+first["id"].(string)+"/recover", nil)
	if _, err := w.login(id, id, second["secret"].(string)); err == nil {
		t.Error("a recovered credential brings its revoked secret back")
	}
	if got := w.credential(w.a, "device", id); got == "" || len(revoked) != 2 {
		t.Errorf("after revoking: secret %q, revocations %v", got, revoked)
	}
	w.must("tokenA", "DELETE", "/devices/"+id, nil)
	if last := revoked[len(revoked)-1]; !last.Matches(p) || last.CredentialOnly {
		t.Errorf("delete of the device revoked %+v", last)
	}
}

func TestCredentialOfUser(t *testing.T) {
	w := newWorld(t)
	var revoked []Revocation
	w.s.OnRevoke(func(r Revocation) { revoked = append(revoked, r) })
	var given []string
	for range secretsOfUser + 1 {
		given = append(given, w.credential(w.a, "accountUser", w.a.p.ID))
	}
	for i, secret := range given {
		p, err := w.login("any", w.a.p.ID, secret)
		if ok := i > 0; ok != (err == nil) {
			t.Errorf("secret %d of %d: %v", i+1, len(given), err)
		}
		if err == nil && (p.Kind != auth.AccountUser || p.AccountID != w.a.account || p.ID != w.a.p.ID) {
			t.Errorf("signed in as %+v", p)
		}
	}
	if len(revoked) != 0 {
		t.Errorf("parallel apps of a user revoke each other: %v", revoked)
	}
	list := w.must("tokenA", "GET", "/access/mqtt-credentials?entityId="+w.a.p.ID, nil)
	if len(results(list)) != 1 {
		t.Fatalf("credentials of the user: %v, want one", list)
	}
	w.must("tokenA", "DELETE", "/access/mqtt-credentials/"+results(list)[0]["id"].(string), nil)
	byToken := w.a.p // signed in by token
	byToken.SessionID = uuid.NewString()
	if len(revoked) != 1 || revoked[0].Matches(byToken) || !revoked[0].Matches(auth.Principal{Kind: auth.AccountUser, AccountID: w.a.account, ID: w.a.p.ID}) {
		t.Errorf("delete revoked %+v, want the connections by credential only", revoked)
	}
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor")
	id, other := w.device(w.a, template, "D-1"), w.device(w.a, template, "D-2")
	secret := w.credential(w.a, "device", id)
	const ok = fault.Kind(255)
	for _, row := range []struct {
		name, clientID, user, password string
		want                           fault.Kind
	}{
		{"client id and user name", id, id, secret, ok},
		{"user name, any client id", "mac-00:11", id, secret, ok},
		{"user name, no client id", "", id, secret, ok},
		{"client id alone", id, "", secret, ok},
		{"the other device's client id", other, id, secret, fault.Forbidden},
		{"wrong secret", id, id, secret[:len(secret)-1], fault.Unauthenticated},
		{"no secret", id, id, "", fault.Unauthenticated},
		{"no name at all", "", "", secret, fault.Unauthenticated},
		{"unknown id", "", uuid.NewString(), secret, fault.Unauthenticated},
		{"a device without credential", "", other, secret, fault.Unauthenticated},
		{"a device without credential, no secret", "", other, "", fault.Unauthenticated},
		{"an id in capitals", "", strings.ToUpper(id), secret, fault.Unauthenticated},
		{"an id in braces", "", "{" + id + "}", secret, fault.Unauthenticated},
		// A09: what could mean something in a rule is plain text.
		{"wildcard as name", "", "+", secret, fault.Unauthenticated},
		{"wildcards as client id", "#", "", secret, fault.Unauthenticated},
		{"pattern as name", "", ".*", secret, fault.Unauthenticated},
		{"substitution as name", "%u", "${id}", secret, fault.Unauthenticated},
		{"id with a level", "", id + "/x", secret, fault.Unauthenticated},
	} {
		p, err := w.login(row.clientID, row.user, row.password)
		if row.want == ok {
			if err != nil || p.ID != id {
				t.Errorf("%s: %v, %v", row.name, p, err)
			}
			continue
		}
		if fault.KindOf(err) != row.want || p.Authenticated() {
			t.Errorf("%s: %v, %v; want kind %d", row.name, p, err, row.want)
		}
	}
	_, unknown := w.login("", uuid.NewString(), secret)
	_, wrong := w.login("", id, "wrong")
	if unknown.Error() != wrong.Error() {
		t.Errorf("unknown id answers %q, wrong secret %q", unknown, wrong)
	}
}

// Of a burst of rotations the last one written holds, and none makes a second credential.
func TestRotationRace(t *testing.T) {
	w := newWorld(t)
	id := w.device(w.a, w.template(w.a, "Sensor"), "D-1")
	given := make([]string, 20)
	var wg sync.WaitGroup
	for i := range given {
		wg.Go(func() {
			a := w.call("tokenA", "POST", "/access/mqtt-credentials", map[string]any{"entityId": id, "entityType": "device"})
			if a.status != http.StatusOK {
				t.Errorf("got %d %s", a.status, a.text)
				return
			}
			given[i] = a.body["mqttCredential"].(map[string]any)["secret"].(string)
		})
	}
	wg.Wait()
	valid := 0
	for _, secret := range given {
		if _, err := w.login(id, "", secret); err == nil {
			valid++
		}
	}
	if n := len(results(w.must("tokenA", "GET", "/access/mqtt-credentials", nil))); valid != 1 || n != 1 {
		t.Errorf("%d valid secrets and %d credentials, want 1 and 1", valid, n)
	}
}

// I15, I16: a secret is in no answer but the one that made it, and nowhere in the store.
func TestSecretIsNowhere(t *testing.T) {
	dir := t.TempDir()
	w := newWorldIn(t, storagetest.OpenIn(t, dir))
	id := w.device(w.a, w.template(w.a, "Sensor"), "D-1")
	secrets := []string{w.credential(w.a, "device", id), w.credential(w.a, "device", id), w.credential(w.a, "accountUser", w.a.p.ID)}
	for _, k := range w.s.kinds {
		list := w.call("tokenA", "GET", k.path+"?pageSize=1000", nil)
		for _, o := range results(w.must("tokenA", "GET", k.path, nil)) {
			list.text += w.call("tokenA", "GET", k.path+"/"+o["id"].(string), nil).text
			list.text += w.call("tokenA", "PUT", k.path+"/"+o["id"].(string), map[string]any{"name": "x"}).text
		}
		for _, secret := range secrets {
			if strings.Contains(list.text, secret) || strings.Contains(list.text, `"secret"`) {
				t.Errorf("%s shows a secret: %s", k.path, list.text)
			}
		}
	}
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, secret := range secrets {
			raw, _ := base64.StdEncoding.DecodeString(secret)
			if bytes.Contains(data, []byte(secret)) || bytes.Contains(data, raw) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
