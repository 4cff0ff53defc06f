package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"xively/broker/packet"
	"xively/internal/dial"
)

// Target is the broker under load and how to reach it.
type Target struct {
	Dial     dial.Func
	User     string // "" for none
	Password string
	PID      int // the broker's process on this machine; 0: not known
}

// client is one MQTT connection driven by one goroutine at a time; a second one may publish while the first receives.
type client struct {
	conn io.ReadWriteCloser
	in   *bufio.Reader
	acks []byte // to be sent
	out  []byte
	id   uint16
}

// ReadBuffer is how many bytes a connection reads at once; a packet must fit.
const ReadBuffer = 32 << 10

// errTimeout says that the broker did not answer in time: in a closed loop that is a message lost.
var errTimeout = errors.New("no answer in time: a message was lost or the broker stopped")

// patience is how long a client waits for what must come.
var patience = 20 * time.Second

// dial connects and takes CONNACK.
func (t Target) dial(clientID string, clean bool) (*client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := t.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, ReadBuffer)}
	p := &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, CleanSession: clean, ClientID: []byte(clientID), KeepAlive: 600}
	if t.User != "" {
		p.HasUsername, p.Username = true, []byte(t.User)
		p.HasPassword, p.Password = true, []byte(t.Password)
	}
	if err := c.write(packet.AppendConnect(nil, p)); err != nil {
		return nil, err
	}
	b, err := c.next()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if _, code, err := packet.DecodeConnack(b); err != nil || code != 0 {
		return nil, fmt.Errorf("connect: broker answered % x", b)
	}
	c.skip(b)
	return c, nil
}

func (c *client) write(b []byte) error {
	_, err := c.conn.Write(b)
	return err
}

// next returns the next packet without taking it: the bytes are good until skip.
func (c *client) next() ([]byte, error) {
	for need := 2; ; need++ {
		head, err := c.in.Peek(need)
		if err != nil {
			return nil, timedOut(err)
		}
		size, _, err := packet.Frame(head, packet.MaxSize)
		if err != nil {
			return nil, err
		}
		if size > 0 {
			if size > ReadBuffer {
				return nil, fmt.Errorf("packet of %d bytes does not fit the generator's buffer", size)
			}
			b, err := c.in.Peek(size)
			return b, timedOut(err)
		}
	}
}

func timedOut(err error) error {
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return errTimeout
	}
	return err
}

func (c *client) skip(b []byte) { _, _ = c.in.Discard(len(b)) }

// deadline bounds the next reads.
func (c *client) deadline() {
	if d, ok := c.conn.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = d.SetReadDeadline(time.Now().Add(patience))
	}
}

func (c *client) subscribe(filter string, qos byte) error {
	if err := c.write(packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte(filter), QoS: qos}})); err != nil {
		return err
	}
	b, err := c.next()
	if err != nil {
		return err
	}
	_, codes, err := packet.DecodeSuback(b)
	if err != nil || len(codes) != 1 || codes[0] != qos {
		return fmt.Errorf("subscribe %q at QoS %d: broker answered % x", filter, qos, b)
	}
	c.skip(b)
	return nil
}

// receive takes n messages of the QoS to the end of their acknowledgement and shows each payload to see, which may be nil.
func (c *client) receive(n int, qos byte, see func(payload []byte)) error {
	for done := 0; done < n; {
		if c.in.Buffered() == 0 {
			c.deadline()
		}
		b, err := c.next()
		if err != nil {
			return fmt.Errorf("after %d of %d messages: %w", done, n, err)
		}
		switch packet.TypeOf(b[0]) {
		case packet.PUBLISH:
			var p packet.Publish
			if err := p.Decode(b); err != nil {
				return err
			}
			if p.QoS != qos {
				return fmt.Errorf("got a message of QoS %d, wanted %d", p.QoS, qos)
			}
			if see != nil {
				see(p.Payload)
			}
			switch qos {
			case 1:
				c.acks = packet.AppendAck(c.acks, packet.PUBACK, p.PacketID)
			case 2:
				c.acks = packet.AppendAck(c.acks, packet.PUBREC, p.PacketID)
			}
			if qos < 2 {
				done++
			}
		case packet.PUBREL:
			id, err := packet.DecodeID(b)
			if err != nil {
				return err
			}
			c.acks = packet.AppendAck(c.acks, packet.PUBCOMP, id)
			done++
		}
		c.skip(b)
		if len(c.acks) > 0 && (c.in.Buffered() == 0 || done == n) {
			if err := c.write(c.acks); err != nil {
				return err
			}
			c.acks = c.acks[:0]
		}
	}
	return nil
}

// publish sends n messages in one write and waits until the broker has acknowledged them.
func (c *client) publish(topic []byte, payload []byte, n int, qos byte) error {
	c.out = c.out[:0]
	for range n {
		if c.id++; c.id == 0 {
			c.id = 1
		}
		c.out = packet.AppendPublish(c.out, &packet.Publish{QoS: qos, Topic: topic, Payload: payload, PacketID: c.id})
	}
	if err := c.write(c.out); err != nil || qos == 0 {
		return err
	}
	return c.acknowledged(n)
}

// acknowledged waits for n PUBACK or PUBCOMP.
func (c *client) acknowledged(n int) error {
	for done := 0; done < n; {
		if c.in.Buffered() == 0 {
			c.deadline()
		}
		b, err := c.next()
		if err != nil {
			return fmt.Errorf("after %d of %d acknowledgements: %w", done, n, err)
		}
		switch packet.TypeOf(b[0]) {
		case packet.PUBACK, packet.PUBCOMP:
			done++
		case packet.PUBREC:
			id, err := packet.DecodeID(b)
			if err != nil {
				return err
			}
			c.acks = packet.AppendAck(c.acks, packet.PUBREL, id)
		}
		c.skip(b)
		if len(c.acks) > 0 && c.in.Buffered() == 0 {
			if err := c.write(c.acks); err != nil {
				return err
			}
			c.acks = c.acks[:0]
		}
	}
	return nil
}

// close says goodbye.
func (c *client) close() {
	_ = c.write(packet.AppendDisconnect(nil))
	_ = c.conn.Close()
}
