package identity

import "sync"

// maxRecent bounds each cache; sessions take about 8 MiB.
const maxRecent = 20_000

// recent keeps records that were read lately, by id, so that a request costs no store read. It holds at most maxRecent;
// any one makes room for a new one.
type recent[T any] struct {
	mu     sync.Mutex
	byID   map[string]T
	ending uint64 // records dropped so far
}

func newRecent[T any]() *recent[T] { return &recent[T]{byID: map[string]T{}} }

func (c *recent[T]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byID)
}

func (c *recent[T]) get(id string) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.byID[id]
	return v, ok
}

// ends is asked before reading the store, for add.
func (c *recent[T]) ends() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending
}

// add keeps a record read from the store, unless any has been dropped since before was asked: it may be this one, and
// then what was read is stale.
func (c *recent[T]) add(id string, v T, before uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != before {
		return
	}
	if len(c.byID) >= maxRecent {
		for old := range c.byID {
			delete(c.byID, old)
			break
		}
	}
	c.byID[id] = v
}

func (c *recent[T]) drop(ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		c.ending++
		delete(c.byID, id)
	}
}

// dropIf drops the records which picks.
func (c *recent[T]) dropIf(which func(T) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending++
	for id, v := range c.byID {
		if which(v) {
			delete(c.byID, id)
		}
	}
}
