package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how much load. The zero value of a field means the scenario's own default.
type Options struct {
	QoS        byte
	Payload    int           // bytes; at least 8
	Window     int           // messages that a publisher sends before it waits; in scenario connect, connections made at once
	Clients    int           // subscribers of fan-out, publishers of fan-in, pairs, connections
	Duration   time.Duration // of a scenario with messages; how long scenario idle waits before it looks
	Rate       int           // messages per second in all, scenarios latency and ingest
	Persistent bool          // subscribers with persistent sessions
	Fleet      []Device      // of scenario ingest
	Progress   func(Sample)  // told every ten seconds of scenario ingest; may be nil
}

// Result is what one scenario came to.
type Result struct {
	Scenario   string        `json:"scenario"`
	QoS        byte          `json:"qos"`
	Count      int64         `json:"count"` // messages delivered, or connections made
	Elapsed    time.Duration `json:"elapsed"`
	PerSecond  float64       `json:"perSecond"`
	CPU        float64       `json:"cpuMicroseconds"` // broker processor time for each of Count; 0 when not known
	Resident   int64         `json:"residentBytes"`   // broker memory at the end; 0 when not known
	PerClient  float64       `json:"bytesPerClient"`  // growth of it for each connection, scenario idle
	P50        time.Duration `json:"p50,omitempty"`   // latency
	P99        time.Duration `json:"p99,omitempty"`
	P999       time.Duration `json:"p999,omitempty"`
	LatencyMax time.Duration `json:"max,omitempty"`
	Acked      []int64       `json:"-"` // messages of each device, scenario ingest
}

// run is one scenario in progress.
type run struct {
	ctx     context.Context
	t       Target
	o       Options
	prefix  string // makes client ids and topics of this run its own
	payload []byte

	count atomic.Int64
	mu    sync.Mutex
	all   []*client
	errs  []error
}

// Scenarios lists the names that Run takes.
func Scenarios() []string {
	return []string{"fan-out", "fan-in", "pairs", "latency", "connect", "idle", "ingest"}
}

// defaults of the scenarios; fields left zero here do not matter to them.
var defaults = map[string]Options{
	"fan-out": {Payload: 64, Window: 16, Clients: 100, Duration: 5 * time.Second},
	"fan-in":  {Payload: 64, Window: 16, Clients: 50, Duration: 5 * time.Second},
	"pairs":   {Payload: 64, Window: 16, Clients: 50, Duration: 5 * time.Second},
	"latency": {Payload: 64, Window: 1, Clients: 50, Duration: 5 * time.Second, Rate: 1000},
	"connect": {Payload: 64, Window: 16, Clients: 2000},
	"idle":    {Payload: 64, Window: 1, Clients: 1000, Duration: 5 * time.Second},
	"ingest":  {Payload: 64, Window: 1, Rate: 1000, Duration: 10 * time.Second},
}

// Run measures one scenario. It ends early, with ctx's error, when ctx does.
func Run(ctx context.Context, scenario string, t Target, o Options) (Result, error) {
	d, ok := defaults[scenario]
	if !ok {
		return Result{}, fmt.Errorf("unknown scenario %q: there are %s", scenario, strings.Join(Scenarios(), ", "))
	}
	r := &run{ctx: ctx, t: t, o: o.over(d), prefix: fmt.Sprintf("bench-%x", time.Now().UnixNano())}
	r.payload = make([]byte, max(8, r.o.Payload))
	defer r.closeAll()
	res, err := map[string]func() (Result, error){
		"fan-out": r.fanOut, "fan-in": r.fanIn, "pairs": r.pairs, "latency": r.latency, "connect": r.connect, "idle": r.idle,
		"ingest": r.ingest,
	}[scenario]()
	res.Scenario, res.QoS = scenario, o.QoS
	return res, errors.Join(err, ctx.Err())
}

func (o Options) over(d Options) Options {
	for _, f := range []struct{ v, def *int }{{&o.Payload, &d.Payload}, {&o.Window, &d.Window}, {&o.Clients, &d.Clients}, {&o.Rate, &d.Rate}} {
		if *f.v == 0 {
			*f.v = *f.def
		}
	}
	if o.Duration == 0 {
		o.Duration = d.Duration
	}
	return o
}

// open connects a client that lives until the run ends.
func (r *run) open(name string, clean bool) (*client, error) {
	c, err := r.t.dial(r.prefix+"-"+name, clean)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.all = append(r.all, c)
	r.mu.Unlock()
	return c, nil
}

