package broker_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage/storagetest"
)

// R05: a subscriber that does not read loses QoS 0, counted; the others get everything at once; in the end it is closed.
func TestSlowSubscriberShedsQoS0(t *testing.T) {
	const n, size = 1000, 1000
	cfg := broker.Config{OutgoingBytes: 64 << 10, WriteTimeout: time.Minute}
	inBubble(t, cfg, func(t *testing.T, b *bt.Broker) {
		slow, _ := b.Connect("slow", bt.KeepAlive(0))
		slow.Subscribe("a", 0)
		slow.Stall()
		fast, _ := b.Connect("fast", bt.KeepAlive(0))
		fast.Subscribe("a", 0)
		pub, _ := b.Connect("pub", bt.KeepAlive(0))
		start := time.Now()
		for i := range n {
			p := bt.Publish("a", fmt.Sprintf("%0*d", size, i), 0, 0)
			pub.Send(p...)
			fast.Expect(p...)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("the others waited %v for the slow one", took)
		}
		st := stats(b)
		if least := uint64(n - 3*cfg.OutgoingBytes/size); st.DroppedQoS0 < least || st.DroppedQoS0 >= n {
			t.Errorf("%d messages were counted as dropped, want %d or more of %d", st.DroppedQoS0, least, n)
		}
		if st.Delivered+st.DroppedQoS0 != 2*n {
			t.Errorf("%d delivered and %d dropped are not %d", st.Delivered, st.DroppedQoS0, 2*n)
		}
		if told(b, "refused slow deliver a: the client is too slow") != 1 {
			t.Error("the log was not told, once, that messages are dropped")
		}
		time.Sleep(cfg.WriteTimeout + time.Second)
		if told(b, "disconnected slow: client took nothing for too long") != 1 {
			t.Error("the slow client was not closed")
		}
		fast.Ping()
	})
}

// A slow subscriber that recovers gets live messages again, and what it gets is whole.
func TestSlowSubscriberRecovers(t *testing.T) {
	inBubble(t, broker.Config{OutgoingBytes: 64 << 10}, func(t *testing.T, b *bt.Broker) {
		slow, _ := b.Connect("slow")
		slow.Subscribe("a", 0)
		pub, _ := b.Connect("pub")
		for round := range 3 {
			slow.Stall()
			for i := range 300 {
				pub.Publish("a", fmt.Sprintf("%0*d", 1000, i), 0, 0)
			}
			pub.Ping()
			slow.Resume()
			last := -1
			for p := slow.Try(quiet); p != nil; p = slow.Try(quiet) {
				var m packet.Publish
				if err := m.Decode(p); err != nil {
					t.Fatal(err)
				}
				i, err := strconv.Atoi(string(m.Payload))
				if err != nil || i <= last {
					t.Fatalf("message %d came after %d, %v", i, last, err)
				}
				last = i
			}
			if last < 60 || last > 250 || stats(b).DroppedQoS0 == 0 {
				t.Errorf("round %d: the last message was %d; want what fits in 64 KiB", round, last)
			}
		}
	})
}

// R05: QoS 1 and 2 for a subscriber that does not read wait in its queue, all of them while there is room, in order.
func TestSlowSubscriberKeepsQoS1(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		for qos := byte(1); qos <= 2; qos++ {
			t.Run(fmt.Sprintf("persistent %v QoS %d", persistent, qos), func(t *testing.T) {
				inBubble(t, broker.Config{OutgoingBytes: 16 << 10, MaxInflight: 100}, func(t *testing.T, b *bt.Broker) {
					const n = 300
					var opts []bt.Option
					if persistent {
						opts = append(opts, bt.Persistent)
					}
					slow, _ := b.Connect("slow", opts...)
					slow.Subscribe("a", qos)
					slow.Stall()
					pub, _ := b.Connect("pub")
					for i := range n {
						pub.Publish("a", fmt.Sprintf("%0*d", 1000, i), 1, 1)
						pub.ExpectAck(packet.PUBACK, 1)
					}
					slow.Resume()
					for i := range n {
						slow.Expect(bt.Publish("a", fmt.Sprintf("%0*d", 1000, i), 1, uint16(i+1))...)
						slow.Ack(packet.PUBACK, uint16(i+1))
					}
					slow.ExpectNothing(quiet)
					if st := stats(b); st.DroppedQueue != 0 || st.DroppedQoS0 != 0 {
						t.Errorf("dropped: %+v", st)
					}
				})
			})
		}
	}
}

