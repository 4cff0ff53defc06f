package broker_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xively/broker"
	bt "xively/broker/brokertest"
	"xively/broker/packet"
	"xively/broker/topic"
	"xively/storage"
	"xively/storage/storagetest"
)

var (
	simSeed  = flag.Uint64("sim-seed", 0, "the one seed TestSimulation runs, with its history; 0: many")
	simSeeds = flag.Int("sim-seeds", 1000, "how many seeds TestSimulation runs")
)

// simWorld is a server, its disk and its clients in virtual time, moved one step at a time by one goroutine: a few bytes arrive, a sync ends,
// a connection breaks, the power goes. Between two steps everything rests, so that a seed means a run. The history of what clients
// sent and were told is checked against what MQTT and the server promise.
type simWorld struct {
	t    *testing.T
	seed uint64
	rnd  *rand.Rand
	step int

	dir  string
	disk storagetest.Disk
	db   *storage.DB
	srv  *broker.Server
	dead bool // it did not start

	clients []*simClient
	conns   []*simConn // of this server, all
	serving sync.WaitGroup

	messages map[string]*simMessage // by payload
	kept     map[string]*keptValue
	retained map[string]int // what the reader at the end finds

	mu       sync.Mutex // guards what follows
	wrong    []string
	history  []string
	hash     uint64 // of the history
	restarts int
}

// fail notes that a promise is broken.
func (w *simWorld) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf("step %d: ", w.step)+fmt.Sprintf(format, args...))
	w.noteLocked("WRONG: "+format, args...)
}

func (w *simWorld) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteLocked(format, args...)
}

func (w *simWorld) noteLocked(format string, args ...any) {
	h := fnv.New64a()
	line := fmt.Sprintf(format, args...)
	_, _ = io.WriteString(h, line)
	w.hash = w.hash*31 + h.Sum64()
	if *simSeed != 0 {
		w.history = append(w.history, fmt.Sprintf("%d %s", w.step, line))
	}
}

// simulate runs one seed and returns the world at its end.
func simulate(t *testing.T, seed uint64, lies bool) *simWorld {
	dir, err := os.MkdirTemp(simDir(), "sim")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w := &simWorld{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), dir: dir, messages: map[string]*simMessage{}, kept: map[string]*keptValue{}}
	w.disk.Lies = lies
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one goroutine after the other, mostly in the same order
	synctest.Test(t, func(t *testing.T) { w.run() })
	return w
}

// simDir is in memory where there is such a place.
func simDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (w *simWorld) run() {
	w.start()
	for i := range 3 + w.rnd.IntN(3) {
		d := newSimClient(w, i, i == 2)
		w.kept[d.name] = &keptValue{}
		w.clients = append(w.clients, d)
	}
	for range 200 + w.rnd.IntN(300) {
		w.step++
		w.act()
		synctest.Wait()
		if !w.dead {
			w.look()
		}
		if w.dead {
			return
		}
		if len(w.wrong) > 0 {
			break
		}
	}
	w.settle()
	if w.dead {
		return
	}
	w.check()
	w.stop(true)
}

func (w *simWorld) start() {
	db, err := storage.Open(w.disk.Config(w.dir), slog.New(slog.DiscardHandler))
	if err != nil {
		w.fail("open the store: %v", err)
		w.dead = true
		return
	}
	cfg := broker.Config{MaxInflight: 4, QueueMessages: 30000, MaxUnreleased: 1000, OutgoingBytes: 16 << 10, WriteTimeout: 20 * time.Second,
		MaxUnauthenticatedPerIP: 256}
	rules := &bt.Rules{}
	if w.srv, err = broker.New(cfg, db, rules, rules, simEvents{w}, nil, slog.New(slog.DiscardHandler)); err != nil {
		w.fail("start: %v", err)
		w.dead = true
		_ = db.Close()
		return
	}
	w.db = db
	synctest.Wait()
}

