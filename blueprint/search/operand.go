package search

import (
	"strconv"
	"strings"
	"time"
)

// operand is what a field is compared with, in every way the text can be read: the documents decide by the type of
// what they have.
type operand struct {
	text    string // as typed
	folded  string
	words   []string // of folded
	natural []byte

	number   uint64 // key, 0 when it is no number
	truth    uint64 // key, 0 when it is no truth value
	isTime   bool
	from, to int64         // the time, in ms: a day lasts from its first moment to the next day's, which is not in it
	age      time.Duration // how long ago; 0 when it is no length of time
}

func newOperand(text string) operand {
	o := operand{text: text, folded: fold(text)}
	o.words = words(o.folded)
	o.natural = appendNatural(nil, o.folded)
	if isNumeral(text) {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			o.number = numberKey(f)
		}
	}
	switch o.folded {
	case "true", "yes":
		o.truth = trueKey
	case "false", "no":
		o.truth = falseKey
	}
	o.from, o.to, o.isTime = parseMoment(text)
	o.age = parseAge(text)
	return o
}

// isNumeral keeps out the names and notations that ParseFloat takes beyond plain decimal numbers.
func isNumeral(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && !strings.ContainsRune("+-.eE", r) {
			return false
		}
	}
	return s != ""
}

// momentForms are the ways to write a time, the precise ones first, and how long what they name lasts; zero years,
// months and so on last a millisecond.
var momentForms = []struct {
	form                string
	years, months, days int
	rest                time.Duration
}{
	{form: "2006-01-02T15:04:05.999999999Z07:00"},
	{form: "2006-01-02T15:04:05.999", rest: time.Second},
	{form: "2006-01-02T15:04Z07:00", rest: time.Minute},
	{form: "2006-01-02T15:04", rest: time.Minute},
	{form: "2006-01-02T15", rest: time.Hour},
	{form: "2006-01-02", days: 1},
	{form: "2006-01", months: 1},
	{form: "2006", years: 1},
}

// parseMoment reads a time, without a zone in UTC, as the span [from, to) it names.
func parseMoment(s string) (from, to int64, ok bool) {
	if len(s) < 4 || len(s) > 40 || s[0] < '0' || s[0] > '9' {
		return 0, 0, false
	}
	for _, f := range momentForms {
		at, err := time.Parse(f.form, s)
		if err != nil {
			continue
		}
		end := at.AddDate(f.years, f.months, f.days).Add(f.rest)
		if strings.Contains(s, ".") || end.Equal(at) && at.Nanosecond() != 0 {
			end = at.Add(time.Millisecond)
		} else if end.Equal(at) {
			end = at.Add(time.Second) // whole seconds were typed
		}
		return at.UnixMilli(), end.UnixMilli(), true
	}
	return 0, 0, false
}

var ageUnits = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

// parseAge reads a length of time such as 90s, 15m, 1.5h, 2d, 3w, 1y; 0 when it is none.
func parseAge(s string) time.Duration {
	if len(s) < 2 || !isNumeral(s[:len(s)-1]) {
		return 0
	}
	n, err := strconv.ParseFloat(s[:len(s)-1], 64)
	unit := ageUnits[s[len(s)-1:]]
	if err != nil || unit == 0 || n <= 0 || n*float64(unit) > float64(100*ageUnits["y"]) {
		return 0
	}
	return time.Duration(n * float64(unit))
}

// quoted is the operand as a query writes it, in quotes where it would be read as something else.
func (o *operand) quoted() string {
	s := o.text
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool { return !isPlain(r) }) < 0 && !strings.Contains(s, "..") &&
		s[0] != '-' && s[0] != '.' && s[len(s)-1] != '.' && s != "AND" && s != "OR" && s != "NOT"
	if plain {
		return s
	}
	return quote(s)
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
