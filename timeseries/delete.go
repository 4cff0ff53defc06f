package timeseries

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"

	"xively/storage"
)

// forget takes a series without points out of the directory, unless it is in memory and so not at rest. Until that is
// on disk nobody gets it into memory.
func (e *engine) forget(tx *storage.Tx, name []byte, id uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.series[id] != nil {
		return
	}
	e.leaving[id] = true
	tx.OnCommit(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.leaving, id)
	})
	e.remove(tx, name, id)
}

// remove takes a series out of the directory for good. Its number is noted as deleted, so that nothing that is still
// written under it, by a checkpoint under way or a replay, stays.
func (e *engine) remove(tx *storage.Tx, name []byte, id uint64) {
	name = bytes.Clone(name)
	if tx.Bucket(seriesBucket).Get(name) != nil {
		countStored(tx, accountOfName(name), -1)
	}
	tx.Bucket(seriesBucket).Delete(name)
	putUint64(tx.Bucket(deletedBucket), idKey(id), e.generation.Load())
	tx.OnCommit(func() {
		e.mu.Lock()
		s := e.series[id]
		e.mu.Unlock()
		if s != nil {
			s.mu.Lock()
			s.gone, s.name, s.head, s.frozen = true, "", nil, nil
			s.mu.Unlock()
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.epoch++
		delete(e.series, id)
		delete(e.fresh, string(name))
		e.limits.remove(string(accountOfName(name)))
	})
}

// Delete removes the series of an account whose topics begin with prefix, such as a device's "xi/blue/v1/<account>/d/<device>/",
// with all their points and roll-ups. It is durable when the transaction is; the space comes back a little later. Points
// published afterwards make a new series.
func (s *Service) Delete(tx *storage.Tx, account, prefix string) {
	key := seriesKey(account, prefix)
	type found struct {
		name []byte
		id   uint64
	}
	var all []found
	for k, v := range tx.Bucket(seriesBucket).Prefix(key) {
		if info, ok := decodeSeries(v); ok {
			all = append(all, found{bytes.Clone(k), info.id})
		}
	}
	for name, fresh := range s.engine.freshNames() {
		if strings.HasPrefix(name, string(key)) {
			all = append(all, found{[]byte(name), fresh.id})
		}
	}
	for _, x := range all {
		s.engine.remove(tx, x.name, x.id)
	}
}

// DeleteAll is Delete in a transaction of its own.
func (s *Service) DeleteAll(account, prefix string) error {
	return s.db.Update(func(tx *storage.Tx) error {
		s.Delete(tx, account, prefix)
		return nil
	})
}

// removeDeleted takes away what is stored under the numbers of deleted series, and then the note of each that no
// journal record can name any more.
func (s *Service) removeDeleted(ctx context.Context) error {
	const most = 500
	var from []byte
	for ctx.Err() == nil {
		more := false
		err := s.db.Update(func(tx *storage.Tx) error {
			for k, v := range tx.Bucket(deletedBucket).Scan(from, nil) {
				more = true
				k = bytes.Clone(k)
				if removeSome(tx, binary.BigEndian.Uint64(k), most) < most {
					from = append(k, 0)
					// The last checkpoint came after the deletion, so the journal begins after it.
					if written := getUint64(tx.Bucket(metaBucket), generationKey); len(v) == 8 && written > binary.BigEndian.Uint64(v) {
						tx.Bucket(deletedBucket).Delete(k)
					}
				}
				break
			}
			return nil
		})
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

func removeSome(tx *storage.Tx, id uint64, most int) (n int) {
	for _, name := range [...]string{chunkBucket, rollupBucket} {
		b := tx.Bucket(name)
		for k := range b.Prefix(idKey(id)) {
			if n == most {
				return n
			}
			b.Delete(bytes.Clone(k))
			n++
		}
	}
	return n
}
