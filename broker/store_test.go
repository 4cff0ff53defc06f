package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/internal/auth"
	"xively/storage"
	"xively/storage/storagetest"
)

// openStore opens dir with a journal so small that checkpoints come all the time. The test ends with a check for damage.
func openStore(t testing.TB, dir string, checkpoint int64) *storage.DB {
	t.Helper()
	db, err := storage.Open(storage.Config{Dir: dir, CheckpointBytes: checkpoint, SegmentBytes: 16 << 10}, storagetest.Log(t))
	if err != nil {
		t.Fatalf("open store in %s: %v", dir, err)
	}
	t.Cleanup(func() { storagetest.Check(t, db, dir) })
	return db
}

// settle waits until everything the broker was given is on disk, and returns its state.
func settle(t testing.TB, b *bt.Broker) string {
	t.Helper()
	j := b.DB.Journal()
	if err := j.Wait(context.Background(), j.Last()); err != nil {
		t.Fatalf("journal: %v", err)
	}
	return b.Dump()
}

// gone waits until all connections but n have been cleaned up after.
func gone(t testing.TB, b *bt.Broker, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); b.Stats().Connections > n; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections, wanted %d", b.Stats().Connections, n)
		}
	}
}

func leave(t testing.TB, b *bt.Broker, c *bt.Client) {
	t.Helper()
	n := b.Stats().Connections
	c.Send(0xe0, 0)
	for c.Next() != nil { // what was on its way
	}
	gone(t, b, n-1)
}

func dup(p []byte) []byte { p[0] |= 8; return p }

// A restart, orderly or not, keeps what the client and the server remember of each other.
func TestRestartKeepsSession(t *testing.T) {
	for _, how := range []string{"stop", "crash", "crash after a checkpoint"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			checkpoint := int64(1 << 20)
			if how == "crash after a checkpoint" {
				checkpoint = 100
			}
			b := bt.On(t, openStore(t, dir, checkpoint), broker.Config{MaxInflight: 3})
			sub, _ := b.Connect("sub", bt.Persistent)
			sub.Subscribe("a/#", 2)
			pub, _ := b.Connect("pub", bt.Persistent)
			for i, qos := range []byte{1, 2, 2, 1, 2} {
				id := byte(i + 1)
				pub.Publish("a/b", fmt.Sprint("m", id), qos, uint16(id))
				if qos == 1 {
					pub.Expect(0x40, 2, 0, id)
				} else {
					pub.Expect(0x50, 2, 0, id)
				}
			}
			pub.Send(0x62, 2, 0, 2) // 2 is released, 3 and 5 are not
			pub.Expect(0x70, 2, 0, 2)
			pub.Send(bt.Retained("r", "kept", 1, 9)...)
			pub.Expect(0x40, 2, 0, 9)
			sub.Expect(bt.Publish("a/b", "m1", 1, 1)...)
			sub.Expect(bt.Publish("a/b", "m2", 2, 2)...)
			sub.Expect(bt.Publish("a/b", "m3", 2, 3)...)
			sub.Send(0x50, 2, 0, 2)
			sub.Expect(0x62, 2, 0, 2)
			want := settle(t, b)

			var db *storage.DB
			if how == "stop" {
				b.Stop()
				db = storagetest.Reopen(t, b.DB, dir)
			} else {
				db = openStore(t, storagetest.Crash(t, b.DB, dir), checkpoint)
			}
			b = bt.On(t, db, broker.Config{MaxInflight: 3})
			if got := b.Dump(); got != want {
				t.Fatalf("after the restart:\n%s\nbefore it:\n%s", got, want)
			}
			sub, present := b.Connect("sub", bt.Persistent)
			if !present {
				t.Fatal("session is not present")
			}
			sub.Expect(dup(bt.Publish("a/b", "m1", 1, 1))...)
			sub.Expect(0x62, 2, 0, 2)
			sub.Expect(dup(bt.Publish("a/b", "m3", 2, 3))...)
			sub.Send(0x40, 2, 0, 1)
			behind := dup // the window: they may have been sent, as far as a killed server knows
			if how == "stop" {
				behind = func(p []byte) []byte { return p }
			}
			sub.Expect(behind(bt.Publish("a/b", "m4", 1, 4))...)
			sub.Send(0x70, 2, 0, 2)
			sub.Expect(behind(bt.Publish("a/b", "m5", 2, 5))...)
			pub, _ = b.Connect("pub", bt.Persistent)
			pub.Send(dup(bt.Publish("a/b", "m3", 2, 3))...) // known: not delivered again
			pub.Expect(0x50, 2, 0, 3)
			sub.Send(0x40, 2, 0, 4)
			pub.Publish("a/b", "m6", 1, 10)
			pub.Expect(0x40, 2, 0, 10)
			sub.Expect(bt.Publish("a/b", "m6", 1, 6)...)
			fresh, _ := b.Connect("fresh")
			fresh.Subscribe("r", 0)
			fresh.Expect(bt.Retained("r", "kept", 0, 0)...)
		})
	}
}

