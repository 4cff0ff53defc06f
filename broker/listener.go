package broker

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ServeTCP accepts MQTT connections without TLS until ln is closed or the server is.
func (s *Server) ServeTCP(ln net.Listener) error {
	return s.acceptFrom(ln, func(w *wire) { s.serve(w, w, "tcp", nil) })
}

// ServeConn serves one MQTT connection that came from elsewhere than a listener. It returns once the connection is accepted or gone.
func (s *Server) ServeConn(nc net.Conn) {
	if !s.begin() {
		_ = nc.Close()
		return
	}
	defer s.tasks.Done()
	w := newWire(nc)
	s.serve(w, w, "tcp", nil)
}

// ServeTLS accepts MQTT connections over TLS. A client may name the protocol mqtt in its handshake (ALPN) and need not. It is asked for
// a certificate and need not have one; of whom it came is the Authenticator's business.
func (s *Server) ServeTLS(ln net.Listener, tc *tls.Config) error {
	tc = tc.Clone()
	tc.ClientAuth = tls.RequestClientCert
	if len(tc.NextProtos) > 0 { // an empty list takes whatever clients name
		tc.NextProtos = slices.Concat([]string{"mqtt"}, tc.NextProtos)
	}
	return s.acceptFrom(ln, func(w *wire) {
		if t, ok := s.handshake(w, tc); ok {
			s.serve(t, w, "tls", nil)
		}
	})
}

// ServeShared accepts TLS connections and tells MQTT from HTTP: by the protocol that the client named in the handshake (ALPN), or else by
// its first byte, which in MQTT is CONNECT's and in HTTP is a letter. HTTP connections are h's; it must be served nowhere else with
// this listener. Only clients that may speak MQTT are asked for a certificate: a browser would ask its user which one to show.
func (s *Server) ServeShared(ln net.Listener, tc *tls.Config, h *http.Server) error {
	tc = tc.Clone()
	tc.NextProtos = slices.Concat([]string{"h2", "http/1.1", "mqtt"}, tc.NextProtos)
	asking := tc.Clone()
	asking.ClientAuth = tls.RequestClientCert
	tc.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) == 0 || slices.Contains(hello.SupportedProtos, "mqtt") {
			return asking, nil
		}
		return nil, nil
	}
	web := &handedListener{addr: ln.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer web.Close()
	serving.Go(func() { _ = h.Serve(web) })
	return s.acceptFrom(ln, func(w *wire) {
		t, ok := s.handshake(w, tc)
		if !ok {
			return
		}
		switch t.ConnectionState().NegotiatedProtocol {
		case "h2", "http/1.1":
			w.handOver(web, t)
		case "mqtt":
			s.serve(t, w, "tls", nil)
		default:
			s.sniff(t, w, web)
		}
	})
}

func (s *Server) sniff(t *tls.Conn, w *wire, web *handedListener) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(t, first); err != nil {
		w.slot.leave()
		_ = t.Close()
		return
	}
	if first[0] < 'A' || first[0] > 'Z' {
		s.serve(t, w, "tls", first)
		return
	}
	w.handOver(web, &sniffedConn{Conn: t, early: bytes.NewReader(first)})
}

// handOver leaves a connection to HTTP, which has time limits of its own.
func (w *wire) handOver(web *handedListener, c net.Conn) {
	w.slot.leave()
	_ = w.SetDeadline(time.Time{})
	web.hand(c)
}

// handshake bounds the TLS handshake in time. The connection keeps its place at the door: serve goes on with it.
func (s *Server) handshake(w *wire, tc *tls.Config) (*tls.Conn, bool) {
	slot, ok := s.door.enter(w)
	if !ok {
		s.turnAway(w, reasonTooManyOpen)
		return nil, false
	}
	_ = w.SetDeadline(slot.until)
	t := tls.Server(w, tc)
	var tail alertTail
	w.tail = &tail
	err := t.HandshakeContext(s.stopped)
	w.tail = nil
	if err != nil {
		err = tail.meant(err)
		slot.leave()
		s.stats.refused.Add(1)
		if !errors.Is(err, io.EOF) {
			s.tell(slog.LevelInfo, w.RemoteAddr().String(), "TLS handshake failed", "err", err)
			s.events.Refused(ConnInfo{Remote: w.RemoteAddr().String(), Transport: "tls", At: time.Now()}, "handshake", "", err.Error())
		}
		_ = w.Close()
		return nil, false
	}
	return t, true
}

// begin makes the calling goroutine one that Close waits for; false once Close was called. The caller ends with tasks.Done.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.tasks.Add(1)
	return true
}

// acceptFrom accepts until the listener closes, each connection on a goroutine of its own.
func (s *Server) acceptFrom(ln net.Listener, serve func(*wire)) error {
	if !s.listen(ln) {
		_ = ln.Close()
		return ErrClosed
	}
	defer s.unlisten(ln)
	proxied, _ := ln.(*proxyListener)
	steady := &steadyListener{Listener: ln, srv: s}
	for {
		nc, err := steady.Accept()
		if err != nil {
			return nil
		}
		s.tasks.Go(func() {
			if w := newWire(nc); proxied == nil || s.introduced(w, proxied) {
				serve(w)
			}
		})
	}
}

