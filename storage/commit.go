package storage

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Bounds of one group: what gathers beyond them goes into the next one.
const (
	maxGroupCalls = 4096
	maxGroupBytes = 32 << 20
	spillSlack    = 64 << 10 // list of free pages, inner nodes
)

// committer is the queue between the callers of Update and the one goroutine that runs and commits their functions.
type committer struct {
	mu      sync.Mutex
	wake    sync.Cond // the committer sleeps here
	queue   []*call
	closing bool // no more calls; the goroutine ends when the queue is empty

	calls   sync.Pool // of *call; per store and not global, because a call holds a channel
	stopped sync.WaitGroup
}

// call is one Update on its way.
type call struct {
	fn   func(*Tx) error
	tx   *Tx
	err  error
	done chan struct{} // holds one token when err is set
}

// Update runs fn in a write transaction and returns when its writes are on disk. Many callers share one commit: while one
// fsync runs, the next group gathers.
//
// fn runs exactly once, on the committer's goroutine, one fn at a time: it must be quick, do no other I/O and call neither
// Update nor View; a lock that it takes must not be held by anyone who calls Update. When it returns an error, that error comes back and only its own writes are undone; a panic in it comes
// back as *PanicError. Any other error means that the store has failed (see Failed) or is closed; whether the writes are
// on disk is then known after the next Open.
func (db *DB) Update(fn func(tx *Tx) error) error {
	c, _ := db.commits.calls.Get().(*call)
	if c == nil {
		c = &call{done: make(chan struct{}, 1)}
	}
	c.fn = fn
	if err := db.enqueue(c); err != nil {
		return err
	}
	<-c.done
	err := c.err
	c.fn, c.tx, c.err = nil, nil, nil
	db.commits.calls.Put(c)
	return err
}

func (db *DB) enqueue(c *call) error {
	if err := db.Err(); err != nil {
		return err
	}
	q := &db.commits
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return ErrClosed
	}
	q.queue = append(q.queue, c)
	q.wake.Signal()
	return nil
}

// commitLoop is the committer: started by Open, ended by Close. g is the group to go on with, nil for a new one.
func (db *DB) commitLoop(g *group) {
	returned := false
	defer func() {
		// runtime.Goexit in a caller's function (a test's FailNow) ends this goroutine: another one takes over.
		if !returned {
			go db.commitLoop(g)
		}
	}()
	debug.SetPanicOnFault(true)
	for {
		if g == nil {
			g = db.nextGroup()
		}
		if g == nil {
			break
		}
		g.run()
		g = g.rest()
	}
	returned = true
	db.commits.stopped.Done()
}

// nextGroup waits for calls; nil means that the store is closing and nothing is left.
func (db *DB) nextGroup() *group {
	q := &db.commits
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) == 0 {
		if q.closing {
			return nil
		}
		q.wake.Wait()
	}
	n := min(len(q.queue), maxGroupCalls)
	g := &group{db: db, calls: append([]*call(nil), q.queue[:n]...)}
	q.queue = q.queue[:copy(q.queue, q.queue[n:])]
	return g
}

// group is the calls that share one commit. Owned by the committer.
type group struct {
	db     *DB
	calls  []*call
	engine *bbolt.Tx
	next   int // calls before it have run
	bytes  int
	err    error // of all: the group as a whole has failed
}

// rest is what did not fit into the group any more.
func (g *group) rest() *group {
	if g.next == len(g.calls) {
		return nil
	}
	return &group{db: g.db, calls: g.calls[g.next:]}
}

// run executes the calls, commits, and answers every call that ran. It may be entered again after a Goexit.
func (g *group) run() {
	if g.err == nil && g.engine == nil {
		g.begin()
	}
	for g.next < len(g.calls) && g.bytes < maxGroupBytes && g.err == nil {
		c := g.calls[g.next]
		g.next++
		g.apply(c)
	}
	if g.err == nil {
		g.commit()
	} else {
		g.abandon()
	}
	g.answer()
}

