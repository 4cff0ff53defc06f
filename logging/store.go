package logging

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"iter"

	"xively/storage"
)

// Bucket "logging.entries": the entries, by account and time of arrival.
//
//	key    ┌─────────┬────┬──────────────────────┬───────────┐
//	       │ account │ 00 │ serviceTimestamp 8 B │ seq 8 B   │   big-endian; the timestamp is not negative
//	       └─────────┴────┴──────────────────────┴───────────┘
//	value  the JSON of Entry
//
// Bucket "logging.sources": the same by source. The value is empty; the entry is found by account, time and seq.
//
//	key    ┌─────────┬────┬──────────┬────┬──────────────────────┬───────────┐
//	       │ account │ 00 │ sourceId │ 00 │ serviceTimestamp 8 B │ seq 8 B   │
//	       └─────────┴────┴──────────┴────┴──────────────────────┴───────────┘
//
// Bucket "logging.meta": "seq" → 8 B big-endian, no stored entry has a greater one.
const (
	entryBucket  = "logging.entries"
	sourceBucket = "logging.sources"
	metaBucket   = "logging.meta"

	positionSize = 16
)

var seqKey = []byte("seq")

func appendPosition(buf []byte, p position) []byte {
	buf = binary.BigEndian.AppendUint64(buf, uint64(p.time))
	return binary.BigEndian.AppendUint64(buf, p.seq)
}

func positionOf(b []byte) position {
	return position{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])}
}

// key returns the key of the names and p.
func key(p position, names ...string) []byte {
	var k []byte
	for _, name := range names {
		k = append(append(k, name...), 0)
	}
	return appendPosition(k, p)
}

// store reads and writes entries inside one transaction.
type store struct {
	entries, sources, meta *storage.Bucket
}

func openStore(tx *storage.Tx) store {
	return store{tx.Bucket(entryBucket), tx.Bucket(sourceBucket), tx.Bucket(metaBucket)}
}

func (s store) put(account string, r record) {
	s.entries.Put(key(r.position, account), r.data)
	s.sources.Put(key(r.position, account, r.source), nil)
}

func (s store) putSeq(seq uint64) { s.meta.Put(seqKey, binary.BigEndian.AppendUint64(nil, seq)) }

func (s store) seq() uint64 {
	if v := s.meta.Get(seqKey); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// scan yields the entries of an account that arrived in [from, to), newest first; of one source when it is not "". The
// bytes are valid inside the transaction.
func (s store) scan(account, source string, from, to int64) iter.Seq2[position, []byte] {
	first, end := position{time: from}, position{time: to}
	return func(yield func(position, []byte) bool) {
		if source == "" {
			for k, v := range s.entries.ScanDown(key(first, account), key(end, account)) {
				if !yield(positionOf(k[len(k)-positionSize:]), v) {
					return
				}
			}
			return
		}
		for k := range s.sources.ScanDown(key(first, account, source), key(end, account, source)) {
			at := positionOf(k[len(k)-positionSize:])
			v := s.entries.Get(key(at, account))
			if v == nil {
				continue
			}
			if !yield(at, v) {
				return
			}
		}
	}
}

// removeBefore removes up to limit entries that arrived before cutoff, account by account, and returns how many.
func (s store) removeBefore(cutoff int64, limit int) int {
	var old [][]byte
	var sources [][]byte
	var account []byte
	for len(old) < limit {
		next := s.nextAccount(account)
		if next == nil {
			break
		}
		account = next
		for k, v := range s.entries.Scan(key(position{}, string(account)), key(position{time: cutoff}, string(account))) {
			if len(old) == limit {
				break
			}
			old = append(old, bytes.Clone(k))
			var of struct {
				SourceID string `json:"sourceId"`
			}
			if json.Unmarshal(v, &of) == nil {
				sources = append(sources, key(positionOf(k[len(k)-positionSize:]), string(account), of.SourceID))
			}
		}
	}
	for _, k := range old {
		s.entries.Delete(k)
	}
	for _, k := range sources {
		s.sources.Delete(k)
	}
	return len(old)
}

// nextAccount returns the first account with entries after the given one, or nil. nil asks for the first of all.
func (s store) nextAccount(after []byte) []byte {
	var from []byte
	if after != nil {
		from = append(bytes.Clone(after), 1) // past every key of the account: they go on with 00
	}
	for k := range s.entries.Scan(from, nil) {
		return bytes.Clone(k[:len(k)-positionSize-1])
	}
	return nil
}
