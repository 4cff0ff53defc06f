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

// TestOverload is R05, R06 and R17 together: with memory limited to 256 MiB, one subscriber that reads nothing at QoS 0, one at QoS 1, and 300
// persistent sessions whose clients have gone are flooded. The server drops what the limits say, counts it, stays within its memory, and a
// client that behaves is served throughout. The control has limits that are none.
func TestOverload(t *testing.T) {
	if testing.Short() {
		t.Skip("a flood takes a while")
	}
	most := overload(t, "broker.outgoing_bytes=1MiB")
	if most > overloadMemory {
		t.Errorf("the server took %d MiB", most>>20)
	}
	t.Run("control", func(t *testing.T) {
		if os.Getenv("XIVELY_SOAK") == "" {
			t.Skip("XIVELY_SOAK is not set")
		}
		if most := overload(t, "broker.outgoing_bytes=2GiB", "broker.outgoing_total_bytes=8GiB", "broker.queue_messages=30000", "broker.queue_bytes=2GiB", "broker.write_timeout=1h"); most <= overloadMemory {
			t.Errorf("without limits the server takes %d MiB: this flood is none", most>>20)
		}
	})
}

// overload returns the most memory that the server had.
func overload(t *testing.T, set ...string) int64 {
	dir := t.TempDir() + "/data"
	account := newDataIn(t, dir, testEmail)[0]
	k := newKillTest(t, dir, account)
	p := spawnUnder(t, []string{"env", "GOMEMLIMIT=256MiB"}, dir, set...)
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
				t.Error("a client that behaves is not served")
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
	for n := range 4000 {
		flood.Publish("flood/0", large, 0, 0)
		flood.Publish("flood/1", small, 1, uint16(n+1))
		if n%64 == 63 {
			for range 64 {
				if flood.Next() == nil {
					t.Fatal("the publisher is cut off: ", p.stderr.String())
				}
			}
		}
	}
	close(stop)
	watchers.Wait()
	dropped0, droppedQueue := p.figure("broker_dropped_qos0_total"), p.figure("broker_dropped_queue_total")
	t.Logf("%v: most memory %d MiB, slowest ping %v, dropped: %v at QoS 0, %v of full queues", set, most.Load()>>20, time.Duration(worst.Load()), dropped0, droppedQueue)
	if len(set) == 1 && (dropped0 == 0 || droppedQueue == 0) {
		t.Error("nothing is counted as dropped")
	}
	return most.Load()
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
