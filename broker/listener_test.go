package broker_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"xively/broker"
	bt "xively/broker/brokertest"
)

// certificate returns a server certificate that no client of these tests checks.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// ports is a broker on real sockets, one listener of each kind.
type ports struct {
	*bt.Broker
	t                    testing.TB
	tcp, tls, shared, ws string // addresses
	served               chan error
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func openPorts(t testing.TB, cfg broker.Config) *ports {
	t.Helper()
	p := &ports{Broker: bt.Start(t, cfg), t: t, served: make(chan error, 3)}
	mux := http.NewServeMux()
	mux.Handle("/mqtt", p.WebSocket())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "web over "+r.Proto) })
	web := &http.Server{Handler: mux, ErrorLog: log.New(t.Output(), "", 0)}
	t.Cleanup(func() { _ = web.Close() })
	tc := &tls.Config{Certificates: []tls.Certificate{certificate()}}
	lns := [4]net.Listener{listen(t), listen(t), listen(t), listen(t)}
	p.tcp, p.tls, p.shared, p.ws = lns[0].Addr().String(), lns[1].Addr().String(), lns[2].Addr().String(), lns[3].Addr().String()
	go func() { p.served <- p.ServeTCP(lns[0]) }()
	go func() { p.served <- p.ServeTLS(lns[1], tc) }()
	go func() { p.served <- p.ServeShared(lns[2], tc, web) }()
	go func() { _ = web.Serve(p.Listener(lns[3])) }()
	return p
}

func (p *ports) dial(addr string) net.Conn {
	p.t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = nc.Close() })
	return nc
}

func (p *ports) dialTLS(addr string, alpn ...string) net.Conn {
	p.t.Helper()
	t := tls.Client(p.dial(addr), &tls.Config{InsecureSkipVerify: true, NextProtos: alpn})
	if err := t.Handshake(); err != nil {
		p.t.Fatalf("handshake with %v: %v", alpn, err)
	}
	return t
}

// TestFailedHandshakeIsTold: a client that does not trust the certificate tells nobody its name; its address and the reason must reach the log.
func TestFailedHandshakeIsTold(t *testing.T) {
	p := openPorts(t, broker.Config{})
	for _, addr := range []string{p.tls, p.shared} {
		if err := tls.Client(p.dial(addr), &tls.Config{ServerName: "localhost"}).Handshake(); err == nil {
			t.Fatal("the handshake with an unknown authority went well")
		}
	}
	p.Stop() // every connection has ended after it
	if n := p.Events.Count("handshake"); n != 2 {
		t.Errorf("%d events about a handshake, wanted 2", n)
	}
}

// wsConn is the client's end of a WebSocket as a net.Conn.
type wsConn struct {
	net.Conn
	ws   *websocket.Conn
	rest []byte
}

func (c *wsConn) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		kind, b, err := c.ws.ReadMessage()
		if err != nil {
			return 0, io.EOF
		}
		if kind != websocket.BinaryMessage {
			return 0, errors.New("a text frame from the server")
		}
		c.rest = b
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *wsConn) Write(p []byte) (int, error) {
	return len(p), c.ws.WriteMessage(websocket.BinaryMessage, p)
}

func (p *ports) dialWS(url string, subprotocols ...string) *wsConn {
	p.t.Helper()
	d := websocket.Dialer{Subprotocols: subprotocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, EnableCompression: true}
	ws, resp, err := d.Dial(url, nil)
	if err != nil {
		p.t.Fatalf("dial %s: %v", url, err)
	}
	if ext := resp.Header.Get("Sec-WebSocket-Extensions"); ext != "" {
		p.t.Errorf("server agreed to %q", ext)
	}
	p.t.Cleanup(func() { _ = ws.Close() })
	return &wsConn{Conn: ws.NetConn(), ws: ws}
}

// in is p for a subtest: what fails in it is the subtest's failure.
func (p *ports) in(t testing.TB) *ports {
	q := *p
	q.t = t
	return &q
}

