package timeseries

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/storage"
)

// stream is the module's letter in the journal.
const stream storage.Stream = 't'

// Config of the module. What memory it needs follows from storage's CheckpointBytes.
type Config struct {
	// How long points and what they were rolled up to are kept; 0: for good.
	KeepPoints  time.Duration
	KeepRollups time.Duration

	// Limits that protect the others; 0: none.
	AccountSeries int     // series of one account
	AccountRate   float64 // points a second of one account
	SeriesRate    float64 // points a second of one series
}

// DefaultConfig returns the settings that hold where nothing else is said.
func DefaultConfig() Config {
	return Config{KeepPoints: 365 * 24 * time.Hour, KeepRollups: 5 * 365 * 24 * time.Hour, AccountSeries: 1_000_000}
}

// Validate reports the first setting that cannot work.
func (c Config) Validate() error {
	switch {
	case c.KeepPoints != 0 && c.KeepPoints < 24*time.Hour:
		return fmt.Errorf("keep_points: %v is below 24h; 0s keeps points for good", c.KeepPoints)
	case c.KeepRollups != 0 && c.KeepRollups < 24*time.Hour:
		return fmt.Errorf("keep_rollups: %v is below 24h; 0s keeps roll-ups for good", c.KeepRollups)
	case c.AccountSeries < 0:
		return fmt.Errorf("account_series: %d is negative; 0 is no limit", c.AccountSeries)
	case !(c.AccountRate >= 0):
		return fmt.Errorf("account_rate: %v is not a number from 0", c.AccountRate)
	case !(c.SeriesRate >= 0):
		return fmt.Errorf("series_rate: %v is not a number from 0", c.SeriesRate)
	}
	return nil
}

// Channels knows which topics are time-series channels.
type Channels interface {
	// TimeSeries reports whether points published to topic are kept.
	TimeSeries(account, topic string) bool
}

// Access decides who may read a series.
type Access interface {
	// MayRead returns nil, or a *fault.Error that goes to the caller: Forbidden with the rule, or NotFound. Topics of other
	// accounts under xi/blue/v1/ are never asked about.
	MayRead(p auth.Principal, topic string) error
}

// Writing decides who may store points over REST.
type Writing interface {
	// MayWrite returns nil, or a *fault.Error that goes to the caller. Topics of other accounts under xi/blue/v1/ are never
	// asked about.
	MayWrite(p auth.Principal, topic string) error
}

// UseWriting says who may store points over REST; without it nobody may.
func (s *Service) UseWriting(w Writing) { s.writing = w }

// UseDescriber lets queries name series by device, organization or template; without it they name topics only.
func (s *Service) UseDescriber(d Describer) { s.describer = d }

// UseRetention lets templates and channels keep points longer or shorter than their account.
func (s *Service) UseRetention(r Retention) { s.retention = r }

// Reporter hears of payloads that were delivered but could not be kept.
type Reporter interface {
	// Malformed is called on the publisher's goroutine inside an open journal batch: it must not block, nor begin a batch.
	// The reason names the place, such as `byte 14 (line 2): the numericValue "7x" is not a decimal number`.
	Malformed(account, topic string, from auth.Principal, reason string)
}

// Stats counts since the start.
type Stats struct {
	Points    uint64 // kept
	Malformed uint64 // payloads refused for their form
	Refused   uint64 // payloads refused for a limit
	InMemory  int    // series that got points lately
}

// Service is the time-series module. Its methods may be called from any goroutine.
type Service struct {
	engine   *engine
	channels Channels
	access   Access
	reporter Reporter
	log      *slog.Logger
	db       *storage.DB
	cfg      Config
	now      func() time.Time

	writing   Writing   // nil: nobody may
	describer Describer // nil: series are named by topic only
	finder    Finder    // nil: devices are not searched
	retention Retention // nil: as the account says, or as configured
	admins    Admins    // nil: nobody may
	auditor   Audit     // nil: nobody takes note
	keeps     keeps

	stop    context.CancelFunc // of the janitor
	wake    chan struct{}      // one token has it look before its time
	running sync.WaitGroup

	points, malformed, refused atomic.Uint64
	tallies                    sync.Map // account to *atomic.Uint64: points of each
}

