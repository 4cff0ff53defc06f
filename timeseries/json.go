package timeseries

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// member is one member of a JSON object, in the order it was written.
type member struct {
	name   string
	value  json.RawMessage
	offset int // where the value ends in the payload
}

// parseObject appends the points of a JSON payload:
//
//	{"bt":…,"e":[{"n":"temp","v":21.5,"t":0}]}               SenML
//	{"time":…,"category":"temp","numericValue":21.5,"stringValue":""}
//	                                                         one point, told by any of the last three members; others are ignored
//	{"temp":21.5,"mode":"eco","on":true}                     a point for each member, of that category
//
// In the last form true is 1, false is 0, and null members are left out.
func parseObject(dst []Point, s string, now int64) ([]Point, error) {
	if !utf8.ValidString(s) {
		return dst, malformed(0, "the JSON payload is not valid UTF-8")
	}
	members, err := splitObject(s)
	if err != nil {
		return dst, err
	}
	return pointsOf(dst, s, members, now)
}

// pointsOf appends the points of an object of these members.
func pointsOf(dst []Point, s string, members []member, now int64) ([]Point, error) {
	single := false
	for _, m := range members {
		switch m.name {
		case "e":
			return parseSenML(dst, members, now)
		case "category", "numericValue", "stringValue":
			single = true
		}
	}
	if single {
		return parsePoint(dst, s, now)
	}
	return parseValues(dst, members, now)
}

// text returns the member's value, which must be a string.
func (m *member) text() (s string, err error) {
	if err := json.Unmarshal(m.value, &s); err != nil || len(m.value) == 0 || m.value[0] != '"' {
		return "", malformed(m.offset-len(m.value), "the member %s is not text", excerpt(m.name))
	}
	return s, nil
}

func splitObject(s string) ([]member, error) {
	d := json.NewDecoder(strings.NewReader(s))
	if _, err := d.Token(); err != nil { // the opening brace
		return nil, jsonError(s, err)
	}
	var members []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, jsonError(s, err)
		}
		m := member{name: name.(string)} // the decoder gives nothing else as a member's name
		if err := d.Decode(&m.value); err != nil {
			return nil, jsonError(s, err)
		}
		m.offset = int(d.InputOffset())
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, jsonError(s, err)
	}
	end := int(d.InputOffset())
	if strings.TrimSpace(s[end:]) != "" {
		return nil, malformed(end, "something follows the JSON object")
	}
	return members, nil
}

func jsonError(s string, err error) *MalformedError {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return malformed(int(syntax.Offset), "not JSON: %s", syntax.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return malformed(len(s), "not JSON: the payload ends inside the object")
	}
	return malformed(0, "not JSON: %s", err)
}

// number is a JSON number, a string that holds one, or null.
type number struct {
	v  float64
	ok bool
}

func (n *number) UnmarshalJSON(b []byte) error {
	text := string(b)
	if text == "null" {
		return nil
	}
	if text[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		text = strings.TrimSpace(text)
	}
	if n.v, n.ok = parseNumber(text); !n.ok {
		return errors.New(excerpt(text) + " is not a number")
	}
	return nil
}

// senMLEntry is an entry of a SenML message; units and sums are not kept.
type senMLEntry struct {
	Name   *string `json:"n"`
	Value  number  `json:"v"`
	String *string `json:"sv"`
	Bool   *bool   `json:"bv"`
	Time   number  `json:"t"`
}

// parseSenML maps n to the category (the base name stands in for a missing n), v and bv to the number, sv to the text,
// bt + t to the time.
func parseSenML(dst []Point, members []member, now int64) ([]Point, error) {
	var (
		entries  []senMLEntry
		baseName *string
		baseTime number
		at       int
	)
	for _, m := range members {
		var into any
		switch m.name {
		case "e":
			into, at = &entries, m.offset
		case "bn":
			into = &baseName
		case "bt":
			into = &baseTime
		default:
			continue
		}
		if err := json.Unmarshal(m.value, into); err != nil {
			return dst, malformed(m.offset-len(m.value), "the SenML member %q: %s", m.name, err)
		}
	}
	if len(entries) == 0 {
		return dst, malformed(at, "the SenML member \"e\" has no entries")
	}
	n := len(dst)
	for i, e := range entries {
		if e.Name == nil {
			e.Name = baseName
		}
		p, err := e.point(baseTime.v, now)
		if err != nil {
			err.Offset, err.Reason = at, "SenML entry "+strconv.Itoa(i)+": "+err.Reason
			return dst[:n], err
		}
		dst = append(dst, p)
	}
	return dst, nil
}

