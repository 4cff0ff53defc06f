package broker

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"xively/broker/packet"
	"xively/internal/auth"
	"xively/storage"
)

// open doors: everybody may do everything.
type anybody struct{}

func (anybody) Authenticate(_ context.Context, id, _ string, _ []byte, _ *x509.Certificate, _ net.Addr) (auth.Principal, error) {
	return auth.Principal{Kind: auth.Device, AccountID: "a", ID: id}, nil
}
func (anybody) Epoch() uint64                             { return 1 }
func (anybody) MayPublish(auth.Principal, string) error   { return nil }
func (anybody) MaySubscribe(auth.Principal, string) error { return nil }
func (anybody) MayReceive(auth.Principal, string) error   { return nil }
func (anybody) Connected(ConnInfo)                        {}
func (anybody) Disconnected(ConnInfo, string)             {}
func (anybody) Refused(ConnInfo, string, string, string)  {}

// bench is a server on a TCP port whose clients cost as little as can be.
type bench struct {
	*Server
	tb   testing.TB
	addr string
}

func newBench(tb testing.TB, cfg Config) *bench {
	tb.Helper()
	db, err := storage.Open(storage.Config{Dir: tb.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	cfg.MaxUnauthenticatedPerIP = 256
	s, err := New(cfg, db, anybody{}, anybody{}, anybody{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	go func() { _ = s.ServeTCP(ln) }()
	tb.Cleanup(func() {
		_ = s.Close(context.Background())
		_ = db.Close()
	})
	return &bench{s, tb, ln.Addr().String()}
}

// client connects, and subscribes to x unless qos is above 2.
func (b *bench) client(id string, clean bool, qos byte) net.Conn {
	b.tb.Helper()
	nc, err := net.Dial("tcp", b.addr)
	if err != nil {
		b.tb.Fatal(err)
	}
	b.tb.Cleanup(func() { _ = nc.Close() })
	out := packet.AppendConnect(nil, &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, CleanSession: clean, ClientID: []byte(id)})
	answer := 4
	if qos <= 2 {
		out = packet.AppendSubscribe(out, 1, []packet.Subscription{{Filter: []byte("x"), QoS: qos}})
		answer += 5
	}
	if _, err := nc.Write(out); err != nil {
		b.tb.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, answer)); err != nil {
		b.tb.Fatal(err)
	}
	return nc
}

// reader takes everything a client is sent, without a look.
func reader(nc net.Conn) {
	buf := make([]byte, 256<<10)
	for {
		if _, err := nc.Read(buf); err != nil {
			return
		}
	}
}

// fanOut returns a connection whose read loop sleeps, so that the caller can hand it packets, and n receivers of QoS 0.
func fanOut(tb testing.TB, n int) *conn {
	b := newBench(tb, Config{})
	for i := range n {
		go reader(b.client(fmt.Sprint("sub", i), true, 0))
	}
	near, far := net.Pipe()
	tb.Cleanup(func() { _ = near.Close() })
	go b.ServeConn(far)
	if _, err := near.Write(packet.AppendConnect(nil, &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, CleanSession: true, ClientID: []byte("pub")})); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(near, make([]byte, 4)); err != nil {
		tb.Fatal(err)
	}
	for _, c := range b.connections() {
		if c.info.ClientID == "pub" {
			return c
		}
	}
	tb.Fatal("no connection")
	return nil
}

func (c *conn) feed(b []byte) {
	c.ensureRoom()
	c.in = append(c.in, b...)
	c.process()
	c.releaseIdle()
}

var benchPayload = strings.Repeat("p", 64)

// A PUBLISH of QoS 0 to receivers that keep up allocates nothing: neither the packet, nor the match, nor a delivery.
func TestPublishQoS0AllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for _, receivers := range []int{1, 20} {
		c := fanOut(t, receivers)
		p := packet.AppendPublish(nil, &packet.Publish{Topic: []byte("x"), Payload: []byte(benchPayload)})
		for range 100 {
			c.feed(p)
		}
		// A receiver's goroutine that is not scheduled in time makes its connection drain, which allocates: hence an average.
		if n := testing.AllocsPerRun(2000, func() { c.feed(p) }); n >= 1 {
			t.Errorf("%d receivers: %v allocations for one PUBLISH", receivers, n)
		}
	}
}

func BenchmarkPublishQoS0(b *testing.B) {
	for _, receivers := range []int{1, 100} {
		b.Run(fmt.Sprint("receivers=", receivers), func(b *testing.B) {
			c := fanOut(b, receivers)
			const batch = 50 // what a busy connection's read finds
			p := packet.AppendPublish(nil, &packet.Publish{Topic: []byte("x"), Payload: []byte(benchPayload)})
			var many []byte
			for range batch {
				many = append(many, p...)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += batch {
				c.feed(many)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*receivers), "ns/delivery")
			b.ReportMetric(float64(c.srv.Stats().DroppedQoS0)/float64(b.N*receivers), "drops/delivery")
		})
	}
}

// End to end over TCP, the clients' own work included: PUBLISH, PUBACK, delivery and its PUBACK.
func BenchmarkPublishQoS1(b *testing.B) {
	for _, clean := range []bool{true, false} {
		name := "persistent"
		if clean {
			name = "clean"
		}
		b.Run(name, func(b *testing.B) {
			s := newBench(b, Config{QueueMessages: 30000})
			sub, pub := s.client("sub", clean, 1), s.client("pub", true, 3)
			under := make(chan struct{}, 2000) // so many messages are under way at most
			got := make(chan struct{})
			go func() { acknowledge(b, sub, b.N, under); close(got) }()
			go reader(pub)
			b.ReportAllocs()
			b.ResetTimer()
			w := bufio.NewWriterSize(pub, 8<<10)
			p := packet.AppendPublish(nil, &packet.Publish{QoS: 1, Topic: []byte("x"), Payload: []byte(benchPayload), PacketID: 1})
			for range b.N {
				if len(under) == cap(under) {
					_ = w.Flush()
				}
				select {
				case under <- struct{}{}:
				case <-got:
				}
				_, _ = w.Write(p)
			}
			_ = w.Flush()
			<-got
		})
	}
}

// acknowledge reads n PUBLISH packets and sends PUBACK for each, many in one write.
func acknowledge(tb testing.TB, nc net.Conn, n int, under <-chan struct{}) {
	in := make([]byte, 0, 256<<10)
	var out []byte
	for n > 0 {
		_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		got, err := nc.Read(in[len(in):cap(in)])
		if err != nil {
			tb.Errorf("%d messages missing: %v", n, err)
			return
		}
		in = in[:len(in)+got]
		rest := in
		out = out[:0]
		for {
			size, _, err := packet.Frame(rest, packet.MaxSize)
			if err != nil || size == 0 || size > len(rest) {
				break
			}
			var m packet.Publish
			if err := m.Decode(rest[:size]); err != nil {
				tb.Error(err)
				return
			}
			out = packet.AppendAck(out, packet.PUBACK, m.PacketID)
			rest = rest[size:]
			n--
			<-under
		}
		in = in[:copy(in, rest)]
		if _, err := nc.Write(out); err != nil {
			tb.Error(err)
			return
		}
	}
}
