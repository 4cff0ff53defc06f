package identity

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"xively/storage"
)

// Keys and values. Ids are UUIDs as text, 36 bytes; values are JSON but for the sealed ones.
//
//	identity.accounts   accountID                      → Account
//	identity.users      accountID '/' userID           → User
//	identity.emails     folded address 00 accountID    → userID
//	identity.sessions   userID '/' sessionID           → Session
//	identity.keys       key id                         → sealed keyRecord
//	identity.apps       appId                          → Application
//	identity.account_apps  accountID '/' appId         → (nothing)
//	identity.api_keys   userID '/' keyID               → APIKey
//	identity.resets     token id                       → reset
//	identity.invitations  accountID '/' id             → Invitation
//	identity.providers  accountID '/' id               → Provider, its secret sealed
//	identity.links      accountID '/' SHA-256, in hex, of issuer 00 subject → userID
//	identity.codes      code id                        → authorization code
//
// A session is below its user so that all of a user's can be ended in one range; an address comes before its account so
// that the accounts which know it are one range, too. Stored addresses hold no 00.
const (
	accountsBucket = "identity.accounts"
	usersBucket    = "identity.users"
	emailsBucket   = "identity.emails"
	sessionsBucket = "identity.sessions"
	keysBucket     = "identity.keys"

	appsBucket        = "identity.apps"
	accountAppsBucket = "identity.account_apps"
	apiKeysBucket     = "identity.api_keys"
	resetsBucket      = "identity.resets"
	invitationsBucket = "identity.invitations"
	providersBucket   = "identity.providers"
	linksBucket       = "identity.links"
	codesBucket       = "identity.codes"
)

func anyAccount(tx *storage.Tx) bool {
	for range tx.Bucket(accountsBucket).Scan(nil, nil) {
		return true
	}
	return false
}

func getAccount(tx *storage.Tx, id string) (a Account, found bool, err error) {
	found, err = get(tx, accountsBucket, id, &a)
	return a, found, err
}

func putAccount(tx *storage.Tx, a Account) error { return put(tx, accountsBucket, a.ID, a) }

func userKey(accountID, userID string) string { return accountID + "/" + userID }

func getUser(tx *storage.Tx, accountID, userID string) (u User, found bool, err error) {
	found, err = get(tx, usersBucket, userKey(accountID, userID), &u)
	return u, found, err
}

// putUser stores a user and what finds it by its e-mail address.
func putUser(tx *storage.Tx, u User) error {
	tx.Bucket(emailsBucket).Put(emailKey(u.AccountID, foldEmail(u.EmailAddress)), []byte(u.ID))
	return put(tx, usersBucket, userKey(u.AccountID, u.ID), u)
}

func emailKey(accountID, folded string) []byte { return []byte(folded + "\x00" + accountID) }

func userIDByEmail(tx *storage.Tx, accountID, folded string) (userID string, found bool) {
	id := tx.Bucket(emailsBucket).Get(emailKey(accountID, folded))
	return string(id), id != nil
}

// emailOwners returns the accounts, at most max, that have a user with the address.
func emailOwners(tx *storage.Tx, folded string, max int) (accountIDs []string) {
	prefix := emailKey("", folded)
	for key := range tx.Bucket(emailsBucket).Prefix(prefix) {
		accountIDs = append(accountIDs, strings.TrimPrefix(string(key), string(prefix)))
		if len(accountIDs) == max {
			break
		}
	}
	return accountIDs
}

func sessionKey(userID, id string) string { return userID + "/" + id }

func getSession(tx *storage.Tx, userID, id string) (s Session, found bool, err error) {
	found, err = get(tx, sessionsBucket, sessionKey(userID, id), &s)
	return s, found, err
}

func putSession(tx *storage.Tx, s Session) error {
	return put(tx, sessionsBucket, sessionKey(s.UserID, s.ID), s)
}

func deleteSession(tx *storage.Tx, userID, id string) {
	tx.Bucket(sessionsBucket).Delete([]byte(sessionKey(userID, id)))
}

// userSessions iterates over a user's sessions, those that have run out with them, in no useful order.
func userSessions(tx *storage.Tx, userID string) iter.Seq2[Session, error] {
	return func(yield func(Session, error) bool) {
		for key, value := range tx.Bucket(sessionsBucket).Prefix([]byte(sessionKey(userID, ""))) {
			var s Session
			err := decode(sessionsBucket, string(key), value, &s)
			if !yield(s, err) {
				return
			}
		}
	}
}

func get(tx *storage.Tx, bucket, key string, v any) (found bool, err error) {
	value := tx.Bucket(bucket).Get([]byte(key))
	if value == nil {
		return false, nil
	}
	return true, decode(bucket, key, value, v)
}

func decode(bucket, key string, value []byte, v any) error {
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("%s %q: decode: %w", bucket, key, err)
	}
	return nil
}

func put(tx *storage.Tx, bucket, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %q: encode: %w", bucket, key, err)
	}
	tx.Bucket(bucket).Put([]byte(key), value)
	return nil
}
