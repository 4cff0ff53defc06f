package logging

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// column is a column being searched.
type column struct {
	data  []byte   // each variable between two newlines
	ends  []uint32 // where each ends in data; made when needed
	ascii bool

	looked, plain bool // plain: there are no capitals and nothing beyond ASCII, so that a word stands in data as it is sought

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

var notPlain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= utf8.RuneSelf || c >= 'A' && c <= 'Z'
	}
	return t
}()

// asSought reports whether the word, if it is here, stands in data as it is sought. Digits always do.
func (col *column) asSought(w *word) bool {
	if isNumber(w.text) {
		return true
	}
	if !col.looked {
		col.looked, col.plain = true, true
		for _, c := range col.data {
			if notPlain[c] {
				col.plain = false
				break
			}
		}
	}
	return col.plain
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
		at := s.at[t]
		piece, n := rank/at.per, rank%at.per
		col, rows := c.column(at.column+piece), min(at.per, s.rows-piece*at.per)
		l.text[t] = fillPattern(s.text[t], func(k int) []byte { return c.variable(col, at.first+k*rows+n) })
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
	// The longest come first: they are in the fewest rows. Those that need only be compared with how words begin come last.
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b sought) int {
		if a.prefix != b.prefix {
			return map[bool]int{false: -1, true: 1}[a.prefix]
		}
		return len(b.text) - len(a.text)
	})
	s := &c.shapes().list[shape]
	at := s.at[t]
	for piece := range blocksOfSize(s.rows, at.per) {
		col := c.column(at.column + piece)
		if !col.mayHave(all) {
			continue
		}
		from := piece * at.per
		found = c.lookInColumn(col, at.first, c.rowsOf(shape), from, min(at.per, s.rows-from), all, among, found)
	}
	return found
}

// lookInColumn looks at n rows of a shape, from one on, whose variables are in a column from first on.
func (c *chunk) lookInColumn(col *column, first int, rows []uint16, from, n int, all []sought, among, found rowSet) rowSet {
	var ranks []int // of the rows that are left
	known := false
	for len(all) > 0 && !all[0].prefix && col.asSought(&all[0].word) && (!known || len(ranks) > fewRows) {
		if ranks = col.ranksOf(all[0].text, first+all[0].k*n, n, ranks, known); len(ranks) == 0 {
			return found
		}
		all, known = all[1:], true
	}
	if !known {
		for rank := range n {
			ranks = append(ranks, rank)
		}
	}
	var buf []byte
next:
	for _, rank := range ranks {
		if from+rank >= len(rows) || !among.has(int(rows[from+rank])) {
			continue
		}
		for i := range all {
			v := c.variable(col, first+all[i].k*n+rank)
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
		found.set(int(rows[from+rank]))
	}
	return found
}

// fewRows are looked at one by one.
const fewRows = 2

// ranksOf returns where among n variables from first on a word is that stands there as it is sought, without taking the column apart; with
// within, only those in among.
func (col *column) ranksOf(word string, first, n int, among []int, within bool) []int {
	ranks := []int{}
	text := []byte("\n" + word + "\n")
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
		if !within {
			ranks = append(ranks, rank)
		} else if _, ok := slices.BinarySearch(among, rank); ok {
			ranks = append(ranks, rank)
		}
	}
}

// mayHave looks for words that stand in the column as they are sought.
func (col *column) mayHave(all []sought) bool {
	for i := range all {
		if w := &all[i].word; col.asSought(w) {
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
