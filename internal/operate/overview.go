package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"xively/internal/rest"
)

// Overview is the answer of GET /overview.
type Overview struct {
	Time      string      `json:"time"`
	Counts    Counts      `json:"counts"`
	Traffic   Traffic     `json:"traffic"` // since the start of the server
	Rates     Rates       `json:"rates"`
	History   History     `json:"history"`
	Logs      LogFigures  `json:"logs"`
	Attention []Attention `json:"attention"` // the worst first
	Server    *ServerView `json:"server"`    // null for accounts that do not run the server
}

// LogFigures are those of the last 24 hours.
type LogFigures struct {
	Count      int            `json:"count"`
	Severities map[string]int `json:"severities"`
	Hours      []LogBucket    `json:"hours"` // all 25 that the time touches, oldest first
}

// ServerView is Server as the overview shows it.
type ServerView struct {
	Version       string      `json:"version"`
	Started       string      `json:"started"`
	UptimeSeconds int64       `json:"uptimeSeconds"`
	Accounts      int         `json:"accounts"`
	Traffic       Traffic     `json:"traffic"` // of all accounts
	MemoryBytes   int64       `json:"memoryBytes"`
	Goroutines    int         `json:"goroutines"`
	DroppedQoS0   uint64      `json:"droppedQoS0"`
	DroppedQueue  uint64      `json:"droppedQueue"`
	Storage       StorageView `json:"storage"`
}

// StorageView is what is on disk, in bytes.
type StorageView struct {
	Bytes        int64       `json:"bytes"`     // store and journal
	FileBytes    int64       `json:"fileBytes"` // xively.db
	JournalBytes int64       `json:"journalBytes"`
	LogBytes     int64       `json:"logBytes"`      // of the store: log entries
	OtherBytes   int64       `json:"otherBytes"`    // of the store: directory, points, queues, …
	DiskFree     int64       `json:"diskFreeBytes"` // 0: not known
	DiskTotal    int64       `json:"diskTotalBytes"`
	GrowthPerDay *int64      `json:"growthPerDay"` // null while less than an hour is known
	DaysLeft     *int64      `json:"daysLeft"`     // until the disk is full at that; null when it is not filling
	Sizes        []SizePoint `json:"sizes"`        // by the hour
}

// Attention is something an admin should look at.
type Attention struct {
	Code       string `json:"code"`     // certificate, disk, mail, dropped, log, backup
	Severity   string `json:"severity"` // as of log entries
	Text       string `json:"text"`
	Count      int    `json:"count,omitempty"`    // of code log: entries of the last 24 hours that say the same
	Sources    int    `json:"sources,omitempty"`  // of how many devices and others
	SourceID   string `json:"sourceId,omitempty"` // of the newest
	SourceType string `json:"sourceType,omitempty"`
	Newest     string `json:"newest,omitempty"`
}

func (s *Service) overview(ctx context.Context, account string) (o Overview, err error) {
	now := s.now()
	o.Time = rest.Time(now)
	if o.Counts, err = s.source.Counts(account); err != nil {
		return o, err
	}
	o.Traffic, o.Rates = s.look(account)
	o.History = s.history(account)
	var logErr error
	o.Logs, logErr = s.logFigures(ctx, account, now)
	o.Attention = []Attention{}
	if s.source.Operator(account) {
		if o.Server, err = s.serverView(now); err != nil {
			return o, err
		}
		o.Attention = s.serverAttention(o.Server, now)
	}
	troubles, err := s.source.LogTroubles(ctx, account, now.Add(-24*time.Hour))
	if logErr = errors.Join(logErr, err); logErr != nil { // all the more the rest is wanted
		s.log.Error("log not read for the overview", "err", logErr)
		o.Attention = append(o.Attention, Attention{Code: "log", Severity: "critical", Text: "The log cannot be searched now, so its figures are missing."})
	}
	o.Attention = append(o.Attention, alike(troubles)...)
	slices.SortStableFunc(o.Attention, func(a, b Attention) int { return cmp.Compare(rank(a.Severity), rank(b.Severity)) })
	return o, nil
}

func (s *Service) logFigures(ctx context.Context, account string, now time.Time) (f LogFigures, err error) {
	f.Severities = map[string]int{}
	from := now.Add(-24 * time.Hour)
	found, err := s.source.LogHistogram(ctx, account, from, now, time.Hour)
	byTime := map[int64]LogBucket{}
	for _, b := range found {
		byTime[b.Time] = b
	}
	for at := from.Truncate(time.Hour); !at.After(now); at = at.Add(time.Hour) {
		b, ok := byTime[at.UnixMilli()]
		if !ok {
			b = LogBucket{Time: at.UnixMilli(), Severities: map[string]int{}}
		}
		f.Hours = append(f.Hours, b)
		f.Count += b.Count
		for severity, n := range b.Severities {
			f.Severities[severity] += n
		}
	}
	return f, err // with empty hours
}

