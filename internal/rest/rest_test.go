package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest/resttest"
)

func newEcho(log *slog.Logger) *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = ErrorHandler(log)
	e.Use(RequestID)
	return e
}

func TestErrorAnswers(t *testing.T) {
	var log strings.Builder
	e := newEcho(slog.New(slog.NewTextHandler(&log, nil)))
	faults := map[string]error{
		"invalid":       fault.Field("name", "It is too long."),
		"unauth":        fault.New(fault.Unauthenticated, "Sign in."),
		"forbidden":     fault.New(fault.Forbidden, "Not yours."),
		"notfound":      fault.New(fault.NotFound, "No such device."),
		"conflict":      fault.New(fault.Conflict, "It exists."),
		"stale":         fault.New(fault.Stale, "Read again."),
		"toolarge":      fault.New(fault.TooLarge, "Over 1 MiB."),
		"toomany":       fault.Wrap(fault.TooMany, RetryAfter(90*time.Second), "Wait."),
		"unavailable":   fault.New(fault.Unavailable, "Starting."),
		"unprocessable": fault.New(fault.Unprocessable, "No code."),
		"internal":      fault.Wrap(fault.Internal, errors.New("disk sda1 on fire"), "secret detail"),
		"unmarked":      errors.New("open /var/lib/x: no such file"),
		"wrapped":       fmt.Errorf("list devices: %w", fault.New(fault.NotFound, "No such group.")),
		"teapot":        echo.NewHTTPError(http.StatusTeapot, "short and stout"),
		"echo500":       echo.NewHTTPError(http.StatusBadGateway, "10.0.0.7 refused"),
	}
	handle := func(c echo.Context) error { return faults[c.Param("kind")] }
	e.GET("/fault/:kind", handle)
	e.GET("/plain/:kind", handle, PlainErrors)
	e.HEAD("/head/:kind", handle)
	for _, s := range []resttest.Scenario{
		{Name: "invalid", Target: "/fault/invalid", Status: 400, Want: []string{`"statusCode":400`,
			`"error":{"code":"BadRequest","details":[{"message":"It is too long.","field":"name"}],"message":"It is too long."}`,
			`"message":"It is too long."`, `"requestId":"`, "Cache-Control: no-store", "X-Request-Id: "}},
		{Name: "unauthenticated", Target: "/fault/unauth", Status: 401, Want: []string{`"code":"Unauthorized"`, "Www-Authenticate: Bearer"}},
		{Name: "forbidden", Target: "/fault/forbidden", Status: 403, Want: []string{`"code":"Forbidden"`}},
		{Name: "not found", Target: "/fault/notfound", Status: 404, Want: []string{`"code":"NotFound"`, `[{"message":"No such device."}]`}},
		{Name: "wrapped keeps its kind", Target: "/fault/wrapped", Status: 404, Want: []string{"No such group."}, Unwanted: []string{"list devices"}},
		{Name: "conflict", Target: "/fault/conflict", Status: 409, Want: []string{`"code":"Conflict"`}},
		{Name: "stale", Target: "/fault/stale", Status: 412, Want: []string{`"code":"PreconditionFailed"`}},
		{Name: "too large", Target: "/fault/toolarge", Status: 413, Want: []string{`"code":"RequestEntityTooLarge"`}},
		{Name: "too many", Target: "/fault/toomany", Status: 429, Want: []string{`"code":"TooManyRequests"`, "Retry-After: 90"}},
		{Name: "unavailable", Target: "/fault/unavailable", Status: 503, Want: []string{`"code":"ServiceUnavailable"`, "Retry-After: 1\r\n"}},
		{Name: "unprocessable", Target: "/fault/unprocessable", Status: 422, Want: []string{`"code":"UnprocessableEntity"`}},
		{Name: "internal shows nothing", Target: "/fault/internal", Status: 500, Want: []string{`"requestId":"`}, Unwanted: []string{"sda1", "secret"}},
		{Name: "unmarked is internal", Target: "/fault/unmarked", Status: 500, Unwanted: []string{"/var/lib", "no such file"}},
		{Name: "other echo error", Target: "/fault/teapot", Status: 418, Want: []string{"short and stout", `"code":"I'mateapot"`}},
		{Name: "echo server error", Target: "/fault/echo500", Status: 500, Unwanted: []string{"10.0.0.7"}},
		{Name: "unknown route", Target: "/no/such/path", Status: 404, Want: []string{`"code":"NotFound"`}},
		{Name: "wrong method", Method: "DELETE", Target: "/fault/invalid", Status: 405, Want: []string{`"code":"MethodNotAllowed"`, "Allow: "}},
		{Name: "plain shape", Target: "/plain/unauth", Status: 401,
			Want: []string{`"error":"Unauthorized"`, `"statusCode":401`, `"message":"Sign in."`}, Unwanted: []string{"details"}},
		{Name: "plain shape with field", Target: "/plain/invalid", Status: 400,
			Want: []string{`"error":"Bad Request"`, `"details":[{"message":"It is too long.","field":"name"}]`}},
		{Name: "head has no body", Method: "HEAD", Target: "/head/notfound", Status: 404, Unwanted: []string{"statusCode"}},
		{Name: "own request id", Target: "/fault/notfound", Header: []string{"X-Request-Id: forged"}, Status: 404, Unwanted: []string{"forged"}},
	} {
		t.Run(s.Name, func(t *testing.T) { s.Run(t, e) })
	}
	if !strings.Contains(log.String(), "sda1 on fire") || !strings.Contains(log.String(), "route=/fault/:kind") {
		t.Errorf("the log lacks the cause or the route:\n%s", log.String())
	}
}

