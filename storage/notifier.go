package storage

import "sync"

// notifier tells waiters that their batch is on disk, on a goroutine of its own so that the next sync overlaps with
// their work.
type notifier struct {
	mu      sync.Mutex
	wake    sync.Cond
	waiting []waiting
	news    bool // durable has moved, the store has failed, or somebody registered too late
	closed  bool

	ended    sync.WaitGroup
	ready    []waiting // owned by the goroutine
	sleepers sync.Pool // of *sleeper; per journal, because a sleeper holds a channel
}

type waiting struct {
	lsn LSN
	w   Waiter
}

// sleeper is the Waiter of a goroutine in Wait.
type sleeper struct{ done chan error }

func (s *sleeper) Durable(err error) { s.done <- err }

func (n *notifier) init() { n.wake.L = &n.mu }

func (n *notifier) sleeper() *sleeper {
	if s, ok := n.sleepers.Get().(*sleeper); ok {
		return s
	}
	return &sleeper{done: make(chan error, 1)}
}

func (n *notifier) add(j *Journal, lsn LSN, w Waiter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		go w.Durable(ErrClosed)
		return
	}
	n.waiting = append(n.waiting, waiting{lsn, w})
	if lsn <= j.Durable() || j.db.Err() != nil {
		n.news = true
		n.wake.Signal()
	}
}

// signal says that durable has moved or that the store has failed.
func (n *notifier) signal() {
	n.mu.Lock()
	if len(n.waiting) > 0 {
		n.news = true
		n.wake.Signal()
	}
	n.mu.Unlock()
}

func (n *notifier) stop() {
	n.mu.Lock()
	n.closed = true
	n.wake.Signal()
	n.mu.Unlock()
	n.ended.Wait()
}

// notifyLoop is the notifier: started by Open; ended by Close, when the writer has ended.
func (j *Journal) notifyLoop() {
	n := &j.notifier
	defer n.ended.Done()
	for n.collect(j) {
		err := j.db.Err()
		for i, w := range n.ready {
			w.w.Durable(err)
			n.ready[i] = waiting{}
		}
		n.ready = n.ready[:0]
	}
	for _, w := range n.waiting { // for a batch that was never appended, or after stop
		w.w.Durable(ErrClosed)
	}
}

// collect waits for news and moves those who are to be told into ready. Most wait for the present group or the next, so
// looking at all of them is cheap. false ends the notifier.
func (n *notifier) collect(j *Journal) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.news {
		if n.closed {
			return false
		}
		n.wake.Wait()
	}
	n.news = false
	durable, failed := j.Durable(), j.db.Err() != nil
	kept := n.waiting[:0]
	for _, w := range n.waiting {
		if w.lsn <= durable || failed {
			n.ready = append(n.ready, w)
		} else {
			kept = append(kept, w)
		}
	}
	clear(n.waiting[len(kept):])
	n.waiting = kept
	return true
}