// kinds are the ways to reach the broker.
func (p *ports) kinds() map[string]func() net.Conn {
	return map[string]func() net.Conn{
		"tcp":                   func() net.Conn { return p.dial(p.tcp) },
		"tls":                   func() net.Conn { return p.dialTLS(p.tls) },
		"tls with ALPN":         func() net.Conn { return p.dialTLS(p.tls, "mqtt") },
		"shared with ALPN":      func() net.Conn { return p.dialTLS(p.shared, "mqtt") },
		"shared by first byte":  func() net.Conn { return p.dialTLS(p.shared) },
		"ws":                    func() net.Conn { return p.dialWS("ws://"+p.ws+"/mqtt", "mqtt") },
		"wss, http/1.1 by ALPN": func() net.Conn { return p.dialWS("wss://"+p.shared+"/mqtt", "mqtt") },
		"wss, by first byte": func() net.Conn {
			nc := p.dialTLS(p.shared)
			d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return nc, nil }}
			ws, _, err := d.Dial("ws://x/mqtt", nil)
			if err != nil {
				p.t.Fatal(err)
			}
			return &wsConn{Conn: nc, ws: ws}
		},
	}
}

func (p *ports) connect(nc net.Conn, name string, opts ...bt.Option) *bt.Client {
	p.t.Helper()
	c := bt.NewClient(p.t, nc)
	c.Send(bt.ConnectPacket(name, opts...)...)
	c.Expect(0x20, 2, 0, 0)
	return c
}

// Every way in works, and a connection ends when it is told to, by whichever side.
func TestTransports(t *testing.T) {
	p := openPorts(t, broker.Config{})
	for kind := range p.kinds() {
		t.Run(kind, func(t *testing.T) {
			p := p.in(t)
			dial := p.kinds()[kind]
			c := p.connect(dial(), "a")
			c.Subscribe("x", 1)
			big := strings.Repeat("big ", 50_000)
			for _, payload := range []string{"hello", big} {
				c.Publish("x", payload, 0, 0)
				c.Expect(bt.Publish("x", payload, 0, 0)...)
			}
			c.Publish("x", "again", 1, 7)
			for range 2 { // PUBACK and the message, in either order
				if b := c.Next(); len(b) == 0 || b[0] != 0x40 && b[0] != 0x32 {
					t.Fatalf("got % x", b)
				}
			}
			c.Send(0xe0, 0)
			c.ExpectClosed()
			c = p.connect(dial(), "a")
			c.Send(0x30, 0x02, 0, 9) // ends within its topic
			c.ExpectClosed()
			c = p.connect(dial(), "a")
			again := p.connect(dial(), "a")
			c.ExpectClosed()
			_ = again.Conn.Close()
			gone(t, p.Broker, 0)
		})
	}
}

// HTTP shares the port, in every version and however its client begins.
func TestSharedPortServesHTTP(t *testing.T) {
	p := openPorts(t, broker.Config{})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: proto == "HTTP/2.0"}
		resp, err := (&http.Client{Transport: tr}).Get("https://" + p.shared + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		tr.CloseIdleConnections()
		if string(body) != "web over "+proto {
			t.Errorf("%s: got %q", proto, body)
		}
	}
	nc := p.dialTLS(p.shared) // as an old client, without ALPN
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if b, _ := io.ReadAll(nc); !strings.HasSuffix(string(b), "web over HTTP/1.1") {
		t.Errorf("without ALPN: got %q", b)
	}
}

// Connections that write to each other's dead sockets must not wait for each other's end.
func TestConnectionsThatCloseEachOther(t *testing.T) {
	p := openPorts(t, broker.Config{})
	for range 20 {
		var cs []*bt.Client
		for i := range 8 {
			c := p.connect(p.dial(p.tcp), fmt.Sprint("c", i))
			c.Subscribe("all", 0)
			cs = append(cs, c)
		}
		for _, c := range cs {
			for range 20 {
				c.Publish("all", strings.Repeat("x", 1000), 0, 0)
			}
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			_ = c.Conn.Close() // reset: whoever writes now gets an error
		}
		gone(t, p.Broker, 0)
	}
}

