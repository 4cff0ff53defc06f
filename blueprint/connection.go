package blueprint

import (
	"cmp"
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
	position
	ReverseDNS string `json:"reverseDns,omitempty"`
	connected  bool
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
	if !s.presence.set(deviceID, connected, at, ip) {
		return
	}
	changed := map[string]any{"connected": false}
	if connected {
		changed = map[string]any{"connected": true, "lastConnected": timeText(at.UnixMilli()), "externalIp": orNull(ip)}
	}
	s.tellSeen(deviceID, changed)
}

// set reports whether something changed that others see.
func (p *presence) set(deviceID string, connected bool, at time.Time, ip string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.devices[deviceID]
	if !connected {
		if l == nil {
			return false
		}
		l.connections--
		if l.connections <= 0 && !l.dirty {
			delete(p.devices, deviceID)
		}
		return l.connections == 0
	}
	if l == nil {
		l = &link{}
		p.devices[deviceID] = l
	}
	l.connections++
	if ip != l.ExternalIP {
		l.position, l.ReverseDNS = position{}, ""
	}
	l.LastConnected, l.ExternalIP, l.dirty = at.UnixMilli(), ip, true
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return true
}

// tellSeen tells those who watch a device what its connection changed, and the index how it is now.
func (s *Service) tellSeen(deviceID string, changed map[string]any) {
	d, err := s.device(deviceID)
	if err != nil || d == nil {
		return
	}
	s.finder.seen.Lock() // the last to tell has seen the last state
	defer s.finder.seen.Unlock()
	s.reflector.changed(deviceID, changed)
	var seen lastSeen
	err = s.db.View(func(tx *storage.Tx) (err error) {
		seen, err = s.presence.seen(tx, deviceID)
		return err
	})
	if err != nil {
		s.log.Error("last connection not read", "device", deviceID, "err", err)
		return
	}
	s.finder.set(d.account, deviceID, seen.members())
}

// members are a device's connection state as answers show it.
func (l lastSeen) members() map[string]any {
	m := make(map[string]any, 6)
	l.into(m)
	return m
}

// into puts the members into m.
func (l lastSeen) into(m map[string]any) {
	m["connected"], m["lastConnected"], m["externalIp"] = l.connected, nil, orNull(l.ExternalIP)
	m["geoIpLatitude"], m["geoIpLongitude"], m["reverseDns"] = nil, nil, orNull(l.ReverseDNS)
	if l.Known {
		m["geoIpLatitude"], m["geoIpLongitude"] = l.Lat, l.Lon
	}
	if l.LastConnected != 0 {
		m["lastConnected"] = timeText(l.LastConnected)
	}
}

// now returns a device's connection state when it is in memory.
func (p *presence) now(id string) (lastSeen, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.devices[id]
	if l == nil {
		return lastSeen{}, false
	}
	now := l.lastSeen
	now.connected = l.connections > 0
	return now, true
}

// seen returns a device's connection state, the zero value when it never connected.
func (p *presence) seen(tx *storage.Tx, id string) (lastSeen, error) {
	if now, ok := p.now(id); ok {
		return now, nil
	}
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
	placed := p.place(dirty)
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
	p.written(dirty)
	for id, members := range placed {
		p.s.tellSeen(id, members)
	}
	return nil
}

// place adds where the addresses are and what they are called, and returns what of it is news.
func (p *presence) place(dirty map[string]lastSeen) map[string]map[string]any {
	placed := map[string]map[string]any{}
	for id, seen := range dirty {
		before := seen
		seen.position = p.s.locator.locate(seen.ExternalIP, p.s.now())
		if seen.ReverseDNS == "" {
			seen.ReverseDNS = p.s.locator.names.of(id, seen.ExternalIP)
		}
		dirty[id] = seen
		news, all := map[string]any{}, seen.members()
		if seen.position != before.position {
			news["geoIpLatitude"], news["geoIpLongitude"] = all["geoIpLatitude"], all["geoIpLongitude"]
		}
		if seen.ReverseDNS != before.ReverseDNS {
			news["reverseDns"] = seen.ReverseDNS
		}
		if len(news) > 0 {
			placed[id] = news
		}
	}
	return placed
}

// named takes the name of the address a device connected from last; a device that left since has to come again for it.
func (p *presence) named(device, ip, name string) {
	p.mu.Lock()
	l := p.devices[device]
	here := l != nil && l.ExternalIP == ip
	if here {
		l.ReverseDNS, l.dirty = name, true
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	p.mu.Unlock()
	if here {
		p.s.tellSeen(device, map[string]any{"reverseDns": name})
	}
}

// written forgets what has been stored, unless it changed meanwhile.
func (p *presence) written(dirty map[string]lastSeen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, written := range dirty {
		l := p.devices[id] // dirty ones are taken out nowhere else
		if l.ExternalIP == written.ExternalIP {
			l.position, l.ReverseDNS = written.position, cmp.Or(l.ReverseDNS, written.ReverseDNS)
		}
		l.dirty = l.lastSeen != written
		if !l.dirty && l.connections <= 0 {
			delete(p.devices, id)
		}
	}
}
