// Package throttle bounds how often something may happen by name: wrong secrets by the address they came from, guesses by
// user, mails by whom they go to. What is over the bound is told when to come back.
package throttle

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/fault"
	"xively/internal/rest"
)

const (
	mostNames    = 1 << 16 // names remembered; about 6 MiB
	evictSamples = 16
)

// Throttle counts events by name and says when there were too many: burst of them at once, and one more after each every.
// It remembers a name only until its events are worn off. When mostNames are remembered, any one is dropped for a new
// one. Its methods may be called by many goroutines.
type Throttle struct {
	now     func() time.Time
	burst   int
	every   time.Duration
	refused atomic.Int64

	mu   sync.Mutex
	till map[string]time.Time // when the name's events will have worn off
}

// New returns a throttle by the clock now.
func New(now func() time.Time, burst int, every time.Duration) *Throttle {
	return &Throttle{now: now, burst: burst, every: every, till: map[string]time.Time{}}
}

// Refused is how often something was over the bound.
func (t *Throttle) Refused() int64 { return t.refused.Load() }

// Name is what an address is counted as: a host, or for IPv6 the network a household or a server gets. A name
// that is no address is taken as it is; "" is never counted.
func Name(remote string) string {
	host := remote
	if h, _, err := net.SplitHostPort(remote); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}

// Check returns fault TooMany with text and rest.RetryAfter while the name has too many events.
func (t *Throttle) Check(name, text string) error {
	left := t.left(Name(name))
	if left <= 0 {
		return nil
	}
	t.refused.Add(1)
	return fault.Wrap(fault.TooMany, rest.RetryAfter(left), "%s", text)
}

// left is how long the name must wait; 0 or less when it need not.
func (t *Throttle) left(name string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	till, known := t.till[name]
	if !known {
		return 0
	}
	return till.Sub(t.now()) - time.Duration(t.burst-1)*t.every
}

// Count adds an event; "" is not counted.
func (t *Throttle) Count(name string) {
	if name = Name(name); name == "" {
		return
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	till, known := t.till[name]
	if !known && len(t.till) >= mostNames {
		t.forgetLocked(now)
	}
	if till.Before(now) {
		till = now
	}
	t.till[name] = till.Add(t.every)
}

// forgetLocked makes room: among a few names at a random place, those worn off go, and if there is none, the first.
func (t *Throttle) forgetLocked(now time.Time) {
	seen, first, room := 0, "", false
	for name, till := range t.till {
		if seen == 0 {
			first = name
		}
		if !till.After(now) {
			delete(t.till, name)
			room = true
		}
		if seen++; seen == evictSamples {
			break
		}
	}
	if !room {
		delete(t.till, first)
	}
}

// Take counts an event unless there are too many already, and reports whether it did.
func (t *Throttle) Take(name string) bool {
	if t.left(Name(name)) > 0 {
		t.refused.Add(1)
		return false
	}
	t.Count(name)
	return true
}

// GiveBack takes one event of the name back: what was counted before it was known turned out to be none.
func (t *Throttle) GiveBack(name string) {
	name = Name(name)
	t.mu.Lock()
	defer t.mu.Unlock()
	if till, known := t.till[name]; known {
		t.till[name] = till.Add(-t.every)
	}
}
