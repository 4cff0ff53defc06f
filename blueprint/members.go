package blueprint

import (
	"xively/internal/auth"
	"xively/storage"
)

// What the identity service asks for when somebody signs up, is invited or comes from another provider: a place in the
// account, in the transaction that makes the identity.

// AddAccountUser makes the identity userID an admin of the account and returns the account user's id.
func (s *Service) AddAccountUser(tx *storage.Tx, accountID, userID, name string) (accountUserID string, err error) {
	return s.addMember(tx, accountID, userID, "accountUser", map[string]any{"userId": userID, "name": cut(name, defaultMost-1), "role": adminRole})
}

// AddEndUser makes the identity userID an end user of an organization ("" for none) and returns the end user's id.
// endUserTemplateID may be "" for the account's default one. Error: fault Invalid for an organization or template that the account
// does not have.
func (s *Service) AddEndUser(tx *storage.Tx, accountID, userID, name, emailAddress, organizationID, endUserTemplateID string) (endUserID string, err error) {
	in := map[string]any{"userId": userID, "name": cut(name, defaultMost-1), "emailAddress": emailAddress}
	if organizationID != "" {
		in["organizationId"] = organizationID
	}
	if endUserTemplateID != "" {
		in["endUserTemplateId"] = endUserTemplateID
	}
	return s.addMember(tx, accountID, userID, "endUser", in)
}

func (s *Service) addMember(tx *storage.Tx, accountID, userID, kind string, in map[string]any) (id string, err error) {
	t := s.begin(tx, auth.Principal{AccountID: accountID, UserID: userID})
	o, err := t.create(t.byName[kind], in)
	if err != nil {
		return "", err
	}
	t.commit()
	return o.ID, nil
}

// MayAdminister returns nil for an admin of the account, else Forbidden with the reason. what is asked for, such as "the log",
// and remote, where the request comes from, stand in the refusal that is told (OnDenied).
func (s *Service) MayAdminister(p auth.Principal, what, remote string) error {
	if err := mayAsk(p); err != nil {
		return err
	}
	return s.viewFor(caller{p, remote}, func(t *txn) error { return t.adminsOnly(what) })
}

// AdminUserIDs returns the identities of the account's admins, in no order.
func (s *Service) AdminUserIDs(tx *storage.Tx, accountID string) (userIDs []string, err error) {
	t := s.begin(tx, auth.Principal{AccountID: accountID})
	k := t.byName["accountUser"]
	for r := range t.refsEqual(k, k.indexOn("role").code, adminRole) {
		o, err := t.loadRef(k, r)
		if err != nil {
			return nil, err
		}
		if o.Deleted == 0 {
			userIDs = append(userIDs, o.text("userId"))
		}
	}
	return userIDs, nil
}
