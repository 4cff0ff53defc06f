package blueprint

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// An entity has one MQTT credential. Asking for it again gives a new secret in the same credential.
//
// A device has one valid secret: the old one dies with the next and its connections end, as whoever asks for a new one
// because the old may have leaked must expect. A user has the newest secretsOfUser: every app and every browser window
// of a user asks for one of its own when it starts, and must not throw the others out. Deleting the credential ends
// them all.
//
// Stored is the SHA-256 of a secret. A slow hash protects what people can think of; 32 random bytes cannot be guessed
// through any hash, and a slow one would only let strangers keep the server busy.
const (
	secretBytes     = 32
	secretsOfDevice = 1
	secretsOfUser   = 8
)

// credentialOwners are the kinds that can connect.
var credentialOwners = []string{"device", "endUser", "accountUser"}

// secrets is the stored part of a credential that no answer shows.
type secrets struct {
	Kind       string   `json:"kind"` // "device", "endUser", "accountUser"
	AccountID  string   `json:"account"`
	Credential string   `json:"credential"`
	Hashes     [][]byte `json:"hashes"`        // newest first; none when the credential was deleted
	Old        []byte   `json:"old,omitempty"` // a device's secret before: it opens nothing, and tells why a device is refused

	Certificate *registration `json:"certificate,omitempty"` // in place of Hashes (certificate.go)
}

func credentialKind() *kind {
	return &kind{
		code: 8, one: "mqttCredential", many: "mqttCredentials", path: "/access/mqtt-credentials", title: "MQTT credential",
		fields: []field{
			{name: "entityId", required: true, fixed: true, refs: credentialOwners, refBy: "entityType", owner: true, unique: true, index: 2},
			{name: "entityType", required: true, fixed: true, choices: credentialOwners},
		},
		post: (*txn).issue,
		changed: func(t *txn, old, new *object) {
			if !gone(old, new) || new.DeletedWith != "" {
				return // along with its entity it must be able to come back
			}
			t.revokeSecrets(new.text("entityId"))
			t.revokeCredential(new, "the MQTT credential was deleted")
		},
		decorate: func(t *txn, o *object, out map[string]any) error {
			out["ownedById"] = o.Values["entityId"]
			known, err := loadSecrets(t.tx, o.text("entityId"))
			for name, v := range known.Certificate.members() {
				out[name] = v
			}
			return err
		},
	}
}

// issue makes an entity's credential, or rotates the one it has, and returns it with its secret: the only time it is seen. A
// device whose template wants a certificate has the one that was sent registered and gets no secret.
func (t *txn) issue(in map[string]any) (map[string]any, error) {
	k := t.byName["mqttCredential"]
	wanted := &object{}
	if err := t.assign(k, nil, wanted, in); err != nil {
		return nil, err
	}
	if err := t.complete(k, nil, wanted); err != nil {
		return nil, err
	}
	entityKind := t.byName[wanted.text("entityType")]
	entity, err := t.find(entityKind, wanted.text("entityId"))
	if err != nil {
		return nil, err
	}
	if err := t.permit(issueCredential, entityKind, entity); err != nil {
		return nil, err
	}
	cert, err := t.certificateSent(entityKind, entity, in["certificate"])
	if err != nil {
		return nil, err
	}
	caller := t.who
	t.who = nil // the credential is the platform's own work from here
	defer func() { t.who = caller }()
	o, err := t.createOrRotate(k, entity.ID, in)
	if err != nil {
		return nil, err
	}
	secret := ""
	if cert != nil {
		err = t.register(entity, o, registrationOf(cert))
	} else {
		secret, err = t.addSecret(entityKind, entity, o)
	}
	if err != nil {
		return nil, err
	}
	if entity.text("provisioningState") == defined {
		if err := t.keep(entityKind, entity, "provisioningState", activated); err != nil {
			return nil, err
		}
	}
	shape, err := t.shape(k, o)
	if err != nil {
		return nil, err
	}
	if cert == nil {
		shape["secret"] = secret
	}
	return shape, nil
}

