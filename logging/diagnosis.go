package logging

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Limits of a diagnosis.
const (
	diagnosisSpan    = 24 * time.Hour
	diagnosisEntries = 1000
	timelineLength   = 300
	maxHosts         = 20 // addresses a device came from
	maxTroubles      = 24 // kinds
	evidence         = 5  // ids of entries of a finding
)

// Diagnosis tells in plain words what happened to a device lately.
type Diagnosis struct {
	DeviceID  string    `json:"deviceId"`
	From      int64     `json:"from"`                // ms
	Connected *bool     `json:"connected,omitempty"` // by the last entry that tells; missing when none does
	Summary   string    `json:"summary"`
	Findings  []Finding `json:"findings"` // the latest first
	Timeline  []Moment  `json:"timeline"` // oldest first
	Recorder  struct {
		Running bool   `json:"running"`
		Until   int64  `json:"until,omitempty"`
		Packets int    `json:"packets"`
		Missed  uint64 `json:"missed"`
	} `json:"recorder"`
}

// Finding is one thing that is wrong, and what to do about it.
type Finding struct {
	Trouble string   `json:"trouble"` // a stable name: wrongSecret, foreignTopic, …
	Cause   string   `json:"cause"`
	Remedy  string   `json:"remedy"`
	Example string   `json:"example"` // the message of the latest entry
	Count   int      `json:"count"`
	First   int64    `json:"first"`
	Last    int64    `json:"last"`
	Over    bool     `json:"over,omitempty"` // the device has connected since, which the trouble would not let it
	Entries []string `json:"entries"`        // ids of the latest
}

// Moment is one line of a timeline.
type Moment struct {
	Time     int64  `json:"time"`
	Kind     string `json:"kind"` // "entry" or "packet"
	Text     string `json:"text"`
	Severity string `json:"severity,omitempty"`
	Trouble  string `json:"trouble,omitempty"`
	ID       string `json:"id,omitempty"` // of the entry
}

// AddressSource is the sourceType of entries about an address that did not come as far as saying who it is: a TLS connection that
// failed. The sourceId is the address, without a port.
const AddressSource = "address"

// Diagnose looks at a device's entries since a time, at those about the addresses it came from, and at what the flight recorder holds
// of it.
func (s *Service) Diagnose(ctx context.Context, account, device string, from time.Time) (Diagnosis, error) {
	lines, err := s.linesAbout(ctx, account, from, equals{"sourceId", []string{device}})
	if err != nil {
		return Diagnosis{}, err
	}
	if hosts := hostsOf(lines); len(hosts) > 0 {
		more, err := s.linesAbout(ctx, account, from, every{equals{"sourceType", []string{AddressSource}}, equals{"sourceId", hosts}})
		if err != nil {
			return Diagnosis{}, err
		}
		lines = append(lines, more...)
	}
	slices.SortFunc(lines, func(a, b *line) int { return a.position.compare(b.position) })
	d := Diagnosis{DeviceID: device, From: from.UnixMilli(), Findings: []Finding{}, Timeline: []Moment{}}
	of := assign(lines)
	d.Findings = findings(lines, of)
	for i, l := range lines {
		if c := l.customValues(customPrefix + "connected"); l.own && len(c) == 1 {
			connected := c[0] == "true"
			d.Connected = &connected
		}
		m := Moment{Time: l.time, Kind: "entry", Text: sayLine(l), Severity: severityNames[l.severity], ID: l.id()}
		if of[i] >= 0 {
			m.Trouble = troubles[of[i]].name
		}
		d.Timeline = append(d.Timeline, m)
	}
	d.addPackets(s.Recorded(account, device))
	d.summarize(len(lines))
	return d, nil
}

// linesAbout returns the newest entries since a time that meet a condition.
func (s *Service) linesAbout(ctx context.Context, account string, from time.Time, about condition) ([]*line, error) {
	where := every{about, within{member: "serviceTimestamp", min: float64(from.UnixMilli()), max: 1e18}}
	found, err := s.engine.search(ctx, account, Query{Size: diagnosisEntries, Sort: []SortKey{{Member: "serviceTimestamp", Desc: true}}, where: where})
	if err != nil {
		return nil, err
	}
	return found.page(0), nil
}

