package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// wirePair is the two ends of a connection, the near one a wire as MQTT has it.
func wirePair(t *testing.T, network string) (*wire, net.Conn) {
	t.Helper()
	var near, far net.Conn
	if network == "pipe" {
		near, far = net.Pipe()
	} else {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		if far, err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if near, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	w := newWire(near)
	w.goAsync()
	return w, far
}

func eachNetwork(t *testing.T, f func(t *testing.T, w *wire, far net.Conn)) {
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			w, far := wirePair(t, network)
			f(t, w, far)
		})
	}
}

// numbers is n consecutive four-byte numbers from at on.
func numbers(at, n int) []byte {
	b := make([]byte, 0, 4*n)
	for i := range n {
		b = binary.BigEndian.AppendUint32(b, uint32(at+i))
	}
	return b
}

// Write takes everything although the peer reads nothing; drain then hands it over, in order, with what is written meanwhile behind it.
func TestWireKeepsWhatTheSocketDoesNotTake(t *testing.T) {
	eachNetwork(t, func(t *testing.T, w *wire, far net.Conn) {
		const chunk, before, meanwhile = 16 << 10, 200, 50
		for i := range before {
			if n, err := w.Write(numbers(i*chunk, chunk)); n != 4*chunk || err != nil {
				t.Fatalf("write %d: %d, %v", i, n, err)
			}
		}
		if w.kept() == 0 || !w.behind() {
			t.Fatal("the socket took 12 MiB that nobody reads")
		}
		more := make(chan struct{}) // something was written after the first drain began
		go func() {
			defer close(more)
			for i := range meanwhile {
				_, _ = w.Write(numbers((before+i)*chunk, chunk))
			}
		}()
		go func() {
			if err := w.drain(10 * time.Second); err != nil {
				t.Errorf("drain: %v", err)
			}
			<-more
			if err := w.drain(10 * time.Second); err != nil {
				t.Errorf("second drain: %v", err)
			}
		}()
		got := make([]byte, 4*chunk)
		for i := range before + meanwhile {
			if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, numbers(i*chunk, chunk)) {
				t.Fatalf("chunk %d is not what was written: %v", i, err)
			}
		}
	})
}

// A peer that takes nothing ends drain with a timeout, and nothing can be written after it.
func TestWireDrainTimesOut(t *testing.T) {
	eachNetwork(t, func(t *testing.T, w *wire, _ net.Conn) {
		_, _ = w.Write(make([]byte, 16<<20))
		if err := w.drain(20 * time.Millisecond); !isTimeout(err) {
			t.Fatalf("drain: %v, wanted a timeout", err)
		}
		if _, err := w.Write([]byte{1}); err == nil {
			t.Error("a write after bytes were lost succeeds")
		}
	})
}

func TestWireCloseEndsDrain(t *testing.T) {
	eachNetwork(t, func(t *testing.T, w *wire, far net.Conn) {
		_, _ = w.Write(make([]byte, 16<<20))
		ended := make(chan error)
		go func() { ended <- w.drain(time.Minute) }()
		_, _ = io.ReadFull(far, make([]byte, 1000)) // drain is at work
		_ = w.Close()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("drain reports success on a closed socket")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("drain goes on after Close")
		}
		if _, err := w.Write([]byte{1}); err == nil {
			t.Error("a write to a closed socket succeeds")
		}
	})
}

// The deadlines that TLS and WebSocket set for their own writes are not the socket's any more.
func TestWireOwnsItsWriteDeadline(t *testing.T) {
	eachNetwork(t, func(t *testing.T, w *wire, far net.Conn) {
		past := time.Now().Add(-time.Second)
		if err := errors.Join(w.SetWriteDeadline(past), w.SetDeadline(time.Time{}), w.SetWriteDeadline(past)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("hello")); err != nil {
			t.Fatalf("write: %v", err)
		}
		go func() { _ = w.drain(10 * time.Second) }()
		got := make([]byte, 5)
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "hello" {
			t.Fatalf("got %q, %v", got, err)
		}
		if err := w.SetDeadline(past); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Read(got); !isTimeout(err) {
			t.Errorf("read after its deadline: %v", err)
		}
	})
}

// After a drain the socket's write deadline must be gone: it would fail the first write after it has passed.
func TestWireDrainLeavesNoDeadline(t *testing.T) {
	w, far := wirePair(t, "tcp")
	_, _ = w.Write(make([]byte, 8<<20))
	go io.Copy(io.Discard, far)
	if err := w.drain(100 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	time.Sleep(120 * time.Millisecond) // real time: the deadline is the kernel poller's
	if _, err := w.Write([]byte{1}); err != nil {
		t.Errorf("write: %v", err)
	}
}
