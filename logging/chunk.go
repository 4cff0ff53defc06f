package logging

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A chunk holds up to chunkRows entries of one account, in order of arrival, in parts that are stored apart, so that a
// search reads what it needs:
//
//	header   how many rows, between which times, how many of each severity; the times of each block of blockRows rows
//	filters  which words, codes and tags are not in it, and which variables (filter.go)
//	origins  the distinct origins sorted by source, and for each the rows that come from it
//	rare     for each rare severity, the rows that have it
//	shapes   what the rows' texts have in common, and which row has which shape
//	times    of blockRows rows at a time
//	columns  the variables of the texts, shape by shape
//
// A shape is what entries of one log statement share: severity, code, tags and the patterns of the three texts. A pattern is a text
// with a placeholder for each variable (words.go). Devices log few shapes, so that most questions are answered by looking at a
// hundred shapes and not at thousands of texts; what is left of a text, the variables, compresses well beside its like, and a
// search that knows which statements it is about reads the variables of those.
//
//	header   version 3 │ rows │ minSeq │ maxSeq │ bytes of text │ bytes of the other parts │ rows of each severity ×9
//	         │ per block: min and max of serviceTimestamp and of sourceTimestamp                        all varints
//	filters  length │ filter of the words of shapes, of codes and tags │ length │ filter of the variables and how they begin
//	origins  0 to 15, by the first bits of the key: n u16 │ n × key 16 B │ (n+1) × start u16 │ rows × row u16
//	         key: the source's UUID, or the front of its SHA-256; start: where an origin's rows begin     little-endian
//	         16: zstd( n of each │ texts )   17 to 20, of source, sourceType, template, organization: zstd( their text
//	         numbers u16, or u32 when there are many texts; the source's + 1 )
//	rare     for each severity of at most a rareShare-th of the rows, in order: row u16 …
//	shapes   length │ zstd( patterns │ codes, tags │ n × ( severity, code, tags, patterns ×3, rows ) │ columns: how many
//	         variable texts are in each )
//	         │ low bytes of rows' shapes │ high bytes, where there are more than 256 shapes
//	times    first seq │ zstd( times │ seqs │ sourceTimestamps )
//	         times are differences to the row before, sourceTimestamps to the row's own time
//	column   zstd( \n variable \n variable \n … )
//	         by shape, by text, by place in the text, by row; as many texts as make columnText bytes. A text with more than
//	         rowsPerColumn rows has columns of its own, of so many rows each.
const (
	chunkRows    = 61_440 // fits a uint16
	blockRows    = 2_048
	rareShare    = 8
	chunkVersion = 3
	chunkText    = 8 << 20                 // bytes of text after which a chunk is full too
	columnText   = 4 << 10                 // bytes; less would not compress well
	columnVars   = 8 << 10                 // of a text of many rows
	maxTexts     = originTexts * chunkRows // in a dictionary
	maxFrame     = 32 << 20                // bytes; what a frame may decompress to
)

var (
	compressor, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(2), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	decompressor, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxFrame))
)

var errChunk = errors.New("logging: a chunk of the log cannot be read")

// part names one of a chunk's values.
type part byte

const (
	headerPart part = iota
	filterPart
	originsPart // and a number (origins.go)
	rarePart
	shapesPart
	timesPart  // and the number of the block
	columnPart // and the number of the column
)

func blocksOf(rows int) int { return blocksOfSize(rows, blockRows) }

func blocksOfSize(rows, size int) int { return (rows + size - 1) / size }

// span is a closed range of times.
type span struct{ min, max int64 }

func (s span) has(ms int64) bool { return s.min <= ms && ms <= s.max }

func (s *span) add(ms int64) { s.min, s.max = min(s.min, ms), max(s.max, ms) }

func (s *span) merge(o span) { s.min, s.max = min(s.min, o.min), max(s.max, o.max) }

// blockSpan is what the header knows of a block.
type blockSpan struct{ service, source span }

func (b *blockSpan) times(member string) span {
	if member == "sourceTimestamp" {
		return b.source
	}
	return b.service
}

// header is the part every search looks at first.
type header struct {
	count          int // of rows
	minSeq, maxSeq uint64
	text           int // bytes
	size           int // bytes of the other parts
	severities     [len(severityNames)]int
	blocks         []blockSpan
	blockSpan      // of all
}

