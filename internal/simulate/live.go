package simulate

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	workers       = 8
	tellEvery     = 10 * time.Second
	mostWaiting   = 50 // acknowledgements of a connection; a slow server is not pressed further
	firstRetry    = 5 * time.Second
	longestRetry  = 2 * time.Minute
	lockedRetry   = 45 * time.Second
	restartTakes  = 20 * time.Second
	placeEvery    = 12 // reports between two updates of where a vehicle is in the directory
	fieldsChannel = "_set/fields"
)

// report lets all devices connect and report until the time is over. The workers it starts have ended when it returns.
func (s *simulation) report(ctx context.Context) {
	if s.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.For)
		defer cancel()
	}
	var done sync.WaitGroup
	begin := time.Now()
	for i := range workers {
		w := &worker{s: s}
		for n := i; n < len(s.devices); n += workers {
			if d := s.devices[n]; d.temper != dead {
				w.queue = append(w.queue, &player{Device: d, due: begin.Add(time.Duration(d.dice.roll(9).unit() * float64(s.Interval)))})
			}
		}
		heap.Init(&w.queue)
		done.Go(func() { w.run(ctx) })
	}
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for before := s.figures.read(); ; {
		select {
		case <-ctx.Done():
			done.Wait()
			return
		case <-tick.C:
			now := s.figures.read()
			s.say("connected %d, messages %d (%.0f/s), acknowledged %d, faults %d, refused %d, lost %d", now.Connected, now.Published,
				float64(now.Published-before.Published)/tellEvery.Seconds(), now.Acknowledged, now.Faults, now.Refused, now.Lost)
			before = now
		}
	}
}

// player is a device in the play, owned by one worker.
type player struct {
	*Device
	due     time.Time
	conn    *conn
	retries int
	reports int
	was     string // what a channel that is reported rarely said last
	newest  string // firmware to tell after a restart
}

// queue is a heap of players, the next one first.
type queue []*player

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*player)) }
func (q *queue) Pop() any          { panic("players stay") }

// worker plays its devices, one after the other as they become due. It alone dials and writes for them.
type worker struct {
	s     *simulation
	queue queue
	buf   []byte
}

func (w *worker) run(ctx context.Context) {
	defer func() {
		for _, p := range w.queue {
			if p.conn != nil && !p.conn.over.Load() {
				p.conn.leave()
			}
		}
	}()
	for len(w.queue) > 0 {
		p := w.queue[0]
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(p.due)):
		}
		now := time.Now()
		p.due = now.Add(w.play(ctx, p, now))
		heap.Fix(&w.queue, 0)
	}
}

// play does what is next for a device and returns when it is due again.
func (w *worker) play(ctx context.Context, p *player, now time.Time) time.Duration {
	r := p.dice.roll(9000).roll(now.UnixMilli())
	if p.conn == nil || p.conn.over.Load() {
		if again := w.enter(ctx, p, r); again > 0 {
			return again
		}
	}
	p.reports++
	if w.chance(p, r.roll(1), flaky, 0.08, 0.0004) { // the network is gone
		w.s.figures.faults.Add(1)
		p.conn.drop()
		p.conn = nil
		return time.Duration(r.roll(2).between(10, 90)) * time.Second
	}
	if w.chance(p, r.roll(3), steady, 0, 0.0004) {
		return w.restart(p, now)
	}
	if p.conn.waiting.Load() < mostWaiting {
		w.buf = w.measurements(w.buf[:0], p, now)
		w.buf = w.troubles(w.buf, p, r, now)
		_ = p.conn.write(w.buf) // a broken connection is seen by the reader, and the next time
	}
	// A little jitter, so that devices do not march in step.
	return time.Duration(float64(w.s.Interval) * r.roll(4).between(0.95, 1.05))
}

// chance is true as often as a device prone to a fault, or any other, has it; Faults scales it.
func (w *worker) chance(p *player, r dice, prone temper, often, others float64) bool {
	if p.temper == prone && prone != steady {
		others = often
	}
	return r.unit() < w.s.Faults*others
}

