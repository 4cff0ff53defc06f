package logging

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"xively/storage"
)

// The parts of a chunk (chunk.go) are in buckets of their own, under the place of its first row:
//
//	"logging.chunks"   header  ┌─────────┬────┬──────────────────────┬─────────┐
//	"logging.words"    filter  │ account │ 00 │ serviceTimestamp 8 B │ seq 8 B │   big-endian; the timestamp is not negative
//	"logging.rare"     rare    └─────────┴────┴──────────────────────┴─────────┘
//	"logging.shapes"   shapes
//	"logging.origins"  origins the same and the value's number, 2 B
//	"logging.times"    times   the same and the block's number, 2 B
//	"logging.columns"  column  the same and the column's number, 2 B
//
// Bucket "logging.meta", 8 B big-endian each: "seq", no stored entry has a greater one; "flushed", the number of the last freeze in the store;
// "bytes", the size of all chunks.
const (
	chunkBucket  = "logging.chunks"
	wordBucket   = "logging.words"
	originBucket = "logging.origins"
	rareBucket   = "logging.rare"
	shapeBucket  = "logging.shapes"
	timesBucket  = "logging.times"
	columnBucket = "logging.columns"
	metaBucket   = "logging.meta"

	seqKey     = "seq"
	flushedKey = "flushed"
	bytesKey   = "bytes"
)

// store reads and writes chunks inside one transaction.
type store struct {
	chunks, words, origins, rare, shapes, times, columns, meta *storage.Bucket
}

func openStore(tx *storage.Tx) store {
	return store{tx.Bucket(chunkBucket), tx.Bucket(wordBucket), tx.Bucket(originBucket), tx.Bucket(rareBucket), tx.Bucket(shapeBucket),
		tx.Bucket(timesBucket), tx.Bucket(columnBucket), tx.Bucket(metaBucket)}
}

func chunkKey(account string, first position) []byte {
	return appendPosition(append([]byte(account), 0), first)
}

// numberedKey returns the key of a chunk's n-th times or column.
func numberedKey(key []byte, n int) []byte {
	return binary.BigEndian.AppendUint16(bytes.Clone(key), uint16(n))
}

func accountOf(key []byte) string { return string(key[:len(key)-positionSize-1]) }

func (s store) number(name string) uint64 {
	if v := s.meta.Get([]byte(name)); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (s store) putNumber(name string, v uint64) {
	s.meta.Put([]byte(name), binary.BigEndian.AppendUint64(nil, v))
}

func (s store) put(account string, p *packed) {
	key := chunkKey(account, p.first)
	s.chunks.Put(key, p.header)
	s.words.Put(key, p.filters)
	s.rare.Put(key, p.rare)
	s.shapes.Put(key, p.shapes)
	for i, b := range p.origin {
		if b != nil {
			s.origins.Put(numberedKey(key, i), b)
		}
	}
	for i, b := range p.times {
		s.times.Put(numberedKey(key, i), b)
	}
	for i, b := range p.columns {
		s.columns.Put(numberedKey(key, i), b)
	}
	s.putNumber(bytesKey, s.number(bytesKey)+uint64(p.size()))
}

func (s store) remove(key []byte, h *header) {
	key = bytes.Clone(key)
	s.chunks.Delete(key)
	s.words.Delete(key)
	s.rare.Delete(key)
	s.shapes.Delete(key)
	for _, b := range []*storage.Bucket{s.origins, s.times, s.columns} {
		for k := range b.Scan(numberedKey(key, 0), append(numberedKey(key, math.MaxUint16), 0)) {
			b.Delete(k)
		}
	}
	s.putNumber(bytesKey, s.number(bytesKey)-min(s.number(bytesKey), uint64(h.size)))
}

// open returns the chunk under a key of chunks, valid inside the transaction.
func (s store) open(key, head []byte) (*chunk, error) {
	key = bytes.Clone(key)
	c, err := newChunk(accountOf(key), head, func(of part, number int) []byte {
		switch of {
		case filterPart:
			return s.words.Get(key)
		case originsPart:
			return s.origins.Get(numberedKey(key, number))
		case rarePart:
			return s.rare.Get(key)
		case shapesPart:
			return s.shapes.Get(key)
		case timesPart:
			return s.times.Get(numberedKey(key, number))
		}
		return s.columns.Get(numberedKey(key, number))
	})
	if err != nil {
		return nil, fmt.Errorf("%w: account %s", err, accountOf(key))
	}
	return c, nil
}

// readable refuses chunks of another form: those of builds before the first release are not read any more.
func (s store) readable() error {
	for _, head := range s.chunks.Scan(nil, nil) {
		if len(head) > 0 && head[0] != chunkVersion {
			return fmt.Errorf("the log in the store has form %d, and this program reads form %d: use the program that wrote it, or another data folder", head[0], chunkVersion)
		}
		break
	}
	return nil
}

// newest yields the keys and headers of an account's chunks, the newest first.
func (s store) newest(account string) iter.Seq2[[]byte, []byte] {
	return s.chunks.ScanDown(append([]byte(account), 0), append([]byte(account), 1))
}

// oldest is newest the other way round.
func (s store) oldest(account string) iter.Seq2[[]byte, []byte] {
	return s.chunks.Scan(append([]byte(account), 0), append([]byte(account), 1))
}

// accounts returns the accounts that have chunks.
func (s store) accounts() []string {
	var all []string
	for from := []byte(nil); ; {
		account, ok := s.firstAccount(from)
		if !ok {
			return all
		}
		all = append(all, account)
		from = append([]byte(account), 1) // past every key of the account: they go on with 00
	}
}

func (s store) firstAccount(from []byte) (string, bool) {
	for k := range s.chunks.Scan(from, nil) {
		return accountOf(k), true
	}
	return "", false
}
