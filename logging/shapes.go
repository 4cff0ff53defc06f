package logging

import (
	"bytes"
	"strings"
)

// shapes is the part of that name.
type shapes struct {
	list     []shapeInfo
	patterns []string // may hold placeholders
	column   []byte   // low bytes of the rows' shapes, and high bytes where there are so many
	ofRow    []uint16 // column decoded, when needed
	rows     map[int][]uint16
}

type shapeInfo struct {
	line // severity, own, code, tags; the texts are patterns
	rows int
	vars [texts + 1]int // where each text's variables begin among all; the last is their count
	at   [texts]place   // of each text that has variables
}

// place says where the variables of a text of a shape begin, and how many rows are in a column.
type place struct{ column, first, per int }

func (c *chunk) shapes() *shapes {
	if c.shaped != nil {
		return c.shaped
	}
	c.shaped = &shapes{}
	stored := reader{data: c.get(shapesPart, 0)}
	frame := stored.bytes(stored.count(len(stored.data)))
	r := reader{data: c.unframe(frame), bad: stored.bad}
	column := stored.data
	s := shapes{column: column, patterns: r.patterns(), rows: map[int][]uint16{}}
	codes, tags := r.texts(), r.tagSets()
	n := r.count(c.count)
	s.list = make([]shapeInfo, n)
	total := 0
	for i := range s.list {
		r.shape(&s.list[i], s.patterns, codes, tags)
		total += s.list[i].rows
	}
	r.places(s.list)
	planes := 1
	if n > 256 {
		planes = 2
	}
	if r.bad || len(r.data) > 0 || total != c.count || len(column) != planes*c.count {
		c.damaged()
		return c.shaped
	}
	c.shaped = &s
	return c.shaped
}

// patterns reads a dictionary of texts that may hold placeholders.
func (r *reader) patterns() []string {
	return r.dictionary(func(string) bool { return true })
}

func (r *reader) tagSets() [][]string {
	var all [][]string
	for n := r.count(min(len(r.data), maxTexts)); n > 0 && !r.bad; n-- {
		in := reader{data: r.bytes(r.count(len(r.data)))}
		var set []string
		for len(in.data) > 0 {
			set = append(set, in.text())
		}
		r.bad = r.bad || in.bad
		all = append(all, set)
	}
	return all
}

func (r *reader) shape(s *shapeInfo, patterns, codes []string, tags [][]string) {
	severity := r.bytes(1)
	code, set := r.count(1<<16), r.count(1<<16)
	if r.bad || int(severity[0]&^ownBit) >= len(severityNames) || code >= len(codes) || set >= len(tags) {
		r.bad, r.data = true, nil
		return
	}
	s.severity, s.own = severity[0]&^ownBit, severity[0]&ownBit != 0
	s.code, s.tags = codes[code], tags[set]
	for t := range s.text {
		n := r.count(1 << 17)
		if n >= len(patterns) {
			r.bad, r.data = true, nil
			return
		}
		s.text[t] = patterns[n]
		s.vars[t+1] = s.vars[t] + strings.Count(patterns[n], "\xff")
	}
	s.rows = r.count(chunkRows)
}

// places reads how many texts are in each column.
func (r *reader) places(list []shapeInfo) {
	column, left, first := -1, 0, 0
	for i := range list {
		s := &list[i]
		for t := range texts {
			n := s.vars[t+1] - s.vars[t]
			if n == 0 {
				continue
			}
			per := rowsPerColumn(n)
			if s.rows > per {
				r.bad = r.bad || left != 0
				s.at[t] = place{column + 1, 0, per}
				for range blocksOfSize(s.rows, per) {
					column++
					r.bad = r.bad || r.count(1) != 1
				}
				continue
			}
			if left == 0 {
				column, left, first = column+1, r.count(texts*chunkRows), 0
			}
			if left--; left < 0 {
				r.bad = true
				return
			}
			s.at[t] = place{column, first, per}
			first += n * s.rows
		}
	}
	r.bad = r.bad || left != 0
}

// shapeOf returns every row's shape.
func (c *chunk) shapeOf() []uint16 {
	s := c.shapes()
	if s.ofRow != nil {
		return s.ofRow
	}
	s.ofRow = make([]uint16, c.count)
	if len(s.column) == 0 {
		return s.ofRow // damaged
	}
	for row := range s.ofRow {
		v := uint16(s.column[row])
		if len(s.column) > c.count {
			v |= uint16(s.column[c.count+row]) << 8
		}
		if int(v) >= len(s.list) {
			c.damaged()
			v = 0
		}
		s.ofRow[row] = v
	}
	return s.ofRow
}

// shapeAt returns a row's shape.
func (c *chunk) shapeAt(row int) int {
	if s := c.shapes(); len(s.column) == c.count && len(s.list) <= 256 {
		if n := int(s.column[row]); n < len(s.list) {
			return n
		}
		c.damaged()
		return 0
	}
	return int(c.shapeOf()[row])
}

// rowsOf returns the rows of a shape, in order.
func (c *chunk) rowsOf(shape int) []uint16 {
	s := c.shapes()
	if rows, ok := s.rows[shape]; ok {
		return rows
	}
	rows := make([]uint16, 0, s.list[shape].rows)
	if len(s.column) == c.count { // the usual case, quickly
		for at := 0; ; at++ {
			n := bytes.IndexByte(s.column[at:], byte(shape))
			if n < 0 {
				break
			}
			at += n
			rows = append(rows, uint16(at))
		}
	} else {
		for row, of := range c.shapeOf() {
			if int(of) == shape {
				rows = append(rows, uint16(row))
			}
		}
	}
	if len(rows) != s.list[shape].rows {
		c.damaged()
		rows = rows[:min(len(rows), s.list[shape].rows)]
	}
	s.rows[shape] = rows
	return rows
}

// byShape returns the rows whose shape matches, as far as they are in among.
func (c *chunk) byShape(among rowSet, matches func(*line) bool) rowSet {
	s := c.shapes()
	chosen := make([]bool, len(s.list))
	for i := range s.list {
		chosen[i] = matches(&s.list[i].line)
	}
	return c.ofShapes(chosen, among)
}

// ofShapes returns the rows of the chosen shapes; it need not look at rows outside of among.
func (c *chunk) ofShapes(chosen []bool, among rowSet) rowSet {
	rows := 0
	for i, yes := range chosen {
		if yes {
			rows += c.shapes().list[i].rows
		}
	}
	switch rows {
	case 0:
		return nil
	case c.count:
		return c.all()
	}
	set := newRowSet(c.count)
	column := c.shapes().column
	switch {
	case among.count() < c.count/8:
		for row := range among.each(0, c.count) {
			if chosen[c.shapeAt(row)] {
				set.set(row)
			}
		}
	case rows < c.count/4 && len(column) == c.count:
		for i, yes := range chosen {
			if yes {
				for _, row := range c.rowsOf(i) {
					set.set(int(row))
				}
			}
		}
	case len(column) == c.count: // the usual case, quickly
		var is [256]uint64
		for i, yes := range chosen {
			if yes {
				is[i] = 1
			}
		}
		for i := range set {
			var w uint64
			for k, s := range column[64*i : min(64*i+64, c.count)] {
				w |= is[s] << (k & 63)
			}
			set[i] = w
		}
	default:
		for row, s := range c.shapeOf() {
			if chosen[s] {
				set.set(row)
			}
		}
	}
	return set
}

// withText returns the rows that have text t.
func (c *chunk) withText(among rowSet, t int) rowSet {
	return c.byShape(among, func(l *line) bool { return l.text[t] != "" })
}
