package bench

import (
	"context"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"xively/broker"
	"xively/broker/brokertest"
	"xively/internal/dial"
)

// TestScenarios runs each scenario, small, against our own broker: what is counted must be what was delivered.
func TestScenarios(t *testing.T) {
	b := brokertest.Start(t, broker.Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = b.ServeTCP(ln) }()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = http.Serve(b.Listener(web), b.WebSocket()) }()
	t.Cleanup(func() { _ = web.Close() })
	tcp := Target{Dial: dialer(t, "mqtt://"+ln.Addr().String()), User: "bench", Password: "right", PID: os.Getpid()}
	ws := tcp
	ws.Dial = dialer(t, "ws://"+web.Addr().String())

	small := Options{Clients: 3, Window: 4, Duration: 50 * time.Millisecond, Rate: 200, Fleet: []Device{{"bench", "right", "a/b"}, {"bench", "right", "a/c"}}}
	for _, row := range []struct {
		scenario   string
		t          Target
		qos        byte
		persistent bool
	}{
		{"fan-out", tcp, 0, false}, {"fan-out", ws, 1, false}, {"fan-in", tcp, 1, false}, {"fan-in", tcp, 2, false},
		{"pairs", tcp, 0, false}, {"pairs", tcp, 1, true}, {"pairs", tcp, 2, true}, {"pairs", ws, 2, false},
		{"latency", tcp, 1, false}, {"connect", tcp, 0, false}, {"connect", ws, 0, false}, {"idle", tcp, 0, false},
		{"ingest", tcp, 1, false},
	} {
		o := small
		o.QoS, o.Persistent = row.qos, row.persistent
		before := b.Stats().Delivered
		res, err := Run(t.Context(), row.scenario, row.t, o)
		if err != nil {
			t.Errorf("%s QoS %d: %v", row.scenario, row.qos, err)
			continue
		}
		if res.Count == 0 || res.Scenario != row.scenario {
			t.Errorf("%s QoS %d: %+v", row.scenario, row.qos, res)
		}
		if delivered := int64(b.Stats().Delivered - before); res.P50 == 0 && delivered > 0 && delivered != res.Count {
			t.Errorf("%s QoS %d: counted %d messages, the broker delivered %d", row.scenario, row.qos, res.Count, delivered)
		}
	}
	b.Stop() // clean sessions have ended after it
	if n := b.Stats().Sessions; n != 0 {
		t.Errorf("%d sessions left behind", n)
	}
}

// TestLossIsAnError: a broker that swallows a message must not be praised.
func TestLossIsAnError(t *testing.T) {
	b := brokertest.Start(t, broker.Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = b.ServeTCP(ln) }()
	b.Rules.Deny("#", "publish")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	short := patience
	patience = 200 * time.Millisecond
	t.Cleanup(func() { patience = short })
	_, err = Run(ctx, "pairs", Target{Dial: dialer(t, "mqtt://"+ln.Addr().String()), User: "bench"}, Options{Clients: 1, Duration: 50 * time.Millisecond})
	if err == nil {
		t.Fatal("messages were dropped and the result is no error")
	}
}

func TestUnknownScenario(t *testing.T) {
	if _, err := Run(t.Context(), "fan", Target{}, Options{}); err == nil {
		t.Fatal("no error")
	}
}

func dialer(t *testing.T, address string) dial.Func {
	t.Helper()
	d, err := dial.URL(address, nil, ReadBuffer)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
