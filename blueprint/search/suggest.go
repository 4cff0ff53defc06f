package search

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Hint is a way to go on typing a query.
type Hint struct {
	Text  string `json:"text"`  // what to put in place of the query's bytes [From, To)
	From  int    `json:"from"`  //
	To    int    `json:"to"`    //
	Count int    `json:"count"` // documents that have the field or the value
}

// Suggest completes what is being typed in a query at the cursor, an offset in bytes: fields, or after a colon the
// values of that field, the most frequent first. Of the request it heeds Kind, Filters, Scope, Now and Limit (0 means
// 10), so that nobody is shown a value from what they may not see. The text need not be a whole query.
func (x *Index) Suggest(r Request, text string, cursor int) []Hint {
	x.mu.RLock()
	defer x.mu.RUnlock()
	t := x.tables[r.Kind]
	if t == nil {
		return nil
	}
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	if r.Query = nil; r.Limit <= 0 {
		r.Limit = 10
	}
	from, to := typedAt(text, min(max(cursor, 0), len(text)))
	typed := text[from:min(max(cursor, from), len(text))]
	match := t.find(&r)
	var hints []Hint
	if field := fieldName(typed); field != "" {
		if c := t.queried(field); c != nil {
			hints = t.valueHints(match, c, field, typed[len(field)+1:], &r)
		}
	} else {
		hints = t.fieldHints(match, typed)
	}
	hints = hints[:min(len(hints), r.Limit)]
	for i := range hints {
		hints[i].From, hints[i].To = from, to
	}
	return hints
}

// typedAt returns the word around the cursor, quotes included.
func typedAt(text string, cursor int) (from, to int) {
	quoted := false
	for i := 0; i < cursor; i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (separates(c) || c == '-' && i == from):
			from = i + 1
		}
	}
	for to = cursor; to < len(text) && !separates(text[to]) && !quoted; {
		to++
	}
	return from, max(to, from)
}

func separates(c byte) bool { return c == '(' || c == ')' || c < 0x80 && unicode.IsSpace(rune(c)) }

func (t *table) fieldHints(match bitset, typed string) []Hint {
	var hints []Hint
	for _, c := range t.columns {
		if len(c.name) < len(typed) || !strings.EqualFold(c.name[:len(typed)], typed) {
			continue
		}
		have := newBitset(t.size())
		c.present(have)
		have.and(match)
		if n := have.count(); n > 0 {
			hints = append(hints, Hint{Text: c.name + ":", Count: n})
		}
	}
	slices.SortStableFunc(hints, func(a, b Hint) int { return cmp.Compare(b.Count, a.Count) })
	return hints
}

func (t *table) valueHints(match bitset, c *column, field, typed string, r *Request) []Hint {
	typed = strings.TrimLeft(typed, `=<>"`)
	best := ranking{limit: r.Limit}
	if c.truths != nil {
		both := ranking{limit: 2}
		t.tallyNumbers(match, c.truths, &both)
		for _, b := range both.all {
			if strings.HasPrefix(b.value(), strings.ToLower(typed)) {
				best.add(b)
			}
		}
	}
	if c.texts != nil {
		var only bitset
		if typed != "" {
			only = newBitset(len(c.texts.values))
			t.matchTexts(c.texts, &leaf{field: field, how: holds, a: newOperand(typed), prefix: true}, only)
		}
		c.texts.tally(match, only, &best)
	}
	var hints []Hint
	for _, b := range best.sorted() {
		o := operand{text: b.value()}
		hints = append(hints, Hint{Text: field + ":" + o.quoted(), Count: b.count})
	}
	if c.times != nil && typed == "" {
		hints = append(hints, t.ageHints(match, c, field, r.Now)...)
	}
	return hints
}

// ageHints offers the spans up to now that somebody is in.
func (t *table) ageHints(match bitset, c *column, field string, now time.Time) []Hint {
	var hints []Hint
	for _, step := range ageSteps {
		have := newBitset(t.size())
		t.answer(c, []leaf{{field: field, how: less, a: newOperand(step)}}, now, have)
		have.and(match)
		if n := have.count(); n > 0 {
			hints = append(hints, Hint{Text: field + ":<" + step, Count: n})
		}
	}
	return hints
}
