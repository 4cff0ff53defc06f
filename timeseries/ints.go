package timeseries

import (
	"encoding/binary"
	"math/bits"
)

// A run of integers is packed in groups of up to intGroup. A group is drawn in FORMAT.md: a base, then each value's
// distance from it in as many bits as most of them need, and the few that need more apart. How many integers there are is
// for the reader to know.
const intGroup = 128

// Header of a group: bits 0–5 the width, and:
const (
	groupExceptions = 0x40
	groupZigzag     = 0x80 // distances go both ways from the base; else the base is the smallest value
	maxWidth        = 63
)

// appendInts packs v.
func appendInts(buf []byte, v []int64) []byte {
	for len(v) > 0 {
		n := min(len(v), intGroup)
		buf = appendGroup(buf, v[:n])
		v = v[n:]
	}
	return buf
}

func appendGroup(buf []byte, v []int64) []byte {
	base := v[0]
	for _, x := range v {
		base = min(base, x)
	}
	var distance, other [intGroup]uint64
	for i, x := range v {
		distance[i] = uint64(x) - uint64(base)
	}
	width, cost := bestWidth(distance[:len(v)])
	flags := byte(0)
	if width > 0 {
		if usual, ok := majority(v); ok {
			for i, x := range v {
				other[i] = zigzag(x - usual)
			}
			if w, c := bestWidth(other[:len(v)]); c < cost {
				base, distance, width, flags = usual, other, w, groupZigzag
			}
		}
	}
	return packGroup(binary.AppendVarint(buf, base), distance[:len(v)], width, flags)
}

func packGroup(buf []byte, u []uint64, width int, flags byte) []byte {
	exceptions := 0
	for _, x := range u {
		if bits.Len64(x) > width {
			exceptions++
		}
	}
	if exceptions > 0 {
		flags |= groupExceptions
	}
	buf = append(buf, byte(width)|flags)
	var acc uint64
	var have int
	mask := uint64(1)<<width - 1
	for _, x := range u {
		x &= mask
		acc |= x << have
		have += width
		if have >= 64 {
			buf = binary.LittleEndian.AppendUint64(buf, acc)
			have -= 64
			acc = x >> (width - have)
		}
	}
	for ; have > 0; have -= 8 {
		buf = append(buf, byte(acc))
		acc >>= 8
	}
	if exceptions == 0 {
		return buf
	}
	buf = append(buf, byte(exceptions-1))
	for i, x := range u {
		if bits.Len64(x) > width {
			buf = binary.AppendUvarint(append(buf, byte(i)), x>>width)
		}
	}
	return buf
}

// bestWidth returns the width that packs u in the fewest bytes, and how many these are.
func bestWidth(u []uint64) (width, cost int) {
	var lengths [65]int
	longest := 0
	for _, x := range u {
		n := bits.Len64(x)
		lengths[n]++
		longest = max(longest, n)
	}
	cost = -1
	for w := min(longest, maxWidth); w >= 0; w-- {
		c := (len(u)*w + 7) / 8
		exceptions := 0
		for n := w + 1; n <= longest; n++ {
			exceptions += lengths[n]
			c += lengths[n] * (1 + (n-w+6)/7)
		}
		if exceptions > 0 {
			c++
		}
		if cost < 0 || c < cost {
			width, cost = w, c
		}
	}
	return width, cost
}

// majority returns the value that more than half of v have, if there is one.
func majority(v []int64) (value int64, ok bool) {
	votes := 0
	for _, x := range v {
		switch {
		case votes == 0:
			value, votes = x, 1
		case x == value:
			votes++
		default:
			votes--
		}
	}
	n := 0
	for _, x := range v {
		if x == value {
			n++
		}
	}
	return value, n > len(v)/2
}

// ints reads len(dst) integers that appendInts has packed.
func (r *reader) ints(dst []int64) {
	for len(dst) > 0 && !r.bad {
		n := min(len(dst), intGroup)
		r.group(dst[:n])
		dst = dst[n:]
	}
	if r.bad {
		clear(dst)
	}
}

