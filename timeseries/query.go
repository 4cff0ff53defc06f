package timeseries

import (
	"cmp"
	"context"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"xively/internal/fault"
)

// Limits of a read.
const (
	DefaultPageSize = 100
	MaxPageSize     = 1000
)

// Query asks for points of one series. Without a bound on one side, From is MinTime or To is MaxTime.
type Query struct {
	Account, Topic string
	From, To       int64   // milliseconds, both included
	Category       *string // nil: all
	Newest         bool    // newest first; else oldest first
	PageSize       int     // 1 to MaxPageSize
	Token          string  // of the page before; "" for the first

	Interval  interval // of an aggregation
	Aggregate []string // names of functions; empty: points are asked for
	Fill      string   // of an aggregation, see fill.go; "": buckets without points have no row
	Points    int      // down-sample to so many points of each category; 0: all

	now int64 // no bucket goes beyond
}

// Page is an answer to a Query.
type Page struct {
	Points []Point
	Token  string // asks for the next page; "" when this is the last
}

// Read returns a page of points. Paging is steady under inserts: the points of a page come after all those of the pages
// before, none twice, and none that was there from the beginning is left out. Errors: fault Invalid for the token;
// Unavailable when ctx ends first.
func (s *Service) Read(ctx context.Context, q Query) (Page, error) {
	sp := span{
		from: position{time: q.From}, to: position{time: q.To + 1},
		category: q.Category, desc: q.Newest,
	}
	if q.Token != "" {
		last, ok := parseToken(q.Token)
		if !ok {
			return Page{}, fault.Field("pagingToken", "This is not a pagingToken of an earlier answer.")
		}
		if q.Newest {
			sp.to = last
		} else {
			sp.from = last.next()
		}
	}
	entries, err := s.engine.read(ctx, q.Account, q.Topic, sp, q.PageSize+1)
	if err != nil {
		return Page{}, readError(ctx, err)
	}
	var page Page
	if len(entries) > q.PageSize {
		entries = entries[:q.PageSize]
		page.Token = formatToken(entries[len(entries)-1].position())
	}
	page.Points = make([]Point, len(entries))
	for i, e := range entries {
		page.Points[i] = e.Point
	}
	return page, nil
}

// A paging token is the position of the page's last point, written like a UUID as clients have always seen it.
func formatToken(p position) string {
	h := hex.EncodeToString(appendPosition(nil, p))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func parseToken(s string) (position, bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != positionSize {
		return position{}, false
	}
	p := positionOf(b)
	return p, p.time >= MinTime && p.time <= MaxTime
}

// ParseQuery reads the parameters of a read from a URL. Account, Topic and Newest are the caller's to set. Unknown
// parameters are ignored. Errors: fault Invalid naming the parameter.
//
// Both ends of the range belong to it, and an endDateTime without a fraction covers its whole second: answers show
// seconds only, so this is what a client means who sends one back.
func ParseQuery(values url.Values) (Query, error) {
	q := Query{From: MinTime, To: MaxTime, PageSize: DefaultPageSize, Token: values.Get("pagingToken")}
	if s := values.Get("startDateTime"); s != "" {
		ms, ok := parseQueryDate(s)
		if !ok {
			return q, dateError("startDateTime")
		}
		q.From = ms
	}
	if s := values.Get("endDateTime"); s != "" {
		ms, ok := parseQueryDate(s)
		if !ok {
			return q, dateError("endDateTime")
		}
		if !hasFraction(s) {
			ms = min(ms+999, MaxTime)
		}
		q.To = ms
	}
	if q.From > q.To {
		return q, fault.Field("endDateTime", "This is before startDateTime.")
	}
	if s := values.Get("pageSize"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > MaxPageSize {
			return q, fault.Field("pageSize", "This must be a whole number from 1 to %d.", MaxPageSize)
		}
		q.PageSize = n
	}
	if values.Has("category") {
		category := values.Get("category")
		q.Category = &category
	}
	if err := q.parsePoints(values); err != nil {
		return q, err
	}
	return q, q.parseAggregation(values)
}

func (q *Query) parsePoints(values url.Values) error {
	s := values.Get("points")
	if s == "" {
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 3 || n > MaxSamples {
		return fault.Field("points", "This must be a whole number from 3 to %d.", MaxSamples)
	}
	q.Points = n
	return nil
}

// groupTypes are the intervals that a groupType stands for. 0 is no grouping.
var groupTypes = [...]string{"", "1m", "1h", "1d", "1w", "1mo"}

// parseAggregation reads interval, aggregate, timezone and fill; groupType is a short way to an interval.
func (q *Query) parseAggregation(values url.Values) error {
	length := values.Get("interval")
	if s := values.Get("groupType"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n >= len(groupTypes) {
			return fault.Field("groupType", "This must be 0 for single points, or 1, 2, 3, 4, 5 for minutes, hours, days, weeks, months.")
		}
		length = cmp.Or(length, groupTypes[n])
	}
	zone := time.UTC
	if s := values.Get("timezone"); s != "" {
		var err error
		if zone, err = time.LoadLocation(s); err != nil || s == "Local" {
			return fault.Field("timezone", "This must be the name of a time zone, such as Europe/Berlin.")
		}
	}
	for _, names := range values["aggregate"] {
		for name := range strings.SplitSeq(names, ",") {
			name = strings.TrimSpace(name)
			if _, ok := functions[name]; !ok {
				return fault.Field("aggregate", "%s is none of: %s.", excerpt(name), strings.Join(slices.Sorted(maps.Keys(functions)), ", "))
			}
			if !slices.Contains(q.Aggregate, name) {
				q.Aggregate = append(q.Aggregate, name)
			}
		}
	}
	q.Fill = values.Get("fill")
	if err := checkFill(q.Fill); err != nil {
		return err
	}
	switch {
	case length == "" && len(q.Aggregate) > 0:
		return fault.Field("interval", "An aggregate needs an interval, such as 1h.")
	case length == "" && q.Fill != "":
		return fault.Field("fill", "Only an aggregation can be filled; add an interval.")
	case length == "":
		return nil
	case q.Points > 0:
		return fault.Field("points", "Send either points or interval.")
	}
	if len(q.Aggregate) == 0 {
		q.Aggregate = []string{"avg"}
	}
	var err error
	q.Interval, err = parseInterval(length, zone)
	return err
}

func dateError(field string) error {
	return fault.Field(field, "This must be a date such as 2015-09-14T11:30:02Z or 2015-09-14T11:30:02.000Z.")
}

// parseQueryDate is parseDate for text out of a URL, where a plus sign that was not escaped has become a blank. Epoch
// milliseconds are taken too.
func parseQueryDate(s string) (ms int64, ok bool) {
	if ms, ok = parseTimestamp(s); ok {
		return ms, true
	}
	if i := strings.LastIndexByte(s, ' '); i > 0 {
		return parseDate(s[:i] + "+" + s[i+1:])
	}
	return 0, false
}

// hasFraction reports whether the date names its milliseconds.
func hasFraction(s string) bool {
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return true
	}
	_, clock, _ := strings.Cut(s, ":")
	return strings.ContainsAny(clock, ".,")
}
