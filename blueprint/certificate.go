package blueprint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// A device template says how its devices sign in: with a secret or with an X.509 certificate. It is chosen once, for all
// devices of the template.
//
// A certificate is registered in place of a secret and may be self-signed: who signed it is never asked, a device is known
// by exactly this certificate, and the TLS handshake has proved that the client holds its key. So it can belong to one
// device only, across accounts. A device that is deleted keeps it until it is purged: it may come back.
const (
	byPassword    = "password"
	byCertificate = "certificate"
)

const certificatesBucket = "blueprint.certificates"

// registration is what is kept of a device's certificate.
type registration struct {
	Hash     []byte `json:"hash"` // SHA-256 of the DER
	Subject  string `json:"subject"`
	NotAfter int64  `json:"notAfter"` // ms since 1970; for people, the certificate itself is judged
}

func (r *registration) members() map[string]any {
	if r == nil {
		return map[string]any{"certificateSha256": nil, "certificateSubject": nil, "certificateNotAfter": nil}
	}
	return map[string]any{"certificateSha256": fmt.Sprintf("%x", r.Hash), "certificateSubject": r.Subject,
		"certificateNotAfter": timeText(r.NotAfter)}
}

// methodOf says how the devices of a template sign in.
func (t *txn) methodOf(template string) (string, error) {
	o, err := load(t.tx, t.byName["deviceTemplate"], template)
	if err != nil || o == nil || o.text("authenticationMethod") == "" { // templates older than the choice
		return byPassword, err
	}
	return o.text("authenticationMethod"), nil
}

// certificateSent returns the certificate of a request for an entity's credential; nil when a secret is asked for, as its
// template has it.
func (t *txn) certificateSent(k *kind, entity *object, sent any) (*x509.Certificate, error) {
	method := byPassword
	if k.one == "device" {
		var err error
		if method, err = t.methodOf(entity.text("deviceTemplateId")); err != nil {
			return nil, err
		}
	}
	none := sent == nil || sent == ""
	switch {
	case method == byPassword && none:
		return nil, nil
	case k.one != "device":
		return nil, fault.Field("certificate", "Only devices sign in with a certificate; leave this out to get a secret.")
	case method == byPassword:
		return nil, fault.Field("certificate", "The device's template has the authenticationMethod password; leave this out to get a secret.")
	case none:
		return nil, fault.Field("certificate", "The device's template has the authenticationMethod certificate: send the device's certificate as PEM. There is no secret.")
	}
	text, ok := sent.(string)
	if !ok {
		return nil, fault.Field("certificate", "This must be a string.")
	}
	return parseCertificate(text)
}

// parseCertificate reads a PEM text with one certificate and nothing else in it, words around it aside.
func parseCertificate(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return nil, fault.Field("certificate", "This is not PEM; it begins with -----BEGIN CERTIFICATE-----.")
	}
	next, _ := pem.Decode(rest)
	switch {
	case strings.Contains(text, "PRIVATE KEY-----"):
		return nil, fault.Field("certificate", "This holds a private key. It belongs to the device alone; send the certificate without it.")
	case block.Type != "CERTIFICATE":
		return nil, fault.Field("certificate", "This is PEM of another kind: %s.", cut(block.Type, 40))
	case next != nil:
		return nil, fault.Field("certificate", "This holds more than one certificate; send the device's own, without those that signed it.")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fault.Field("certificate", "This is not an X.509 certificate: %s.", strings.TrimPrefix(err.Error(), "x509: "))
	}
	return cert, nil
}

func registrationOf(cert *x509.Certificate) *registration {
	hash := sha256.Sum256(cert.Raw)
	subject := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(cert.Subject.String(), "?"))
	return &registration{Hash: hash[:], Subject: cut(subject, defaultMost), NotAfter: cert.NotAfter.UnixMilli()}
}

