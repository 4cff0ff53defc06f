package identity

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/fault"
	"xively/internal/rest"
)

// An address may send so many wrong secrets (passwords, codes, tokens, keys) at once and one more each addressEvery,
// over all ways in together. An e-mail address is sent so many mails, and one more each mailEvery.
const (
	addressBurst = 30
	addressEvery = 10 * time.Second
	mailBurst    = 3
	mailEvery    = 20 * time.Minute
	maxThrottled = 1 << 16 // names remembered; about 6 MiB
)

// throttle counts events by name and says when there were too many. It remembers a name only until its events are worn
// off. When maxThrottled are remembered, any one is dropped for a new one.
type throttle struct {
	now     func() time.Time
	burst   int
	every   time.Duration
	refused atomic.Int64

	mu   sync.Mutex
	till map[string]time.Time // when the name's events will have worn off
}

func newThrottle(now func() time.Time, burst int, every time.Duration) *throttle {
	return &throttle{now: now, burst: burst, every: every, till: map[string]time.Time{}}
}

// addressName is what an address is counted as: a host, or for IPv6 the network a household or a server gets. A name
// that is no address is taken as it is; "" is never counted.
func addressName(remote string) string {
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

// check returns fault TooMany with rest.RetryAfter while the name has too many events.
func (t *throttle) check(name string) error {
	left := t.left(addressName(name))
	if left <= 0 {
		return nil
	}
	t.refused.Add(1)
	return fault.Wrap(fault.TooMany, rest.RetryAfter(left), "There were too many wrong attempts from your address. Wait a while and try again.")
}

// left is how long the name must wait; 0 or less when it need not.
func (t *throttle) left(name string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	till, known := t.till[name]
	if !known {
		return 0
	}
	return till.Sub(t.now()) - time.Duration(t.burst-1)*t.every
}

func (t *throttle) count(name string) {
	if name = addressName(name); name == "" {
		return
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	till, known := t.till[name]
	if !known && len(t.till) >= maxThrottled {
		t.forgetLocked(now)
	}
	if till.Before(now) {
		till = now
	}
	t.till[name] = till.Add(t.every)
}

// forgetLocked makes room: among a few names at a random place, those worn off go, and if there is none, the first.
func (t *throttle) forgetLocked(now time.Time) {
	seen, first, room := 0, "", false
	for name, till := range t.till {
		if seen == 0 {
			first = name
		}
		if !till.After(now) {
			delete(t.till, name)
			room = true
		}
		if seen++; seen == 2*evictSamples {
			break
		}
	}
	if !room {
		delete(t.till, first)
	}
}

// take counts an event unless there are too many already, and reports whether it did.
func (t *throttle) take(name string) bool {
	if t.left(addressName(name)) > 0 {
		t.refused.Add(1)
		return false
	}
	t.count(name)
	return true
}
