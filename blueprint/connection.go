package blueprint

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"xively/storage"
)

// presence knows which devices are connected now, from memory, and when and from where each last connected, from the
// store. Who is connected is not stored: after a start nobody is.
//
// Memory: one entry per connected device, and one for each that left since the last write. Writes gather for
// presencePause, so a storm of reconnects costs one transaction a second; a crash loses at most that much of
// lastConnected.
type presence struct {
	s    *Service
	wake chan struct{} // 1: something is dirty
	stop chan struct{}
	done sync.WaitGroup
	once sync.Once

	mu      sync.Mutex
	devices map[string]*link
}

const presencePause = time.Second

type link struct {
	lastSeen
	connections int
	dirty       bool
}

// lastSeen is what is stored, and, from presence.seen, what is true now.
type lastSeen struct {
	LastConnected int64  `json:"lastConnected"`
	ExternalIP    string `json:"externalIp"`
	connected     bool
}

func (p *presence) start(s *Service) {
	p.s, p.devices = s, map[string]*link{}
	p.wake, p.stop = make(chan struct{}, 1), make(chan struct{})
	p.done.Go(p.write)
}

func (p *presence) close() error {
	p.once.Do(func() { close(p.stop) })
	p.done.Wait()
	return p.flush()
}

// SetConnected notes that a connection of a device began or ended; each must be told once. at and ip matter when it
// began. Neither version nor Epoch change.
func (s *Service) SetConnected(deviceID string, connected bool, at time.Time, ip string) {
	p := &s.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.devices[deviceID]
	if !connected {
		if l == nil {
			return
		}
		l.connections--
		if l.connections <= 0 && !l.dirty {
			delete(p.devices, deviceID)
		}
		return
	}
	if l == nil {
		l = &link{}
		p.devices[deviceID] = l
	}
	l.connections++
	l.LastConnected, l.ExternalIP, l.dirty = at.UnixMilli(), ip, true
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *presence) connected(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.devices[id]
	return l != nil && l.connections > 0
}

// seen returns a device's connection state, the zero value when it never connected.
func (p *presence) seen(tx *storage.Tx, id string) (lastSeen, error) {
	p.mu.Lock()
	if l := p.devices[id]; l != nil {
		now := l.lastSeen
		now.connected = l.connections > 0
		p.mu.Unlock()
		return now, nil
	}
	p.mu.Unlock()
	var stored lastSeen
	key, ok := parseID(id)
	if value := tx.Bucket(seenBucket).Get(key[:]); ok && value != nil {
		if err := json.Unmarshal(value, &stored); err != nil {
			return lastSeen{}, fmt.Errorf("last connection of %s: decode: %w", id, err)
		}
	}
	return stored, nil
}

// write is the presence's one goroutine: started by start, ended by close. It writes what has gathered, pauses, and
// waits for more.
func (p *presence) write() {
	pause := time.NewTimer(0)
	<-pause.C
	for {
		select {
		case <-p.stop:
			return
		case <-p.wake:
		}
		pause.Reset(presencePause)
		select {
		case <-p.stop:
			return
		case <-pause.C:
		}
		if err := p.flush(); err != nil {
			p.s.log.Warn("last connections not stored", "err", err)
		}
	}
}

// flush stores every dirty entry and forgets those of devices that left. After a failure they stay dirty.
func (p *presence) flush() error {
	p.mu.Lock()
	dirty := map[string]lastSeen{}
	for id, l := range p.devices {
		if l.dirty {
			dirty[id] = l.lastSeen
		}
	}
	p.mu.Unlock()
	if len(dirty) == 0 {
		return nil
	}
	err := p.s.db.Update(func(tx *storage.Tx) error {
		b := tx.Bucket(seenBucket)
		for id, seen := range dirty {
			key, ok := parseID(id)
			value, err := json.Marshal(seen)
			if err != nil || !ok {
				continue // not a device of ours
			}
			b.Put(key[:], value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store last connections: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, written := range dirty {
		l := p.devices[id] // dirty ones are taken out nowhere else
		l.dirty = l.lastSeen != written
		if !l.dirty && l.connections <= 0 {
			delete(p.devices, id)
		}
	}
	return nil
}
