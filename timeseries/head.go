package timeseries

import (
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"xively/storage"
)

// blockPoints and blockBytes close a block of the head, whichever comes first.
const (
	blockPoints = 1024
	blockBytes  = 32 << 10
)

// engine keeps the points. It is what Service knows of storage: find and store write, walk reads, and the methods of
// storage.Consumer move what is in memory to the store.
//
// A point is in the head of its series from the moment it is accepted, in a journal record, and after a checkpoint in a
// chunk. Each point has a position (time, seq) of its own that stays with it on this way, so that a reader who finds it
// both in memory and in the store, because a checkpoint went by, can tell that it is one point.
//
// Memory holds the series that got points since the last checkpoint but one, and no others: the journal's bound
// (storage.Config.CheckpointBytes) bounds it, whatever the number of series in the directory. The points are packed, at
// about 12 bytes each; a series costs some 300 bytes besides.
//
// Lock order: series.mu, then engine.mu, then limits.mu.
type engine struct {
	db     *storage.DB
	now    func() time.Time
	limits limits

	generation atomic.Uint64 // counts starts and Freeze calls over the life of the store

	mu     sync.RWMutex
	fresh  map[string]*series // by seriesKey: those that the directory does not have yet
	series map[uint64]*series // all in memory
	number uint64             // the last one given to a series
	epoch  uint64             // counts changes of the directory
	dirty  []*series          // have points in head since the last Freeze
	frozen []*series          // have points that the next Flush must write

	prepared []*series // had such, and Prepare has written them
	rested   []*series // were written by the last Flush

	leaving map[uint64]bool // numbers on their way out of the directory, see forget

	// For the start only.
	deleted  map[uint64]bool // numbers that the store has deleted
	stored   uint64          // no series in the directory has a greater number
	replayed []entry         // scratch memory
	doubtful []*series       // in the journal as new, and perhaps in the directory: see settle
}

func newEngine(cfg Config, db *storage.DB) *engine {
	return &engine{db: db, limits: limits{cfg: cfg, series: map[string]int{}, rates: map[string]*meter{}}, now: time.Now, fresh: map[string]*series{}, series: map[uint64]*series{}, leaving: map[uint64]bool{}}
}

// series is the part of one series that is in memory.
type series struct {
	id uint64

	mu         sync.Mutex
	gone       bool    // evicted or deleted: find it again
	name       string  // seriesKey, while the directory does not have the series; then ""
	next       uint64  // seq of its next point; see engine.seqs
	generation uint64  // the engine's when the head was begun
	meter      meter   // of Config.SeriesRate
	marked     uint32  // the newest day that was marked as pending, see markDays
	head       []block // the points since then, in order of arrival; the last block is open
	frozen     []block // older ones, not in the store yet; all closed
}

// seqs returns the first seq for a series that comes into memory. Upper half: the generation, later than any before;
// lower half: counts. So nothing about a series at rest has to be known or kept, and arrival order is the order of seqs.
func (e *engine) seqs() uint64 { return e.generation.Load() << 32 }

