package blueprint

import (
	"encoding/binary"
	"sync"
	"time"

	"xively/storage"
)

// expiry changes the epoch when a grant ends, so that what was remembered as allowed is judged again. One timer waits
// for the nearest end.
type expiry struct {
	s *Service

	mu     sync.Mutex
	timer  *time.Timer
	at     int64 // when it fires, ms; 0: not set
	closed bool
}

const expiriesBucket = "blueprint.expiries"

// scheduleExpiry notes when a grant ends. Keys of grants that were changed stay: waking up once too often does no harm.
func (t *txn) scheduleExpiry(grant *object) {
	end, err := time.Parse(time.RFC3339, grant.text("expires"))
	if err != nil {
		return // no end
	}
	id, _ := parseID(grant.ID)
	ms := end.UnixMilli()
	t.tx.Bucket(expiriesBucket).Put(append(binary.BigEndian.AppendUint64(nil, uint64(ms)), id[:]...), nil)
	t.tx.OnCommit(func() { t.expiry.wakeAt(ms) })
}

func (e *expiry) start(s *Service) {
	e.s = s
	e.next()
}

// next sets the timer to the first end that is still to come.
func (e *expiry) next() {
	now := e.s.now().UnixMilli()
	first := int64(0)
	err := e.s.db.View(func(tx *storage.Tx) error {
		for key := range tx.Bucket(expiriesBucket).Scan(binary.BigEndian.AppendUint64(nil, uint64(now)), nil) {
			first = int64(binary.BigEndian.Uint64(key))
			break
		}
		return nil
	})
	if err != nil {
		e.s.log.Error("ends of grants not read", "err", err)
	}
	if first != 0 {
		e.wakeAt(first)
	}
}

func (e *expiry) wakeAt(ms int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.at != 0 && e.at <= ms {
		return
	}
	e.at = ms
	if e.timer != nil {
		e.timer.Stop()
	}
	e.timer = time.AfterFunc(time.UnixMilli(ms).Sub(e.s.now())+time.Millisecond, e.fire)
}

func (e *expiry) fire() {
	e.mu.Lock()
	closed := e.closed
	e.at = 0
	e.mu.Unlock()
	if closed {
		return
	}
	e.s.epoch.Add(1)
	e.next()
}

func (e *expiry) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.timer != nil {
		e.timer.Stop()
	}
}
