package timeseries

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// A chunk is a run of sorted points of one series, column by column, as FORMAT.md draws it. Its header answers counts and
// sums without the columns being looked at.

// What a chunk may hold. A chunk with chunkFull points is left as it is when newer points come.
const (
	chunkPoints = 4096
	chunkFull   = chunkPoints * 3 / 4
	chunkText   = 64 << 10 // bytes of different texts in it

	chunkVersion = 2
	statsFrom    = 8 // numbers of a category; fewer are as quickly decoded
)

var errChunk = errors.New("timeseries: malformed chunk")

// chunk is a chunk's header; data is valid as long as its transaction.
type chunk struct {
	first, last position
	count       int
	size        int // bytes of the value
	categories  []chunkCategory
	data        []byte // the columns
}

// chunkCategory is what the header says of one category.
type chunkCategory struct {
	has     bool // false: of the points without category
	name    string
	points  int
	numbers int
	stat    stat // of the numbers when there are statsFrom or more; without times
}

func (c *chunk) full() bool { return c.count >= chunkFull || len(c.data) >= chunkText/2 }

// reading is a point of a chunk without seq and text: all that aggregates and charts need, in a third of a point's memory
// and nothing for the garbage collector to follow.
type reading struct {
	time     int64
	value    float64
	category int32 // index into the chunk's categories
	has      Members
}

// columns is scratch memory of encoding and decoding.
type columns struct {
	points  []reading
	seqs    []uint64
	ints    []int64
	ints2   []int64
	numbers []float64
	codes   []int64
	byCode  [][]float64
	at      []int
	texts   map[string]int
	names   []string
	indices []int64
}

var columnsPool = sync.Pool{New: func() any { return &columns{texts: map[string]int{}} }}

func (w *columns) release() {
	clear(w.texts)
	clear(w.names)
	w.names = w.names[:0]
	columnsPool.Put(w)
}

// appendChunk packs entries, sorted and at most chunkPoints, at least one.
func appendChunk(buf []byte, entries []entry) []byte {
	w := columnsPool.Get().(*columns)
	defer w.release()
	first, last := entries[0].position(), entries[len(entries)-1].position()
	buf = append(buf, chunkVersion)
	buf = binary.AppendUvarint(buf, uint64(len(entries)))
	buf = binary.AppendUvarint(buf, uint64(last.time)-uint64(first.time))
	buf = binary.AppendVarint(buf, int64(last.seq-first.seq))
	categories := w.classify(entries)
	buf = binary.AppendUvarint(buf, uint64(len(categories)))
	for i := range categories {
		buf = categories[i].append(buf)
	}
	buf = w.appendTimes(buf, entries)
	buf = w.appendSeqs(buf, entries)
	ints := w.ints[:0]
	for i := range entries {
		ints = append(ints, int64(entries[i].Has))
	}
	buf = appendColumn(buf, ints)
	w.ints = ints
	if len(categories) > 1 {
		buf = appendColumn(buf, w.codes)
	}
	for i := range categories {
		if v := w.byCode[i]; len(v) > 0 {
			buf, w.ints = appendNumbers(buf, v, w.ints)
		}
	}
	return w.appendTexts(buf, entries)
}

// classify puts the category of each entry into w.codes, the numbers into w.byCode, and returns the categories in the
// order of their first use.
func (w *columns) classify(entries []entry) []chunkCategory {
	var categories []chunkCategory
	w.codes = w.codes[:0]
	for i := range w.byCode {
		w.byCode[i] = w.byCode[i][:0]
	}
	last := -1
	for i := range entries {
		e := &entries[i]
		has := e.Has&HasCategory != 0
		if last < 0 || categories[last].has != has || categories[last].name != e.Category {
			last = w.code(&categories, has, e.Category)
		}
		c := &categories[last]
		c.points++
		if e.Has&HasNumeric != 0 {
			c.numbers++
			c.stat.add(e.Time, e.Numeric)
			w.byCode[last] = append(w.byCode[last], e.Numeric)
		}
		w.codes = append(w.codes, int64(last))
	}
	clear(w.texts)
	return categories
}

func (w *columns) code(categories *[]chunkCategory, has bool, name string) int {
	const few = 8
	if len(*categories) <= few {
		for i := range *categories {
			if c := &(*categories)[i]; c.has == has && c.name == name {
				return i
			}
		}
	}
	key := "" // of the points without category
	if has {
		key = "c" + name
	}
	if i, ok := w.texts[key]; ok {
		return i
	}
	i := len(*categories)
	*categories = append(*categories, chunkCategory{has: has, name: name})
	w.texts[key] = i
	if len(w.byCode) == i {
		w.byCode = append(w.byCode, nil)
	}
	return i
}

