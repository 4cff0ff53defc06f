package timeseries

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
)

// readTimeout bounds a read, which holds a view of the store open and may have to look through many points for a rare
// category.
const readTimeout = 10 * time.Second

// Routes mounts the REST API on g, which is /api/v4 behind authentication:
//
//	GET  /data/<topic>          points of a range, oldest first; with interval aggregates; with points down-sampled;
//	                            with format=csv or ndjson all of the range as a stream
//	GET  /data/<topic>/latest   the newest points, newest first; without pageSize the newest one also bare
//	POST /data/<topic>          points of one series: CSV, NDJSON or InfluxDB's line protocol
//	POST /data                  points of several series: NDJSON or line protocol
//	GET  /query, POST /query    the same as GET /data for several series at once
//	GET  /series                what the series cost: points, bytes, oldest, newest, when they go
//	GET, PUT /retention         how long the account keeps points and roll-ups
//
// The topic comes with plain slashes or as one escaped segment. A last segment "latest" after a plain slash is always the
// second form: a channel of that name is read with its slash escaped, …%2Flatest, or with one more /latest.
func (s *Service) Routes(g *echo.Group) {
	g.GET("/data/*", s.getData)
	g.POST("/data/*", s.postData)
	g.POST("/data", s.postData)
	g.GET("/query", s.getQuery)
	g.POST("/query", s.postQuery)
	g.GET("/series", s.getSeries)
	g.GET("/retention", s.getRetention)
	g.PUT("/retention", s.putRetention)
}

type meta struct {
	TimeSpent   int64  `json:"timeSpent"` // milliseconds
	Start       string `json:"start"`     // time of the first point of this answer
	End         string `json:"end"`       // time of the last one
	Count       int    `json:"count"`     // points in this answer
	PagingToken string `json:"pagingToken,omitempty"`
}

// view is how an answer is to look.
type view struct {
	omitNull bool
	epoch    bool
	format   string // "", csv or ndjson
}

func parseView(values url.Values) (v view, err error) {
	if s := values.Get("omitNull"); s != "" {
		var ok bool
		if v.omitNull, ok = rest.Bool(s); !ok {
			return v, fault.Field("omitNull", "This must be true or false.")
		}
	}
	switch values.Get("timeFormat") {
	case "", "iso":
	case "epoch":
		v.epoch = true
	default:
		return v, fault.Field("timeFormat", "This must be iso, or epoch for milliseconds.")
	}
	switch v.format = values.Get("format"); v.format {
	case "json":
		v.format = ""
	case "", formatCSVName, formatNDJSONName:
	default:
		return v, fault.Field("format", "This must be json, csv or ndjson.")
	}
	return v, nil
}

func (s *Service) getData(c echo.Context) error {
	began := time.Now()
	topic, latest, err := topicOf(c)
	if err != nil {
		return err
	}
	q, err := ParseQuery(c.QueryParams())
	if err != nil {
		return err
	}
	v, err := parseView(c.QueryParams())
	if err != nil {
		return err
	}
	if err := s.mayRead(rest.Caller(c), topic); err != nil {
		return err
	}
	bare := latest && !c.QueryParams().Has("pageSize")
	if bare {
		q.PageSize = 1
	}
	q.Account, q.Topic, q.Newest = rest.Caller(c).AccountID, topic, latest
	if latest && (len(q.Aggregate) > 0 || q.Points > 0 || v.format != "") {
		return fault.Field("interval", "The latest points come as they are; ask for a range to aggregate, down-sample or export.")
	}
	if v.format != "" {
		return s.export(c, q, v)
	}
	j := newAnswer(v)
	defer j.release()
	j.buf = append(j.buf, '{')
	n, err := s.answer(c.Request().Context(), j, q, bare, began)
	if err != nil {
		return err
	}
	if n == 0 {
		return noData(topic)
	}
	return j.send(c)
}

// send closes the object and sends it.
func (j *jsonBuffer) send(c echo.Context) error {
	j.buf = append(j.buf, "}\n"...)
	header := c.Response().Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(j.buf))) // so that a long answer goes out whole and not in small pieces
	return c.JSONBlob(http.StatusOK, j.buf)
}

// answer appends the members of the answer for one series and returns how many results there are. With bare, the members
// of the first point stand beside meta and result: some clients read a single latest point there.
func (s *Service) answer(ctx context.Context, j *jsonBuffer, q Query, bare bool, began time.Time) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	switch {
	case len(q.Aggregate) > 0:
		rows, err := s.Aggregate(ctx, q)
		if err != nil {
			return 0, err
		}
		j.rows(rows, q.Aggregate, time.Since(began))
		return len(rows), nil
	case q.Points > 0:
		points, err := s.Downsample(ctx, q)
		if err != nil {
			return 0, err
		}
		j.points(points, "", time.Since(began))
		return len(points), nil
	}
	page, err := s.Read(ctx, q)
	if err != nil || len(page.Points) == 0 {
		return 0, err
	}
	if bare {
		j.members(&page.Points[0])
	}
	j.points(page.Points, page.Token, time.Since(began))
	return len(page.Points), nil
}

// mayRead asks for permission. A topic of another account gets the answer of an unknown one: nobody learns what other
// accounts have.
func (s *Service) mayRead(p auth.Principal, topic string) error {
	if account, owned := accountOf(topic); owned && account != p.AccountID {
		return noData(topic)
	}
	return s.access.MayRead(p, topic)
}

func noData(topic string) error {
	return fault.New(fault.NotFound, "There is no data for the topic %q in this range.", topic)
}

// topicOf returns the topic of the request's path, and whether its latest points are asked for.
func topicOf(c echo.Context) (topic string, latest bool, err error) {
	mount := strings.TrimSuffix(c.Path(), "*")
	escaped := strings.TrimPrefix(c.Request().URL.EscapedPath(), mount)
	if c.Request().Method == http.MethodGet {
		escaped, latest = strings.CutSuffix(escaped, "/latest")
	}
	topic, err = url.PathUnescape(escaped)
	if err != nil || topic == "" {
		return "", false, fault.Field("topic", "The path must be data/ and a topic.")
	}
	return topic, latest, nil
}

// accountOf returns the account a platform topic belongs to; owned is false for other topics, which are the caller's own.
func accountOf(topic string) (account string, owned bool) {
	tail, owned := strings.CutPrefix(topic, "xi/blue/v1/")
	account, _, _ = strings.Cut(tail, "/")
	return account, owned
}
