package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/rest"
)

// follow opens the live view of the account's log and returns its lines, until it ends.
func (s *testServer) follow(token, query string) <-chan string {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.url("https", "/api/v1/logs/tail"+query), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{Transport: s.http.Transport}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		s.t.Fatalf("tail: %d %v", resp.StatusCode, resp.Header)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		for r := bufio.NewScanner(resp.Body); r.Scan(); {
			lines <- r.Text()
		}
	}()
	return lines
}

// sees waits for a line with all these words.
func sees(t *testing.T, lines <-chan string, words ...string) {
	t.Helper()
	for end := time.After(patience); ; {
		select {
		case l, ok := <-lines:
			if !ok {
				t.Fatalf("the live view ended before %q came", words)
			}
			all := true
			for _, w := range words {
				all = all && strings.Contains(l, w)
			}
			if all {
				return
			}
		case <-end:
			t.Fatalf("no %q in time", words)
		}
	}
}

func ends(t *testing.T, lines <-chan string) {
	t.Helper()
	for end := time.After(patience); ; {
		select {
		case _, ok := <-lines:
			if !ok {
				return
			}
		case <-end:
			t.Fatal("the live view goes on")
		}
	}
}

// What a sign-in opened ends with it: live views as well as MQTT connections.
func TestSignOutEndsWhatIsOpen(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token, other := s.signIn(testEmail), s.signIn(testEmail)
	mine, others := s.follow(token, ""), s.follow(other, "")
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "L-1")
	s.dial("tcp", d.id, d.id, d.secret)
	sees(t, mine, "Device connected", d.id)
	sees(t, others, "Device connected", d.id)

	user, _ := s.dial("tls", "console", tokenUser, token)
	s.must(token, "POST", "/api/v1/auth/logout", object{}, "")
	ends(t, mine)
	eventually(t, "the MQTT connection of the sign-in ends", func() bool { return !user.IsConnectionOpen() })
	s.dial("tcp", d.id, d.id, d.secret) // takes over
	sees(t, others, "Device", d.id)     // the other sign-in goes on

	s.stop() // fails the test when it waits for a live view, which does not end by itself
	ends(t, others)
}

// Whoever is no admin any more sees nothing more of the log, live views that are open included.
func TestLogIsForAdmins(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token, account := s.signIn(testEmail), accounts[0].AccountID
	made := s.must(token, "POST", "/api/v1/account-users", object{"accountId": account, "name": "Max", "role": "admin",
		"createIdmUser": true, "idmUserEmail": "max@example.com"}, "accountUser")
	if err := s.identity.ResetUser(t.Context(), account, "max@example.com", testPassword); err != nil {
		t.Fatal(err)
	}
	max := s.signIn("max@example.com")
	view := s.follow(max, "")
	s.must(token, "PUT", "/api/v1/account-users/"+cell(made["id"]), object{"role": "member"}, "accountUser")
	ends(t, view)
	for _, path := range []string{"/api/v1/logs", "/api/v1/logs/tail", "/api/v1/logs/histogram"} {
		if status, answer := s.call(max, "GET", path, nil); status != 403 || !strings.Contains(cell(answer["message"]), "for admins") {
			t.Errorf("%s for a member: %d %v", path, status, answer)
		}
	}
	if status, _ := s.call(max, "POST", "/api/v1/logs/search", object{}); status != 403 {
		t.Errorf("search for a member: %d", status)
	}
}

// The server's limits of time cut requests; a live view has its own.
func TestLiveViewOutlastsTheLimits(t *testing.T) {
	e := echo.New()
	e.HTTPErrorHandler = rest.ErrorHandler(testLog(t))
	s := &streams{}
	e.GET("/api/v1/logs/tail", func(c echo.Context) error {
		for range 3 {
			time.Sleep(200 * time.Millisecond) // three times: longer than the server's limits
			if _, err := c.Response().Write([]byte("entry\n")); err != nil {
				return err
			}
			c.Response().Flush()
		}
		return c.Request().Context().Err()
	}, s.follow)
	server := httptest.NewUnstartedServer(e)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	server.Start()
	defer server.Close()
	resp, err := http.Get(server.URL + "/api/v1/logs/tail")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "entry\nentry\nentry\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// A stream that fails in the middle is cut: what came must not look like all there is.
func TestBrokenStreamIsCut(t *testing.T) {
	e := echo.New()
	e.HTTPErrorHandler = rest.ErrorHandler(testLog(t))
	e.Use(recoverPanics(testLog(t)))
	s := &streams{}
	e.GET("/api/v1/export", func(c echo.Context) error {
		_, _ = c.Response().Write([]byte("half\n"))
		return errors.New("the disk is gone")
	}, s.follow)
	server := httptest.NewServer(e)
	defer server.Close()
	resp, err := http.Get(server.URL + "/api/v1/export")
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("half of an export came as if it were all")
	}
}

func TestNoStreamsWhileStopping(t *testing.T) {
	s := &streams{}
	e := echo.New()
	e.HTTPErrorHandler = rest.ErrorHandler(testLog(t))
	e.GET("/api/v1/logs/tail", func(c echo.Context) error { <-c.Request().Context().Done(); return nil }, s.follow)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/v1/logs/tail", nil).WithContext(ctx))
		close(done)
	}()
	eventually(t, "the stream is open", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.open) == 1 })
	s.close()
	<-done
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/logs/tail", nil))
	if w.Code != 503 || len(s.open) != 0 {
		t.Errorf("%d, %d open", w.Code, len(s.open))
	}
}