func (c *chunkCategory) append(buf []byte) []byte {
	if c.has {
		buf = binary.AppendUvarint(buf, uint64(len(c.name))+1)
		buf = append(buf, c.name...)
	} else {
		buf = append(buf, 0)
	}
	buf = binary.AppendUvarint(buf, uint64(c.points))
	buf = binary.AppendUvarint(buf, uint64(c.numbers))
	if c.numbers < statsFrom {
		return buf
	}
	for _, v := range [...]float64{c.stat.min, c.stat.max, c.stat.total(), c.stat.first, c.stat.last} {
		buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
	}
	return buf
}

func (c *chunkCategory) read(r *reader) {
	if n := r.uvarint(); n > 0 {
		if n-1 > uint64(len(r.buf)) {
			r.fail()
			return
		}
		c.has, c.name = true, string(r.take(int(n-1)))
	}
	c.points, c.numbers = r.count(), r.count()
	if c.points == 0 || c.numbers > c.points {
		r.fail()
	}
	if c.numbers < statsFrom {
		return
	}
	s := &c.stat
	s.points, s.numbers = int64(c.points), int64(c.numbers)
	for _, v := range [...]*float64{&s.min, &s.max, &s.sum, &s.first, &s.last} {
		*v = math.Float64frombits(r.uint64())
	}
}

// count reads a number of things of which there may be chunkPoints.
func (r *reader) count() int {
	n := r.uvarint()
	if n > chunkPoints {
		r.fail()
		return 0
	}
	return int(n)
}

// appendTimes writes the different times, and how many points each has when some have more than one.
func (w *columns) appendTimes(buf []byte, entries []entry) []byte {
	times, runs := w.ints[:0], w.ints2[:0]
	for i := range entries {
		if t := entries[i].Time - entries[0].Time; i > 0 && t == times[len(times)-1] {
			runs[len(runs)-1]++
		} else {
			times, runs = append(times, t), append(runs, 1)
		}
	}
	w.ints, w.ints2 = times, runs
	buf = binary.AppendUvarint(buf, uint64(len(times)))
	buf = appendColumn(buf, times)
	if len(times) < len(entries) {
		buf = appendColumn(buf, runs)
	}
	return buf
}

// appendSeqs writes the upper and the lower half of the seqs apart: the upper one changes when the series was not in
// memory for a while, and then the lower one begins anew.
func (w *columns) appendSeqs(buf []byte, entries []entry) []byte {
	for shift := 32; shift >= 0; shift -= 32 {
		half := w.ints[:0]
		for i := range entries {
			half = append(half, int64(uint32(entries[i].seq>>shift)))
		}
		buf = appendColumn(buf, half)
		w.ints = half
	}
	return buf
}

// appendTexts writes the different texts and which one each point has, when there are any.
func (w *columns) appendTexts(buf []byte, entries []entry) []byte {
	which := w.indices[:0]
	for i := range entries {
		if entries[i].Has&HasString == 0 {
			continue
		}
		n, ok := w.texts[entries[i].String]
		if !ok {
			n = len(w.names)
			w.texts[entries[i].String] = n
			w.names = append(w.names, entries[i].String)
		}
		which = append(which, int64(n))
	}
	w.indices = which
	if len(which) == 0 {
		return buf
	}
	buf = binary.AppendUvarint(buf, uint64(len(w.names)))
	for _, s := range w.names {
		buf = appendText(buf, s)
	}
	return appendColumn(buf, which)
}

// parseChunk reads the header of a chunk whose first point has the position first.
func parseChunk(first position, value []byte) (chunk, error) {
	r := reader{buf: value}
	c := chunk{first: first, size: len(value)}
	if r.byte() != chunkVersion {
		r.fail()
	}
	c.count = r.count()
	c.last.time = int64(uint64(first.time) + r.uvarint())
	c.last.seq = first.seq + uint64(r.varint())
	n := r.count()
	if r.bad || c.count == 0 || n == 0 || n > c.count {
		return c, errChunk
	}
	c.categories = make([]chunkCategory, n)
	points := 0
	for i := range c.categories {
		c.categories[i].read(&r)
		points += c.categories[i].points
	}
	if r.bad || points != c.count {
		return c, errChunk
	}
	c.data = r.buf
	return c, nil
}

// decode appends the chunk's points to dst. The error is errChunk.
func (c *chunk) decode(dst []entry) ([]entry, error) {
	w := columnsPool.Get().(*columns)
	defer w.release()
	r := reader{buf: c.data}
	w.read(&r, c, true)
	if r.bad {
		return dst, errChunk
	}
	n := len(dst)
	dst = slices.Grow(dst, c.count)[:n+c.count]
	out := dst[n:]
	for i := range out {
		p := &w.points[i]
		out[i] = entry{Point{Time: p.time, Category: c.categories[p.category].name, Numeric: p.value, Has: p.has}, w.seqs[i]}
	}
	w.readTexts(&r, out)
	if r.bad || len(r.buf) > 0 {
		return dst[:n], errChunk
	}
	return dst, nil
}

