package operate

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/rest"
)

// Live is what GET /overview/live sends as event "figures".
type Live struct {
	Time    string  `json:"time"`
	Counts  Counts  `json:"counts"`
	Traffic Traffic `json:"traffic"`
	Rates   Rates   `json:"rates"`
	// Severities are log entries of the last 24 hours; null in events in between.
	Severities map[string]int `json:"severities"`
}

const (
	liveEvery = 2 * time.Second
	logsEvery = 5 // events between two counts of the log
)

// getLive answers until the client goes or the request's context ends.
func (s *Service) getLive(c echo.Context) error {
	account := rest.Caller(c).AccountID
	ctx := c.Request().Context()
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies must not wait for more
	control := http.NewResponseController(c.Response())
	_ = control.SetReadDeadline(time.Time{}) // the end of the time to read is not the end of the client
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		data, err := s.live(ctx, account, n%logsEvery == 0)
		if err != nil {
			if n == 0 {
				return err
			}
			return nil
		}
		if n == 0 {
			c.Response().WriteHeader(http.StatusOK)
			data = "retry: 2000\n\n" + data
		}
		if _, err := c.Response().Write([]byte(data)); err != nil {
			return nil // the client is gone
		}
		if err := control.Flush(); err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Service) live(ctx context.Context, account string, logs bool) (string, error) {
	now := s.now()
	v := Live{Time: rest.Time(now)}
	var err error
	if v.Counts, err = s.source.Counts(account); err != nil {
		return "", err
	}
	v.Traffic, v.Rates = s.look(account)
	if logs {
		if f, err := s.logFigures(ctx, account, now); err == nil { // else the overview says so
			v.Severities = f.Severities
		}
	}
	text, err := json.Marshal(v)
	return "event: figures\ndata: " + string(text) + "\n\n", err
}
