package simulate

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"xively/broker/packet"
)

// ReadBuffer is how many bytes a connection reads at once; larger packets are read in pieces.
const ReadBuffer = 512

const (
	mostHeard = 4 << 10          // of a message's bytes that are looked at
	dialTime  = 15 * time.Second // until CONNACK
)

var errRefused = errors.New("the broker refused the connection")

// conn is a device's connection. Its goroutine reads; whoever writes holds mu.
type conn struct {
	stream  io.ReadWriteCloser
	in      *bufio.Reader
	figures *counters
	heard   func(c *conn, payload []byte) // of messages; called by the reader
	waiting atomic.Int32                  // publishes that are not acknowledged
	over    atomic.Bool                   // the reader has ended
	ending  atomic.Bool                   // by us

	mu sync.Mutex
	id uint16
}

// connect dials, signs in as the device with a secret and starts the reader, which ends with the connection.
func (s *simulation) connect(ctx context.Context, d *Device, secret string, heard func(*conn, []byte)) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	stream, err := s.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	c := &conn{stream: stream, in: bufio.NewReaderSize(stream, ReadBuffer), figures: &s.figures, heard: heard}
	hello := &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, CleanSession: true, ClientID: []byte(d.id), KeepAlive: s.keepAlive(),
		HasUsername: true, Username: []byte(d.id), HasPassword: true, Password: []byte(secret)}
	if err := c.write(packet.AppendConnect(nil, hello)); err != nil {
		stream.Close()
		return nil, err
	}
	var answer [4]byte
	if _, err := io.ReadFull(c.in, answer[:]); err != nil {
		stream.Close()
		return nil, err
	}
	if _, code, err := packet.DecodeConnack(answer[:]); err != nil || code != 0 {
		stream.Close()
		return nil, fmt.Errorf("%w: return code %d", errRefused, code)
	}
	s.figures.connects.Add(1)
	s.figures.connected.Add(1)
	go c.read()
	return c, nil
}

// keepAlive is long enough that reports keep a connection alive.
func (s *simulation) keepAlive() uint16 { return uint16(min(3600, max(60, 4*s.Interval.Seconds()))) }

func (c *conn) write(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.stream.Write(b)
	return err
}

func (c *conn) subscribe(filter string) error {
	return c.write(packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte(filter), QoS: 1}}))
}

// message appends a PUBLISH to dst.
func (c *conn) message(dst []byte, topic string, payload []byte, qos byte) []byte {
	p := packet.Publish{QoS: qos, Topic: []byte(topic), Payload: payload}
	if qos > 0 {
		c.mu.Lock()
		if c.id++; c.id == 0 {
			c.id = 1
		}
		p.PacketID = c.id
		c.mu.Unlock()
		c.waiting.Add(1)
	}
	c.figures.published.Add(1)
	return packet.AppendPublish(dst, &p)
}

// read takes what the broker sends until the connection ends.
func (c *conn) read() {
	defer func() {
		c.over.Store(true)
		c.figures.connected.Add(-1)
		if !c.ending.Load() {
			c.figures.lost.Add(1)
		}
		c.stream.Close()
	}()
	for {
		first, err := c.in.ReadByte()
		if err != nil {
			return
		}
		length, err := binary.ReadUvarint(c.in) // MQTT's remaining length is of the same form
		if err != nil {
			return
		}
		switch packet.TypeOf(first) {
		case packet.PUBACK:
			c.waiting.Add(-1)
			c.figures.acknowledged.Add(1)
		case packet.PUBLISH:
			if length <= mostHeard {
				b := make([]byte, length)
				if _, err := io.ReadFull(c.in, b); err != nil || c.took(first, b) != nil {
					return
				}
				continue
			}
		}
		if _, err := c.in.Discard(int(length)); err != nil {
			return
		}
	}
}

// took acknowledges a message, whose variable header and payload b is, and hands it on.
func (c *conn) took(first byte, b []byte) error {
	if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
		return io.ErrUnexpectedEOF
	}
	b = b[2+binary.BigEndian.Uint16(b):]
	if qos := first >> 1 & 3; qos > 0 {
		if len(b) < 2 {
			return io.ErrUnexpectedEOF
		}
		if err := c.write(packet.AppendAck(nil, packet.PUBACK, binary.BigEndian.Uint16(b))); err != nil {
			return err
		}
		b = b[2:]
	}
	c.heard(c, b)
	return nil
}

// leave says goodbye; drop just goes.
func (c *conn) leave() {
	c.ending.Store(true)
	_ = c.write(packet.AppendDisconnect(nil))
	c.stream.Close()
}

func (c *conn) drop() {
	c.ending.Store(true)
	c.stream.Close()
}

// counters are Figures that many goroutines count.
type counters struct {
	connected, connects, refused, published, acknowledged, faults, lost atomic.Int64
}

func (c *counters) read() Figures {
	return Figures{c.connected.Load(), c.connects.Load(), c.refused.Load(), c.published.Load(), c.acknowledged.Load(), c.faults.Load(), c.lost.Load()}
}
