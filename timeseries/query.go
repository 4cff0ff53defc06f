package timeseries

import (
	"context"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"

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
		category: q.Category, limit: q.PageSize + 1, desc: q.Newest,
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
	entries, err := s.engine.read(ctx, q.Account, q.Topic, sp)
	if err != nil {
		if ctx.Err() != nil {
			return Page{}, fault.Wrap(fault.Unavailable, err, "The read took too long. Ask for a smaller range of time, or for all categories.")
		}
		return Page{}, err
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
	if s := values.Get("groupType"); s != "" {
		if _, err := strconv.Atoi(s); err != nil {
			return q, fault.Field("groupType", "This must be a whole number.")
		}
	}
	if values.Has("category") {
		category := values.Get("category")
		q.Category = &category
	}
	return q, nil
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
