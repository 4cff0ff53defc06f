package broker_test

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/internal/auth"
)

// What an idle connection costs, both ends of it in this process: heap and stacks, the client's share measured apart and taken off. Run with
// XIVELY_BENCH=1.
func TestIdleConnectionBytes(t *testing.T) {
	if os.Getenv("XIVELY_BENCH") == "" {
		t.Skip("set XIVELY_BENCH=1")
	}
	const n = 1000
	p := openPorts(t, broker.Config{})
	inUse := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	kinds := p.kinds()
	for _, kind := range []string{"tcp", "shared with ALPN", "ws", "wss, http/1.1 by ALPN"} {
		var open []net.Conn
		before := inUse()
		for i := range n {
			nc := kinds[kind]()
			_, _ = nc.Write(bt.ConnectPacket(fmt.Sprint("idle", i)))
			_, _ = nc.Read(make([]byte, 4))
			open = append(open, nc)
		}
		time.Sleep(200 * time.Millisecond)
		both := inUse()
		p.Disconnect(func(auth.Principal) bool { return true }, "measured")
		gone(t, p.Broker, 0)
		time.Sleep(33 * time.Second) // the wheel lets go of what has ended at its next look
		client := inUse()
		t.Logf("%s: %d bytes per connection on the server, %d on the client", kind, (both-client)/n, (client-before)/n)
		for _, nc := range open {
			_ = nc.Close()
		}
	}
}
