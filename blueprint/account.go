package blueprint

import (
	"strings"
	"time"

	"xively/internal/auth"
	"xively/storage"
)

// accountKind: the account itself, as its admins see and change it. There is one in each account, with the account's own
// id; making and deleting accounts is the operator's (xively accounts). The name is the identity service's as well: it
// stands in its mails and on its pages, and changes there in the same transaction.
func accountKind() *kind {
	return &kind{
		code: 18, one: "account", many: "accounts", path: "/accounts", title: "account", given: true,
		fields: []field{
			{name: "name", required: true, most: 200, index: 2},
			{name: "description", lines: true, most: 1024},
			{name: "emailAddress"}, {name: "phoneNumber"}, {name: "websiteAddress"},
			{name: "address", lines: true, most: 1024}, {name: "city"}, {name: "state"}, {name: "postalCode"}, {name: "countryCode"},
		},
		prepare: func(t *txn, old, o *object) error {
			if old == nil || old.text("name") == o.text("name") || strings.TrimSpace(o.text("name")) == "" || t.identities == nil {
				return nil
			}
			return t.identities.RenameAccount(t.tx, t.account, o.text("name"))
		},
		decorate: func(t *txn, _ *object, out map[string]any) error {
			for member, kind := range map[string]string{"devicesCount": "device", "endUsersCount": "endUser",
				"organizationsCount": "organization", "accountUsersCount": "accountUser"} {
				out[member] = t.count(t.byName[kind])
			}
			out["ipLocationAttribution"] = t.locator.attribution()
			return nil
		},
	}
}

// makeAccount makes the object of an account that has none.
func (t *txn) makeAccount(name string, created time.Time) error {
	k := t.byName["account"]
	if name == "" {
		name = t.account
	}
	o := &object{ID: t.account, AccountID: t.account, Created: created.UnixMilli(), CreatedBy: t.by, Values: map[string]any{"name": cut(name, 199)}}
	o.touch(t.by, t.at)
	t.addCount(k, 1)
	return t.store(k, nil, o)
}

// adoptAccounts makes the objects of accounts that are older than this noun.
func (s *Service) adoptAccounts() error {
	missing := map[string]string{}
	at := s.now()
	err := s.db.View(func(tx *storage.Tx) error {
		return s.identities.EachAccount(tx, func(id, name string) error {
			o, err := load(tx, s.byName["account"], id)
			if o == nil && err == nil {
				missing[id] = name
			}
			return err
		})
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return s.db.Update(func(tx *storage.Tx) error {
		for id, name := range missing {
			if err := s.begin(tx, auth.Principal{AccountID: id}).makeAccount(name, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// accountOf is what expand=account shows to everybody of the account.
func (t *txn) accountOf() (map[string]any, error) {
	o, err := load(t.tx, t.byName["account"], t.account)
	if err != nil || o == nil {
		return map[string]any{"id": t.account}, err
	}
	return map[string]any{"id": o.ID, "name": o.text("name")}, nil
}
