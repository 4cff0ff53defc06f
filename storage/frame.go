package storage

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// A frame is what one sync makes durable: the batches that gathered during the sync before. See FORMAT.md.
//
//	mark u64 | first LSN u64 | batches u32 | body bytes u32 | body checksum u32 | header checksum u32 | body
//
// The mark is random per use of a file and known to no client: old bytes of a file used again, and bytes that a client
// sent, are never taken for a frame.
const (
	frameHeaderLen = 32
	maxFrameBody   = math.MaxUint32
)

type frame struct {
	first  LSN
	count  uint32 // batches, LSN first … first+count-1
	length uint32 // of the body
	sum    uint32
}

// putFrameHeader writes the header of a frame with this body into dst.
func putFrameHeader(dst []byte, mark uint64, first LSN, count uint32, body []byte) {
	h := dst[:frameHeaderLen]
	binary.BigEndian.PutUint64(h, mark)
	binary.BigEndian.PutUint64(h[8:], first)
	binary.BigEndian.PutUint32(h[16:], count)
	binary.BigEndian.PutUint32(h[20:], uint32(len(body)))
	binary.BigEndian.PutUint32(h[24:], frameSum(mark, body))
	binary.BigEndian.PutUint32(h[28:], frameSum(mark, h[:28]))
}

// parseFrameHeader decodes a header; ok is false when these bytes are not one written under this mark.
func parseFrameHeader(h []byte, mark uint64) (f frame, ok bool) {
	if len(h) < frameHeaderLen || binary.BigEndian.Uint64(h) != mark ||
		binary.BigEndian.Uint32(h[28:]) != frameSum(mark, h[:28]) {
		return frame{}, false
	}
	f = frame{
		first:  binary.BigEndian.Uint64(h[8:]),
		count:  binary.BigEndian.Uint32(h[16:]),
		length: binary.BigEndian.Uint32(h[20:]),
		sum:    binary.BigEndian.Uint32(h[24:]),
	}
	return f, f.first > 0 && f.count > 0
}

func frameSum(mark uint64, b []byte) uint32 { return crc32.Update(uint32(mark), castagnoli, b) }

// records calls visit for every record of a body, in order. The record is valid during the call. It returns visit's
// error, or ErrDamaged for a body that no Batch can have made.
func (f frame) records(body []byte, visit func(lsn LSN, s Stream, record []byte) error) error {
	for i := range f.count {
		batch, rest, ok := cutBytes(body)
		if !ok {
			return damagedf("batch %d cut short", f.first+LSN(i))
		}
		body = rest
		for len(batch) > 0 {
			record, rest, ok := cutBytes(batch[1:])
			if !ok {
				return damagedf("record of batch %d cut short", f.first+LSN(i))
			}
			if err := visit(f.first+LSN(i), batch[0], record); err != nil {
				return err
			}
			batch = rest
		}
	}
	if len(body) > 0 {
		return damagedf("bytes behind batch %d", f.first+LSN(f.count)-1)
	}
	return nil
}

// cutBytes splits off a byte string that begins with its length.
func cutBytes(b []byte) (head, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return b[size:end:end], b[end:], true
}
