package logging

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
)

const (
	// searchTimeout bounds a search, which holds a view of the store open while it looks through entries.
	searchTimeout = 10 * time.Second
	// writeTimeout bounds each piece of a long answer.
	writeTimeout = 30 * time.Second

	listSize     = 50
	exportAtOnce = 5000
	maxIngest    = 500 // entries of a request
)

// Routes mounts the REST API on g, which is /api/v1 behind authentication. All of it is for account users, about their account.
//
//	POST   /logs/search             entries by a query in Elasticsearch's form (ParseQuery)
//	GET    /logs                    entries by a query people type (ParseText): ?q= &from= &to= &size= &cursor=
//	GET    /logs/histogram          how many of each severity, by time: the same, and &interval= &field=
//	GET    /logs/export             all of them as NDJSON: the same, and &order=asc|desc
//	GET    /logs/tail               new ones as they come, as server-sent events: ?q=, Last-Event-ID
//	GET    /logs/suggest            ways to go on typing a query: ?q= &cursor=
//	POST   /logs                    write one entry, or {"entries": […]}
//	GET    /devices/:id/diagnosis   what happened to a device lately, what is wrong with it, and what to do: ?from=
//	GET    /devices/:id/recorder    what its flight recorder holds
//	POST   /devices/:id/recorder    switch it on for some minutes: {"minutes": 30}
//	DELETE /devices/:id/recorder    switch it off and forget
//
// /logs/export and /logs/tail last longer than other requests may; they set their own deadlines for writing.
func (s *Service) Routes(g *echo.Group) {
	g.POST("/logs/search", s.postSearch)
	g.GET("/logs", s.getLogs)
	g.GET("/logs/histogram", s.getHistogram)
	g.GET("/logs/export", s.getExport)
	g.GET("/logs/tail", s.getTail)
	g.GET("/logs/suggest", s.getSuggest)
	g.POST("/logs", s.postLogs)
	g.GET("/devices/:id/diagnosis", s.getDiagnosis)
	g.GET("/devices/:id/recorder", s.getRecorder)
	g.POST("/devices/:id/recorder", s.postRecorder)
	g.DELETE("/devices/:id/recorder", s.deleteRecorder)
}

// accountOfCaller returns whose log a request is about.
func accountOfCaller(c echo.Context) (account string, err error) {
	caller := rest.Caller(c)
	if caller.Kind != auth.AccountUser {
		return "", fault.New(fault.Forbidden, "Only account users may see the logs; you are signed in as %s.", caller.Kind)
	}
	return caller.AccountID, nil
}

// The answer has Elasticsearch's envelope, which clients read.
type (
	searchAnswer struct {
		Hits hits `json:"hits"`
	}
	hits struct {
		Total    int       `json:"total"`
		MaxScore *float64  `json:"max_score"` // always null: nothing is ranked
		Hits     []hitJSON `json:"hits"`
	}
	hitJSON struct {
		Index  string   `json:"_index"`
		Type   string   `json:"_type"`
		ID     string   `json:"_id"`
		Score  *float64 `json:"_score"` // always null
		Source *Entry   `json:"_source"`
	}
)

func (s *Service) postSearch(c echo.Context) error {
	account, err := accountOfCaller(c)
	if err != nil {
		return err
	}
	body, err := rest.Body(c)
	if err != nil {
		return err
	}
	q, err := ParseQuery(body, account)
	if err != nil {
		return err
	}
	found, err := s.searchFor(c, account, q)
	if err != nil {
		return err
	}
	answer := searchAnswer{hits{Total: found.Total, Hits: make([]hitJSON, len(found.Entries))}}
	for i, e := range found.Entries {
		answer.Hits.Hits[i] = hitJSON{Index: "logs", Type: "log", ID: e.ID, Source: e}
	}
	return rest.JSON(c, answer)
}

func (s *Service) searchFor(c echo.Context, account string, q Query) (Result, error) {
	ctx, cancel := context.WithTimeout(c.Request().Context(), searchTimeout)
	defer cancel()
	return s.Search(ctx, account, q)
}

// listed is an entry in lists, exports and live views: with its id among its members.
type listed struct {
	ID string `json:"id"`
	*Entry
}

// asked is what lists, histograms, exports and live views are asked for.
type asked struct {
	account string
	Query
	from, to time.Time // to is zero when it was not given
}

