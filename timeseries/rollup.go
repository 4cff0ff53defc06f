package timeseries

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// A roll-up page holds what a day's points come to, by the day, by the hour and by the minute, for each category. Its
// layout is drawn in FORMAT.md.
const pageVersion = 1

var errPage = errors.New("timeseries: malformed roll-up page")

// A resolution is how much time one row of a page speaks for.
type resolution int

const (
	byDay resolution = iota
	byHour
	byMinute
	resolutions
)

var resolutionMs = [resolutions]int64{dayMs, hourMs, minuteMs}

// row is what the points of one category in one slot of a day come to. Rows by the minute have no area.
type row struct {
	slot int // counts from the day's begin
	has  bool
	name string
	stat stat
}

// page is the rows of one day, each resolution sorted by slot and then category.
type page [resolutions][]row

// A pageBuilder makes a page of the day's entries, which come in order.
type pageBuilder struct {
	start int64
	open  []row // by the minute, of the present minute
	page  page
}

func (p *pageBuilder) add(e *entry) {
	slot := int((e.Time - p.start) / minuteMs)
	if len(p.open) > 0 && p.open[0].slot != slot {
		p.close()
	}
	has := e.Has&HasCategory != 0
	i := slices.IndexFunc(p.open, func(r row) bool { return r.has == has && r.name == e.Category })
	if i < 0 {
		i = len(p.open)
		p.open = append(p.open, row{slot: slot, has: has, name: e.Category})
	}
	s := &p.open[i].stat
	s.points++
	if e.Has&HasNumeric != 0 {
		s.add(e.Time, e.Numeric)
	}
}

// close ends the present minute.
func (p *pageBuilder) close() {
	p.page[byMinute] = append(p.page[byMinute], p.open...)
	p.open = p.open[:0]
}

func (p *pageBuilder) finish() *page {
	p.close()
	slices.SortStableFunc(p.page[byMinute], compareRows)
	for res := byHour; ; res-- {
		p.page[res] = coarsen(p.page[res+1], int(resolutionMs[res]/resolutionMs[res+1]))
		if res == byDay {
			return &p.page
		}
	}
}

// coarsen merges the rows of each n slots.
func coarsen(rows []row, n int) (out []row) {
	begin := 0 // of the present slot, in out
	for i := range rows {
		r := rows[i]
		r.slot /= n
		if begin < len(out) && out[begin].slot != r.slot {
			begin = len(out)
		}
		k := slices.IndexFunc(out[begin:], func(x row) bool { return x.has == r.has && x.name == r.name })
		if k < 0 {
			out = append(out, r)
		} else {
			out[begin+k].stat.merge(&r.stat)
		}
	}
	slices.SortStableFunc(out, compareRows)
	return out
}

func compareRows(a, b row) int {
	return cmp.Or(cmp.Compare(a.slot, b.slot), compareCategories(a.has, a.name, b.has, b.name))
}

// compareCategories orders categories by name, behind the points that have none.
func compareCategories(aHas bool, a string, bHas bool, b string) int {
	switch {
	case aHas == bHas:
		return cmp.Compare(a, b)
	case aHas:
		return 1
	}
	return -1
}

// encode packs p.
func (p *page) encode() []byte {
	buf := []byte{pageVersion}
	for res, rows := range p {
		section := appendRows(nil, rows, resolution(res))
		if res < int(byMinute) {
			buf = binary.AppendUvarint(buf, uint64(len(section)))
		}
		buf = append(buf, section...)
	}
	return buf
}

// decodePage returns one resolution of a page. The error is errPage.
func decodePage(value []byte, res resolution) ([]row, error) {
	return new(pageDecoder).decode(value, res)
}

// A pageDecoder decodes one page after the other, a year's in one read, and keeps its memory in between.
type pageDecoder struct {
	reader
	rows     []row
	ints     []int64
	slots    []int64
	least    []int64
	values   []float64
	numbered []int             // which rows have numbers
	names    map[string]string // of categories met before
}