func (h *header) append(b []byte) []byte {
	b = append(b, chunkVersion)
	for _, v := range [...]uint64{uint64(h.count), h.minSeq, h.maxSeq, uint64(h.text), uint64(h.size)} {
		b = binary.AppendUvarint(b, v)
	}
	for _, n := range h.severities {
		b = binary.AppendUvarint(b, uint64(n))
	}
	for _, s := range h.blocks {
		for _, ms := range [...]int64{s.service.min, s.service.max, s.source.min, s.source.max} {
			b = binary.AppendUvarint(b, uint64(ms))
		}
	}
	return b
}

func parseHeader(data []byte) (h header, err error) {
	if len(data) == 0 || data[0] != chunkVersion {
		return h, errChunk
	}
	r := reader{data: data[1:]}
	h.count = r.count(chunkRows)
	h.minSeq, h.maxSeq = r.uvarint(), r.uvarint()
	h.text, h.size = r.count(1<<30), r.count(1<<30)
	for i := range h.severities {
		h.severities[i] = r.count(chunkRows)
	}
	h.blocks = make([]blockSpan, blocksOf(h.count))
	for i := range h.blocks {
		s := &h.blocks[i]
		for _, ms := range [...]*int64{&s.service.min, &s.service.max, &s.source.min, &s.source.max} {
			*ms = int64(r.uvarint())
		}
		if i == 0 {
			h.blockSpan = *s
		}
		h.service.merge(s.service)
		h.source.merge(s.source)
	}
	if r.bad || len(r.data) > 0 || h.count == 0 {
		return h, errChunk
	}
	return h, nil
}

// packed is a chunk in its stored form.
type packed struct {
	first   position // of the first row; the chunk's key
	header  []byte
	filters []byte
	origin  [][]byte
	rare    []byte
	shapes  []byte
	times   [][]byte
	columns [][]byte
}

func (p *packed) size() int {
	n := len(p.filters) + len(p.rare) + len(p.shapes)
	for _, parts := range [][][]byte{p.origin, p.times, p.columns} {
		for _, b := range parts {
			n += len(b)
		}
	}
	return n
}

func (p *packed) part(of part, number int) []byte {
	switch of {
	case headerPart:
		return p.header
	case filterPart:
		return p.filters
	case originsPart:
		return numbered(p.origin, number)
	case rarePart:
		return p.rare
	case shapesPart:
		return p.shapes
	case timesPart:
		return numbered(p.times, number)
	}
	return numbered(p.columns, number)
}

func numbered(parts [][]byte, n int) []byte {
	if n < len(parts) {
		return parts[n]
	}
	return nil
}

// shape is what rows of one log statement share; its members are numbers in the packer's dictionaries.
type shape struct {
	severity byte // and ownBit
	code     int
	tags     int
	patterns [texts]int
}

// packer makes chunks. It is used by one goroutine at a time, for one chunk.
type packer struct {
	patterns, codes, tags dictionary
	shapes                map[shape]int
	order                 []shape
	counts                []int   // rows of each shape
	keys, varKeys         keySet  // for the filters
	counted               []int   // how many variables each pattern has
	pairs                 [][]int // which of them have the next one right behind

	rowShape []uint16
	rowVars  []int    // where a row's variables begin in all
	all      []string // variables
	scratch  []byte
	lower    []byte
}

// keySet collects hashes. recent keeps out most of those that come again and again.
type keySet struct {
	list   []uint64
	recent [1 << 12]uint64
}

func (k *keySet) add(hash uint64) {
	if at := hash % uint64(len(k.recent)); k.recent[at] != hash {
		k.recent[at] = hash
		k.list = append(k.list, hash)
	}
}

// dictionary numbers distinct texts in the order they come.
type dictionary struct {
	numbers map[string]int
	texts   []string
}

func (d *dictionary) number(text []byte) (n int, fresh bool) {
	if n, ok := d.numbers[string(text)]; ok {
		return n, false
	}
	if d.numbers == nil {
		d.numbers = map[string]int{}
	}
	n = len(d.texts)
	d.texts = append(d.texts, string(text))
	d.numbers[d.texts[n]] = n
	return n, true
}

func (d *dictionary) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(d.texts)))
	for _, s := range d.texts {
		b = appendText(b, s)
	}
	return b
}

