package storage

import (
	"encoding/binary"
	"fmt"
)

// ownBucket is the one bucket of this package. Its keys:
//
//	schema           uint32   version of everything in the store
//	id               8 bytes  made with the store; its journal's files carry the same
//	journal.floor    uint64   the journal may lack everything up to this LSN
//	journal.cut.<s>  uint64   stream s is in the store up to this LSN
//	seq.<bucket>     uint64   the last NextID of the bucket
const (
	ownBucket   = "storage"
	schemaKey   = "schema"
	idKey       = "id"
	floorKey    = "journal.floor"
	cutKey      = "journal.cut."
	sequenceKey = "seq."
)

// migration brings a store from one schema version to the next, in one transaction with the new version number.
type migration func(tx *Tx) error

// migrations[i] brings version i+1 to version i+2. The current version is the one behind the last of them.
var migrations []migration

func schemaVersion(m []migration) uint32 { return uint32(len(m)) + 1 }

// refuseSchema says what is wrong with a store of this version, nil when Open can use it as it is or migrate it.
func refuseSchema(path string, version, current uint32) error {
	switch {
	case version == 0:
		return fmt.Errorf("%s: %w: schema version 0", path, ErrDamaged)
	case version > current:
		return fmt.Errorf("%s: %w: schema %d, this program knows up to %d: use the newer program or restore a backup made by this one",
			path, ErrNewer, version, current)
	}
	return nil
}

// migrate brings the store to the current version, one committed step at a time: a crash between two steps goes on with
// the next one.
func (db *DB) migrate(m []migration, version uint32) error {
	for ; version < schemaVersion(m); version++ {
		err := db.Update(func(tx *Tx) error {
			tx.Bucket(ownBucket).putUint32(schemaKey, version+1)
			return m[version-1](tx)
		})
		if err != nil {
			return fmt.Errorf("migrate store from schema %d to %d: %w", version, version+1, err)
		}
		db.log.Info("store migrated", "schema", version+1)
	}
	return nil
}

func (b *Bucket) putUint32(key string, v uint32) {
	b.Put([]byte(key), binary.BigEndian.AppendUint32(nil, v))
}

func (b *Bucket) putUint64(key string, v uint64) {
	b.Put([]byte(key), binary.BigEndian.AppendUint64(nil, v))
}
