package broker_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
)

// [MQTT-3.1.0-1] [MQTT-4.8.0-1]: whatever else comes first ends the connection, without an answer and without waiting for the rest.
func TestFirstPacketIsConnect(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for first := range 256 {
			if packet.Type(first>>4) == packet.CONNECT {
				continue
			}
			c := b.Dial()
			start := time.Now()
			c.Send(byte(first), 2, 0, 1)
			c.ExpectClosed()
			if time.Since(start) > time.Second {
				t.Fatalf("first byte %02x: closed after %v", first, time.Since(start))
			}
		}
		if n := b.Stats().Accepted; n != 0 {
			t.Errorf("%d connections were accepted", n)
		}
	})
}

// [MQTT-3.1.0-2]
func TestSecondConnect(t *testing.T) {
	for _, id := range []string{"c", "other"} {
		inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
			c, _ := b.Connect("c")
			c.Send(bt.ConnectPacket(id)...)
			c.ExpectClosed()
			if told(b, "MQTT-3.1.0-2") == 0 {
				t.Error("the reason was not told")
			}
		})
	}
}

// connect returns a CONNECT changed by edit.
func connect(edit func(*packet.Connect)) []byte { return bt.ConnectPacket("c", edit) }

// Every refusal with a return code is one CONNACK without Session Present, then the end [MQTT-3.2.2-4] [MQTT-3.2.2-5]. R26, M12, M13.
func TestConnectRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		send []byte
		code byte
	}{
		{"level 0 [MQTT-3.1.2-2]", connect(func(p *packet.Connect) { p.Level = 0 }), 1},
		{"level 3 with the name of 3.1.1", connect(func(p *packet.Connect) { p.Level = 3 }), 1},
		{"level 5 [MQTT-3.1.2-2]", connect(func(p *packet.Connect) { p.Level = 5 }), 1},
		{"level 255", connect(func(p *packet.Connect) { p.Level = 255 }), 1},
		{"bridge level 0x84", connect(func(p *packet.Connect) { p.Level = 0x84 }), 1},
		{"empty id with clean session 0 [MQTT-3.1.3-8]", bt.ConnectPacket("", bt.Persistent), 2},
		{"id over the limit [MQTT-3.1.3-9]", bt.ConnectPacket(strings.Repeat("x", 129)), 2},
		{"directory away", bt.ConnectPacket("c", bt.User("unavailable")), 3},
		{"wrong password", bt.ConnectPacket("c", bt.Password("wrong")), 4},
		{"wrong password, a session asked for", bt.ConnectPacket("c", bt.Password("wrong"), bt.Persistent), 4},
		{"not authorized", bt.ConnectPacket("c", bt.User("forbidden")), 5},
		{"will on the server's own topics", bt.ConnectPacket("c", bt.Will("$SYS/x", "w", 0, false)), 5},
		{"will topic over the limit", bt.ConnectPacket("c", bt.Will(strings.Repeat("x", 1025), "w", 0, false)), 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
				c := b.Dial()
				c.Send(tc.send...)
				c.Expect(0x20, 2, 0, tc.code)
				c.ExpectClosed()
				if told(b, "refused") != 1 {
					t.Error("wanted one Refused event with the reason")
				}
				if st := b.Stats(); st.Refused != 1 || st.Accepted != 0 || st.Sessions != 0 || st.Connections != 0 {
					t.Errorf("a refused connection left something behind: %+v", st)
				}
			})
		})
	}
}