// What a well known broker lost after kill -9: a full queue and retained messages, all of them acknowledged.
func TestCrashKeepsFullQueue(t *testing.T) {
	const queued, retained = 900, 100
	dir := t.TempDir()
	b := bt.On(t, openStore(t, dir, 64<<10), broker.Config{})
	sub, _ := b.Connect("sub", bt.Persistent)
	sub.Subscribe("q/#", 1)
	leave(t, b, sub)
	pub, _ := b.Connect("pub")
	for i := range queued + retained {
		id := uint16(i + 1)
		if i < queued {
			pub.Publish("q/x", fmt.Sprint(i), 1, id)
		} else {
			pub.Send(bt.Retained(fmt.Sprint("r/", i), fmt.Sprint(i), 1, id)...)
		}
	}
	for i := range queued + retained {
		pub.Expect(0x40, 2, byte((i+1)>>8), byte(i+1))
	}
	copied := storagetest.Crash(t, b.DB, dir)
	b.Stop()
	b = bt.On(t, openStore(t, copied, 64<<10), broker.Config{})
	sub, present := b.Connect("sub", bt.Persistent)
	if !present {
		t.Fatal("session is lost")
	}
	for i := range queued {
		id := uint16(i + 1)
		sub.Expect(bt.Publish("q/x", fmt.Sprint(i), 1, id)...)
		sub.Send(packet.AppendAck(nil, packet.PUBACK, id)...)
	}
	fresh, _ := b.Connect("fresh")
	fresh.Subscribe("r/#", 0)
	for i := range retained {
		i += queued
		fresh.Expect(bt.Retained(fmt.Sprint("r/", i), fmt.Sprint(i), 0, 0)...)
	}
}

