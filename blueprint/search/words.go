package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold makes a text comparable as people compare: letter case, accents and typographic variants do not count.
func fold(s string) string {
	ascii, lower := true, true
	for i := range len(s) {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		lower = lower && (c < 'A' || c > 'Z')
	}
	switch {
	case ascii && lower:
		return s
	case ascii:
		return strings.ToLower(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(strings.ToValidUTF8(s, "\uFFFD")) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		r = unicode.ToLower(r)
		if plain, ok := plainLetters[r]; ok {
			b.WriteString(plain)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plainLetters are the letters people type without their stroke or ligature and that Unicode does not take apart.
var plainLetters = map[rune]string{'ø': "o", 'ł': "l", 'đ': "d", 'ħ': "h", 'ı': "i", 'ŧ': "t", 'ß': "ss", 'æ': "ae", 'œ': "oe", 'ð': "d", 'þ': "th"}

// nextWord returns where the next word of a folded text begins and ends at or after from; false when there is none. A
// word is a run of letters and digits; in scripts written without spaces each sign is one.
func nextWord(s string, from int) (begin, end int, ok bool) {
	begin = -1
	for i := from; i < len(s); {
		c, size := rune(s[i]), 1
		var in, alone bool
		if c < utf8.RuneSelf {
			in = 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		} else {
			c, size = utf8.DecodeRuneInString(s[i:])
			in = unicode.IsLetter(c) || unicode.IsNumber(c) || unicode.Is(unicode.Mc, c)
			alone = in && unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana)
		}
		switch {
		case begin < 0 && alone:
			return i, i + size, true
		case begin < 0 && in:
			begin = i
		case begin >= 0 && (!in || alone):
			return begin, i, true
		}
		i += size
	}
	return begin, len(s), begin >= 0
}

// words takes a folded text apart.
func words(s string) []string {
	var out []string
	for at := 0; ; {
		begin, end, ok := nextWord(s, at)
		if !ok {
			return out
		}
		out = append(out, s[begin:end])
		at = end
	}
}

// holdsPhrase reports whether the words follow each other somewhere in the folded text; with prefix, the last word
// need only begin so.
func holdsPhrase(s string, phrase []string, prefix bool) bool {
	for at := 0; ; {
		begin, end, ok := nextWord(s, at)
		if !ok {
			return false
		}
		if phraseAt(s, begin, end, phrase, prefix) {
			return true
		}
		at = end
	}
}

func phraseAt(s string, begin, end int, phrase []string, prefix bool) bool {
	for i, want := range phrase {
		word := s[begin:end]
		if last := i == len(phrase)-1; word != want {
			return last && prefix && strings.HasPrefix(word, want)
		} else if last {
			return true
		}
		var ok bool
		if begin, end, ok = nextWord(s, end); !ok {
			return false
		}
	}
	return false
}

// appendNatural appends the key that puts folded texts in the order people expect: digits count by their number, so that
// sensor 9 comes before sensor 10 and version 1.9 before 1.10. A run of digits becomes its length without leading zeros,
// as one of the signs 0 to 9, and those digits; a run of nine and more says its length once more.
func appendNatural(key []byte, s string) []byte {
	for i := 0; i < len(s); {
		if s[i] < '0' || s[i] > '9' {
			key = append(key, s[i])
			i++
			continue
		}
		for i < len(s) && s[i] == '0' {
			i++
		}
		begin := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		n := i - begin
		if key = append(key, '0'+byte(min(n, 9))); n >= 9 {
			key = append(key, byte(min(n, 255)))
		}
		key = append(key, s[begin:i]...)
	}
	return key
}
