package broker

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"xively/internal/auth"
)

// How the cost of things grows with how many there are. The tables in BENCHMARKS.md come from here: XIVELY_BENCH=1 go test -run Growth -v
// ./broker. Processor time, not the clock's; heap after a collection.

// each returns the processor time of one of n calls.
func each(n int, fn func(i int)) time.Duration {
	if !measuring() {
		n = min(n, 1000)
	}
	start := cpuTime()
	for i := range n {
		fn(i)
	}
	return (cpuTime() - start) / time.Duration(n)
}

func measuring() bool { return os.Getenv("XIVELY_BENCH") != "" }

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails for SELF
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// growing is the i-th filter of a mix in the shape of devices' topics: eight of ten exact, one with +, one with #.
func growing(i int) string {
	device := fmt.Sprintf("%08x-9c1f-4f0f-8a57-1f7c8a1f0f11", i/10)
	switch i % 10 {
	case 8:
		return "xi/blue/v1/a/d/" + device + "/+"
	case 9:
		return "xi/blue/v1/a/d/" + device + "/#"
	}
	return fmt.Sprint("xi/blue/v1/a/d/", device, "/channel", i%10)
}

func growth(t *testing.T, sizes ...int) []int {
	t.Helper()
	if !measuring() {
		return sizes[:2] // the code runs; the figures mean nothing
	}
	return sizes
}

func TestGrowthOfSubscriptions(t *testing.T) {
	t.Log("| subscriptions | subscribe + unsubscribe | match | bytes each |")
	for _, n := range growth(t, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000) {
		s := newBench(t, Config{}).Server
		sp := s.space("a")
		before := heap()
		sessions := make([]*Session, (n+9)/10)
		for i := range n {
			sess := sessions[i/10]
			if sess == nil {
				sess = &Session{srv: s, sp: sp, key: sessionKey{auth.Device, fmt.Sprint(i), "c"}, subs: map[string]byte{}}
				sessions[i/10] = sess
			}
			f := growing(i)
			sess.subs[f] = 1
			sp.addLocked(f, sess, 1)
		}
		bytes := (heap() - before) / uint64(n)
		other := &Session{srv: s, sp: sp}
		change := each(200_000, func(i int) {
			f := growing(i * 7 % n)
			sp.addLocked(f, other, 1)
			sp.dropLocked(f, other)
		}) - each(200_000, func(i int) { _ = growing(i * 7 % n) })
		names := make([]string, 1000)
		for i := range names {
			names[i] = growing(i * 7919 % n / 10 * 10)
		}
		match := each(200_000, func(i int) { sp.subs.Match(names[i%len(names)], func(*Session, byte) {}) })
		t.Logf("| %d | %v | %v | %d |", n, change, match, bytes)
		runtime.KeepAlive(sessions)
	}
}

func TestGrowthOfRetained(t *testing.T) {
	t.Log("| retained messages | set | one by its name | those of one device | bytes each, 64 of them payload |")
	for _, n := range growth(t, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000) {
		before := heap()
		r := &retainedStore{}
		name := func(i int) string {
			return fmt.Sprintf("xi/blue/v1/a/d/%08x-9c1f-4f0f-8a57-1f7c8a1f0f11/channel%d", i/10, i%10)
		}
		set := func(i int) {
			k := name(i)
			r.set(k, &Message{topic: k, payload: make([]byte, 64), lsn: uint64(i + 1)})
		}
		for i := range n {
			set(i)
		}
		bytes := (heap() - before) / uint64(n)
		names, filters := make([]string, 1000), make([]string, 1000)
		for i := range names {
			names[i] = name(i * 7919 % n)
			filters[i] = names[i][:len(names[i])-len("channel0")] + "+"
		}
		replace := each(100_000, func(i int) {
			k := names[i%1000]
			r.set(k, &Message{topic: k, payload: make([]byte, 64), lsn: uint64(n + i + 1)})
		})
		one := each(100_000, func(i int) { r.get(names[i%1000]) })
		some := each(100_000, func(i int) { r.match(filters[i%1000]) })
		t.Logf("| %d | %v | %v | %v | %d |", n, replace, one, some, bytes)
		runtime.KeepAlive(r)
	}
}

// Sessions of clients that are away, each with one subscription.
func TestGrowthOfSessions(t *testing.T) {
	t.Log("| sessions away | come and go | publish to one of them, on disk | bytes each |")
	for _, n := range growth(t, 1, 10, 100, 1_000, 10_000, 100_000) {
		s := newBench(t, Config{MaxSessions: 1 << 30, QueueMessages: 30000}).Server
		before := heap()
		open := func(i int) (*conn, *Session) {
			id := fmt.Sprint("device-", i)
			c := &conn{srv: s, wire: &wire{}, stream: taker{}, who: auth.Principal{Kind: auth.Device, AccountID: "a", ID: id}, done: make(chan struct{})}
			c.info = ConnInfo{ClientID: id, Principal: c.who}
			c.pub = newPublisher(s, c.who)
			s.openSession(c, false)
			return c, c.sess
		}
		leave := func(c *conn, sess *Session) {
			c.outMu.Lock()
			putBuf(c.takeLocked())
			c.outMu.Unlock()
			sess.detach(c)
		}
		for i := range n {
			c, sess := open(i)
			sess.subscribe([]string{fmt.Sprint("t/", i)}, []byte{1})
			leave(c, sess)
		}
		_ = s.jnl.Wait(t.Context(), s.jnl.Last())
		bytes := (heap() - before) / uint64(n)
		visit := each(20_000, func(i int) { leave(open(i * 7919 % n)) })
		p := newPublisher(s, auth.Principal{AccountID: "a"})
		const messages = 20_000
		publish := each(messages, func(i int) {
			if _, err := p.publishChecked(fmt.Sprint("t/", i*7919%n), make([]byte, 64), 1, false); err != nil {
				t.Error(err)
			}
		})
		_ = s.jnl.Wait(t.Context(), s.jnl.Last())
		t.Logf("| %d | %v | %v | %d |", n, visit, publish, bytes)
	}
}

// taker is a stream that takes everything.
type taker struct{ io.Reader }

func (taker) Write(p []byte) (int, error) { return len(p), nil }
func (taker) Close() error                { return nil }
