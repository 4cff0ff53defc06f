package blueprint

import (
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// Roles of account users. An admin may do everything; a member what grants give, like an end user without a group.
const (
	adminRole  = "admin"
	memberRole = "member"
)

// accountUserKind: the admins of an account. The identity behind one (userId) is the identity service's; here stands
// only that this person administers this account.
func accountUserKind() *kind {
	return &kind{
		code: 7, one: "accountUser", many: "accountUsers", path: "/account-users", title: "account user",
		fields: []field{
			{name: "userId", required: true, fixed: true, unique: true, index: 2, check: checkUserID},
			{name: "accountUserTemplateId", required: true, refs: []string{"accountUserTemplate"}, index: 3},
			{name: "name", index: 4},
			{name: "role", choices: []string{adminRole, memberRole}, index: 5},
		},
		intake: (*txn).createIdentity,
		prepare: func(t *txn, old, o *object) error {
			t.useDefaultTemplate("accountUserTemplate", "accountUserTemplateId", o)
			if old != nil && old.text("role") == adminRole && o.text("role") != adminRole {
				return t.anotherAdmin(old)
			}
			return nil
		},
		removable: (*txn).anotherAdmin,
		changed: func(t *txn, old, new *object) {
			t.newEpoch = t.newEpoch || old != nil
			if gone(old, new) {
				t.revokeEntity("accountUser", new, "the account user was deleted")
			}
		},
	}
}

func checkUserID(v any) error {
	if _, ok := parseID(v.(string)); !ok && v != "" {
		return fault.Field("userId", "This must be the id of a user: a lower-case UUID.")
	}
	return nil
}

// anotherAdmin refuses to take away the last admin.
func (t *txn) anotherAdmin(o *object) error {
	k := t.byName["accountUser"]
	if o.text("role") == adminRole && t.countEqual(k, k.indexOn("role").code, adminRole) <= 1 {
		return fault.New(fault.Conflict, "This is the account's last admin; without one nobody could administer it. Make another one first.")
	}
	return nil
}

// UserPrincipal returns who a user of the identity service is in an account; one who is both is the account user.
// NotFound when the user has no place in it.
func (s *Service) UserPrincipal(accountID, userID string) (p auth.Principal, err error) {
	err = s.view(auth.Principal{AccountID: accountID}, func(t *txn) error {
		for _, k := range []*kind{t.byName["accountUser"], t.byName["endUser"]} {
			for r := range t.refsEqual(k, k.indexOn("userId").code, userID) {
				p = auth.Principal{Kind: auth.KindOf(k.one), AccountID: accountID, ID: r.id(), UserID: userID}
				return nil
			}
		}
		return fault.New(fault.NotFound, "This user has no place in the account: it is neither an account user nor an end user there.")
	})
	return p, err
}

// Bootstrap makes what a new account begins with, inside the transaction that makes the account: default templates, a
// root organization named like the account, and its first account user, whose id it returns.
func (s *Service) Bootstrap(tx *storage.Tx, accountID, accountName, userID, email string) (accountUserID string, err error) {
	for _, id := range []string{accountID, userID} {
		if _, ok := parseID(id); !ok {
			return "", fault.New(fault.Invalid, "%s is not a lower-case UUID.", quote(id))
		}
	}
	t := s.begin(tx, auth.Principal{Kind: auth.AccountUser, AccountID: accountID, ID: userID, UserID: userID})
	b := bootstrap{t: t}
	organizationTemplate := b.template("organizationTemplate", defaultOrganizationTemplate)
	b.template("deviceTemplate", defaultDeviceTemplate)
	b.template("accountUserTemplate", defaultAccountUserTemplate)
	b.template("endUserTemplate", defaultEndUserTemplate)
	if b.err == nil {
		b.err = t.makeAccount(accountName, t.at)
	}
	if accountName != "" {
		b.make("organization", map[string]any{"name": cut(accountName, defaultMost-1), "organizationTemplateId": organizationTemplate})
	}
	user := b.make("accountUser", map[string]any{"userId": userID, "name": cut(email, defaultMost-1)})
	if b.err != nil {
		return "", b.err
	}
	t.commit()
	return user.ID, nil
}

// bootstrap keeps the first error.
type bootstrap struct {
	t   *txn
	err error
}

func (b *bootstrap) make(kind string, in map[string]any) *object {
	if b.err != nil {
		return &object{}
	}
	o, err := b.t.create(b.t.byName[kind], in)
	if err != nil {
		b.err = err
		return &object{}
	}
	return o
}

func (b *bootstrap) template(kind, name string) (id string) {
	o := b.make(kind, map[string]any{"name": name})
	if b.err != nil {
		return ""
	}
	k := b.t.byName[kind]
	isDefault := o.clone()
	isDefault.set("default", "true")
	b.err = b.t.store(k, o, isDefault)
	return o.ID
}
