package logging

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// quickPayload reads what nearly all devices send: one JSON object of the known members, without escapes and surprises. ok is
// false when it is anything else, which is then read with more care and at five times the cost.
func quickPayload(payload []byte) (e Entry, ok bool) {
	if bytes.IndexByte(payload, '\\') >= 0 || !utf8.Valid(payload) {
		return e, false
	}
	s := scanner{data: payload}
	if !s.take('{') {
		return e, false
	}
	var seen [len(payloadMembers)]bool
	for {
		name, isText := s.text()
		which := payloadMember(name)
		if !isText || which < 0 || seen[which] || !s.take(':') || !s.member(&e, which) {
			return e, false
		}
		seen[which] = true
		if s.take('}') {
			break
		}
		if !s.take(',') {
			return e, false
		}
	}
	s.space()
	if severity, _ := severityOf(e.Severity); e.Severity != severity {
		e.Severity = severity
	}
	return e, s.at == len(s.data) && seen[memberMessage]
}

const (
	memberMessage = iota
	memberDetails
	memberCode
	memberSeverity
	memberTime
	memberTags
	memberCustom
	memberOther // and those after it: said, and not believed
)

var payloadMembers = [...]string{"message", "details", "code", "severity", "sourceTimestamp", "tags", "custom", "sourceId", "sourceType", "accountId"}

func payloadMember(name []byte) int {
	for i, m := range payloadMembers {
		if string(name) == m {
			return i
		}
	}
	return -1
}

// scanner reads JSON without escapes from the front.
type scanner struct {
	data []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.space(); s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

// text reads a string.
func (s *scanner) text() (b []byte, ok bool) {
	if !s.take('"') {
		return nil, false
	}
	from := s.at
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return s.data[from : s.at-1], true
		case c < ' ':
			return nil, false
		}
	}
	return nil, false
}

// number reads a whole number, not negative. Others are rare.
func (s *scanner) number() (b []byte, ok bool) {
	s.space()
	from := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	b = s.data[from:s.at]
	if len(b) == 0 || len(b) > 18 || len(b) > 1 && b[0] == '0' {
		return nil, false
	}
	return b, s.at < len(s.data) && bytes.IndexByte([]byte(" \t\r\n,}]"), s.data[s.at]) >= 0
}

func (s *scanner) textOrNumber() (b []byte, ok bool) {
	if s.space(); s.at < len(s.data) && s.data[s.at] == '"' {
		return s.text()
	}
	return s.number()
}

// member reads one member's value into e.
func (s *scanner) member(e *Entry, which int) bool {
	var b []byte
	var ok bool
	switch which {
	case memberTags:
		e.Tags, ok = s.tags()
		return ok
	case memberCustom:
		e.customJSON, ok = s.object()
		return ok
	case memberCode, memberTime:
		b, ok = s.textOrNumber()
	default:
		b, ok = s.text()
	}
	switch which {
	case memberMessage:
		e.Message = string(b)
	case memberDetails:
		e.Details = string(b)
	case memberCode:
		e.Code = string(b)
	case memberSeverity:
		e.Severity = string(b)
	case memberTime:
		ms, err := strconv.ParseInt(string(b), 10, 64)
		e.SourceTimestamp, ok = ms, ok && err == nil && ms > 0 && ms < 1e15
	}
	return ok
}

func (s *scanner) tags() (tags []string, ok bool) {
	if !s.take('[') {
		return nil, false
	}
	for len(tags) < maxTags {
		tag, ok := s.text()
		if !ok {
			return nil, false
		}
		tags = append(tags, string(tag))
		if s.take(']') {
			return tags, true
		}
		if !s.take(',') {
			return nil, false
		}
	}
	return nil, false
}

// object reads an object and returns it compact.
func (s *scanner) object() (text string, ok bool) {
	s.space()
	from, depth := s.at, 0
	for done := false; !done && s.at < len(s.data); done = depth <= 0 {
		switch s.data[s.at] {
		case '"':
			if _, ok := s.text(); !ok {
				return "", false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
	}
	raw := s.data[from:s.at]
	var b bytes.Buffer
	if len(raw) < 2 || raw[0] != '{' || json.Compact(&b, raw) != nil {
		return "", false
	}
	if b.Len() == 2 {
		return "", true
	}
	return b.String(), true
}
