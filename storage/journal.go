package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Consumer owns one stream: it keeps the effect of the stream's records in memory and writes it into the store when a
// checkpoint asks. An error of Replay ends Attach; an error or panic of Freeze or Flush fails the store, because without
// checkpoints the journal would grow for ever.
type Consumer interface {
	// Replay is called by Attach for every record behind the consumer's last checkpoint, in order. The record is valid
	// during the call.
	Replay(lsn LSN, record []byte) error
	// Freeze is called when no batch is open: remember (swap out) what Flush must write. It must be quick and do no I/O.
	// A lock that it takes must not be held by anyone who calls Begin.
	Freeze()
	// Flush writes what was frozen; after it everything up to the cut must be in the store. It runs inside Update, with
	// everybody else's writes waiting: bulk belongs here, slow work does not. A lock that it takes must not be held
	// by anyone who calls Update.
	Flush(tx *Tx) error
}

// Preparer may be implemented by a Consumer with much to write. Prepare is called between Freeze and Flush, when all that
// was frozen is on disk in the journal, and writes what it can in small transactions of its own, so that nobody waits
// long. When ctx ends it returns ctx's error without another one. After that, as after a crash in between, everything is
// replayed: what is in the store already must be found again, not added.
type Preparer interface {
	Prepare(ctx context.Context) error
}

// Waiter is told, once and by the notifier's goroutine, that a batch is on disk (nil) or never will be. It must not block.
type Waiter interface{ Durable(err error) }

// Journal is the order of the world for the fast paths. Its methods may be called from any goroutine.
type Journal struct {
	// Fixed after Open.
	db    *DB
	log   *slog.Logger
	dir   string
	store [idLen]byte

	// An open batch holds barrier for reading, so that a checkpoint finds memory and journal in step.
	barrier sync.RWMutex

	mu       sync.Mutex
	wake     sync.Cond // the writer sleeps here
	space    sync.Cond // Begin sleeps here while the backlog is over its bound
	gather   *gathering
	pressing bool // somebody waits for what is in gather
	next     LSN
	broken   bool // the store has failed: nothing is gathered any more
	stopping bool
	closing  bool     // the last checkpoint: a writer without room waits no longer
	lastOf   [256]LSN // newest record of each stream

	backlog atomic.Int64 // bytes gathered and not yet on disk
	since   atomic.Int64 // bytes written since the last checkpoint's cut
	durable atomic.Uint64

	writer   writer
	notifier notifier
	batches  sync.Pool

	inCheckpoint atomic.Bool // commits wait for room

	checkpointing sync.Mutex // one checkpoint or Attach at a time; guards the next two
	consumers     map[Stream]Consumer
	cuts          map[Stream]LSN
	due           chan struct{}   // holds one token when a checkpoint is wanted
	noTime        context.Context // has ended when a checkpoint under way is to be given up, see CloseBy
	giveUp        context.CancelFunc

	files  sync.Mutex
	live   []*segment // oldest first; the last one belongs to the writer
	spares []string   // to be used again
	made   int        // spares made because there was none

	replay  []*segment // what Attach reads; fixed after Open
	quit    chan struct{}
	running sync.WaitGroup
}

// openJournal reads and checks the files and gets ready to write behind the last good frame.
func openJournal(db *DB, info storeInfo) (*Journal, error) {
	dir := filepath.Join(db.cfg.Dir, journalName)
	c, err := readChain(dir, info)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		db: db, log: db.log, dir: dir, store: info.id,
		next: c.next, gather: newGathering(),
		consumers: make(map[Stream]Consumer), cuts: info.cuts,
		live: c.live, due: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	j.noTime, j.giveUp = context.WithCancel(context.Background())
	j.wake.L, j.space.L = &j.mu, &j.mu
	j.durable.Store(c.next - 1)
	for s, lsn := range c.last {
		j.lastOf[s] = lsn
	}
	j.notifier.init()
	if c.torn != 0 {
		j.log.Info("journal's torn end cut off", "file", c.live[len(c.live)-1].path, "offset", c.torn)
	}
	if err := j.writer.open(j, c.live[len(c.live)-1]); err != nil {
		return nil, err
	}
	if err := j.tidy(c); err != nil {
		return nil, err
	}
	j.replay = append(j.replay, j.live...)
	for _, s := range j.live {
		j.since.Add(s.end - blockSize)
	}
	j.since.Store(min(j.since.Load(), db.cfg.CheckpointBytes)) // more is due at the first write, when all have attached
	return j, nil
}

func (j *Journal) start() {
	j.running.Add(2)
	j.notifier.ended.Add(1)
	go j.writeLoop()
	go j.notifyLoop()
	go j.checkpointLoop()
}

// overdue is how many checkpoints may be due before Begin waits for one to end.
const overdue = 4

