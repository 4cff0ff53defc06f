package search

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// how a leaf compares.
type how byte

const (
	anything how = iota // has a value; without a field, every document
	holds               // has the words
	contains            // has the text somewhere in it
	equal               // is the text, letter for letter, or the number, time or truth value
	less
	atMost
	greater
	atLeast
	between // from a to b, both included
	near
	box
)

// leaf is one question about one field, or about all when field is "".
type leaf struct {
	field  string
	offset int // of the leaf in the text, in bytes
	how    how
	a, b   operand
	prefix bool // the last word of a need only begin so
	area   area
}

// leaf reads a word, a phrase or a field with what it is compared with; or, after field:( …, what it is compared with.
func (p *parser) leaf() (node, error) {
	l := &leaf{field: p.field, offset: p.at}
	if p.query.leaves = append(p.query.leaves, l); len(p.query.leaves) > maxTerms {
		return nil, p.expected("The query asks more than %d things.", maxTerms)
	}
	if p.field != "" {
		return l, p.compared(l)
	}
	name := fieldName(p.rest())
	if name == "" {
		return l, p.compared(l)
	}
	l.field = name
	p.at += len(name) + 1
	if p.end() || unicode.IsSpace(rune(p.rest()[0])) || p.rest()[0] == ')' {
		return nil, p.expected(`A value is expected right after "%s:", such as %s:text, %s:>=10, %s:10..20 or %s:*.`, name, name, name, name, name)
	}
	switch {
	case p.rest()[0] == '(':
		p.query.leaves = p.query.leaves[:len(p.query.leaves)-1]
		p.field = name
		defer func() { p.field = "" }()
		return p.group()
	case strings.EqualFold(name, "near"):
		return l, p.near(l)
	case strings.EqualFold(name, "box"):
		return l, p.box(l)
	}
	return l, p.compared(l)
}

// fieldName returns the name before the colon when the text begins with a field, "" when it does not: http://… and
// hardware addresses are words.
func fieldName(s string) string {
	name, after, found := strings.Cut(s, ":")
	if !found || name == "" || len(name) > 128 || strings.HasPrefix(after, "//") || isHardwareAddress(s) {
		return ""
	}
	for i, r := range name {
		if !unicode.IsLetter(r) && r != '_' && (i == 0 || !unicode.IsDigit(r) && r != '-' && r != '.') {
			return ""
		}
	}
	return name
}

// isHardwareAddress recognizes the beginning of aa:bb:cc:…
func isHardwareAddress(s string) bool {
	const hex = "0123456789abcdefABCDEF"
	for i := range 8 {
		if i >= len(s) || (i%3 == 2) != (s[i] == ':') || i%3 != 2 && strings.IndexByte(hex, s[i]) < 0 {
			return false
		}
	}
	return true
}

var comparisons = []struct {
	sign string
	how  how
}{{">=", atLeast}, {"<=", atMost}, {">", greater}, {"<", less}, {"=", equal}}

// compared reads what stands behind the colon, or a free word.
func (p *parser) compared(l *leaf) error {
	l.how = holds
	for _, c := range comparisons {
		if !strings.HasPrefix(p.rest(), c.sign) {
			continue
		}
		if l.field == "" {
			return p.expected(`A comparison needs a field before it, such as batteryLevel:%s20.`, c.sign)
		}
		l.how = c.how
		p.at += len(c.sign)
		break
	}
	star := p.star()
	if star && l.how != holds {
		return p.expected("A star cannot be compared with; a value is expected.")
	}
	if star && p.valueEnds() {
		l.how = anything
		return nil
	}
	if star && l.field == "" {
		return p.expected("A star before a word needs a field, such as serialNumber:*123.")
	}
	text, err := p.value(l)
	if err != nil {
		return err
	}
	l.a = newOperand(text)
	switch {
	case star:
		l.how = contains
		p.star()
	case p.star():
		if l.how != holds {
			return p.expected("A star cannot be compared with; a value is expected.")
		}
		l.prefix = true
	case l.how == holds && l.field != "" && strings.HasPrefix(p.rest(), ".."):
		return p.upTo(l)
	}
	if !p.valueEnds() {
		return p.expected("A space is expected after the value; a text with spaces or signs goes in quotes.")
	}
	return nil
}

// upTo reads the end of a range.
func (p *parser) upTo(l *leaf) error {
	p.at += 2
	if p.valueEnds() { // 10.. has no end
		if l.a.text == "" {
			return p.expected("A range has a beginning, an end or both, such as 10..20.")
		}
		l.how = atLeast
		return nil
	}
	text, err := p.value(l)
	if err != nil {
		return err
	}
	l.how, l.b = between, newOperand(text)
	if l.a.text == "" {
		l.how, l.a, l.b = atMost, l.b, operand{}
	}
	if !p.valueEnds() {
		return p.expected("A space is expected after the range.")
	}
	return nil
}

func (p *parser) star() bool {
	if strings.HasPrefix(p.rest(), "*") {
		p.at++
		return true
	}
	return false
}

func (p *parser) valueEnds() bool {
	if p.end() || p.rest()[0] == ')' {
		return true
	}
	r, _ := utf8.DecodeRuneInString(p.rest())
	return unicode.IsSpace(r)
}

// value reads a text in quotes, or one without spaces and the signs that mean something; it is empty before the two
// points of a range that has no beginning.
func (p *parser) value(l *leaf) (string, error) {
	if strings.HasPrefix(p.rest(), `"`) {
		return p.quotedText()
	}
	begin := p.at
	for !p.end() {
		r, size := utf8.DecodeRuneInString(p.rest())
		if !isPlain(r) || l.field != "" && strings.HasPrefix(p.rest(), "..") {
			break
		}
		p.at += size
	}
	text := p.text[begin:p.at]
	if text == "" && (l.how != holds || l.field == "" || !strings.HasPrefix(p.rest(), "..")) {
		return "", p.expected("A value is expected here; one with spaces or signs goes in quotes.")
	}
	return text, nil
}

// isPlain says which signs a value has without quotes.
func isPlain(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsControl(r) && !strings.ContainsRune(`()"*<>=`, r) && r != utf8.RuneError
}

func (p *parser) quotedText() (string, error) {
	opened := p.at
	var b strings.Builder
	for p.at++; !p.end(); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			if b.Len() == 0 {
				return "", p.refuse(opened, "There is nothing between the quotes.")
			}
			return b.String(), nil
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			b.WriteByte(p.text[p.at])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.refuse(opened, "This quote is never closed.")
}

func (l *leaf) write(b *strings.Builder) {
	switch {
	case l.how == near:
		b.WriteString(l.area.nearText())
		return
	case l.how == box:
		b.WriteString(l.area.boxText())
		return
	case l.field != "":
		b.WriteString(l.field)
		b.WriteByte(':')
	}
	switch l.how {
	case anything:
		b.WriteByte('*')
	case holds:
		b.WriteString(l.a.quoted())
		if l.prefix {
			b.WriteByte('*')
		}
	case contains:
		b.WriteString("*" + l.a.quoted() + "*")
	case between:
		b.WriteString(l.a.quoted() + ".." + l.b.quoted())
	default:
		b.WriteString(signs[l.how] + l.a.quoted())
	}
}

var signs = map[how]string{equal: "=", less: "<", atMost: "<=", greater: ">", atLeast: ">="}
