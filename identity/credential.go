package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"
)

// Prefixes of the secrets this package hands out, so that people and scanners see what they have found.
const (
	apiKeyPrefix   = "xik_"
	appTokenPrefix = "xia_"
	resetPrefix    = "xir_"
	invitePrefix   = "xii_"
	codePrefix     = "xic_"
)

const credentialLen = 16 + 16 + 32

// newCredential returns a secret to be shown once, and what to store of it. It is a prefix and, in base64url, 16 bytes of
// id, 16 of owner (both UUIDs) and 32 random ones: it says itself where its record is, and the record holds a hash.
func newCredential(prefix, id, owner string) (text string, hash []byte) {
	var b [credentialLen]byte
	for i, text := range []string{id, owner} {
		u, _ := uuid.Parse(text) // a path's id may be anything; the nil id has no record, so its secret opens nothing
		copy(b[16*i:], u[:])
	}
	rand.Read(b[32:]) // never fails
	text = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return text, credentialHash(text)
}

// A fast hash is right here: unlike a password, 256 random bits cannot be guessed from it.
func credentialHash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// readCredential returns which record a secret claims to belong to; matches says if it does.
func readCredential(prefix, text string) (id, owner string, ok bool) {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(credentialLen) {
		return "", "", false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	return uuid.UUID(b[:16]).String(), uuid.UUID(b[16:32]).String(), true
}

func matches(hash []byte, text string) bool {
	return subtle.ConstantTimeCompare(hash, credentialHash(text)) == 1
}

// shownPart is what lists show of a secret, to tell it from others.
func shownPart(text string) string { return text[:12] + "…" }
