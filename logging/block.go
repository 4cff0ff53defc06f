package logging

import (
	"bytes"
	"unicode/utf8"
)

// block is a block being searched.
type block struct {
	rows        int
	times, from []int64 // serviceTimestamp and sourceTimestamp of each row
	seqs        []uint64

	frame   []byte   // the variables
	vars    []byte   // decompressed when needed: each between two newlines
	ends    []uint32 // where each variable ends in vars; made when needed
	byShape []uint16 // rows, by shape; made with groups
	groups  []kin
	rank    []uint16 // of a row in its group
	groupOf []uint16 // of a row
}

// kin is the rows of one shape in a block.
type kin struct {
	shape       int
	first, rows int // in byShape
	vars        int // the first variable
}

func (c *chunk) block(i int) *block {
	if c.open[i] != nil {
		return c.open[i]
	}
	b := &block{rows: min(blockRows, c.count-i*blockRows)}
	c.open[i] = b
	b.times, b.from, b.seqs = make([]int64, b.rows), make([]int64, b.rows), make([]uint64, b.rows)
	r := reader{data: c.get(blockPart, i)}
	seq := r.uvarint()
	times, frame := c.frames(r.data)
	b.frame = frame
	r = reader{data: times}
	ms := c.blocks[i].service.min
	for row := range b.times {
		ms += r.varint()
		b.times[row] = ms
	}
	for row := range b.seqs {
		seq += uint64(r.varint())
		b.seqs[row] = seq
	}
	for row := range b.from {
		b.from[row] = b.times[row] + r.varint()
	}
	if r.bad || len(r.data) > 0 {
		c.damaged()
	}
	return b
}

// byTime returns the rows whose position and sourceTimestamp match. judge, which may be nil, tells of a block that none
// or all of its rows do.
func (c *chunk) byTime(among rowSet, judge func(*blockSpan) (none, all bool), matches func(*line) bool) rowSet {
	if judge != nil {
		if none, all := judge(&c.blockSpan); none {
			return nil
		} else if all {
			return c.all()
		}
	}
	set := newRowSet(c.count)
	for i := range c.blocks {
		first, end := i*blockRows, min((i+1)*blockRows, c.count)
		if judge != nil {
			if none, all := judge(&c.blocks[i]); none {
				continue
			} else if all {
				for row := first; row < end; row++ {
					set.set(row)
				}
				continue
			}
		}
		if !among.anyIn(first, end) {
			continue
		}
		b := c.block(i)
		var l line
		for k := range b.rows {
			l.time, l.seq, l.sourceTime = b.times[k], b.seqs[k], b.from[k]
			if matches(&l) {
				set.set(first + k)
			}
		}
	}
	return set
}

// group sorts the block's rows by shape, which is the order of its variables.
func (c *chunk) group(i int) *block {
	b := c.block(i)
	if b.groups != nil {
		return b
	}
	column := c.shapeOf()[i*blockRows:]
	list := c.shapes().list
	counts := make([]int, len(list)+1)
	for row := range b.rows {
		counts[column[row]]++
	}
	at, vars, groupOf := 0, 0, make([]int, len(counts))
	for s, n := range counts {
		if n == 0 {
			continue
		}
		groupOf[s] = len(b.groups)
		b.groups = append(b.groups, kin{shape: s, first: at, vars: vars})
		at += n
		if s < len(list) {
			vars += n * list[s].vars[texts]
		}
	}
	b.byShape, b.rank, b.groupOf = make([]uint16, b.rows), make([]uint16, b.rows), make([]uint16, b.rows)
	for row := range b.rows {
		k := groupOf[column[row]]
		g := &b.groups[k]
		b.byShape[g.first+g.rows], b.rank[row], b.groupOf[row] = uint16(row), uint16(g.rows), uint16(k)
		g.rows++
	}
	return b
}

func (c *chunk) variables(b *block) []byte {
	if b.vars == nil {
		if b.vars = c.unframe(b.frame); len(b.vars) == 0 || b.vars[0] != '\n' || b.vars[len(b.vars)-1] != '\n' {
			c.damaged()
			b.vars = []byte{'\n'}
		}
	}
	return b.vars
}

// variable returns the n-th of a block whose rows are grouped.
func (c *chunk) variable(b *block, n int) []byte {
	vars := c.variables(b)
	if b.ends == nil {
		b.ends = make([]uint32, 0, bytes.Count(vars, []byte{'\n'}))
		for i, v := range vars {
			if v == '\n' {
				b.ends = append(b.ends, uint32(i))
			}
		}
	}
	if n+1 >= len(b.ends) {
		c.damaged()
		return nil
	}
	return vars[b.ends[n]+1 : b.ends[n+1]]
}

// line returns a row; without its texts unless they are asked for.
func (c *chunk) line(row int, withTexts bool) *line {
	i, k := row/blockRows, row%blockRows
	b := c.block(i)
	l := &line{position: position{b.times[k], b.seqs[k]}, account: c.account, origin: c.originOf(row), sourceTime: b.from[k]}
	list := c.shapes().list
	if len(list) == 0 {
		return l
	}
	s := &list[c.shapeOf()[row]]
	l.severity, l.own, l.code, l.tags = s.severity, s.own, s.code, s.tags
	if withTexts {
		c.fill(l, s, row)
	}
	return l
}

func (c *chunk) fill(l *line, s *shapeInfo, row int) {
	if s.vars[texts] == 0 {
		l.text = s.text
		return
	}
	b := c.group(row / blockRows)
	g := &b.groups[b.groupOf[row%blockRows]]
	at := g.vars + int(b.rank[row%blockRows])
	for t := range l.text {
		l.text[t] = fillPattern(s.text[t], func(k int) []byte { return c.variable(b, at+(s.vars[t]+k)*g.rows) })
		if !utf8.ValidString(l.text[t]) {
			c.damaged()
		}
	}
}