func (t *txn) createOrRotate(k *kind, entityID string, in map[string]any) (*object, error) {
	for r := range t.refsEqual(k, k.indexOn("entityId").code, entityID) {
		old, err := t.loadRef(k, r)
		if err != nil {
			return nil, err
		}
		o := old.clone()
		o.touch(t.by, t.at)
		return o, t.store(k, old, o)
	}
	return t.create(k, in)
}

// keep sets a value that the server keeps: the version stays.
func (t *txn) keep(k *kind, old *object, name string, v any) error {
	o := old.clone()
	o.set(name, v)
	return t.store(k, old, o)
}

func (t *txn) addSecret(k *kind, entity, credential *object) (string, error) {
	s, err := loadSecrets(t.tx, entity.ID)
	if err != nil {
		return "", err
	}
	secret := newSecret()
	most := secretsOfUser
	if k.one == "device" {
		most = secretsOfDevice
		if len(s.Hashes) > 0 {
			t.revokeCredential(credential, "the device has a new secret")
		}
	}
	hash := sha256.Sum256([]byte(secret))
	old := s.old()
	hashes := append([][]byte{hash[:]}, s.Hashes...)
	s = secrets{Kind: k.one, AccountID: t.account, Credential: credential.ID, Hashes: hashes[:min(len(hashes), most)], Old: old}
	return secret, t.putSecrets(entity.ID, s)
}

func (t *txn) putSecrets(entityID string, s secrets) error {
	value, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("secrets of %s: encode: %w", entityID, err)
	}
	id, _ := parseID(entityID)
	t.tx.Bucket(secretsBucket).Put(id[:], value)
	return nil
}

// old returns the hash of a device's last secret, which is about to become an old one.
func (s *secrets) old() []byte {
	if s.Kind == "device" && len(s.Hashes) > 0 {
		return s.Hashes[0]
	}
	return s.Old
}

// revokeSecrets takes an entity's secrets away and leaves whose they were: the account hears of a client that still tries.
func (t *txn) revokeSecrets(entityID string) {
	s, err := loadSecrets(t.tx, entityID)
	if err != nil || s.AccountID == "" {
		t.dropSecrets(entityID)
		return
	}
	t.unregister(s.Certificate)
	s.Old, s.Hashes, s.Credential, s.Certificate = s.old(), nil, "", nil
	_ = t.putSecrets(entityID, s) // it encodes
}

func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

func (t *txn) dropSecrets(entityID string) {
	if s, err := loadSecrets(t.tx, entityID); err == nil {
		t.unregister(s.Certificate)
	}
	id, _ := parseID(entityID)
	t.tx.Bucket(secretsBucket).Delete(id[:])
}

func (t *txn) revokeCredential(credential *object, reason string) {
	t.revoked = append(t.revoked, Revocation{Kind: auth.KindOf(credential.text("entityType")), AccountID: t.account,
		ID: credential.text("entityId"), CredentialOnly: true, Reason: reason})
}

func (t *txn) revokeEntity(kind string, o *object, reason string) {
	t.revoked = append(t.revoked, Revocation{Kind: auth.KindOf(kind), AccountID: t.account, ID: o.ID, Reason: reason})
}

// noSecrets has the size of the real thing, so that an unknown id costs the same decoding as a known one.
var noSecrets, _ = json.Marshal(secrets{Kind: "device", AccountID: uuid.Nil.String(), Credential: uuid.Nil.String(),
	Hashes: [][]byte{make([]byte, sha256.Size)}})

// loadSecrets returns the entity's secrets; none when there is no such entity.
func loadSecrets(tx *storage.Tx, entityID string) (s secrets, err error) {
	id, _ := parseID(entityID)
	value := tx.Bucket(secretsBucket).Get(id[:])
	known := value != nil
	if !known {
		value = noSecrets
	}
	if err := json.Unmarshal(value, &s); err != nil {
		return secrets{}, fmt.Errorf("secrets of %s: decode: %w", entityID, err)
	}
	if !known {
		return secrets{}, nil
	}
	return s, nil
}

