package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"strings"

	"go.etcd.io/bbolt"
)

const (
	maxKey      = bbolt.MaxKeySize
	checksumLen = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Bucket is an ordered map from keys to values, in byte order of the keys. It belongs to its transaction.
//
// Key and value slices it returns are the store's own memory: read them inside the transaction, decode or copy what must
// outlive it, never write to them. A value that fails its checksum ends the transaction with ErrDamaged.
type Bucket struct {
	tx      *Tx
	name    string
	seed    uint32
	engine  *bbolt.Bucket // nil while the bucket does not exist
	changes int           // counts writes, so that an iteration knows that its position is stale
}

// Get returns the value of key, or nil when there is none. A value of no bytes is empty and not nil.
func (b *Bucket) Get(key []byte) []byte {
	b.tx.check()
	raw := b.raw(key)
	if raw == nil {
		return nil
	}
	return b.open(key, raw)
}

// Put sets the value of key. Both are copied. A key of no bytes or more than 32768 ends the transaction with ErrInvalidKey.
func (b *Bucket) Put(key, value []byte) {
	b.tx.checkWritable()
	if len(key) == 0 || len(key) > maxKey {
		panic(&stop{fmt.Errorf("bucket %s: %w, not %d", b.name, ErrInvalidKey, len(key))})
	}
	b.create()
	b.remember(key)
	raw := make([]byte, checksumLen+len(value))
	binary.BigEndian.PutUint32(raw, checksum(b.seed, key, value))
	copy(raw[checksumLen:], value)
	b.write(func() error { return b.engine.Put(key, raw) })
	b.tx.written += len(key) + len(raw)
}

// Delete removes key; an absent key is no error.
func (b *Bucket) Delete(key []byte) {
	b.tx.checkWritable()
	if b.raw(key) == nil {
		return
	}
	b.remember(key)
	b.write(func() error { return b.engine.Delete(key) })
	b.tx.written += len(key)
}

// NextID returns 1, 2, 3 … per bucket, never the same number twice.
func (b *Bucket) NextID() uint64 {
	own := b.tx.Bucket(ownBucket)
	key := []byte(sequenceKey + b.name)
	var id uint64
	if v := own.Get(key); len(v) == 8 {
		id = binary.BigEndian.Uint64(v)
	}
	id++
	own.Put(key, binary.BigEndian.AppendUint64(nil, id))
	return id
}

// Scan iterates over the keys in [from, to), ascending. A nil from begins at the first key, a nil to ends after the last.
// The loop may write to the bucket: it goes on behind the key it is at.
func (b *Bucket) Scan(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		p := b.position()
		for k, raw := p.seek(from); k != nil && (to == nil || bytes.Compare(k, to) < 0); k, raw = p.next(k) {
			if !yield(k, b.open(k, raw)) {
				return
			}
		}
	}
}

// ScanDown iterates over the same range as Scan, descending.
func (b *Bucket) ScanDown(from, to []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		p := b.position()
		for k, raw := p.before(to); k != nil && bytes.Compare(k, from) >= 0; k, raw = p.previous(k) {
			if !yield(k, b.open(k, raw)) {
				return
			}
		}
	}
}

// Prefix iterates over the keys that begin with p, ascending.
func (b *Bucket) Prefix(p []byte) iter.Seq2[[]byte, []byte] { return b.Scan(p, prefixEnd(p)) }

// prefixEnd returns the first key behind all keys that begin with p, nil when there is none.
func prefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := bytes.Clone(p[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}

// open checks a stored value and returns the part that belongs to the caller.
func (b *Bucket) open(key, raw []byte) []byte {
	defer guard(b.name)
	if !valid(b.seed, key, raw) {
		panic(&stop{damagedf("xively.db: bucket %s, key %q: checksum does not match", b.name, key)})
	}
	return raw[checksumLen:len(raw):len(raw)]
}

func (b *Bucket) raw(key []byte) []byte {
	if b.engine == nil || len(key) == 0 {
		return nil
	}
	defer guard(b.name)
	return b.engine.Get(key)
}

func (b *Bucket) create() {
	if b.engine != nil {
		return
	}
	b.write(func() (err error) {
		b.engine, err = b.tx.engine.CreateBucketIfNotExists([]byte(b.name))
		return err
	})
}

// remember notes what key holds now, for the undo of a transaction that fails.
func (b *Bucket) remember(key []byte) {
	if b.tx.first {
		return
	}
	b.tx.undo = append(b.tx.undo, change{b, bytes.Clone(key), b.raw(key)})
}

func (b *Bucket) write(fn func() error) {
	defer guard(b.name)
	b.changes++
	if err := fn(); err != nil {
		panic(&stop{fmt.Errorf("bucket %s: %w", b.name, err)})
	}
}

// guard turns a panic of the engine into the end of the transaction: the engine asserts on pages it cannot make sense of.
func guard(bucket string) {
	r := recover()
	if r == nil {
		return
	}
	if s, ours := r.(*stop); ours {
		panic(s)
	}
	panic(&stop{damagedf("xively.db: bucket %s: %s", bucket, strings.TrimSpace(fmt.Sprint(r)))})
}

// bucketSeed and checksum bind a value to its place: bucket, length of the key, key. See FORMAT.md.
func bucketSeed(name string) uint32 { return crc32.Checksum([]byte(name), castagnoli) }

func checksum(seed uint32, key, value []byte) uint32 {
	return crc32.Update(crc32.Update(seed^uint32(len(key)), castagnoli, key), castagnoli, value)
}

func valid(seed uint32, key, raw []byte) bool {
	return len(raw) >= checksumLen && binary.BigEndian.Uint32(raw) == checksum(seed, key, raw[checksumLen:])
}
