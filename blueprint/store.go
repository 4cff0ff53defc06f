package blueprint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/google/uuid"

	"xively/storage"
)

// Keys and values. Numbers are big-endian; an id is the 16 bytes of its UUID; kind and index are the code bytes of the
// kind's table and are never given a new meaning.
//
//	blueprint.<plural>   id                                     -> JSON of object; deleted ones stay, marked
//	blueprint.index      account kind index value 00 ref        -> nothing; live objects
//	                     account kind 00 00 ref                 -> … all of them, in order of creation
//	                     account kind 01 parent 00 ref          -> … deleted along with parent
//	blueprint.counts     account kind                           -> u64, how many live ones
//	blueprint.secrets    entity id                              -> JSON of secrets (credential.go)
//	blueprint.certificates  SHA-256 of a certificate            -> id of the device (certificate.go); of all accounts
//	blueprint.seen       device id                              -> JSON of lastSeen (connection.go)
//	blueprint.deleted    when (8) kind account id               -> nothing; deleted by themselves, to be purged (purge.go)
//	blueprint.expiries   when (8) grant id                      -> nothing (expiry.go)
//	blueprint.codes      account SHA-256 of the code            -> JSON of associationCode (association.go)
//	blueprint.codeof     device id                              -> that SHA-256
//	blueprint.audit      account when (8) number (8)            -> JSON of auditEntry (audit.go)
//	blueprint.auditof    account object id when (8) number (8)  -> nothing
//
//	ref = created, ms since 1970 (8) | id (16). The order of refs is the order of creation.
//	value = the field's text; fields of a compound index are joined by 00. Texts hold no 00.
const (
	indexBucket   = "blueprint.index"
	countsBucket  = "blueprint.counts"
	secretsBucket = "blueprint.secrets"
	seenBucket    = "blueprint.seen"
)

const (
	indexAll         = 0
	indexDeletedWith = 1 // the kinds' own begin at 2
)

// ref finds an object and says its place in the order of creation.
type ref [24]byte

func (r ref) id() string { return idText(r[8:24]) }

// idText is the reverse of parseID for 16 bytes.
func idText(b []byte) string { return uuid.UUID(b).String() }

func (o *object) ref() ref {
	var r ref
	binary.BigEndian.PutUint64(r[:8], uint64(o.Created))
	id, _ := parseID(o.ID)
	copy(r[8:], id[:])
	return r
}

// parseID reads an id in its one spelling: 36 characters, lower case. Anything else names nothing.
func parseID(s string) (uuid.UUID, bool) {
	if len(s) != 36 || strings.ToLower(s) != s {
		return uuid.UUID{}, false
	}
	id, err := uuid.Parse(s)
	return id, err == nil
}

// load returns the stored object, deleted or not, of whatever account; nil when there is none.
func load(tx *storage.Tx, k *kind, id string) (*object, error) {
	key, ok := parseID(id)
	if !ok {
		return nil, nil
	}
	value := tx.Bucket(k.bucket()).Get(key[:])
	if value == nil {
		return nil, nil
	}
	o, err := decode(value)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", k.one, id, err)
	}
	return o, nil
}

func texts(array []any) []string {
	out := make([]string, 0, len(array))
	for _, e := range array {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (t *txn) save(k *kind, o *object) error {
	key, ok := parseID(o.ID)
	if !ok {
		return fmt.Errorf("%s %q: not an id", k.one, o.ID)
	}
	value, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("%s %s: encode: %w", k.one, o.ID, err)
	}
	t.tx.Bucket(k.bucket()).Put(key[:], value)
	return nil
}

// indexPrefix is the key up to the value.
func (t *txn) indexPrefix(k *kind, index byte) []byte {
	account, _ := parseID(t.account)
	return append(append(make([]byte, 0, 96), account[:]...), k.code, index)
}

func (t *txn) valuePrefix(k *kind, index byte, value string) []byte {
	return append(append(t.indexPrefix(k, index), value...), 0)
}

func (t *txn) indexKeys(k *kind, o *object) [][]byte {
	r := o.ref()
	if o.Deleted != 0 {
		if o.DeletedWith == "" {
			return nil
		}
		return [][]byte{append(t.valuePrefix(k, indexDeletedWith, o.DeletedWith), r[:]...)}
	}
	keys := [][]byte{append(t.valuePrefix(k, indexAll, ""), r[:]...)}
	for _, ix := range k.indexes {
		if value, ok := ix.value(o); ok {
			keys = append(keys, append(t.valuePrefix(k, ix.code, value), r[:]...))
		}
	}
	return keys
}

// reindex moves the index from old to new; either may be nil.
func (t *txn) reindex(k *kind, old, new *object) {
	var before, after [][]byte
	if old != nil {
		before = t.indexKeys(k, old)
	}
	if new != nil {
		after = t.indexKeys(k, new)
	}
	has := func(keys [][]byte, key []byte) bool {
		return slices.ContainsFunc(keys, func(other []byte) bool { return bytes.Equal(key, other) })
	}
	b := t.tx.Bucket(indexBucket)
	for _, key := range before {
		if !has(after, key) {
			b.Delete(key)
		}
	}
	for _, key := range after {
		if !has(before, key) {
			b.Put(key, nil)
		}
	}
}

// refsEqual yields the refs whose index value is value, or begins with it in a compound index. They come in order of
// creation from a plain index only.
func (t *txn) refsEqual(k *kind, index byte, value string) iter.Seq[ref] {
	return func(yield func(ref) bool) {
		for key := range t.tx.Bucket(indexBucket).Prefix(t.valuePrefix(k, index, value)) {
			if !yield(ref(key[len(key)-len(ref{}):])) {
				return
			}
		}
	}
}

func (t *txn) count(k *kind) int { return t.countOf(k.code) }

func (t *txn) countOf(code byte) int {
	account, _ := parseID(t.account)
	value := t.tx.Bucket(countsBucket).Get(append(account[:], code))
	if len(value) != 8 {
		return 0
	}
	return int(binary.BigEndian.Uint64(value))
}

func (t *txn) addCount(k *kind, n int) { t.addCountOf(k.code, n) }

func (t *txn) addCountOf(code byte, n int) {
	account, _ := parseID(t.account)
	value := binary.BigEndian.AppendUint64(nil, uint64(t.countOf(code)+n))
	t.tx.Bucket(countsBucket).Put(append(account[:], code), value)
}