func (r *run) closeAll() {
	for _, c := range r.all {
		c.close()
	}
	if r.o.Persistent { // leave nothing behind
		for i := range r.o.Clients {
			if c, err := r.t.dial(fmt.Sprintf("%s-sub%d", r.prefix, i), true); err == nil {
				c.close()
			}
		}
	}
}

func (r *run) fail(err error) {
	if err != nil {
		r.mu.Lock()
		r.errs = append(r.errs, err)
		r.mu.Unlock()
	}
}

func (r *run) subscriber(i int, filter string) (*client, error) {
	c, err := r.open(fmt.Sprintf("sub%d", i), !r.o.Persistent)
	if err != nil {
		return nil, err
	}
	return c, c.subscribe(filter, r.o.QoS)
}

// measure runs load and works out what each of its messages cost.
func (r *run) measure(load func(until time.Time)) (Result, error) {
	before, _ := r.processor()
	start := time.Now()
	load(start.Add(r.o.Duration))
	res := Result{Elapsed: time.Since(start), Count: r.count.Load()}
	after, known := r.processor()
	res.PerSecond = float64(res.Count) / res.Elapsed.Seconds()
	if known && res.Count > 0 {
		res.CPU = float64(after-before) / float64(time.Microsecond) / float64(res.Count)
		res.Resident, _ = resident(r.t.PID)
	}
	return res, errors.Join(r.errs...)
}

func (r *run) processor() (time.Duration, bool) {
	if r.t.PID == 0 {
		return 0, false
	}
	d, err := processor(r.t.PID)
	return d, err == nil
}

func (r *run) going(until time.Time) bool { return time.Now().Before(until) && r.ctx.Err() == nil }

// fanOut: one publisher, everybody else receives.
func (r *run) fanOut() (Result, error) {
	topic := r.prefix + "/all"
	subs := make([]*client, r.o.Clients)
	for i := range subs {
		var err error
		if subs[i], err = r.subscriber(i, topic); err != nil {
			return Result{}, err
		}
	}
	pub, err := r.open("pub", true)
	if err != nil {
		return Result{}, err
	}
	return r.measure(func(until time.Time) {
		for r.going(until) && len(r.errs) == 0 {
			var wg sync.WaitGroup
			for _, s := range subs {
				wg.Go(func() { r.fail(s.receive(r.o.Window, r.o.QoS, nil)) })
			}
			r.fail(pub.publish([]byte(topic), r.payload, r.o.Window, r.o.QoS))
			wg.Wait()
			r.count.Add(int64(r.o.Window * len(subs)))
		}
	})
}

// fanIn: everybody publishes to one subscriber.
func (r *run) fanIn() (Result, error) {
	sub, err := r.subscriber(0, r.prefix+"/in/+")
	if err != nil {
		return Result{}, err
	}
	pubs := make([]*client, r.o.Clients)
	for i := range pubs {
		if pubs[i], err = r.open(fmt.Sprintf("pub%d", i), true); err != nil {
			return Result{}, err
		}
	}
	return r.measure(func(until time.Time) {
		for r.going(until) && len(r.errs) == 0 {
			var wg sync.WaitGroup
			for i, p := range pubs {
				wg.Go(func() {
					r.fail(p.publish(fmt.Appendf(nil, "%s/in/%d", r.prefix, i), r.payload, r.o.Window, r.o.QoS))
				})
			}
			r.fail(sub.receive(r.o.Window*len(pubs), r.o.QoS, nil))
			wg.Wait()
			r.count.Add(int64(r.o.Window * len(pubs)))
		}
	})
}

// pairs: as many publishers as subscribers, each pair on a topic of its own.
func (r *run) pairs() (Result, error) {
	type pair struct{ pub, sub *client }
	all := make([]pair, r.o.Clients)
	for i := range all {
		var err error
		if all[i].sub, err = r.subscriber(i, fmt.Sprintf("%s/%d", r.prefix, i)); err != nil {
			return Result{}, err
		}
		if all[i].pub, err = r.open(fmt.Sprintf("pub%d", i), true); err != nil {
			return Result{}, err
		}
	}
	return r.measure(func(until time.Time) {
		var wg sync.WaitGroup
		for i, p := range all {
			wg.Go(func() {
				topic := fmt.Appendf(nil, "%s/%d", r.prefix, i)
				for r.going(until) {
					got := make(chan error, 1)
					go func() { got <- p.sub.receive(r.o.Window, r.o.QoS, nil) }()
					err := p.pub.publish(topic, r.payload, r.o.Window, r.o.QoS)
					if err = errors.Join(err, <-got); err != nil {
						r.fail(err)
						return
					}
					r.count.Add(int64(r.o.Window))
				}
			})
		}
		wg.Wait()
	})
}

