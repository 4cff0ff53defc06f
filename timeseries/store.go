package timeseries

import (
	"encoding/binary"
	"fmt"
	"slices"

	"xively/storage"
)

// Bucket "timeseries.chunks": the points of each series in chunks, by their first position.
//
//	key    ┌─────────┬────┬───────┬────┬───────────────────┬───────────────┐
//	       │ account │ 00 │ topic │ 00 │ time 8 B, sign    │ seq 8 B       │   of the chunk's first point
//	       │         │    │       │    │ flipped, big-end. │ big-endian    │
//	       └─────────┴────┴───────┴────┴───────────────────┴───────────────┘
//	value  ┌────┬───────────┬────────────┬───────────┬───────┐
//	       │ 01 │ count 4 B │ time 8 B   │ seq 8 B   │ block │               time and seq as in the key, of the last point
//	       └────┴───────────┴────────────┴───────────┴───────┘
//
// A chunk holds at most blockPoints points, sorted, and the chunks of a series do not overlap: all positions from its
// key up to the next chunk's key are its own. Late points are merged into the chunk they belong to.
//
// Bucket "timeseries.meta": "seq" → 8 B big-endian, no point in a chunk has a greater one.
const (
	chunkBucket = "timeseries.chunks"
	metaBucket  = "timeseries.meta"

	chunkVersion = 1
	chunkHeader  = 1 + 4 + positionSize
	positionSize = 16
)

var seqKey = []byte("seq")

func putSeq(tx *storage.Tx, seq uint64) {
	tx.Bucket(metaBucket).Put(seqKey, binary.BigEndian.AppendUint64(nil, seq))
}

func getSeq(tx *storage.Tx) uint64 {
	if v := tx.Bucket(metaBucket).Get(seqKey); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func seriesKey(account, topic string) []byte {
	return append(append(append(append([]byte(nil), account...), 0), topic...), 0)
}

func appendPosition(buf []byte, p position) []byte {
	buf = binary.BigEndian.AppendUint64(buf, uint64(p.time)^1<<63)
	return binary.BigEndian.AppendUint64(buf, p.seq)
}

func positionOf(b []byte) position {
	return position{int64(binary.BigEndian.Uint64(b) ^ 1<<63), binary.BigEndian.Uint64(b[8:])}
}

func chunkKey(series []byte, p position) []byte { return appendPosition(slices.Clone(series), p) }

// chunk is a chunk's header; data is valid as long as its transaction.
type chunk struct {
	first, last position
	count       int
	data        []byte
}

func parseChunk(key, value []byte) (chunk, error) {
	if len(key) < positionSize || len(value) < chunkHeader || value[0] != chunkVersion {
		return chunk{}, fmt.Errorf("%s: key %q: %w", chunkBucket, key, errBlock)
	}
	return chunk{
		first: positionOf(key[len(key)-positionSize:]),
		last:  positionOf(value[5:]),
		count: int(binary.BigEndian.Uint32(value[1:])),
		data:  value[chunkHeader:],
	}, nil
}

// full reports whether points after the chunk's last go into a chunk of their own.
func (c chunk) full() bool { return c.count >= blockPoints*3/4 || len(c.data) >= blockBytes*3/4 }

// chunkStore reads and writes chunks inside one transaction.
type chunkStore struct{ *storage.Bucket }

// at returns the chunk that p belongs to: the last one of the series that begins at or before p.
func (b chunkStore) at(series []byte, p position) (c chunk, ok bool, err error) {
	for k, v := range b.ScanDown(chunkKey(series, firstPosition), chunkKey(series, p.next())) {
		c, err = parseChunk(k, v)
		return c, true, err
	}
	return c, false, nil
}

// after returns where the first chunk begins that begins after p, or lastPosition.
func (b chunkStore) after(series []byte, p position) position {
	for k := range b.Scan(chunkKey(series, p.next()), chunkKey(series, lastPosition)) {
		return positionOf(k[len(k)-positionSize:])
	}
	return lastPosition
}

// write adds the points of blocks to the chunks of a series, some blocks at a time to keep memory small.
func (b chunkStore) write(series []byte, blocks []*block) error {
	const atOnce = 16
	var entries []entry
	for part := range slices.Chunk(blocks, atOnce) {
		entries = entries[:0]
		for _, block := range part {
			var err error
			if entries, err = decodeBlock(entries, block.buf); err != nil {
				return err
			}
		}
		slices.SortFunc(entries, compareEntries)
		if err := b.merge(series, entries); err != nil {
			return err
		}
	}
	return nil
}

// merge adds sorted entries to the chunks they belong to.
func (b chunkStore) merge(series []byte, entries []entry) error {
	for len(entries) > 0 {
		first := entries[0].position()
		old, found, err := b.at(series, first)
		if err != nil {
			return err
		}
		next := b.after(series, first)
		n, _ := slices.BinarySearchFunc(entries, next, func(e entry, p position) int { return e.position().compare(p) })
		group := entries[:n]
		entries = entries[n:]
		if found && (old.last.compare(first) > 0 || !old.full()) {
			merged, err := decodeBlock(nil, old.data)
			if err != nil {
				return err
			}
			group = append(merged, group...)
			slices.SortFunc(group, compareEntries)
			group = slices.CompactFunc(group, func(a, b entry) bool { return a.position() == b.position() }) // writing twice is writing once
			b.Delete(chunkKey(series, old.first))
		}
		b.put(series, group)
	}
	return nil
}

// put writes sorted entries as chunks of about equal size.
func (b chunkStore) put(series []byte, entries []entry) {
	pieces := (len(entries) + blockPoints - 1) / blockPoints
	size := (len(entries) + pieces - 1) / pieces
	var open block
	for i, e := range entries {
		open.add(e)
		if open.count == size || len(open.buf) >= blockBytes || i == len(entries)-1 {
			value := make([]byte, 0, chunkHeader+len(open.buf))
			value = append(value, chunkVersion)
			value = binary.BigEndian.AppendUint32(value, uint32(open.count))
			value = append(appendPosition(value, open.max), open.buf...)
			b.Put(chunkKey(series, open.min), value)
			open.reset()
		}
	}
}