// ended waits for the server to close a connection that says nothing.
func ended(t *testing.T, stage string, nc net.Conn) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s: the server keeps a connection that never sends CONNECT", stage)
	}
}

// One deadline bounds everything up to CONNECT, however far a connection has come, and a good client gets in meanwhile.
func TestSilentConnectionsEnd(t *testing.T) {
	// Time enough for the good ones on a machine that is busy.
	p := openPorts(t, broker.Config{ConnectTimeout: 2 * time.Second, MaxUnauthenticated: 100})
	stages := map[string]func() net.Conn{
		"no byte":                          func() net.Conn { return p.dial(p.tcp) },
		"half a CONNECT":                   func() net.Conn { nc := p.dial(p.tcp); _, _ = nc.Write([]byte{0x10, 20, 0, 4}); return nc },
		"no TLS handshake":                 func() net.Conn { return p.dial(p.tls) },
		"no TLS handshake on shared":       func() net.Conn { return p.dial(p.shared) },
		"TLS handshake only":               func() net.Conn { return p.dialTLS(p.tls) },
		"TLS handshake only on shared":     func() net.Conn { return p.dialTLS(p.shared) },
		"TLS handshake with mqtt":          func() net.Conn { return p.dialTLS(p.shared, "mqtt") },
		"WebSocket upgrade only":           func() net.Conn { return p.dialWS("ws://"+p.ws+"/mqtt", "mqtt").ws.NetConn() },
		"secure WebSocket upgrade only":    func() net.Conn { return p.dialWS("wss://"+p.shared+"/mqtt", "mqtt").ws.NetConn() },
		"half a handshake, as bytes: late": func() net.Conn { nc := p.dial(p.shared); _, _ = nc.Write([]byte{22, 3, 1}); return nc },
	}
	var wg sync.WaitGroup
	for stage, dial := range stages {
		for range 3 {
			nc := dial()
			wg.Go(func() { ended(t, stage, nc) })
		}
	}
	p.connect(p.dialTLS(p.shared), "good")
	wg.Wait()
}

// The door is as wide as configured, counts a connection at every stage before CONNECT, and lets go of every one that leaves.
func TestDoorIsBounded(t *testing.T) {
	p := openPorts(t, broker.Config{MaxUnauthenticated: 6, MaxUnauthenticatedPerIP: 6, ConnectTimeout: time.Hour})
	var waiting []net.Conn
	for range 2 {
		waiting = append(waiting, p.dial(p.tcp), p.dialTLS(p.shared), p.dialWS("ws://"+p.ws+"/mqtt", "mqtt"))
	}
	for range 3 {
		waiting = append(waiting, p.dial(p.tcp))
	}
	// Whichever three of the nine came last.
	for end := time.Now().Add(time.Minute); p.Stats().Refused < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of nine connections %d were turned away, want 3", p.Stats().Refused)
		}
	}
	if n := p.Stats().Refused; n != 3 {
		t.Fatalf("of nine connections %d were turned away, want 3", n)
	}
	for _, nc := range waiting {
		_ = nc.Close()
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c := bt.NewClient(t, p.dial(p.tcp))
		c.Send(bt.ConnectPacket("good")...)
		if c.Next() != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("places are not given back")
		}
	}
	for i := range 20 { // accepted ones do not count
		p.connect(p.dialTLS(p.shared), fmt.Sprint("c", i))
	}
}

// tired is a listener whose Accept fails a few times first.
type tired struct {
	net.Listener
	fails, calls int
}

func (l *tired) Accept() (net.Conn, error) {
	if l.calls++; l.calls <= l.fails {
		return nil, errors.New("accept: too many open files")
	}
	return l.Listener.Accept()
}

