package logging

import (
	"encoding/binary"
	"slices"
)

// chunk is a packed chunk being searched. Its parts are read when they are needed. What is wrong with them ends in err,
// which whoever asks must look at in the end; answers are empty from then on.
type chunk struct {
	account string
	header
	get func(of part, number int) []byte // nil when it is not there; valid while the chunk is
	err error

	everything rowSet
	filtered   *filters
	from       origins
	shaped     *shapes
	open       []*block
	read       map[int]*column
}

// filters is the part of that name.
type filters struct{ words, variables filter }

func newChunk(account string, head []byte, get func(of part, number int) []byte) (*chunk, error) {
	h, err := parseHeader(head)
	if err != nil {
		return nil, err
	}
	return &chunk{account: account, header: h, get: get, open: make([]*block, len(h.blocks))}, nil
}

func (c *chunk) damaged() {
	if c.err == nil {
		c.err = errChunk
	}
}

func (c *chunk) all() rowSet {
	if c.everything == nil {
		c.everything = allRows(c.count)
	}
	return c.everything
}

func (c *chunk) filters() *filters {
	if c.filtered != nil {
		return c.filtered
	}
	r := reader{data: c.get(filterPart, 0)}
	c.filtered = &filters{r.filter(), r.filter()}
	if r.bad || len(r.data) > 0 {
		c.damaged()
	}
	return c.filtered
}

func (r *reader) filter() filter {
	f := filter(r.bytes(r.count(len(r.data))))
	if len(f)%filterLine != 0 || len(f) == 0 {
		r.bad = true
		return nil
	}
	return f
}

// mayHaveWord reports whether the word may be in a row.
func (c *chunk) mayHaveWord(w word) bool {
	return w.prefix || c.filters().words.mayHave(w.key()) || c.mayHaveVariable(w)
}

// mayHaveVariable reports whether the word may be one of the variables.
func (c *chunk) mayHaveVariable(w word) bool {
	if !w.prefix {
		return isVariable(w.text) && c.filters().variables.mayHave(w.key())
	}
	if isVariable(w.text) && len(w.text) < beginBytes {
		return true // most chunks have numbers that begin so, and the filter does not tell
	}
	return c.filters().variables.mayHave(hashKey(beginKey, w.text[:min(len(w.text), beginBytes)])) ||
		len(w.text) == beginBytes && c.filters().variables.mayHave(w.key())
}

// mayHaveKey reports whether one of the texts may be a code, or tag, of a row.
func (c *chunk) mayHaveKey(kind byte, texts []string) bool {
	for _, t := range texts {
		if c.filters().words.mayHave(hashKey(kind, t)) {
			return true
		}
	}
	return false
}

// ofSeverities returns the rows of these severities, when the header and the rare part tell.
func (c *chunk) ofSeverities(names []string) (set rowSet, ok bool) {
	var lists bool
	for i, n := range c.severities {
		if n == 0 || !slices.Contains(names, severityNames[i]) {
			continue
		}
		if n == c.count {
			return c.all(), true
		}
		if !c.rare(i) {
			return nil, false
		}
		lists = true
	}
	if !lists {
		return nil, true
	}
	set = newRowSet(c.count)
	data := c.get(rarePart, 0)
	for i, n := range c.severities {
		if !c.rare(i) {
			continue
		}
		if len(data) < 2*n {
			c.damaged()
			return set, true
		}
		for k := range n {
			if slices.Contains(names, severityNames[i]) {
				c.put(set, int(binary.LittleEndian.Uint16(data[2*k:])))
			}
		}
		data = data[2*n:]
	}
	return set, true
}

// put adds a row that comes from the store.
func (c *chunk) put(set rowSet, row int) {
	if row >= c.count {
		c.damaged()
		return
	}
	set.set(row)
}

// unframe decompresses a frame.
func (c *chunk) unframe(frame []byte) []byte {
	data, err := decompressor.DecodeAll(frame, nil)
	if err != nil {
		c.damaged()
		return nil
	}
	return data
}
