package blueprint

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
)

// newCertificate makes a self-signed certificate that is valid for a year from begin.
func newCertificate(t *testing.T, key ed25519.PrivateKey, subject string, begin time.Time) (*x509.Certificate, string) {
	t.Helper()
	if key == nil {
		_, key, _ = ed25519.GenerateKey(rand.Reader)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: begin, NotAfter: begin.AddDate(1, 0, 0)}
	if subject != "" {
		template.Subject = pkix.Name{CommonName: subject}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (w *world) certificateTemplate(tn *tenant) string {
	return w.make(tn, "/devices/templates", map[string]any{"accountId": tn.account, "name": "Sealed", "authenticationMethod": "certificate"})
}

func (w *world) register(tn *tenant, device, text string) map[string]any {
	w.t.Helper()
	return w.must(tn.token, "POST", "/access/mqtt-credentials", map[string]any{"entityId": device, "entityType": "device", "certificate": text})
}

func (w *world) show(clientID, user string, cert *x509.Certificate) error {
	p, err := w.s.AuthenticateCertificate(context.Background(), clientID, user, cert)
	if (err == nil) != (p.Kind == auth.Device) {
		w.t.Errorf("signed in as %+v with %v", p, err)
	}
	return err
}

func TestCertificateOfDevice(t *testing.T) {
	w := newWorld(t)
	template := w.certificateTemplate(w.a)
	id, other := w.device(w.a, template, "D-1"), w.device(w.a, template, "D-2")
	foreign := w.device(w.b, w.certificateTemplate(w.b), "D-1")
	var revoked []Revocation
	w.s.OnRevoke(func(r Revocation) { revoked = append(revoked, r) })
	now := time.Now()
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	cert, text := newCertificate(t, key, "", now.Add(-time.Hour)) // an empty subject is as good as any
	twin, _ := newCertificate(t, key, "", now.Add(-2*time.Hour))  // of the same key
	second, secondText := newCertificate(t, nil, "device one\n", now.Add(-time.Hour))

	refused := func(what string, err error, words string) {
		t.Helper()
		if fault.KindOf(err) != fault.Forbidden || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want Forbidden with %q", what, err, words)
		}
	}
	refused("before it is registered", w.show(id, "", cert), "not registered")
	made := w.register(w.a, id, text)
	if made["secret"] != nil || len(made["certificateSha256"].(string)) != 64 || made["certificateSubject"] != "" || made["certificateNotAfter"] == nil {
		t.Errorf("registered: %v", made)
	}
	if state := w.must("tokenA", "GET", "/devices/"+id, nil)["provisioningState"]; state != "activated" {
		t.Errorf("after the registration the device is %v", state)
	}
	for _, user := range []string{"", id} {
		if err := w.show(id, user, cert); err != nil {
			t.Errorf("user name %q: %v", user, err)
		}
	}
	refused("another certificate of the same key", w.show(id, "", twin), "not registered")
	refused("another device's id", w.show(other, "", cert), "not the one of this device")
	refused("another account's device", w.show(foreign, "", cert), "not the one of this device")
	refused("no client id", w.show("", "", cert), "client id")
	refused("another user name", w.show(id, other, cert), "user name")
	w.s.now = func() time.Time { return cert.NotAfter.Add(time.Second) }
	refused("too late", w.show(id, "", cert), "expired on")
	w.s.now = func() time.Time { return cert.NotBefore.Add(-time.Second) }
	refused("too early", w.show(id, "", cert), "not valid yet")
	w.s.now = time.Now
	if _, err := w.login(id, id, ""); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("without secret: %v", err)
	}

	for tn, device := range map[*tenant]string{w.a: other, w.b: foreign} {
		a := w.call(tn.token, "POST", "/access/mqtt-credentials", map[string]any{"entityId": device, "entityType": "device", "certificate": text})
		if a.status != 409 {
			t.Errorf("registered twice: %d %s", a.status, a.text)
		}
	}
	w.register(w.a, id, text)
	if len(revoked) != 0 {
		t.Errorf("the same certificate again revoked %v", revoked)
	}
	w.register(w.a, id, secondText)
	if len(revoked) != 1 || !revoked[0].Matches(auth.Principal{Kind: auth.Device, AccountID: w.a.account, ID: id}) {
		t.Errorf("a new certificate revoked %v", revoked)
	}
	refused("the one before", w.show(id, "", cert), "replaced")
	if err := w.show(id, "", second); err != nil {
		t.Errorf("the new one: %v", err)
	}
	w.register(w.b, foreign, text) // it is nobody's now

	w.must("tokenA", "DELETE", "/access/mqtt-credentials/"+made["id"].(string), nil)
	refused("without its credential", w.show(id, "", second), "not registered")
	w.register(w.a, id, secondText)
	w.must("tokenA", "DELETE", "/devices/"+id, nil)
	refused("of a deleted device", w.show(id, "", second), "deleted")
}

