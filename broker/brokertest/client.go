package brokertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"xively/broker/packet"
)

// patience is how long a client waits for what ought to come. It is no promise of the broker's: a machine that is busy with many tests may
// take seconds for what needs none, and in a synctest bubble waiting costs nothing.
const patience = 30 * time.Second

// Client is the other end of a connection: it sends bytes and says which bytes must come back.
type Client struct {
	Conn net.Conn
	t    testing.TB

	mu   sync.Mutex
	cond sync.Cond
	in   []byte // received and not yet taken
	end  error
	idle bool // Stall was called
}

// NewClient wraps a connection. A goroutine reads all the time, as a pipe's writer needs.
func NewClient(t testing.TB, nc net.Conn) *Client {
	c := &Client{Conn: nc, t: t}
	c.cond.L = &c.mu
	t.Cleanup(func() {
		_ = nc.Close()
		c.Resume()
	})
	go c.read()
	return c
}

func (c *Client) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Conn.Read(buf)
		c.mu.Lock()
		c.in = append(c.in, buf[:n]...)
		if err != nil {
			c.end = err
		}
		c.cond.Broadcast()
		for c.idle && err == nil {
			c.cond.Wait()
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Stall stops reading from the connection, after at most one more read, until Resume: a slow client.
func (c *Client) Stall() { c.setIdle(true) }

// Resume ends Stall.
func (c *Client) Resume() { c.setIdle(false) }

func (c *Client) setIdle(idle bool) {
	c.mu.Lock()
	c.idle = idle
	c.cond.Broadcast()
	c.mu.Unlock()
}

// Send writes bytes. A connection that the server closed meanwhile is no failure here; Expect will see it.
func (c *Client) Send(b ...byte) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.Conn.Write(b)
}

// Next takes the next whole packet, nil at the connection's end. It waits, but not for ever.
func (c *Client) Next() []byte {
	p, _ := c.next(patience)
	return p
}

// Try takes a packet if one comes within d.
func (c *Client) Try(d time.Duration) []byte {
	p, _ := c.next(d)
	return p
}

func (c *Client) next(d time.Duration) (p []byte, closed bool) {
	expired := false
	timer := time.AfterFunc(d, func() {
		c.mu.Lock()
		expired = true
		c.cond.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		size, _, err := packet.Frame(c.in, packet.MaxSize)
		if err != nil {
			c.t.Errorf("server sent bytes that are no packet: % x", c.in)
			return nil, true
		}
		if size > 0 && size <= len(c.in) {
			p = bytes.Clone(c.in[:size])
			c.in = c.in[size:]
			return p, false
		}
		if c.end != nil {
			return nil, true
		}
		if expired {
			return nil, false
		}
		c.cond.Wait()
	}
}

// Expect takes the next packets and fails the test unless they are exactly these bytes.
func (c *Client) Expect(want ...byte) {
	c.t.Helper()
	for len(want) > 0 {
		got := c.Next()
		if got == nil {
			c.t.Fatalf("wanted packet % x, got nothing", want)
		}
		if !bytes.HasPrefix(want, got) {
			c.t.Fatalf("wanted packet % x\n got packet   % x", want, got)
		}
		want = want[len(got):]
	}
}

// ExpectNothing fails when a packet comes within d (virtual time in a synctest bubble).
func (c *Client) ExpectNothing(d time.Duration) {
	c.t.Helper()
	if p := c.Try(d); p != nil {
		c.t.Fatalf("wanted nothing, got packet % x", p)
	}
}

// ExpectClosed fails unless the server ends the connection without another packet.
func (c *Client) ExpectClosed() {
	c.t.Helper()
	p, closed := c.next(patience)
	if p != nil {
		c.t.Fatalf("wanted the connection to end, got packet % x", p)
	}
	if !closed {
		c.t.Fatal("wanted the connection to end, it is still open")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil && !errors.Is(c.end, io.EOF) && !errors.Is(c.end, io.ErrClosedPipe) {
		c.t.Logf("connection ended with %v", c.end)
	}
}

// PeekID waits for a PUBLISH above QoS 0 and returns its packet identifier without taking it; 0 when something else comes.
func (c *Client) PeekID() uint16 {
	p := c.Next()
	var m packet.Publish
	if p == nil || packet.TypeOf(p[0]) != packet.PUBLISH || m.Decode(p) != nil {
		c.untake(p)
		return 0
	}
	c.untake(p)
	return m.PacketID
}

func (c *Client) untake(p []byte) {
	c.mu.Lock()
	c.in = append(bytes.Clone(p), c.in...)
	c.mu.Unlock()
}

// Take takes the next n packets that want is true of, and leaves those before and between them to be taken later.
func (c *Client) Take(n int, want func(p []byte) bool) {
	c.t.Helper()
	var others []byte
	for n > 0 {
		p := c.Next()
		if p == nil {
			c.t.Fatalf("wanted %d more packets, got none", n)
		}
		if want(p) {
			n--
		} else {
			others = append(others, p...)
		}
	}
	c.untake(others)
}

// Closed reports whether the connection has ended.
func (c *Client) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end != nil
}

// Option changes a CONNECT.
type Option func(*packet.Connect)

// Persistent asks for clean session 0.
func Persistent(p *packet.Connect) { p.CleanSession = false }

// KeepAlive sets the keep alive in seconds.
func KeepAlive(seconds uint16) Option { return func(p *packet.Connect) { p.KeepAlive = seconds } }

// User sets the user name and a password that is right.
func User(name string) Option {
	return func(p *packet.Connect) {
		p.HasUsername, p.HasPassword, p.Username, p.Password = true, true, []byte(name), []byte("right")
	}
}

// Password sets the password.
func Password(s string) Option {
	return func(p *packet.Connect) { p.HasPassword, p.Password = true, []byte(s) }
}

// Will sets a will message.
func Will(topic, payload string, qos byte, retain bool) Option {
	return func(p *packet.Connect) {
		p.HasWill, p.WillTopic, p.WillPayload, p.WillQoS, p.WillRetain = true, []byte(topic), []byte(payload), qos, retain
	}
}

// Level31 speaks MQTT 3.1.
func Level31(p *packet.Connect) { p.ProtocolName, p.Level = []byte("MQIsdp"), 3 }

// ConnectPacket builds a CONNECT: MQTT 3.1.1, clean session, user name equal to the client id.
func ConnectPacket(clientID string, opts ...Option) []byte {
	p := &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, CleanSession: true, ClientID: []byte(clientID)}
	User(clientID)(p)
	for _, o := range opts {
		o(p)
	}
	return packet.AppendConnect(nil, p)
}

