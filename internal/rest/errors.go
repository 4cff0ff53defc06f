package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"xively/internal/fault"
)

// RetryAfter is a cause for a TooMany or Unavailable fault: it says in the Retry-After header when to come back.
// Without it the header says one second.
type RetryAfter time.Duration

func (r RetryAfter) Error() string { return "retry after " + time.Duration(r).String() }

// problem is an error made ready to be shown.
type problem struct {
	status  int
	message string
	field   string // "" when no single field is at fault
	retry   time.Duration
}

type detail struct {
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
}

// ErrorHandler turns whatever a handler returned into the one error answer. A fault is shown with its message; any
// other error is logged with its cause and shown as a plain internal error, to be found again by its request id.
func ErrorHandler(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		p := problemOf(err)
		id := requestID(c)
		logProblem(log, c, p, id, err)
		if c.Response().Committed {
			return
		}
		h := c.Response().Header()
		h.Set("Cache-Control", "no-store")
		switch p.status {
		case http.StatusUnauthorized:
			h.Set("WWW-Authenticate", "Bearer")
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			h.Set("Retry-After", strconv.Itoa(int((p.retry+time.Second-1)/time.Second)))
		}
		switch {
		case c.Request().Method == http.MethodHead:
			err = c.NoContent(p.status)
		case wantsPage(c):
			err = sendErrorPage(c, p, id)
		default:
			err = c.JSON(p.status, p.body(plainErrors(c), id))
		}
		if err != nil {
			log.Debug("error answer not written", "request_id", id, "err", err)
		}
	}
}

// problemOf is the one switch from kinds of errors to status codes.
func problemOf(err error) problem {
	var f *fault.Error
	var he *echo.HTTPError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return faultProblem(f)
	case errors.As(err, &he):
		return echoProblem(he)
	case errors.As(err, &tooLarge):
		return problem{status: http.StatusRequestEntityTooLarge,
			message: fmt.Sprintf("The request body is longer than %d bytes.", tooLarge.Limit)}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problem{status: http.StatusServiceUnavailable, retry: time.Second,
			message: "The request took too long and was given up. Try again."}
	}
	return internalProblem()
}

func internalProblem() problem {
	return problem{status: http.StatusInternalServerError,
		message: "Something failed on the server. Report this with the requestId."}
}

func faultProblem(f *fault.Error) problem {
	p := problem{message: f.Message, field: f.Field}
	switch f.Kind {
	case fault.Invalid:
		p.status = http.StatusBadRequest
	case fault.Unauthenticated:
		p.status = http.StatusUnauthorized
	case fault.Forbidden:
		p.status = http.StatusForbidden
	case fault.NotFound:
		p.status = http.StatusNotFound
	case fault.Conflict:
		p.status = http.StatusConflict
	case fault.Stale:
		p.status = http.StatusPreconditionFailed
	case fault.TooLarge:
		p.status = http.StatusRequestEntityTooLarge
	case fault.Unprocessable:
		p.status = http.StatusUnprocessableEntity
	case fault.TooMany:
		p.status = http.StatusTooManyRequests
		p.retry = retryAfter(f)
	case fault.Unavailable:
		p.status = http.StatusServiceUnavailable
		p.retry = retryAfter(f)
	default:
		return internalProblem()
	}
	return p
}

func retryAfter(err error) time.Duration {
	var r RetryAfter
	if errors.As(err, &r) && r > 0 {
		return time.Duration(r)
	}
	return time.Second
}

// echoProblem shows what the router and its middleware refuse: unknown route, wrong method, wrong content type.
func echoProblem(he *echo.HTTPError) problem {
	p := problem{status: he.Code, retry: time.Second}
	switch he.Code {
	case http.StatusNotFound:
		p.message = "There is nothing at this path."
	case http.StatusMethodNotAllowed:
		p.message = "This path does not take this method; the Allow header names those it takes."
	default:
		if text, ok := he.Message.(string); ok && he.Code < 500 {
			p.message = text
		} else if he.Code < 400 || he.Code >= 500 && he.Code != http.StatusServiceUnavailable {
			return internalProblem()
		} else {
			p.message = http.StatusText(he.Code)
		}
	}
	return p
}

func (p problem) body(plain bool, requestID string) map[string]any {
	phrase := http.StatusText(p.status)
	if phrase == "" {
		phrase = "Error"
	}
	details := []detail{{Message: p.message, Field: p.field}}
	body := map[string]any{"statusCode": p.status, "message": p.message, "requestId": requestID}
	if plain {
		body["error"] = phrase
		if p.field != "" {
			body["details"] = details
		}
		return body
	}
	body["error"] = map[string]any{
		"code": strings.ReplaceAll(phrase, " ", ""), "message": p.message, "details": details,
	}
	return body
}

func logProblem(log *slog.Logger, c echo.Context, p problem, id string, err error) {
	level := slog.LevelDebug
	switch {
	case p.status == http.StatusServiceUnavailable && c.Request().Context().Err() == nil:
		level = slog.LevelWarn
	case p.status >= 500 && p.status != http.StatusServiceUnavailable:
		level = slog.LevelError
	}
	// The route's pattern and not the path: ids and what people put in queries stay out of the log.
	log.Log(c.Request().Context(), level, "request failed", "request_id", id, "status", p.status,
		"method", c.Request().Method, "route", c.Path(), "err", err)
}

const plainKey = "rest.plain_errors"

// PlainErrors makes a route answer errors in the identity service's shape: {"statusCode","error":"Unauthorized","message"}.
// It must come before any middleware that can refuse.
func PlainErrors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(plainKey, true)
		return next(c)
	}
}

func plainErrors(c echo.Context) bool {
	plain, _ := c.Get(plainKey).(bool)
	return plain
}

// RequestID gives each request a fresh id in the X-Request-Id answer header. An id sent by the caller is not taken over:
// it would let callers write into the log.
func RequestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		requestID(c)
		return next(c)
	}
}

func requestID(c echo.Context) string {
	h := c.Response().Header()
	if id := h.Get(echo.HeaderXRequestID); id != "" {
		return id
	}
	id := uuid.NewString()
	if !c.Response().Committed {
		h.Set(echo.HeaderXRequestID, id)
	}
	return id
}
