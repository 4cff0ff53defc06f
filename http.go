package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"xively/console"
	"xively/internal/fault"
	"xively/internal/openapi"
	"xively/internal/rest"
	"xively/storage"
)

// Limits of every HTTP connection. A WebSocket leaves them behind when it is handed to the broker, which has its own.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 60 * time.Second  // headers and body
	writeTimeout   = 120 * time.Second // to the last byte of the answer
	idleTimeout    = 120 * time.Second
	handlerTimeout = 60 * time.Second
	maxHeaderBytes = 16 << 10
	maxBody        = 1 << 20
)

// newRouter returns the one router behind both the local and the TLS port: what applies to every request, in order, and
// who answers where.
func newRouter(p *platform) (*echo.Echo, error) {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // X-Forwarded-… and the like are whatever a client writes there
	e.HTTPErrorHandler = whileStoreFails(rest.ErrorHandler(p.log))
	e.Use(
		rest.RequestID,
		logRequests(p.log),
		recoverPanics(p.log),
		securityHeaders(p.certs.public()),
		allowOrigins(p.cfg.REST.Origins),
		boundRequests,
		refuseWhileFull(p.db),
	)

	signedIn := p.identity.Authenticate
	p.identity.Routes(e.Group("/api/v1", rest.PlainErrors))
	p.identity.OpenIDRoutes(e.Group("")) // no middleware: echo would answer every other path for the group
	p.blueprint.Routes(e.Group("/api/v1", signedIn, p.streams.follow))
	p.logs.Routes(e.Group("/api/v1", signedIn, p.adminsOf("the log"), p.streams.follow))
	p.messagingRoutes(e.Group("/api/v1", signedIn, p.adminsOf("the MQTT clients")))
	p.operate.Routes(e.Group("/api/v1", signedIn, p.adminsOf("the overview, limits and backups"), p.streams.follow))
	p.timeseries.Routes(e.Group("/api/v4", signedIn, p.streams.follow))
	e.POST("/messaging/publish/*", p.publish, basicOr(authenticator{identity: p.identity, directory: p.blueprint}, p.events, signedIn))
	e.Any(webSocketPath, echo.WrapHandler(p.broker.WebSocket()))
	e.GET("/healthz", p.health)
	e.GET("/metrics", p.sendMetrics)
	e.GET("/ca.pem", p.authority)
	if err := openapi.Routes(e.Group("")); err != nil {
		return nil, err
	}
	for _, prefix := range []string{"/api", "/messaging"} { // the console must not answer for a mistyped route
		e.Any(prefix+"/*", func(echo.Context) error { return echo.ErrNotFound })
	}
	return e, console.Routes(e.Group(""), p.consoleSettings)
}

// consoleSettings is what /settings.json tells everybody.
func (p *platform) consoleSettings() console.Settings {
	_, setup := p.identity.SetupToken()
	return console.Settings{
		TLSPort: port(p.listeners.tls), MQTTSPort: port(p.listeners.mqtts), LocalPort: port(p.listeners.local), MQTTPort: port(p.listeners.mqtt),
		Authority: !p.certs.public(), PublicURL: p.cfg.Identity.PublicURL, Setup: setup, MaxMind: p.cfg.Blueprint.GeoIPFile != "", Version: version(),
	}
}

const webSocketPath = "/mqtt"

// boundRequests gives every request a longest body and, but for those of live.go, a longest time. A WebSocket has neither.
func boundRequests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Path() == webSocketPath {
			return next(c)
		}
		r := c.Request()
		most, long := bodyLimit(r.Method, c.Path())
		if r.ContentLength > most {
			return &http.MaxBytesError{Limit: most}
		}
		if !long {
			ctx, cancel := context.WithTimeout(r.Context(), handlerTimeout)
			defer cancel()
			r = r.WithContext(ctx)
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, most)
		c.SetRequest(r)
		return next(c)
	}
}

// whileStoreFails tells callers to come back where the reason is that the store stands still: the process is about to end
// and to be started anew.
func whileStoreFails(next echo.HTTPErrorHandler) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if errors.Is(err, storage.ErrFull) && fault.KindOf(err) == fault.Internal {
			err = fault.Wrap(fault.Unavailable, err, "The server's store is full. Nothing was changed; delete something or ask the operator for room, then try again.")
		}
		if errors.Is(err, storage.ErrFailed) || errors.Is(err, storage.ErrClosed) {
			err = fault.Wrap(fault.Unavailable, err, "The server cannot store anything now. Nothing was changed as far as it is known; try again in a moment.")
		}
		next(err, c)
	}
}

