package logging

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"xively/internal/fault"
)

// ParseText reads a search as people type it:
//
//	overheated                      entries with the word in message, details, code, tags or custom members, in any case
//	over*                           … a word that begins so
//	"over 150"                      … the words one after the other
//	fan overheated                  both; also: fan AND overheated
//	fan OR pump      (a OR b) c     one of them; OR binds less than AND
//	-debug           NOT debug      without it
//	device:AP-000001                entries of a device, by id, serial number or name; also source, user, type, template, organization
//	severity:error                  of this severity
//	severity>=warning               of this severity or a worse one
//	code:400  code>=400  tag:fan    also code:4*, message:…, details:… with words or a phrase
//	custom.remote:10.0.0.7          any member of custom
//	since:2h  until:2026-11-23      arrived since two hours ago (s, m, h, d, w), or until a date or date and time in UTC
//	time>=2026-11-23T08:00:00Z      the same; also sourceTime
//	id:0000…                        the entry itself
//
// resolve, which may be nil, returns the ids of what people call device:NAME. Errors are fault Invalid with the field "q"; they name
// the place and what was expected there.
func ParseText(text string, resolve func(name string) []string, now time.Time) (Query, error) {
	p := textParser{text: text, in: anywhere, parser: &parser{}, field: "q", resolve: resolve, now: now}
	where, err := p.parse()
	if err != nil {
		return Query{}, err
	}
	return Query{Size: DefaultSize, Sort: []SortKey{{Member: "serviceTimestamp", Desc: true}}, where: where}, nil
}

const maxText = 4 << 10 // bytes of a search

// fieldNames are the words people use for members; members' own names are known too.
var fieldNames = map[string]string{
	"device": "sourceId", "source": "sourceId", "user": "sourceId", "type": "sourceType", "template": "deviceTemplateId",
	"organization": "organizationId", "tag": "tags", "time": "serviceTimestamp", "sourcetime": "sourceTimestamp",
	"since": "serviceTimestamp", "until": "serviceTimestamp", "id": "_id", "account": "accountId",
}

// textParser is a recursive descent over the text.
type textParser struct {
	*parser
	text    string
	at      int
	in      int  // members that bare words are looked for in
	or      bool // what stands side by side is joined by OR
	field   string
	resolve func(name string) []string
	now     time.Time
}

func (p *textParser) parse() (condition, error) {
	if len(p.text) > maxText || !utf8.ValidString(p.text) {
		return nil, fault.Field(p.field, "A search is UTF-8 text of at most %d bytes.", maxText)
	}
	p.space()
	if p.at == len(p.text) {
		return every{}, nil
	}
	c, err := p.alternatives(0)
	if err != nil {
		return nil, err
	}
	if p.at < len(p.text) {
		return nil, p.expected("the end, or an opening parenthesis before")
	}
	return c, nil
}

func (p *textParser) expected(what string) error {
	found := "the end"
	if p.at < len(p.text) {
		found = "“" + clip(p.text[p.at:], 20) + "”"
	}
	return fault.Field(p.field, "At character %d, %s, this was expected: %s.", utf8.RuneCountInString(p.text[:p.at])+1, found, what)
}

func (p *textParser) space() {
	for p.at < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		if !unicode.IsSpace(r) {
			return
		}
		p.at += size
	}
}

// keyword takes a word in capitals that stands alone.
func (p *textParser) keyword(words ...string) bool {
	for _, w := range words {
		rest, ok := strings.CutPrefix(p.text[p.at:], w)
		if ok && (rest == "" || strings.ContainsRune(" \t\r\n()\"", rune(rest[0]))) {
			p.at += len(w)
			p.space()
			return true
		}
	}
	return false
}

func (p *textParser) ends() bool { return p.at == len(p.text) || p.text[p.at] == ')' }

// alternatives reads A OR B OR C. With p.or set, A B C is the same; then -A excludes, and beside +A the others are as good as
// not there.
func (p *textParser) alternatives(depth int) (condition, error) {
	var should some
	var must every
	required := false
	for {
		plus := p.or && p.take('+')
		c, excludes, err := p.conjunction(depth)
		if err != nil {
			return nil, err
		}
		if plus || p.or && excludes {
			must, required = append(must, c), required || plus
		} else {
			should = append(should, c)
		}
		if !p.keyword("OR", "||") && (!p.or || p.ends()) {
			break
		}
	}
	switch {
	case len(must) == 0 && len(should) == 1:
		return should[0], nil
	case len(must) == 0:
		return should, nil
	case len(should) > 0 && !required:
		must = append(must, should)
	}
	return must, nil
}

// conjunction reads A B AND C; with p.or set, what is joined by AND only. excludes tells of a single NOT A.
func (p *textParser) conjunction(depth int) (c condition, excludes bool, err error) {
	var all every
	for {
		c, excludes, err = p.operand(depth)
		if err != nil {
			return nil, false, err
		}
		all = append(all, c)
		if !p.keyword("AND", "&&") && (p.or || p.ends() || p.peekOr()) {
			break
		}
	}
	if len(all) == 1 {
		return c, excludes, nil
	}
	return all, false, nil
}

