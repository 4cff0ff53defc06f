package timeseries

import (
	"encoding/binary"
	"errors"
	"math"
)

// A block is a run of points of one series in the order they came, packed so that adding one is cheap. The same bytes are
// the body of a journal record and a part of the head in memory. One point:
//
//	┌──────────────┬─────────────┬───────┬──────────────────┬───────────┬──────────────────┐
//	│ time varint  │ seq varint  │ flags │ len uv │ category│ 8 B float │ len uv │ string  │
//	└──────────────┴─────────────┴───────┴──────────────────┴───────────┴──────────────────┘
//
// time and seq are zigzag differences from the point before (from 0 for the first). flags holds Members in bits 0–2 and
// a category's code in bits 3–7: codes 0–30 name an earlier category of the block, in order of first use; 31 means that
// it follows, and gets the next free code if there is one. The float is little-endian. What Members does not name is not there.
type block struct {
	buf      []byte
	count    int
	min, max position
	unsorted bool // some point came before an earlier one

	// For adding only.
	last       position
	categories []uint32 // where in buf each begins, by code
}

const (
	codes       = 31
	literalCode = 31
)

var errBlock = errors.New("timeseries: malformed block")

// newBlock returns a block that begins with a message of size bytes: of many series no other comes before the checkpoint.
func newBlock(size int) block { return block{buf: make([]byte, 0, min(size, blockBytes/64))} }

// add appends e. It keeps no reference to e's strings.
func (b *block) add(e entry) {
	at := e.position()
	if b.count == 0 {
		b.min, b.max = at, at
	}
	if at.compare(b.max) < 0 {
		b.unsorted = true
	} else {
		b.max = at
	}
	if at.compare(b.min) < 0 {
		b.min = at
	}
	b.buf = binary.AppendVarint(b.buf, at.time-b.last.time)
	b.buf = binary.AppendVarint(b.buf, int64(at.seq-b.last.seq))
	b.last = at
	b.count++

	code := 0
	if e.Has&HasCategory != 0 {
		code = b.code(e.Category)
	}
	b.buf = append(b.buf, byte(e.Has)|byte(code)<<3)
	if code == literalCode {
		if len(b.categories) < codes {
			b.categories = append(b.categories, uint32(len(b.buf)))
		}
		b.buf = appendText(b.buf, e.Category)
	}
	if e.Has&HasNumeric != 0 {
		b.buf = binary.LittleEndian.AppendUint64(b.buf, math.Float64bits(e.Numeric))
	}
	if e.Has&HasString != 0 {
		b.buf = appendText(b.buf, e.String)
	}
}

// code returns the code of a category, literalCode when it has none.
func (b *block) code(category string) int {
	for code, at := range b.categories {
		length, n := binary.Uvarint(b.buf[at:])
		if string(b.buf[int(at)+n:][:length]) == category {
			return code
		}
	}
	return literalCode
}

// close gives back what is needed for adding only.
func (b *block) close() { b.categories = nil }

// reset empties b and keeps its memory.
func (b *block) reset() {
	*b = block{buf: b.buf[:0], categories: b.categories[:0]}
}

// decodeBlock appends the points of buf to dst, in the order they were added. The error is errBlock.
func decodeBlock(dst []entry, buf []byte) ([]entry, error) {
	var (
		last       position
		few        [4]string
		categories = few[:0]
		r          = reader{buf: buf}
	)
	for len(r.buf) > 0 && !r.bad {
		var e entry
		last.time += r.varint()
		last.seq += uint64(r.varint())
		flags := r.byte()
		e.Time, e.seq, e.Has = last.time, last.seq, Members(flags&7)
		if e.Has&HasCategory != 0 {
			switch code := int(flags >> 3); {
			case code < len(categories):
				e.Category = categories[code]
			case code == literalCode:
				e.Category = r.text()
				if len(categories) < codes {
					categories = append(categories, e.Category)
				}
			default:
				return dst, errBlock
			}
		}
		if e.Has&HasNumeric != 0 {
			e.Numeric = math.Float64frombits(r.uint64())
		}
		if e.Has&HasString != 0 {
			e.String = r.text()
		}
		dst = append(dst, e)
	}
	if r.bad {
		return dst, errBlock
	}
	return dst, nil
}

func appendText(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// reader takes values off the front of buf; after a value that is not there, bad is set and every result is zero.
type reader struct {
	buf []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.buf) {
		r.bad, r.buf = true, nil
		return nil
	}
	b := r.buf[:n]
	r.buf = r.buf[n:]
	return b
}

func (r *reader) fail() { r.bad, r.buf = true, nil }

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.buf)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.buf)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.buf = r.buf[n:]
	return v
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// text returns a copy of the next length-prefixed string.
func (r *reader) text() string {
	length, n := binary.Uvarint(r.buf)
	if n <= 0 || length > uint64(len(r.buf)) {
		n, length = -1, 0
	}
	r.take(n)
	return string(r.take(int(length)))
}
