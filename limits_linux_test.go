package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"xively/broker/brokertest"
	"xively/broker/packet"
)

// R16: a server that may open 128 files meets 300 connections. Those that it has are served, what must be on disk gets there, it says once what is
// the matter, and when the others go it lets clients in again.
func TestFewDescriptors(t *testing.T) {
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip("the limit is set with prlimit")
	}
	dir := t.TempDir() + "/data"
	k := newKillTest(t, dir, newDataIn(t, dir, testEmail)[0])
	p := spawnUnder(t, []string{"prlimit", "--nofile=128:128"}, dir, "storage.checkpoint_bytes=1MiB", "broker.queue_messages=30000", "broker.queue_bytes=256MiB",
		"broker.max_unauthenticated=1000", "broker.max_unauthenticated_ip=1000", "broker.connect_timeout=10m")
	p.mustReady()
	defer p.kill()
	away := k.dial(p.mqtts, "away", k.user, k.secret, false)
	away.Send(brokertest.Subscribe(1, "kept", 1)...)
	away.Expect(0x90, 3, 0, 1, 1)
	away.Disconnect()
	good := k.dial(p.mqtts, "good", k.user, k.secret, false)
	before := p.figure("storage_checkpoints_total") // and a connection for figures, kept alive

	var open []net.Conn
	for range 300 {
		nc, err := net.Dial("tcp", p.mqtts)
		if err != nil {
			break // the kernel's queue is full, too
		}
		defer nc.Close()
		open = append(open, nc)
	}
	eventually(t, "connections are turned away", func() bool { return p.figure("broker_accept_failed_total") > 0 })
	payload := make([]byte, 200<<10)
	rand.NewChaCha8([32]byte{}).Read(payload) // what the journal cannot make smaller: it needs new files
	for n := range 120 {
		good.Publish("kept", string(payload), 1, uint16(n+1))
		good.ExpectAck(packet.PUBACK, uint16(n+1))
	}
	eventually(t, "the store makes checkpoints", func() bool { return p.figure("storage_checkpoints_total") > before+1 })
	p.signal(syscall.SIGHUP)
	good.Ping()

	for _, nc := range open {
		_ = nc.Close()
	}
	var back *brokertest.Client
	eventually(t, "clients are let in again", func() bool {
		back = k.dial(p.mqtts, "away", k.user, k.secret, true)
		return back != nil
	})
	if b := back.Next(); b == nil || packet.TypeOf(b[0]) != packet.PUBLISH {
		t.Errorf("the session has % .20x", b)
	}
	if len(k.wrong) > 0 {
		t.Error(k.wrong)
	}
	failed := p.figure("broker_accept_failed_total")
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
	lines := strings.Count(p.stderr.String(), "accept failed")
	t.Logf("%d connections, %v times none accepted, %d lines in the log", len(open), failed, lines)
	if lines == 0 || lines > 4 {
		t.Errorf("the log has %d lines of it:\n%s", lines, p.stderr.String())
	}
}

// D22: a server with 2,000 persistent sessions, three messages waiting in each, is stopped and started again, and all clients come back at once.
// They are let in as fast as the limit of connections that have not said who they are allows; who is turned away tries again, and everybody finds
// its session and its messages. The memory for it is bounded.
func TestRestartStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of handshakes take a while")
	}
	const sessions, waiting, most = 2000, 3, 256 << 20
	dir := t.TempDir() + "/data"
	k := newKillTest(t, dir, newDataIn(t, dir, testEmail)[0])
	set := []string{"broker.max_sessions=3000", "listen.mqtt=127.0.0.1:0"}
	p := spawn(t, dir, set...)
	p.mustReady()
	name := func(i int) string { return fmt.Sprint("storm", i) }
	for i := range sessions { // without TLS: this is not what is tried
		nc, err := net.Dial("tcp", p.mqtt)
		if err != nil {
			t.Fatal(err)
		}
		c := k.connect(nc, name(i), k.user, k.secret, false)
		if c == nil {
			t.Fatal("cannot connect: ", p.stderr.String())
		}
		c.Send(brokertest.Subscribe(1, name(i), 1)...)
		c.Expect(0x90, 3, 0, 1, 1)
		c.Disconnect()
	}
	publisher := k.dial(p.mqtts, "publisher", k.user, k.secret, true)
	for n := range waiting {
		for i := range sessions {
			publisher.Publish(name(i), strconv.Itoa(n), 1, uint16(i+1))
		}
		for i := range sessions {
			publisher.ExpectAck(packet.PUBACK, uint16(i+1))
		}
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, p.stderr.String())
	}

	p = spawn(t, dir, set...)
	p.mustReady()
	defer p.kill()
	began := time.Now()
	var clients sync.WaitGroup
	var tries, memory atomic.Int64
	all := make([]*brokertest.Client, sessions)
	for i := range sessions {
		clients.Go(func() {
			for all[i] == nil && time.Since(began) < 3*patience {
				tries.Add(1)
				if all[i] = k.dial(p.mqtts, name(i), k.user, k.secret, true); all[i] == nil {
					time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
				}
			}
			if all[i] == nil {
				t.Error(name(i), " is not let in")
				return
			}
			for n := range waiting {
				var m packet.Publish
				if err := m.Decode(all[i].Next()); err != nil || string(m.Topic) != name(i) || string(m.Payload) != strconv.Itoa(n) || m.Dup {
					t.Errorf("%s, message %d: %+v, %v", name(i), n, m, err)
					return
				}
				all[i].Ack(packet.PUBACK, m.PacketID)
			}
			all[i].Ping()
			memory.Store(max(memory.Load(), ownMemory(p.cmd.Process.Pid)))
		})
	}
	clients.Wait()
	t.Logf("all back after %v, %d tries, %v turned away, most memory %d MiB", time.Since(began).Round(time.Millisecond), tries.Load(), p.figure("broker_refused_total"), memory.Load()>>20)
	if len(k.wrong) > 0 {
		t.Errorf("%d wrong, the first: %s", len(k.wrong), k.wrong[0])
	}
	if memory.Load() > most {
		t.Errorf("the server took %d MiB", memory.Load()>>20)
	}
}