// simEvents sees to it that the server finds no fault with clients that make none.
type simEvents struct{ w *simWorld }

func (e simEvents) Connected(broker.ConnInfo) {}
func (e simEvents) Refused(i broker.ConnInfo, action, object, reason string) {
	if !strings.Contains(reason, "too slow") && !strings.Contains(reason, "stopping") {
		e.w.fail("%s: %s %s refused: %s", i.ClientID, action, object, reason)
	}
}
func (e simEvents) Disconnected(i broker.ConnInfo, reason string) {
	if strings.Contains(reason, "internal") || strings.Contains(reason, "MQTT-") && !strings.Contains(reason, "3.1.4-2") && !strings.Contains(reason, "3.1.2-24") {
		e.w.fail("%s disconnected: %s", i.ClientID, reason)
	}
}

// act makes one thing happen.
func (w *simWorld) act() {
	d := w.clients[w.rnd.IntN(len(w.clients))]
	op := w.rnd.IntN(1000)
	switch {
	case op < 6:
		w.crash()
	case op < 8:
		w.restart()
	case op < 11:
		w.note("a sync fails")
		w.disk.Release(errors.New("the disk fails"))
	case op < 30:
		w.disk.Hold(true)
	case op < 45:
		w.disk.Hold(false)
	case op < 150:
		if n := w.disk.Waiting(); n > 0 {
			w.disk.ReleaseOne(w.rnd.IntN(n))
		}
	case op < 155:
		time.Sleep(time.Duration(1+w.rnd.IntN(3000)) * time.Millisecond)
	case op < 157:
		time.Sleep(time.Duration(w.rnd.IntN(200)) * time.Second)
	case d.c == nil:
		w.connect(d)
	case op < 168:
		w.note("%s is cut", d.name)
		if n := len(d.c.up); n > 0 {
			d.c.deliver(w.rnd.IntN(n + 1))
		}
		d.receive(d.c.take(w.rnd.IntN(200)))
		if d.c != nil {
			d.c.drop()
			d.lose()
		}
	case op < 172:
		w.note("%s comes again before it has gone", d.name)
		d.lose()
		w.connect(d)
	case op < 400 && len(d.c.up) > 0:
		n := len(d.c.up)
		if w.rnd.IntN(4) == 0 {
			n = 1 + w.rnd.IntN(n)
		}
		d.c.deliver(n)
	case op < 600:
		n := 1 << 20
		if w.rnd.IntN(4) == 0 {
			n = 1 + w.rnd.IntN(100)
		}
		d.receive(d.c.take(n))
	case d.online:
		for range 1 + d.rnd.IntN(4) {
			d.act()
		}
	}
}

// look meets what the server did on its own.
func (w *simWorld) look() {
	for _, d := range w.clients {
		if d.c != nil && d.c.ended() {
			w.note("%s is closed by the server", d.name)
			d.lose()
		}
	}
	if w.db.Err() != nil { // the process ends
		w.crash()
	}
}

func (w *simWorld) connect(d *simClient) {
	w.note("%s connects", d.name)
	window := 64 << 10
	if w.rnd.IntN(3) == 0 {
		window = 100 + w.rnd.IntN(3000)
	}
	c := newSimConn(window)
	w.conns = append(w.conns, c)
	srv := w.srv
	w.serving.Go(func() { srv.ServeConn(c) })
	d.connect(c)
}

// crash is the power going and coming back.
func (w *simWorld) crash() {
	w.note("the power goes")
	if err := w.disk.PowerOff(); err != nil {
		w.t.Fatal(err)
	}
	w.stop(false)
	if err := w.disk.PowerOn(w.rnd); err != nil {
		w.t.Fatal(err)
	}
	w.disk.Hold(false)
	w.start()
	w.restarts++
}

// restart stops the server in order.
func (w *simWorld) restart() {
	w.note("the server stops")
	w.stop(true)
	w.start()
	w.restarts++
}

