package broker_test

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// simConn is a connection of the simulated network, seen by the server as a net.Conn. Bytes move when the simulation says so:
// up, from client to server, with deliver; down with take. The server's writes wait while the window is full.
type simConn struct {
	mu     sync.Mutex
	change sync.Cond // of anything below
	up     []byte    // sent by the client, not yet at the server
	in     []byte    // at the server, not yet read
	down   []byte    // written by the server, not yet taken
	window int       // how much down holds
	cut    bool      // the server reads no more than in holds
	closed bool      // by the server

	readBy, writeBy deadline
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func newSimConn(window int) *simConn {
	c := &simConn{window: window}
	c.change.L = &c.mu
	return c
}

// send hands bytes to the network.
func (c *simConn) send(b []byte) { c.up = append(c.up, b...) }

// deliver moves n bytes to the server.
func (c *simConn) deliver(n int) {
	c.mu.Lock()
	c.in = append(c.in, c.up[:n]...)
	c.up = c.up[n:]
	c.change.Broadcast()
	c.mu.Unlock()
}

// take moves up to n bytes to the client.
func (c *simConn) take(n int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, len(c.down))
	b := c.down[:n:n]
	c.down = c.down[n:]
	c.change.Broadcast()
	return b
}

func (c *simConn) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.down)
}

// drop cuts the connection; what is under way is lost.
func (c *simConn) drop() {
	c.mu.Lock()
	c.cut, c.up = true, nil
	c.change.Broadcast()
	c.mu.Unlock()
}

// ended says whether the server has closed and all it wrote was taken.
func (c *simConn) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed && len(c.down) == 0
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (c *simConn) setDeadline(d *deadline, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.at = at; !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), func() {
			c.mu.Lock()
			c.change.Broadcast()
			c.mu.Unlock()
		})
	}
	c.change.Broadcast()
}

func (c *simConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case len(c.in) > 0:
			n := copy(p, c.in)
			c.in = c.in[n:]
			return n, nil
		case c.cut:
			return 0, io.EOF
		case c.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		}
		c.change.Wait()
	}
}

func (c *simConn) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(p) {
		switch {
		case c.closed:
			return n, net.ErrClosed
		case c.cut:
			return n, io.ErrClosedPipe
		case c.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case len(c.down) < c.window:
			k := min(len(p)-n, c.window-len(c.down))
			c.down = append(c.down, p[n:n+k]...)
			n += k
			continue
		}
		c.change.Wait()
	}
	return n, nil
}

func (c *simConn) Close() error {
	c.setDeadline(&c.readBy, time.Time{})
	c.setDeadline(&c.writeBy, time.Time{})
	c.mu.Lock()
	c.closed = true
	c.change.Broadcast()
	c.mu.Unlock()
	return nil
}

func (c *simConn) LocalAddr() net.Addr                { return simAddr{} }
func (c *simConn) RemoteAddr() net.Addr               { return simAddr{} }
func (c *simConn) SetReadDeadline(t time.Time) error  { c.setDeadline(&c.readBy, t); return nil }
func (c *simConn) SetWriteDeadline(t time.Time) error { c.setDeadline(&c.writeBy, t); return nil }
func (c *simConn) SetDeadline(t time.Time) error {
	c.setDeadline(&c.readBy, t)
	c.setDeadline(&c.writeBy, t)
	return nil
}

type simAddr struct{}

func (simAddr) Network() string { return "sim" }
func (simAddr) String() string  { return "sim" }