// New opens the module over db and takes in what the journal holds for it.
func New(cfg Config, db *storage.DB, channels Channels, access Access, reporter Reporter, log *slog.Logger) (*Service, error) {
	e := newEngine(cfg, db)
	if err := e.load(); err != nil {
		return nil, fmt.Errorf("timeseries: %w", err)
	}
	if err := db.Journal().Attach(stream, e); err != nil {
		return nil, fmt.Errorf("timeseries: %w", err)
	}
	if err := e.settle(); err != nil {
		return nil, fmt.Errorf("timeseries: %w", err)
	}
	s := &Service{
		engine: e, channels: channels, access: access, reporter: reporter, log: log, db: db, now: time.Now,
		cfg: cfg, wake: make(chan struct{}, 1),
	}
	if err := db.View(func(tx *storage.Tx) error { s.keeps.load(tx); return nil }); err != nil {
		return nil, fmt.Errorf("timeseries: %w", err)
	}
	return s, nil
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	return Stats{Points: s.points.Load(), Malformed: s.malformed.Load(), Refused: s.refused.Load(), InMemory: s.engine.count()}
}

// scratch is what taking in one payload needs, kept for the next one.
type scratch struct {
	points []Point
	body   block
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Sink returns what takes the payloads published to a topic, or nil when the topic is no time-series channel. The
// function adds what must last to b, which must be open (between Begin and End), and does not keep payload. The points
// are durable when b is; reads see them at once.
func (s *Service) Sink(account, topic string) func(from auth.Principal, topic string, payload []byte, b *storage.Batch) {
	if !s.channels.TimeSeries(account, topic) {
		return nil
	}
	w := &writer{service: s, account: account, topic: topic, tally: s.tally(account)}
	return w.take
}

// A writer takes the payloads of one topic.
type writer struct {
	service        *Service
	account, topic string
	tally          *atomic.Uint64         // of the account's points
	series         atomic.Pointer[series] // where the last points went
}

func (w *writer) take(from auth.Principal, _ string, payload []byte, b *storage.Batch) {
	s := w.service
	sc := scratches.Get().(*scratch)
	defer sc.release()
	var err error
	if sc.points, err = Parse(sc.points[:0], payload, s.now().UnixMilli()); err != nil {
		s.refuse(w.account, w.topic, from, err)
		return
	}
	if err := w.store(sc.points, &sc.body, b); err != nil {
		s.refuseStore(w.account, w.topic, from, err)
		return
	}
	w.count(len(sc.points))
}

// store puts points into the series, found again when it is not in memory any more.
func (w *writer) store(points []Point, body *block, b *storage.Batch) error {
	e := w.service.engine
	if err := e.limits.spend(w.account, len(points), e.now().UnixMilli()); err != nil {
		return err
	}
	for {
		at := w.series.Load()
		if at != nil {
			if ok, err := e.store(at, points, body, b); ok || err != nil {
				return err
			}
		}
		at, err := e.find(w.account, w.topic)
		if err != nil {
			return err
		}
		w.series.Store(at)
	}
}

// release gives w back without the strings it points to, and not at all when a large payload made it large.
func (w *scratch) release() {
	if cap(w.points) > blockPoints || cap(w.body.buf) > 2*blockBytes {
		return
	}
	clear(w.points)
	w.body.reset()
	scratches.Put(w)
}

func (s *Service) refuse(account, topic string, from auth.Principal, err error) {
	s.malformed.Add(1)
	var m *MalformedError
	if errors.As(err, &m) {
		s.reporter.Malformed(account, topic, from, m.Error())
	}
}

// refuseStore tells why well-formed points are not kept: a limit, or a store that cannot be read.
func (s *Service) refuseStore(account, topic string, from auth.Principal, err error) {
	s.refused.Add(1)
	reason := "the store cannot be read"
	var f *fault.Error
	if errors.As(err, &f) {
		reason = f.Message
	} else {
		s.log.Error("points not stored", "topic", topic, "err", err)
	}
	s.reporter.Malformed(account, topic, from, reason)
}

// Start begins the work in the background: roll-ups, retention, the removal of what was deleted.
func (s *Service) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.running.Go(func() { s.janitor(ctx) })
}

// Close ends the work in the background. Closing the store writes what is in memory.
func (s *Service) Close() error {
	if s.stop != nil {
		s.stop()
	}
	s.running.Wait()
	return nil
}