// AuthenticateMQTT says who a client is that presents an entity's id and secret: the id is the user name or, without
// one, the client id. Whatever is wrong with them, the answer is the same Unauthenticated after the same work. The
// Principal returned with a refusal is nobody; it holds the account and id that were claimed, if there is such an entity.
// Unavailable when the store cannot be read.
//
// A device may not use another device's id as its client id: it would take over that device's session. That is
// Forbidden.
func (s *Service) AuthenticateMQTT(_ context.Context, clientID, user string, password []byte) (auth.Principal, error) {
	id := user
	if id == "" {
		id = clientID
	}
	var p auth.Principal
	err := s.db.View(func(tx *storage.Tx) error {
		known, err := loadSecrets(tx, id)
		if err != nil {
			return err
		}
		if known.AccountID != "" {
			p = auth.Principal{AccountID: known.AccountID, ID: id} // nobody yet, but the log of a refusal can name the claim
		}
		ok := known.match(password)
		if ok {
			if ok, err = s.alive(tx, known, id, &p); err != nil {
				return err
			}
		}
		if !ok {
			return fault.Wrap(fault.Unauthenticated, known.whyRefused(password), "The user name or the secret is wrong.")
		}
		p.Kind = auth.KindOf(known.Kind)
		return s.checkClientID(tx, p, clientID)
	})
	var refused *fault.Error
	switch {
	case err == nil:
		return p, nil
	case errors.As(err, &refused):
		p.Kind = auth.Nobody
		return p, err
	}
	return auth.Principal{}, unjudged(err)
}

// whyRefused tells the account's log, and nobody else, what is wrong with what was presented.
func (s *secrets) whyRefused(presented []byte) error {
	sum := sha256.Sum256(presented)
	what := map[string]string{"device": "device", "endUser": "end user", "accountUser": "account user"}[s.Kind]
	switch {
	case s.match(presented):
		return fmt.Errorf("the %s is deleted", what)
	case len(s.Old) > 0 && subtle.ConstantTimeCompare(s.Old, sum[:]) == 1 && len(s.Hashes) > 0:
		return errors.New("this secret was replaced by a newer one")
	case s.Certificate != nil:
		return errors.New("its template wants a certificate; a secret opens nothing")
	case s.AccountID != "" && len(s.Hashes) == 0:
		return errors.New("its MQTT credential was deleted")
	case len(presented) == 0:
		return errors.New("no secret was presented")
	}
	return errors.New("the secret is wrong")
}

// match compares with every place a hash can have, taken or not.
func (s *secrets) match(presented []byte) bool {
	sum := sha256.Sum256(presented)
	var nothing [sha256.Size]byte // no secret has this hash
	matched := 0
	for i := range secretsOfUser {
		hash := nothing[:]
		if i < len(s.Hashes) {
			hash = s.Hashes[i]
		}
		matched |= subtle.ConstantTimeCompare(hash, sum[:])
	}
	return matched == 1
}

// alive reports whether the credential and its entity are there and not deleted.
// It adds the identity behind a person to p.
func (s *Service) alive(tx *storage.Tx, known secrets, id string, p *auth.Principal) (bool, error) {
	for k, id := range map[*kind]string{s.byName[known.Kind]: id, s.byName["mqttCredential"]: known.Credential} {
		if k == nil {
			return false, nil
		}
		o, err := load(tx, k, id)
		if err != nil || o == nil || o.Deleted != 0 || o.AccountID != known.AccountID {
			return false, err
		}
		if user := o.text("userId"); user != "" {
			p.UserID = user
		}
	}
	return true, nil
}

func (s *Service) checkClientID(tx *storage.Tx, p auth.Principal, clientID string) error {
	if p.Kind != auth.Device || clientID == p.ID {
		return nil
	}
	other, err := load(tx, s.byName["device"], clientID)
	if err != nil || other == nil || other.AccountID != p.AccountID {
		return err
	}
	return forbidden("device %s may not connect with the id of device %s as its client id", p.ID, clientID)
}