// What was in flight is sent again as the client takes it, and not all of it at once into memory; then comes what waits.
func TestResendIsBounded(t *testing.T) {
	const n, size = 60, 10_000
	cfg := broker.Config{OutgoingBytes: 64 << 10, MaxInflight: n}
	inBubble(t, cfg, func(t *testing.T, b *bt.Broker) {
		message := func(i int) []byte { return bt.Publish("a", fmt.Sprintf("%0*d", size, i), 1, uint16(i+1)) }
		sub, _ := b.Connect("sub", bt.Persistent)
		sub.Subscribe("a", 1)
		pub, _ := b.Connect("pub")
		for i := range n + 1 {
			publishAcked(t, pub, "a", fmt.Sprintf("%0*d", size, i))
		}
		for i := range n {
			sub.Expect(message(i)...)
		}
		sub.Disconnect()
		sub = b.Dial()
		sub.Stall()
		sub.Send(bt.ConnectPacket("sub", bt.Persistent)...)
		// CONNACK is on its way, the buffer is full, and one packet may go over it.
		if waiting := stats(b).Waiting; waiting > 2*cfg.OutgoingBytes+2*size {
			t.Errorf("%d bytes wait for a client that takes none, of %d in flight", waiting, n*size)
		}
		sub.Resume()
		sub.Expect(0x20, 2, 1, 0)
		for i := range n {
			sub.Expect(bt.Dup(message(i))...)
		}
		sub.ExpectNothing(quiet)
		sub.Ack(packet.PUBACK, 1)
		sub.Expect(message(n)...)
		if waiting := stats(b).Waiting; waiting != 0 {
			t.Errorf("%d bytes still count as waiting", waiting)
		}
	})
}

// A client that asks and does not take the answers is not read from any more: the answers do not pile up.
func TestAnswersAreNotTaken(t *testing.T) {
	for name, p := range map[string][]byte{
		"PINGREQ":   {0xc0, 0},
		"PUBREL":    bt.Ack(packet.PUBREL, 1),
		"PUBLISH":   bt.Publish("a", "x", 1, 1),
		"SUBSCRIBE": bt.Subscribe(1, "b", 0),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, broker.Config{OutgoingBytes: 16 << 10}, func(t *testing.T, b *bt.Broker) {
				c, _ := b.Connect("c", bt.KeepAlive(0))
				c.Stall()
				chunk := bytes.Repeat(p, 4096/len(p))
				_ = c.Conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
				taken := 0
				for taken < 8<<20 {
					n, err := c.Conn.Write(chunk)
					taken += n
					if err != nil {
						break
					}
				}
				if taken > 1<<20 {
					t.Errorf("the server took %d bytes of %s without being rid of its answers", taken, name)
				}
				other, _ := b.Connect("other")
				other.Ping()
				c.Resume() // it goes on where it stopped
				if taken%len(p) != 0 {
					c.Send(p[taken%len(p):]...)
				}
				for range (taken + len(p) - 1) / len(p) {
					if c.Next() == nil {
						t.Fatal("an answer is missing")
					}
				}
				c.Ping()
			})
		})
	}
}

// Server.Close ends every connection and every goroutine, also those of clients that take nothing; afterwards nobody gets in.
func TestClose(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		var all []*bt.Client
		for i := range 20 {
			c, _ := b.Connect(fmt.Sprint("c", i), bt.Persistent)
			c.Subscribe("a", 1)
			if i%3 == 0 {
				c.Stall()
			}
			all = append(all, c)
		}
		for range 5 {
			all[1].Publish("a", string(make([]byte, 100<<10)), 1, 1)
		}
		silent := b.Dial()
		start := time.Now()
		b.Stop()
		if took := time.Since(start); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		silent.ExpectClosed()
		for _, c := range all {
			c.Resume()
			for c.Next() != nil {
			}
			if !c.Closed() {
				t.Error("a connection is still open")
			}
		}
		late := b.Dial()
		late.Send(bt.ConnectPacket("late")...)
		late.ExpectClosed()
		synctest.Wait()
		if st := b.Stats(); st.Connections != 0 {
			t.Errorf("%d connections are left", st.Connections)
		}
	})
}

// R25: connections of every kind leave nothing behind.
func TestNothingIsLeft(t *testing.T) {
	inBubble(t, broker.Config{}, func(t *testing.T, b *bt.Broker) {
		for i := range 200 {
			c := b.Dial()
			switch i % 5 {
			case 0:
				c.Send(bt.ConnectPacket("c", bt.Password("wrong"))...)
			case 1:
				c.Send(0xff)
			case 2:
				c.Send(bt.ConnectPacket("c")...)
				c.Next()
				c.Send(0xe0, 0)
			case 3:
				c.Send(bt.ConnectPacket("c")...)
				c.Next()
				c.Send(bt.Subscribe(1, "a/#", 1)...)
				c.Next()
			case 4: // takes the last one over
				c.Send(bt.ConnectPacket("c")...)
				c.Next()
			}
			_ = c.Conn.Close()
		}
		if st := stats(b); st.Connections != 0 || st.Sessions != 0 {
			t.Errorf("%d connections and %d sessions are left", st.Connections, st.Sessions)
		}
	})
}