func TestBody(t *testing.T) {
	e := newEcho(slog.New(slog.DiscardHandler))
	e.POST("/", func(c echo.Context) error {
		body, err := Body(c)
		if err != nil {
			return err
		}
		return One(c, "body", body)
	})
	const form, jsonType = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json; charset=utf-8"
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}" }
	for _, s := range []resttest.Scenario{
		{Name: "json", Header: []string{jsonType}, Body: `{"a":1.50,"b":[true,null,{"c":"d"}]}`, Status: 200,
			Want: []string{`{"body":{"a":1.50,"b":[true,null,{"c":"d"}]}}`, "Cache-Control: no-store"}},
		{Name: "form", Header: []string{form}, Body: "a=1&b=x+y%40z", Status: 200, Want: []string{`{"a":"1","b":"x y@z"}`}},
		{Name: "json labelled as form", Header: []string{form}, Body: ` {"a":1}`, Status: 200, Want: []string{`{"a":1}`}},
		{Name: "json not labelled", Body: `{"a":1}`, Status: 200, Want: []string{`{"a":1}`}},
		{Name: "form not labelled", Body: `a=1`, Status: 200, Want: []string{`{"a":"1"}`}},
		{Name: "json as text", Header: []string{"Content-Type: text/plain;charset=UTF-8"}, Body: `{"a":1}`, Status: 200, Want: []string{`{"a":1}`}},
		{Name: "text with our cookie", Header: []string{"Content-Type: text/plain", "Cookie: xively-access-token=x"}, Body: `{"a":1}`, Status: 415},
		{Name: "empty", Header: []string{jsonType}, Status: 200, Want: []string{`{"body":{}}`}},
		{Name: "xml", Header: []string{"Content-Type: text/xml"}, Body: `<a/>`, Status: 415, Want: []string{"UnsupportedMediaType"}},
		{Name: "latin-1", Header: []string{"Content-Type: application/json; charset=latin1"}, Body: `{}`, Status: 415},
		{Name: "gzip", Header: []string{jsonType, "Content-Encoding: gzip"}, Body: "\x1f\x8b", Status: 415},
		{Name: "broken type", Header: []string{"Content-Type: ;;"}, Body: `{}`, Status: 415},
		{Name: "array", Header: []string{jsonType}, Body: `[1]`, Status: 400, Want: []string{"must be a JSON object"}},
		{Name: "string", Body: `"a"`, Status: 400, Want: []string{"must be a JSON object"}},
		{Name: "null", Header: []string{jsonType}, Body: `null`, Status: 400},
		{Name: "cut short", Header: []string{jsonType}, Body: `{"a":`, Status: 400, Want: []string{"near byte"}},
		{Name: "NaN", Header: []string{jsonType}, Body: `{"a":NaN}`, Status: 400},
		{Name: "BOM", Header: []string{jsonType}, Body: "\ufeff{}", Status: 400},
		{Name: "trailing data", Header: []string{jsonType}, Body: `{} {}`, Status: 400, Want: []string{"after the end"}},
		{Name: "trailing garbage", Header: []string{jsonType}, Body: `{}x`, Status: 400},
		{Name: "not UTF-8", Header: []string{jsonType}, Body: "{\"a\":\"\xff\"}", Status: 400, Want: []string{"UTF-8"}},
		{Name: "not UTF-8 in form", Header: []string{form}, Body: "a=%ff", Status: 400, Want: []string{"UTF-8"}},
		{Name: "key twice", Header: []string{jsonType}, Body: `{"b":{"a":1,"\u0061":2}}`, Status: 400, Want: []string{`"field":"b.a"`}},
		{Name: "key twice in form", Header: []string{form}, Body: "a=1&a=2", Status: 400, Want: []string{`"field":"a"`}},
		{Name: "bad escape in form", Header: []string{form}, Body: "a=%zz", Status: 400},
		{Name: "deepest", Header: []string{jsonType}, Body: deep(MaxDepth), Status: 200},
		{Name: "too deep", Header: []string{jsonType}, Body: deep(MaxDepth + 1), Status: 400, Want: []string{"levels"}},
		{Name: "ten thousand levels", Header: []string{jsonType}, Body: deep(10000), Status: 400},
		{Name: "longest", Header: []string{jsonType}, Body: `{"a":"` + strings.Repeat("x", MaxBody-8) + `"}`, Status: 200},
		{Name: "too long", Header: []string{jsonType}, Body: `{"a":"` + strings.Repeat("x", MaxBody-7) + `"}`, Status: 413, Want: []string{"1048576"}},
	} {
		t.Run(s.Name, func(t *testing.T) {
			s.Method, s.Target = "POST", "/"
			s.Run(t, e)
		})
	}
}

