package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/storage/storagetest"
)

// R15: one large message to many receivers that take nothing. Its bytes are in memory once, and not once for each: what waits for all of them
// together is bounded, at QoS 0 the rest is shed, at QoS 1 it waits in their queues, and they get it when they read again.
func TestFanOutOfALargeMessage(t *testing.T) {
	most, receivers, messages := 8<<20, 200, 4
	if os.Getenv("XIVELY_SOAK") != "" {
		most, receivers, messages = 32<<20, 10_000, 1
	}
	f := newFanOut(t, receivers, most)
	grown := f.publish(messages)
	st := f.srv.Stats()
	t.Logf("%d receivers, %d messages of %d bytes: the heap has grown by %d MiB, %d MiB wait, %d shed", receivers, messages, len(f.payload), grown>>20, st.Waiting>>20, st.DroppedQoS0)
	if grown > 3*most {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	if st.Waiting > most+16<<20 {
		t.Errorf("%d MiB wait", st.Waiting>>20)
	}
	if all := uint64(receivers / 2 * messages); st.DroppedQoS0 < all/2 || st.DroppedQoS0 >= all || st.DroppedQueue != 0 {
		t.Errorf("%d of %d messages at QoS 0 were shed, %d at QoS 1", st.DroppedQoS0, all, st.DroppedQueue)
	}

	f.read(messages)
	f.drained()
	f.publish(1) // as before
	f.read(1)

	t.Run("control", func(t *testing.T) {
		f := newFanOut(t, 200, 1<<40)
		if grown := f.publish(1); grown < 40<<20 {
			t.Errorf("without a bound the heap grows by %d MiB: this test sees nothing", grown>>20)
		}
	})
}

// fanOut is a broker with many receivers, every other one at QoS 0, and a publisher.
type fanOut struct {
	t       *testing.T
	srv     *broker.Server
	to      []*offlineClient
	from    *offlineClient
	payload string
	sent    int
}

func newFanOut(t *testing.T, receivers, total int) *fanOut {
	rules := &bt.Rules{}
	cfg := broker.Config{MaxUnauthenticatedPerIP: 256, OutgoingTotalBytes: total, WriteTimeout: time.Hour}
	srv, err := broker.New(cfg, storagetest.Open(t), rules, rules, &simEvents{&simWorld{t: t}}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	f := &fanOut{t: t, srv: srv, payload: strings.Repeat("x", 250<<10)}
	connect := func(name string) *offlineClient {
		c := &offlineClient{simConn: newSimConn(4 << 10)}
		t.Cleanup(c.drop)
		go srv.ServeConn(c)
		c.put(bt.ConnectPacket(name, bt.KeepAlive(0))...)
		c.next()
		return c
	}
	for i := range receivers {
		c := connect(fmt.Sprint("c", i))
		c.put(bt.Subscribe(1, "all", byte(i%2))...)
		c.next()
		f.to = append(f.to, c)
	}
	f.from = connect("publisher")
	return f
}

// publish sends n messages and returns by how much the heap has grown when all that can happen has.
func (f *fanOut) publish(n int) (grown int) {
	before := heapNow()
	for range n {
		f.sent++
		f.from.put(bt.Publish("all", f.payload, 1, 1)...)
		f.from.next()
	}
	return heapNow() - before
}

// read lets every receiver take what comes until it has n messages more, or at QoS 0 what was not shed.
func (f *fanOut) read(n int) {
	var reading sync.WaitGroup
	var missing atomic.Int64
	for i, c := range f.to {
		c.mu.Lock()
		c.window = 1 << 20
		c.change.Broadcast()
		c.mu.Unlock()
		if i%2 == 0 {
			go func() { // until the end of the test
				for c.next() != nil {
				}
			}()
			continue
		}
		reading.Go(func() {
			for range n {
				var p packet.Publish
				if err := p.Decode(c.next()); err != nil || string(p.Payload) != f.payload {
					missing.Add(1)
					return
				}
				c.put(bt.Ack(packet.PUBACK, p.PacketID)...)
			}
		})
	}
	reading.Wait()
	if n := missing.Load(); n > 0 {
		f.t.Errorf("%d receivers have not got all that was sent at QoS 1", n)
	}
}

// drained waits until nothing waits for anybody.
func (f *fanOut) drained() {
	for end := time.Now().Add(30 * time.Second); f.srv.Stats().Waiting != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%d bytes still count as waiting", f.srv.Stats().Waiting)
		}
	}
}

func heapNow() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
