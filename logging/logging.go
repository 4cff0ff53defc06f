package logging

import (
	"context"
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
const stream storage.Stream = 'l'

// Config of the module.
type Config struct {
	// Retention is how long entries are kept, from 1h on; 0 keeps them for good. They are removed from the store within the
	// hour after, with the last of those they are stored with; from the minute on nobody finds them, also where they are still in the journal.
	Retention time.Duration `yaml:"retention"`

	// MaxBytes is how much of the store all entries together may take, from 1 MiB on; 0 sets no limit. When it is more, the
	// oldest entries of the account that has most are removed.
	MaxBytes int64 `yaml:"max_bytes"`
}

// DefaultConfig keeps entries for 30 days, and 10 GiB of them, some 500 million.
func DefaultConfig() Config { return Config{Retention: 30 * 24 * time.Hour, MaxBytes: 10 << 30} }

// Validate returns what is wrong with c.
func (c Config) Validate() error {
	if c.Retention != 0 && c.Retention < time.Hour {
		return fmt.Errorf("retention: %s is less than 1h; 0 keeps entries for good", c.Retention)
	}
	if c.MaxBytes != 0 && c.MaxBytes < 1<<20 {
		return fmt.Errorf("max_bytes: %d is less than 1 MiB; 0 sets no limit", c.MaxBytes)
	}
	return nil
}

// Directory knows the objects that entries are about.
type Directory interface {
	// Log returns whose log channel a topic is; ok is false when it is none.
	Log(account, topic string) (deviceID, templateID, organizationID string, ok bool)
	// Devices returns the ids of the account's devices that people may mean by a text: an id, a serial number or a name.
	Devices(account, text string) []string
	// Serials returns serial numbers of the account's devices that begin so, at most most.
	Serials(account, begin string, most int) []string
}

// Stats counts since the start.
type Stats struct {
	Stored  uint64 // entries, from devices and the platform
	Omitted uint64 // left out by Report's limit
	Dropped uint64 // lost because more came than could be written, or without an account
	Bytes   uint64 // size of what is in the store, by the last maintenance
}

const (
	queueLength = 16_384 // entries waiting for the writer
	writeAtOnce = 256    // entries in a journal batch
	tick        = time.Minute
	sweepEvery  = 60 // ticks
	sealQueue   = 64 // full groups waiting to be packed
)

// Service is the logging module. Its methods may be called from any goroutine.
type Service struct {
	config    Config
	engine    *engine
	directory Directory
	log       *slog.Logger
	reports   limiter // of Report
	comings   limiter // of lifecycle entries
	recorder  recorder

	stored, omitted, dropped, bytes atomic.Uint64

	stop context.CancelFunc // ends maintain
	done sync.WaitGroup     // write, seal and maintain

	mu     sync.RWMutex // held to send on queue, and to close it
	closed bool
	queue  chan *item
}

// item is an entry on its way to the journal; durable, when not nil, hears when it is on disk.
type item struct {
	entry   Entry
	durable chan error
}

// New opens the module over db, takes in what the journal holds for it, and starts its goroutines. Close ends them.
func New(cfg Config, db *storage.DB, directory Directory, log *slog.Logger) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("logging: %w", err)
	}
	e := &engine{db: db, full: make(chan *group, sealQueue)}
	err := db.View(func(tx *storage.Tx) error {
		e.stored, e.flushed = openStore(tx).number(seqKey), openStore(tx).number(flushedKey)
		e.seq, e.frozen, e.freezes = e.stored, e.stored, e.flushed
		return openStore(tx).readable()
	})
	if err != nil {
		return nil, fmt.Errorf("logging: %w", err)
	}
	if err := db.Journal().Attach(stream, e); err != nil {
		return nil, fmt.Errorf("logging: %w", err)
	}
	if cfg.Retention > 0 {
		e.expire(time.Now().Add(-cfg.Retention))
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{
		config: cfg, engine: e, directory: directory, log: log,
		reports: limiter{rate: reportRate, sources: map[string]*allowance{}},
		comings: limiter{rate: lifecycleRate, sources: map[string]*allowance{}},
		stop:    stop, queue: make(chan *item, queueLength),
	}
	s.done.Go(s.write)
	s.done.Go(func() { s.seal(ctx) })
	s.done.Go(func() { s.maintain(ctx) })
	return s, nil
}

// Close writes what Append took and ends the goroutines. The store must still be open. Entries appended later are dropped.
func (s *Service) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.queue)
	}
	s.mu.Unlock()
	s.stop()
	s.done.Wait()
	return nil
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	return Stats{Stored: s.stored.Load(), Omitted: s.omitted.Load(), Dropped: s.dropped.Load(), Bytes: s.bytes.Load()}
}

// Sink returns what takes the payloads published to a topic, or nil when the topic is no log channel. The function adds
// the entry to b, which must be open (between Begin and End), and does not keep payload. The entry is durable when b is.
func (s *Service) Sink(account, topic string) func(from auth.Principal, topic string, payload []byte, b *storage.Batch) {
	device, template, organization, ok := s.directory.Log(account, topic)
	if !ok {
		return nil
	}
	return func(_ auth.Principal, _ string, payload []byte, b *storage.Batch) {
		e := parsePayload(payload)
		e.AccountID, e.SourceID, e.SourceType = account, device, "deviceId"
		e.DeviceTemplateID, e.OrganizationID = template, organization
		s.store(e, b)
	}
}