// decode is decodePage; the rows are valid until the next call.
func (d *pageDecoder) decode(value []byte, res resolution) ([]row, error) {
	d.reader = reader{buf: value}
	d.rows = d.rows[:0]
	if d.byte() != pageVersion {
		return nil, errPage
	}
	for range res {
		d.take(d.length())
	}
	if res < byMinute {
		d.buf = d.take(d.length())
	}
	categories := d.uvarint()
	for n := categories; n > 0 && !d.bad; n-- {
		d.category(res)
	}
	if d.bad || len(d.buf) > 0 {
		return nil, errPage
	}
	if categories > 1 {
		slices.SortStableFunc(d.rows, compareRows)
	}
	return d.rows, nil
}

// length reads how long something is that follows.
func (r *reader) length() int {
	n := r.uvarint()
	if n > uint64(len(r.buf)) {
		r.fail()
		return 0
	}
	return int(n)
}

// appendRows writes the rows category by category.
func appendRows(buf []byte, rows []row, res resolution) []byte {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b row) int { return compareCategories(a.has, a.name, b.has, b.name) })
	categories := 0
	for i := range rows {
		if i == 0 || compareCategories(rows[i].has, rows[i].name, rows[i-1].has, rows[i-1].name) != 0 {
			categories++
		}
	}
	buf = binary.AppendUvarint(buf, uint64(categories))
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].has == rows[0].has && rows[n].name == rows[0].name {
			n++
		}
		buf = appendCategoryRows(buf, rows[:n], res)
		rows = rows[n:]
	}
	return buf
}

func appendCategoryRows(buf []byte, rows []row, res resolution) []byte {
	if rows[0].has {
		buf = append(binary.AppendUvarint(buf, uint64(len(rows[0].name))+1), rows[0].name...)
	} else {
		buf = append(buf, 0)
	}
	buf = binary.AppendUvarint(buf, uint64(len(rows)))
	column := func(of func(r *row) int64, which []row) {
		ints := make([]int64, len(which))
		for i := range which {
			ints[i] = of(&which[i])
		}
		buf = appendColumn(buf, ints)
	}
	column(func(r *row) int64 { return int64(r.slot) }, rows)
	column(func(r *row) int64 { return r.stat.points }, rows)
	column(func(r *row) int64 { return r.stat.numbers }, rows)
	rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.stat.numbers == 0 })
	if len(rows) == 0 {
		return buf
	}
	column(func(r *row) int64 { return r.stat.firstTime - r.slotStart(res) }, rows)
	column(func(r *row) int64 { return r.stat.lastTime - r.slotStart(res) }, rows)
	return appendRowNumbers(buf, rows, res)
}

// slotStart returns when the slot began, in milliseconds from 0001-01-01, of the right day for any page: a stat's times
// are absolute, and a day is a multiple of every resolution.
func (r *row) slotStart(res resolution) int64 {
	return floorTo(r.stat.firstTime-MinTime, resolutionMs[res]) + MinTime
}

func floorTo(t, step int64) int64 {
	if m := t % step; m < 0 {
		return t - m - step
	} else {
		return t - m
	}
}

// fields is how many numbers a row has: the area not by the minute.
func (res resolution) fields() int {
	if res == byMinute {
		return 5
	}
	return 6
}

// field returns a row's numbers in the order they are written.
func (s *stat) field(i int) *float64 {
	switch i {
	case 0:
		return &s.min
	case 1:
		return &s.max
	case 2:
		return &s.first
	case 3:
		return &s.last
	case 4:
		return &s.sum
	}
	return &s.area
}

// appendRowNumbers writes the numbers of rows that have some. Decimals are written as integers, all but the least
// relative to it: that takes few bits. What cannot be written so is written as numbers.
func appendRowNumbers(buf []byte, rows []row, res resolution) []byte {
	decimals, ok := 0, true
	for i := range rows {
		s := &rows[i].stat
		s.sum, s.lost = s.total(), 0
		for _, v := range [...]float64{s.min, s.max, s.first, s.last} {
			if n, decimal := decimalsOf(v, decimals); decimal {
				decimals = n
			} else {
				ok = false
			}
		}
	}
	columns := make([][]int64, res.fields())
	for i := 0; ok && i < len(rows); i++ {
		ok = rows[i].scale(columns, decimals, res)
	}
	if ok {
		buf = append(buf, byte(decimals))
		for _, c := range columns {
			buf = appendColumn(buf, c)
		}
		return buf
	}
	buf = append(buf, floatBits)
	values := make([]float64, len(rows))
	for f := range columns {
		for i := range rows {
			values[i] = *rows[i].stat.field(f)
		}
		buf, _ = appendNumbers(buf, values, nil)
	}
	return buf
}