func (g *group) begin() {
	if g.err = g.db.Err(); g.err == nil {
		g.engine, g.err = g.db.engine.Begin(true)
	}
	if g.err != nil {
		g.next = len(g.calls)
	}
}

// apply runs one call's function and undoes its writes when it fails.
func (g *group) apply(c *call) {
	c.tx = &Tx{db: g.db, engine: g.engine, writable: true, first: g.bytes == 0}
	c.err = errors.New("storage: the transaction's function ended its goroutine")
	defer func() {
		c.tx.done = true
		if r := recover(); r != nil {
			c.err = g.panicked(r)
		}
		if c.err != nil && c.tx.first {
			g.again(c.tx)
			return
		}
		g.bytes += c.tx.written
		if c.err == nil {
			return
		}
		if err := c.tx.rollback(); err != nil {
			g.err = err
		}
	}()
	c.err = c.fn(c.tx)
}

// again begins the engine's transaction anew when the first call that wrote something, tx, has failed.
func (g *group) again(tx *Tx) {
	if slices.ContainsFunc(tx.buckets, func(b *Bucket) bool { return b.changes > 0 }) {
		g.engine.Rollback()
		g.begin()
	}
}

func (g *group) panicked(r any) error {
	if err, ours := stopped(r); ours {
		return err
	}
	p := &PanicError{Value: r, Stack: debug.Stack()}
	g.db.log.Error("panic in a transaction", "panic", fmt.Sprint(r), "stack", string(p.Stack))
	return p
}

// commit makes the group durable. A failed commit fails the store: after an I/O error nobody knows what is on disk.
func (g *group) commit() {
	if g.bytes == 0 {
		g.engine.Rollback()
		return
	}
	start := time.Now()
	if g.db.journal.inCheckpoint.Load() {
		g.db.waitForRoom(g.engine.Size(), g.growth())
	}
	err := g.commitEngine()
	if noSpace(err) { // nothing of it is in the store, which goes on
		g.err = fmt.Errorf("%w: commit: %w", ErrFull, err)
		g.db.setFull(err)
		g.abandon()
		return
	}
	if err != nil {
		g.err = g.db.fail(fmt.Errorf("commit: %w", err))
		g.abandon()
		return
	}
	g.db.counters.commits.Add(1)
	g.db.counters.lastCommit.Store(int64(time.Since(start)))
	g.db.grown()
	g.db.stir()
}

// growth returns by how much the commit may make the store grow: each of its nodes becomes a new page, and pages take what was written, with some
// loss, as far as there are no free ones. A bound for all but strange mixes of values.
func (g *group) growth() int64 {
	stats := g.engine.Stats()
	free := int64(g.db.engine.Stats().FreePageN)
	return max(0, 2*int64(g.bytes)+(stats.GetNodeCount()-free)*pageSize) + spillSlack
}

func (g *group) commitEngine() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = damagedf("xively.db: %v", r)
		}
	}()
	if sync := g.db.cfg.Sync; sync != nil {
		if err := sync(g.db.storePath()); err != nil {
			return err
		}
	}
	return g.engine.Commit()
}

// abandon gives the engine's transaction up; one that a panic left half committed may refuse even that.
func (g *group) abandon() {
	defer func() {
		if r := recover(); r != nil {
			g.err = g.db.fail(damagedf("xively.db: %v", r))
		}
	}()
	if g.engine != nil {
		g.engine.Rollback()
	}
}

func (g *group) answer() {
	for _, c := range g.calls[:g.next] {
		if g.err != nil && c.err == nil {
			c.err = g.err
		}
		if c.err == nil {
			c.err = g.callbacks(c.tx)
		}
		g.db.counters.updates.Add(1)
		c.done <- struct{}{}
	}
}

// callbacks runs what OnCommit collected. A panic there comes too late to undo anything: the caller hears of it.
func (g *group) callbacks(tx *Tx) (err error) {
	if tx == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = g.panicked(r)
		}
	}()
	for _, fn := range tx.onCommit {
		fn()
	}
	return nil
}
