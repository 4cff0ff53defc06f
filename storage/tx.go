package storage

import (
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// Tx is a transaction. It belongs to the goroutine that runs the function it was given to, and ends with that function.
type Tx struct {
	db       *DB
	engine   *bbolt.Tx
	writable bool
	done     bool
	buckets  []*Bucket // those asked for; a transaction uses few

	// Of a write transaction.
	first    bool     // none of its group has written before: undoing it is beginning the group anew
	undo     []change // what to put back otherwise, newest last
	onCommit []func()
	written  int // bytes of keys and values
}

// change is the state of one key before a write.
type change struct {
	bucket *Bucket
	key    []byte
	old    []byte // with its checksum; nil when the key was absent
}

// View runs fn with a consistent view of the last committed state. Long views keep old pages from being reused, so that
// the file grows: read, decode, return. It returns fn's error, or ErrDamaged, or ErrClosed.
func (db *DB) View(fn func(tx *Tx) error) (err error) {
	engine, err := db.beginView()
	if err != nil {
		return err
	}
	defer db.views.Done()
	defer engine.Rollback()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	tx := &Tx{db: db, engine: engine}
	defer func() {
		tx.done = true
		if r := recover(); r != nil {
			var ours bool
			if err, ours = stopped(r); !ours {
				panic(r)
			}
		}
	}()
	return fn(tx)
}

// Bucket returns the bucket with this name, a flat word with dots such as "blueprint.devices". It is made by the first
// Put; until then it reads as empty. The name "storage" is this package's own.
func (tx *Tx) Bucket(name string) *Bucket {
	for _, b := range tx.buckets {
		if b.name == name {
			return b
		}
	}
	b := &Bucket{tx: tx, name: name, seed: bucketSeed(name)}
	tx.check()
	b.engine = tx.engineBucket(name)
	tx.buckets = append(tx.buckets, b)
	return b
}

func (tx *Tx) engineBucket(name string) *bbolt.Bucket {
	defer guard(name)
	return tx.engine.Bucket([]byte(name))
}

// OnCommit asks for fn to be called once the transaction is on disk, before its Update returns. The functions of a group
// run one after the other in the order of the transactions, so that a cache changed by them follows the store exactly.
// They run on the committer's goroutine: they must be short and must not call Update.
func (tx *Tx) OnCommit(fn func()) {
	tx.checkWritable()
	tx.onCommit = append(tx.onCommit, fn)
}

func (tx *Tx) check() {
	if tx.done {
		panic(&stop{ErrTxDone})
	}
}

func (tx *Tx) checkWritable() {
	tx.check()
	if !tx.writable {
		panic(&stop{ErrReadOnly})
	}
}

// rollback puts back what this transaction changed, in a group that goes on without it. Buckets it made stay, empty.
func (tx *Tx) rollback() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = damagedf("xively.db: undo: %v", r)
		}
	}()
	for i := len(tx.undo) - 1; i >= 0; i-- {
		c := tx.undo[i]
		if c.old == nil {
			err = c.bucket.engine.Delete(c.key)
		} else {
			err = c.bucket.engine.Put(c.key, c.old)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
