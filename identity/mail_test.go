package identity

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// mailServer speaks as much SMTP as sending takes and returns what one client said.
func mailServer(t *testing.T) (host string, port int, said func() string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	lines := make(chan string, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "220 test\r\n")
		var all strings.Builder
		defer func() { lines <- all.String() }()
		in := bufio.NewScanner(conn)
		for data := false; in.Scan(); {
			all.WriteString(in.Text() + "\n")
			switch verb, _, _ := strings.Cut(in.Text(), " "); {
			case data && in.Text() == ".":
				data = false
				fmt.Fprint(conn, "250 ok\r\n")
			case data:
			case verb == "EHLO":
				fmt.Fprint(conn, "250 test\r\n")
			case verb == "DATA":
				data = true
				fmt.Fprint(conn, "354 go\r\n")
			case verb == "QUIT":
				fmt.Fprint(conn, "221 bye\r\n")
				return
			default:
				fmt.Fprint(conn, "250 ok\r\n")
			}
		}
	}()
	at := ln.Addr().(*net.TCPAddr)
	return at.IP.String(), at.Port, func() string { return <-lines }
}

func TestSMTP(t *testing.T) {
	host, port, said := mailServer(t)
	m := smtpMailer{MailConfig{Host: host, Port: port, From: "Xively <noreply@example.com>", Insecure: true}}
	if err := m.Send(t.Context(), "ann@example.com", "Grüße\r\nBcc: evil@example.com", "one\n.\ntwo"); err != nil {
		t.Fatal(err)
	}
	got := said()
	for _, piece := range []string{"MAIL FROM:<noreply@example.com>", "RCPT TO:<ann@example.com>", `From: "Xively" <noreply@example.com>`, "To: <ann@example.com>", "\none\n..\ntwo\n"} {
		if !strings.Contains(got, piece) {
			t.Errorf("lacks %q in\n%s", piece, got)
		}
	}
	if strings.Contains(got, "\nBcc") {
		t.Errorf("a line got into the header:\n%s", got)
	}
	host, port, said = mailServer(t) // offers no STARTTLS
	m = smtpMailer{MailConfig{Host: host, Port: port, From: "noreply@example.com"}}
	if err := m.Send(t.Context(), "ann@example.com", "x", "secret link"); err == nil {
		t.Error("sent without TLS")
	}
	if got := said(); strings.Contains(got, "secret") || strings.Contains(got, "RCPT") {
		t.Errorf("said in clear:\n%s", got)
	}
}

func TestMailConfig(t *testing.T) {
	for c, ok := range map[MailConfig]bool{{}: true, {Host: "a", From: "a@b.c"}: true, {Host: "a"}: false, {Host: "a", From: "a b"}: false, {Host: "a", From: "a@b.c", Port: 70000}: false} {
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	if err := (MailConfig{}).mailer(log).Send(t.Context(), "a", "b", "c"); err == nil {
		t.Error("no mail.host and sent")
	}
}

func TestOutboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox(slog.New(slog.DiscardHandler))
		var done atomic.Int64
		for range mailsWaiting + mailSenders + 100 {
			o.add(func(context.Context) error {
				time.Sleep(time.Second)
				done.Add(1)
				return nil
			})
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o.wait(short)
		if n := done.Load(); n > 2*mailSenders {
			t.Errorf("%d were sent in a second by %d senders", n, mailSenders)
		}
		o.wait(t.Context())
		if n := done.Load() + o.dropped.Load(); n != mailsWaiting+mailSenders+100 || o.dropped.Load() < 100 {
			t.Errorf("%d sent, %d dropped", done.Load(), o.dropped.Load())
		}
		o.add(func(context.Context) error { return errors.New("refused") })
		before := o.dropped.Load()
		o.wait(t.Context())
		if o.dropped.Load() != before+1 {
			t.Error("a refused mail is not counted")
		}
	})
}

// Two hundred who sign in at once: a few are served, the rest is told at once to come back (R21).
func TestParallelSignIns(t *testing.T) {
	a, _ := newAPI(t)
	var mu sync.Mutex
	status := map[int]int{}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			got := a.call("POST", "auth/login-user", fmt.Sprintf(`{"emailAddress":%q,"password":%q}`, annMail, annPassword), fmt.Sprintf("From: 198.51.100.%d", i))
			if got.Status == 429 && got.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			mu.Lock()
			defer mu.Unlock()
			status[got.Status]++
		})
	}
	all.Wait()
	if status[200] < hashesAtOnce || status[200]+status[429] != 200 {
		t.Errorf("answers %v", status)
	}
}