func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	b := bt.Start(t, broker.Config{})
	ln := &tired{Listener: listen(t), fails: 5}
	start := time.Now()
	go func() { _ = b.ServeTCP(ln) }()
	p := &ports{Broker: b, t: t}
	p.connect(p.dial(ln.Addr().String()), "a")
	if d := time.Since(start); d < 5*(1+2+4+8+16)*time.Millisecond {
		t.Errorf("five errors of accept were waited out in %v", d)
	}
	if n := b.Stats().AcceptFailed; n != 5 {
		t.Errorf("%d errors are counted, want 5", n)
	}
}

// Close ends everything, whatever stage it is at, and leaves nothing running.
func TestCloseAtEveryStage(t *testing.T) {
	base := runtime.NumGoroutine()
	t.Run("close", func(t *testing.T) {
		p := openPorts(t, broker.Config{})
		var open []net.Conn
		for kind, dial := range p.kinds() {
			silent, connected, writing := dial(), dial(), dial()
			w := p.connect(writing, "w "+kind)
			open = append(open, silent, p.connect(connected, "c "+kind).Conn, writing)
			go func() {
				for range 100 {
					w.Publish("x", "y", 1, 1)
				}
			}()
		}
		open = append(open, p.dial(p.tcp), p.dial(p.tls), p.dial(p.shared))
		t.Logf("%d connections open", len(open))
		p.Stop()
		for range 3 {
			if err := <-p.served; err != nil {
				t.Errorf("Serve…: %v", err)
			}
		}
		if n := p.Stats().Connections; n != 0 {
			t.Errorf("%d connections left", n)
		}
		if err := p.ServeTCP(listen(t)); !errors.Is(err, broker.ErrClosed) {
			t.Errorf("ServeTCP after Close: %v", err)
		}
		near, far := net.Pipe()
		p.ServeConn(far)
		_ = near.SetDeadline(time.Now().Add(time.Minute))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("ServeConn after Close: %v", err)
		}
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
	goroutinesBack(t, base)
}

func goroutinesBack(t *testing.T, base int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > base; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d at the beginning:\n%s", runtime.NumGoroutine(), base, buf[:runtime.Stack(buf, true)])
		}
	}
}

// Connections of every kind, however they end, leave nothing behind.
func TestConnectionsLeaveNothing(t *testing.T) {
	rounds := map[string]int{"tcp": 1000}
	p := openPorts(t, broker.Config{})
	for kind := range p.kinds() {
		n := max(rounds[kind], 100)
		if os.Getenv("XIVELY_SOAK") != "" {
			n = 3000
		}
		t.Run(kind, func(t *testing.T) {
			p := p.in(t)
			dial := p.kinds()[kind]
			runtime.GC()
			base := runtime.NumGoroutine()
			for i := range n {
				nc := dial()
				opts := []bt.Option{}
				if i%5 == 1 {
					opts = append(opts, bt.Password("wrong"))
				}
				_ = nc.SetDeadline(time.Now().Add(time.Minute))
				_, _ = nc.Write(bt.ConnectPacket("a", opts...)) // the same client id: often a takeover
				_, _ = nc.Read(make([]byte, 4))
				if i%5 == 2 {
					_, _ = nc.Write([]byte{0xe0, 0})
				}
				if i%5 == 3 {
					_, _ = nc.Write([]byte{0xff})
				}
				_ = nc.Close()
			}
			gone(t, p.Broker, 0)
			goroutinesBack(t, base)
		})
	}
}

// A client that sends its last packet and goes in the same moment is noticed although the poller told of both at once; and two that end each
// other at the same time do not wait for each other.
func TestEndRightBehindAPacket(t *testing.T) {
	p := openPorts(t, broker.Config{})
	for i := range 200 {
		nc := p.dial(p.tcp)
		p.connect(nc, fmt.Sprint("c", i%50))
		_, _ = nc.Write(bt.Publish("t", "last words", byte(i%2), 1))
		_ = nc.Close()
	}
	gone(t, p.Broker, 0)
}