func (e *senMLEntry) point(baseTime float64, now int64) (Point, *MalformedError) {
	p := Point{Numeric: e.Value.v}
	var ok bool
	if p.Time, ok = senMLTime(baseTime+e.Time.v, now); !ok {
		return p, malformed(0, "the time is outside the years 1 to 9999")
	}
	if e.Value.ok {
		p.Has |= HasNumeric
	} else if e.Bool != nil {
		p.Numeric, p.Has = truth(*e.Bool), p.Has|HasNumeric
	}
	err := p.setTexts(e.Name, e.String)
	if err == nil && p.Has&(HasNumeric|HasString) == 0 {
		err = malformed(0, "it has none of v, sv and bv")
	}
	return p, err
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// senMLTime turns SenML's seconds into milliseconds. Below 2^28 they count from now, as the format has it (so 0 is now,
// -5 five seconds ago); from 10^11 on, the year 5138, they can only be milliseconds.
func senMLTime(seconds float64, now int64) (ms int64, ok bool) {
	v := seconds * 1000
	switch {
	case seconds < 1<<28:
		v += float64(now)
	case seconds >= 1e11:
		v = seconds
	}
	if v < float64(MinTime) || v > float64(MaxTime) {
		return 0, false
	}
	return int64(math.Round(v)), true
}

// setTexts sets category and string value; nil leaves one null.
func (p *Point) setTexts(category, text *string) *MalformedError {
	if category != nil {
		if len(*category) > MaxText {
			return malformed(0, "the category has %d bytes; the limit is %d", len(*category), MaxText)
		}
		p.Category, p.Has = *category, p.Has|HasCategory
	}
	if text != nil {
		if len(*text) > MaxText {
			return malformed(0, "the stringValue has %d bytes; the limit is %d", len(*text), MaxText)
		}
		p.String, p.Has = *text, p.Has|HasString
	}
	return nil
}

// parsePoint reads the one-point form, whose members are those of a point in REST answers.
func parsePoint(dst []Point, s string, now int64) ([]Point, error) {
	var in struct {
		Time     json.RawMessage `json:"time"`
		Category *string         `json:"category"`
		Numeric  number          `json:"numericValue"`
		String   *string         `json:"stringValue"`
	}
	if err := json.Unmarshal([]byte(s), &in); err != nil {
		return dst, malformed(0, "the JSON point: %s", err)
	}
	p := Point{Time: now, Numeric: in.Numeric.v}
	if len(in.Time) > 0 && string(in.Time) != "null" {
		text := strings.Trim(string(in.Time), `"`)
		var ok bool
		if p.Time, ok = parseTimestamp(text); !ok {
			return dst, malformed(0, "the time %s is neither epoch milliseconds nor an ISO 8601 date of the years 1 to 9999", excerpt(text))
		}
	}
	if in.Numeric.ok {
		p.Has |= HasNumeric
	}
	if err := p.setTexts(in.Category, in.String); err != nil {
		return dst, err
	}
	if p.Has&(HasNumeric|HasString) == 0 {
		return dst, malformed(0, "the JSON point has neither numericValue nor stringValue")
	}
	return append(dst, p), nil
}

// parseValues makes a point of each member.
func parseValues(dst []Point, members []member, now int64) ([]Point, error) {
	n := len(dst)
	for _, m := range members {
		var v any
		if err := json.Unmarshal(m.value, &v); err != nil {
			return dst[:n], malformed(m.offset, "the member %s: %s", excerpt(m.name), err)
		}
		p := Point{Time: now}
		var text *string
		switch v := v.(type) {
		case nil:
			continue
		case float64:
			p.Numeric, p.Has = v, HasNumeric
		case bool:
			p.Numeric, p.Has = truth(v), HasNumeric
		case string:
			text = &v
		default:
			return dst[:n], malformed(m.offset-len(m.value), "the member %s is neither a number nor text", excerpt(m.name))
		}
		if err := p.setTexts(&m.name, text); err != nil {
			err.Offset = m.offset - len(m.value)
			return dst[:n], err
		}
		dst = append(dst, p)
	}
	if len(dst) == n {
		return dst, malformed(0, "the JSON object has no values")
	}
	return dst, nil
}