func (p *textParser) peekOr() bool {
	at := p.at
	ok := p.keyword("OR", "||")
	p.at = at
	return ok
}

func (p *textParser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// operand reads NOT A, -A, (A), or a condition. excludes tells of the first two.
func (p *textParser) operand(depth int) (c condition, excludes bool, err error) {
	if p.count++; p.count > maxClauses || depth > maxNesting {
		return nil, false, fault.Field(p.field, "The search has more than %d conditions, or parentheses nested deeper than %d.", maxClauses, maxNesting)
	}
	switch {
	case p.ends():
		return nil, false, p.expected("a word or a condition")
	case p.keyword("NOT"), p.take('-'), p.take('!'):
		c, _, err = p.operand(depth + 1)
		return not{c}, true, err
	case p.take('('):
		p.space()
		if c, err = p.alternatives(depth + 1); err != nil {
			return nil, false, err
		}
		if !p.take(')') {
			return nil, false, p.expected("a closing parenthesis")
		}
	default:
		c, err = p.term()
	}
	p.space()
	return c, false, err
}

// term reads a word, a phrase, or a member, an operator and a value.
func (p *textParser) term() (condition, error) {
	if p.text[p.at] == '"' {
		return p.quotedWords(p.in)
	}
	start := p.at
	name, op := p.name()
	if op == "" {
		p.at = start
		return p.bareWords(p.in)
	}
	member := name
	if known := fieldNames[strings.ToLower(name)]; known != "" {
		member = known
	}
	if !known(member) && member != "_all" {
		p.at = start
		return nil, p.expected("a word, or a member of entries such as device:, severity:, code:, tag:, message:, since:, custom.…:")
	}
	return p.condition(strings.ToLower(name), member, op)
}

// name reads what stands before an operator. op is "" when there is none: then it was a word.
func (p *textParser) name() (name, op string) {
	from := p.at
	for p.at < len(p.text) && (p.text[p.at] == '_' || p.text[p.at] == '.' || p.text[p.at] == '-' || kindOf(p.text, p.at)) {
		_, size := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += size
	}
	name = p.text[from:p.at]
	if name == "" {
		return "", ""
	}
	for _, op := range []string{":>=", ":<=", ":>", ":<", ">=", "<=", ":", "=", ">", "<"} {
		if strings.HasPrefix(p.text[p.at:], op) {
			p.at += len(op)
			if op = strings.TrimPrefix(op, ":"); op == "" {
				op = ":"
			}
			return name, op
		}
	}
	return name, ""
}

func kindOf(s string, i int) bool {
	kind, _ := kindAt(s, i)
	return kind != 0
}

// raw reads up to a space or parenthesis.
func (p *textParser) raw() string {
	from := p.at
	for p.at < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		if unicode.IsSpace(r) || r == ')' || r == '(' || r == '"' {
			break
		}
		p.at += size
	}
	return p.text[from:p.at]
}

// quoted reads up to the closing quote; \" and \\ stand for a quote and a backslash.
func (p *textParser) quoted() (string, error) {
	open := p.at
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			p.at++
			return b.String(), nil
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			fallthrough
		default:
			b.WriteByte(p.text[p.at])
		}
	}
	p.at = open
	return "", p.expected("a second quotation mark")
}

func (p *textParser) value() (s string, quoted bool, err error) {
	if p.at < len(p.text) && p.text[p.at] == '"' {
		s, err = p.quoted()
		return s, true, err
	}
	if s = p.raw(); s == "" {
		return "", false, p.expected("a value")
	}
	return s, false, nil
}

func (p *textParser) quotedWords(in int) (condition, error) {
	s, err := p.quoted()
	list := literals(words(s))
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return every{}, nil
	case len(list) > maxWords:
		return nil, fault.Field(p.field, "A phrase has at most %d words.", maxWords)
	}
	return phrase{in, list}, nil
}

// bareWords reads text up to a space. Text of several words, such as 10.0.0.7, is a phrase.
func (p *textParser) bareWords(in int) (condition, error) {
	s := p.raw()
	if s == "" {
		return nil, p.expected("a word or a condition")
	}
	return p.wordsOf(in, s)
}

func (p *textParser) wordsOf(in int, s string) (condition, error) {
	list := literals(words(s))
	switch {
	case len(list) == 0 && s == "*":
		return every{}, nil
	case len(list) == 0: // a lone dash, say
		return every{}, nil
	case len(list) > maxWords:
		return nil, fault.Field(p.field, "A phrase has at most %d words.", maxWords)
	}
	list[len(list)-1].prefix = strings.HasSuffix(s, "*")
	if len(list) == 1 {
		return hasWords{in, list}, nil
	}
	return phrase{in, list}, nil
}

