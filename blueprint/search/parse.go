package search

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxText  = 4096 // bytes of a query
	maxTerms = 64   // leaves of a query: each may cost a pass over every field
	maxDepth = 32   // parentheses and NOTs inside each other
)

// SyntaxError says where a query cannot be understood and what is expected there.
type SyntaxError struct {
	Offset    int // in bytes, from 0
	Character int // the same place as people count, from 1
	Message   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("At character %d: %s", e.Character, e.Message)
}

func syntaxError(text string, offset int, message string) *SyntaxError {
	return &SyntaxError{offset, utf8.RuneCountInString(text[:offset]) + 1, message}
}

// Parse reads a query in the language that the package comment explains. An empty text is a query for everything. The
// error is a *SyntaxError.
func Parse(text string) (*Query, error) {
	if len(text) > maxText {
		return nil, syntaxError(text, maxText, fmt.Sprintf("The query is longer than %d bytes.", maxText))
	}
	p := &parser{text: text, query: &Query{text: text}}
	p.space()
	if p.at == len(text) {
		return p.query, nil
	}
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.at < len(text) {
		return nil, p.expected(`This closes a parenthesis that was never opened.`)
	}
	p.query.root = root
	return p.query, nil
}

type parser struct {
	text  string
	at    int
	depth int
	field string // the field before the parenthesis that is open
	query *Query
}

func (p *parser) expected(format string, args ...any) error {
	return p.refuse(p.at, fmt.Sprintf(format, args...))
}

func (p *parser) refuse(at int, message string) error { return syntaxError(p.text, at, message) }

func (p *parser) rest() string { return p.text[p.at:] }
func (p *parser) end() bool    { return p.at == len(p.text) }

func (p *parser) space() {
	for !p.end() {
		r, size := utf8.DecodeRuneInString(p.rest())
		if !unicode.IsSpace(r) {
			return
		}
		p.at += size
	}
}

// word takes one of the words AND, OR and NOT, standing alone and in capitals.
func (p *parser) word(word string) bool {
	after, ok := strings.CutPrefix(p.rest(), word)
	if !ok {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(after); after != "" && !unicode.IsSpace(r) && r != '(' && r != ')' && r != '"' {
		return false
	}
	p.at += len(word)
	p.space()
	return true
}

func (p *parser) or() (node, error) {
	var nodes or
	for {
		n, err := p.and()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if !p.word("OR") {
			break
		}
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return nodes, nil
}

func (p *parser) and() (node, error) {
	var nodes and
	for {
		n, err := p.not()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if p.word("AND") {
			continue
		}
		if p.end() || p.rest()[0] == ')' {
			break
		}
		if at := p.at; p.word("OR") {
			p.at = at
			break
		}
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return nodes, nil
}

func (p *parser) not() (node, error) {
	if p.end() {
		return nil, p.expected("The query ends where a word, a field or a parenthesis is expected.")
	}
	at := p.at
	if p.rest()[0] == '-' && len(p.rest()) > 1 && p.rest()[1] != ' ' {
		p.at++
	} else if !p.word("NOT") {
		return p.primary()
	}
	if err := p.deeper(at); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	n, err := p.not()
	return not{n}, err
}

// deeper counts the level that begins at an offset; the caller takes it off.
func (p *parser) deeper(at int) error {
	if p.depth++; p.depth > maxDepth {
		return p.refuse(at, fmt.Sprintf("There are more than %d levels of parentheses and NOTs.", maxDepth))
	}
	return nil
}

func (p *parser) primary() (node, error) {
	if p.rest()[0] == '(' {
		return p.group()
	}
	for _, word := range []string{"AND", "OR"} {
		if at := p.at; p.word(word) {
			p.at = at
			return nil, p.expected(`%s needs something before it; to search for the word, write it in small letters or in quotes.`, word)
		}
	}
	if p.rest()[0] == ')' {
		return nil, p.expected("A word, a field or a parenthesis that opens is expected before this.")
	}
	n, err := p.leaf()
	if err == nil {
		p.space()
	}
	return n, err
}

func (p *parser) group() (node, error) {
	if err := p.deeper(p.at); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	opened := p.at
	p.at++
	p.space()
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.end() {
		return nil, p.refuse(opened, "This parenthesis is never closed.")
	}
	p.at++
	p.space()
	return n, nil
}
