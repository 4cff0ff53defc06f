package logging

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// position is an entry's place in its account's log: by time of arrival, then by count. No two entries share one.
type position struct {
	time int64 // ServiceTimestamp
	seq  uint64
}

func (a position) compare(b position) int {
	switch {
	case a.time < b.time, a.time == b.time && a.seq < b.seq:
		return -1
	case a == b:
		return 0
	}
	return 1
}

const positionSize = 16

func appendPosition(buf []byte, p position) []byte {
	buf = binary.BigEndian.AppendUint64(buf, uint64(p.time))
	return binary.BigEndian.AppendUint64(buf, p.seq)
}

func positionOf(b []byte) position {
	return position{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])}
}

// id is the position in text, which is the entry's _id.
func (a position) id() string { return hex.EncodeToString(appendPosition(nil, a)) }

// positionOfID is the reverse of id.
func positionOfID(id string) (position, bool) {
	var b [positionSize]byte
	if n, err := hex.Decode(b[:], []byte(id)); err != nil || n != positionSize || len(id) != 2*positionSize {
		return position{}, false
	}
	p := positionOf(b[:])
	return p, p.time >= 0 && p.id() == id
}

// The texts of a line: what chunks split into patterns and variables.
const (
	messageText = iota
	detailsText
	customText
	texts
)

// origin says where an entry comes from.
type origin struct {
	source, kind, template, organization string // kind is the sourceType
}

// line is an entry as the engine keeps it. It is not changed once it is stored.
type line struct {
	position
	account string
	origin
	severity   byte // an index into severityNames
	own        bool // an entry of the platform's own, not of a device
	code       string
	tags       []string
	text       [texts]string // customText: a JSON object, compact, or ""
	sourceTime int64

	custom map[string]any // text[customText] decoded, when somebody needed it
}

// severityNames is in order of severity, the worst first.
var severityNames = [...]string{Emergency, Alert, Critical, Error, Warning, Notice, Informational, Debug, Lifecycle}

func severityRank(name string) byte {
	if i := slices.Index(severityNames[:], name); i >= 0 {
		return byte(i)
	}
	return byte(slices.Index(severityNames[:], Informational))
}

// lineOf returns a normalized entry as a line, without a place.
func lineOf(e *Entry) *line {
	l := &line{
		position: position{time: e.ServiceTimestamp}, account: e.AccountID,
		origin:   origin{e.SourceID, e.SourceType, e.DeviceTemplateID, e.OrganizationID},
		severity: severityRank(e.Severity), own: e.own, code: e.Code, tags: e.Tags, sourceTime: e.SourceTimestamp,
	}
	l.text = [texts]string{e.Message, e.Details, e.customJSON}
	return l
}

// customJSON writes custom members without escapes that JSON does not need, so that words stay words.
func customJSON(custom map[string]any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(custom); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// entry returns l as callers see it.
func (l *line) entry() *Entry {
	return &Entry{
		ID: l.id(), AccountID: l.account, SourceID: l.source, SourceType: l.kind, DeviceTemplateID: l.template,
		OrganizationID: l.organization, Message: l.text[messageText], Severity: severityNames[l.severity], Code: l.code,
		Details: l.text[detailsText], Custom: l.customMembers(), Tags: l.tags,
		SourceTimestamp: l.sourceTime, ServiceTimestamp: l.time, Incidents: []string{},
	}
}

func (l *line) customMembers() map[string]any {
	if l.custom == nil && l.text[customText] != "" {
		l.custom, _ = decodeObject([]byte(l.text[customText]))
	}
	return l.custom
}

// bytes is how much text l has, roughly.
func (l *line) bytes() int {
	n := len(l.source) + len(l.code) + len(l.text[0]) + len(l.text[1]) + len(l.text[2])
	for _, tag := range l.tags {
		n += len(tag)
	}
	return n
}

// clone returns a copy that a search may use for itself: what the engine holds is read by many.
func (l *line) clone() *line {
	c := *l
	return &c
}

// The journal record of a line: a version, then numbers as varints and texts with their length in front.
const recordVersion = 1

var errRecord = errors.New("logging: a journal record cannot be read")

func (l *line) appendRecord(b []byte) []byte {
	b = append(b, recordVersion, l.kindByte())
	b = binary.AppendUvarint(b, uint64(l.time))
	b = binary.AppendUvarint(b, l.seq)
	b = binary.AppendVarint(b, l.sourceTime-l.time)
	for _, s := range [...]string{l.account, l.source, l.kind, l.template, l.organization, l.code, l.text[0], l.text[1], l.text[2]} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(l.tags)))
	for _, tag := range l.tags {
		b = appendText(b, tag)
	}
	return b
}

// ownBit is beside the severity in the byte that stands for both.
const ownBit = 0x80

func (l *line) kindByte() byte {
	if l.own {
		return l.severity | ownBit
	}
	return l.severity
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parseRecord is the reverse of appendRecord. It copies what it keeps.
func parseRecord(data []byte) (*line, error) {
	if len(data) < 2 || data[0] != recordVersion || int(data[1]&^ownBit) >= len(severityNames) {
		return nil, errRecord
	}
	r := reader{data: data[2:]}
	l := &line{severity: data[1] &^ ownBit, own: data[1]&ownBit != 0}
	l.time = int64(r.uvarint())
	l.seq = r.uvarint()
	l.sourceTime = l.time + r.varint()
	for _, s := range [...]*string{&l.account, &l.source, &l.kind, &l.template, &l.organization, &l.code, &l.text[0], &l.text[1], &l.text[2]} {
		*s = r.text()
	}
	if n := r.uvarint(); n > 0 && n <= maxTags {
		for range n {
			l.tags = append(l.tags, r.text())
		}
	} else if n > 0 {
		r.bad = true
	}
	if r.bad || len(r.data) > 0 || !validTime(l.time) || !validTime(l.sourceTime) {
		return nil, errRecord
	}
	return l, nil
}

// reader takes numbers and texts from the front of data; what is not there makes it bad.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

// count returns a number of at most most.
func (r *reader) count(most int) int {
	v := r.uvarint()
	if v > uint64(min(most, math.MaxInt32)) {
		r.bad, r.data = true, nil
		return 0
	}
	return int(v)
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.bad, r.data = true, nil
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

// text returns a copy. Text that is not UTF-8 could not have been written.
func (r *reader) text() string {
	b := r.bytes(r.count(math.MaxInt32))
	if !utf8.Valid(b) {
		r.bad = true
	}
	return string(b)
}
