package search

import (
	"strings"
)

// Query is a text that Parse understood. It does not change and may be used by many goroutines. A nil Query and the
// zero Query are for everything.
type Query struct {
	text   string
	root   node // nil for everything
	leaves []*leaf
}

// node is a part of a query: and, or, not, *leaf.
type node interface {
	write(b *strings.Builder)
}

type (
	and []node
	or  []node
	not struct{ of node }
)

// String writes the query in the one form that means the same: parsing it gives an equal Query.
func (q *Query) String() string {
	if q == nil || q.root == nil {
		return ""
	}
	var b strings.Builder
	q.root.write(&b)
	return b.String()
}

// CheckFields refuses a query that names a field which known does not know. The error is a *SyntaxError.
func (q *Query) CheckFields(known func(field string) bool) error {
	if q == nil {
		return nil
	}
	for _, l := range q.leaves {
		if l.field != "" && l.field != idField && !known(l.field) {
			return syntaxError(q.text, l.offset, `There is no field "`+l.field+`"; to search for a text with a colon in it, put it in quotes.`)
		}
	}
	return nil
}

func (n and) write(b *strings.Builder) { writeJoined(b, n, " ") }
func (n or) write(b *strings.Builder)  { writeJoined(b, n, " OR ") }

func writeJoined(b *strings.Builder, nodes []node, by string) {
	for i, n := range nodes {
		if i > 0 {
			b.WriteString(by)
		}
		writeInside(b, n)
	}
}

// writeInside adds the parentheses that a part needs inside of another.
func writeInside(b *strings.Builder, n node) {
	switch n.(type) {
	case and, or:
		b.WriteByte('(')
		n.write(b)
		b.WriteByte(')')
	default:
		n.write(b)
	}
}

func (n not) write(b *strings.Builder) {
	b.WriteString("NOT ")
	writeInside(b, n.of)
}
