package logging

import (
	"bytes"
	"strings"
)

// byWords returns the rows that have each of the words somewhere in the members.
func (c *chunk) byWords(among rowSet, in int, words []word) rowSet {
	for _, w := range words {
		if !c.mayHaveWord(w) {
			return nil
		}
	}
	set := among
	for _, variable := range []bool{false, true} { // those that are answered by shapes alone come first
		for _, w := range words {
			if isVariable(w.text) != variable {
				continue
			}
			if set = set.and(c.byWord(in, w, set)); set == nil {
				return nil
			}
		}
	}
	return set
}

// byWord returns the rows that have the word; it need not look at rows outside of among.
func (c *chunk) byWord(in int, w word, among rowSet) rowSet {
	s := c.shapes()
	chosen, looked := make([]bool, len(s.list)), false
	for i := range s.list {
		chosen[i] = s.list[i].hasWord(in, w)
		looked = looked || s.list[i].vars[texts] > 0 && !chosen[i]
	}
	set := c.ofShapes(chosen)
	if !looked || in&(messageBit|detailsBit|customBit) == 0 || !w.prefix && !isVariable(w.text) {
		return set
	}
	found := newRowSet(c.count)
	_, filters := c.filters()
	hash := hashKey(wordKey, w.text)
	for i := range c.blocks {
		if !w.prefix && !filters[i].mayHave(hash) {
			continue
		}
		if among.anyIn(i*blockRows, (i+1)*blockRows) {
			c.lookInBlock(i, in, w, chosen, found)
		}
	}
	return set.or(found)
}

// lookInBlock adds the rows one of whose variables in the members is the word, but for those of shapes that are chosen already.
func (c *chunk) lookInBlock(i, in int, w word, chosen []bool, found rowSet) {
	b := c.block(i)
	if plain := strings.Trim(w.text, "0123456789") == ""; plain {
		sought := "\n" + w.text
		if !w.prefix {
			sought += "\n"
		}
		if !bytes.Contains(c.variables(b), []byte(sought)) {
			return
		}
	}
	c.group(i)
	var buf, low []byte
	list := c.shapes().list
	for _, g := range b.groups {
		if g.shape >= len(list) || chosen[g.shape] {
			continue
		}
		s := &list[g.shape]
		for t := range texts {
			if in&(1<<t) == 0 {
				continue
			}
			for n := s.vars[t] * g.rows; n < s.vars[t+1]*g.rows; n++ {
				if low, buf = lowered(c.variable(b, g.vars+n), buf); w.is(string(low)) {
					found.set(i*blockRows + int(b.byShape[g.first+n%g.rows]))
				}
			}
		}
	}
}
