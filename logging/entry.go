package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Severities, from worst to least, and Lifecycle for what the platform says about connections and objects.
const (
	Emergency     = "emergency"
	Alert         = "alert"
	Critical      = "critical"
	Error         = "error"
	Warning       = "warning"
	Notice        = "notice"
	Informational = "informational"
	Debug         = "debug"
	Lifecycle     = "lifecycle"
)

// Limits of an entry's members. What is longer is cut at a character's border; custom members beyond theirs are replaced by a note.
const (
	maxID      = 256 // bytes
	maxMessage = 8 << 10
	maxDetails = 16 << 10
	maxCustom  = 16 << 10
	maxCode    = 64
	maxTag     = 128
	maxTags    = 32 // tags
)

// Entry is one line of an account's log. Its JSON form is the _source of search answers and what is stored.
type Entry struct {
	ID               string         `json:"-"` // set by the store: time and arrival in hexadecimal
	AccountID        string         `json:"accountId"`
	SourceID         string         `json:"sourceId"`   // the device, user, … it is about
	SourceType       string         `json:"sourceType"` // "deviceId" for devices
	DeviceTemplateID string         `json:"deviceTemplateId,omitempty"`
	OrganizationID   string         `json:"organizationId,omitempty"`
	Message          string         `json:"message"`
	Severity         string         `json:"severity"` // one of the constants; "" becomes Informational
	Code             string         `json:"code,omitempty"`
	Details          string         `json:"details,omitempty"`
	Custom           map[string]any `json:"custom,omitempty"`
	Tags             []string       `json:"tags,omitempty"`
	SourceTimestamp  int64          `json:"sourceTimestamp"`  // ms, by the source's clock; 0 becomes ServiceTimestamp
	ServiceTimestamp int64          `json:"serviceTimestamp"` // ms, when the platform got it; set by the store
	Incidents        []string       `json:"incidents"`        // always empty: clients expect the member

	own        bool   // of the platform's own: set where no device or user can
	dated      bool   // ServiceTimestamp stands: an admin brings entries of the past
	customJSON string // Custom as a device wrote it, when nobody needed it decoded; Custom is nil then
}

// severityOf returns the constant for a word as devices write it, and whether it is one.
func severityOf(word string) (string, bool) {
	switch word = strings.ToLower(strings.TrimSpace(word)); word {
	case Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug, Lifecycle:
		return word, true
	case "info":
		return Informational, true
	case "warn":
		return Warning, true
	}
	return Informational, false
}

// normalize puts every member into the shape and size that is stored.
func (e *Entry) normalize(now time.Time) {
	if !e.dated {
		e.ServiceTimestamp = now.UnixMilli()
	}
	if !validTime(e.SourceTimestamp) {
		e.SourceTimestamp = e.ServiceTimestamp
	}
	e.Severity, _ = severityOf(e.Severity)
	e.SourceID, e.SourceType = clip(e.SourceID, maxID), clip(e.SourceType, maxID)
	e.DeviceTemplateID, e.OrganizationID = clip(e.DeviceTemplateID, maxID), clip(e.OrganizationID, maxID)
	e.Message = clip(e.Message, maxMessage)
	e.Details = clip(e.Details, maxDetails)
	e.Code = clip(e.Code, maxCode)
	e.Tags = slices.Clone(e.Tags[:min(len(e.Tags), maxTags)]) // the caller may use its slice again
	for i, tag := range e.Tags {
		e.Tags[i] = clip(tag, maxTag)
	}
	e.Incidents = []string{}
	if e.customJSON == "" && len(e.Custom) > 0 {
		e.customJSON = customJSON(e.Custom)
	}
	if n := len(e.customJSON); n > maxCustom || n == 0 && len(e.Custom) > 0 {
		e.customJSON = customJSON(map[string]any{"omitted": "custom members of " + strconv.Itoa(n) + " bytes; the limit is " + strconv.Itoa(maxCustom)})
	}
}

// validTime reports whether ms lies in the years 1970 to 9999; 0 stands for no time.
func validTime(ms int64) bool { return ms > 0 && ms <= 253402300799999 }

// clip returns s as valid UTF-8 of at most limit bytes.
func clip(s string, limit int) string {
	if !utf8.ValidString(s) {
		if len(s) > limit {
			s = s[:limit] // what follows cannot count, and s may be long
		}
		s = strings.ToValidUTF8(s, "�")
	}
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// parsePayload reads what was published to a _log channel. A JSON object gives the members it has, as far as they can be
// understood; anything else is text, and becomes the message of an informational entry. Where the entry comes from is
// never taken from the payload: a device could speak for another.
func parsePayload(payload []byte) Entry {
	if e, ok := quickPayload(payload); ok {
		return e
	}
	return carefulPayload(payload)
}

func carefulPayload(payload []byte) Entry {
	m, err := decodeObject(payload)
	if err != nil {
		return Entry{Message: clip(strings.TrimSpace(string(payload)), maxMessage), Severity: Informational}
	}
	e := entryOf(m)
	if m["message"] == nil {
		e.Message = strings.TrimSpace(string(payload))
	}
	return e
}

// entryOf reads the members that a source may say about itself.
func entryOf(m map[string]any) Entry {
	e := Entry{
		Message:         text(m["message"]),
		Code:            text(m["code"]),
		Details:         text(m["details"]),
		SourceTimestamp: timestamp(m["sourceTimestamp"]),
	}
	severity, _ := m["severity"].(string)
	e.Severity, _ = severityOf(severity)
	switch custom := m["custom"].(type) {
	case nil:
	case map[string]any:
		e.Custom = custom
	default:
		e.Custom = map[string]any{"value": custom}
	}
	switch tags := m["tags"].(type) {
	case nil:
	case []any:
		for _, tag := range tags[:min(len(tags), maxTags)] {
			e.Tags = append(e.Tags, text(tag))
		}
	default:
		e.Tags = []string{text(tags)}
	}
	return e
}

// decodeObject reads exactly one JSON object, its numbers as json.Number.
func decodeObject(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("null is no object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	return m, nil
}

// text returns a JSON value as text: strings as they are, null as "", everything else as it is written.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// timestamp reads epoch milliseconds, as a number or in text, or an ISO 8601 date; 0 when it is neither.
func timestamp(v any) int64 {
	s := strings.TrimSpace(text(v))
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > 0 && f < 1e15 {
		return int64(f)
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UnixMilli()
	}
	return 0
}