type seen struct{ json.RawMessage }

func TestBind(t *testing.T) {
	type place struct {
		Latitude float64 `json:"latitude"`
	}
	type target struct {
		place
		Name    string         `json:"name,omitempty"`
		Count   int            `json:"count"`
		Small   uint8          `json:"small"`
		On      *bool          `json:"on"`
		At      time.Time      `json:"at"`
		Number  json.Number    `json:"number"`
		Any     any            `json:"any"`
		Places  []place        `json:"places"`
		Sizes   map[string]int `json:"sizes"`
		Raw     seen           `json:"raw"`
		Skipped string         `json:"-"`
	}
	e := newEcho(slog.New(slog.DiscardHandler))
	e.POST("/", func(c echo.Context) error {
		v := target{Name: "before", Skipped: "no"}
		if err := Bind(c, &v); err != nil {
			return err
		}
		v.Any = nil
		return One(c, "v", map[string]any{"all": v, "latitude": v.Latitude, "raw": string(v.Raw.RawMessage), "skipped": v.Skipped})
	})
	for _, s := range []resttest.Scenario{
		{Name: "all kinds", Body: `{"latitude":1.5,"name":"n","count":7,"small":255,"on":true,"at":"2015-04-01T12:55:18.000Z",
			"number":1.50,"any":{},"places":[{"latitude":-1}],"sizes":{"a":1},"raw":null,"Skipped":"x","other":1}`, Status: 200,
			Want: []string{`"count":7`, `"small":255`, `"on":true`, `"at":"2015-04-01T12:55:18Z"`, `"number":1.50`, `"places":[{"latitude":-1}]`,
				`"sizes":{"a":1}`, `"raw":"null"`, `"skipped":"no"`, `"latitude":1.5`}},
		{Name: "form", Body: "count=7&on=true&latitude=1.5&number=2", Status: 200,
			Want: []string{`"count":7`, `"on":true`, `"latitude":1.5`, `"number":2`, `"name":"before"`}},
		{Name: "null leaves alone", Body: `{"name":null,"at":null,"on":null,"count":null}`, Status: 200, Want: []string{`"name":"before"`, `"on":null`}},
		{Name: "case matters", Body: `{"NAME":"x"}`, Status: 200, Want: []string{`"name":"before"`}},
		{Name: "whole as float", Body: `{"count":1e3}`, Status: 200, Want: []string{`"count":1000`}},
		{Name: "number for string", Body: `{"name":1}`, Status: 400, Want: []string{`"field":"name"`}},
		{Name: "fraction for whole", Body: `{"count":1.5}`, Status: 400, Want: []string{`"field":"count"`}},
		{Name: "overflow", Body: `{"small":256}`, Status: 400, Want: []string{`"field":"small"`}},
		{Name: "negative unsigned", Body: `{"small":-1}`, Status: 400, Want: []string{`"field":"small"`}},
		{Name: "huge", Body: `{"latitude":1e999}`, Status: 400, Want: []string{`"field":"latitude"`}},
		{Name: "NaN text", Body: `{"latitude":"NaN"}`, Status: 400},
		{Name: "hex text", Body: `{"latitude":"0x10"}`, Status: 400},
		{Name: "words for number", Body: `{"number":"many"}`, Status: 400},
		{Name: "bad bool", Body: `{"on":"perhaps"}`, Status: 400, Want: []string{`"field":"on"`}},
		{Name: "bad time", Body: `{"at":"yesterday"}`, Status: 400, Want: []string{`"field":"at"`}},
		{Name: "deep field", Body: `{"places":[{},{"latitude":{}}]}`, Status: 400, Want: []string{`"field":"places[1].latitude"`}},
		{Name: "object for array", Body: `{"places":{}}`, Status: 400},
		{Name: "array for map", Body: `{"sizes":[]}`, Status: 400},
		{Name: "string for struct", Body: `{"places":["x"]}`, Status: 400, Want: []string{"must be an object"}},
	} {
		t.Run(s.Name, func(t *testing.T) {
			s.Method, s.Target = "POST", "/"
			s.Run(t, e)
		})
	}
}

