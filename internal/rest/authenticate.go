package rest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
)

// Names clients know: the answer header and the cookie that carry the token, and the cookie beside it.
const (
	TokenName = "xively-access-token"
	CSRFName  = "xively-csrf-token"
)

// maxToken bounds a token before anything looks inside it.
const maxToken = 8 << 10

// Verifier says who a token belongs to. renewed is a fresh token for a caller whose own has run out while the session
// behind it lives, "" otherwise. Errors: fault Unauthenticated, Unavailable.
type Verifier interface {
	Verify(ctx context.Context, token string) (p auth.Principal, renewed string, err error)
}

// crossOrigin tells browsers' requests of other sites from all others, by Sec-Fetch-Site and Origin. The zero value
// trusts no origin and has no exceptions.
var crossOrigin http.CrossOriginProtection

// SameOrigin reports whether the request comes from our own pages or from something that is no browser.
func SameOrigin(r *http.Request) bool {
	// Check lets GET pass whatever its origin; ask about the origin alone.
	asked := &http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host, URL: r.URL}
	return crossOrigin.Check(asked) == nil
}

// Authenticate lets only requests with a good token through and puts their auth.Principal into the request's context.
// The token comes from "Authorization: Bearer", else from the cookie. A browser adds the cookie by itself, also for other
// sites' forms, so what it authenticates may change state only from our own origin.
func Authenticate(v Verifier) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			token, fromCookie, err := RequestToken(c)
			if err != nil {
				return err
			}
			r := c.Request()
			if fromCookie && crossOrigin.Check(r) != nil {
				return fault.New(fault.Forbidden, "A page of another site may not do this with your sign-in.")
			}
			p, renewed, err := v.Verify(r.Context(), token)
			if err != nil {
				return err
			}
			c.Response().Header().Set("Cache-Control", "no-store")
			if renewed != "" {
				SendToken(c, renewed)
			}
			c.SetRequest(r.WithContext(auth.NewContext(r.Context(), p)))
			return next(c)
		}
	}
}

// RequestToken returns the token a request carries and whether a cookie carried it. Unauthenticated when there is none
// or it cannot be a token.
func RequestToken(c echo.Context) (token string, fromCookie bool, err error) {
	header := c.Request().Header.Values("Authorization")
	switch {
	case len(header) > 1:
		return "", false, fault.New(fault.Unauthenticated, "There are two Authorization headers; send one.")
	case len(header) == 1:
		scheme, rest, _ := strings.Cut(header[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false, fault.New(fault.Unauthenticated, "The Authorization header must be: Bearer, a space, and the token.")
		}
		token = strings.TrimSpace(rest)
	default:
		if cookie, err := c.Request().Cookie(TokenName); err == nil {
			token, fromCookie = cookie.Value, true
		}
	}
	if token == "" {
		return "", false, fault.New(fault.Unauthenticated, "Sign in first: this needs a token in the Authorization header.")
	}
	if len(token) > maxToken {
		return "", false, fault.New(fault.Unauthenticated, "The token is not valid. Sign in again.")
	}
	return token, fromCookie, nil
}

// Caller returns who is calling; the zero Principal on a route without Authenticate.
func Caller(c echo.Context) auth.Principal { return auth.FromContext(c.Request().Context()) }

// SendToken gives the caller a new token in the answer header and, unless another site's page is calling, in the
// cookie: a forged sign-in must not leave somebody signed in as somebody else. The cookies end with the browser's
// session. The second one is there because clients look for it; protection rests on the origin check.
func SendToken(c echo.Context, token string) {
	c.Response().Header().Set(TokenName, token)
	if !SameOrigin(c.Request()) {
		return
	}
	setCookie(c, TokenName, token, true, 0)
	var random [16]byte
	rand.Read(random[:]) // never fails
	setCookie(c, CSRFName, base64.RawURLEncoding.EncodeToString(random[:]), false, 0)
}

// ClearToken takes the cookies back.
func ClearToken(c echo.Context) {
	setCookie(c, TokenName, "", true, -1)
	setCookie(c, CSRFName, "", false, -1)
}

func setCookie(c echo.Context, name, value string, httpOnly bool, maxAge int) {
	c.SetCookie(&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: httpOnly,
		Secure: c.Request().TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}
