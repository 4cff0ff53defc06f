package logging

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// origins is the part of that name.
type origins struct {
	keys   []byte // 16 each
	starts []byte // uint16 each, one more than keys
	rows   []byte // uint16 each
	frame  []byte

	texts   []string // decoded from frame when needed, as the next two
	numbers []byte   // of size bytes each
	size    int
	ofRow   []uint16 // the origin of each row; made when needed
}

func (c *chunk) origins() *origins {
	if c.from != nil {
		return c.from
	}
	c.from = &origins{}
	r := reader{data: c.get(originsPart, 0)}
	head := r.bytes(2)
	if r.bad {
		c.damaged()
		return c.from
	}
	n := int(binary.LittleEndian.Uint16(head))
	o := origins{keys: r.bytes(16 * n), starts: r.bytes(2 * (n + 1)), rows: r.bytes(2 * c.count), frame: r.data}
	if r.bad || n == 0 || !o.valid(n, c.count) {
		c.damaged()
		return c.from
	}
	c.from = &o
	return c.from
}

func (o *origins) valid(n, rows int) bool {
	for i := range n {
		if o.start(i) > o.start(i+1) {
			return false
		}
	}
	return o.start(0) == 0 && o.start(n) == rows
}

func (o *origins) count() int      { return len(o.keys) / 16 }
func (o *origins) start(i int) int { return int(binary.LittleEndian.Uint16(o.starts[2*i:])) }
func (o *origins) row(i int) int   { return int(binary.LittleEndian.Uint16(o.rows[2*i:])) }

// ofSource returns the rows that come from a source.
func (c *chunk) ofSource(source string) rowSet {
	o := c.origins()
	key, whole := originKey(source)
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
		if !whole && c.decodeOrigins() != nil && c.originText(i, sourceText) != source {
			continue
		}
		set = c.addOrigin(set, i)
	}
	return set
}

func (c *chunk) addOrigin(set rowSet, i int) rowSet {
	if set == nil {
		set = newRowSet(c.count)
	}
	o := c.origins()
	for k := o.start(i); k < o.start(i+1); k++ {
		c.put(set, o.row(k))
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

// decode reads what is compressed.
func (c *chunk) decodeOrigins() *origins {
	o := c.origins()
	if o.texts != nil {
		return o
	}
	r := reader{data: c.unframe(o.frame)}
	o.texts = r.texts()
	o.size = numberSize(len(o.texts))
	o.numbers = r.bytes(originTexts * o.count() * o.size)
	if r.bad || len(r.data) > 0 || len(o.texts) == 0 {
		c.damaged()
		o.texts, o.size, o.numbers = []string{""}, 2, make([]byte, 2*originTexts*o.count())
	}
	return o
}

func (o *origins) number(i, which int) int {
	at := (which*o.count() + i) * o.size
	if o.size == 2 {
		return int(binary.LittleEndian.Uint16(o.numbers[at:]))
	}
	return int(binary.LittleEndian.Uint32(o.numbers[at:]))
}

// originText returns one of an origin's texts. The part must be decoded.
func (c *chunk) originText(i, which int) string {
	o := c.from
	n := o.number(i, which)
	if which == sourceText {
		if n--; n < 0 {
			return uuidText(o.keys[16*i : 16*i+16])
		}
	}
	if n >= len(o.texts) {
		c.damaged()
		return ""
	}
	return o.texts[n]
}

// texts reads a dictionary.
func (r *reader) texts() []string {
	all := make([]string, 0, 16)
	for n := r.count(min(len(r.data), maxTexts)); n > 0 && !r.bad; n-- {
		all = append(all, r.text())
	}
	return all
}

// byOrigin returns the rows whose origin matches in a member. It looks at each distinct text once.
func (c *chunk) byOrigin(member string, matches func(*line) bool) rowSet {
	o := c.decodeOrigins()
	var set rowSet
	if member == "sourceId" {
		for i := range o.count() {
			if matches(&line{origin: origin{source: c.originText(i, sourceText)}}) {
				set = c.addOrigin(set, i)
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
	chosen := make([]bool, len(o.texts))
	for n, text := range o.texts {
		chosen[n] = matches(&line{origin: origin{kind: text, template: text, organization: text}})
	}
	if !slices.Contains(chosen, true) {
		return nil
	}
	for i := range o.count() {
		if n := o.number(i, which); n >= len(chosen) {
			c.damaged()
		} else if chosen[n] {
			set = c.addOrigin(set, i)
		}
	}
	return set
}

func (c *chunk) originOf(row int) origin {
	o := c.decodeOrigins()
	if o.ofRow == nil {
		o.ofRow = make([]uint16, c.count)
		for i := range o.count() {
			for k := o.start(i); k < o.start(i+1); k++ {
				if row := o.row(k); row < c.count {
					o.ofRow[row] = uint16(i)
				} else {
					c.damaged()
				}
			}
		}
	}
	if o.count() == 0 {
		return origin{}
	}
	i := int(o.ofRow[row])
	return origin{c.originText(i, sourceText), c.originText(i, kindText), c.originText(i, templateText), c.originText(i, organizationText)}
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

// packOrigins groups the rows by origin.
func packOrigins(lines []*line) []byte {
	type group struct {
		key   [16]byte
		whole bool // the key tells the source
		of    origin
		rows  []uint16
	}
	groups := map[origin]*group{}
	for row, l := range lines {
		g := groups[l.origin]
		if g == nil {
			g = &group{of: l.origin}
			g.key, g.whole = originKey(l.source)
			groups[l.origin] = g
		}
		g.rows = append(g.rows, uint16(row))
	}
	order := make([]*group, 0, len(groups))
	for _, g := range groups {
		order = append(order, g)
	}
	slices.SortFunc(order, func(a, b *group) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), strings.Compare(a.of.source, b.of.source), cmp.Compare(a.rows[0], b.rows[0]))
	})
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(order)))
	for _, g := range order {
		b = append(b, g.key[:]...)
	}
	start := 0
	for _, g := range order {
		b = binary.LittleEndian.AppendUint16(b, uint16(start))
		start += len(g.rows)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(start))
	var dict dictionary
	var numbers [originTexts][]int
	for _, g := range order {
		for _, row := range g.rows {
			b = binary.LittleEndian.AppendUint16(b, row)
		}
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
	frame := dict.append(nil)
	for _, column := range numbers {
		for _, n := range column {
			if numberSize(len(dict.texts)) == 2 {
				frame = binary.LittleEndian.AppendUint16(frame, uint16(n))
			} else {
				frame = binary.LittleEndian.AppendUint32(frame, uint32(n))
			}
		}
	}
	return compressor.EncodeAll(frame, b)
}

// numberSize returns the bytes of a text number where there are so many texts.
func numberSize(texts int) int {
	if texts < 1<<16-1 {
		return 2
	}
	return 4
}
