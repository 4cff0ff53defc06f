package topic

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the longest name or filter that fits in a packet [MQTT-4.7.3-3].
const MaxBytes = 65_535

// Error says why a string is not a topic name or filter.
type Error struct {
	Rule   string // a statement, "MQTT-4.7.1-2", or a section where no statement says it
	Reason string // for people: lower case; holds nothing of the string
}

func (e *Error) Error() string { return e.Reason + " [" + e.Rule + "]" }

// CheckName returns nil when s is a topic name of at most maxBytes bytes and maxLevels levels, else an [*Error]. A
// bound of 0 leaves the standard's own: [MaxBytes], and any number of levels.
func CheckName(s string, maxBytes, maxLevels int) error {
	if err := checkShape(s, "topic name", maxBytes, maxLevels); err != nil {
		return err
	}
	if strings.ContainsAny(s, "+#") {
		return &Error{"MQTT-4.7.1-1", "topic name has a wildcard, + or #"}
	}
	return nil
}

// CheckFilter returns nil when s is a topic filter of at most maxBytes bytes and maxLevels levels, else an [*Error]. A
// bound of 0 leaves the standard's own: [MaxBytes], and any number of levels.
func CheckFilter(s string, maxBytes, maxLevels int) error {
	if err := checkShape(s, "topic filter", maxBytes, maxLevels); err != nil {
		return err
	}
	for rest, more := s, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case strings.Contains(level, "#") && (level != "#" || more):
			return &Error{"MQTT-4.7.1-2", "# is not alone in the last level of the topic filter"}
		case strings.Contains(level, "+") && level != "+":
			return &Error{"MQTT-4.7.1-3", "+ is not alone in its level of the topic filter"}
		}
	}
	return nil
}

// checkShape judges what names and filters have in common; what is "topic name" or "topic filter".
func checkShape(s, what string, maxBytes, maxLevels int) error {
	if s == "" {
		return &Error{"MQTT-4.7.3-1", what + " is empty"}
	}
	if maxBytes <= 0 || maxBytes > MaxBytes {
		maxBytes = MaxBytes
	}
	if len(s) > maxBytes {
		return &Error{"MQTT-4.7.3-3", what + " is longer than " + strconv.Itoa(maxBytes) + " bytes"}
	}
	if maxLevels > 0 && strings.Count(s, "/") >= maxLevels {
		return &Error{"MQTT 3.1.1 §4.7.3", what + " has more than " + strconv.Itoa(maxLevels) + " levels"}
	}
	return checkText(s, what)
}

// checkText refuses what package packet refuses in a string, for names that come another way than in a packet.
func checkText(s, what string) error {
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		switch {
		case r == 0:
			return &Error{"MQTT-4.7.3-2", what + " has the null character U+0000"}
		case r < 0x20 || r >= 0x7f && r <= 0x9f:
			return &Error{"MQTT 3.1.1 §1.5.3", what + " has a control character"}
		case r == utf8.RuneError && n == 1:
			return &Error{"MQTT-1.5.3-1", what + " is not well-formed UTF-8"}
		case r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef:
			return &Error{"MQTT 3.1.1 §1.5.3", what + " has a code point that is not a character"}
		}
		i += n
	}
	return nil
}
