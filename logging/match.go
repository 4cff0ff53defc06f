package logging

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// A condition decides whether an entry is searched for.
type condition interface {
	matches(l *line) bool
	// rows returns the rows of a chunk that may match, and whether they all do. It is what saves a search from reading
	// texts. Rows outside of among need not be looked at: what is said of them does not count. Sets are shared and not to be changed.
	rows(c *chunk, among rowSet) (may rowSet, exact bool)
}

// class says in which part of a chunk a member is.
type class byte

const (
	unknownMember class = iota
	shapeMember
	originMember
	timeMember
	accountMember
	textMember
	customMember
	noMember // entries never have it
)

const customPrefix = "custom."

// classOf returns a member's class. Members of custom are named custom.<member>, and deeper.
func classOf(member string) class {
	switch member {
	case "severity", "code", "tags":
		return shapeMember
	case "sourceId", "sourceType", "deviceTemplateId", "organizationId":
		return originMember
	case "_id", "sourceTimestamp", "serviceTimestamp":
		return timeMember
	case "accountId":
		return accountMember
	case "message", "details":
		return textMember
	case "incidents":
		return noMember
	}
	if strings.HasPrefix(member, customPrefix) && len(member) > len(customPrefix) {
		return customMember
	}
	return unknownMember
}

// known reports whether entries can have the member.
func known(member string) bool { return classOf(member) != unknownMember }

func optional(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// values returns a member's values as text; none when the entry does not have it.
func (l *line) values(member string) []string {
	switch member {
	case "_id":
		return []string{l.id()}
	case "accountId":
		return []string{l.account}
	case "sourceId":
		return []string{l.source}
	case "sourceType":
		return []string{l.kind}
	case "deviceTemplateId":
		return optional(l.template)
	case "organizationId":
		return optional(l.organization)
	case "message":
		return []string{l.text[messageText]}
	case "severity":
		return []string{severityNames[l.severity]}
	case "code":
		return optional(l.code)
	case "details":
		return optional(l.text[detailsText])
	case "tags":
		return l.tags
	case "sourceTimestamp":
		return []string{strconv.FormatInt(l.sourceTime, 10)}
	case "serviceTimestamp":
		return []string{strconv.FormatInt(l.time, 10)}
	}
	return l.customValues(member)
}

func (l *line) customValues(member string) []string {
	path, ok := strings.CutPrefix(member, customPrefix)
	if !ok || l.text[customText] == "" {
		return nil
	}
	var v any = l.customMembers()
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	if list, ok := v.([]any); ok {
		var all []string
		for _, v := range list {
			all = append(all, text(v))
		}
		return all
	}
	if v == nil {
		return nil
	}
	return []string{text(v)}
}

// number returns a member's first value as a number.
func (l *line) number(member string) (float64, bool) {
	switch member {
	case "sourceTimestamp":
		return float64(l.sourceTime), true
	case "serviceTimestamp":
		return float64(l.time), true
	}
	values := l.values(member)
	if len(values) == 0 {
		return 0, false
	}
	return parseFloat(values[0])
}

func parseFloat(s string) (float64, bool) {
	n := json.Number(s)
	f, err := n.Float64()
	return f, err == nil && f == f
}

// every matches when all of it does; an empty one always.
type every []condition

func (c every) matches(l *line) bool {
	for _, each := range c {
		if !each.matches(l) {
			return false
		}
	}
	return true
}

func (c every) rows(k *chunk, among rowSet) (rowSet, bool) {
	set, exact := among, true
	for _, each := range c {
		may, sure := each.rows(k, set)
		if set = set.and(may); set == nil {
			return nil, true
		}
		exact = exact && sure
	}
	return set, exact
}

// some matches when one of it does.
type some []condition

func (c some) matches(l *line) bool {
	for _, each := range c {
		if each.matches(l) {
			return true
		}
	}
	return false
}

func (c some) rows(k *chunk, among rowSet) (rowSet, bool) {
	var set rowSet
	exact := true
	for _, each := range c {
		may, sure := each.rows(k, among)
		set, exact = set.or(may), exact && (sure || may.and(among) == nil)
	}
	return set, exact
}

type not struct{ condition }

func (c not) matches(l *line) bool { return !c.condition.matches(l) }

func (c not) rows(k *chunk, among rowSet) (rowSet, bool) {
	may, exact := c.condition.rows(k, among)
	if exact {
		return among.without(may), true
	}
	return among, false
}

// leafRows answers for a condition on one member: from the dictionary that has the member, if there is one. words are
// words that every match must have in that member; nil when nothing is known of them.
func leafRows(k *chunk, among rowSet, c condition, member string, words []word) (rowSet, bool) {
	switch classOf(member) {
	case shapeMember:
		return k.byShape(among, c.matches), true
	case originMember:
		if e, ok := c.(equals); ok {
			return k.byOrigin(member, func(text string) bool { // an origin without a template or organization has "" there
				return slices.Contains(e.wanted, text) && (text != "" || member == "sourceType")
			}), true
		}
		l := &line{} // of which only the member asked for is looked at
		return k.byOrigin(member, func(text string) bool {
			l.origin = origin{text, text, text, text}
			return c.matches(l)
		}), true
	case timeMember:
		return k.byTime(among, nil, c.matches), true
	case accountMember:
		if c.matches(&line{account: k.account}) {
			return k.all(), true
		}
		return nil, true
	case textMember:
		in := messageBit
		if member == "details" {
			in = detailsBit
		}
		return k.byWords(among, in, words), false
	case customMember:
		if len(words) == 0 {
			return k.withText(among, customText), false
		}
		return k.byWords(among, customBit, words), false
	}
	return nil, true
}

// equals matches when one value of the member is one of the wanted ones, in full and in this case.
type equals struct {
	member string
	wanted []string
}

func (c equals) matches(l *line) bool {
	if c.member == "sourceId" && len(c.wanted) == 1 {
		return l.source == c.wanted[0]
	}
	if classOf(c.member) == customMember && !slices.ContainsFunc(c.wanted, func(w string) bool { return !plainJSON(w) || strings.Contains(l.text[customText], w) }) {
		return false // most end here, and need not be decoded
	}
	for _, v := range l.values(c.member) {
		for _, w := range c.wanted {
			if v == w {
				return true
			}
		}
	}
	return false
}

// plainJSON reports whether JSON writes a value as it is.
func plainJSON(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\' || strings.ContainsRune("{}[]", r)
	})
}

