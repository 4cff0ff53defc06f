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
	get func(of part, block int) []byte // nil when it is not there; valid while the chunk is
	err error

	everything rowSet
	static     filter   // of the words of shapes
	inBlocks   []filter // of the variables of each block; nil until they are read
	from       *origins
	shaped     *shapes
	open       []*block
}

func newChunk(account string, head []byte, get func(of part, block int) []byte) (*chunk, error) {
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

func (c *chunk) filters() (static filter, blocks []filter) {
	if c.inBlocks != nil {
		return c.static, c.inBlocks
	}
	r := reader{data: c.get(filterPart, 0)}
	one := func() filter {
		f := filter(r.bytes(r.count(len(r.data))))
		if len(f)%filterLine != 0 || len(f) == 0 {
			r.bad = true
			return nil
		}
		return f
	}
	c.static = one()
	c.inBlocks = make([]filter, len(c.blocks))
	for i := range c.inBlocks {
		c.inBlocks[i] = one()
	}
	if r.bad || len(r.data) > 0 {
		c.damaged()
	}
	return c.static, c.inBlocks
}

// mayHaveWord reports whether the word may be in a row.
func (c *chunk) mayHaveWord(w word) bool {
	if w.prefix {
		return true
	}
	hash := hashKey(wordKey, w.text)
	static, blocks := c.filters()
	if static.mayHave(hash) {
		return true
	}
	return isVariable(w.text) && slices.ContainsFunc(blocks, func(f filter) bool { return f.mayHave(hash) })
}

// mayHaveKey reports whether one of the texts may be a code, or tag, of a row.
func (c *chunk) mayHaveKey(kind byte, texts []string) bool {
	for _, t := range texts {
		if static, _ := c.filters(); static.mayHave(hashKey(kind, t)) {
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

// frames takes apart what appendFrames made. The second is left compressed.
func (c *chunk) frames(data []byte) (first, second []byte) {
	r := reader{data: data}
	frame := r.bytes(r.count(len(data)))
	if r.bad {
		c.damaged()
		return nil, nil
	}
	return c.unframe(frame), r.data
}
