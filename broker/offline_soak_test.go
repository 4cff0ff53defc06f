package broker_test

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage"
)

var (
	offlineSessions = flag.Int("offline-sessions", 0, "how many sessions TestSoakOffline makes; 0: none")
	offlineMessages = flag.Int("offline-messages", 100, "how many messages wait in each")
)

// TestSoakOffline lets messages wait for many clients that are away, restarts, and looks at memory, at the time to start, and that nothing is
// missing. "shared": every message goes to all of them; "own": every session has its own.
func TestSoakOffline(t *testing.T) {
	if *offlineSessions == 0 {
		t.Skip("-offline-sessions says how many")
	}
	for _, how := range []string{"shared", "own"} {
		t.Run(how, func(t *testing.T) {
			w := &offlineWorld{t: t, dir: t.TempDir(), own: how == "own"}
			w.open()
			w.subscribe()
			w.report("sessions made")
			w.publish()
			w.report("messages waiting")
			w.close()
			w.open()
			w.report("started again")
			w.check()
			w.close()
		})
	}
}

type offlineWorld struct {
	t   *testing.T
	dir string
	own bool
	db  *storage.DB
	srv *broker.Server
}

func (w *offlineWorld) open() {
	began := time.Now()
	cpu := cpuTime()
	var err error
	if w.db, err = storage.Open(storage.Config{Dir: w.dir}, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	rules := &bt.Rules{}
	if w.srv, err = broker.New(broker.Config{MaxUnauthenticatedPerIP: 256}, w.db, rules, rules, &simEvents{&simWorld{t: w.t}}, nil, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("start: %v, %v CPU", time.Since(began).Round(time.Millisecond), (cpuTime() - cpu).Round(time.Millisecond))
}

func (w *offlineWorld) close() {
	if err := w.srv.Close(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	began := time.Now()
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
	w.t.Logf("stop: %v", time.Since(began).Round(time.Millisecond))
	w.srv, w.db = nil, nil
}

func (w *offlineWorld) filter(i int) string {
	if w.own {
		return fmt.Sprint("own/", i)
	}
	return "all"
}

// each calls fn for every step-th session, several at a time.
func (w *offlineWorld) each(step int, fn func(i int)) {
	var workers sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		workers.Go(func() {
			for i := int(next.Add(1)-1) * step; i < *offlineSessions; i = int(next.Add(1)-1) * step {
				fn(i)
			}
		})
	}
	workers.Wait()
}

// connect returns a connection with the window of a socket, after CONNACK.
func (w *offlineWorld) connect(i int) *offlineClient {
	c := &offlineClient{simConn: newSimConn(1 << 20)}
	go w.srv.ServeConn(c)
	c.put(bt.ConnectPacket(fmt.Sprint("c", i), bt.Persistent)...)
	c.next()
	return c
}

func (w *offlineWorld) subscribe() {
	w.each(1, func(i int) {
		c := w.connect(i)
		c.put(bt.Subscribe(1, w.filter(i), 1)...)
		c.next()
		c.put(0xe0, 0)
		c.wait(func() bool { return c.closed })
	})
}

func (w *offlineWorld) publish() {
	began, cpu := time.Now(), cpuTime()
	c := &offlineClient{simConn: newSimConn(1 << 20)}
	go w.srv.ServeConn(c)
	c.put(bt.ConnectPacket("publisher")...)
	c.next()
	filler := strings.Repeat("x", 50)
	sent, acked := 0, 0
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var most uint64
	send := func(topic string, n int) {
		if sent++; sent%10000 == 0 {
			metrics.Read(live)
			most = max(most, live[0].Value.Uint64())
		}
		c.put(bt.Publish(topic, fmt.Sprintf("%05d %s", n, filler), 1, uint16(sent%60000+1))...)
		for sent-acked >= 5000 {
			c.next()
			acked++
		}
	}
	for n := range *offlineMessages {
		if !w.own {
			send("all", n)
			continue
		}
		for i := range *offlineSessions {
			send(w.filter(i), n)
		}
	}
	for ; acked < sent; acked++ {
		c.next()
	}
	w.t.Logf("%d published in %v, %v CPU; live heap %d MiB at most", sent, time.Since(began).Round(time.Millisecond), (cpuTime() - cpu).Round(time.Millisecond), most>>20)
}

// check takes what waits for one session of a hundred.
func (w *offlineWorld) check() {
	var wrong atomic.Int64
	w.each(100, func(i int) {
		c := w.connect(i)
		defer c.drop()
		for n := range *offlineMessages {
			var p packet.Publish
			b := c.next()
			if err := p.Decode(b); err != nil || !strings.HasPrefix(string(p.Payload), fmt.Sprintf("%05d", n)) || p.Dup {
				if wrong.Add(1) < 10 {
					w.t.Errorf("session %d, message %d: % x", i, n, b[:min(len(b), 40)])
				}
				return
			}
			c.put(bt.Ack(packet.PUBACK, p.PacketID)...)
		}
	})
	w.t.Logf("%d sessions have not all of their messages", wrong.Load())
}

func (w *offlineWorld) report(when string) {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, _ := os.ReadFile("/proc/self/status")
	field := func(name string) string {
		_, rest, _ := strings.Cut(string(status), name+":")
		line, _, _ := strings.Cut(rest, "\n")
		return strings.TrimSpace(line)
	}
	w.t.Logf("%s: heap %d MiB, resident without the store's file %s, most so far with it %s; store %d MiB, journal %d MiB not in it",
		when, m.HeapAlloc>>20, field("RssAnon"), field("VmHWM"), w.db.Stats().StoreBytes>>20, w.db.Stats().Live>>20)
}

// offlineClient is a simConn whose bytes move at once.
type offlineClient struct {
	*simConn
	buf []byte
}

func (c *offlineClient) put(b ...byte) {
	c.mu.Lock()
	c.in = append(c.in, b...)
	c.change.Broadcast()
	c.mu.Unlock()
}

func (c *offlineClient) wait(until func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !until() {
		c.change.Wait()
	}
}

// next takes a packet; nil at the end.
func (c *offlineClient) next() []byte {
	for {
		if size, _, _ := packet.Frame(c.buf, packet.MaxSize); size > 0 && size <= len(c.buf) {
			b := c.buf[:size]
			c.buf = c.buf[size:]
			return b
		}
		c.wait(func() bool { return len(c.down) > 0 || c.closed })
		b := c.take(1 << 20)
		if len(b) == 0 {
			return nil
		}
		c.buf = append(c.buf, b...)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
