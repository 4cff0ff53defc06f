package logging

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// Where words are looked for.
const (
	messageBit = 1 << iota
	detailsBit
	customBit
	codeBit
	tagsBit

	anywhere = messageBit | detailsBit | customBit | codeBit | tagsBit
)

// wordMembers names the members that words can be looked for in.
var wordMembers = map[string]int{"message": messageBit, "details": detailsBit, "code": codeBit, "tags": tagsBit, "_all": anywhere}

// word is a word looked for, in lower case and not empty.
type word struct {
	text   string
	prefix bool // a word that begins so will do
}

func (w word) is(lower string) bool {
	return lower == w.text || w.prefix && strings.HasPrefix(lower, w.text)
}

func (w word) isBytes(lower []byte) bool {
	return string(lower) == w.text || w.prefix && bytes.HasPrefix(lower, []byte(w.text))
}

func (w word) key() uint64 { return hashKey(wordKey, w.text) }

// isNumber reports whether a word is all digits.
func isNumber(word string) bool { return strings.Trim(word, "0123456789") == "" }

func literals(texts []string) []word {
	var all []word
	for _, t := range texts {
		all = append(all, word{text: t})
	}
	return all
}

// hasWords matches when each of the words stands as a word somewhere in the members, in any case.
type hasWords struct {
	in    int
	words []word
}

func (c hasWords) matches(l *line) bool {
	for _, w := range c.words {
		if !l.hasWord(c.in, w) {
			return false
		}
	}
	return len(c.words) > 0
}

func (c hasWords) rows(k *chunk, among rowSet) (rowSet, bool) {
	return k.byWords(among, c.in, c.words), true
}

// eachText calls fn with every text of the members, until it returns false.
func (l *line) eachText(in int, fn func(s string) bool) {
	for t, s := range l.text {
		if in&(1<<t) != 0 && s != "" && !fn(s) {
			return
		}
	}
	if in&codeBit != 0 && l.code != "" && !fn(l.code) {
		return
	}
	if in&tagsBit != 0 {
		for _, tag := range l.tags {
			if !fn(tag) {
				return
			}
		}
	}
}

func (l *line) hasWord(in int, w word) (found bool) {
	l.eachText(in, func(s string) bool {
		found = textHasWord(s, w)
		return !found
	})
	return found
}

func textHasWord(s string, w word) (found bool) {
	first := w.text[0]
	eachWord(s, func(from, to int, _ bool) bool {
		if c := s[from]; c < utf8.RuneSelf && lowerASCII(c) != first {
			return true // most end here
		}
		found = w.is(strings.ToLower(s[from:to]))
		return !found
	})
	return found
}

func lowerASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// phrase matches when the words follow each other in one text; what stands between words does not matter.
type phrase struct {
	in    int
	words []word
}

func (c phrase) matches(l *line) (found bool) {
	l.eachText(c.in, func(s string) bool {
		have := words(s)
		for i := range have {
			if len(have)-i < len(c.words) {
				break
			}
			if found = slices.EqualFunc(c.words, have[i:i+len(c.words)], word.is); found {
				return false
			}
		}
		return true
	})
	return found && len(c.words) > 0
}

func (c phrase) rows(k *chunk, among rowSet) (rowSet, bool) {
	return k.byPhrase(c.in, c.words, among), true
}