// The store must never know of a message that a crash could still take out of the journal.
func TestFlushWaitsForTheJournal(t *testing.T) {
	db := storagetest.Open(t)
	b := bt.On(t, db, broker.Config{})
	sub, _ := b.Connect("sub", bt.Persistent)
	sub.Subscribe("a", 1)
	leave(t, b, sub)
	pub, _ := b.Connect("pub")
	j := db.Journal()
	for i := range 20 {
		err := db.Update(func(tx *storage.Tx) error {
			var last storage.LSN
			err := b.Checkpoint(tx, func() {
				before := j.Last()
				pub.Publish("a", "x", 1, uint16(i+1))
				for j.Last() == before { // its batch has an LSN: it may be in what Flush writes
					time.Sleep(10 * time.Microsecond)
				}
				last = j.Last()
			})
			if d := j.Durable(); d < last {
				return fmt.Errorf("flushed up to LSN %d with %d on disk", last, d)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// history drives a broker through random operations, one after the other.
type history struct {
	t        testing.TB
	rnd      *rand.Rand
	b        *bt.Broker
	dir      string
	clients  map[string]*bt.Client // connected
	todo     map[string][][]byte   // acknowledgements a client owes
	ids      map[string]uint16
	n        int
	release  func() // not nil: the store's committer is held up
	patience int    // operations until it goes on
	held     chan struct{}
	log      []string
}

// historyCheckpoint makes a checkpoint due after every few operations.
const historyCheckpoint = 4096

var historyConfig = broker.Config{MaxInflight: 4, MaxUnreleased: 50}

func (h *history) client() string { return fmt.Sprint("c", h.rnd.IntN(4)) }
func (h *history) topic() string  { return fmt.Sprint("t/", h.rnd.IntN(3)) }
func (h *history) id(name string) uint16 {
	h.ids[name]++
	return h.ids[name]
}

// step does one operation and waits until the broker is through with it.
func (h *history) step() {
	if h.patience--; h.patience == 0 { // the journal lets nobody wait for a checkpoint much longer than that
		h.letGo()
	}
	if h.release != nil {
		defer h.lest(h.release)()
	}
	name := h.client()
	c := h.clients[name]
	switch op := h.rnd.IntN(20); {
	case c == nil && op < 18:
		opts := []bt.Option{bt.Persistent}
		if h.rnd.IntN(8) == 0 {
			opts = nil // ends the session for good
			delete(h.ids, name)
		}
		h.note("connect %s clean %v", name, opts == nil)
		h.clients[name], _ = h.b.Connect(name, opts...)
		h.todo[name] = nil
	case op < 3:
		f := []string{"t/#", "t/+", h.topic(), h.topic()}[h.rnd.IntN(4)]
		h.note("%s subscribes %s", name, f)
		c.Send(packet.AppendSubscribe(nil, h.id(name), []packet.Subscription{{Filter: []byte(f), QoS: byte(h.rnd.IntN(3))}})...)
	case op < 4:
		h.note("%s unsubscribes", name)
		c.Send(packet.AppendUnsubscribe(nil, h.id(name), [][]byte{[]byte("t/#")})...)
	case op < 12:
		h.publish(name, c)
	case op < 15:
		h.acknowledge(name, c, h.rnd.IntN(6))
	case op < 16:
		h.note("%s leaves", name)
		leave(h.t, h.b, c)
		delete(h.clients, name)
	case h.release == nil:
		h.hold()
	case c != nil:
		h.acknowledge(name, c, 6)
	}
	if c = h.clients[name]; c != nil {
		h.sync(name, c)
	}
}

func (h *history) publish(name string, c *bt.Client) {
	h.n++
	p := packet.Publish{Topic: []byte(h.topic()), Payload: fmt.Appendf(nil, "%d", h.n), QoS: byte(h.rnd.IntN(3)), Retain: h.rnd.IntN(4) == 0}
	if p.Retain && h.rnd.IntN(3) == 0 {
		p.Payload = nil
	}
	if p.QoS > 0 {
		p.PacketID = h.id(name)
	}
	h.note("%s publishes %s %q qos %d retain %v", name, p.Topic, p.Payload, p.QoS, p.Retain)
	c.Send(packet.AppendPublish(nil, &p)...)
}

// sync sends PINGREQ, takes all that comes before its answer and remembers what is owed for it.
func (h *history) sync(name string, c *bt.Client) {
	c.Send(0xc0, 0)
	for {
		p := c.Next()
		if p == nil {
			h.t.Fatalf("%s: connection ended\n%s", name, strings.Join(h.log, "\n"))
		}
		if p[0] == 0xd0 {
			return
		}
		switch packet.TypeOf(p[0]) {
		case packet.PUBLISH:
			var m packet.Publish
			if err := m.Decode(p); err != nil {
				h.t.Fatal(err)
			}
			if m.QoS > 0 {
				h.todo[name] = append(h.todo[name], packet.AppendAck(nil, []packet.Type{0, packet.PUBACK, packet.PUBREC}[m.QoS], m.PacketID))
			}
		case packet.PUBREC:
			h.todo[name] = append(h.todo[name], append([]byte{0x62}, p[1:]...))
		case packet.PUBREL:
			h.todo[name] = append(h.todo[name], append([]byte{0x70}, p[1:]...))
		}
	}
}

// acknowledge sends some of what a client owes, in any order.
func (h *history) acknowledge(name string, c *bt.Client, n int) {
	owed := h.todo[name]
	for ; n > 0 && len(owed) > 0; n-- {
		i := h.rnd.IntN(min(len(owed), 3))
		h.note("%s sends % x", name, owed[i])
		c.Send(owed[i]...)
		owed = append(owed[:i:i], owed[i+1:]...)
	}
	h.todo[name] = owed
}

// hold begins a checkpoint and keeps it between Freeze and Flush for some operations.
func (h *history) hold() {
	h.note("checkpoint begins")
	h.patience = 5 + h.rnd.IntN(20)
	entered, release := make(chan struct{}), make(chan struct{})
	h.release, h.held = sync.OnceFunc(func() { close(release) }), make(chan struct{})
	go func(held chan struct{}) {
		defer close(held)
		_ = h.b.DB.Update(func(*storage.Tx) error { close(entered); <-release; return nil })
	}(h.held)
	<-entered
	defer h.lest(h.release)()
	if err := h.b.Publish(auth.Principal{AccountID: "test"}, "fill", make([]byte, historyCheckpoint), 0, true); err != nil {
		h.t.Fatal(err)
	}
	// Until Freeze was called; unless one was already, by a checkpoint that came before.
	for end := time.Now().Add(20 * time.Millisecond); h.b.DB.Stats().Live > historyCheckpoint && time.Now().Before(end); {
		time.Sleep(20 * time.Microsecond)
	}
}

// lest ends the checkpoint unless what it returns is called soon: on a busy machine Freeze comes late, and then the journal fills up and has
// everybody wait for the checkpoint that the test holds.
func (h *history) lest(release func()) (done func() bool) {
	return time.AfterFunc(time.Second, release).Stop
}

func (h *history) letGo() {
	if h.release != nil {
		h.note("checkpoint ends")
		h.release()
		<-h.held
		h.release = nil
	}
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// crash compares a server that starts from a copy of the folder with the one that runs, and may go on with the copy.
func (h *history) crash() {
	h.letGo()
	h.note("crash")
	for name, c := range h.clients {
		h.sync(name, c)
	}
	want := settle(h.t, h.b)
	flying := map[string][]uint16{}
	for name := range h.clients {
		flying[name] = h.b.InFlight("test", name)
	}
	copied := storagetest.Crash(h.t, h.b.DB, h.dir)
	b := bt.On(h.t, openStore(h.t, copied, historyCheckpoint), historyConfig)
	if got := b.Dump(); got != want {
		h.t.Fatalf("state from the copy:\n%s\n\nstate in memory:\n%s\n\nafter\n%s", got, want, strings.Join(h.log, "\n"))
	}
	for name, ids := range flying {
		if again := b.InFlight("test", name); strings.Contains(want, "/"+name+" ") && !containsAll(again, ids) {
			h.t.Fatalf("%s: ids %v were in flight, %v will be sent again with DUP\nafter\n%s", name, ids, again, strings.Join(h.log, "\n"))
		}
	}
	if h.rnd.IntN(2) == 0 {
		b.Stop()
		return
	}
	h.b.Stop()
	h.b, h.dir = b, copied
	clear(h.clients)
	clear(h.todo)
}

func containsAll(all, some []uint16) bool {
	have := map[uint16]bool{}
	for _, id := range all {
		have[id] = true
	}
	for _, id := range some {
		if !have[id] {
			return false
		}
	}
	return true
}

// end makes every client end its session and deletes what is retained: nothing may be left in the store.
func (h *history) end() {
	h.letGo()
	pub, _ := h.b.Connect("end")
	for i, topic := range []string{"t/0", "t/1", "t/2", "fill"} {
		pub.Send(bt.Retained(topic, "", 1, uint16(i+1))...)
		pub.Expect(0x40, 2, 0, byte(i+1))
	}
	for i := range 4 {
		h.b.Connect(fmt.Sprint("c", i))
	}
	h.b.Stop()
	db := storagetest.Reopen(h.t, h.b.DB, h.dir)
	err := db.View(func(tx *storage.Tx) error {
		for _, name := range broker.BucketNames {
			for k, v := range tx.Bucket(name).Prefix(nil) {
				h.t.Errorf("left in %s: %x = %x", name, k, v)
			}
		}
		return nil
	})
	if err != nil || h.t.Failed() {
		h.t.Fatalf("%v\nafter\n%s", err, strings.Join(h.log, "\n"))
	}
}

// What the store and the journal give back is what was in memory, whatever happened and wherever checkpoints fell; also when Flush runs long
// after Freeze and finds newer state.
func TestStateSurvives(t *testing.T) {
	seeds, steps := 7, 120
	if os.Getenv("XIVELY_SOAK") != "" {
		seeds, steps = 400, 400
	}
	base := rand.Uint64()
	for i := range seeds {
		seed := base + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dir := t.TempDir()
			h := &history{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), dir: dir, clients: map[string]*bt.Client{}, todo: map[string][][]byte{}, ids: map[string]uint16{}}
			h.b = bt.On(t, openStore(t, dir, historyCheckpoint), historyConfig)
			defer h.letGo()
			for range steps {
				h.step()
				if h.rnd.IntN(15) == 0 {
					h.crash()
				}
			}
			h.end()
		})
	}
}

// Two publishers may get a session's identifiers in one order and their places in the journal in the other. The next identifier follows the
// newest, also beyond 65,535.
func TestReplayedIdentifiers(t *testing.T) {
	for _, c := range []struct {
		ids  []uint64
		want string
	}{
		{[]uint64{1, 2, 3}, "last id 3"}, {[]uint64{2, 1}, "last id 2"}, {[]uint64{30000, 60000, 65534, 1, 65535}, "last id 1"},
		{[]uint64{30000, 60000, 10, 20000, 10}, "last id 20000"},
	} {
		records := [][]byte{[]byte("\x01\x04test\x01\x01d\x00\x02id")}
		for _, id := range c.ids {
			records = append(records, append(binary.AppendUvarint([]byte("\x05\x01\x04test\x01a\x00\x01\x01"), id), 1))
		}
		dump, _, err := broker.ReplayRecords(records...)
		if err != nil || !strings.Contains(dump, c.want) {
			t.Errorf("identifiers %v: %v\n%s", c.ids, err, strings.SplitN(dump, "\n", 2)[0])
		}
	}
}

// Whatever a record says, replaying it is an error or a state that can be written down and read again; it never panics.
func FuzzReplay(f *testing.F) {
	open := []byte("\x01\x04test\x01\x01d\x00\x02id")
	message := []byte("\x05\x01\x04test\x03a/b\x05hello\x01\x01\x07\x01")
	for _, r := range [][]byte{
		{}, {0}, open, message, {2, 1}, []byte("\x03\x01\x03a/#\x02"), []byte("\x04\x01\x03a/#"), {6, 1, 1, 2}, {7, 1, 2}, {8, 1, 5}, {9, 1, 5},
		{10, 1}, {11, 1, 1, 2}, {12, 1}, {6, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, []byte("\x05\x07\x04test\x03a/b\x00\x00"),
		[]byte("\x05\x05\x04test\x03a/b\x00\x00"), []byte("\x05\x01\x04test\x03a/b\xff\xff\xff\xff\x0fx"),
	} {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		before, after, err := broker.ReplayRecords(open, message, bytes.Clone(record), message, record)
		if err == nil && before != after {
			t.Errorf("replayed:\n%s\nencoded and decoded:\n%s", before, after)
		}
	})
}
