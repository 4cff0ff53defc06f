package logging

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A word is a longest run of letters and digits. A word with one of the digits 0 to 9 in it is a variable: numbers,
// addresses and ids differ from entry to entry, while the rest of what a program logs is one of a few patterns. Searches
// and chunks (chunk.go) both rest on this.

// placeholder stands in a pattern where a variable was. Valid UTF-8 never has this byte.
const placeholder = 0xff

const (
	isLetter = 1 << iota
	isDigit  // 0 to 9
)

var ascii = func() (t [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case c >= '0' && c <= '9':
			t[c] = isDigit
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			t[c] = isLetter
		}
	}
	return t
}()

// eachWord calls fn with the place of every word in s and whether it is a variable, until fn returns false.
func eachWord(s string, fn func(from, to int, variable bool) bool) {
	for i := 0; i < len(s); {
		from, kinds := i, byte(0)
		for i < len(s) {
			kind, size := kindAt(s, i)
			if kind == 0 {
				break
			}
			kinds |= kind
			i += size
		}
		if i > from {
			if !fn(from, i, kinds&isDigit != 0) {
				return
			}
			continue
		}
		_, size := kindAt(s, i)
		i += size
	}
}

func kindAt(s string, i int) (kind byte, size int) {
	if c := s[i]; c < utf8.RuneSelf {
		return ascii[c], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return isLetter, size
	}
	return 0, size
}

// words returns the words of s in lower case.
func words(s string) []string {
	var all []string
	eachWord(s, func(from, to int, _ bool) bool {
		all = append(all, strings.ToLower(s[from:to]))
		return true
	})
	return all
}

// isVariable reports whether a word is a variable.
func isVariable(word string) bool { return strings.ContainsAny(word, "0123456789") }

// lowered is strings.ToLower without work for what is lower case already.
func lowered(word []byte, buf []byte) (lower, room []byte) {
	for i, c := range word {
		if c >= utf8.RuneSelf {
			return append(buf[:0], strings.ToLower(string(word))...), buf
		}
		if c >= 'A' && c <= 'Z' {
			buf = append(buf[:0], word...)
			for ; i < len(buf); i++ {
				if c := buf[i]; c >= utf8.RuneSelf {
					return append(buf[:0], strings.ToLower(string(word))...), buf
				} else if c >= 'A' && c <= 'Z' {
					buf[i] += 'a' - 'A'
				}
			}
			return buf, buf
		}
	}
	return word, buf
}

// appendPattern appends s with a placeholder for each variable, and the variables to vars.
func appendPattern(pattern []byte, s string, vars []string) ([]byte, []string) {
	done := 0
	eachWord(s, func(from, to int, variable bool) bool {
		if variable {
			pattern = append(append(pattern, s[done:from]...), placeholder)
			vars = append(vars, s[from:to])
			done = to
		}
		return true
	})
	return append(pattern, s[done:]...), vars
}

// fillPattern is the reverse of appendPattern; variable returns the k-th.
func fillPattern(pattern string, variable func(k int) []byte) string {
	if strings.IndexByte(pattern, placeholder) < 0 {
		return pattern
	}
	var b strings.Builder
	for k := 0; ; k++ {
		i := strings.IndexByte(pattern, placeholder)
		if i < 0 {
			b.WriteString(pattern)
			return b.String()
		}
		b.WriteString(pattern[:i])
		b.Write(variable(k))
		pattern = pattern[i+1:]
	}
}
