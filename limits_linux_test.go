package main

import (
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"

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
