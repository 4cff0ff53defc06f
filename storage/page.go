package storage

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
)

// The engine's page format, read here without the engine: it trusts its file and would fault, loop or assert on a
// damaged one. Integers have the byte order of the machine, as the engine writes them.

const (
	pageHeaderLen    = 16
	elementLen       = 16
	bucketHeaderLen  = 16
	metaLen          = 64
	metaMagic        = 0xED0CDAED
	metaVersion      = 2
	noFreelist       = ^uint64(0)
	manyFree         = 0xFFFF // count of a freelist page whose first element is the count
	maxDepth         = 48
	firstContentPage = 2
)

const (
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
)

const bucketElement = 0x01

var native = binary.NativeEndian

// header is one of the two meta pages; the valid one with the higher txid counts.
type header struct {
	pageSize uint32
	root     uint64
	freelist uint64
	pages    uint64 // high-water mark: all pages are below it
	txid     uint64
}

// parseHeader reads a meta page. ours is false when the bytes are not those of any store.
func parseHeader(page []byte) (h header, ours, ok bool) {
	if len(page) < pageHeaderLen+metaLen {
		return h, false, false
	}
	m := page[pageHeaderLen : pageHeaderLen+metaLen]
	if native.Uint32(m) != metaMagic || native.Uint32(m[4:]) != metaVersion {
		return h, false, false
	}
	h = header{
		pageSize: native.Uint32(m[8:]),
		root:     native.Uint64(m[16:]),
		freelist: native.Uint64(m[32:]),
		pages:    native.Uint64(m[40:]),
		txid:     native.Uint64(m[48:]),
	}
	sum := fnv.New64a()
	sum.Write(m[:56])
	return h, true, sum.Sum64() == native.Uint64(m[56:])
}

// page is the bytes of one page with its overflow pages.
type page []byte

func (p page) id() uint64       { return native.Uint64(p) }
func (p page) flags() uint16    { return native.Uint16(p[8:]) }
func (p page) count() int       { return int(native.Uint16(p[10:])) }
func (p page) overflow() uint64 { return uint64(native.Uint32(p[12:])) }

// element is one entry of a leaf or branch page.
type element struct {
	bucket bool
	key    []byte
	value  []byte // leaf
	child  uint64 // branch
}

// elements decodes a leaf or branch page. The engine writes elements without gaps, so that a wrong count, position or
// size shows as a gap. what is "" when all is well.
func (p page) elements(leaf bool) (list []element, what string) {
	count := p.count()
	end := pageHeaderLen + count*elementLen
	if end > len(p) {
		return nil, "more entries than fit"
	}
	if count == 0 && len(p) >= end+elementLen && !bytes.Equal(p[end:end+elementLen], make([]byte, elementLen)) {
		return nil, "entries but no count"
	}
	list = make([]element, 0, count)
	for i := range count {
		at := pageHeaderLen + i*elementLen
		h := p[at : at+elementLen]
		var e element
		var pos, keyLen, valueLen uint64
		if leaf {
			flags := native.Uint32(h)
			if flags > bucketElement {
				return nil, "unknown entry flags"
			}
			e.bucket = flags == bucketElement
			pos, keyLen, valueLen = uint64(native.Uint32(h[4:])), uint64(native.Uint32(h[8:])), uint64(native.Uint32(h[12:]))
		} else {
			pos, keyLen = uint64(native.Uint32(h)), uint64(native.Uint32(h[4:]))
			e.child = native.Uint64(h[8:])
		}
		if uint64(at)+pos != uint64(end) || keyLen == 0 || keyLen > maxKey || uint64(end)+keyLen+valueLen > uint64(len(p)) {
			return nil, "entry out of place"
		}
		e.key = p[end : end+int(keyLen)]
		end += int(keyLen)
		e.value = p[end : end+int(valueLen)]
		end += int(valueLen)
		list = append(list, e)
	}
	return list, ""
}