func (c equals) rows(k *chunk, among rowSet) (rowSet, bool) {
	switch c.member {
	case "sourceId":
		var set rowSet
		for _, w := range c.wanted {
			set = set.or(k.ofSource(w))
		}
		return set, true
	case "severity":
		if set, ok := k.ofSeverities(c.wanted); ok {
			return set, true
		}
	case "code", "tags":
		kind := byte(codeKey)
		if c.member == "tags" {
			kind = tagKey
		}
		if !k.mayHaveKey(kind, c.wanted) {
			return nil, true
		}
	case "_id", "serviceTimestamp", "sourceTimestamp":
		return c.atTimes(k, among)
	}
	if len(c.wanted) == 1 {
		return leafRows(k, among, c, c.member, wordsOfValue(classOf(c.member), c.member, c.wanted[0]))
	}
	return leafRows(k, among, c, c.member, nil)
}

// atTimes skips blocks that have none of the wanted times.
func (c equals) atTimes(k *chunk, among rowSet) (rowSet, bool) {
	var set rowSet
	for _, w := range c.wanted {
		member, ms := c.member, int64(-1)
		if p, ok := positionOfID(w); c.member == "_id" && ok {
			member, ms = "serviceTimestamp", p.time
		} else if n, err := strconv.ParseInt(w, 10, 64); c.member != "_id" && err == nil {
			ms = n
		}
		one := equals{c.member, []string{w}}
		set = set.or(k.byTime(among, func(b *blockSpan) (none, all bool) { return !b.times(member).has(ms), false }, one.matches))
	}
	return set, true
}

// wordsOfValue returns words that an entry with the value must have. Of custom members only values are used that JSON
// writes as they are.
func wordsOfValue(of class, member, value string) []word {
	if of == customMember {
		if !plainJSON(member + value) {
			return nil
		}
		value += " " + strings.ReplaceAll(strings.TrimPrefix(member, customPrefix), ".", " ")
	}
	return literals(words(value))
}

// within matches numbers in a range; a bound that is not there is infinite.
type within struct {
	member             string
	min, max           float64
	openBelow, openTop bool // the bound itself does not belong
}

func (c within) matches(l *line) bool {
	v, ok := l.number(c.member)
	return ok && c.contains(v)
}

func (c within) contains(v float64) bool {
	return (v > c.min || v == c.min && !c.openBelow) && (v < c.max || v == c.max && !c.openTop)
}

func (c within) rows(k *chunk, among rowSet) (rowSet, bool) {
	if c.member != "serviceTimestamp" && c.member != "sourceTimestamp" {
		return leafRows(k, among, c, c.member, nil)
	}
	return k.byTime(among, func(b *blockSpan) (none, all bool) {
		span := b.times(c.member)
		low, high := float64(span.min), float64(span.max)
		if c.contains(low) && c.contains(high) {
			return false, true
		}
		return high < c.min || low > c.max, false
	}, c.matches), true
}

// between matches positions in [from, to): what cursors and retention ask for.
type between struct{ from, to position }

func (c between) matches(l *line) bool {
	return l.position.compare(c.from) >= 0 && l.position.compare(c.to) < 0
}

func (c between) rows(k *chunk, among rowSet) (rowSet, bool) {
	return k.byTime(among, func(b *blockSpan) (none, all bool) {
		return b.service.max < c.from.time || b.service.min > c.to.time, b.service.min > c.from.time && b.service.max < c.to.time
	}, c.matches), true
}

// since matches what arrived after a certain entry, whatever the clock did.
type since struct{ seq uint64 }

func (c since) matches(l *line) bool { return l.seq > c.seq }

func (c since) rows(k *chunk, among rowSet) (rowSet, bool) {
	if k.maxSeq <= c.seq {
		return nil, true
	}
	return k.byTime(among, nil, c.matches), true
}

// prefix matches values that begin with a text.
type prefix struct{ member, text string }

func (c prefix) matches(l *line) bool {
	for _, v := range l.values(c.member) {
		if strings.HasPrefix(v, c.text) {
			return true
		}
	}
	return false
}

func (c prefix) rows(k *chunk, among rowSet) (rowSet, bool) {
	var known []word
	if of := classOf(c.member); of == textMember {
		// All but the last word of the text are whole words; that one may go on.
		known = literals(words(c.text))
		if n := len(known); n > 0 {
			known[n-1].prefix = true
		}
	}
	return leafRows(k, among, c, c.member, known)
}

// exists matches entries that have the member.
type exists struct{ member string }

func (c exists) matches(l *line) bool { return len(l.values(c.member)) > 0 }

func (c exists) rows(k *chunk, among rowSet) (rowSet, bool) {
	switch c.member {
	case "message":
		return k.all(), true
	case "details":
		return k.withText(among, detailsText), true
	}
	return leafRows(k, among, c, c.member, nil)
}

// nothing matches no entry.
type nothing struct{}

func (nothing) matches(*line) bool                 { return false }
func (nothing) rows(*chunk, rowSet) (rowSet, bool) { return nil, true }