func (r *reader) group(dst []int64) {
	base := uint64(r.varint())
	flags := r.byte()
	width := int(flags & maxWidth)
	packed := r.take((len(dst)*width + 7) / 8)
	var u [intGroup]uint64
	unpack(u[:len(dst)], packed, width)
	if flags&groupExceptions != 0 {
		for n := int(r.byte()) + 1; n > 0; n-- {
			i := int(r.byte())
			high := r.uvarint()
			if i >= len(dst) {
				r.fail()
				return
			}
			u[i] |= high << width
		}
	}
	if flags&groupZigzag == 0 {
		for i := range dst {
			dst[i] = int64(base + u[i])
		}
		return
	}
	for i := range dst {
		dst[i] = int64(base + uint64(unzigzag(u[i])))
	}
}

// unpack reads values of width bits, the first in the lowest bits.
func unpack(dst []uint64, packed []byte, width int) {
	if width == 0 || len(packed) == 0 {
		return
	}
	mask := uint64(1)<<width - 1
	i, bit := 0, 0
	if width <= 56 { // one load of eight bytes holds a value wherever it begins
		for ; i < len(dst) && bit>>3+8 <= len(packed); i++ {
			dst[i] = binary.LittleEndian.Uint64(packed[bit>>3:]) >> (bit & 7) & mask
			bit += width
		}
	}
	for ; i < len(dst); i++ {
		var x uint64
		for got := 0; got < width; {
			at := bit + got
			x |= uint64(packed[at>>3]>>(at&7)) << got
			got += 8 - at&7
		}
		dst[i] = x & mask
		bit += width
	}
}

// skipColumn passes over a column of n integers.
func (r *reader) skipColumn(n int) {
	if r.byte() == columnDeltas {
		r.varint()
		n--
	}
	for ; n > 0 && !r.bad; n -= intGroup {
		r.varint()
		flags := r.byte()
		r.take((min(n, intGroup)*int(flags&maxWidth) + 7) / 8)
		if flags&groupExceptions != 0 {
			for k := int(r.byte()) + 1; k > 0 && !r.bad; k-- {
				r.byte()
				r.uvarint()
			}
		}
	}
}

func zigzag(x int64) uint64   { return uint64(x<<1) ^ uint64(x>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// How a column of integers is kept.
const (
	columnPlain  = 0 // the values
	columnDeltas = 1 // the first value, then each one's difference from the one before
)

// appendColumn packs v, at least one value, in the shorter of the two ways.
func appendColumn(buf []byte, v []int64) []byte {
	start := len(buf)
	buf = binary.AppendVarint(append(buf, columnDeltas), v[0])
	if len(v) == 1 {
		return buf
	}
	var scratch [intGroup]int64
	for i := 1; i < len(v); i += intGroup {
		n := min(len(v)-i, intGroup)
		for k := range n {
			scratch[k] = v[i+k] - v[i+k-1]
		}
		buf = appendGroup(buf, scratch[:n])
	}
	middle := len(buf)
	if middle-start <= 3+2*((len(v)+intGroup-2)/intGroup)+binary.MaxVarintLen16 {
		return buf // no bits per value: it cannot be much shorter
	}
	buf = appendInts(append(buf, columnPlain), v)
	if len(buf)-middle < middle-start {
		n := copy(buf[start:], buf[middle:])
		return buf[:start+n]
	}
	return buf[:middle]
}

// column reads len(dst) integers that appendColumn has packed.
func (r *reader) column(dst []int64) {
	switch r.byte() {
	case columnPlain:
		r.ints(dst)
	case columnDeltas:
		dst[0] = r.varint()
		r.ints(dst[1:])
		for i := 1; i < len(dst); i++ {
			dst[i] += dst[i-1]
		}
	default:
		r.fail()
	}
}