func (w *simWorld) stop(orderly bool) {
	if orderly {
		w.disk.Hold(false)
	} else {
		w.hangUp()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- w.srv.Close(ctx) }()
	synctest.Wait()
	w.hangUp() // a client that does not read would keep the server waiting
	if err := <-closed; err != nil {
		w.fail("close the server: %v", err)
	}
	w.serving.Wait()
	err := w.db.Close()
	if orderly && err != nil && w.db.Err() == nil {
		w.fail("close the store: %v", err)
	}
	w.conns = nil
	for _, d := range w.clients {
		if d.c != nil {
			d.lose()
		}
	}
}

func (w *simWorld) hangUp() {
	for _, c := range w.conns {
		c.drop()
	}
}

// settle lets everybody finish what is under way: no more faults.
func (w *simWorld) settle() {
	w.disk.Hold(false)
	synctest.Wait()
	w.look()
	for quiet, rounds := 0, 0; quiet < 3 && !w.dead; rounds++ {
		if rounds > 5000 {
			w.fail("the world does not come to rest")
			return
		}
		w.step++
		quiet++
		for _, d := range w.clients {
			if d.c == nil {
				w.connect(d)
				quiet = 0
			}
			if n := len(d.c.up); n > 0 {
				d.c.deliver(n)
				quiet = 0
			}
			synctest.Wait()
			if d.c.waiting() > 0 || len(d.owed) > 0 || d.c.ended() {
				quiet = 0
			}
			d.receive(d.c.take(1 << 20))
			if d.c != nil {
				d.pay(len(d.owed))
			}
			synctest.Wait()
		}
		w.look()
	}
}

// received judges a message when it comes.
func (w *simWorld) received(d *simClient, p *packet.Publish) {
	payload, clean, _ := strings.Cut(string(p.Payload), "@")
	if strings.HasPrefix(string(p.Topic), "r/") {
		w.retained[strings.TrimPrefix(string(p.Topic), "r/")], _ = strconv.Atoi(payload)
		return
	}
	m := w.messages[payload]
	if m == nil || m.topic != string(p.Topic) {
		w.fail("%s got %.40q on %s, which nobody sent", d.name, payload, p.Topic)
		return
	}
	g := d.got[string(p.Payload)]
	if g == nil {
		g = &simGot{}
		d.got[string(p.Payload)] = g
	}
	g.count++
	g.two = g.two || p.QoS == 2
	if g.count > 1 && (g.two || p.QoS == 0 || m.qos == 0) {
		w.fail("%s got %.40q %d times, at QoS %d", d.name, payload, g.count, p.QoS)
	}
	if g.count > 1 {
		return
	}
	// c0:t/1:2:17: → stream and number
	parts := strings.SplitN(payload, ":", 5)
	stream := strings.Join(parts[:3], ":") + "@" + clean
	n, _ := strconv.Atoi(parts[3])
	switch {
	case n > d.first[stream]:
		d.first[stream] = n
	case w.subscribed(d, m):
		w.fail("%s got %s number %d after %d", d.name, stream, n, d.first[stream])
		// Else it was sent again by its publisher, and only then was the subscription there.
	}
	if !w.mayReceive(d, m) {
		w.fail("%s got %.40q, sent at step %d, when no subscription matched", d.name, payload, m.sent)
	}
}

// mayReceive says whether some subscription was, or may have been, there when m was routed.
func (w *simWorld) mayReceive(d *simClient, m *simMessage) bool {
	for f, terms := range d.subs {
		if !topic.Matches(f, m.topic) {
			continue
		}
		for _, t := range terms {
			if t.epoch == d.epoch && (t.left == 0 || m.sent <= t.left) && (m.acked == 0 || t.asked <= m.acked) {
				return true
			}
		}
	}
	return false
}