func TestAuthenticationMethodIsOfTheTemplate(t *testing.T) {
	w := newWorld(t)
	sealed, plain := w.certificateTemplate(w.a), w.template(w.a, "Plain")
	id, simple := w.device(w.a, sealed, "D-1"), w.device(w.a, plain, "D-2")
	cert, text := newCertificate(t, nil, "one", time.Now().Add(-time.Hour))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}))
	for _, tc := range []struct{ entity, kind, certificate, words string }{
		{id, "device", "", "There is no secret"},
		{simple, "device", text, "authenticationMethod password"},
		{w.a.p.ID, "accountUser", text, "Only devices"},
		{id, "device", "hello", "not PEM"},
		{id, "device", text + text, "more than one"},
		{id, "device", text + key, "private key"},
		{id, "device", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not an X.509"},
	} {
		a := w.call("tokenA", "POST", "/access/mqtt-credentials", map[string]any{"entityId": tc.entity, "entityType": tc.kind, "certificate": tc.certificate})
		if a.status/100 != 4 || !strings.Contains(a.text, tc.words) || !strings.Contains(a.text, `"certificate"`) {
			t.Errorf("%s: %d %s", tc.words, a.status, a.text)
		}
	}
	if a := w.call("tokenA", "PUT", "/devices/templates/"+plain, map[string]any{"authenticationMethod": "certificate"}); a.status/100 != 4 {
		t.Errorf("the method was changed: %d %s", a.status, a.text)
	}
	w.must("tokenA", "PUT", "/devices/templates/"+plain, map[string]any{"authenticationMethod": "password", "name": "Plainer"})

	// A device that moves to a template of the other method leaves behind what it signed in with.
	secret := w.credential(w.a, "device", simple)
	w.register(w.a, id, text)
	w.must("tokenA", "PUT", "/devices/"+simple, map[string]any{"deviceTemplateId": sealed})
	w.must("tokenA", "PUT", "/devices/"+id, map[string]any{"deviceTemplateId": plain})
	if _, err := w.login(simple, simple, secret); fault.KindOf(err) != fault.Unauthenticated {
		t.Errorf("a secret at a template of certificates: %v", err)
	}
	if err := w.show(id, "", cert); err == nil {
		t.Error("a certificate at a template of passwords lets in")
	}
}

func TestExportBringsCertificates(t *testing.T) {
	w := newWorld(t)
	id := w.device(w.a, w.certificateTemplate(w.a), "D-1")
	cert, text := newCertificate(t, nil, "one", time.Now().Add(-time.Hour))
	w.register(w.a, id, text)
	file := w.call("tokenA", "GET", "/export?credentials=true", nil).text
	if strings.Contains(w.call("tokenA", "GET", "/export", nil).text, "CN=one") {
		t.Error("the export without credentials has the certificate")
	}
	other := newWorld(t)
	other.must("tokenA", "POST", "/import?replace=true", file)
	if err := other.show(id, "", cert); err != nil {
		t.Errorf("after the import: %v", err)
	}

	// Where another device has it already, it stays with that.
	third := newWorld(t)
	holder := third.device(third.b, third.certificateTemplate(third.b), "D-1")
	third.register(third.b, holder, text)
	third.must("tokenA", "POST", "/import?replace=true", file)
	if err := third.show(holder, "", cert); err != nil {
		t.Errorf("the holder after the import: %v", err)
	}
	if err := third.show(id, "", cert); err == nil {
		t.Error("an import takes another account's certificate")
	}
}

