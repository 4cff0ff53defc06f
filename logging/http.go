package logging

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
)

// searchTimeout bounds a search, which holds a view of the store open while it looks through entries.
const searchTimeout = 10 * time.Second

// Routes mounts the REST API on g, which is /api/v1 behind authentication:
//
//	POST /logs/search           entries of the caller's account, for its account users
func (s *Service) Routes(g *echo.Group) {
	g.POST("/logs/search", s.postSearch)
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
	caller := rest.Caller(c)
	if caller.Kind != auth.AccountUser {
		return fault.New(fault.Forbidden, "Only account users may search the logs; you are signed in as %s.", caller.Kind)
	}
	body, err := rest.Body(c)
	if err != nil {
		return err
	}
	q, err := ParseQuery(body, caller.AccountID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), searchTimeout)
	defer cancel()
	found, err := s.Search(ctx, caller.AccountID, q)
	if err != nil {
		return err
	}
	answer := searchAnswer{hits{Total: found.Total, Hits: make([]hitJSON, len(found.Entries))}}
	for i, e := range found.Entries {
		answer.Hits.Hits[i] = hitJSON{Index: "logs", Type: "log", ID: e.ID, Source: e}
	}
	return rest.JSON(c, answer)
}
