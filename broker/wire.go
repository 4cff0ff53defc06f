package broker

import (
	"crypto/tls"
	"net"
	"sync"
	"syscall"
	"time"
)

// wire is the bottom of every Network Connection: the socket, under TLS and WebSocket if there are any.
//
// It begins as an ordinary net.Conn, for handshakes and HTTP. Once MQTT owns it (goAsync), Write never waits: what the socket does
// not take at once is kept, and the connection's writer goroutine calls drain. So a publisher can write to
// its receivers from its own goroutine and no slow receiver can hold it up.
type wire struct {
	net.Conn
	raw   syscall.RawConn // nil when there is no file descriptor, such as net.Pipe: then every write is left to drain
	slot  *slot           // its place at the door; nil before and after. Guarded by door.mu
	fed   bool            // reads take from early only; set by the read loop, which is the only reader
	early []byte
	tail  *alertTail // in a TLS handshake: how the bytes from the client end
	from  net.Addr   // where a PROXY header says it comes from; nil without one. Fixed before anything else is read

	mu       sync.Mutex // guards what follows; held over one non-blocking write, never while waiting
	async    bool
	draining bool
	pend     []byte // taken by Write, not yet by the socket
	err      error
	job      writeJob
}

// writeJob carries one attempt to write through RawConn.Write without a new closure each time.
type writeJob struct {
	fn  func(fd uintptr) bool
	buf []byte
	n   int
	err error
}

func newWire(nc net.Conn) *wire {
	w := &wire{Conn: nc}
	if sc, ok := nc.(syscall.Conn); ok && rawIO {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	w.job.fn = func(fd uintptr) bool {
		w.job.n, w.job.err = rawWrite(fd, w.job.buf)
		return true
	}
	return w
}

// wireOf finds the wire under a connection that HTTP or TLS handed over; nil if there is none.
func wireOf(nc net.Conn) *wire {
	for {
		switch c := nc.(type) {
		case *wire:
			return c
		case *tls.Conn:
			nc = c.NetConn()
		case *sniffedConn:
			nc = c.Conn
		default:
			return nil
		}
	}
}

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr {
	if w.from != nil {
		return w.from
	}
	return w.Conn.RemoteAddr()
}

func (w *wire) goAsync() {
	w.mu.Lock()
	w.async = true
	_ = w.Conn.SetWriteDeadline(time.Time{})
	w.mu.Unlock()
}

// SetWriteDeadline implements net.Conn. Once writes are asynchronous it changes nothing: TLS and WebSocket set deadlines for themselves, which
// would end drain's patience or make it endless.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.async {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn, for reads only once writes are asynchronous.
func (w *wire) SetDeadline(t time.Time) error {
	_ = w.SetWriteDeadline(t)
	return w.SetReadDeadline(t)
}

// Write implements net.Conn. In async mode it takes all of p.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	if !w.async {
		w.mu.Unlock()
		return w.Conn.Write(p)
	}
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	n := 0
	if w.raw != nil && len(w.pend) == 0 && !w.draining {
		if n, w.err = w.tryLocked(p); w.err != nil {
			return 0, w.err
		}
	}
	if n < len(p) {
		w.pend = append(w.pend, p[n:]...)
	}
	return len(p), nil
}

// tryLocked writes what the socket takes now.
func (w *wire) tryLocked(p []byte) (int, error) {
	w.job.buf = p
	err := w.raw.Write(w.job.fn)
	w.job.buf = nil
	if err != nil {
		return 0, err
	}
	return w.job.n, w.job.err
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if !w.fed {
		n, err := w.Conn.Read(p)
		if w.tail != nil {
			w.tail.saw(p[:n])
		}
		return n, err
	}
	if len(w.early) == 0 {
		return 0, errDry
	}
	n := copy(p, w.early)
	w.early = w.early[n:]
	return n, nil
}

// errDry is a net.Error that passes: the TLS decoder keeps what it has of a record and can be asked again.
var errDry error = dry{}

type dry struct{}

func (dry) Error() string   { return "nothing to read yet" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }

// Close implements net.Conn. Where MQTT reads a socket of its own, it only hangs up: the read loop closes when it has ended.
func (w *wire) Close() error {
	w.mu.Lock()
	async := w.async
	w.mu.Unlock()
	if !async || w.raw == nil {
		return w.Conn.Close()
	}
	w.hangUp()
	return nil
}

// hangUp ends a socket without closing it: both sides learn of it, and nobody waits. A socket that the other side has reset refuses
// the shutdown and needs none.
func (w *wire) hangUp() {
	_ = w.raw.Control(rawShutdown)
	w.wake()
}

// wake ends a read that waits, and every later one.
func (w *wire) wake() { _ = w.Conn.SetReadDeadline(time.Unix(1, 0)) }

// peerClosed reports whether the other side has closed and everything it had sent has been read.
func (w *wire) peerClosed() (closed bool) {
	_ = w.raw.Control(func(fd uintptr) { closed = rawEnded(fd) })
	return closed
}

// behind reports whether bytes wait for the socket, in drain's hands or ours.
func (w *wire) behind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pend) > 0 || w.draining
}

// kept returns how many bytes Write took that the socket did not, 0 when they have no way out any more.
func (w *wire) kept() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0
	}
	return len(w.pend)
}

// drain hands the kept bytes to the socket and waits until it took them all; a socket that takes no 64 KiB within timeout is an error.
// Only the connection's flusher calls it.
func (w *wire) drain(timeout time.Duration) error {
	const step = 64 << 10
	w.mu.Lock()
	w.draining = true
	for len(w.pend) > 0 && w.err == nil {
		buf := w.pend
		w.pend = nil
		w.mu.Unlock()
		var err error
		for len(buf) > 0 && err == nil {
			_ = w.Conn.SetWriteDeadline(time.Now().Add(timeout))
			n := min(step, len(buf))
			_, err = w.Conn.Write(buf[:n])
			buf = buf[n:]
		}
		w.mu.Lock()
		if err != nil {
			w.err = err
		}
	}
	if w.err == nil { // an expired deadline would fail the next attempt to write, however empty the socket
		_ = w.Conn.SetWriteDeadline(time.Time{})
	}
	w.draining = false
	err := w.err
	w.mu.Unlock()
	return err
}