// condition reads the value behind a member and an operator.
func (p *textParser) condition(name, member, op string) (condition, error) {
	if op == ":" || op == "=" {
		if p.at < len(p.text) && (p.text[p.at] == '[' || p.text[p.at] == '{') {
			return p.bracketRange(member)
		}
		if in := wordMembers[member]; in == messageBit || in == detailsBit || in == anywhere {
			if p.at < len(p.text) && p.text[p.at] == '"' {
				return p.quotedWords(in)
			}
			return p.bareWords(in)
		}
	}
	start := p.at
	s, quoted, err := p.value()
	if err != nil {
		return nil, err
	}
	switch {
	case name == "since" && (op == ":" || op == "="):
		op = ">="
	case name == "until" && (op == ":" || op == "="):
		op = "<"
	}
	var c condition
	switch {
	case op != ":" && op != "=":
		c = p.compared(member, op, s)
	case classOf(member) == timeMember && member != "_id":
		c = p.atTime(member, s)
	default:
		c = p.equal(member, s, quoted)
	}
	if c == nil {
		p.at = start
		return nil, p.expected(wantedValue(member))
	}
	return c, nil
}

func wantedValue(member string) string {
	switch {
	case member == "severity":
		return "one of " + strings.Join(severityNames[:], ", ")
	case classOf(member) == timeMember:
		return "a time such as 2h, 2026-11-23 or 2026-11-23T08:00:00Z"
	}
	return "a number; other members are compared with :"
}

// equal gives member:value; nil when the value is none.
func (p *textParser) equal(member, s string, quoted bool) condition {
	if begin, ok := strings.CutSuffix(s, "*"); ok && !quoted {
		if begin == "" {
			return exists{member}
		}
		return prefix{member, begin}
	}
	switch member {
	case "severity":
		severity, ok := severityOf(s)
		if !ok {
			return nil
		}
		s = severity
	case "sourceId":
		if p.resolve != nil {
			if ids := p.resolve(s); len(ids) > 0 {
				return equals{member, ids}
			}
		}
		s = strings.TrimSpace(s)
	}
	return equals{member, []string{s}}
}

// compared gives member>value and the like; nil when the value cannot be compared with.
func (p *textParser) compared(member, op, s string) condition {
	if member == "severity" {
		return severityCompared(op, s)
	}
	c := within{member: member, min: math.Inf(-1), max: math.Inf(1)}
	var v float64
	switch classOf(member) {
	case timeMember:
		ms, ok := parseTime(s, p.now)
		if !ok || member == "_id" {
			return nil
		}
		v = float64(ms)
	case customMember, shapeMember:
		f, ok := parseFloat(s)
		if !ok || member == "tags" {
			return nil
		}
		v = f
	default:
		return nil
	}
	if op[0] == '>' {
		c.min, c.openBelow = v, op == ">"
	} else {
		c.max, c.openTop = v, op == "<"
	}
	return c
}

// severityCompared reads > as: worse than.
func severityCompared(op, s string) condition {
	severity, ok := severityOf(s)
	if !ok {
		return nil
	}
	rank := int(severityRank(severity))
	from, to := 0, rank // of severityNames, half open
	if op[0] == '<' {
		from, to = rank+1, len(severityNames)
	}
	if op == ">=" {
		to++
	} else if op == "<=" {
		from--
	}
	if from >= to {
		return nothing{}
	}
	return equals{"severity", slices.Clone(severityNames[from:to])}
}

// atTime gives a whole day for a date, or the very millisecond.
func (p *textParser) atTime(member, s string) condition {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return within{member: member, min: float64(day.UnixMilli()), max: float64(day.AddDate(0, 0, 1).UnixMilli()), openTop: true}
	}
	ms, ok := parseTime(s, p.now)
	if !ok {
		return nil
	}
	return within{member: member, min: float64(ms), max: float64(ms)}
}

// bracketRange reads [a TO b] and {a TO b}; * is no bound.
func (p *textParser) bracketRange(member string) (condition, error) {
	open := p.text[p.at]
	end := strings.IndexAny(p.text[p.at:], "]}")
	if end < 0 {
		return nil, p.expected("a range such as [1 TO 5]")
	}
	low, high, ok := strings.Cut(p.text[p.at+1:p.at+end], " TO ")
	shut := p.text[p.at+end]
	var all every
	for _, b := range []struct{ text, op string }{{low, map[bool]string{true: ">=", false: ">"}[open == '[']}, {high, map[bool]string{true: "<=", false: "<"}[shut == ']']}} {
		text := strings.Trim(strings.TrimSpace(b.text), `"`)
		if text == "*" {
			continue
		}
		c := p.compared(member, b.op, text)
		if c == nil || member == "severity" {
			ok = false
			break
		}
		all = append(all, c)
	}
	if !ok {
		return nil, p.expected("a range of times or numbers such as [1 TO 5]")
	}
	p.at += end + 1
	return all, nil
}

// parseTime reads 90s, 15m, 2h, 7d, 4w (so long ago), a date, a date and time, or epoch milliseconds.
func parseTime(s string, now time.Time) (ms int64, ok bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	if s == "now" {
		return now.UnixMilli(), true
	}
	if s == "" {
		return 0, false
	}
	if unit := units[s[len(s)-1]]; unit > 0 {
		n, err := strconv.ParseInt(strings.TrimPrefix(s[:len(s)-1], "-"), 10, 32)
		if err != nil || n > 100_000 {
			return 0, false
		}
		return max(0, now.Add(-time.Duration(n)*unit).UnixMilli()), true
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n < 1e15
}
