package timeseries

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/auth"
	"xively/storage"
)

// stream is the module's letter in the journal.
const stream storage.Stream = 't'

// Config of the module. There is nothing to set yet: what the head may grow to follows from storage's CheckpointBytes.
type Config struct{}

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

// Reporter hears of payloads that were delivered but could not be kept.
type Reporter interface {
	// Malformed is called on the publisher's goroutine inside an open journal batch: it must not block, nor begin a batch.
	// The reason names the place, such as `byte 14 (line 2): the numericValue "7x" is not a decimal number`.
	Malformed(account, topic string, from auth.Principal, reason string)
}

// Stats counts since the start.
type Stats struct {
	Points    uint64 // kept
	Malformed uint64 // payloads refused
}

// Service is the time-series module. Its methods may be called from any goroutine.
type Service struct {
	engine   *engine
	channels Channels
	access   Access
	reporter Reporter
	log      *slog.Logger
	now      func() time.Time

	points, malformed atomic.Uint64
}

// New opens the module over db and takes in what the journal holds for it.
func New(_ Config, db *storage.DB, channels Channels, access Access, reporter Reporter, log *slog.Logger) (*Service, error) {
	e := &engine{db: db, series: map[string]*series{}}
	err := db.View(func(tx *storage.Tx) error {
		e.seq.Store(getSeq(tx))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("timeseries: %w", err)
	}
	if err := db.Journal().Attach(stream, e); err != nil {
		return nil, fmt.Errorf("timeseries: %w", err)
	}
	return &Service{engine: e, channels: channels, access: access, reporter: reporter, log: log, now: time.Now}, nil
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	return Stats{Points: s.points.Load(), Malformed: s.malformed.Load()}
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
	series := s.engine.find(account, topic)
	return func(from auth.Principal, topic string, payload []byte, b *storage.Batch) {
		w := scratches.Get().(*scratch)
		defer w.release()
		var err error
		if w.points, err = Parse(w.points[:0], payload, s.now().UnixMilli()); err != nil {
			s.refuse(account, topic, from, err)
			return
		}
		s.engine.store(series, w.points, &w.body)
		b.Add(stream, series.record, w.body.buf)
		s.points.Add(uint64(len(w.points)))
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

// Close is for symmetry with the other modules: nothing runs in the background, and closing the store writes the head.
func (s *Service) Close() error { return nil }