// scale appends the row's fields to columns as integers. Sum and area of decimals are decimals: rounding to them takes
// away what adding floats had put there.
func (r *row) scale(columns [][]int64, decimals int, res resolution) bool {
	var least int64
	for f := range res.fields() {
		x := *r.stat.field(f)
		if f >= 4 {
			x = math.RoundToEven(x*exactPowers[decimals]) / exactPowers[decimals]
		}
		i, ok := scaled(x, decimals)
		if !ok {
			return false
		}
		switch {
		case f == 0:
			least = i
		case f < 4:
			i -= least
		case f == 4:
			product := least * r.stat.numbers
			if least != 0 && product/least != r.stat.numbers {
				return false
			}
			i -= product
		}
		columns[f] = append(columns[f], i)
	}
	return true
}

// category reads a category's rows. Times in them count from the begin of their slot, stat's from the day's: decode's
// caller adds the day.
func (d *pageDecoder) category(res resolution) {
	name, has := d.name()
	slots := int(dayMs / resolutionMs[res])
	n := int(min(d.uvarint(), uint64(slots)+1))
	if n == 0 || n > slots || d.bad {
		d.fail()
		return
	}
	first := len(d.rows)
	d.rows = slices.Grow(d.rows, n)[:first+n]
	rows := d.rows[first:]
	d.slots, d.ints = grow(d.slots, n), grow(d.ints, n)
	d.column(d.slots)
	if d.bad {
		return
	}
	d.column(d.ints)
	for i := range rows {
		rows[i] = row{slot: int(d.slots[i]), has: has, name: name, stat: stat{points: d.ints[i]}}
	}
	if d.bad {
		return
	}
	d.column(d.ints)
	d.numbered = d.numbered[:0]
	for i := range rows {
		r := &rows[i]
		if r.stat.numbers = d.ints[i]; r.slot < 0 || r.slot >= slots || r.stat.numbers < 0 || r.stat.numbers > r.stat.points {
			d.fail()
			return
		}
		if r.stat.numbers > 0 {
			d.numbered = append(d.numbered, i)
		}
	}
	if len(d.numbered) > 0 && !d.bad {
		d.stats(rows, res)
	}
}

func (d *pageDecoder) name() (name string, has bool) {
	size := d.length()
	if size == 0 {
		return "", false
	}
	b := d.take(size - 1)
	name, ok := d.names[string(b)]
	if !ok {
		if name = string(b); d.names == nil {
			d.names = map[string]string{}
		}
		d.names[name] = name
	}
	return name, true
}

// stats reads what rows with numbers have besides.
func (d *pageDecoder) stats(rows []row, res resolution) {
	ints := d.ints[:len(d.numbered)]
	d.column(ints)
	for k, i := range d.numbered {
		rows[i].stat.firstTime = int64(rows[i].slot)*resolutionMs[res] + ints[k]
	}
	if d.bad {
		return
	}
	d.column(ints)
	for k, i := range d.numbered {
		rows[i].stat.lastTime = int64(rows[i].slot)*resolutionMs[res] + ints[k]
	}
	if d.bad {
		return
	}
	switch kind := d.byte(); {
	case kind == floatBits:
		d.values = grow(d.values, len(ints))
		for f := 0; f < res.fields() && !d.bad; f++ {
			d.numbers(d.values, ints)
			for k, i := range d.numbered {
				*rows[i].stat.field(f) = d.values[k]
			}
		}
	case kind <= maxDecimals:
		d.decimals(rows, ints, exactPowers[kind], res)
	default:
		d.fail()
	}
}

func (d *pageDecoder) decimals(rows []row, ints []int64, power float64, res resolution) {
	d.least = grow(d.least, len(ints))
	for f := 0; f < res.fields() && !d.bad; f++ {
		d.column(ints)
		for k, i := range d.numbered {
			s, x := &rows[i].stat, ints[k]
			switch {
			case f == 0:
				d.least[k] = x
			case f < 4:
				x += d.least[k]
			case f == 4:
				x += d.least[k] * s.numbers
			}
			*s.field(f) = float64(x) / power
		}
	}
}
