// Package brokertest starts a broker inside a test and talks to it byte by byte.
//
// Connections are net.Pipe by default, so that a test may run in a testing/synctest bubble, where hours of keep alive pass in no time.
package brokertest

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xively/broker"
	"xively/broker/topic"
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
	"xively/storage/storagetest"
)

// Broker is a running server with open doors: everybody may sign in and use any topic, until Rules says otherwise.
type Broker struct {
	*broker.Server
	DB     *storage.DB
	Rules  *Rules
	Events *Events
	t      testing.TB
}

// Start runs a broker on a fresh store until the test ends.
func Start(t testing.TB, cfg broker.Config, taps ...broker.Tap) *Broker {
	t.Helper()
	return On(t, storagetest.Open(t), cfg, taps...)
}

// On runs a broker on db.
func On(t testing.TB, db *storage.DB, cfg broker.Config, taps ...broker.Tap) *Broker {
	t.Helper()
	events := &Events{}
	b := start(t, db, cfg, events, taps)
	b.Events = events
	return b
}

// StartWith is Start with events of the test's own; Broker.Events is nil.
func StartWith(t testing.TB, cfg broker.Config, ev broker.Events) *Broker {
	t.Helper()
	return start(t, storagetest.Open(t), cfg, ev, nil)
}

func start(t testing.TB, db *storage.DB, cfg broker.Config, ev broker.Events, taps []broker.Tap) *Broker {
	t.Helper()
	b := &Broker{DB: db, Rules: &Rules{}, t: t}
	if cfg.MaxUnauthenticatedPerIP == 0 {
		cfg.MaxUnauthenticatedPerIP = 256 // all of a test's clients share one address
	}
	if cfg.MaxTakeovers == 0 {
		cfg.MaxTakeovers = 1 << 30 // tests take over far more often than clients
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	srv, err := broker.New(cfg, db, b.Rules, b.Rules, ev, taps, log)
	if err != nil {
		t.Fatalf("broker.New: %v", err)
	}
	b.Server = srv
	t.Cleanup(b.Stop)
	return b
}

// Stop closes the server; the store stays open. A second call does nothing.
func (b *Broker) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		b.t.Errorf("broker.Close: %v", err)
	}
}

// Dial opens a connection and sends nothing yet.
func (b *Broker) Dial() *Client {
	b.t.Helper()
	near, far := net.Pipe()
	go b.ServeConn(far)
	return NewClient(b.t, near)
}

// Rules is an Authenticator and Authorizer for tests. User "tenant/name" is device name of account tenant; "name" is of account "test".
// Password "wrong" is refused, and so are users "forbidden" and "unavailable"; user "panic" meets a bug.
type Rules struct {
	epoch atomic.Uint64
	mu    sync.Mutex
	deny  map[string]string // filter -> actions ("publish subscribe receive")
}

// Deny refuses actions on topics that filter covers, from now on.
func (r *Rules) Deny(filter, actions string) {
	r.mu.Lock()
	if r.deny == nil {
		r.deny = map[string]string{}
	}
	r.deny[filter] = actions
	r.mu.Unlock()
	r.epoch.Add(1)
}

// Allow takes back what Deny said of the filter.
func (r *Rules) Allow(filter string) {
	r.mu.Lock()
	delete(r.deny, filter)
	r.mu.Unlock()
	r.epoch.Add(1)
}

// Authenticate implements broker.Authenticator.
func (r *Rules) Authenticate(_ context.Context, clientID, user string, password []byte, _ *x509.Certificate, _ net.Addr) (auth.Principal, error) {
	if string(password) == "wrong" {
		return auth.Principal{}, fault.New(fault.Unauthenticated, "unknown user or wrong password")
	}
	switch user {
	case "forbidden":
		return auth.Principal{}, fault.New(fault.Forbidden, "user is disabled")
	case "unavailable":
		return auth.Principal{}, fault.New(fault.Unavailable, "the directory does not answer")
	case "panic":
		panic("a bug in the Authenticator")
	}
	account, name, ok := strings.Cut(user, "/")
	if !ok {
		account, name = "test", user
	}
	return auth.Principal{Kind: auth.Device, AccountID: account, ID: name}, nil
}

// Epoch implements broker.Authorizer.
func (r *Rules) Epoch() uint64 { return r.epoch.Load() }

// MayPublish implements broker.Authorizer.
func (r *Rules) MayPublish(_ auth.Principal, name string) error { return r.ask(name, "publish") }

// MaySubscribe implements broker.Authorizer.
func (r *Rules) MaySubscribe(_ auth.Principal, filter string) error {
	return r.ask(filter, "subscribe")
}

// MayReceive implements broker.Authorizer.
func (r *Rules) MayReceive(_ auth.Principal, name string) error { return r.ask(name, "receive") }

func (r *Rules) ask(name, action string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f, actions := range r.deny {
		if strings.Contains(actions, action) && topic.Covers(f, name) {
			return fault.New(fault.Forbidden, "%s is denied on %s", action, f)
		}
	}
	return nil
}

// Events remembers what the broker told.
type Events struct {
	mu    sync.Mutex
	lines []string
}

func (e *Events) add(format string, args ...any) {
	e.mu.Lock()
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
	e.mu.Unlock()
}

// Connected implements broker.Events.
func (e *Events) Connected(i broker.ConnInfo) { e.add("connected %s %s", i.ClientID, i.Protocol) }

// Disconnected implements broker.Events.
func (e *Events) Disconnected(i broker.ConnInfo, reason string) {
	e.add("disconnected %s: %s", i.ClientID, reason)
}

// Refused implements broker.Events.
func (e *Events) Refused(i broker.ConnInfo, action, object, reason string) {
	e.add("refused %s %s %s: %s", i.ClientID, action, object, reason)
}

// Lines returns everything told so far.
func (e *Events) Lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines)
}

// Find returns the first line that holds text, "" if none does.
func (e *Events) Find(text string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.lines {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}

// Count returns how many lines hold text.
func (e *Events) Count(text string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, l := range e.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}
