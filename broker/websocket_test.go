package broker_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// upgrade makes a WebSocket by hand, for frames that no library sends.
func (p *ports) upgrade(headers ...string) (net.Conn, *bufio.Reader, *http.Response) {
	p.t.Helper()
	nc := p.dial(p.ws)
	fmt.Fprintf(nc, "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n",
		strings.Join(append(headers, ""), "\r\n"))
	_ = nc.SetReadDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return nc, r, resp
}

// frame builds a client's frame; its mask is zero, so that the payload stays readable.
func frame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// serverFrame reads a frame without a mask.
func serverFrame(r *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	var ext [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(r, ext[6:])
		n = binary.BigEndian.Uint64(ext[:])
	case 127:
		_, err = io.ReadFull(r, ext[:])
		n = binary.BigEndian.Uint64(ext[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return head[0], payload, err
}

// Frames that are not allowed end the connection with the code that says why, before CONNECT as after it [MQTT-6.0.0-1].
func TestWebSocketFrameAbuse(t *testing.T) {
	p := openPorts(t, broker.Config{})
	huge := func(n uint64) []byte { return append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, n), 0, 0, 0, 0) }
	cases := []struct {
		name string
		send []byte
		code uint16
	}{
		{"text frame", frame(0x81, bt.ConnectPacket("a")), 1003},
		{"empty text frame", frame(0x81, nil), 1003},
		{"unmasked frame", []byte{0x82, 2, 0xc0, 0}, 1002},
		{"reserved bit 1", frame(0xc2, []byte{0xc0, 0}), 1002},
		{"reserved bit 2", frame(0xa2, []byte{0xc0, 0}), 1002},
		{"reserved bit 3", frame(0x92, []byte{0xc0, 0}), 1002},
		{"reserved data opcode", frame(0x83, []byte{0xc0, 0}), 1002},
		{"reserved control opcode", frame(0x8b, nil), 1002},
		{"length with its top bit set", huge(1 << 63), 1009},
		{"length of 2^62", huge(1 << 62), 1009},
		{"control frame of 126 bytes", frame(0x89, make([]byte, 126)), 1002},
		{"fragmented control frame", frame(0x09, nil), 1002},
		{"continuation without a start", frame(0x80, []byte{0xc0, 0}), 1002},
		{"data frame within a fragmented message", append(frame(0x02, []byte{0x10}), frame(0x82, []byte{0})...), 1002},
	}
	for _, connected := range []bool{false, true} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s, connected %v", c.name, connected), func(t *testing.T) {
				p := p.in(t)
				nc, r, _ := p.upgrade("Sec-WebSocket-Protocol: mqtt")
				if connected {
					_, _ = nc.Write(frame(0x82, bt.ConnectPacket("a")))
					if op, b, err := serverFrame(r); op != 0x82 || string(b) != "\x20\x02\x00\x00" || err != nil {
						t.Fatalf("CONNACK: frame %x % x, %v", op, b, err)
					}
				}
				_, _ = nc.Write(c.send)
				op, b, err := serverFrame(r)
				if err != nil || op != 0x88 || len(b) < 2 || binary.BigEndian.Uint16(b) != c.code {
					t.Errorf("got frame %x % x, %v; wanted Close with %d", op, b, err, c.code)
				}
				if op, b, err := serverFrame(r); err == nil {
					t.Errorf("after Close came frame %x % x", op, b)
				}
			})
		}
	}
	gone(t, p.Broker, 0)
}

// Packets and frames have nothing to do with each other [MQTT-6.0.0-2].
func TestWebSocketPacketsAndFrames(t *testing.T) {
	p := openPorts(t, broker.Config{})
	nc, r, _ := p.upgrade()
	expect := func(want string) {
		t.Helper()
		var got []byte
		for len(got) < len(want) {
			op, b, err := serverFrame(r)
			if err != nil || op != 0x82 {
				t.Fatalf("frame %x, %v; got % x of % x", op, err, got, want)
			}
			got = append(got, b...)
		}
		if string(got) != want {
			t.Fatalf("got % x, wanted % x", got, want)
		}
	}
	// The upgrade and CONNECT, one byte in each frame of one message, empty ones between.
	connect := bt.ConnectPacket("a")
	first := byte(0x02)
	for _, b := range connect {
		_, _ = nc.Write(frame(first, []byte{b}))
		_, _ = nc.Write(frame(0, nil))
		first = 0
	}
	_, _ = nc.Write(frame(0x80, nil))
	expect("\x20\x02\x00\x00")
	sub := packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte("x"), QoS: 0}})
	var many []byte
	for range 200 {
		many = append(many, bt.Publish("x", "y", 0, 0)...)
	}
	_, _ = nc.Write(frame(0x82, append(append(sub, many...), 0xc0))) // the last packet goes on in the next message
	expect("\x90\x03\x00\x01\x00" + string(many))
	_, _ = nc.Write(append(frame(0x82, nil), frame(0x82, []byte{0})...))
	expect("\xd0\x00")
	_, _ = nc.Write(frame(0x89, []byte("are you there")))
	if op, b, err := serverFrame(r); op != 0x8a || string(b) != "are you there" || err != nil {
		t.Errorf("answer to Ping: %x %q %v", op, b, err)
	}
	_, _ = nc.Write(frame(0x88, []byte{3, 232}))
	if op, b, err := serverFrame(r); op != 0x88 || err != nil {
		t.Errorf("answer to Close: %x % x %v", op, b, err)
	}
	if _, _, err := serverFrame(r); err == nil {
		t.Error("the connection stays open after Close")
	}
	gone(t, p.Broker, 0)
}