// steadyListener waits errors of accept out, such as too many open files, and tells of them once a minute. It turns connections away while
// file descriptors are scarce: a store that cannot open its next file would end the process.
type steadyListener struct {
	net.Listener
	srv *Server

	// Owned by the goroutine that accepts.
	pause  time.Duration
	failed int // since the last line of the log
	told   time.Time
}

// spareDescriptors are left to the store and others that open files, or a quarter of what there are.
const spareDescriptors = 64

var errScarce = errors.New("file descriptors are scarce: the rest is for the store")

// Accept implements net.Listener. The only errors left are those of an end.
func (l *steadyListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil && !l.srv.scarce(nc):
			l.pause = 0
			return nc, nil
		case err == nil:
			_ = nc.Close()
			err = errScarce
		case errors.Is(err, net.ErrClosed) || l.srv.stopped.Err() != nil:
			return nil, err
		}
		l.srv.stats.acceptFailed.Add(1)
		l.failed++
		l.pause = min(max(2*l.pause, 5*time.Millisecond), time.Second)
		if time.Since(l.told) >= time.Minute {
			l.srv.log.Error("accept failed", "err", err, "times", l.failed, "address", l.Addr())
			l.told, l.failed = time.Now(), 0
		}
		select {
		case <-time.After(l.pause):
		case <-l.srv.stopped.Done():
			return nil, net.ErrClosed
		}
	}
}

// scarce says whether a new connection has one of the last descriptors: the kernel gives out the lowest that is free.
func (s *Server) scarce(nc net.Conn) (scarce bool) {
	sc, ok := nc.(syscall.Conn)
	if !ok || s.descriptors == 0 {
		return false
	}
	raw, err := sc.SyscallConn()
	if err == nil {
		most := s.descriptors - min(spareDescriptors, s.descriptors/4)
		_ = raw.Control(func(fd uintptr) { scarce = uint64(fd) >= most })
	}
	return scarce
}

// listen makes ln one that Close closes, and its accept loop one that Close waits for; false once Close was called.
func (s *Server) listen(ln net.Listener) bool {
	if !s.begin() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.tasks.Done()
		return false
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) unlisten(ln net.Listener) {
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
	s.tasks.Done()
}

// Listener prepares an HTTP listener for WebSocket clients: their connections must be able to write without waiting.
func (s *Server) Listener(ln net.Listener) net.Listener {
	return wireListener{&steadyListener{Listener: ln, srv: s}}
}

type wireListener struct{ net.Listener }

func (l wireListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newWire(nc), nil
}

// sniffedConn is a TLS connection whose first byte was read to see what it speaks.
type sniffedConn struct {
	net.Conn
	early *bytes.Reader
}

func (c *sniffedConn) Read(p []byte) (int, error) {
	if c.early != nil {
		n, err := c.early.Read(p)
		if c.early.Len() == 0 {
			c.early = nil
		}
		return n, err
	}
	return c.Conn.Read(p)
}

// TLSState tells an http.Server's ConnContext that the connection is encrypted, which net/http sees only on a bare *tls.Conn.
func (c *sniffedConn) TLSState() tls.ConnectionState { return c.Conn.(*tls.Conn).ConnectionState() }

// handedListener is a net.Listener fed by hand.
type handedListener struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *handedListener) hand(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

func (l *handedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *handedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *handedListener) Addr() net.Addr { return l.addr }

// door bounds the connections that nobody has vouched for yet: those in their TLS handshake or before the end of CONNECT.
type door struct {
	max, maxPerIP int
	patience      time.Duration

	mu     sync.Mutex
	all    map[*slot]struct{}
	byIP   map[string]int
	closed bool
}

// slot is one connection's place at the door. It is given up by leave, at the latest when it is not used any more.
type slot struct {
	d     *door
	w     *wire
	ip    string
	until time.Time // the end of CONNECT, TLS handshake included
}

func (d *door) init(cfg Config) {
	d.max, d.maxPerIP, d.patience = cfg.MaxUnauthenticated, cfg.MaxUnauthenticatedPerIP, cfg.ConnectTimeout
	d.all, d.byIP = map[*slot]struct{}{}, map[string]int{}
}

// enter takes a place, or reports that there is none; one that has a place keeps it. A wait would only move the queue to where nobody
// sees it.
func (d *door) enter(w *wire) (*slot, bool) {
	return d.enterAs(w, hostOf(w.RemoteAddr()))
}

// enterAs counts the connection as one of ip's; "" is nobody's.
func (d *door) enterAs(w *wire, ip string) (*slot, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.slot != nil {
		return w.slot, !d.closed
	}
	if d.closed || len(d.all) >= d.max || (ip != "" && d.byIP[ip] >= d.maxPerIP) {
		return nil, false
	}
	w.slot = &slot{d: d, w: w, ip: ip, until: time.Now().Add(d.patience)}
	d.all[w.slot] = struct{}{}
	d.byIP[ip]++
	return w.slot, true
}

func (s *slot) leave() {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if s.w.slot != s {
		return
	}
	s.w.slot = nil
	delete(s.d.all, s)
	if s.d.byIP[s.ip]--; s.d.byIP[s.ip] == 0 {
		delete(s.d.byIP, s.ip)
	}
}

// closeAll ends everybody at the door, for good.
func (d *door) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for s := range d.all {
		_ = s.w.Close()
	}
}

func hostOf(a net.Addr) string { return hostIn(a.String()) }

func hostIn(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
