package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/rest"
	"xively/storage"
)

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestEveryAnswerHasSecurityHeaders(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	for _, path := range []string{"/", "/app.js", "/settings.json", "/ca.pem", "/healthz", "/nothing.js", "/api/v1/devices", "/api/nothing"} {
		for _, url := range []string{s.url("https", path), s.localURL(path)} {
			resp, _ := get(t, s.http, url)
			csp := resp.Header.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
				if !strings.Contains(csp, part) {
					t.Errorf("%s: policy %q lacks %s", url, csp, part)
				}
			}
			if strings.Contains(csp, "unsafe") {
				t.Errorf("%s: policy %q", url, csp)
			}
			for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "X-Request-Id"} {
				if resp.Header.Get(name) == "" {
					t.Errorf("%s: no %s", url, name)
				}
			}
			// A private certificate must not make browsers insist on it: http://localhost would be lost.
			if got := resp.Header.Get("Strict-Transport-Security"); got != "" {
				t.Errorf("%s: Strict-Transport-Security: %s", url, got)
			}
			if resp.Header.Get("Access-Control-Allow-Origin") != "" || resp.Header.Get("Server") != "" {
				t.Errorf("%s: %v", url, resp.Header)
			}
		}
	}
}

func TestStrictTransportSecurityWithPublicCertificate(t *testing.T) {
	for _, tc := range []struct {
		public bool
		name   string // "" for clear text
		want   bool
	}{{true, "iot.example.com", true}, {true, "localhost", false}, {true, "", false}, {false, "iot.example.com", false}} {
		e := echo.New()
		e.Use(securityHeaders(tc.public))
		r := httptest.NewRequest("GET", "/", nil)
		if tc.name != "" {
			r.TLS = &tls.ConnectionState{ServerName: tc.name}
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if got := w.Header().Get("Strict-Transport-Security") != ""; got != tc.want {
			t.Errorf("%+v: %v", tc, w.Header())
		}
	}
}

func TestRouter(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 200, "<title>xively"},
		{"GET", "/devices/x", "", 200, "<title>xively"},
		{"GET", "/healthz", "", 200, `"ok"`},
		{"GET", "/ca.pem", "", 200, "BEGIN CERTIFICATE"},
		{"GET", "/settings.json", "", 200, fmt.Sprintf(`"mqttsPort":%d`, port(s.listeners.mqtts))},
		{"GET", "/api/v1/nothing", "", 404, `"statusCode":404`},
		{"GET", "/api/nothing", "", 404, `"statusCode":404`},
		{"GET", "/messaging/nothing", "", 404, `"statusCode":404`},
		{"GET", "/messaging/publish/x", "", 405, `"statusCode":405`},
		{"DELETE", "/healthz", "", 405, `"statusCode":405`},
		{"POST", "/", "", 405, `"statusCode":405`},
		{"GET", "/debug/pprof/", "", 200, "<title>xively"}, // the console's page, which knows no such place
		{"GET", "/.git/config.txt", "", 404, `"statusCode":404`},
		{"POST", "/api/v1/devices", strings.Repeat(" ", maxBody) + "{}", 413, "1048576"},
		{"GET", "/mqtt", "", 400, ""},
	} {
		req, err := http.NewRequest(tc.method, s.localURL(tc.path), strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.want) {
			t.Errorf("%s %s: %d %.300s, want %d with %q", tc.method, tc.path, resp.StatusCode, body, tc.status, tc.want)
		}
	}
}

// One TLS port serves HTTP, MQTT and WebSocket, whether the client names its protocol in the handshake or not; and an
// encrypted request is known to be one, so that its cookies are Secure.
func TestSharedPort(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	login := fmt.Sprintf(`{"emailAddress":%q,"password":%q}`, testEmail, testPassword)
	for name, protocols := range map[string][]string{"without ALPN": nil, "http/1.1": {"http/1.1"}} {
		cfg := s.tls.Clone()
		cfg.NextProtos = protocols
		conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port(s.listeners.tls)), cfg)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /api/v1/auth/login-user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(login), login)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		conn.Close()
		if cookies := resp.Cookies(); resp.StatusCode != 200 || len(cookies) == 0 || !cookies[0].Secure || !cookies[0].HttpOnly && cookies[0].Name == rest.TokenName {
			t.Errorf("%s: %d, cookies %v", name, resp.StatusCode, cookies)
		}
	}
	h2 := &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls.Clone(), ForceAttemptHTTP2: true}}
	resp, _ := get(t, h2, s.url("https", "/healthz"))
	h2.CloseIdleConnections()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Errorf("HTTP/2: %s %d", resp.Proto, resp.StatusCode)
	}
}

// What a client claims about itself in headers changes nothing.
func TestForwardedHeadersAreIgnored(t *testing.T) {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.Use(rest.RequestID)
	e.GET("/", func(c echo.Context) error { return c.String(200, c.RealIP()) })
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.1:1"
	for _, h := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Request-Id"} {
		r.Header.Set(h, "203.0.113.9")
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Body.String() != "192.0.2.1" || w.Header().Get("X-Request-Id") == "203.0.113.9" {
		t.Errorf("address %s, request id %s", w.Body, w.Header().Get("X-Request-Id"))
	}
}

func TestPanicEndsOneRequest(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	e := echo.New()
	e.HTTPErrorHandler = rest.ErrorHandler(logger)
	e.Use(rest.RequestID, logRequests(logger), recoverPanics(logger))
	e.GET("/panic", func(echo.Context) error { panic("secret detail") })
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "/panic", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), "requestId") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "secret detail") || !strings.Contains(log.String(), "http_test.go") {
		t.Errorf("the log has not what it takes to find the bug: %s", log.String())
	}
}

// A client that dribbles its header, or has an endless one, is cut off; others are served meanwhile.
func TestHeaderLimits(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newHTTPServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), testLog(t))
	if server.ReadHeaderTimeout != headerTimeout || server.ReadTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 {
		t.Errorf("a limit is missing: %+v", server)
	}
	server.ReadHeaderTimeout = time.Second
	go func() { _ = server.Serve(ln) }()
	defer server.Close()
	url := "http://" + ln.Addr().String()

	slow, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fmt.Fprint(slow, "GET / HTTP/1.1\r\nHost:")
	if resp, _ := get(t, http.DefaultClient, url); resp.StatusCode != 200 {
		t.Errorf("others get %d", resp.StatusCode)
	}
	_ = slow.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("a slow header was not cut off: %v", err)
	}
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 64<<10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 64 KiB: %d", resp.StatusCode)
	}
}

// While the store fails nothing is wrong with the request: clients have to come back, as a restart may help.
func TestStoreFailureIsUnavailable(t *testing.T) {
	for _, cause := range []error{storage.ErrFailed, storage.ErrClosed} {
		e := echo.New()
		e.HTTPErrorHandler = whileStoreFails(rest.ErrorHandler(testLog(t)))
		e.GET("/", func(echo.Context) error { return fmt.Errorf("blueprint: create device: %w", cause) })
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "blueprint") {
			t.Errorf("%v: %d %v %s", cause, w.Code, w.Header(), w.Body)
		}
	}
}