func (s *Service) store(e Entry, b *storage.Batch) {
	e.normalize(time.Now())
	s.engine.store(lineOf(&e), b)
	s.stored.Add(1)
}

// Append logs an entry of the platform's own. It never blocks and may be called anywhere, also inside an open journal
// batch: the entry is written soon after by a goroutine. Should more come than can be written, entries are dropped and
// counted. An entry needs an account; one without could never be read and is dropped too. Of lifecycle entries each source has
// a burst of sixty, then six a minute: a client may reconnect as fast as it can. The next entry kept says how many were not, as with Report.
func (s *Service) Append(e Entry) {
	if e.Severity == Lifecycle {
		var ok bool
		if e, ok = s.comings.allow(e.AccountID+"\x00"+e.SourceID, e, time.Now()); !ok {
			s.omitted.Add(1)
			return
		}
	}
	s.enqueue(e)
}

func (s *Service) enqueue(e Entry) {
	e.own = true
	s.trouble(&e)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed || e.AccountID == "" {
		s.dropped.Add(1)
		return
	}
	select {
	case s.queue <- &item{entry: e}:
	default:
		s.dropped.Add(1)
	}
}

// Report is Append for entries that a client can cause at will, such as refusals and broken connections: of each source,
// a word of the caller's choosing such as an address or a client id, a burst is kept, then one a minute. The next entry
// kept says in custom.omitted and its details how many were not.
func (s *Service) Report(source string, e Entry) {
	e, ok := s.reports.allow(e.AccountID+"\x00"+source, e, time.Now())
	if !ok {
		s.omitted.Add(1)
		return
	}
	s.enqueue(e)
}

// AppendWait logs entries that somebody wrote, and returns when they are on disk. It must not be called inside an open journal batch.
// Errors: fault Unavailable after Close, ctx's, storage's.
func (s *Service) AppendWait(ctx context.Context, entries ...Entry) error {
	for i, e := range entries {
		it := &item{entry: e}
		if i == len(entries)-1 { // entries are written in order
			it.durable = make(chan error, 1)
		}
		if err := s.send(ctx, it); err != nil {
			return err
		}
		if it.durable == nil {
			continue
		}
		select {
		case err := <-it.durable:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *Service) send(ctx context.Context, it *item) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fault.New(fault.Unavailable, "The log is closed.")
	}
	select {
	case s.queue <- it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is the goroutine that brings queued entries into the journal, many at once. New starts it; it ends when the queue
// is closed and empty.
func (s *Service) write() {
	journal := s.engine.db.Journal()
	for it := range s.queue {
		b := journal.Begin()
		waiting := waiters{}
		for n := 1; ; n++ {
			s.store(it.entry, b)
			if it.durable != nil {
				waiting = append(waiting, it.durable)
			}
			var more bool
			if it, more = s.next(n); !more {
				break
			}
		}
		lsn := b.Append()
		b.End()
		if len(waiting) > 0 {
			journal.Notify(lsn, waiting)
		}
	}
}

// next returns a queued entry, if there is one and the batch of n may grow.
func (s *Service) next(n int) (*item, bool) {
	if n == writeAtOnce {
		return nil, false
	}
	select {
	case it, ok := <-s.queue:
		return it, ok
	default:
		return nil, false
	}
}

type waiters []chan error

// Durable tells the waiters. It is the journal's to call.
func (w waiters) Durable(err error) {
	for _, c := range w {
		c <- err
	}
}

// seal is the goroutine that packs groups. New starts it; ctx ends it.
func (s *Service) seal(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case g := <-s.engine.full:
			g.pack()
		}
	}
}

// maintain is the goroutine that sums up what Report left out, lets entries expire, and keeps the store tidy. New starts it; ctx
// ends it.
func (s *Service) maintain(ctx context.Context) {
	began := time.Now()
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, l := range []*limiter{&s.reports, &s.comings} {
			for _, e := range l.summaries(time.Now()) {
				s.enqueue(e)
			}
		}
		s.recorder.expire(time.Now())
		if s.config.Retention > 0 {
			s.engine.expire(steadyNow(began).Add(-s.config.Retention))
		}
		if err := s.tidy(ctx, n%sweepEvery == 0); err != nil {
			s.log.Error("log not tidied", "err", err)
		}
	}
}

// tidy merges small chunks and removes what is too old or too much.
func (s *Service) tidy(ctx context.Context, sweep bool) error {
	stop := func() bool { return ctx.Err() != nil }
	if sweep {
		removed, err := s.engine.sweep(stop)
		if err != nil {
			return err
		}
		if removed > 0 {
			s.log.Info("expired log entries removed", "entries", removed)
		}
	}
	accounts, err := s.engine.accounts()
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if _, err := s.engine.merge(account, stop); err != nil {
			return err
		}
	}
	if s.config.MaxBytes > 0 {
		removed, err := s.engine.trim(s.config.MaxBytes, stop)
		if err != nil {
			return err
		}
		if removed > 0 {
			s.log.Warn("oldest log entries removed: the log is over logging.max_bytes", "entries", removed)
		}
	}
	size, err := s.engine.size()
	s.bytes.Store(size)
	return err
}

// steadyNow returns the earlier of the wall clock and the time that has really passed since began. A clock that jumps
// forward while the process runs must not make entries look old.
func steadyNow(began time.Time) time.Time {
	wall := time.Now().Round(0)
	steady := began.Add(time.Since(began)).Round(0)
	if steady.Before(wall) {
		return steady
	}
	return wall
}
