package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"xively/blueprint"
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/timeseries"
)

// Most requests are small and soon over, and http.go bounds them so. These are not; what replaces the bounds is given to
// those only who have shown a token.

const (
	tailRoute     = "/api/v1/logs/tail"
	overviewRoute = "/api/v1/overview/live"
	backupRoute   = "/api/v1/backups/:name/file"
)

// streamRoutes answer for as long as the client reads on.
var streamRoutes = map[string]bool{
	tailRoute: true, overviewRoute: true, backupRoute: true, "/api/v1/logs/export": true, "/api/v1/export": true, "/api/v1/devices/export": true,
}

// uploadRoutes take a POST with a longer body, in bytes, and may work on it for uploadTime.
var uploadRoutes = map[string]int64{
	"/api/v1/devices/import": blueprint.MaxImportBytes, "/api/v1/import": blueprint.MaxDirectoryBytes,
	"/api/v4/data": timeseries.MaxBulkBytes, "/api/v4/data/*": timeseries.MaxBulkBytes,
}

const (
	// streamLife ends a stream although its reader is still there. Who comes back, as browsers' event sources do by
	// themselves, shows a token again: a session that has run out by its age ends live views this way.
	streamLife = time.Hour
	// streamWrite is how long the reader of a stream may take for a piece of it.
	streamWrite = 30 * time.Second
	uploadTime  = 10 * time.Minute
	// recheck is how soon a live view ends after the right to it.
	recheck = 4 * time.Second
)

// bodyLimit returns the longest body of a request, and whether it is one of the long ones.
func bodyLimit(method, route string) (most int64, long bool) {
	if most, ok := uploadRoutes[route]; ok && method == http.MethodPost {
		return most, true
	}
	return maxBody, streamRoutes[route]
}

// streams are the requests on streamRoutes that are being answered, to be ended with the sign-in they were made with.
type streams struct {
	stillMay func(auth.Principal) error // asked about the caller of a live view every recheck; nil: not asked

	mu     sync.Mutex
	open   map[*stream]bool
	closed bool
}

type stream struct {
	who auth.Principal
	end context.CancelFunc
}

// follow gives the long requests their own bounds. It stands behind authentication.
func (s *streams) follow(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		_, long := bodyLimit(c.Request().Method, c.Path())
		switch {
		case streamRoutes[c.Path()]:
			return s.stream(c, next)
		case long:
			return upload(c, next)
		}
		return next(c)
	}
}

func (s *streams) stream(c echo.Context, next echo.HandlerFunc) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), streamLife)
	defer cancel()
	one := &stream{rest.Caller(c), cancel}
	if !s.add(one) {
		return fault.New(fault.Unavailable, "The server is stopping. Try again in a moment.")
	}
	defer s.remove(one)
	if (c.Path() == tailRoute || c.Path() == overviewRoute) && s.stillMay != nil {
		go s.watch(ctx, one) // ends with the request
	}
	plain := c.Response().Writer
	deadlines := http.NewResponseController(plain)
	// What is read beside a long answer is the end of the connection; a deadline would be taken for it.
	_ = deadlines.SetReadDeadline(time.Time{}) // a member of a batch has none
	c.Response().Writer = &pacedWriter{plain, ctx, deadlines}
	defer func() { c.Response().Writer = plain }() // an error is still to be answered
	c.SetRequest(c.Request().WithContext(ctx))
	err := next(c)
	if err != nil && c.Response().Committed {
		panic(http.ErrAbortHandler) // nobody may take the part that was sent for the whole
	}
	return err
}

// pacedWriter bounds each write, and ends when its context does.
type pacedWriter struct {
	http.ResponseWriter
	ctx       context.Context
	deadlines *http.ResponseController
}

func (w *pacedWriter) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	_ = w.deadlines.SetWriteDeadline(time.Now().Add(streamWrite))
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func upload(c echo.Context, next echo.HandlerFunc) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), uploadTime)
	defer cancel()
	deadlines, end := http.NewResponseController(c.Response().Writer), time.Now().Add(uploadTime)
	_ = deadlines.SetReadDeadline(end)
	_ = deadlines.SetWriteDeadline(end.Add(writeTimeout))
	c.SetRequest(c.Request().WithContext(ctx))
	return next(c)
}

// watch ends a live view whose caller may not see it any more.
func (s *streams) watch(ctx context.Context, one *stream) {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.stillMay(one.who) != nil {
				one.end()
				return
			}
		}
	}
}

func (s *streams) add(one *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.open == nil {
		s.open = map[*stream]bool{}
	}
	s.open[one] = true
	return true
}

func (s *streams) remove(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
}

// end ends the streams whose caller matches.
func (s *streams) end(match func(auth.Principal) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		if match(one.who) {
			one.end()
		}
	}
}

// close ends all streams and takes no more: a stop must not wait for them.
func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end(func(auth.Principal) bool { return true })
}