// The subprotocol is mqtt, that of MQTT 3.1, or none; another one is refused and compression never agreed to [MQTT-6.0.0-3] [MQTT-6.0.0-4].
func TestWebSocketSubprotocol(t *testing.T) {
	p := openPorts(t, broker.Config{})
	for _, c := range []struct {
		offered, chosen string
		status          int
	}{
		{"mqtt", "mqtt", 101}, {"mqttv3.1", "mqttv3.1", 101}, {"other, mqtt", "mqtt", 101}, {"", "", 101}, {"other", "", 400}, {"MQTT", "", 400},
	} {
		headers := []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}
		if c.offered != "" {
			headers = append(headers, "Sec-WebSocket-Protocol: "+c.offered)
		}
		nc, _, resp := p.upgrade(headers...)
		if resp.StatusCode != c.status || resp.Header.Get("Sec-WebSocket-Protocol") != c.chosen || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("offered %q: status %d, %v", c.offered, resp.StatusCode, resp.Header)
		}
		_ = nc.Close()
	}
}

// A slow reader holds nobody up, is not closed for sending Pings meanwhile, and gets everything in the end.
func TestSlowWebSocketReader(t *testing.T) {
	p := openPorts(t, broker.Config{OutgoingBytes: 8 << 20})
	for _, url := range []string{"ws://" + p.ws + "/mqtt", "wss://" + p.shared + "/mqtt"} {
		ws := p.dialWS(url, "mqtt").ws
		_ = ws.WriteMessage(websocket.BinaryMessage, bt.ConnectPacket("slow"))
		_ = ws.WriteMessage(websocket.BinaryMessage, packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte("x"), QoS: 0}}))
		for range 2 {
			if _, _, err := ws.ReadMessage(); err != nil {
				t.Fatal(err)
			}
		}
		const messages, size = 200, 50_000
		pub := p.connect(p.dial(p.tcp), "pub")
		for i := range messages {
			pub.Publish("x", strings.Repeat(fmt.Sprint(i%10), size), 0, 0)
		}
		pub.Send(0xc0, 0)
		pub.Expect(0xd0, 0) // although nobody reads the WebSocket
		_ = ws.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(time.Second))
		time.Sleep(1200 * time.Millisecond) // longer than the time a control frame is given
		pub.Publish("x", "end", 0, 0)
		want := byte('0')
		var all []byte
		for n := 0; ; {
			_, b, err := ws.ReadMessage()
			if err != nil {
				t.Fatalf("%s: after %d messages: %v", url, n, err)
			}
			all = append(all, b...)
			size, _, err := packet.Frame(all, packet.MaxSize)
			for ; err == nil && size > 0 && size <= len(all); size, _, err = packet.Frame(all, packet.MaxSize) {
				var m packet.Publish
				if err := m.Decode(all[:size]); err != nil {
					t.Fatal(err)
				}
				all = all[size:]
				if string(m.Payload) == "end" {
					n = -1
					break
				}
				if m.Payload[0] != want {
					t.Fatalf("message %d begins with %c, wanted %c", n, m.Payload[0], want)
				}
				n++
				want = '0' + byte(n%10)
			}
			if n < 0 {
				break
			}
		}
		_ = ws.Close()
		pub.Send(0xe0, 0)
		gone(t, p.Broker, 0)
	}
}

// Pings from a client that reads no Pong do not pile up, and do not keep it alive.
func TestWebSocketPingFlood(t *testing.T) {
	p := openPorts(t, broker.Config{})
	nc, r, _ := p.upgrade("Sec-WebSocket-Protocol: mqtt")
	_, _ = nc.Write(frame(0x82, bt.ConnectPacket("a", bt.KeepAlive(1))))
	if _, _, err := serverFrame(r); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var burst []byte
	for range 100 {
		burst = append(burst, frame(0x89, make([]byte, 125))...)
	}
	_ = nc.SetWriteDeadline(time.Now().Add(time.Minute))
	start := time.Now()
	sent := 0
	for ; sent < 1_000_000; sent += 100 { // ends with the connection: keep alive runs out after 1.5 s, the tick may add two
		if _, err := nc.Write(burst); err != nil {
			break
		}
		if sent == 200_000 {
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
				t.Errorf("%d Pings without reading a Pong grew the heap by %d bytes", sent, grown)
			}
		}
	}
	if sent < 100_000 && time.Since(start) < time.Second {
		t.Errorf("closed after %d Pings and %v", sent, time.Since(start))
	}
	for end := time.Now().Add(time.Minute); p.Stats().Connections > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if l := p.Events.Find("keep alive"); l == "" {
		t.Error("Pings of the WebSocket kept the MQTT connection alive")
	}
}

// A listener that was not prepared would let one slow client hold publishers up: no WebSocket comes to be on it.
func TestWebSocketNeedsItsListener(t *testing.T) {
	b := bt.Start(t, broker.Config{})
	web := httptest.NewServer(b.WebSocket())
	defer web.Close()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http"), nil)
	if err != nil {
		return
	}
	_ = ws.WriteMessage(websocket.BinaryMessage, bt.ConnectPacket("a"))
	if _, b, err := ws.ReadMessage(); err == nil {
		t.Errorf("served: % x", b)
	}
}