// latency: pairs at a fixed rate. The time is taken from when a message should have been sent, not from when it was, so that a broker that
// stalls is charged for every message it held up.
func (r *run) latency() (Result, error) {
	var mu sync.Mutex
	var seen []time.Duration
	start := time.Now()
	see := func(p []byte) {
		at := time.Duration(binary.LittleEndian.Uint64(p))
		d := time.Since(start) - at
		mu.Lock()
		seen = append(seen, d)
		mu.Unlock()
	}
	n := r.o.Clients
	every := time.Duration(n) * time.Second / time.Duration(max(1, r.o.Rate))
	each := max(1, int(r.o.Duration/every))
	type pair struct{ pub, sub *client }
	all := make([]pair, n)
	for i := range all {
		var err error
		if all[i].sub, err = r.subscriber(i, fmt.Sprintf("%s/%d", r.prefix, i)); err != nil {
			return Result{}, err
		}
		if all[i].pub, err = r.open(fmt.Sprintf("pub%d", i), true); err != nil {
			return Result{}, err
		}
	}
	res, err := r.measure(func(time.Time) {
		begin := time.Since(start)
		var wg sync.WaitGroup
		for i, p := range all {
			wg.Go(func() { r.fail(p.sub.receive(each, r.o.QoS, see)) })
			wg.Go(func() {
				topic := fmt.Appendf(nil, "%s/%d", r.prefix, i)
				payload := slices.Clone(r.payload)
				for k := range each {
					at := begin + time.Duration(k)*every + every*time.Duration(i)/time.Duration(n)
					time.Sleep(at - time.Since(start))
					if r.ctx.Err() != nil {
						return
					}
					binary.LittleEndian.PutUint64(payload, uint64(at))
					if err := p.pub.publish(topic, payload, 1, r.o.QoS); err != nil {
						r.fail(err)
						return
					}
				}
			})
		}
		wg.Wait()
		r.count.Store(int64(len(seen)))
	})
	res.quantiles(seen)
	return res, err
}

// connect: connect and disconnect, a window of connections at a time; with a window as large as the number of clients it is a storm. The latency is
// that of a connection: TCP, TLS, CONNECT and CONNACK.
func (r *run) connect() (Result, error) {
	var mu sync.Mutex
	var took []time.Duration
	res, err := r.measure(func(time.Time) {
		next := make(chan int)
		var wg sync.WaitGroup
		for range min(r.o.Window, r.o.Clients) {
			wg.Go(func() {
				for i := range next {
					began := time.Now()
					c, err := r.t.dial(fmt.Sprintf("%s-c%d", r.prefix, i), true)
					if err != nil {
						r.fail(err)
						continue
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
					c.close()
					r.count.Add(1)
				}
			})
		}
		for i := range r.o.Clients {
			if r.ctx.Err() != nil {
				break
			}
			next <- i
		}
		close(next)
		wg.Wait()
	})
	res.quantiles(took)
	return res, err
}

// quantiles fills in the latencies.
func (res *Result) quantiles(seen []time.Duration) {
	slices.Sort(seen)
	if len(seen) == 0 {
		return
	}
	at := func(q float64) time.Duration { return seen[min(len(seen)-1, int(q*float64(len(seen))))] }
	res.P50, res.P99, res.P999, res.LatencyMax = at(0.5), at(0.99), at(0.999), seen[len(seen)-1]
}

// idle: connections that have subscribed and are silent.
func (r *run) idle() (Result, error) {
	if r.t.PID == 0 {
		return Result{}, errors.New("scenario idle needs the broker's process id (--pid)")
	}
	before, err := resident(r.t.PID)
	if err != nil {
		return Result{}, err
	}
	res, err := r.measure(func(time.Time) {
		for i := range r.o.Clients {
			if _, err := r.subscriber(i, fmt.Sprintf("%s/%d", r.prefix, i)); err != nil {
				r.fail(err)
				return
			}
			r.count.Add(1)
		}
	})
	if err != nil {
		return res, err
	}
	select {
	case <-time.After(r.o.Duration): // buffers of the handshakes go back
	case <-r.ctx.Done():
	}
	if res.Resident, err = resident(r.t.PID); err == nil {
		res.PerClient = float64(res.Resident-before) / float64(r.o.Clients)
	}
	return res, err
}
