package rest

import (
	"crypto/rand"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

const pageKey = "rest.page_errors"

// PageErrors shows the errors of its routes as a page to people, whose browser navigates there; programs get JSON as ever.
func PageErrors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r := c.Request(); r.Method == http.MethodGet && strings.Contains(r.Header.Get(echo.HeaderAccept), echo.MIMETextHTML) {
			c.Set(pageKey, true)
		}
		return next(c)
	}
}

// The page needs nothing of the console, which may be what is broken. It says what the JSON answer says, and where to go on.
var errorPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{.Title}} – xively</title>
<style nonce="{{.Nonce}}">
body { font: 16px/1.5 system-ui, sans-serif; max-width: 32rem; margin: 15vh auto 0; padding: 0 1.25rem }
h1 { font-size: 1.5rem; line-height: 1.25 }
small { opacity: .75; overflow-wrap: anywhere }
</style>
<h1>{{.Title}}</h1>
<p>{{.Message}}</p>
<p><a href="/sign-in">Go to the sign-in</a></p>
<p><small>Request {{.ID}}</small></p>
</html>
`))

func sendErrorPage(c echo.Context, p problem, id string) error {
	nonce := rand.Text()
	c.Response().Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'nonce-"+nonce+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	var b strings.Builder
	title := "This did not work"
	if p.status == http.StatusServiceUnavailable {
		title = "This does not work right now"
	}
	if err := errorPage.Execute(&b, map[string]any{"Title": title, "Message": p.message, "ID": id, "Nonce": nonce}); err != nil {
		return err
	}
	return c.HTML(p.status, b.String())
}

func wantsPage(c echo.Context) bool {
	page, _ := c.Get(pageKey).(bool)
	return page
}
