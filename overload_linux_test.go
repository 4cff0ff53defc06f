package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xively/broker/brokertest"
)

const overloadMemory = 256 << 20

// TestOverload is R05, R06 and R17 together: with memory limited to 256 MiB by GOMEMLIMIT, one subscriber that reads nothing at QoS 0, one at QoS 1, and 300
// persistent sessions whose clients have gone are flooded. The server drops what the limits say, counts it, stays within its memory, and a
// client that behaves is served throughout. The control has limits that are none.
func TestOverload(t *testing.T) {
	if testing.Short() {
		t.Skip("a flood takes a while")
	}
	most, alive := overload(t, []string{"env", "GOMEMLIMIT=256MiB"}, "broker.outgoing_bytes=1MiB")
	if !alive {
		t.Fatal("the server has ended")
	}
	if most > overloadMemory {
		t.Errorf("the server took %d MiB", most>>20)
	}
	t.Run("control", func(t *testing.T) {
		if os.Getenv("XIVELY_SOAK") == "" {
			t.Skip("XIVELY_SOAK is not set")
		}
		if most, _ := overload(t, []string{"env", "GOMEMLIMIT=256MiB"}, noLimits...); most <= overloadMemory {
			t.Errorf("without limits the server takes %d MiB: this flood is none", most>>20)
		}
	})
}

var noLimits = []string{"broker.outgoing_bytes=2GiB", "broker.outgoing_total_bytes=8GiB", "broker.queue_messages=30000", "broker.queue_bytes=2GiB", "broker.write_timeout=1h"}

// TestKernelMemoryLimit is R17 with the kernel's limit, which counts everything: the flood of TestOverload against a server in a control group of
// 256 MiB without swap. It sheds before the kernel has to end it. The control has limits that are none, and is killed.
func TestKernelMemoryLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("a flood takes a while")
	}
	group := newMemoryGroup(t, overloadMemory)
	most, alive := overload(t, group.under(), "broker.outgoing_bytes=1MiB")
	t.Logf("most memory by the kernel's count: %d MiB, of its own: %d MiB", group.most()>>20, most>>20)
	if !alive {
		t.Error("the kernel has ended the server")
	}
	t.Run("control", func(t *testing.T) {
		if os.Getenv("XIVELY_SOAK") == "" {
			t.Skip("XIVELY_SOAK is not set")
		}
		if _, alive := overload(t, newMemoryGroup(t, overloadMemory).under(), noLimits...); alive {
			t.Error("a server without limits lives: this flood is none")
		}
	})
}

// A memoryGroup is a control group with a memory limit.
type memoryGroup struct {
	dir   string
	peak  string // file with the most it had
	procs string
}

// newMemoryGroup makes one, of version 1 or 2, or skips the test.
func newMemoryGroup(t *testing.T, limit int64) *memoryGroup {
	t.Helper()
	name := fmt.Sprintf("xively-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	for _, v := range []struct{ root, limit, swap, peak string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.swap.max", "memory.peak"},
	} {
		g := &memoryGroup{dir: v.root + "/" + name}
		g.peak, g.procs = g.dir+"/"+v.peak, g.dir+"/cgroup.procs"
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(g.dir) })
		write := func(file string, n int64) error {
			return os.WriteFile(g.dir+"/"+file, []byte(strconv.FormatInt(n, 10)), 0o644)
		}
		if write(v.limit, limit) != nil {
			continue
		}
		swap := limit // with memory, in version 1
		if v.root == "/sys/fs/cgroup" {
			swap = 0
		}
		_ = write(v.swap, swap) // not there where there is no swap
		return g
	}
	t.Skip("no control group can be made here")
	return nil
}

// under is for spawnUnder.
func (g *memoryGroup) under() []string {
	return []string{"sh", "-c", "echo $$ > " + g.procs + ` && exec "$@"`, "sh"}
}

func (g *memoryGroup) most() int64 {
	text, _ := os.ReadFile(g.peak)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// overload returns the most memory that the server had of its own, and whether it has lived through the flood.
func overload(t *testing.T, under []string, set ...string) (int64, bool) {
	dir := t.TempDir() + "/data"
	account := newDataIn(t, dir, testEmail)[0]
	k := newKillTest(t, dir, account)
	p := spawnUnder(t, under, dir, set...)
	p.mustReady()
	defer p.kill()
	dial := func(id string) *brokertest.Client {
		c := k.dial(p.mqtts, id, k.user, k.secret, false)
		if c == nil {
			t.Fatal("cannot connect: ", p.stderr.String())
		}
		return c
	}
	subscribe := func(id string, qos byte) *brokertest.Client {
		c := dial(id)
		c.Send(brokertest.Subscribe(1, "flood/#", qos)...)
		c.Expect(0x90, 3, 0, 1, qos)
		return c
	}
	for i := range 300 {
		subscribe(fmt.Sprint("gone", i), 1).Disconnect()
	}
	subscribe("silent0", 0).Stall()
	subscribe("silent1", 1).Stall()

	stop := make(chan struct{})
	var watchers sync.WaitGroup
	var most, worst atomic.Int64
	var unserved atomic.Bool
	watchers.Go(func() { // the kernel's word for the server's own memory
		for {
			if now := ownMemory(p.cmd.Process.Pid); now > most.Load() {
				most.Store(now)
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	good := dial("good")
	watchers.Go(func() {
		for {
			asked := time.Now()
			good.Send(0xc0, 0)
			if good.Next() == nil {
				unserved.Store(true)
				return
			}
			worst.Store(max(worst.Load(), int64(time.Since(asked))))
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})

	flood := dial("flood")
	large, small := strings.Repeat("x", 20<<10), strings.Repeat("x", 1<<10)
	alive := true
	for n := 0; n < 4000 && alive; n++ {
		flood.Publish("flood/0", large, 0, 0)
		flood.Publish("flood/1", small, 1, uint16(n+1))
		if n%64 == 63 {
			for i := 0; i < 64 && alive; i++ {
				alive = flood.Next() != nil
			}
		}
	}
	close(stop)
	watchers.Wait()
	if !alive {
		code := p.wait()
		t.Logf("%v: most memory %d MiB, then the server was gone, exit code %d: %s", set, most.Load()>>20, code, p.stderr.String())
		return most.Load(), false
	}
	if unserved.Load() {
		t.Error("a client that behaves is not served")
	}
	dropped0, droppedQueue := p.figure("broker_dropped_qos0_total"), p.figure("broker_dropped_queue_total")
	t.Logf("%v: most memory %d MiB, slowest ping %v, dropped: %v at QoS 0, %v of full queues", set, most.Load()>>20, time.Duration(worst.Load()), dropped0, droppedQueue)
	if len(set) == 1 && (dropped0 == 0 || droppedQueue == 0) {
		t.Error("nothing is counted as dropped")
	}
	return most.Load(), true
}

// ownMemory returns what a process has in memory but for mapped files.
func ownMemory(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	n, _ := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	return n << 10
}

// figure reads one of /metrics.
func (p *process) figure(name string) float64 {
	resp, err := http.Get(p.rest + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	_ = resp.Write(&text)
	_, rest, _ := strings.Cut(text.String(), "\nxively_"+name+" ")
	v, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	return v
}