// refuseWhileFull turns new data away while the store has no room for it. What reads, deletes or lets people in goes on.
func refuseWhileFull(db *storage.DB) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			full := db.Full()
			if full == nil || !bringsData(c.Request().Method, c.Path()) {
				return next(c)
			}
			return fault.Wrap(fault.Unavailable, errors.Join(full, rest.RetryAfter(10*time.Second)),
				"The server's store is full. Nothing was changed; delete something or ask the operator for room, then try again.")
		}
	}
}

// bringsData says whether a request may make the store larger. Sign-ins and searches by POST do so by next to nothing.
func bringsData(method, route string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		letsIn := strings.HasPrefix(route, "/api/v1/auth/") || strings.HasPrefix(route, "/oauth2/")
		return !letsIn && !strings.HasSuffix(route, "/search") && !strings.HasSuffix(route, "/clear")
	}
	return false
}

// newHTTPServer serves handler on any number of listeners, within the limits above.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           restoreTLS(handler),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken connections of strangers
		ConnContext:       rememberTLS,
	}
}

type tlsStateKey struct{}

// tlsStater is a connection of the shared port whose first byte was looked at.
type tlsStater interface{ TLSState() tls.ConnectionState }

// rememberTLS keeps the connection for restoreTLS: net/http fills Request.TLS for a bare *tls.Conn only, and without
// it an encrypted request would look like one in clear text, and get cookies without Secure.
func rememberTLS(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(tlsStater); ok {
		return context.WithValue(ctx, tlsStateKey{}, t)
	}
	return ctx
}

func restoreTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t, ok := r.Context().Value(tlsStateKey{}).(tlsStater); ok && r.TLS == nil {
			state := t.TLSState()
			r.TLS = &state
		}
		next.ServeHTTP(w, r)
	})
}

// logRequests writes a line for each request at debug level. The route's pattern stands for the path, which may hold
// ids; queries, which may hold tokens, stay out.
func logRequests(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if !log.Enabled(c.Request().Context(), slog.LevelDebug) {
				return next(c)
			}
			began := time.Now()
			err := next(c)
			if err != nil {
				c.Error(err) // decides the status; a second call finds the answer written and does nothing
			}
			log.Debug("request", "request_id", c.Response().Header().Get(echo.HeaderXRequestID), "method", c.Request().Method,
				"route", c.Path(), "status", c.Response().Status, "bytes", c.Response().Size, "took", time.Since(began),
				"remote", c.Request().RemoteAddr)
			return nil
		}
	}
}

// recoverPanics ends a request that hit a bug of ours like any other internal error; the process lives on.
func recoverPanics(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				switch r := recover(); r {
				case nil:
				case http.ErrAbortHandler: // a handler's way to cut the connection
					panic(r)
				default:
					log.Error("panic in a request handler", "route", c.Path(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
					err = errPanic
				}
			}()
			return next(c)
		}
	}
}

var errPanic = errors.New("a request handler panicked")

// securityHeaders tells browsers to take scripts, styles and everything else from here only and to show our pages in
// nobody's frame. A year of HTTPS is promised only where the certificate is one that browsers trust, and by name: on a
// private one the promise would lock people out of http://localhost.
func securityHeaders(public bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h := c.Response().Header()
			h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("X-Frame-Options", "DENY")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
			if public && c.Request().TLS != nil && c.Request().TLS.ServerName != "localhost" {
				h.Set("Strict-Transport-Security", "max-age=31536000")
			}
			return next(c)
		}
	}
}

// health answers 200 while the store takes writes, 503 after it failed. It tells nothing else to strangers.
func (p *platform) health(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	if p.db.Err() != nil {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "failed"})
	}
	if p.db.Full() != nil {
		return c.JSON(http.StatusOK, map[string]string{"status": "full"}) // a restart would not help
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// authority hands out the private authority's certificate, which is public by nature.
func (p *platform) authority(c echo.Context) error {
	if p.certs.public() {
		return echo.ErrNotFound
	}
	c.Response().Header().Set("Cache-Control", "no-cache")
	c.Response().Header().Set("Content-Type", "application/x-pem-file")
	return c.File(p.certs.authority())
}