func (s *Service) serverView(now time.Time) (*ServerView, error) {
	v := s.source.Server()
	sizes, err := s.sizes()
	if err != nil {
		return nil, err
	}
	out := &ServerView{Version: v.Version, Started: rest.Time(v.Started), UptimeSeconds: int64(now.Sub(v.Started).Seconds()), Accounts: v.Accounts,
		Traffic: v.Traffic, MemoryBytes: v.MemoryBytes, Goroutines: v.Goroutines, DroppedQoS0: v.DroppedQoS0, DroppedQueue: v.DroppedQueue,
		Storage: StorageView{Bytes: used(v), FileBytes: v.StoreBytes, JournalBytes: v.JournalBytes, LogBytes: v.LogBytes,
			OtherBytes: max(0, v.StoreBytes-v.LogBytes), DiskFree: v.DiskFree, DiskTotal: v.DiskTotal, Sizes: sizes}}
	st := &out.Storage
	st.GrowthPerDay = growth(sizes, now, st.Bytes)
	if st.GrowthPerDay != nil && *st.GrowthPerDay > 0 && st.DiskFree > 0 {
		left := st.DiskFree / *st.GrowthPerDay
		st.DaysLeft = &left
	}
	return out, nil
}

var severities = []string{"emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"}

func rank(severity string) int {
	return (slices.Index(severities, severity) + len(severities)) % len(severities)
}

const (
	expirySoon  = 14 * 24 * time.Hour
	privateSoon = 3 * 24 * time.Hour // the private authority's certificates are renewed by the server
	diskLow     = 0.10               // of the disk
	diskLowest  = 1 << 30
	mostAlike   = 10
)

func (s *Service) serverAttention(v *ServerView, now time.Time) []Attention {
	all := []Attention{}
	add := func(code, severity, format string, args ...any) {
		all = append(all, Attention{Code: code, Severity: severity, Text: fmt.Sprintf(format, args...)})
	}
	if c := s.source.Certificate(); !c.notAfter.IsZero() {
		soon := expirySoon
		if c.Source == "private" {
			soon = privateSoon
		}
		switch left := c.notAfter.Sub(now); {
		case left <= 0:
			add("certificate", "critical", "The server's certificate has expired: clients refuse to connect.")
		case left < soon:
			add("certificate", "warning", "The server's certificate expires in %d days.", int(left.Hours()/24))
		}
	}
	if d := v.Storage; d.DiskTotal > 0 && (float64(d.DiskFree) < diskLow*float64(d.DiskTotal) || d.DiskFree < diskLowest) {
		severity := "warning"
		if d.DiskFree < diskLowest {
			severity = "alert"
		}
		add("disk", severity, "The disk with the data is nearly full: %d MiB of %d are left.", d.DiskFree>>20, d.DiskTotal>>20)
	}
	raw := s.source.Server()
	if raw.MailsFailed > 0 {
		add("mail", "error", "%d mails could not be sent since the start; send a test mail to see why.", raw.MailsFailed)
	}
	s.mu.Lock()
	if len(s.recent) > 0 {
		if n := raw.DroppedQoS0 - s.recent[0].qos0 + raw.DroppedQueue - s.recent[0].queue; n > 0 {
			add("dropped", "warning", "%d messages were dropped in the last hour: receivers were too slow, or their queues full.", n)
		}
		if n := raw.LogDropped - s.recent[0].log; n > 0 {
			add("dropped", "warning", "%d log entries were lost in the last hour: more came than could be written.", n)
		}
	}
	s.mu.Unlock()
	return append(all, s.backups.attention(now)...)
}

// variable is what differs between entries that say the same: words with digits in them, and quoted parts.
var variable = regexp.MustCompile(`"[^"]*"|\S*[0-9]\S*`)

// alike groups troubles that say the same, the most frequent first.
func alike(troubles []Trouble) []Attention {
	type group struct {
		Attention
		of map[string]bool
		at int64
	}
	groups := map[string]*group{}
	for _, t := range troubles {
		key := t.Severity + "\x00" + t.Code + "\x00" + variable.ReplaceAllString(t.Message, "…")
		g := groups[key]
		if g == nil {
			g = &group{Attention: Attention{Code: "log", Severity: t.Severity}, of: map[string]bool{}}
			groups[key] = g
		}
		g.Count++
		g.of[t.SourceID] = true
		if t.Time >= g.at {
			g.at, g.Text, g.SourceID, g.SourceType, g.Newest = t.Time, t.Message, t.SourceID, t.SourceType, rest.Time(time.UnixMilli(t.Time))
		}
	}
	sorted := slices.SortedFunc(maps.Values(groups), func(a, b *group) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(b.Count, a.Count), cmp.Compare(b.at, a.at))
	})
	all := []Attention{}
	for _, g := range sorted[:min(len(sorted), mostAlike)] {
		g.Sources = len(g.of)
		all = append(all, g.Attention)
	}
	return all
}
