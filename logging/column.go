package logging

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"
)

// column is a column being searched.
type column struct {
	data  []byte   // each variable between two newlines
	ends  []uint32 // where each ends in data; made when needed
	ascii bool

	asked string // whether data has this text was asked last
	has   bool
}

func (c *chunk) column(i int) *column {
	if col := c.read[i]; col != nil {
		return col
	}
	if c.read == nil {
		c.read = map[int]*column{}
	}
	col := &column{data: c.unframe(c.get(columnPart, i))}
	c.read[i] = col
	if len(col.data) == 0 || col.data[0] != '\n' || col.data[len(col.data)-1] != '\n' {
		c.damaged()
		col.data = []byte{'\n'}
	}
	return col
}

// split finds the ends of the variables.
func (col *column) split() {
	if col.ends != nil {
		return
	}
	col.ends = make([]uint32, 0, bytes.Count(col.data, []byte{'\n'}))
	all := byte(0)
	for i, v := range col.data {
		all |= v
		if v == '\n' {
			col.ends = append(col.ends, uint32(i))
		}
	}
	col.ascii = all < utf8.RuneSelf
}

// variable returns the n-th.
func (c *chunk) variable(col *column, n int) []byte {
	col.split()
	if n+1 >= len(col.ends) {
		c.damaged()
		return nil
	}
	return col.data[col.ends[n]+1 : col.ends[n+1]]
}

// fillTexts adds the texts that are asked for.
func (c *chunk) fillTexts(l *line, row, shape, want int) {
	s := &c.shapes().list[shape]
	rank := -1
	for t := range l.text {
		if want&(1<<t) == 0 {
			continue
		}
		if s.vars[t] == s.vars[t+1] {
			l.text[t] = s.text[t]
			continue
		}
		if rank < 0 {
			rank, _ = slices.BinarySearch(c.rowsOf(shape), uint16(row))
		}
		col, at := c.column(s.at[t].column), s.at[t].first+rank
		l.text[t] = fillPattern(s.text[t], func(k int) []byte { return c.variable(col, at+k*s.rows) })
		if !utf8.ValidString(l.text[t]) {
			c.damaged()
		}
	}
}

// sought is a word that the k-th variable of a text has to be.
type sought struct {
	k int
	word
}

// lookFor adds to found, which may be nil, the rows of a shape whose variables of text t are all that is sought, as far as they are in
// among.
func (c *chunk) lookFor(shape, t int, all []sought, among, found rowSet) rowSet {
	s := &c.shapes().list[shape]
	col, first := c.column(s.at[t].column), s.at[t].first
	if !col.mayHave(all) {
		return found
	}
	// Numbers are found without taking the column apart, the longest first: it is in the fewest rows.
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b sought) int { return cmp.Or(b.number()-a.number(), len(b.text)-len(a.text)) })
	var ranks []int // of the rows that are left; nil for all
	for len(all) > 0 && all[0].number() == 1 && (ranks == nil || len(ranks) > fewRows) {
		if ranks = col.ranksOf(all[0].text, first+all[0].k*s.rows, s.rows, ranks); len(ranks) == 0 {
			return found
		}
		all = all[1:]
	}
	rows := c.rowsOf(shape)
	if ranks == nil {
		ranks = make([]int, len(rows))
		for i := range ranks {
			ranks[i] = i
		}
	}
	var buf []byte
next:
	for _, rank := range ranks {
		if rank >= len(rows) || !among.has(int(rows[rank])) {
			continue
		}
		for i := range all {
			v := c.variable(col, first+all[i].k*s.rows+rank)
			if col.ascii && !all[i].prefix && len(v) != len(all[i].text) {
				continue next
			}
			if v, buf = lowered(v, buf); !all[i].isBytes(v) {
				continue next
			}
		}
		if found == nil {
			found = newRowSet(c.count)
		}
		found.set(int(rows[rank]))
	}
	return found
}

// fewRows are looked at one by one.
const fewRows = 2

// number is 1 for a number that is sought as it is, else 0.
func (s *sought) number() int {
	if !s.prefix && isNumber(s.text) {
		return 1
	}
	return 0
}

// ranksOf returns where among n variables from first on a number is, as far as that is in among, which is nil for everywhere.
func (col *column) ranksOf(number string, first, n int, among []int) []int {
	ranks := []int{}
	text := []byte("\n" + number + "\n")
	at, before := 0, 0 // variables before data[at]
	for {
		i := bytes.Index(col.data[at:], text)
		if i < 0 {
			return ranks
		}
		before += bytes.Count(col.data[at:at+i], []byte{'\n'})
		at += i + 1
		rank := before - first
		before++
		if rank >= n {
			return ranks
		}
		if rank < 0 {
			continue
		}
		if among == nil {
			ranks = append(ranks, rank)
		} else if _, ok := slices.BinarySearch(among, rank); ok {
			ranks = append(ranks, rank)
		}
	}
}

// mayHave looks for numbers, which are in a column as they are sought.
func (col *column) mayHave(all []sought) bool {
	for i := range all {
		if w := &all[i]; isNumber(w.text) {
			text := "\n" + w.text
			if !w.prefix {
				text += "\n"
			}
			if text != col.asked {
				col.asked, col.has = text, bytes.Contains(col.data, []byte(text))
			}
			if !col.has {
				return false
			}
		}
	}
	return true
}
