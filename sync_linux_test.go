package main

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/broker/brokertest"
	"xively/broker/packet"
)

// injecting runs a program with system calls tampered with.
func injecting(t *testing.T, what ...string) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("a server under strace takes its time")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("needs strace")
	}
	args := []string{"strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=fsync,fdatasync"}
	for _, w := range what {
		args = append(args, "-e", "inject="+w)
	}
	return args
}

// TestSyncFails is D04: some fdatasync returns EIO. Whatever it was to confirm is not acknowledged, the server ends at once and says why, and
// after a restart all that was acknowledged is there. The control is TestPowerCut's: a server that does not care what fdatasync says.
func TestSyncFails(t *testing.T) {
	dir := t.TempDir() + "/data"
	k := newKillTest(t, dir, newDataIn(t, dir, testEmail)[0])
	for _, n := range []int{1, 2, 3, 5, 8, 20, 50} {
		p := spawnUnder(t, injecting(t, fmt.Sprintf("fdatasync:error=EIO:when=%d", n)), dir, killSettings...)
		if p.ready() {
			k.round(p, true, 0, func() {})
		}
		if code := p.wait(); code != exitFailed || !strings.Contains(p.stderr.String(), "input/output error") {
			t.Errorf("fdatasync number %d fails: exit code %d, log %q", n, code, p.stderr.String())
		}
		p.kill()
	}
	for _, wrong := range k.check(dir) {
		t.Error(wrong)
	}
}

// TestSlowDisk is D07: every fdatasync takes a fifth of a second. Acknowledgements are late together, not one after the other; pings, reads and what
// nobody keeps are not.
func TestSlowDisk(t *testing.T) {
	dir := t.TempDir() + "/data"
	account := newDataIn(t, dir, testEmail)[0]
	k := newKillTest(t, dir, account)
	p := spawnUnder(t, injecting(t, "fdatasync:delay_exit=200000"), dir, killSettings...)
	p.mustReady()
	defer p.kill()
	const clients, messages = 20, 5
	var all sync.WaitGroup
	began := time.Now()
	for i := range clients {
		all.Go(func() {
			c := k.dial(p.mqtts, fmt.Sprint("slow", i), k.user, k.secret, false)
			if c == nil {
				t.Error("cannot connect")
				return
			}
			for n := range uint16(messages) {
				c.Send(brokertest.Retained(fmt.Sprint("slow/", i), "x", 1, n+1)...)
				c.Ping() // answered meanwhile
				c.ExpectAck(packet.PUBACK, n+1)
			}
		})
	}
	all.Wait()
	syncs := p.figure("storage_journal_syncs_total")
	t.Logf("%d acknowledgements of %d clients by %v syncs in %v", messages*clients, clients, syncs, time.Since(began))
	if syncs > messages*clients/2 {
		t.Errorf("acknowledgements do not share syncs: %v of them", syncs)
	}
	if status, _, _ := p.request(k.token, "GET", "/api/v1/devices/"+k.device.id, nil); status != 200 {
		t.Errorf("GET: %d", status)
	}
}
