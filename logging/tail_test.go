package logging

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/openapi/openapitest"
	"xively/internal/rest"
	"xively/storage/storagetest"
)

// serve answers for the service as the root does, for a caller of the test's choosing.
func (w *world) serve(t *testing.T, caller auth.Principal) http.Handler {
	e := echo.New()
	e.Pre(openapitest.Pre(t))
	e.HTTPErrorHandler = rest.ErrorHandler(storagetest.Log(t))
	w.Routes(e.Group("/api/v1", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.SetRequest(c.Request().WithContext(auth.NewContext(c.Request().Context(), caller)))
			return next(c)
		}
	}))
	return e
}

var admin = auth.Principal{Kind: auth.AccountUser, AccountID: account, ID: "admin"}

// events reads server-sent events; each is "name id data".
func events(t *testing.T, r *http.Response) func() (name, id, data string) {
	lines := bufio.NewScanner(r.Body)
	return func() (name, id, data string) {
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				name = value
			case "id":
				id = value
			case "data":
				data = value
			case "":
				if name != "" {
					return name, id, data
				}
			}
		}
		t.Errorf("the stream ended: %v", lines.Err())
		return "", "", ""
	}
}

// TestTail: the filter holds, nothing is missed between two connections, and the server's time to read a request is not the end.
func TestTail(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewUnstartedServer(w.serve(t, admin))
	server.Config.ReadTimeout = 100 * time.Millisecond
	server.Start()
	defer server.Close()
	open := func(after string) (func() (string, string, string), func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/logs/tail?q=severity%3E%3Dwarning", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Last-Event-ID", after)
		answer, err := http.DefaultClient.Do(r)
		if err != nil || answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%v, %v", answer, err)
		}
		return events(t, answer), func() { cancel(); answer.Body.Close() }
	}
	say := func(message, severity string) {
		w.put(t, Entry{AccountID: account, SourceID: device, Message: message, Severity: severity}, time.Now().UnixMilli())
	}
	next, end := open("")
	say("one", Error)
	say("quiet", Informational)
	w.put(t, Entry{AccountID: other, Message: "other's", Severity: Error}, time.Now().UnixMilli())
	_, last, _ := next()
	<-time.After(150 * time.Millisecond) // longer than a request may take to arrive
	say("two", Error)
	name, last2, data := next()
	var e struct{ ID, Message string }
	if err := json.Unmarshal([]byte(data), &e); err != nil || name != "entry" || e.Message != "two" || e.ID != last2 {
		t.Fatalf("%s %s %s", name, last2, data)
	}
	end()
	say("three", Error)
	w.checkpoint(t)
	say("four", Critical)
	next, end = open(last)
	say("five", Error)
	for _, want := range []string{"two", "three", "four", "five"} {
		if _, _, data := next(); !strings.Contains(data, `"message":"`+want+`"`) {
			t.Fatalf("got %s, want %s", data, want)
		}
	}
	end()
	for deadline := time.Now().Add(time.Minute); w.engine.tail.watching.Load() > 0; <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a viewer whose connection has ended is still served")
		}
	}
}

// slowViewer blocks until it is let go.
type slowViewer struct {
	entries chan string
	dropped uint64
}

func (v *slowViewer) Begin() error           { return nil }
func (v *slowViewer) Entry(e *Entry) error   { v.entries <- e.Message; return nil }
func (v *slowViewer) Dropped(n uint64) error { v.dropped += n; return nil }
func (v *slowViewer) Idle() error            { return nil }

// TestSlowViewer: whoever looks on too slowly holds nobody up, and is told how much was left out.
func TestSlowViewer(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	v := &slowViewer{entries: make(chan string)}
	ended := make(chan error)
	go func() { ended <- w.Watch(ctx, account, Query{where: every{}}, "", v) }()
	for w.engine.tail.watching.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	total := viewerQueue + 300
	for i := range total {
		b := w.db.Journal().Begin()
		e := Entry{AccountID: account, Message: fmt.Sprint(i)}
		e.normalize(time.Now())
		w.engine.store(lineOf(&e), b)
		b.Append()
		b.End()
	}
	shown := 0
	for shown+int(w.viewerDrops()) < total {
		if got := <-v.entries; got != fmt.Sprint(shown) {
			t.Fatalf("entry %s, want %d", got, shown)
		}
		shown++
	}
	cancel()
	if err := <-ended; err != nil || v.dropped == 0 || shown+int(v.dropped) != total {
		t.Errorf("%d shown and %d told as dropped of %d, %v", shown, v.dropped, total, err)
	}
}

func (w *world) viewerDrops() (n uint64) {
	w.engine.tail.mu.Lock()
	defer w.engine.tail.mu.Unlock()
	for _, v := range w.engine.tail.viewers[account] {
		n += v.dropped.Load()
	}
	return n
}

func TestViewersAreBounded(t *testing.T) {
	w := newWorld(t)
	for range maxViewers {
		if _, err := w.engine.tail.add(account, every{}); err != nil {
			t.Fatal(err)
		}
	}
	rec := httptest.NewRecorder()
	w.serve(t, admin).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/api/v1/logs/tail", nil))
	if rec.Code != http.StatusTooManyRequests {
		t.Errorf("one more viewer: %d %s", rec.Code, rec.Body)
	}
}