// ask reads q, from and to. from is the beginning of what is kept, when it is not given.
func (s *Service) ask(c echo.Context) (a asked, err error) {
	if a.account, err = accountOfCaller(c); err != nil {
		return a, err
	}
	now := time.Now()
	resolve := func(name string) []string { return s.directory.Devices(a.account, name) }
	if a.Query, err = ParseText(c.QueryParam("q"), resolve, now); err != nil {
		return a, err
	}
	a.from = time.UnixMilli(s.engine.oldest.Load())
	if err := timeParam(c, "from", now, &a.from); err != nil {
		return a, err
	}
	if err := timeParam(c, "to", now, &a.to); err != nil {
		return a, err
	}
	span := within{member: "serviceTimestamp", min: float64(a.from.UnixMilli()), max: math.Inf(1), openTop: true}
	if !a.to.IsZero() {
		span.max = float64(a.to.UnixMilli())
	}
	a.where = every{a.where, span}
	return a, nil
}

func timeParam(c echo.Context, name string, now time.Time, t *time.Time) error {
	text := c.QueryParam(name)
	if text == "" {
		return nil
	}
	ms, ok := parseTime(text, now)
	if !ok {
		return fault.Field(name, "This must be a time such as 2h (ago), 2026-11-23, 2026-11-23T08:00:00Z or epoch milliseconds.")
	}
	*t = time.UnixMilli(ms)
	return nil
}

// after narrows the query to what comes behind a cursor.
func (a *asked) after(cursor string) error {
	if cursor == "" {
		return nil
	}
	p, ok := positionOfID(cursor)
	if !ok {
		return fault.Field("cursor", "This must be the cursor of an earlier answer.")
	}
	behind := between{to: p}
	if !a.Sort[0].Desc {
		behind = between{position{p.time, p.seq + 1}, position{time: math.MaxInt64}}
	}
	a.where = every{a.where, behind}
	return nil
}

// getLogs answers {"logs":{"results":[…],"meta":{"count":…,"cursor":"…"}}}, the newest first. cursor is missing on the last page; with it
// the next page begins where this one ended, whatever has arrived meanwhile.
func (s *Service) getLogs(c echo.Context) error {
	a, err := s.ask(c)
	if err != nil {
		return err
	}
	a.Size = listSize
	if text := c.QueryParam("size"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > MaxSize {
			return fault.Field("size", "This must be a whole number from 1 to %d.", MaxSize)
		}
		a.Size = n
	}
	if err := a.after(c.QueryParam("cursor")); err != nil {
		return err
	}
	found, err := s.searchFor(c, a.account, a.Query)
	if err != nil {
		return err
	}
	results := make([]listed, len(found.Entries))
	for i, e := range found.Entries {
		results[i] = listed{e.ID, e}
	}
	meta := map[string]any{"count": found.Total} // from the cursor on
	if n := len(results); n > 0 && n < found.Total {
		meta["cursor"] = results[n-1].ID
	}
	return rest.One(c, "logs", map[string]any{"results": results, "meta": meta})
}

// getHistogram answers {"histogram":{"interval":ms,"buckets":[{"time":ms,"count":…,"severities":{…}}]}}; empty buckets are left out.
func (s *Service) getHistogram(c echo.Context) error {
	a, err := s.ask(c)
	if err != nil {
		return err
	}
	if a.to.IsZero() {
		a.to = time.Now()
	}
	if c.QueryParam("from") == "" && s.config.Retention == 0 {
		a.from = a.to.AddDate(0, 0, -30)
		a.where = every{a.where, within{member: "serviceTimestamp", min: float64(a.from.UnixMilli()), max: math.Inf(1)}}
	}
	a.Every, a.EveryOf, a.Size = step(a.from, a.to), "serviceTimestamp", 0
	if text := c.QueryParam("interval"); text != "" {
		if a.Every, err = time.ParseDuration(text); err != nil {
			return fault.Field("interval", "This must be a duration such as 30s, 5m or 12h.")
		}
	}
	if err := checkBars(a.from, a.to, a.Every); err != nil {
		return err
	}
	switch field := c.QueryParam("field"); field {
	case "", "serviceTimestamp":
	case "sourceTimestamp": // clocks of devices may say anything: only what lies in the range counts
		a.EveryOf = field
		a.where = every{a.where, within{member: field, min: float64(a.from.UnixMilli()), max: float64(a.to.UnixMilli()), openTop: true}}
	default:
		return fault.Field("field", "This must be serviceTimestamp or sourceTimestamp.")
	}
	found, err := s.searchFor(c, a.account, a.Query)
	if err != nil {
		return err
	}
	return rest.One(c, "histogram", map[string]any{"interval": a.Every.Milliseconds(), "count": found.Total, "buckets": found.Buckets})
}

