package timeseries

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// readTimeout bounds a read, which holds a view of the store open and may have to look through many points for a rare
// category.
const readTimeout = 10 * time.Second

// Routes mounts the REST API on g, which is /api/v4 behind authentication:
//
//	GET /data/<topic>           points of a range, oldest first
//	GET /data/<topic>/latest    the newest points, newest first; without pageSize the newest one also bare
//
// The topic comes with plain slashes or as one escaped segment. A last segment "latest" after a plain slash is always the
// second form: a channel of that name is read with its slash escaped, …%2Flatest, or with one more /latest.
func (s *Service) Routes(g *echo.Group) {
	g.GET("/data/*", s.getData)
}

type meta struct {
	TimeSpent   int64  `json:"timeSpent"` // milliseconds
	Start       string `json:"start"`     // time of the first point of this answer
	End         string `json:"end"`       // time of the last one
	Count       int    `json:"count"`     // points in this answer
	PagingToken string `json:"pagingToken,omitempty"`
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
	omitNull := false
	if v := c.QueryParam("omitNull"); v != "" {
		var ok bool
		if omitNull, ok = rest.Bool(v); !ok {
			return fault.Field("omitNull", "This must be true or false.")
		}
	}
	caller := rest.Caller(c)
	if account, owned := accountOf(topic); owned && account != caller.AccountID {
		return noData(topic) // what an unknown topic gets: nobody learns what other accounts have
	}
	if err := s.access.MayRead(caller, topic); err != nil {
		return err
	}
	bare := latest && !c.QueryParams().Has("pageSize")
	if bare {
		q.PageSize = 1
	}
	q.Account, q.Topic, q.Newest = caller.AccountID, topic, latest
	ctx, cancel := context.WithTimeout(c.Request().Context(), readTimeout)
	defer cancel()
	page, err := s.Read(ctx, q)
	if err != nil {
		return err
	}
	if len(page.Points) == 0 {
		return noData(topic)
	}
	return rest.JSON(c, answer(page, omitNull, bare, time.Since(began)))
}

func noData(topic string) error {
	return fault.New(fault.NotFound, "There is no data for the topic %q in this range.", topic)
}

// answer builds the body. With bare, the members of the first point stand beside meta and result: some clients read a
// single latest point there.
func answer(page Page, omitNull, bare bool, spent time.Duration) map[string]any {
	result := make([]map[string]any, len(page.Points))
	for i, p := range page.Points {
		result[i] = p.members(omitNull)
	}
	body := map[string]any{}
	if bare {
		body = page.Points[0].members(omitNull)
	}
	body["result"] = result
	body["meta"] = meta{
		TimeSpent:   spent.Milliseconds(),
		Start:       formatTime(page.Points[0].Time),
		End:         formatTime(page.Points[len(page.Points)-1].Time),
		Count:       len(page.Points),
		PagingToken: page.Token,
	}
	return body
}

func (p *Point) members(omitNull bool) map[string]any {
	m := map[string]any{"time": formatTime(p.Time)}
	set := func(has Members, name string, v any) {
		if p.Has&has != 0 {
			m[name] = v
		} else if !omitNull {
			m[name] = nil
		}
	}
	set(HasCategory, "category", p.Category)
	set(HasNumeric, "numericValue", p.Numeric)
	set(HasString, "stringValue", p.String)
	return m
}

// formatTime writes whole seconds: a client in the field drops dates with milliseconds.
func formatTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z")
}

// topicOf returns the topic of the request's path, and whether its latest points are asked for.
func topicOf(c echo.Context) (topic string, latest bool, err error) {
	mount := strings.TrimSuffix(c.Path(), "*")
	escaped := strings.TrimPrefix(c.Request().URL.EscapedPath(), mount)
	escaped, latest = strings.CutSuffix(escaped, "/latest")
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