// subscribed says whether some subscription was there for sure all the time in which m may have been routed.
func (w *simWorld) subscribed(d *simClient, m *simMessage) bool {
	until := m.acked
	if until == 0 {
		until = w.step
	}
	for f, terms := range d.subs {
		if !topic.Matches(f, m.topic) {
			continue
		}
		for _, t := range terms {
			if t.epoch == d.epoch && t.granted > 0 && t.granted < m.sent && (t.leaving == 0 || t.leaving > until) {
				return true
			}
		}
	}
	return false
}

// check looks at the end for what is missing.
func (w *simWorld) check() {
	for _, d := range w.clients {
		for payload, m := range w.messages {
			if d.got[payload] == nil && !d.clean && m.qos > 0 && m.acked > 0 && w.subscribed(d, m) {
				w.fail("%s never got %.40q, sent at step %d and acknowledged at %d", d.name, payload, m.sent, m.acked)
			}
		}
		if len(d.out)+len(d.owed) > 0 {
			w.fail("%s has %d packets without an answer", d.name, len(d.out)+len(d.owed))
		}
	}
	w.checkRetained()
}

// checkRetained looks at the retained values with a new client.
func (w *simWorld) checkRetained() {
	w.retained = map[string]int{}
	reader := newSimClient(w, len(w.clients), true)
	reader.name = "reader"
	w.connect(reader)
	for i := range 2 { // CONNECT, then SUBSCRIBE
		if i > 0 {
			reader.subscribe("r/+", 1)
		}
		reader.c.deliver(len(reader.c.up))
		for synctest.Wait(); reader.c.waiting() > 0; synctest.Wait() {
			reader.receive(reader.c.take(1 << 20))
		}
	}
	for name, k := range w.kept {
		version, ok := w.retained[name], false
		for v := k.acked; v <= k.sent && !ok; v++ {
			ok = v == version || version == 0 && v%5 == 0
		}
		if !ok {
			w.fail("r/%s holds version %d; %d was acknowledged, %d sent", name, version, k.acked, k.sent)
		}
	}
}

// TestSimulation runs many worlds. A seed that fails is run again with -sim-seed, which prints its history.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		w := simulate(t, *simSeed, false)
		t.Logf("%s\n%d restarts, %d messages\n%s", strings.Join(w.history, "\n"), w.restarts, len(w.messages), strings.Join(w.wrong, "\n"))
		if len(w.wrong) > 0 {
			t.Fail()
		}
		return
	}
	if testing.Short() {
		*simSeeds = min(*simSeeds, 100)
	}
	first := rand.Uint64()
	began, restarts, messages, steps := time.Now(), 0, 0, 0
	for i := range *simSeeds {
		w := simulate(t, first+uint64(i), false)
		restarts, messages, steps = restarts+w.restarts, messages+len(w.messages), steps+w.step
		if len(w.wrong) > 0 {
			t.Fatalf("-sim-seed %d: %s", w.seed, strings.Join(w.wrong, "\n"))
		}
	}
	t.Logf("seeds from %d: %d runs, %d steps, %d restarts, %d messages in %v", first, *simSeeds, steps, restarts, messages, time.Since(began))
}

// The control: with a disk that ends syncs before anything is safe, the simulation must see loss.
func TestSimulationSeesLoss(t *testing.T) {
	first := rand.Uint64()
	for i := range 100 {
		if w := simulate(t, first+uint64(i), true); len(w.wrong) > 0 {
			t.Logf("seed %d, as it must be: %s", w.seed, w.wrong[0])
			return
		}
	}
	t.Errorf("seeds from %d: 100 runs on a disk that lies, and nothing is lost", first)
}

// A seed means a run: the same history each time.
func TestSimulationRepeats(t *testing.T) {
	if broker.RaceEnabled {
		t.Skip("the race detector has the runtime pick goroutines at random")
	}
	for range 20 {
		seed := rand.Uint64()
		if one, two := simulate(t, seed, false), simulate(t, seed, false); one.hash != two.hash {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}
