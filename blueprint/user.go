package blueprint

import (
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
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
		},
		prepare: (*txn).defaultAccountUser,
		removable: func(t *txn, _ *object) error {
			if t.count(t.byName["accountUser"]) <= 1 {
				return fault.New(fault.Conflict, "This is the account's last account user; without one nobody could administer it. Make another one first.")
			}
			return nil
		},
		changed: func(t *txn, old, new *object) {
			if gone(old, new) {
				t.newEpoch = true
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

// defaultAccountUser gives a user who was made without a template the account's default one, as clients expect.
func (t *txn) defaultAccountUser(_, o *object) error {
	if o.text("accountUserTemplateId") != "" {
		return nil
	}
	k := t.byName["accountUserTemplate"]
	for r := range t.refsEqual(k, k.indexOn("default").code, "true") {
		o.set("accountUserTemplateId", r.id())
		break
	}
	return nil
}

// UserPrincipal returns who a user of the identity service is in an account. NotFound when the user has no place in it.
func (s *Service) UserPrincipal(accountID, userID string) (p auth.Principal, err error) {
	err = s.view(auth.Principal{AccountID: accountID}, func(t *txn) error {
		k := t.byName["accountUser"]
		for r := range t.refsEqual(k, k.indexOn("userId").code, userID) {
			p = auth.Principal{Kind: auth.AccountUser, AccountID: accountID, ID: r.id(), UserID: userID}
			return nil
		}
		return notFound(k)
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