// readings decodes the chunk into w.points, in a third of decode's time. The error is errChunk.
func (c *chunk) readings(w *columns) error {
	r := reader{buf: c.data}
	if w.read(&r, c, false); r.bad {
		return errChunk
	}
	return nil
}

// read reads the columns before the texts into w.points and, if they are wanted, w.seqs.
func (w *columns) read(r *reader, c *chunk, seqs bool) {
	w.points = grow(w.points, c.count)
	w.ints, w.ints2, w.codes = grow(w.ints, c.count), grow(w.ints2, c.count), grow(w.codes, c.count)
	w.readTimes(r, c)
	switch {
	case r.bad:
		return
	case seqs:
		w.readSeqs(r, c.count)
	default:
		r.skipColumn(c.count)
		r.skipColumn(c.count)
	}
	w.readMembers(r, c)
}

func grow[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

func (w *columns) readTimes(r *reader, c *chunk) {
	n := r.count()
	if n == 0 || n > c.count {
		r.fail()
		return
	}
	times := w.ints[:n]
	r.column(times)
	if n == c.count {
		for i := range w.points {
			w.points[i].time = c.first.time + times[i]
		}
		return
	}
	if r.bad {
		return
	}
	runs := w.ints2[:n]
	r.column(runs)
	i := 0
	for k, run := range runs {
		if run < 1 || run > int64(c.count-i) {
			r.fail()
			return
		}
		for range run {
			w.points[i].time = c.first.time + times[k]
			i++
		}
	}
	if i != c.count {
		r.fail()
	}
}

func (w *columns) readSeqs(r *reader, n int) {
	upper, lower := w.ints[:n], w.ints2[:n]
	r.column(upper)
	if r.bad {
		return
	}
	r.column(lower)
	w.seqs = grow(w.seqs, n)
	for i := range w.seqs {
		w.seqs[i] = uint64(upper[i])<<32 | uint64(uint32(lower[i]))
	}
}

// readMembers reads what each point has, its category and its number.
func (w *columns) readMembers(r *reader, c *chunk) {
	if r.bad {
		return
	}
	has := w.ints2[:c.count]
	r.column(has)
	codes := w.codes[:c.count]
	clear(codes)
	if len(c.categories) > 1 && !r.bad {
		r.column(codes)
	}
	total := 0
	for i := range c.categories {
		total += c.categories[i].numbers
	}
	w.numbers = grow(w.numbers, total)
	w.at = w.at[:0]
	at := 0
	for i := range c.categories {
		w.at = append(w.at, at)
		if k := c.categories[i].numbers; k > 0 && !r.bad {
			r.numbers(w.numbers[at:at+k], w.ints)
			at += k
		}
	}
	if r.bad {
		return
	}
	for i := range w.points {
		code := codes[i]
		p := &w.points[i]
		p.has, p.category, p.value = Members(has[i]), int32(code), 0
		if has[i]&^7 != 0 || code < 0 || code >= int64(len(c.categories)) || c.categories[code].has != (p.has&HasCategory != 0) {
			r.fail()
			return
		}
		if p.has&HasNumeric == 0 {
			continue
		}
		if w.at[code] >= len(w.numbers) {
			r.fail()
			return
		}
		p.value = w.numbers[w.at[code]]
		w.at[code]++
	}
}

func (w *columns) readTexts(r *reader, out []entry) {
	n := 0
	for i := range out {
		if out[i].Has&HasString != 0 {
			n++
		}
	}
	if n == 0 || r.bad {
		return
	}
	different := r.count()
	for range different {
		w.names = append(w.names, r.text())
	}
	which := w.ints[:n]
	if r.bad {
		return
	}
	r.column(which)
	k := 0
	for i := range out {
		if out[i].Has&HasString == 0 {
			continue
		}
		if which[k] < 0 || which[k] >= int64(different) {
			r.fail()
			return
		}
		out[i].String = w.names[which[k]]
		k++
	}
}

// pieces cuts sorted entries into runs that each make one chunk.
func pieces(entries []entry, yield func([]entry)) {
	n := (len(entries) + chunkPoints - 1) / chunkPoints
	size := (len(entries) + n - 1) / n
	start, text := 0, 0
	for i := range entries {
		text += len(entries[i].Category) + len(entries[i].String)
		if i+1-start == size || text >= chunkText || i == len(entries)-1 {
			yield(entries[start : i+1])
			start, text = i+1, 0
		}
	}
}

func damagedChunk(id uint64, at position, err error) error {
	return fmt.Errorf("%s: series %d, chunk of %d/%d: %w", chunkBucket, id, at.time, at.seq, err)
}