func TestList(t *testing.T) {
	e := newEcho(slog.New(slog.DiscardHandler))
	e.GET("/", func(c echo.Context) error {
		p, err := ParsePage(c)
		if err != nil {
			return err
		}
		c.Response().Header().Set("Offset", fmt.Sprint(p.Offset()))
		var none []int
		return List(c, "devices", none, 798, p)
	})
	for _, s := range []resttest.Scenario{
		{Name: "defaults", Target: "/", Status: 200, Want: []string{`{"devices":{"meta":{"count":798,"page":1,"pageSize":10,"sortOrder":"asc"},"results":[]}}`}},
		{Name: "asked", Target: "/?page=3&pageSize=1000&sortBy=name&sortOrder=DESC", Status: 200,
			Want: []string{`"page":3,"pageSize":1000,"sortBy":"name","sortOrder":"desc"`, "Offset: 2000"}},
		{Name: "no meta", Target: "/?meta=false", Status: 200, Want: []string{`{"devices":{"results":[]}}`}},
		{Name: "no results", Target: "/?results=false", Status: 200, Want: []string{`"count":798`}, Unwanted: []string{`"results"`}},
		{Name: "page 0", Target: "/?page=0", Status: 400, Want: []string{`"field":"page"`}},
		{Name: "page over", Target: "/?page=99999999999999999999", Status: 400},
		{Name: "size over", Target: "/?pageSize=1001", Status: 400, Want: []string{`"field":"pageSize"`, "1 to 1000"}},
		{Name: "size word", Target: "/?pageSize=all", Status: 400},
		{Name: "order", Target: "/?sortOrder=up", Status: 400, Want: []string{`"field":"sortOrder"`}},
		{Name: "meta word", Target: "/?meta=maybe", Status: 400, Want: []string{`"field":"meta"`}},
		{Name: "results word", Target: "/?results=maybe", Status: 400, Want: []string{`"field":"results"`}},
	} {
		t.Run(s.Name, func(t *testing.T) { s.Run(t, e) })
	}
}

type verifier map[string]string // token to renewed token

func (v verifier) Verify(_ context.Context, token string) (auth.Principal, string, error) {
	renewed, ok := v[token]
	if !ok {
		return auth.Principal{}, "", fault.New(fault.Unauthenticated, "Unknown token.")
	}
	return auth.Principal{Kind: auth.AccountUser, AccountID: "a", ID: token}, renewed, nil
}

