package logging

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// Limits of suggestions.
const (
	mostHints     = 20
	hintedChunks  = 8    // the newest, some 500,000 entries
	hintedLines   = 5000 // of those in memory
	hintedMembers = 200  // of custom
)

// Hint is a way to go on typing a search.
type Hint struct {
	Text  string `json:"text"` // what to put in place of the search's bytes [From, To)
	From  int    `json:"from"`
	To    int    `json:"to"`
	Count int    `json:"count"` // entries lately that have it; 0 where nobody counts
}

// hintedFields are the members to begin with, in the order in which people need them, and what is compared otherwise than with a colon.
var hintedFields = []string{"severity:", "severity>=", "device:", "code:", "tag:", "message:", "details:", "since:", "until:", "user:",
	"organization:", "template:", "type:", "time>=", "sourceTime>=", "id:"}

// hintedTimes are values of since and until.
var hintedTimes = []string{"15m", "1h", "6h", "24h", "7d", "30d"}

// Suggest completes what is being typed in a search at the cursor, an offset in bytes: members, or after an operator the values that
// entries had lately, the most frequent first. The text need not be a whole search.
func (s *Service) Suggest(ctx context.Context, account, text string, cursor int) ([]Hint, error) {
	from, to := typedAt(text, cursor)
	typed := text[from:cursor]
	sign := ""
	for strings.HasPrefix(typed, "-") || strings.HasPrefix(typed, "(") || strings.HasPrefix(typed, "!") {
		sign, typed = sign+typed[:1], typed[1:]
	}
	lately, err := s.lately(ctx, account)
	if err != nil {
		return nil, err
	}
	var hints []Hint
	if at := strings.IndexAny(typed, ":=<>"); at < 0 {
		hints = lately.fields(typed)
	} else {
		end := at
		for end < len(typed) && strings.IndexByte(":=<>", typed[end]) >= 0 {
			end++
		}
		values := s.valuesLike(account, strings.ToLower(typed[:at]), strings.Trim(typed[end:], `"`), lately)
		for _, h := range values {
			if strings.ContainsFunc(h.Text, func(r rune) bool { return unicode.IsSpace(r) || r == '(' || r == ')' || r == '"' }) {
				h.Text = strconv.Quote(h.Text)
			}
			h.Text = typed[:end] + h.Text
			hints = append(hints, h)
		}
	}
	hints = hints[:min(len(hints), mostHints)]
	for i := range hints {
		hints[i].Text, hints[i].From, hints[i].To = sign+hints[i].Text, from, to
	}
	return hints, nil
}

// typedAt returns the condition around the cursor: up to spaces that are not in quotes.
func typedAt(text string, cursor int) (from, to int) {
	quoted := false
	for i, r := range text[:cursor] {
		if r == '"' {
			quoted = !quoted
		} else if !quoted && unicode.IsSpace(r) {
			from = i + len(string(r))
		}
	}
	for to = cursor; to < len(text); to++ {
		if text[to] == '"' {
			quoted = !quoted
		} else if !quoted && (text[to] == ' ' || text[to] == ')') {
			break
		}
	}
	return from, to
}

func (s *Service) valuesLike(account, field, begin string, lately *lately) []Hint {
	member := field
	if known := fieldNames[field]; known != "" {
		member = known
	}
	switch {
	case member == "severity":
		return like(begin, severityNames[:], lately.severities)
	case member == "code":
		return frequent(begin, lately.codes)
	case member == "tags":
		return frequent(begin, lately.tags)
	case field == "device" || field == "source":
		return like("", s.directory.Serials(account, begin, mostHints), nil)
	case classOf(member) == timeMember && member != "_id":
		return like(begin, hintedTimes, nil)
	}
	return nil
}

func like(begin string, values []string, counts map[string]int) (hints []Hint) {
	for _, v := range values {
		if strings.HasPrefix(strings.ToLower(v), strings.ToLower(begin)) {
			hints = append(hints, Hint{Text: v, Count: counts[v]})
		}
	}
	return hints
}

// frequent returns those that begin so, the most frequent first.
func frequent(begin string, counts map[string]int) []Hint {
	hints := like(begin, slices.Sorted(maps.Keys(counts)), counts)
	slices.SortStableFunc(hints, func(a, b Hint) int { return cmp.Compare(b.Count, a.Count) })
	return hints
}

// lately is what the newest entries of an account had.
type lately struct {
	severities, codes, tags, members map[string]int
}

func (s *Service) lately(ctx context.Context, account string) (*lately, error) {
	var l *lately
	err := s.engine.view(account, func(m memory, st store) error {
		l = &lately{map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}}
		for _, line := range m.open[max(0, len(m.open)-hintedLines):] {
			l.add(line, 1)
		}
		left := hintedChunks
		for _, g := range slices.Backward(m.groups) {
			packed, lines := g.look()
			for _, line := range lines[max(0, len(lines)-hintedLines):] {
				l.add(line, 1)
			}
			if packed == nil || left == 0 {
				continue
			}
			k, err := newChunk(account, packed.header, packed.part)
			if err == nil {
				err = l.chunk(k)
			}
			if err != nil {
				return err
			}
			left--
		}
		for key, head := range st.newest(account) {
			if left--; left < 0 || ctx.Err() != nil {
				break
			}
			k, err := st.open(key, head)
			if err == nil {
				err = l.chunk(k)
			}
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return l, err
}

func (l *lately) chunk(k *chunk) error {
	list := k.shapes().list
	for i := range list {
		l.add(&list[i].line, list[i].rows)
	}
	return k.err
}

// memberNames finds the names in a JSON object, or in the pattern of one.
var memberNames = regexp.MustCompile(`"([A-Za-z_][A-Za-z0-9_]*)":`)

func (l *lately) add(line *line, rows int) {
	l.severities[severityNames[line.severity]] += rows
	if line.code != "" {
		l.codes[line.code] += rows
	}
	for _, tag := range line.tags {
		l.tags[tag] += rows
	}
	if text := line.text[customText]; text != "" {
		for _, m := range memberNames.FindAllStringSubmatch(text, maxTags) {
			if _, known := l.members[m[1]]; known || len(l.members) < hintedMembers {
				l.members[m[1]] += rows
			}
		}
	}
}

func (l *lately) fields(begin string) []Hint {
	hints := like(begin, hintedFields, nil)
	for _, h := range frequent("", l.members) {
		if text := customPrefix + h.Text + ":"; begin != "" && strings.HasPrefix(text, begin) {
			hints = append(hints, Hint{Text: text, Count: h.Count})
		}
	}
	return hints
}

// getSuggest answers {"suggestions":{"results":[{"text":…,"from":…,"to":…,"count":…}]}}, as the directory's does.
func (s *Service) getSuggest(c echo.Context) error {
	account, err := accountOfCaller(c)
	if err != nil {
		return err
	}
	text := c.QueryParam("q")
	if len(text) > maxText {
		return fault.Field("q", "A search is text of at most %d bytes.", maxText)
	}
	cursor := len(text)
	if v := c.QueryParam("cursor"); v != "" {
		if cursor, err = strconv.Atoi(v); err != nil || cursor < 0 || cursor > len(text) {
			return fault.Field("cursor", "This must be a place in q, in bytes.")
		}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), searchTimeout)
	defer cancel()
	hints, err := s.Suggest(ctx, account, text, cursor)
	if err != nil {
		return err
	}
	return rest.One(c, "suggestions", map[string]any{"results": append([]Hint{}, hints...)})
}
