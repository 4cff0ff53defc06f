package timeseries

import (
	"encoding/binary"
	"slices"

	"xively/storage"
)

// Bucket "timeseries.series": the directory. A series has a number, which stands for it everywhere else.
//
//	key    ┌─────────┬────┬───────┐      value  ┌────────────┬───────────────────┐
//	       │ account │ 00 │ topic │             │ number 8 B │ purged until 8 B  │   raw points before that time, in ms, may be gone
//	       └─────────┴────┴───────┘             └────────────┴───────────────────┘
//
// Bucket "timeseries.chunks": the points, in chunks (FORMAT.md), by their first position.
//
//	key    ┌────────────┬────────────────┬─────────┐
//	       │ number 8 B │ time 8 B, sign │ seq 8 B │
//	       │            │ bit flipped    │         │
//	       └────────────┴────────────────┴─────────┘
//
// The chunks of a series do not overlap: all positions from a chunk's key up to the next one's are its own. Late points
// are merged into the chunk they belong to.
//
// Bucket "timeseries.rollups": one page (FORMAT.md) for each day, of UTC, of a series that is over.
// Bucket "timeseries.pending": the days whose page has yet to be written, or to be written again.
//
//	rollups ┌────────────┬─────────┐      pending ┌─────────┬────────────┐ → generation 8 B of the checkpoint that
//	        │ number 8 B │ day 4 B │              │ day 4 B │ number 8 B │   wrote points of that day
//	        └────────────┴─────────┘              └─────────┴────────────┘   day: since 0001-01-01
//
// Bucket "timeseries.deleted": number → generation of the deletion. What other buckets still have under that number is
// nobody's and goes soon.
//
// Bucket "timeseries.accounts": account → 8 B, how many series it has in the directory.
//
// Bucket "timeseries.keep": account → how long it wants points and roll-ups kept, 2 × 8 B, nanoseconds; 0 as configured, less
// than 0 for ever.
//
// Bucket "timeseries.meta": "number" and "generation" → 8 B, the greatest that were used.
//
// All integers are big-endian. The store guards each value with a checksum.
const (
	seriesBucket  = "timeseries.series"
	chunkBucket   = "timeseries.chunks"
	rollupBucket  = "timeseries.rollups"
	pendingBucket = "timeseries.pending"
	deletedBucket = "timeseries.deleted"
	accountBucket = "timeseries.accounts"
	keepBucket    = "timeseries.keep"
	metaBucket    = "timeseries.meta"

	positionSize = 16
	idSize       = 8
)

var (
	numberKey     = []byte("number")
	generationKey = []byte("generation")
)

func putUint64(b *storage.Bucket, key []byte, v uint64) {
	b.Put(key, binary.BigEndian.AppendUint64(nil, v))
}

// getUint64 returns 0 when there is none.
func getUint64(b *storage.Bucket, key []byte) uint64 {
	if v := b.Get(key); len(v) >= 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// seriesKey is a series' name in the directory.
func seriesKey(account, topic string) []byte {
	return append(append(append(make([]byte, 0, len(account)+1+len(topic)), account...), 0), topic...)
}

// seriesInfo is an entry of the directory.
type seriesInfo struct {
	id     uint64
	purged int64 // raw points before it may be gone; MinTime when all are there
}

func (s seriesInfo) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.id), uint64(s.purged))
}

func getSeries(tx *storage.Tx, name []byte) (seriesInfo, bool) {
	return decodeSeries(tx.Bucket(seriesBucket).Get(name))
}

func decodeSeries(v []byte) (seriesInfo, bool) {
	if len(v) != 16 {
		return seriesInfo{purged: MinTime}, false
	}
	return seriesInfo{binary.BigEndian.Uint64(v), int64(binary.BigEndian.Uint64(v[8:]))}, true
}

func appendPosition(buf []byte, p position) []byte {
	buf = binary.BigEndian.AppendUint64(buf, uint64(p.time)^1<<63)
	return binary.BigEndian.AppendUint64(buf, p.seq)
}

func positionOf(b []byte) position {
	return position{int64(binary.BigEndian.Uint64(b) ^ 1<<63), binary.BigEndian.Uint64(b[8:])}
}

func idKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func chunkKey(id uint64, p position) []byte {
	return appendPosition(binary.BigEndian.AppendUint64(make([]byte, 0, idSize+positionSize), id), p)
}

// chunkStore reads and writes chunks inside one transaction.
type chunkStore struct{ *storage.Bucket }

// parse reads the header of a chunk found under key.
func (b chunkStore) parse(key, value []byte) (chunk, error) {
	if len(key) != idSize+positionSize {
		return chunk{}, errChunk
	}
	first := positionOf(key[idSize:])
	c, err := parseChunk(first, value)
	if err != nil {
		return c, damagedChunk(binary.BigEndian.Uint64(key), first, err)
	}
	return c, nil
}

// at returns the chunk that p belongs to: the last one of the series that begins at or before p.
func (b chunkStore) at(id uint64, p position) (c chunk, ok bool, err error) {
	to := lastPosition
	if p != lastPosition {
		to = p.next()
	}
	for k, v := range b.ScanDown(chunkKey(id, firstPosition), chunkKey(id, to)) {
		c, err = b.parse(k, v)
		return c, true, err
	}
	return c, false, nil
}

// after returns where the first chunk begins that begins after p, or lastPosition.
func (b chunkStore) after(id uint64, p position) position {
	for k := range b.Scan(chunkKey(id, p.next()), chunkKey(id, lastPosition)) {
		return positionOf(k[idSize:])
	}
	return lastPosition
}

// write adds sorted entries to the chunks of a series.
func (b chunkStore) write(id uint64, entries []entry) error {
	for len(entries) > 0 {
		first := entries[0].position()
		last, found, err := b.at(id, lastPosition)
		if err != nil {
			return err
		}
		group := entries
		if found && first.compare(last.last) <= 0 { // not all are newer than all there is
			if last, found, err = b.at(id, first); err != nil {
				return err
			}
			next := b.after(id, first)
			n, _ := slices.BinarySearchFunc(entries, next, func(e entry, p position) int { return e.position().compare(p) })
			group = entries[:n]
		}
		entries = entries[len(group):]
		if group, err = b.join(id, group, last, found); err != nil {
			return err
		}
		pieces(group, func(piece []entry) {
			b.Put(chunkKey(id, piece[0].position()), appendChunk(make([]byte, 0, 64), piece))
		})
	}
	return nil
}

// join takes old, the chunk before or around group, into it, when they overlap or when that keeps chunks from being many
// and small: a chunk is joined by one at least its size, so that a point is written again a few times only.
func (b chunkStore) join(id uint64, group []entry, old chunk, found bool) (_ []entry, err error) {
	for found && (old.last.compare(group[0].position()) >= 0 || !old.full() && old.count <= len(group)) {
		merged, err := old.decode(make([]entry, 0, old.count+len(group)))
		if err != nil {
			return nil, damagedChunk(id, old.first, err)
		}
		sorted := old.last.compare(group[0].position()) < 0
		group = append(merged, group...)
		if !sorted {
			slices.SortFunc(group, compareEntries)
			group = slices.CompactFunc(group, samePosition) // writing twice is writing once
		}
		b.Delete(chunkKey(id, old.first))
		if old, found, err = b.at(id, group[0].position()); err != nil {
			return nil, err
		}
	}
	return group, nil
}

func samePosition(a, b entry) bool { return a.position() == b.position() }
