package packet

import (
	"encoding/binary"
	"unicode/utf8"
)

// textFault is what is wrong with a string.
type textFault byte

const (
	textOK textFault = iota
	textNotUTF8
	textNull
	textControl
	textNonCharacter
	textWildcard
)

func (f textFault) rule() string {
	switch f {
	case textNotUTF8:
		return "MQTT-1.5.3-1"
	case textNull:
		return "MQTT-1.5.3-2"
	case textWildcard:
		return "MQTT-3.3.2-2"
	}
	return "MQTT 3.1.1 §1.5.3"
}

func (f textFault) reason() string {
	switch f {
	case textNotUTF8:
		return "string is not well-formed UTF-8"
	case textNull:
		return "string has the null character U+0000"
	case textControl:
		return "string has a control character, U+0001–001F or U+007F–009F"
	case textNonCharacter:
		return "string has a code point that is not a character"
	case textWildcard:
		return "topic name has a wildcard, + or #"
	}
	return ""
}

// Eight bytes are looked at in one step: ones holds 1 in each byte, highs the top bit of each.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain says whether all eight bytes of w are printable ASCII. Where a byte below 0x20 or above 0x7e is, a top bit
// of the expression is set; the borrow between bytes can set one too many, never one too few.
func plain(w uint64) bool { return (w|(w-ones*0x20)|(w+ones))&highs == 0 }

// has says whether one of the eight bytes of w, all ASCII, is c.
func has(w uint64, c byte) bool {
	w ^= ones * uint64(c)
	return (w-ones)&^w&highs != 0
}

// checkText returns the first thing wrong with s as an MQTT string, and the offset of the byte where it is.
func checkText(s []byte) (int, textFault) {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		if !plain(binary.LittleEndian.Uint64(s[i:])) {
			break
		}
	}
	return checkRunes(s, i, false)
}

// checkName is checkText for a Topic Name, in which + and # are wrong as well.
func checkName(s []byte) (int, textFault) {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		if !plain(w) || has(w, '+') || has(w, '#') {
			break
		}
	}
	return checkRunes(s, i, true)
}

// checkRunes looks at s code point by code point, from offset i on.
func checkRunes(s []byte, i int, name bool) (int, textFault) {
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			switch {
			case c >= 0x20 && c < 0x7f:
				if name && (c == '+' || c == '#') {
					return i, textWildcard
				}
			case c == 0:
				return i, textNull
			default:
				return i, textControl
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(s[i:]) // refuses surrogates and overlong forms [MQTT-1.5.3-1]
		switch {
		case r == utf8.RuneError && n == 1:
			return i, textNotUTF8
		case r <= 0x9f:
			return i, textControl
		case r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef:
			return i, textNonCharacter
		}
		i += n
	}
	return 0, textOK
}