func TestImportRegistersCertificates(t *testing.T) {
	w := newWorld(t)
	w.certificateTemplate(w.a)
	w.make(w.a, "/devices/templates", map[string]any{"accountId": w.a.account, "name": "Plain"})
	noted := w.make(w.a, "/devices/templates", map[string]any{"accountId": w.a.account, "name": "Noted"})
	w.make(w.a, "/devices/custom-fields", map[string]any{"deviceTemplateId": noted, "name": "certificate", "fieldType": "string"})
	begin := time.Now().Add(-time.Hour)
	one, oneText := newCertificate(t, nil, "one", begin)
	next, nextText := newCertificate(t, nil, "next", begin)
	count := func(r map[string]any) string {
		secrets, _ := r["credentials"].([]any)
		return fmt.Sprintf("%s certificates %v without %v secrets %d", tally(r), r["certificates"], r["withoutCertificate"], len(secrets))
	}
	expect := func(what, query, rows, want string) map[string]any {
		t.Helper()
		r := w.importCSV(t, query, "serialNumber,template,certificate\n"+rows)
		if got := count(r); got != want {
			t.Errorf("%s: %s\nwant %s: %v", what, got, want, r["errors"])
		}
		return r
	}
	rows := "C-1,Sealed,\"" + oneText + "\"\nC-2,Sealed,\nP-1,Plain,\nN-1,Noted,passed\n"
	const first = "created 4 updated 0 unchanged 0 refused 0 skipped 0 certificates 1 without 1 secrets "
	expect("dry run", "dryRun=true", rows, first+"0")
	r := expect("import", "credentials=true", rows, first+"2") // of P-1 and N-1
	if !strings.Contains(r["text"].(string), "1 sign in with a certificate that the file does not have") {
		t.Errorf("the report does not tell of C-2: %v", r["text"])
	}
	find := func(serial string) map[string]any {
		return results(w.must("tokenA", "GET", "/devices?serialNumber="+serial, nil))[0]
	}
	id := find("C-1")["id"].(string)
	if err := w.show(id, "", one); err != nil {
		t.Errorf("an imported certificate: %v", err)
	}
	if got := find("N-1")["certificate"]; got != "passed" {
		t.Errorf("a field of that name is %v", got)
	}
	expect("the same again", "credentials=true", rows, "created 0 updated 0 unchanged 4 refused 0 skipped 0 certificates 0 without 0 secrets 0")
	expect("another one", "", "C-1,Sealed,\""+nextText+"\"\n", "created 0 updated 1 unchanged 0 refused 0 skipped 0 certificates 1 without 0 secrets 0")
	if err := w.show(id, "", next); err != nil {
		t.Errorf("the replacement: %v", err)
	}
	if err := w.show(id, "", one); err == nil {
		t.Error("the one before lets in")
	}
	r = expect("refused", "", "C-3,Sealed,\""+nextText+"\"\nC-4,Sealed,hello\nP-1,Plain,\""+oneText+"\"\n", "created 0 updated 0 unchanged 0 refused 3 skipped 0 certificates 0 without 0 secrets 0")
	for _, words := range []string{"registered for another device", "not PEM", "signs in with a secret"} {
		if !strings.Contains(fmt.Sprint(r["errors"]), words) {
			t.Errorf("no %q in %v", words, r["errors"])
		}
	}
}
