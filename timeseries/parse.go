package timeseries

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MalformedError says why a payload is not time-series data, and where.
type MalformedError struct {
	Offset int // byte in the payload, from 0
	Line   int // line of a CSV payload, from 1; 0 for other forms
	Reason string
}

func (e *MalformedError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("byte %d (line %d): %s", e.Offset, e.Line, e.Reason)
	}
	return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason)
}

func malformed(offset int, format string, args ...any) *MalformedError {
	return &MalformedError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// Parse appends the points of a payload to dst. Points without a time get now (milliseconds). A payload is taken whole
// or not at all: the error is a *MalformedError and dst comes back as it was.
//
// The form is told from the bytes:
//
//	{…}             SenML when it has the member e, else a JSON point or an object of values (see parseObject)
//	21.5            one number in text: a point without category
//	four bytes      a little-endian IEEE 754 float, unless they are text that reads as a number or as CSV
//	anything else   CSV lines: timestamp,category,numericValue[,stringValue]
//
// Four bytes of text and four bytes of float can look the same. Text that reads as a number or CSV ends in a digit, a
// comma, a point or a blank, and a float with such a last byte is smaller than 0.0002: the text is what was meant.
func Parse(dst []Point, payload []byte, now int64) ([]Point, error) {
	n := len(dst)
	points, err := parseText(dst, string(payload), now)
	if err == nil {
		return points, nil
	}
	if len(payload) == 4 {
		v, ok := decodeFloat(payload)
		if !ok {
			return dst[:n], malformed(0, "the 4-byte float is not a finite number")
		}
		return append(dst[:n], Point{Time: now, Numeric: v, Has: HasNumeric}), nil
	}
	return dst[:n], err
}

func parseText(dst []Point, s string, now int64) ([]Point, error) {
	body := strings.TrimSpace(s)
	switch {
	case body == "":
		return dst, malformed(0, "the payload is empty")
	case body[0] == '{':
		return parseObject(dst, s, now)
	case !strings.ContainsAny(body, ",\r\n"):
		v, ok := parseNumber(body)
		if !ok {
			return dst, malformed(strings.Index(s, body), "%s is none of: CSV line, JSON object, number, 4-byte float", excerpt(body))
		}
		return append(dst, Point{Time: now, Numeric: v, Has: HasNumeric}), nil
	}
	return parseCSV(dst, s, now)
}

// decodeFloat reads four bytes as a float. The result is the decimal number the float stands for (0.1, not
// 0.10000000149…), which is what the device meant and what packs well.
func decodeFloat(b []byte) (v float64, ok bool) {
	f := float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	v, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	return v, err == nil
}

// parseCSV reads lines of three or four columns. Blanks around a column and empty lines do not count.
func parseCSV(dst []Point, s string, now int64) ([]Point, error) {
	for line, at := 1, 0; at < len(s); line++ {
		end := len(s)
		if i := strings.IndexByte(s[at:], '\n'); i >= 0 {
			end = at + i
		}
		if strings.TrimSpace(s[at:end]) != "" {
			p, err := parseLine(s, at, end, now)
			if err != nil {
				err.Line = line
				return dst, err
			}
			dst = append(dst, p)
		}
		at = end + 1
	}
	return dst, nil
}

// parseLine reads the line s[at:end].
func parseLine(s string, at, end int, now int64) (Point, *MalformedError) {
	p := Point{Time: now}
	columns := 0
	for more := true; more; columns++ {
		var c column
		if columns == 4 {
			return p, malformed(at, "more than the four columns timestamp,category,numericValue,stringValue; text with commas needs double quotes")
		}
		c, at, more = nextColumn(s, at, end)
		if err := p.setColumn(columns, c); err != nil {
			return p, err
		}
	}
	switch {
	case columns < 3:
		return p, malformed(at, "%d of the columns timestamp,category,numericValue,stringValue; at least three are needed", columns)
	case p.Category == "" && p.String == "" && p.Has&HasNumeric == 0:
		return p, malformed(at, "category, number and text are all empty")
	}
	return p, nil
}

type column struct {
	text   string
	offset int
}

func (p *Point) setColumn(i int, c column) *MalformedError {
	switch i {
	case 0:
		if c.text == "" {
			return nil // the server's time
		}
		ms, ok := parseTimestamp(c.text)
		if !ok {
			return malformed(c.offset, "the timestamp %s is neither epoch milliseconds nor an ISO 8601 date of the years 1 to 9999", excerpt(c.text))
		}
		p.Time = ms
	case 1:
		p.Category, p.Has = c.text, p.Has|HasCategory
		return checkText("category", c)
	case 2:
		if c.text == "" {
			return nil
		}
		v, ok := parseNumber(c.text)
		if !ok {
			return malformed(c.offset, "the numericValue %s is not a decimal number", excerpt(c.text))
		}
		p.Numeric, p.Has = v, p.Has|HasNumeric
	case 3:
		p.String, p.Has = c.text, p.Has|HasString
		return checkText("stringValue", c)
	}
	return nil
}

func checkText(what string, c column) *MalformedError {
	if len(c.text) > MaxText {
		return malformed(c.offset, "the %s has %d bytes; the limit is %d", what, len(c.text), MaxText)
	}
	if !utf8.ValidString(c.text) {
		return malformed(c.offset, "the %s is not valid UTF-8", what)
	}
	if strings.ContainsRune(c.text, '\r') {
		return malformed(c.offset, "the %s contains a carriage return", what)
	}
	return nil
}

// nextColumn returns the column of s[at:end] that begins at at, the start of the next one, and whether there is one.
// A column in double quotes may hold commas, and a quote written twice; one that is not well quoted is taken as it stands.
func nextColumn(s string, at, end int) (c column, next int, more bool) {
	if text, after, ok := quoted(s, at, end); ok {
		return column{text, at}, min(after+1, end), after < end
	}
	stop := end
	if i := strings.IndexByte(s[at:end], ','); i >= 0 {
		stop, more = at+i, true
	}
	return column{trim(s[at:stop]), at}, min(stop+1, end), more
}

// quoted reads "…" from s[at:end]; after is where its comma or the line's end is.
func quoted(s string, at, end int) (text string, after int, ok bool) {
	for at < end && isBlank(s[at]) {
		at++
	}
	if at == end || s[at] != '"' {
		return "", 0, false
	}
	for i := at + 1; i < end; i++ {
		if s[i] != '"' {
			continue
		}
		if i+1 < end && s[i+1] == '"' {
			i++
			continue
		}
		after = i + 1
		for after < end && isBlank(s[after]) {
			after++
		}
		if after < end && s[after] != ',' {
			return "", 0, false
		}
		return strings.ReplaceAll(s[at+1:i], `""`, `"`), after, true
	}
	return "", 0, false
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\r' }

func trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// parseTimestamp reads epoch milliseconds or a date.
func parseTimestamp(s string) (ms int64, ok bool) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return ms, ms >= MinTime && ms <= MaxTime
	}
	return parseDate(s)
}

// exactPowers are the powers of ten a float64 holds exactly.
var exactPowers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// parseNumber reads a finite decimal number: JSON's, and also a leading plus or point as in "+.5".
func parseNumber(s string) (v float64, ok bool) {
	digits, mantissa, point := 0, uint64(0), -1
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case '0' <= b && b <= '9':
			digits++
			mantissa = mantissa*10 + uint64(b-'0')
		case b == '.' && point < 0:
			point = digits
		case (b == '-' || b == '+') && i == 0:
		case (b == 'e' || b == 'E') && digits > 0:
			return parseLongNumber(s)
		default:
			return 0, false
		}
	}
	if digits == 0 {
		return 0, false
	}
	if digits > 15 { // the sum above may have overflowed, and division would round twice
		return parseLongNumber(s)
	}
	v = float64(mantissa)
	if point >= 0 {
		v /= exactPowers[digits-point]
	}
	if s[0] == '-' {
		v = -v
	}
	return v, true
}

func parseLongNumber(s string) (v float64, ok bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// excerpt quotes the beginning of s for a message.
func excerpt(s string) string {
	const most = 24
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
