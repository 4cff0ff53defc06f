package main

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// What pages of other sites may send, and read of an answer: what browser clients of the API use.
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Accept, AccessToken, Authorization, Content-Type, ETag, Last-Event-ID, X-HTTP-Method-Override, X-Requested-With, xively-csrf-token"
	corsExposed = "xively-access-token, X-Request-Id, Retry-After"
	corsMaxAge  = "600" // seconds a browser may keep the answer to its question
)

// allowOrigins lets pages of the named origins call the API; without any, browsers let none. An origin is answered by its
// name and never by *, because cookies may come along. What a cookie may do from another site's page rest decides.
func allowOrigins(origins []string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, h := c.Request(), c.Response().Header()
			if len(origins) == 0 || !crossOriginPath(r.URL.Path) {
				return next(c)
			}
			h.Add("Vary", "Origin")
			origin := r.Header.Get("Origin")
			if !slices.Contains(origins, origin) {
				return next(c)
			}
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", corsExposed)
			if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
				return next(c)
			}
			h.Set("Access-Control-Allow-Methods", corsMethods)
			h.Set("Access-Control-Allow-Headers", corsHeaders)
			h.Set("Access-Control-Max-Age", corsMaxAge)
			return c.NoContent(http.StatusNoContent)
		}
	}
}

func crossOriginPath(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/messaging/") || path == "/oauth2/token" || path == "/oauth2/userinfo"
}