// R07: a principal keeps so many sessions and no more; others, clean sessions and the ones it has are not concerned.
func TestMaxSessions(t *testing.T) {
	inBubbleOn(t, broker.Config{MaxSessions: 3}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		hoarder := bt.User("hoarder")
		for i := range 3 {
			c, _ := b.Connect(fmt.Sprint("s", i), bt.Persistent, hoarder)
			c.Disconnect()
		}
		refused := func() {
			t.Helper()
			c := b.Dial()
			c.Send(bt.ConnectPacket("s3", bt.Persistent, hoarder)...)
			c.Expect(0x20, 2, 0, 3)
			c.ExpectClosed()
		}
		refused()
		b = restart()
		refused()
		if st := stats(b); st.SessionsRefused != 1 || st.Sessions != 3 {
			t.Errorf("%+v", st)
		}
		if told(b, "refused s3 connect : the principal has 3 persistent sessions already") != 1 {
			t.Error("not told")
		}
		_, present := b.Connect("s1", bt.Persistent, hoarder)
		if !present {
			t.Error("an old session is not found")
		}
		b.Connect("s3", hoarder)
		b.Connect("s3", bt.Persistent, bt.User("other"))
		b.Connect("s0", hoarder) // a clean session in its place makes room
		synctest.Wait()
		b.Connect("s4", bt.Persistent, hoarder)
	})
}

// R07: a session ends when nobody came back to it in time, counted over restarts; one that is used does not.
func TestSessionExpiry(t *testing.T) {
	inBubbleOn(t, broker.Config{SessionExpiry: 48 * time.Hour, MaxKeepAlive: 1e6 * time.Second}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		for _, name := range []string{"away", "back"} {
			c, _ := b.Connect(name, bt.Persistent)
			c.Subscribe("t", 1)
			c.Disconnect()
		}
		time.Sleep(30 * time.Hour)
		c, _ := b.Connect("back", bt.Persistent)
		c.Disconnect()
		b = restart()
		time.Sleep(17 * time.Hour)
		if n := stats(b).Sessions; n != 2 {
			t.Errorf("after 47 hours: %d sessions", n)
		}
		time.Sleep(2 * time.Hour)
		if st := stats(b); st.Sessions != 1 || st.SessionsExpired != 1 || st.Subscriptions != 1 || told(b, "refused away keep : the session has ended") != 1 {
			t.Errorf("after 49 hours: %+v", st)
		}
		b = restart()
		if _, present := b.Connect("away", bt.Persistent); present {
			t.Error("the session came back")
		}
		if _, present := b.Connect("back", bt.Persistent); !present {
			t.Error("the other one is gone")
		}
	})
}

// Time in which no server ran does not make sessions older, and so a clock that was wrong at a start ends none: what it shows then is as if years
// had gone by between a stop and a start.
func TestSessionExpiryDespiteTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := broker.Config{SessionExpiry: 48 * time.Hour}
		dir := t.TempDir()
		db := storagetest.OpenIn(t, dir)
		b := bt.On(t, db, cfg)
		c, _ := b.Connect("c", bt.Persistent)
		c.Disconnect()
		for range 3 {
			time.Sleep(15 * time.Hour)
			b.Stop()
			db = storagetest.Reopen(t, db, dir)
			time.Sleep(10 * 365 * 24 * time.Hour)
			b = bt.On(t, db, cfg)
			time.Sleep(5 * time.Minute)
			if st := stats(b); st.Sessions != 1 || st.SessionsExpired != 0 {
				t.Fatalf("the session ended: %+v", st)
			}
		}
		time.Sleep(3 * time.Hour)
		if st := stats(b); st.Sessions != 0 || st.SessionsExpired != 1 {
			t.Errorf("after 48 hours with a server: %+v", st)
		}
	})
}