// hostsOf returns the addresses that the platform saw connections come from.
func hostsOf(lines []*line) []string {
	var hosts []string
	for _, l := range lines {
		if !l.own || slices.Contains(l.tags, "audit") { // where an admin was does not matter
			continue
		}
		for _, remote := range l.customValues(customPrefix + "remote") {
			if host, _, err := net.SplitHostPort(remote); err == nil && len(hosts) < maxHosts && !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

func (d *Diagnosis) addPackets(r Recording) {
	d.Recorder.Running, d.Recorder.Until, d.Recorder.Packets, d.Recorder.Missed = r.Running, r.Until, len(r.Packets), r.Missed
	var found []Finding
	for i := range r.Packets {
		p := &r.Packets[i]
		m := Moment{Time: p.At, Kind: "packet", Text: sayPacket(p)}
		if p.trouble > 0 {
			m.Trouble = troubles[p.trouble-1].name
			found = p.addTo(found)
		}
		d.Timeline = append(d.Timeline, m)
	}
	d.Findings = append(d.Findings, found...)
	sortFindings(d.Findings)
	slices.SortStableFunc(d.Timeline, func(a, b Moment) int { return cmp.Compare(a.Time, b.Time) })
	d.Timeline = d.Timeline[max(0, len(d.Timeline)-timelineLength):]
}

// assign returns the trouble of each line, -1 for none. Lines are in order of time.
func assign(lines []*line) []int {
	of := make([]int, len(lines))
	var times [maxTroubles][]int64 // of each trouble
	ended := -1                    // revokedCredential or disabledDevice, when one of them came before
	for i, l := range lines {
		k := troubleOf(l)
		if k >= 0 && ended >= 0 && troubles[k].name == "wrongSecret" {
			k = ended // that is why the secret is wrong
		}
		if of[i] = k; k < 0 {
			continue
		}
		times[k] = append(times[k], l.time)
		if name := troubles[k].name; name == "revokedCredential" || name == "disabledDevice" {
			ended = k
		}
	}
	for i, k := range of {
		if k >= 0 && !often(times[k], troubles[k].least) {
			of[i] = -1
		}
	}
	return of
}

// often reports whether least of the times lie within fightTime.
func often(times []int64, least int) bool {
	for i := least - 1; i < len(times); i++ {
		if least <= 1 || times[i]-times[i-least+1] <= fightTime.Milliseconds() {
			return true
		}
	}
	return false
}

func findings(lines []*line, of []int) []Finding {
	var all [maxTroubles]*Finding
	var about [maxTroubles][]*line
	connected := int64(0) // when it was last
	for i, k := range of {
		l := lines[i]
		if l.own && l.customText("connected") == "true" {
			connected = l.time
		}
		if k < 0 {
			continue
		}
		f := all[k]
		if f == nil {
			f = &Finding{Trouble: troubles[k].name, Cause: troubles[k].cause, Remedy: troubles[k].remedy, First: l.time}
			all[k] = f
		}
		f.Count++
		f.Count += omitted(l)
		f.Last, f.Example = l.time, l.text[messageText]
		if f.Entries = append(f.Entries, l.id()); len(f.Entries) > evidence {
			f.Entries = f.Entries[1:]
		}
		about[k] = append(about[k], l)
	}
	list := []Finding{}
	for k, f := range all {
		if f == nil {
			continue
		}
		if troubles[k].say != nil {
			troubles[k].say(about[k], f)
		}
		f.Over = troubles[k].ends && connected > f.Last
		list = append(list, *f)
	}
	sortFindings(list)
	return list
}

// sortFindings brings what goes on before what is over, and the latest first.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		if a.Over != b.Over {
			if b.Over {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Last, a.Last)
	})
}

func endedByConnecting(name string) bool {
	return slices.ContainsFunc(troubles, func(t trouble) bool { return t.name == name && t.ends })
}

// omitted returns how many entries the limits left out before l.
func omitted(l *line) int {
	if n, ok := l.number(customPrefix + "omitted"); ok && n > 0 && n < 1e9 {
		return int(n)
	}
	return 0
}

func (d *Diagnosis) summarize(entries int) {
	state := "The log of this time does not tell whether the device is connected."
	if d.Connected != nil && *d.Connected {
		state = "The device is connected."
	} else if d.Connected != nil {
		state = "The device is not connected."
	}
	switch {
	case entries == 0 && d.Recorder.Packets == 0:
		d.Summary = "Nothing was heard of the device in this time: it has not tried to connect, or not as itself."
	case len(d.Findings) == 0:
		d.Summary = state + " Nothing wrong was seen."
	default:
		d.Summary = state + " "
		if first := d.Findings[0]; d.Connected == nil && endedByConnecting(first.Trouble) {
			d.Summary = "" // the finding tells
		}
		if d.Findings[0].Over {
			d.Summary += "It had trouble, which seems to be over: it has connected since. "
		}
		d.Summary += d.Findings[0].Cause
		if n := len(d.Findings) - 1; n == 1 {
			d.Summary += " There is one more finding."
		} else if n > 1 {
			d.Summary += fmt.Sprintf(" There are %d more findings.", n)
		}
	}
}

// addTo counts the packet in what is found of its trouble.
func (p *Packet) addTo(found []Finding) []Finding {
	t := &troubles[p.trouble-1]
	i := slices.IndexFunc(found, func(f Finding) bool { return f.Trouble == t.name })
	if i < 0 {
		i = len(found)
		found = append(found, Finding{Trouble: t.name, Remedy: t.remedy, First: p.At, Entries: []string{}})
	}
	f := &found[i]
	f.Count, f.Last, f.Example = f.Count+1, p.At, sayPacket(p)
	f.Cause = fmt.Sprintf("%s The last was on “%s”: %s.", t.cause, p.Topic, p.Fate)
	return found
}

func sayLine(l *line) string {
	text := l.text[messageText]
	if l.text[detailsText] != "" {
		text += " (" + l.text[detailsText] + ")"
	}
	if n := omitted(l); n > 0 {
		text += fmt.Sprintf(" — and %d more like it, which were left out", n)
	}
	return text
}

func sayPacket(p *Packet) string {
	var b strings.Builder
	b.WriteString(map[bool]string{true: "The device sent ", false: "The platform sent "}[p.In] + p.Type)
	if p.Topic != "" {
		fmt.Fprintf(&b, " on “%s”", p.Topic)
	}
	if p.Type == "PUBLISH" || p.Type == "SUBSCRIBE" {
		fmt.Fprintf(&b, ", QoS %d", p.QoS)
	}
	fmt.Fprintf(&b, ", %d bytes", p.Size)
	if p.Head != "" {
		fmt.Fprintf(&b, ": “%s”", p.Head)
		if len(p.Head) < p.Size {
			b.WriteString(" …")
		}
	}
	if p.Fate != "" {
		b.WriteString(" → " + p.Fate)
	}
	return b.String()
}