func TestAuthenticate(t *testing.T) {
	e := newEcho(slog.New(slog.DiscardHandler))
	who := func(c echo.Context) error { return One(c, "caller", Caller(c).ID) }
	huge := strings.Repeat("x", maxToken+1) // never shown to the verifier, who would take it
	must := Authenticate(verifier{"good": "", "old": "fresh", huge: "", huge[1:]: ""})
	e.GET("/", who, must)
	e.POST("/", who, must)
	e.GET("/bare", who)
	const bearer, cookie = "Authorization: Bearer good", "Cookie: xively-access-token=good"
	for _, s := range []resttest.Scenario{
		{Name: "bearer", Target: "/", Header: []string{bearer}, Status: 200, Want: []string{`"good"`, "Cache-Control: no-store"}, Unwanted: []string{"Xively-Access-Token"}},
		{Name: "scheme in any case", Target: "/", Header: []string{"Authorization: bEARER good"}, Status: 200},
		{Name: "cookie", Target: "/", Header: []string{cookie}, Status: 200},
		{Name: "bearer before cookie", Target: "/", Header: []string{"Authorization: Bearer bad", cookie}, Status: 401},
		{Name: "nothing", Target: "/", Status: 401, Want: []string{"Sign in first"}},
		{Name: "empty", Target: "/", Header: []string{"Authorization: Bearer "}, Status: 401},
		{Name: "basic", Target: "/", Header: []string{"Authorization: Basic Zm9vOmJhcg=="}, Status: 401},
		{Name: "two headers", Target: "/", Header: []string{bearer, bearer}, Status: 401},
		{Name: "unknown", Target: "/", Header: []string{"Authorization: Bearer bad"}, Status: 401},
		{Name: "longest", Target: "/", Header: []string{"Authorization: Bearer " + huge[1:]}, Status: 200},
		{Name: "too long", Target: "/", Header: []string{"Authorization: Bearer " + huge}, Status: 401},
		{Name: "renewed", Target: "/", Header: []string{"Authorization: Bearer old"}, Status: 200,
			Want: []string{"Xively-Access-Token: fresh", "Set-Cookie: xively-access-token=fresh; Path=/; HttpOnly; SameSite=Lax", "Set-Cookie: xively-csrf-token="}},
		{Name: "renewed for another site's page", Target: "/", Header: []string{"Authorization: Bearer old", "Sec-Fetch-Site: cross-site"}, Status: 200,
			Want: []string{"Xively-Access-Token: fresh"}, Unwanted: []string{"Set-Cookie"}},
		{Name: "forged post", Method: "POST", Target: "/", Header: []string{cookie, "Sec-Fetch-Site: cross-site"}, Status: 403},
		{Name: "sibling host's post", Method: "POST", Target: "/", Header: []string{cookie, "Sec-Fetch-Site: same-site"}, Status: 403},
		{Name: "forged post, old browser", Method: "POST", Target: "/", Header: []string{cookie, "Origin: https://evil.example"}, Status: 403},
		{Name: "null origin", Method: "POST", Target: "/", Header: []string{cookie, "Origin: null"}, Status: 403},
		{Name: "own post", Method: "POST", Target: "/", Header: []string{cookie, "Sec-Fetch-Site: same-origin"}, Status: 200},
		{Name: "own post, old browser", Method: "POST", Target: "/", Header: []string{cookie, "Origin: http://example.com"}, Status: 200},
		{Name: "script with bearer from elsewhere", Method: "POST", Target: "/", Header: []string{bearer, "Sec-Fetch-Site: cross-site"}, Status: 200},
		{Name: "route without", Target: "/bare", Header: []string{bearer}, Status: 200, Want: []string{`"caller":""`}},
	} {
		t.Run(s.Name, func(t *testing.T) { s.Run(t, e) })
	}
}

func TestTokenCookieIsSecureOnTLS(t *testing.T) {
	e := newEcho(slog.New(slog.DiscardHandler))
	e.GET("/in", func(c echo.Context) error { SendToken(c, "t"); return nil })
	e.GET("/out", func(c echo.Context) error { ClearToken(c); return nil })
	s := httptest.NewTLSServer(e)
	defer s.Close()
	for path, want := range map[string]string{"/in": "xively-access-token=t; Path=/; HttpOnly; Secure; SameSite=Lax",
		"/out": "xively-access-token=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"} {
		answer, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if got := answer.Header.Values("Set-Cookie"); len(got) != 2 || got[0] != want {
			t.Errorf("%s: Set-Cookie %q, want first %q", path, got, want)
		}
	}
}

func TestETag(t *testing.T) {
	for header, want := range map[string]string{"": "", "7N": "7N", `"7N"`: "7N", `W/"7N"`: "7N", ` xz `: "xz", `"`: `"`} {
		r := httptest.NewRequest("PUT", "/", nil)
		r.Header["Etag"] = []string{header}
		if got := ETag(echo.New().NewContext(r, nil)); got != want {
			t.Errorf("ETag of %q is %q, want %q", header, got, want)
		}
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2015, 4, 1, 14, 55, 18, 9_999_999, time.FixedZone("", 7200))
	if got := Time(at); got != "2015-04-01T12:55:18.009Z" {
		t.Error(got)
	}
}

// FuzzBody: no input may panic, and what is accepted as JSON must be what encoding/json sees.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":[{"b":null}]}`, "a=1&b=2", "{", "{}x", "\ufeff{}", "%", `{"a":1,"a":2}`, `[[[[`, "\xff"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, isJSON bool) {
		object, err := parseBody(data, isJSON)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid {
				t.Fatalf("parseBody(%q): kind %d: %v", data, k, err)
			}
			return
		}
		if !isJSON || len(strings.Trim(string(data), " \t\r\n")) == 0 {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(data, &plain); err != nil || len(plain) != len(object) {
			t.Fatalf("parseBody(%q) = %v; encoding/json: %v, %v", data, object, plain, err)
		}
	})
}