// A client that was connected until the server was killed has been away since then, however long ago it was away before.
func TestSessionExpiryAfterAKill(t *testing.T) {
	for checkpoints := range 2 {
		synctest.Test(t, func(t *testing.T) {
			cfg := broker.Config{SessionExpiry: 48 * time.Hour, MaxKeepAlive: 1e6 * time.Second}
			dir := t.TempDir()
			db := openStore(t, dir, 64<<10)
			b := bt.On(t, db, cfg)
			c, _ := b.Connect("c", bt.Persistent)
			c.Disconnect()
			time.Sleep(time.Hour)
			c, _ = b.Connect("c", bt.Persistent, bt.KeepAlive(0))
			time.Sleep(100 * time.Hour)
			for range 20 * checkpoints {
				retain(t, c, "big", strings.Repeat("x", 10<<10), 1)
				synctest.Wait()
			}
			if (db.Stats().Checkpoints > 0) != (checkpoints > 0) {
				t.Fatalf("%d checkpoints", db.Stats().Checkpoints)
			}
			copied := storagetest.Crash(t, db, dir)
			b.Stop()
			b = bt.On(t, storagetest.OpenIn(t, copied), cfg)
			time.Sleep(47 * time.Hour)
			if st := stats(b); st.Sessions != 1 {
				t.Errorf("47 hours after the kill, %d checkpoints: %+v", checkpoints, st)
			}
			time.Sleep(2 * time.Hour)
			if st := stats(b); st.Sessions != 0 {
				t.Errorf("49 hours after the kill, %d checkpoints: %+v", checkpoints, st)
			}
		})
	}
}

// R20: two clients with one id throw each other out only so often; then one has it, and the other can come when the minute is over.
func TestReconnectFight(t *testing.T) {
	inBubble(t, broker.Config{MaxTakeovers: 5}, func(t *testing.T, b *bt.Broker) {
		last, _ := b.Connect("twin")
		for range 5 {
			next, _ := b.Connect("twin")
			last.ExpectClosed()
			last = next
		}
		for range 20 {
			c := b.Dial()
			c.Send(bt.ConnectPacket("twin")...)
			c.Expect(0x20, 2, 0, 3)
			c.ExpectClosed()
		}
		last.Ping()
		if st := stats(b); st.TakeoversRefused != 20 {
			t.Errorf("%+v", st)
		}
		stranger, _ := b.Connect("twin", bt.User("stranger")) // another principal's session
		stranger.Ping()
		time.Sleep(time.Minute)
		next, _ := b.Connect("twin")
		last.ExpectClosed()
		next.Disconnect() // who goes by itself is no fight
		for range 20 {
			c, _ := b.Connect("twin")
			c.Disconnect()
		}
	})
}

// R08: what an account retains is bounded in messages and bytes; a refused one is acknowledged and not delivered, replacing and removing
// always work, and the count survives a restart.
func TestRetainedQuota(t *testing.T) {
	inBubbleOn(t, broker.Config{MaxRetained: 3, MaxRetainedBytes: 100}, func(t *testing.T, b *bt.Broker, restart func() *bt.Broker) {
		sub, _ := b.Connect("sub")
		sub.Subscribe("#", 0)
		c, _ := b.Connect("c")
		for i := range 5 {
			retain(t, c, fmt.Sprint("t/", i), "x", 1)
		}
		if st := stats(b); st.Retained != 3 || st.RetainedRefused != 2 {
			t.Errorf("%+v", st)
		}
		if got := takeAll(t, sub); len(got) != 3 {
			t.Errorf("delivered: %q", got)
		}
		if told(b, "refused c publish t/3: the account has 3 retained messages (broker.max_retained)") != 1 {
			t.Error("not told")
		}
		b = restart()
		c, _ = b.Connect("c")
		retain(t, c, "t/0", strings.Repeat("x", 80), 1)
		retain(t, c, "t/1", strings.Repeat("x", 80), 1) // over the bytes
		retain(t, c, "t/3", "x", 1)                     // over the messages
		other, _ := b.Connect("other", bt.User("elsewhere/other"))
		retain(t, other, "t/3", "x", 1)
		retain(t, c, "t/0", "", 1)
		retain(t, c, "t/3", "x", 1)
		if st := stats(b); st.Retained != 4 || st.RetainedRefused != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// R27: an address that breaks the protocol again and again fills no log; what is left out is counted.
func TestLogLines(t *testing.T) {
	inBubble(t, broker.Config{LogLines: 10}, func(t *testing.T, b *bt.Broker) {
		const n = 500
		for range n {
			c := b.Dial()
			c.Send(0xff, 0xff)
			c.ExpectClosed()
		}
		if st := stats(b); st.LinesOmitted != n-10 {
			t.Errorf("%d lines were left out, want %d", st.LinesOmitted, n-10)
		}
		time.Sleep(time.Minute)
		c, _ := b.Connect("c")
		c.Send(0xff, 0xff)
		c.ExpectClosed()
		if st := stats(b); st.LinesOmitted != n-10 || st.Violations != 1 {
			t.Errorf("%+v", st)
		}
	})
}