// A CONNECT that breaks section 3.1 gets no answer [MQTT-3.1.4-1]. M03, M04, M06, M08, M09.
func TestConnectMalformed(t *testing.T) {
	flags := func(f byte) []byte {
		b := bt.ConnectPacket("c", bt.Will("w", "x", 1, true))
		b[9] = f
		return b
	}
	for _, tc := range []struct {
		name string
		send []byte
	}{
		{"another protocol name [MQTT-3.1.2-1]", connect(func(p *packet.Connect) { p.ProtocolName = []byte("MQTX") })},
		{"reserved flag [MQTT-3.1.2-3]", flags(0xef)},
		{"will QoS 3 [MQTT-3.1.2-14]", flags(0xfe)},
		{"will QoS without will [MQTT-3.1.2-13]", flags(0xca)},
		{"will retain without will [MQTT-3.1.2-15]", flags(0xe2)},
		{"password without user [MQTT-3.1.2-22]", flags(0x6e)},
		{"U+0000 in the client id", bt.ConnectPacket("a\x00b")},
		{"surrogate in the client id", bt.ConnectPacket("a\xed\xa0\x80b")},
		{"control character in the client id", bt.ConnectPacket("a\x07b")},
		{"bad UTF-8 in the user name", bt.ConnectPacket("c", bt.User("a\xff"))},
		{"bad UTF-8 in the will topic", bt.ConnectPacket("c", bt.Will("a\xff", "w", 0, false))},
		{"empty will topic", bt.ConnectPacket("c", bt.Will("", "w", 0, false))},
		{"wildcard in the will topic", bt.ConnectPacket("c", bt.Will("a/+", "w", 0, false))},
		{"wildcard in the will topic", bt.ConnectPacket("c", bt.Will("a/#", "w", 0, false))},
		{"fixed header flags", append([]byte{0x11}, bt.ConnectPacket("c")[1:]...)},
		{"bytes left over", func() []byte { b := append(bt.ConnectPacket("c"), 0); b[1]++; return b }()},
		{"remaining length 0", []byte{0x10, 0}},
		{"length of five bytes", []byte{0x10, 0xff, 0xff, 0xff, 0xff, 0x7f}},
		{"longer than max_connect_bytes", []byte{0x10, 0xff, 0xff, 0xff, 0x7f}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
				c := b.Dial()
				start := time.Now()
				c.Send(tc.send...)
				c.ExpectClosed()
				if time.Since(start) > time.Second {
					t.Errorf("closed after %v", time.Since(start))
				}
			})
		})
	}
}

// M03: a CONNECT cut anywhere waits for the rest until the time is up; with the length made to fit it is refused at once.
func TestConnectCut(t *testing.T) {
	whole := bt.ConnectPacket("c", bt.Will("w", "will", 1, true))
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for n := range len(whole) {
			cut := b.Dial()
			start := time.Now()
			cut.Send(whole[:n]...)
			for !cut.Closed() && time.Since(start) < time.Minute {
				time.Sleep(time.Second)
			}
			cut.ExpectClosed()
			if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
				t.Fatalf("cut at %d: closed after %v, want 10s", n, took)
			}
			if n < 2 {
				continue
			}
			fit := bytes.Clone(whole[:n])
			fit[1] = byte(n - 2)
			c := b.Dial()
			c.Send(fit...)
			c.ExpectClosed()
		}
		if n := b.Stats().Accepted; n != 0 {
			t.Errorf("%d cut CONNECTs were accepted", n)
		}
	})
}

// The time for CONNECT is for the whole of it, not for each byte. R01, R02.
func TestConnectDripFed(t *testing.T) {
	inBubble(t, broker.Config{ConnectTimeout: 10 * time.Second}, func(t *testing.T, b *bt.Broker) {
		c := b.Dial()
		start := time.Now()
		for _, x := range bt.ConnectPacket("client-1") {
			c.Send(x)
			time.Sleep(time.Second)
			if c.Closed() {
				break
			}
		}
		c.ExpectClosed()
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("closed after %v, want 10s", took)
		}
	})
}

// CONNECT in every cut, and with packets right behind it.
func TestConnectInPieces(t *testing.T) {
	all := append(bt.ConnectPacket("c"), 0xc0, 0)
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for n := range len(all) {
			c := b.Dial()
			c.Send(all[:n]...)
			c.Send(all[n:]...)
			c.Expect(0x20, 2, 0, 0, 0xd0, 0)
			c.Disconnect()
		}
	})
}

