package logging

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// originShards is how many values the origins of a chunk are in, by the first bits of their keys: who asks for one source reads
// one of them.
const originShards = 16

// The numbers that values of the origins have behind those of the shards.
const (
	originTextsNumber  = originShards
	originColumnNumber = originShards + 1 // and the member
	originNumbers      = originColumnNumber + originTexts
)

// origins is the part of that name, as far as it has been read.
type origins struct {
	shards [originShards]*originShard

	texts   []string          // of all origins; nil until it is needed
	first   [originShards]int // the number of each shard's first origin among all
	all     int
	columns [originTexts][]byte // text numbers of size bytes each
	size    int
	ofRow   []uint16 // the origin of each row; made when it is asked for often
	asked   int
}

// originShard is the origins whose keys begin alike.
type originShard struct {
	keys   []byte // 16 each
	starts []byte // uint16 each, one more than keys
	rows   []byte // uint16 each
}

func (o *originShard) count() int      { return len(o.keys) / 16 }
func (o *originShard) start(i int) int { return int(binary.LittleEndian.Uint16(o.starts[2*i:])) }
func (o *originShard) row(i int) int   { return int(binary.LittleEndian.Uint16(o.rows[2*i:])) }

func (o *originShard) valid(rows int) bool {
	for i := range o.count() {
		if o.start(i) > o.start(i+1) {
			return false
		}
	}
	return o.start(0) == 0 && 2*o.start(o.count()) == len(o.rows) && len(o.rows) <= 2*rows
}

func (c *chunk) shard(i int) *originShard {
	if o := c.from.shards[i]; o != nil {
		return o
	}
	o := &originShard{starts: []byte{0, 0}}
	c.from.shards[i] = o
	r := reader{data: c.get(originsPart, i)}
	if len(r.data) == 0 {
		return o
	}
	n := 0
	if head := r.bytes(2); !r.bad {
		n = int(binary.LittleEndian.Uint16(head))
	}
	read := originShard{keys: r.bytes(16 * n), starts: r.bytes(2 * (n + 1))}
	read.rows = r.data
	if r.bad || n == 0 || !read.valid(c.count) {
		c.damaged()
		return o
	}
	*o = read
	return o
}

