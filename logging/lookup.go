package logging

import (
	"slices"
	"strings"
)

// byWords returns the rows that have each of the words somewhere in the members. Words that no variable can be decide by shapes alone, so
// that the others are looked for in few of them.
func (c *chunk) byWords(among rowSet, in int, words []word) rowSet {
	for _, w := range words {
		if !c.mayHaveWord(w) {
			return nil
		}
	}
	var allowed []bool // shapes; nil for all
	var varying []word
	for _, w := range words {
		if c.mayHaveVariable(w) {
			varying = append(varying, w)
			continue
		}
		if allowed = c.shapesWith(in, w, allowed); !slices.Contains(allowed, true) {
			return nil
		}
	}
	if varying == nil && allowed != nil {
		return c.ofShapes(allowed, among).and(among)
	}
	set := among
	for i := range varying {
		if set = set.and(c.lookUp(in, varying[i:i+1], set, allowed)); set == nil {
			return nil
		}
	}
	return set
}

// shapesWith returns those of the allowed shapes all of whose rows have the word.
func (c *chunk) shapesWith(in int, w word, allowed []bool) []bool {
	list := c.shapes().list
	with := make([]bool, len(list))
	for i := range list {
		with[i] = (allowed == nil || allowed[i]) && list[i].hasWord(in, w)
	}
	return with
}

// byPhrase returns the rows in one of whose texts the words follow each other; it need not look at rows outside of among.
func (c *chunk) byPhrase(in int, words []word, among rowSet) rowSet {
	for _, w := range words {
		if !c.mayHaveWord(w) {
			return nil
		}
	}
	for i := 1; i < len(words); i++ {
		if !c.mayHavePair(in, words[i-1], words[i]) {
			return nil
		}
	}
	return c.lookUp(in, words, among, nil)
}

// mayHavePair reports whether the words, of which both have digits, may stand beside each other in a row.
func (c *chunk) mayHavePair(in int, a, b word) bool {
	if !isVariable(a.text) || !isVariable(b.text) || a.prefix || b.prefix {
		return true
	}
	f := c.filters()
	return f.variables.mayHave(hashPair(hashKey(pairKey, a.text), b.text)) ||
		in&(codeBit|tagsBit) != 0 && f.words.mayHave(a.key()) && f.words.mayHave(b.key())
}

// lookUp is byPhrase for rows of some shapes; nil for all.
func (c *chunk) lookUp(in int, words []word, among rowSet, allowed []bool) rowSet {
	f := finding{chunk: c, in: in, words: words, among: among, mayVary: make([]bool, len(words))}
	for i, w := range words {
		f.mayVary[i] = c.mayHaveVariable(w)
	}
	list := c.shapes().list
	f.chosen = make([]bool, len(list))
	for i := range list {
		if allowed == nil || allowed[i] {
			f.shape(i)
		}
	}
	set := c.ofShapes(f.chosen, among)
	if len(f.candidates) == 0 {
		return set
	}
	var found rowSet
	present := f.present()
	for _, k := range f.candidates {
		if present[k.shape] && !f.chosen[k.shape] {
			found = c.lookFor(k.shape, k.text, k.sought, among, found)
		}
	}
	return set.or(found)
}

// finding is a phrase being looked for in the shapes of a chunk.
type finding struct {
	*chunk
	in         int
	words      []word
	mayVary    []bool // which of them may be variables
	among      rowSet
	chosen     []bool // shapes all of whose rows have it
	candidates []candidate
}

// candidate is a text of a shape that has the phrase where its variables are what is sought.
type candidate struct {
	shape, text int
	sought      []sought
}

func (f *finding) shape(i int) {
	s := &f.shapes().list[i]
	if f.in&(codeBit|tagsBit) != 0 && (phrase{f.in & (codeBit | tagsBit), f.words}).matches(&s.line) {
		f.chosen[i] = true
		return
	}
	for t := range texts {
		if f.in&(1<<t) == 0 || s.text[t] == "" || !f.fits(s.text[t], s.vars[t+1]-s.vars[t]) {
			continue
		}
		if len(f.words) == 1 {
			if f.chosen[i] = textHasWord(s.text[t], f.words[0]); f.chosen[i] {
				return
			}
			for k := range s.vars[t+1] - s.vars[t] {
				f.candidates = append(f.candidates, candidate{i, t, []sought{{k, f.words[0]}}})
			}
			continue
		}
		tokens := tokensOf(s.text[t])
		for at := 0; at+len(f.words) <= len(tokens); at++ {
			sought, ok := f.align(tokens[at:])
			if ok && len(sought) == 0 {
				f.chosen[i] = true
				return
			}
			if ok {
				f.candidates = append(f.candidates, candidate{i, t, sought})
			}
		}
	}
}

// fits tells quickly of most patterns that they cannot have the phrase.
func (f *finding) fits(pattern string, vars int) bool {
	for i, w := range f.words {
		if textHasWord(pattern, w) {
			continue
		}
		if vars--; vars < 0 || !f.mayVary[i] {
			return false
		}
	}
	return true
}

// align holds the words to the first tokens; sought is what variables among these have to be.
func (f *finding) align(tokens []token) (all []sought, ok bool) {
	for i, w := range f.words {
		switch t := tokens[i]; {
		case t.variable < 0 && !w.is(t.word), t.variable >= 0 && !f.mayVary[i]:
			return nil, false
		case t.variable >= 0:
			all = append(all, sought{t.variable, w})
		}
	}
	return all, true
}

// present tells which shapes have rows in among.
func (f *finding) present() []bool {
	list := f.shapes().list
	present := make([]bool, len(list))
	if among := f.among.count(); among > f.count/2 {
		for i := range present {
			present[i] = true
		}
		return present
	}
	for row := range f.among.each(0, f.count) {
		present[f.shapeAt(row)] = true
	}
	return present
}

// token is a word of a pattern, in lower case, or a place for a variable.
type token struct {
	word     string
	variable int // -1: a word
}

func tokensOf(pattern string) []token {
	var all []token
	variable := 0
	for {
		text, rest, more := strings.Cut(pattern, "\xff")
		for _, w := range words(text) {
			all = append(all, token{w, -1})
		}
		if !more {
			return all
		}
		all = append(all, token{variable: variable})
		variable++
		pattern = rest
	}
}