// enter connects a device; it returns when to try again, or 0.
func (w *worker) enter(ctx context.Context, p *player, r dice) time.Duration {
	secret := p.secret
	wrong := p.temper == locked || p.conn == nil && p.retries == 0 && p.reports > 0 && r.roll(20).unit() < 0.02*w.s.Faults
	if wrong {
		secret = "wrong" + secret
	}
	c, err := w.s.connect(ctx, p.Device, secret, func(c *conn, payload []byte) { w.s.obey(c, p.Device, payload) })
	if errors.Is(err, errRefused) {
		w.s.figures.refused.Add(1)
	}
	if err != nil {
		p.retries++
		if p.temper == locked {
			return lockedRetry
		}
		return min(longestRetry, firstRetry<<min(p.retries-1, 6))
	}
	p.conn, p.retries = c, 0
	for _, ch := range p.kind.channels {
		if ch.points == nil {
			_ = c.subscribe(p.topic(w.s.account, ch.name))
		}
	}
	if p.newest != "" {
		_ = c.write(c.message(nil, p.topic(w.s.account, fieldsChannel), fmt.Appendf(nil, `{"state":{"firmwareVersion":%q}}`, p.newest), 1))
		p.newest = ""
	}
	return 0
}

// obey is called by a connection's reader: a device confirms in its log what it was told.
func (s *simulation) obey(c *conn, d *Device, payload []byte) {
	e := entry{Message: fmt.Sprintf("command received, %d bytes: %.80q", len(payload), payload), Severity: "notice", Code: "command", SourceTimestamp: time.Now().UnixMilli()}
	_ = c.write(c.message(nil, d.topic(s.account, "_log"), e.json(), 1))
}

// measurements appends a report.
func (w *worker) measurements(b []byte, p *player, now time.Time) []byte {
	for _, c := range p.kind.channels {
		if c.points == nil {
			continue
		}
		qos := byte(0)
		if p.kind.prefix == "FZ" {
			qos = 1
		}
		points := c.points(p.Device, now)
		if c.rarely {
			if points[0].text == p.was {
				continue
			}
			p.was, qos = points[0].text, 1
		}
		var payload []byte
		for i, v := range points {
			if i > 0 {
				payload = append(payload, '\n')
			}
			payload = v.csv(payload, now)
		}
		b = p.conn.message(b, p.topic(w.s.account, c.name), payload, qos)
	}
	if p.kind.moves && p.reports%placeEvery == 1 {
		if lat, lon, speed := p.position(now); speed > 0 {
			b = p.conn.message(b, p.topic(w.s.account, fieldsChannel), fmt.Appendf(nil, `{"state":{"latitude":%v,"longitude":%v}}`, lat, lon), 1)
		}
	}
	return b
}

// troubles appends what else a device says, and what it should not have sent.
func (w *worker) troubles(b []byte, p *player, r dice, now time.Time) []byte {
	log := 0.02
	if p.temper != steady {
		log = 0.12
	}
	if r.roll(10).unit() < log {
		b = p.conn.message(b, p.topic(w.s.account, "_log"), p.tells(r.roll(11), now).json(), 1)
	}
	if w.chance(p, r.roll(12), muddled, 0.2, 0.0006) {
		w.s.figures.faults.Add(1)
		bad := []string{"21,5°C;ok", "{\"temperature\":21.5", "NaN,,,,", "\x00\x01\x02\xff\xfe"}[r.roll(13).n(4)]
		b = p.conn.message(b, p.topic(w.s.account, p.kind.channels[0].name), []byte(bad), 1)
	}
	if w.chance(p, r.roll(14), muddled, 0.04, 0.0006) {
		w.s.figures.faults.Add(1)
		b = p.conn.message(b, p.topic(w.s.account, []string{"temprature", "data", "status/battery"}[r.roll(15).n(3)]), []byte(",,21.5,"), 1)
	}
	return b
}

// restart is a firmware update: two log entries, a goodbye, and the new version after coming back.
func (w *worker) restart(p *player, now time.Time) time.Duration {
	w.s.figures.faults.Add(1)
	all := p.kind.firmware
	p.newest = all[len(all)-1]
	for _, e := range restart(p.firmware(), p.newest, now) {
		_ = p.conn.write(p.conn.message(nil, p.topic(w.s.account, "_log"), e.json(), 1))
	}
	p.conn.leave()
	p.conn = nil
	return restartTakes
}