// ofSource returns the rows that come from a source.
func (c *chunk) ofSource(source string) rowSet {
	key, whole := originKey(source)
	of := shardOf(key)
	o := c.shard(of)
	low, high := 0, o.count()
	for low < high {
		mid := (low + high) / 2
		if bytes.Compare(o.keys[16*mid:16*mid+16], key[:]) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	var set rowSet
	for i := low; i < o.count() && bytes.Equal(o.keys[16*i:16*i+16], key[:]); i++ {
		if !whole && c.originText(of, i, sourceText) != source {
			continue
		}
		set = c.addOrigin(set, o, i)
	}
	return set
}

func shardOf(key [16]byte) int { return int(key[0] >> 4) }

// addOrigin adds the rows of the i-th origin of a shard to set, which may be nil.
func (c *chunk) addOrigin(set rowSet, o *originShard, i int) rowSet {
	if set == nil {
		set = newRowSet(c.count)
	}
	for rows := o.rows[2*o.start(i) : 2*o.start(i+1)]; len(rows) >= 2; rows = rows[2:] {
		c.put(set, int(binary.LittleEndian.Uint16(rows)))
	}
	return set
}

// The numbers an origin has in the part's texts.
const (
	sourceText = iota // plus 1; 0: the key tells the source
	kindText
	templateText
	organizationText
	originTexts
)

// originTexts reads the texts of all origins.
func (c *chunk) originTexts() *origins {
	o := &c.from
	if o.texts != nil {
		return o
	}
	r := reader{data: c.unframe(c.get(originsPart, originTextsNumber))}
	for i := range o.first {
		o.first[i] = o.all
		o.all += r.count(c.count)
	}
	o.texts = r.texts()
	o.size = numberSize(len(o.texts))
	if r.bad || len(r.data) > 0 || len(o.texts) == 0 || o.all > c.count {
		c.damaged()
		*o = origins{shards: o.shards, texts: []string{""}, size: 2}
	}
	return o
}

// originColumn reads the numbers that the origins' texts of a member have.
func (c *chunk) originColumn(which int) []byte {
	o := c.originTexts()
	if o.columns[which] == nil {
		o.columns[which] = c.unframe(c.get(originsPart, originColumnNumber+which))
		if len(o.columns[which]) != o.all*o.size {
			c.damaged()
			o.columns[which] = make([]byte, o.all*o.size)
		}
	}
	return o.columns[which]
}

// originNumber returns the number of a text of an origin.
func (c *chunk) originNumber(column []byte, n int) int {
	if o := &c.from; o.size == 2 {
		n = int(binary.LittleEndian.Uint16(column[2*n:]))
	} else {
		n = int(binary.LittleEndian.Uint32(column[4*n:]))
	}
	return n
}

// originText returns a text of the i-th origin of a shard.
func (c *chunk) originText(shard, i, which int) string {
	column := c.originColumn(which)
	at := c.from.first[shard] + i
	if at >= c.from.all {
		c.damaged()
		return ""
	}
	n := c.originNumber(column, at)
	if which == sourceText {
		if n--; n < 0 {
			return uuidText(c.shard(shard).keys[16*i : 16*i+16])
		}
	}
	if n >= len(c.from.texts) {
		c.damaged()
		return ""
	}
	return c.from.texts[n]
}

// texts reads a dictionary. Text that is not UTF-8 could not have been written.
func (r *reader) texts() []string { return r.dictionary(utf8.ValidString) }

// dictionary reads texts, which are parts of one copy of what is read.
func (r *reader) dictionary(valid func(string) bool) []string {
	n := r.count(min(len(r.data), maxTexts))
	all, copied, of := make([]string, 0, n), string(r.data), len(r.data)
	for ; n > 0 && !r.bad; n-- {
		size := r.count(len(r.data))
		at := of - len(r.data)
		if r.bytes(size); r.bad {
			break
		}
		text := copied[at : at+size]
		r.bad = !valid(text)
		all = append(all, text)
	}
	return all
}

// byOrigin returns the rows whose origin matches in a member. It looks at each distinct text once.
func (c *chunk) byOrigin(member string, matches func(text string) bool) rowSet {
	var set rowSet
	if member == "sourceId" {
		for shard := range originShards {
			o := c.shard(shard)
			for i := range o.count() {
				if matches(c.originText(shard, i, sourceText)) {
					set = c.addOrigin(set, o, i)
				}
			}
		}
		return set
	}
	which := kindText
	switch member {
	case "deviceTemplateId":
		which = templateText
	case "organizationId":
		which = organizationText
	}
	texts := c.originTexts().texts
	chosen := make([]bool, len(texts))
	for n, text := range texts {
		chosen[n] = matches(text)
	}
	if !slices.Contains(chosen, true) {
		return nil
	}
	column := c.originColumn(which)
	for shard, first := range c.from.first {
		next := c.from.all
		if shard+1 < originShards {
			next = c.from.first[shard+1]
		}
		o := c.shard(shard)
		for i := range min(next-first, o.count()) {
			if n := c.originNumber(column, first+i); n >= len(chosen) {
				c.damaged()
			} else if chosen[n] {
				set = c.addOrigin(set, o, i)
			}
		}
	}
	return set
}

func (c *chunk) originOf(row int) origin {
	shard, i, ok := c.findOrigin(row)
	if !ok {
		c.damaged()
		return origin{}
	}
	return origin{c.originText(shard, i, sourceText), c.originText(shard, i, kindText), c.originText(shard, i, templateText), c.originText(shard, i, organizationText)}
}

// oftenAsked is after how many rows it is better to know all of them.
const oftenAsked = 4

func (c *chunk) findOrigin(row int) (shard, i int, ok bool) {
	o := c.originTexts()
	if o.asked++; o.asked <= oftenAsked {
		for shard := range originShards {
			of := c.shard(shard)
			for k := range len(of.rows) / 2 {
				if of.row(k) == row {
					i := sort.Search(of.count(), func(i int) bool { return of.start(i+1) > k })
					return shard, i, i < of.count()
				}
			}
		}
		return 0, 0, false
	}
	if o.ofRow == nil {
		o.ofRow = make([]uint16, c.count)
		for shard := range originShards {
			of := c.shard(shard)
			for i := range of.count() {
				for k := of.start(i); k < of.start(i+1); k++ {
					if row := of.row(k); row < c.count {
						o.ofRow[row] = uint16(o.first[shard] + i)
					}
				}
			}
		}
	}
	at := int(o.ofRow[row])
	shard = originShards - 1
	for shard > 0 && o.first[shard] > at {
		shard--
	}
	return shard, at - o.first[shard], at-o.first[shard] < c.shard(shard).count()
}

// originKey returns the sixteen bytes a source is found by, and whether they are all of it: the source is a UUID.
func originKey(source string) (key [16]byte, whole bool) {
	if len(source) == 36 && source[8] == '-' && source[13] == '-' && source[18] == '-' && source[23] == '-' {
		var digits [32]byte
		n := copy(digits[:], source[:8])
		n += copy(digits[n:], source[9:13])
		n += copy(digits[n:], source[14:18])
		n += copy(digits[n:], source[19:23])
		copy(digits[n:], source[24:])
		if _, err := hex.Decode(key[:], digits[:]); err == nil && uuidText(key[:]) == source {
			return key, true
		}
	}
	sum := sha256.Sum256([]byte(source))
	return [16]byte(sum[:]), false
}

func uuidText(key []byte) string {
	var b [36]byte
	hex.Encode(b[:8], key[:4])
	hex.Encode(b[9:13], key[4:6])
	hex.Encode(b[14:18], key[6:8])
	hex.Encode(b[19:23], key[8:10])
	hex.Encode(b[24:], key[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// originGroup is the rows of an origin.
type originGroup struct {
	key   [16]byte
	whole bool // the key tells the source
	of    origin
	rows  []uint16
}

// packOrigins groups the rows by origin. Shards without one are nil.
func packOrigins(lines []*line) [][]byte {
	groups := map[origin]*originGroup{}
	for row, l := range lines {
		g := groups[l.origin]
		if g == nil {
			g = &originGroup{of: l.origin}
			g.key, g.whole = originKey(l.source)
			groups[l.origin] = g
		}
		g.rows = append(g.rows, uint16(row))
	}
	order := make([]*originGroup, 0, len(groups))
	for _, g := range groups {
		order = append(order, g)
	}
	slices.SortFunc(order, func(a, b *originGroup) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), strings.Compare(a.of.source, b.of.source), cmp.Compare(a.rows[0], b.rows[0]))
	})
	parts := make([][]byte, originNumbers)
	var dict dictionary
	var numbers [originTexts][]int
	var counts []byte
	for shard, rest := 0, order; shard < originShards; shard++ {
		n := 0
		for n < len(rest) && shardOf(rest[n].key) == shard {
			n++
		}
		parts[shard] = packShard(rest[:n])
		counts = binary.AppendUvarint(counts, uint64(n))
		rest = rest[n:]
	}
	for _, g := range order {
		source := 0 // the key tells it
		if !g.whole {
			source, _ = dict.number([]byte(g.of.source))
			source++
		}
		numbers[sourceText] = append(numbers[sourceText], source)
		for i, s := range [...]string{g.of.kind, g.of.template, g.of.organization} {
			n, _ := dict.number([]byte(s))
			numbers[kindText+i] = append(numbers[kindText+i], n)
		}
	}
	parts[originTextsNumber] = compressor.EncodeAll(dict.append(counts), nil)
	for which, column := range numbers {
		var raw []byte
		for _, n := range column {
			if numberSize(len(dict.texts)) == 2 {
				raw = binary.LittleEndian.AppendUint16(raw, uint16(n))
			} else {
				raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
			}
		}
		parts[originColumnNumber+which] = compressor.EncodeAll(raw, nil)
	}
	return parts
}

func packShard(groups []*originGroup) []byte {
	if len(groups) == 0 {
		return nil
	}
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(groups)))
	for _, g := range groups {
		b = append(b, g.key[:]...)
	}
	start := 0
	for _, g := range groups {
		b = binary.LittleEndian.AppendUint16(b, uint16(start))
		start += len(g.rows)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(start))
	for _, g := range groups {
		for _, row := range g.rows {
			b = binary.LittleEndian.AppendUint16(b, row)
		}
	}
	return b
}

// numberSize returns the bytes of a text number where there are so many texts.
func numberSize(texts int) int {
	if texts < 1<<16-1 {
		return 2
	}
	return 4
}