// find returns the series, made if need be.
func (e *engine) find(account, topic string) (*series, error) {
	name := seriesKey(account, topic)
	for {
		e.mu.RLock()
		s, epoch := e.fresh[string(name)], e.epoch
		e.mu.RUnlock()
		if s != nil {
			return s, nil
		}
		var info seriesInfo
		err := e.db.View(func(tx *storage.Tx) error {
			info, _ = getSeries(tx, name)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if s, err := e.open(name, info.id, epoch, account); s != nil || err != nil {
			return s, err
		}
		if err := e.db.Err(); err != nil {
			return nil, err
		}
		runtime.Gosched()
	}
}

// open returns the series of the number that the directory gave for name, 0 for none; nil when the directory has changed
// meanwhile or is about to. Errors: fault Unprocessable when the account has its limit of series.
func (e *engine) open(name []byte, id, epoch uint64, account string) (*series, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.epoch != epoch || e.leaving[id] {
		return nil, nil
	}
	if s := e.fresh[string(name)]; s != nil {
		return s, nil
	}
	if id != 0 {
		return e.byIDLocked(id), nil
	}
	if err := e.limits.add(account); err != nil {
		return nil, err
	}
	e.number++
	s := e.byIDLocked(e.number)
	s.name = string(name)
	e.fresh[s.name] = s
	return s, nil
}

func (e *engine) byIDLocked(id uint64) *series {
	s := e.series[id]
	if s == nil {
		s = &series{id: id, next: e.seqs()}
		e.series[id] = s
	}
	return s
}

// memory returns what is in memory of the series, packed, or nil. The points of one that the directory does not have yet
// are found by name.
func (e *engine) memory(name []byte, id uint64) []block {
	e.mu.RLock()
	s := e.fresh[string(name)]
	if s == nil {
		s = e.series[id]
	}
	e.mu.RUnlock()
	if s == nil {
		return nil
	}
	return s.snapshot()
}

// A journal record is either of these; the block's points are those that arrived together.
//
//	┌────────────────┬───────┐      ┌───┬────────────────┬────────────┬──────────────┬────────────┬────────────┐
//	│ number uvarint │ block │      │ 0 │ number uvarint │ len uv     │ account      │ len uv     │ topic      │
//	└────────────────┴───────┘      └───┴────────────────┴────────────┴──────────────┴────────────┴────────────┘
func defineRecord(id uint64, name string) []byte {
	account, topic, _ := strings.Cut(name, "\x00")
	record := append(make([]byte, 0, len(name)+2*binary.MaxVarintLen64), 0)
	return appendText(appendText(binary.AppendUvarint(record, id), account), topic)
}

// store gives the points their places, adds them to the head of s and what must last to the batch, which must be open.
// It returns false when s is gone. body is scratch memory. Errors: fault TooMany when the series gets too many points.
func (e *engine) store(s *series, points []Point, body *block, b *storage.Batch) (ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false, nil
	}
	if rate := e.limits.cfg.SeriesRate; rate > 0 && !s.meter.take(len(points), rate, e.now().UnixMilli()) {
		return true, tooFast("series", rate)
	}
	first := s.next
	for _, p := range points {
		body.add(entry{p, s.next})
		s.next++
	}
	for i, p := range points {
		e.addLocked(s, entry{p, first + uint64(i)}, len(body.buf))
	}
	if s.name != "" {
		b.Add(stream, defineRecord(s.id, s.name))
	}
	var id [binary.MaxVarintLen64]byte
	b.Add(stream, id[:binary.PutUvarint(id[:], s.id)], body.buf)
	return true, nil
}

// addLocked puts x, of a message that takes size bytes, into the head of s. The caller holds s.mu.
func (e *engine) addLocked(s *series, x entry, size int) {
	e.rotateLocked(s)
	if len(s.head) == 0 {
		s.head = append(s.head, newBlock(size))
		e.mu.Lock()
		e.dirty = append(e.dirty, s)
		e.mu.Unlock()
	}
	open := &s.head[len(s.head)-1]
	if open.count >= blockPoints || len(open.buf) >= blockBytes {
		open.close()
		s.head = append(s.head, newBlock(size))
		open = &s.head[len(s.head)-1]
	}
	open.add(x)
}

// rotateLocked freezes the head of s if Freeze was called since it was begun. The caller holds s.mu.
func (e *engine) rotateLocked(s *series) {
	if now := e.generation.Load(); s.generation != now {
		if n := len(s.head); n > 0 {
			s.head[n-1].close()
		}
		if len(s.frozen) == 0 {
			s.frozen = s.head
		} else {
			s.frozen = append(s.frozen, s.head...)
		}
		s.head = nil
		s.generation = now
	}
}

// snapshot returns what s has in memory. Blocks only grow at their end, so the copies stay as they are.
func (s *series) snapshot() []block {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.frozen, s.head)
}

