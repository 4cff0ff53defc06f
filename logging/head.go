package logging

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"xively/storage"
)

// engine keeps the entries. An entry is in the head, in memory, from the moment it is accepted, and in a journal record;
// after a checkpoint it is in the store. The journal's bound (storage.Config.CheckpointBytes) bounds the head.
//
// In the head, entries gather in groups. A full group, or one that a checkpoint has frozen, is packed by a goroutine (seal),
// which leaves little for Flush to do.
type engine struct {
	db   *storage.DB
	tail tail
	full chan *group // to be packed; when it is full, Flush packs

	// oldest is the time before which entries have expired: no search finds them, wherever they are.
	oldest atomic.Int64

	mu      sync.Mutex
	seq     uint64 // the last one given to an entry
	stored  uint64 // entries up to this seq are in the store
	frozen  uint64 // entries up to this seq are there after the next Flush
	heads   map[string]*head
	freezes uint64 // how many there were
	flushed uint64 // what the freeze of this number took is in the store
}

// head is what of an account is in memory only.
type head struct {
	groups []*group // packed or to be packed, oldest first
	frozen int      // so many of groups belong to the checkpoint that runs
	open   []*line  // the newest entries, in order of arrival
	parts  []*group // packed or to be packed for searches only: each partRows of open, from its beginning
	bytes  int      // of texts in open
}

// group is lines that will be one chunk, and then is that chunk.
type group struct {
	mu    sync.Mutex // held while it is being packed, a tenth of a second
	state atomic.Pointer[groupState]
}

type groupState struct {
	lines []*line // nil once packed
	chunk *packed
}

func newGroup(lines []*line) *group {
	g := &group{}
	g.state.Store(&groupState{lines: lines})
	return g
}

// pack returns the chunk, which it makes at the first call.
func (g *group) pack() *packed {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.state.Load()
	if s.chunk == nil {
		s = &groupState{chunk: pack(slices.Clone(s.lines))}
		g.state.Store(s)
	}
	return s.chunk
}

// look returns the one or the other.
func (g *group) look() (*packed, []*line) {
	s := g.state.Load()
	return s.chunk, s.lines
}

// store gives the line its place and adds it to b and to the head. Called between Begin and End of b, before Append.
func (e *engine) store(l *line, b *storage.Batch) {
	e.mu.Lock()
	e.seq++
	l.seq = e.seq
	filled := e.addLocked(l)
	e.tail.offer(l)
	e.mu.Unlock()
	var room [512]byte
	b.Add(stream, l.appendRecord(room[:0]))
	e.seal(filled)
}

// partRows of open are packed when they are there: looking at each of so many lines would take a search too long.
const partRows = chunkRows / 4

// addLocked returns a group, or part of one, that the line has filled.
func (e *engine) addLocked(l *line) *group {
	h := e.heads[l.account]
	if h == nil {
		if e.heads == nil {
			e.heads = map[string]*head{}
		}
		h = &head{}
		e.heads[l.account] = h
	}
	h.open, h.bytes = append(h.open, l), h.bytes+l.bytes()
	if len(h.open) >= chunkRows || h.bytes >= chunkText {
		return h.close()
	}
	if len(h.open)%partRows != 0 {
		return nil
	}
	part := newGroup(h.open[len(h.open)-partRows : len(h.open) : len(h.open)])
	h.parts = append(h.parts, part)
	return part
}

// close makes a group of the open lines; nil when there are none.
func (h *head) close() *group {
	if len(h.open) == 0 {
		return nil
	}
	g := newGroup(h.open)
	h.groups, h.open, h.parts, h.bytes = append(h.groups, g), nil, nil, 0
	return g
}

// seal hands a group to be packed to the goroutine that does, if it has time.
func (e *engine) seal(g *group) {
	if g == nil {
		return
	}
	select {
	case e.full <- g:
	default:
	}
}

// Replay takes a record of the journal into the head. It is storage's to call, at start.
func (e *engine) Replay(_ storage.LSN, data []byte) error {
	l, err := parseRecord(data)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.seq > e.stored { // the journal may know more than it must
		e.addLocked(l)
	}
	e.seq = max(e.seq, l.seq)
	return nil
}

// Freeze marks what the next Flush has to write: everything in memory now. It is storage's to call, with no batch open.
func (e *engine) Freeze() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.freezes++
	e.frozen = e.seq
	for _, h := range e.heads {
		e.seal(h.close())
		h.frozen = len(h.groups)
	}
}

// Flush writes what was frozen and forgets it when that is on disk. It is storage's to call.
func (e *engine) Flush(tx *storage.Tx) error {
	e.mu.Lock()
	frozen := map[string][]*group{}
	for account, h := range e.heads {
		frozen[account] = h.groups[:h.frozen]
	}
	seq, freeze := e.frozen, e.freezes
	e.mu.Unlock()
	s := openStore(tx)
	for _, account := range slices.Sorted(maps.Keys(frozen)) {
		for _, g := range frozen[account] {
			s.put(account, g.pack())
		}
	}
	s.putNumber(seqKey, seq)
	s.putNumber(flushedKey, freeze)
	tx.OnCommit(func() { e.forget(frozen, seq, freeze) })
	return nil
}

func (e *engine) forget(frozen map[string][]*group, seq, freeze uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stored, e.flushed = seq, freeze
	for account, groups := range frozen {
		h := e.heads[account]
		h.groups = slices.Clone(h.groups[len(groups):])
		h.frozen = max(0, h.frozen-len(groups))
		if len(h.groups) == 0 && len(h.open) == 0 {
			delete(e.heads, account)
		}
	}
}

// memory is what of an account was in memory at a moment.
type memory struct {
	flushed, freezes uint64   // then
	frozen           []*group // in the store when what freeze number freezes took is
	groups           []*group // the others
	open             []*line
}

func (e *engine) memory(account string) memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := memory{flushed: e.flushed, freezes: e.freezes}
	if h := e.heads[account]; h != nil {
		m.frozen, m.groups = h.groups[:h.frozen], slices.Concat(h.groups[h.frozen:], h.parts)
		m.open = h.open[len(h.parts)*partRows:]
	}
	return m
}

// view calls fn with what is in memory of an account and a view of the store, which together hold every entry once. fn may be
// called again, when checkpoints have overtaken it.
func (e *engine) view(account string, fn func(m memory, s store) error) error {
	for {
		again := false
		m := e.memory(account)
		err := e.db.View(func(tx *storage.Tx) error {
			s := openStore(tx)
			switch s.number(flushedKey) {
			case m.flushed:
				m.groups = slices.Concat(m.frozen, m.groups)
			case m.freezes:
			default: // later ones, whose entries m has as well
				again = true
				return nil
			}
			return fn(m, s)
		})
		if !again {
			return err
		}
	}
}

// expire sets the time before which entries have expired. It never goes back.
func (e *engine) expire(cutoff time.Time) {
	if ms := cutoff.UnixMilli(); ms > e.oldest.Load() {
		e.oldest.Store(ms)
	}
}