// pack makes a chunk of 1 to chunkRows lines, which it sorts by arrival.
func pack(lines []*line) *packed {
	slices.SortFunc(lines, func(a, b *line) int { return a.position.compare(b.position) })
	p := &packer{shapes: map[shape]int{}, rowShape: make([]uint16, len(lines)), rowVars: make([]int, len(lines))}
	h := header{count: len(lines), minSeq: lines[0].seq, blocks: make([]blockSpan, blocksOf(len(lines)))}
	for row, l := range lines {
		p.add(row, l)
		h.severities[l.severity]++
		h.text += l.bytes()
		h.minSeq, h.maxSeq = min(h.minSeq, l.seq), max(h.maxSeq, l.seq)
		b := &h.blocks[row/blockRows]
		if row%blockRows == 0 {
			b.service, b.source = span{l.time, l.time}, span{l.sourceTime, l.sourceTime}
		}
		b.service.add(l.time)
		b.source.add(l.sourceTime)
	}
	k := &packed{first: lines[0].position, filters: p.packFilters(), origin: packOrigins(lines), rare: packRare(lines, &h)}
	var texts []int
	k.columns, texts = p.packColumns()
	k.shapes = p.packShapes(texts)
	for from := 0; from < len(lines); from += blockRows {
		k.times = append(k.times, packTimes(lines[from:min(from+blockRows, len(lines))]))
	}
	h.size = k.size()
	k.header = h.append(nil)
	return k
}

// words adds the words of s to the keys of shapes.
func (p *packer) words(s string) {
	eachWord(s, func(from, to int, _ bool) bool {
		hash, _ := p.word(s[from:to])
		p.keys.add(hash)
		return true
	})
}

// word returns the key of a word, and the word in lower case until the next call.
func (p *packer) word(s string) (hash uint64, low []byte) {
	p.scratch = append(p.scratch[:0], s...)
	low, p.lower = lowered(p.scratch, p.lower)
	return hashKey(wordKey, low), low
}

// variable adds the keys of a variable: itself, and how it begins.
func (p *packer) variable(s string) {
	hash, low := p.word(s)
	p.varKeys.add(hash)
	for n := range beginnings(low) {
		p.varKeys.add(hashKey(beginKey, low[:n]))
	}
}

// neighbours notes which variables of a new pattern follow each other with no word between.
func (p *packer) neighbours(pattern string) {
	parts := strings.Split(pattern, "\xff")
	var pairs []int
	for k, between := range parts {
		if k > 0 && k < len(parts)-1 && len(words(between)) == 0 {
			pairs = append(pairs, k-1)
		}
	}
	p.counted, p.pairs = append(p.counted, len(parts)-1), append(p.pairs, pairs)
}

// pair returns the key of two variables beside each other.
func (p *packer) pair(a, b string) uint64 {
	var low []byte
	low, p.lower = lowered([]byte(a), p.lower)
	first := hashKey(pairKey, low)
	low, p.lower = lowered([]byte(b), p.lower)
	return hashPair(first, low)
}

func (p *packer) add(row int, l *line) {
	sh := shape{severity: l.kindByte()}
	p.rowVars[row] = len(p.all)
	for t, s := range l.text {
		p.scratch, p.all = appendPattern(p.scratch[:0], s, p.all)
		n, fresh := p.patterns.number(p.scratch)
		if sh.patterns[t] = n; fresh {
			p.words(p.patterns.texts[n])
			p.neighbours(p.patterns.texts[n])
		}
	}
	vars := p.all[p.rowVars[row]:]
	for _, v := range vars {
		p.variable(v)
	}
	for _, n := range sh.patterns {
		for _, k := range p.pairs[n] {
			p.varKeys.add(p.pair(vars[k], vars[k+1]))
		}
		vars = vars[p.counted[n]:]
	}
	var fresh bool
	if sh.code, fresh = p.codes.number(append(p.scratch[:0], l.code...)); fresh {
		p.keys.add(hashKey(codeKey, l.code))
		p.words(l.code)
	}
	p.scratch = p.scratch[:0]
	for _, tag := range l.tags {
		p.scratch = appendText(p.scratch, tag)
	}
	if sh.tags, fresh = p.tags.number(p.scratch); fresh {
		for _, tag := range l.tags {
			p.keys.add(hashKey(tagKey, tag))
			p.words(tag)
		}
	}
	n, ok := p.shapes[sh]
	if !ok {
		n = len(p.order)
		p.shapes[sh] = n
		p.order, p.counts = append(p.order, sh), append(p.counts, 0)
	}
	p.counts[n]++
	p.rowShape[row] = uint16(n)
}

