package storage

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// position is a place in a bucket that survives writes to it: the engine's cursor does not, so after a write it looks up
// the last key again. The keys it returns stay readable until the transaction ends.
type position struct {
	b       *Bucket
	cursor  *bbolt.Cursor
	changes int
}

func (b *Bucket) position() *position {
	b.tx.check()
	return &position{b: b}
}

// fresh makes sure that the cursor is usable; false means that the bucket does not exist.
func (p *position) fresh() bool {
	if p.b.engine == nil {
		return false
	}
	if p.cursor == nil {
		p.cursor = p.b.engine.Cursor()
	}
	p.changes = p.b.changes
	return true
}

// seek goes to the first key at or behind from; nil is the first key.
func (p *position) seek(from []byte) (k, raw []byte) {
	defer guard(p.b.name)
	if !p.fresh() {
		return nil, nil
	}
	if from == nil {
		return p.cursor.First()
	}
	return p.cursor.Seek(from)
}

// before goes to the last key before to; nil is the last key of all.
func (p *position) before(to []byte) (k, raw []byte) {
	defer guard(p.b.name)
	if !p.fresh() {
		return nil, nil
	}
	if to != nil {
		if k, _ := p.cursor.Seek(to); k != nil {
			return p.back(to)
		}
	}
	if k, _ := p.cursor.First(); k == nil {
		return nil, nil // the engine's Last would look for ever through pages that this transaction has emptied
	}
	return p.cursor.Last()
}

func (p *position) next(k []byte) (next, raw []byte) {
	p.b.tx.check()
	if p.changes == p.b.changes {
		defer guard(p.b.name)
		return p.cursor.Next()
	}
	next, raw = p.seek(k)
	if bytes.Equal(next, k) {
		defer guard(p.b.name)
		return p.cursor.Next()
	}
	return next, raw
}

func (p *position) previous(k []byte) (previous, raw []byte) {
	p.b.tx.check()
	if p.changes == p.b.changes {
		defer guard(p.b.name)
		return p.back(k)
	}
	return p.before(k)
}

// back moves one key down from k. The engine's Prev also returns nil on a page that this transaction has emptied, so a
// nil only counts when no key lies below k.
func (p *position) back(k []byte) (previous, raw []byte) {
	previous, raw = p.cursor.Prev()
	if previous != nil || !p.b.tx.writable {
		return previous, raw
	}
	if first, _ := p.b.engine.Cursor().First(); first == nil || bytes.Compare(first, k) >= 0 {
		return nil, nil
	}
	for previous == nil {
		previous, raw = p.cursor.Prev()
	}
	return previous, raw
}