// Begin opens a batch. It blocks while the backlog is over Config.BacklogBytes, while a checkpoint freezes memory, and
// while checkpoints cannot keep up. A goroutine may have one batch open at a time. It must hold no lock that a Freeze
// takes, and between Begin and End not wait for a goroutine that calls Begin.
func (j *Journal) Begin() *Batch {
	if j.full() {
		j.waitForSpace()
	}
	j.barrier.RLock()
	b, _ := j.batches.Get().(*Batch)
	if b == nil {
		b = new(Batch)
	}
	b.j = j
	return b
}

func (j *Journal) waitForSpace() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.full() && !j.broken {
		j.space.Wait()
	}
}

// full reports whether Begin must wait: for the disk, or for a checkpoint that takes so long that the next ones are due.
func (j *Journal) full() bool {
	return j.backlog.Load() > j.db.cfg.BacklogBytes || j.since.Load() > overdue*j.db.cfg.CheckpointBytes
}

// letBegin lets those who wait for space look again.
func (j *Journal) letBegin() {
	j.mu.Lock()
	j.space.Broadcast()
	j.mu.Unlock()
}

// Durable returns the newest LSN that is on disk; everything up to it is as well.
func (j *Journal) Durable() LSN { return j.durable.Load() }

// Last returns the newest LSN given out, on disk or not.
func (j *Journal) Last() LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next - 1
}

// Wait blocks until lsn is on disk. It returns the store's error when that will never be, or ctx's.
func (j *Journal) Wait(ctx context.Context, lsn LSN) error {
	if err := j.db.Err(); err != nil {
		return err
	}
	if lsn <= j.Durable() {
		return nil
	}
	w := j.notifier.sleeper()
	j.Notify(lsn, w)
	select {
	case err := <-w.done:
		j.notifier.sleepers.Put(w)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Notify calls w.Durable(err) once, from the notifier's goroutine, when lsn is on disk (nil) or will never be. After Close
// it is called from a goroutine of its own, with ErrClosed.
func (j *Journal) Notify(lsn LSN, w Waiter) {
	j.notifier.add(j, lsn, w)
	j.press(lsn)
}

// press has the writer write what has gathered, if that is at or below lsn.
func (j *Journal) press(lsn LSN) {
	j.mu.Lock()
	if j.gather.count > 0 && j.gather.first <= lsn {
		j.pressLocked()
	}
	j.mu.Unlock()
}

func (j *Journal) pressLocked() {
	j.pressing = true
	j.wake.Signal()
}

// Attach makes c the consumer of a stream and replays to it what lies behind its last checkpoint. Call it once per
// stream, at start, before the first Begin that uses the stream. Records of a stream that nobody attached are kept.
func (j *Journal) Attach(s Stream, c Consumer) error {
	j.checkpointing.Lock()
	defer j.checkpointing.Unlock()
	if _, ok := j.consumers[s]; ok {
		return fmt.Errorf("journal: stream %q has a consumer already", s)
	}
	cut := j.cuts[s]
	if j.newest(s) <= cut {
		j.consumers[s] = c
		return nil
	}
	for i, seg := range j.replay {
		if i+1 < len(j.replay) && j.replay[i+1].first <= cut+1 {
			continue
		}
		if err := seg.replay(s, cut, c); err != nil {
			return fmt.Errorf("journal: replay stream %q: %w", s, err)
		}
	}
	j.consumers[s] = c
	return nil
}

// abandon is called once, when the store has failed: whoever waits is let go.
func (j *Journal) abandon() {
	if j == nil {
		return
	}
	j.mu.Lock()
	j.broken = true
	j.gather.reset()
	j.pressing = false
	j.wake.Signal()
	j.space.Broadcast()
	j.mu.Unlock()
	j.notifier.signal()
}

// close takes the final checkpoint, unless ctx ends first, and stops.
func (j *Journal) close(ctx context.Context) error {
	j.mu.Lock()
	j.closing = true
	j.mu.Unlock()
	defer context.AfterFunc(ctx, j.giveUp)()
	err := j.checkpoint()
	j.stop()
	if errors.Is(err, errGivenUp) {
		j.log.Warn("no time for the last checkpoint: the next start takes in the journal")
		return j.db.Err()
	}
	return err
}

// stop ends the journal's goroutines: the writer when it has written all that was appended, then the notifier when it
// has told everybody.
func (j *Journal) stop() {
	close(j.quit)
	j.mu.Lock()
	j.stopping = true
	j.wake.Signal()
	j.mu.Unlock()
	j.running.Wait()
	j.notifier.stop()
}

// newest returns the LSN of a stream's newest record, 0 when it has none.
func (j *Journal) newest(s Stream) LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lastOf[s]
}

func (j *Journal) sizes() (backlog, live, files int64) {
	j.files.Lock()
	defer j.files.Unlock()
	for _, s := range j.live {
		files += s.size
	}
	return j.backlog.Load(), j.since.Load(), files + int64(len(j.spares))*j.db.cfg.SegmentBytes
}
