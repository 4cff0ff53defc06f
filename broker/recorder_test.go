package broker_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/internal/auth"
)

// flightRecorder remembers the packets of one principal.
type flightRecorder struct {
	*bt.Events
	who string

	mu    sync.Mutex
	lines []string
}

func (f *flightRecorder) Wanted(p auth.Principal) bool { return p.ID == f.who }

func (f *flightRecorder) Packet(p auth.Principal, clientID string, in bool, typ byte, topic string, qos byte, size int, head []byte) {
	dir := "out"
	if in {
		dir = "in"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, fmt.Sprintf("%s %s %d %s %d %d %q", clientID, dir, typ, topic, qos, size, head))
}

// TestRecorderSeesPackets: every packet after CONNACK, both ways, of the client that is watched and of no other.
func TestRecorderSeesPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flightRecorder{Events: &bt.Events{}, who: "a"}
		b := bt.StartWith(t, broker.Config{}, f)
		a, _ := b.Connect("a")
		other, _ := b.Connect("b")
		a.Subscribe("x/+", 1)
		other.Publish("x/y", "hello", 1, 5)
		other.Expect(0x40, 2, 0, 5)
		a.Expect(bt.Publish("x/y", "hello", 1, 1)...)
		a.Send(0x40, 2, 0, 1)
		a.Send(0xe0, 0)
		a.ExpectClosed()
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		want := []string{
			`a out 2  0 4 " \x02\x00\x00"`,
			`a in 8 x/+ 1 10 "\x82\b\x00\x01\x00\x03x/+\x01"`,
			`a out 9  0 5 "\x90\x03\x00\x01\x01"`,
			`a out 3 x/y 1 5 "hello"`,
			`a in 4  0 4 "@\x02\x00\x01"`,
			`a in 14  0 2 "\xe0\x00"`,
		}
		if !slices.Equal(f.lines, want) {
			t.Errorf("recorded\n%q\nwanted\n%q", f.lines, want)
		}
	})
}