// getExport streams entries, one JSON object a line, in order of arrival. A failure after the first line cuts the connection, so that
// nobody takes half of them for all.
func (s *Service) getExport(c echo.Context) error {
	a, err := s.ask(c)
	if err != nil {
		return err
	}
	switch c.QueryParam("order") {
	case "", "asc":
		a.Sort[0].Desc = false
	case "desc":
	default:
		return fault.Field("order", "This must be asc or desc.")
	}
	a.Size, a.pageOnly = exportAtOnce, true
	where, cursor := a.where, c.QueryParam("cursor")
	if a.to.IsZero() { // what arrives from now on is not waited for
		where = every{where, within{member: "serviceTimestamp", min: 0, max: float64(time.Now().UnixMilli())}}
	}
	control := http.NewResponseController(c.Response())
	for first := true; ; first = false {
		a.where = where
		err := a.after(cursor)
		var found Result
		if err == nil {
			found, err = s.searchFor(c, a.account, a.Query)
		}
		if first && err == nil {
			_ = control.SetReadDeadline(time.Time{}) // see eventStream.Begin
			header := c.Response().Header()
			header.Set(echo.HeaderContentType, "application/x-ndjson")
			header.Set("Cache-Control", "no-store")
			header.Set("Content-Disposition", `attachment; filename="logs.ndjson"`)
			c.Response().WriteHeader(http.StatusOK)
		}
		if err == nil {
			_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // a recorder in tests has none
			err = writeLines(c.Response(), found.Entries)
		}
		switch {
		case err != nil && first:
			return err
		case err != nil:
			panic(http.ErrAbortHandler)
		case len(found.Entries) < a.Size:
			return nil
		}
		cursor = found.Entries[len(found.Entries)-1].ID
	}
}

func writeLines(to http.ResponseWriter, entries []*Entry) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	for _, e := range entries {
		if err := enc.Encode(listed{e.ID, e}); err != nil {
			return err
		}
	}
	return nil
}

// postLogs writes entries on behalf of their sources, in the form devices publish them. 200 follows the disk. Entries that another
// system has kept may say when they arrived there, as serviceTimestamp; what is older than the retention nobody will find.
func (s *Service) postLogs(c echo.Context) error {
	account, err := accountOfCaller(c)
	if err != nil {
		return err
	}
	body, err := rest.Body(c)
	if err != nil {
		return err
	}
	list, many := body["entries"].([]any)
	if !many {
		list = []any{body}
	}
	if len(list) == 0 || len(list) > maxIngest {
		return fault.Field("entries", "There must be 1 to %d entries.", maxIngest)
	}
	var entries []Entry
	for i, v := range list {
		path := ""
		if many {
			path = "entries[" + strconv.Itoa(i) + "]."
		}
		e, err := ingested(path, v, account)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if err := s.AppendWait(c.Request().Context(), entries...); err != nil {
		return err
	}
	return rest.JSON(c, map[string]any{"success": true, "count": len(entries)})
}

func ingested(path string, v any, account string) (Entry, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return Entry{}, fault.Field(strings.TrimSuffix(path, "."), "This must be an object with a message.")
	}
	e := entryOf(m)
	e.AccountID, e.SourceID, e.SourceType = account, text(m["sourceId"]), text(m["sourceType"])
	switch {
	case text(m["message"]) == "":
		return Entry{}, fault.Field(path+"message", "This is required.")
	case e.SourceID == "":
		return Entry{}, fault.Field(path+"sourceId", "This is required: the id of the device or user that the entry is about.")
	case m["accountId"] != nil && text(m["accountId"]) != account:
		return Entry{}, fault.New(fault.Forbidden, "The accountId is not the account of your sign-in.")
	}
	if e.SourceType == "" {
		e.SourceType = "deviceId"
	}
	if m["serviceTimestamp"] != nil {
		e.ServiceTimestamp, e.dated = timestamp(m["serviceTimestamp"]), true
		if !validTime(e.ServiceTimestamp) || e.ServiceTimestamp > time.Now().UnixMilli() {
			return Entry{}, fault.Field(path+"serviceTimestamp", "This must be a time that has been, in milliseconds since 1970 or as 2026-11-23T08:00:00Z.")
		}
	}
	return e, nil
}