// Connect opens a connection, sends CONNECT and takes an accepting CONNACK. It reports Session Present.
func (b *Broker) Connect(clientID string, opts ...Option) (c *Client, present bool) {
	b.t.Helper()
	c = b.Dial()
	c.Send(ConnectPacket(clientID, opts...)...)
	ack := c.Next()
	if len(ack) != 4 || ack[0] != 0x20 || ack[3] != 0 {
		b.t.Fatalf("CONNECT %q: wanted CONNACK 0, got % x", clientID, ack)
	}
	return c, ack[2] == 1
}

// Subscribe asks for one filter and takes its SUBACK with that QoS.
func (c *Client) Subscribe(filter string, qos byte) {
	c.t.Helper()
	c.Send(Subscribe(1, filter, qos)...)
	c.Expect(0x90, 3, 0, 1, qos)
}

// Unsubscribe takes one filter away and its UNSUBACK.
func (c *Client) Unsubscribe(filter string) {
	c.t.Helper()
	c.Send(packet.AppendUnsubscribe(nil, 2, [][]byte{[]byte(filter)})...)
	c.Expect(0xb0, 2, 0, 2)
}

// Ping sends PINGREQ and takes PINGRESP: the connection lives, and everything sent before was handled.
func (c *Client) Ping() {
	c.t.Helper()
	c.Send(0xc0, 0)
	c.Expect(0xd0, 0)
}

// Disconnect says goodbye and waits for the end.
func (c *Client) Disconnect() {
	c.t.Helper()
	c.Send(0xe0, 0)
	c.ExpectClosed()
}

// Ack sends PUBACK, PUBREC, PUBREL or PUBCOMP.
func (c *Client) Ack(t packet.Type, id uint16) { c.Send(Ack(t, id)...) }

// ExpectAck takes one of the same.
func (c *Client) ExpectAck(t packet.Type, id uint16) {
	c.t.Helper()
	c.Expect(Ack(t, id)...)
}

// Ack builds PUBACK, PUBREC, PUBREL or PUBCOMP.
func Ack(t packet.Type, id uint16) []byte { return packet.AppendAck(nil, t, id) }

// Subscribe builds a SUBSCRIBE with one filter.
func Subscribe(id uint16, filter string, qos byte) []byte {
	return packet.AppendSubscribe(nil, id, []packet.Subscription{{Filter: []byte(filter), QoS: qos}})
}

// Dup returns a PUBLISH with its DUP flag set.
func Dup(b []byte) []byte {
	b = bytes.Clone(b)
	b[0] |= 8
	return b
}

// Publish sends a PUBLISH.
func (c *Client) Publish(topic, payload string, qos byte, id uint16) {
	c.Send(Publish(topic, payload, qos, id)...)
}

// Publish builds a PUBLISH without flags.
func Publish(topic, payload string, qos byte, id uint16) []byte {
	return packet.AppendPublish(nil, &packet.Publish{QoS: qos, Topic: []byte(topic), Payload: []byte(payload), PacketID: id})
}

// Retained builds a PUBLISH with RETAIN.
func Retained(topic, payload string, qos byte, id uint16) []byte {
	return packet.AppendPublish(nil, &packet.Publish{QoS: qos, Retain: true, Topic: []byte(topic), Payload: []byte(payload), PacketID: id})
}
