package blueprint

import (
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// endUserKind: the people who use the connected product. One may have an identity to sign in with (userId), or none and
// only an MQTT credential. What they may do follows from the organization they are in (permit.go).
func endUserKind() *kind {
	return &kind{
		code: 9, one: "endUser", many: "endUsers", path: "/end-users", title: "end user",
		template: "endUserTemplateId", customBy: "endUserField",
		fields: []field{
			{name: "userId", unique: true, index: 2, check: checkUserID},
			{name: "endUserTemplateId", required: true, refs: []string{"endUserTemplate"}, index: 3},
			{name: "organizationId", refs: []string{"organization"}, index: 4},
			{name: "name", index: 5}, {name: "emailAddress", index: 6},
			{name: "phoneNumber"}, {name: "address", lines: true, most: 1024}, {name: "city"}, {name: "state"},
			{name: "postalCode"}, {name: "countryCode"}, tags(),
		},
		intake: (*txn).createIdentity,
		prepare: func(t *txn, old, o *object) error {
			t.useDefaultTemplate("endUserTemplate", "endUserTemplateId", o)
			return nil
		},
		changed: func(t *txn, old, new *object) {
			// What may be done and the name in refusals: both are remembered until the epoch changes.
			t.newEpoch = t.newEpoch || old != nil
			switch {
			case gone(old, new):
				t.revokeEntity("endUser", new, "the end user was deleted")
			case old != nil && old.text("userId") != "" && old.text("userId") != new.text("userId"):
				t.revokeEntity("endUser", old, "the end user belongs to another identity now")
			}
		},
	}
}

// endUserTemplateKind: what its end users have in common. freeTopics are filters of free topics they may use.
func endUserTemplateKind() *kind {
	return &kind{
		code: 10, one: "endUserTemplate", many: "endUserTemplates", path: "/end-users/templates", title: "end user template",
		fields: append(templateFields(), field{name: "freeTopics", kind: list, most: maxTopicBytes, check: checkFreeTopics}),
		changed: func(t *txn, old, _ *object) {
			t.newEpoch = t.newEpoch || old != nil
		},
	}
}

// useDefaultTemplate gives an object that was made without a template the account's default one, as clients expect.
func (t *txn) useDefaultTemplate(templateKind, field string, o *object) {
	if o.text(field) != "" {
		return
	}
	k := t.byName[templateKind]
	for r := range t.refsEqual(k, k.indexOn("default").code, "true") {
		o.set(field, r.id())
		break
	}
}

// Identities is what the directory asks of the identity service.
type Identities interface {
	// CreateUser makes a user of the account in tx, without a password: the person sets one through a reset. profile may
	// hold firstName, lastName and other texts. Errors: fault Invalid (emailAddress), Conflict when the address is taken.
	CreateUser(tx *storage.Tx, accountID, emailAddress string, profile map[string]string) (userID string, err error)
	// UserRecord returns what of a user can be taken elsewhere: the address and the profile as CreateUser takes it. ok is
	// false when there is no such user.
	UserRecord(tx *storage.Tx, accountID, userID string) (emailAddress string, profile map[string]string, ok bool, err error)
	// RestoreUser makes a user out of a record, under its id, without a password and without a mail. One who has the id or
	// the address already stays as they are; their id is returned. Errors: as CreateUser.
	RestoreUser(tx *storage.Tx, accountID, userID, emailAddress string, profile map[string]string) (id string, err error)
	// RenameAccount gives an account another name in tx. Error: fault Invalid (name).
	RenameAccount(tx *storage.Tx, accountID, name string) error
	// EachAccount calls fn with every account until it returns an error.
	EachAccount(tx *storage.Tx, fn func(id, name string) error) error
}

// UseIdentities tells who knows accounts and makes identities. To be called before the first request; without it
// createIdmUser is refused.
func (s *Service) UseIdentities(i Identities) error {
	s.identities = i
	return s.adoptAccounts()
}

// createIdentity makes the identity a request asks for with createIdmUser, in the same transaction.
func (t *txn) createIdentity(in map[string]any) error {
	if wanted, ok := rest.Bool(in["createIdmUser"]); !ok || !wanted {
		return nil
	}
	if t.identities == nil {
		return fault.New(fault.Unavailable, "This server cannot make identities now.")
	}
	email, _ := in["idmUserEmail"].(string)
	if email == "" {
		return fault.Field("idmUserEmail", "createIdmUser needs the e-mail address of the new user here.")
	}
	profile := map[string]string{}
	if members, ok := in["idmUserProfile"].(map[string]any); ok {
		for name, v := range members {
			if s, isText := v.(string); isText {
				profile[name] = s
			}
		}
	}
	id, err := t.identities.CreateUser(t.tx, t.account, email, profile)
	if err != nil {
		return err
	}
	in["userId"] = id
	if in["emailAddress"] == nil {
		in["emailAddress"] = email
	}
	return nil
}