// register makes a certificate the one that a device signs in with. The connection of the one before ends.
func (t *txn) register(device, credential *object, r *registration) error {
	if t.certificateTaken(device.ID, r) {
		return fault.New(fault.Conflict, "This certificate is registered for another device. A device that was deleted keeps its own until it is purged.")
	}
	s, err := loadSecrets(t.tx, device.ID)
	if err != nil {
		return err
	}
	if s.Certificate != nil && !bytes.Equal(s.Certificate.Hash, r.Hash) {
		t.unregister(s.Certificate)
		t.revokeCredential(credential, "the device has a new certificate")
	}
	id, _ := parseID(device.ID)
	t.tx.Bucket(certificatesBucket).Put(r.Hash, id[:])
	return t.putSecrets(device.ID, secrets{Kind: "device", AccountID: t.account, Credential: credential.ID, Certificate: r})
}

func (t *txn) unregister(r *registration) {
	if r != nil {
		t.tx.Bucket(certificatesBucket).Delete(r.Hash)
	}
}

// certificateTaken reports whether the certificate is another device's, in whatever account.
func (t *txn) certificateTaken(device string, r *registration) bool {
	holder := t.tx.Bucket(certificatesBucket).Get(r.Hash)
	return holder != nil && idText(holder) != device
}

// methodChanged takes away what a device signed in with when its new template has another way.
func (t *txn) methodChanged(old, new *object) {
	before, err := t.methodOf(old.text("deviceTemplateId"))
	after, err2 := t.methodOf(new.text("deviceTemplateId"))
	if err == nil && err2 == nil && before == after {
		return
	}
	t.revokeSecrets(new.ID)
	t.revoked = append(t.revoked, Revocation{Kind: auth.Device, AccountID: t.account, ID: new.ID, CredentialOnly: true,
		Reason: "the device's new template has another authentication method"})
}

// AuthenticateCertificate says which device a client is that proved in its TLS handshake that it holds the key of cert. Its
// client id must be the device's id, and so must its user name if it has one. Forbidden says in words for the device's log
// what is wrong; as with AuthenticateMQTT the Principal beside it is nobody, with the account and id that were claimed.
func (s *Service) AuthenticateCertificate(_ context.Context, clientID, user string, cert *x509.Certificate) (auth.Principal, error) {
	hash := sha256.Sum256(cert.Raw)
	var p auth.Principal
	err := s.db.View(func(tx *storage.Tx) error {
		claimed, err := load(tx, s.byName["device"], clientID)
		if err != nil {
			return err
		}
		if claimed != nil {
			p = auth.Principal{AccountID: claimed.AccountID, ID: clientID}
		}
		holder := tx.Bucket(certificatesBucket).Get(hash[:])
		if holder == nil {
			return forbidden("the certificate with the SHA-256 %x is not registered, or was replaced by a newer one", hash)
		}
		id := idText(holder)
		if id != clientID || user != "" && user != id {
			return forbidden("the certificate is not the one of this device; client id and, if there is one, user name must be the id of the device that it is registered for")
		}
		known, err := loadSecrets(tx, id)
		if err != nil {
			return err
		}
		ok := known.Certificate != nil && bytes.Equal(known.Certificate.Hash, hash[:])
		if ok {
			if ok, err = s.alive(tx, known, id, &p); err != nil {
				return err
			}
		}
		if !ok {
			return forbidden("the device or its MQTT credential is deleted")
		}
		return valid(cert, s.now())
	})
	var refused *fault.Error
	switch {
	case err == nil:
		p.Kind = auth.Device
		return p, nil
	case errors.As(err, &refused):
		p.Kind = auth.Nobody
		return p, err
	}
	return auth.Principal{}, unjudged(err)
}

func valid(cert *x509.Certificate, now time.Time) error {
	const form = "2006-01-02 15:04:05 UTC"
	switch {
	case now.After(cert.NotAfter):
		return forbidden("the device's certificate is not valid any more: it expired on %s. Register a new one", cert.NotAfter.UTC().Format(form))
	case now.Before(cert.NotBefore):
		return forbidden("the device's certificate is not valid yet: it begins on %s", cert.NotBefore.UTC().Format(form))
	}
	return nil
}
