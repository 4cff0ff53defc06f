package bench

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Device is one client of scenario ingest, with its own credentials.
type Device struct{ User, Password, Topic string }

// Sample is how scenario ingest stands at a moment.
type Sample struct {
	After    time.Duration
	Acked    int64 // messages
	CPU      time.Duration
	Resident int64 // bytes
	P50, P99 time.Duration
}

// IngestPoints is how many points a message of scenario ingest has.
const IngestPoints = 3

// ingest: each device sends messages of three points of a time series at a fixed rate and waits for each PUBACK. Latency
// is taken from when a message should have been sent: a broker that stalls is charged for every message it held up. A
// device that has fallen behind sends at once until it has caught up.
func (r *run) ingest() (Result, error) {
	fleet := r.o.Fleet
	if len(fleet) == 0 {
		return Result{}, errors.New("scenario ingest needs devices with credentials (--fleet)")
	}
	clients, err := r.connectFleet(fleet)
	if err != nil {
		return Result{}, err
	}
	every := time.Duration(len(fleet)) * time.Second / time.Duration(max(1, r.o.Rate))
	var seen histogram
	acked := make([]int64, len(fleet))
	began, cpu := time.Now(), time.Duration(0)
	cpu, _ = r.processor()
	res, err := r.measure(func(until time.Time) {
		var wg sync.WaitGroup
		done := make(chan struct{})
		if r.o.Progress != nil {
			wg.Go(func() { r.watch(began, cpu, &seen, done) })
		}
		var devices sync.WaitGroup
		for i, c := range clients {
			devices.Go(func() {
				d := &ingestDevice{topic: []byte(fleet[i].Topic), value: 200 + i%50}
				next := began.Add(every * time.Duration(i) / time.Duration(len(fleet)))
				for ; next.Before(until) && r.ctx.Err() == nil; next = next.Add(every) {
					time.Sleep(time.Until(next))
					if err := c.publish(d.topic, d.message(next.UnixMilli()), 1, 1); err != nil {
						r.fail(fmt.Errorf("device %d: %w", i, err))
						return
					}
					seen.add(time.Since(next))
					acked[i]++
					r.count.Add(1)
				}
			})
		}
		devices.Wait()
		close(done)
		wg.Wait()
	})
	res.Acked = acked
	res.P50, res.P99, res.P999, res.LatencyMax = seen.at(0.5), seen.at(0.99), seen.at(0.999), seen.at(1)
	return res, err
}

// connectFleet connects the devices, some at a time: a server bounds how many may be on their way in.
func (r *run) connectFleet(fleet []Device) ([]*client, error) {
	clients := make([]*client, len(fleet))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(fleet) && r.ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				t := r.t
				t.User, t.Password = fleet[i].User, fleet[i].Password
				c, err := t.dial(fmt.Sprintf("%s-%d", r.prefix, i), true)
				if err != nil {
					r.fail(fmt.Errorf("device %d: %w", i, err))
					return
				}
				clients[i] = c
				r.mu.Lock()
				r.all = append(r.all, c)
				r.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return clients, errors.Join(append(r.errs, r.ctx.Err())...)
}

// ingestDevice makes the messages of a sensor with one decimal.
type ingestDevice struct {
	topic []byte
	value int
	buf   []byte
}

func (d *ingestDevice) message(at int64) []byte {
	d.value += int(at/7)%3 - 1
	d.buf = fmt.Appendf(d.buf[:0], "%d,temp,%d.%d,\n%d,hum,%d,\n%d,bat,3.%d,", at, d.value/10, max(0, d.value%10), at, 40+d.value%20, at, d.value%10)
	return d.buf
}

// watch tells how it goes every ten seconds, until done.
func (r *run) watch(began time.Time, before time.Duration, seen *histogram, done chan struct{}) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			s := Sample{After: time.Since(began), Acked: r.count.Load(), P50: seen.at(0.5), P99: seen.at(0.99)}
			if cpu, ok := r.processor(); ok {
				s.CPU = cpu - before
				s.Resident, _ = resident(r.t.PID)
			}
			r.o.Progress(s)
		}
	}
}

// histogram counts durations in steps of five per cent, from a microsecond.
type histogram struct{ counts [512]atomic.Int64 }

const histogramStep = 1.05

func (h *histogram) add(d time.Duration) {
	us := max(1, float64(d)/float64(time.Microsecond))
	h.counts[min(len(h.counts)-1, int(math.Log(us)/math.Log(histogramStep)))].Add(1)
}

// at returns the upper end of the step in which the quantile lies.
func (h *histogram) at(q float64) time.Duration {
	var total int64
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	want := max(1, int64(math.Ceil(q*float64(total))))
	for i := range h.counts {
		if want -= h.counts[i].Load(); want <= 0 {
			return time.Duration(math.Pow(histogramStep, float64(i+1)) * float64(time.Microsecond)).Round(time.Microsecond)
		}
	}
	return 0
}