func (p *packer) packFilters() []byte {
	return appendFilter(appendFilter(nil, &p.keys), &p.varKeys)
}

func appendFilter(b []byte, keys *keySet) []byte {
	slices.Sort(keys.list)
	list := slices.Compact(keys.list)
	f := newFilter(len(list))
	for _, h := range list {
		f.add(h)
	}
	return append(binary.AppendUvarint(b, uint64(len(f))), f...)
}

// packColumns returns the columns, and how many variable texts of shapes are in each.
func (p *packer) packColumns() (columns [][]byte, texts []int) {
	raw, n := []byte{'\n'}, 0
	finish := func() {
		columns, texts = append(columns, compressor.EncodeAll(raw, nil)), append(texts, n)
		raw, n = raw[:1], 0
	}
	for shape, rows := range p.rowsByShape() {
		first := 0
		for _, pattern := range p.order[shape].patterns {
			vars := strings.Count(p.patterns.texts[pattern], "\xff")
			if vars == 0 {
				continue
			}
			per := rowsPerColumn(vars)
			alone := len(rows) > per
			if alone && n > 0 {
				finish()
			}
			for some := range slices.Chunk(rows, per) {
				for k := first; k < first+vars; k++ {
					for _, row := range some {
						raw = append(append(raw, p.all[p.rowVars[row]+k]...), '\n')
					}
				}
				if n++; alone || len(raw) >= columnText {
					finish()
				}
			}
			first += vars
		}
	}
	if n > 0 {
		finish()
	}
	return columns, texts
}

// rowsPerColumn is how many rows of a text with so many variables are in one column at most: who shows a row reads no more.
func rowsPerColumn(vars int) int { return max(columnVars/vars, columnVars/32) }

// rowsByShape returns the rows of each shape.
func (p *packer) rowsByShape() [][]uint16 {
	by := make([][]uint16, len(p.order))
	for i, n := range p.counts {
		by[i] = make([]uint16, 0, n)
	}
	for row, s := range p.rowShape {
		by[s] = append(by[s], uint16(row))
	}
	return by
}

func (p *packer) packShapes(columns []int) []byte {
	b := p.patterns.append(nil)
	b = p.codes.append(b)
	b = p.tags.append(b)
	b = binary.AppendUvarint(b, uint64(len(p.order)))
	for i, s := range p.order {
		b = append(b, s.severity)
		for _, v := range [...]int{s.code, s.tags, s.patterns[0], s.patterns[1], s.patterns[2], p.counts[i]} {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	for _, n := range columns {
		b = binary.AppendUvarint(b, uint64(n))
	}
	frame := compressor.EncodeAll(b, nil)
	b = append(binary.AppendUvarint(nil, uint64(len(frame))), frame...)
	for _, s := range p.rowShape {
		b = append(b, byte(s))
	}
	for _, s := range p.rowShape {
		if len(p.order) > 256 {
			b = append(b, byte(s>>8))
		}
	}
	return b
}

func packTimes(lines []*line) []byte {
	times := make([]byte, 0, 8*len(lines))
	before := lines[0].position
	for _, l := range lines {
		times = binary.AppendVarint(times, l.time-before.time)
		before.time = l.time
	}
	for _, l := range lines {
		times = binary.AppendVarint(times, int64(l.seq-before.seq))
		before.seq = l.seq
	}
	for _, l := range lines {
		times = binary.AppendVarint(times, l.sourceTime-l.time)
	}
	return compressor.EncodeAll(times, binary.AppendUvarint(nil, lines[0].seq))
}

// rare reports whether the rare part lists the rows of a severity.
func (h *header) rare(severity int) bool { return h.severities[severity]*rareShare <= h.count }

func packRare(lines []*line, h *header) []byte {
	var b []byte
	for severity := range h.severities {
		if !h.rare(severity) {
			continue
		}
		for row, l := range lines {
			if int(l.severity) == severity {
				b = binary.LittleEndian.AppendUint16(b, uint16(row))
			}
		}
	}
	return b
}
