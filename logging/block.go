package logging

// block is the times of a block's rows.
type block struct {
	rows        int
	times, from []int64 // serviceTimestamp and sourceTimestamp of each row
	seqs        []uint64
}

func (c *chunk) block(i int) *block {
	if c.open[i] != nil {
		return c.open[i]
	}
	b := &block{rows: min(blockRows, c.count-i*blockRows)}
	c.open[i] = b
	b.times, b.from, b.seqs = make([]int64, b.rows), make([]int64, b.rows), make([]uint64, b.rows)
	stored := reader{data: c.get(timesPart, i)}
	seq := stored.uvarint()
	r := reader{data: c.unframe(stored.data), bad: stored.bad}
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

// originBit is beside messageBit and its like in what is read of a row.
const (
	timesBit  = 1 << 6 // and the place
	originBit = 1 << 7
	textBits  = messageBit | detailsBit | customBit
	allBits   = timesBit | originBit | textBits
)

// line returns a row: its severity, code and tags, and what else is asked for.
func (c *chunk) line(row, want int) *line {
	l := &line{account: c.account}
	if list := c.shapes().list; len(list) > 0 {
		s := &list[c.shapeAt(row)]
		l.severity, l.own, l.code, l.tags = s.severity, s.own, s.code, s.tags
	}
	c.fill(l, row, want)
	return l
}

// fill adds what is asked for to a line of the chunk.
func (c *chunk) fill(l *line, row, want int) {
	if want&timesBit != 0 {
		b, k := c.block(row/blockRows), row%blockRows
		l.position, l.sourceTime = position{b.times[k], b.seqs[k]}, b.from[k]
	}
	if want&originBit != 0 {
		l.origin = c.originOf(row)
	}
	if list := c.shapes().list; want&textBits != 0 && len(list) > 0 {
		c.fillTexts(l, row, c.shapeAt(row), want)
	}
}