// What comes behind an accepted CONNECT in one piece is handled [MQTT-3.1.4-4]; behind a refused one it is not [MQTT-3.1.4-5].
func TestPacketsBehindConnect(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c := b.Dial()
		sendAll(c, bt.ConnectPacket("c"), bt.Subscribe(1, "a", 1), bt.Publish("a", "x", 1, 2))
		c.Expect(0x20, 2, 0, 0)
		c.Expect(0x90, 3, 0, 1, 1)
		c.Expect(bt.Publish("a", "x", 1, 1)...)
		c.ExpectAck(packet.PUBACK, 2)

		bad := b.Dial()
		sendAll(bad, bt.ConnectPacket("d", bt.Password("wrong")), bt.Retained("r", "x", 0, 0), bt.Publish("a", "y", 0, 0))
		bad.Expect(0x20, 2, 0, 4)
		bad.ExpectClosed()
		c.ExpectNothing(quiet)
		if n := b.Stats().Retained; n != 0 {
			t.Errorf("a refused client set %d retained messages", n)
		}
	})
}

// [MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3]: Session Present over the life of a session.
func TestSessionPresent(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for i, step := range []struct {
			persistent, want bool
		}{
			{true, false}, {true, true}, {true, true}, // made, resumed, resumed
			{false, false},              // discarded [MQTT-3.1.2-6]
			{true, false}, {true, true}, // nothing was left of it
		} {
			var opts []bt.Option
			if step.persistent {
				opts = append(opts, bt.Persistent)
			}
			c, present := b.Connect("c", opts...)
			if present != step.want {
				t.Fatalf("connection %d: session present is %v, want %v", i+1, present, step.want)
			}
			c.Disconnect()
		}
	})
}

// MQTT 3.1 has no Session Present flag: the byte is reserved. The session is resumed all the same.
func TestMQTT31(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c, _ := b.Connect("c", bt.Level31, bt.Persistent)
		c.Subscribe("a", 1)
		c.Disconnect()
		pub, _ := b.Connect("pub")
		publishAcked(t, pub, "a", "x")
		c, present := b.Connect("c", bt.Level31, bt.Persistent)
		if present {
			t.Error("session present is set for a client of MQTT 3.1")
		}
		c.Expect(bt.Publish("a", "x", 1, 1)...)
		c.Send(0x6a, 2, 0, 9) // PUBREL with DUP, as 3.1 allows
		c.ExpectAck(packet.PUBCOMP, 9)
		c.Disconnect()
		c, _ = b.Connect("c", bt.Persistent)
		c.Send(0x6a, 2, 0, 9)
		for p := c.Next(); p != nil; p = c.Next() {
			if packet.TypeOf(p[0]) == packet.PUBCOMP {
				t.Error("PUBREL with DUP was answered in MQTT 3.1.1")
			}
		}
	})
}

// [MQTT-3.1.3-5] [MQTT-3.1.3-6]: every client id of 1 to 23 letters and digits, longer ones, any text as it is; empty ones do not
// meet each other.
func TestClientIDs(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		ids := []string{
			"a", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", strings.Repeat("x", 128),
			"with space", "a/b", "#", "+", "$x", "%u", "${clientid}", "'\"", ".*", "ä€𝄞", "\uFEFF", "c", "C", "c ",
			"", "", "",
		}
		var all []*bt.Client
		for _, id := range ids {
			c, _ := b.Connect(id, bt.User("u"))
			all = append(all, c)
		}
		for i, c := range all {
			c.Ping() // nobody took it over
			c.Subscribe(fmt.Sprintf("t/%d", i), 0)
		}
		if n := b.Stats().Sessions; n != len(ids) {
			t.Errorf("%d sessions for %d client ids", n, len(ids))
		}
	})
}

// A bug in a module ends the connection it met, no other. P13.
func TestPanicWhileConnecting(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		c := b.Dial()
		c.Send(bt.ConnectPacket("c", bt.User("panic"))...)
		c.ExpectClosed()
		other, _ := b.Connect("c")
		other.Ping()
	})
}