// Replay takes a record of the journal into the head. It is storage's to call, at start.
func (e *engine) Replay(_ storage.LSN, record []byte) error {
	r := reader{buf: record}
	id := r.uvarint()
	if id == 0 {
		return e.replayDefine(&r)
	}
	if r.bad {
		return errBlock
	}
	if e.deleted[id] {
		return nil
	}
	entries, err := decodeBlock(e.replayed[:0], r.buf)
	e.replayed = entries
	if err != nil {
		return err
	}
	e.mu.Lock()
	s := e.byIDLocked(id)
	e.number = max(e.number, id)
	e.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range entries {
		e.addLocked(s, x, len(r.buf))
		s.next = max(s.next, x.seq+1)
		// Generations of the last run continue; Freeze is not called before the replay has ended.
		if g := x.seq >> 32; g >= e.generation.Load() {
			e.generation.Store(g + 1)
		}
	}
	return nil
}

func (e *engine) replayDefine(r *reader) error {
	id, account := r.uvarint(), r.take(r.length())
	topic := r.take(r.length())
	if r.bad || id == 0 {
		return errBlock
	}
	if e.deleted[id] {
		return nil
	}
	name := string(account) + "\x00" + string(topic)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.number = max(e.number, id)
	if e.fresh[name] == nil {
		e.limits.series[string(account)]++ // whatever the limit: it was let in
	}
	s := e.byIDLocked(id)
	if s.name == "" && id <= e.stored {
		e.doubtful = append(e.doubtful, s)
	}
	s.name = name
	e.fresh[name] = s
	return nil
}

// settle ends the replay: series that a checkpoint cut short had brought into the directory already are not new. One
// view for all of them: after a crash there can be a million.
func (e *engine) settle() error {
	err := e.db.View(func(tx *storage.Tx) error {
		directory := tx.Bucket(seriesBucket)
		var key []byte
		for _, s := range e.doubtful {
			name := s.name
			key = append(key[:0], name...)
			if info, _ := decodeSeries(directory.Get(key)); info.id != s.id || e.fresh[name] != s {
				continue
			}
			delete(e.fresh, name)
			e.limits.series[string(accountOfName([]byte(name)))]--
			s.name = ""
		}
		return nil
	})
	e.doubtful, e.deleted, e.replayed = nil, nil, nil
	return err
}

// load takes in what the store has to say before the journal speaks.
func (e *engine) load() error {
	return e.db.View(func(tx *storage.Tx) error {
		e.limits.load(tx)
		meta := tx.Bucket(metaBucket)
		e.number = getUint64(meta, numberKey)
		e.stored = e.number
		e.generation.Store(getUint64(meta, generationKey) + 1)
		e.deleted = map[uint64]bool{}
		for k := range tx.Bucket(deletedBucket).Scan(nil, nil) {
			id := binary.BigEndian.Uint64(k)
			e.deleted[id] = true
			e.number = max(e.number, id) // a new series of that number would be taken for the deleted one
		}
		return nil
	})
}

// Freeze marks what the next Flush has to write: everything in memory now. It is storage's to call, with no batch open,
// and touches no series: each freezes its head when it is next looked at.
func (e *engine) Freeze() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.frozen = append(e.frozen, e.dirty...)
	e.dirty = nil
	e.generation.Add(1)
}

func (e *engine) sortedFrozen() []*series {
	e.mu.Lock()
	defer e.mu.Unlock()
	slices.SortFunc(e.frozen, compareIDs) // the store likes order
	e.frozen = slices.Compact(e.frozen)
	return e.frozen
}

// freshNames returns a copy of the names the directory does not have yet.
func (e *engine) freshNames() map[string]*series {
	e.mu.RLock()
	defer e.mu.RUnlock()
	names := make(map[string]*series, len(e.fresh))
	for name, s := range e.fresh {
		names[name] = s
	}
	return names
}
