package logging

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
)

// Limits of the flight recorder, which is in memory only.
const (
	recorderHead    = 64 // bytes kept of a payload
	maxFate         = 1 << 10
	recorderPackets = 500              // of a device; the oldest go first
	recorderDevices = 1000             // at a time; each may hold some 100 KiB
	recorderAfter   = 10 * time.Minute // it runs so long after trouble
	recorderMost    = 24 * time.Hour   // it runs so long at most on request
	recorderKeeps   = time.Hour        // what it holds is kept so long after it has ended
)

// Packet is one MQTT control packet that went between a device and the platform.
type Packet struct {
	At       int64  `json:"time"` // ms
	ClientID string `json:"clientId"`
	In       bool   `json:"in"`   // from the device
	Type     string `json:"type"` // "PUBLISH"
	Topic    string `json:"topic,omitempty"`
	QoS      byte   `json:"qos"`
	Size     int    `json:"size"`           // bytes of the payload; of the packet where there is none
	Head     string `json:"head,omitempty"` // how the payload begins; what is no text is shown as �
	Fate     string `json:"fate,omitempty"` // of a PUBLISH from the device: what became of it, in words
	trouble  int8   // one of troubles, plus 1
}

// recorder keeps the packets of the devices that are being watched.
type recorder struct {
	devices atomic.Pointer[map[recorded]*recording] // never changed, only replaced, under mu

	mu sync.Mutex
}

type recorded struct{ account, device string }

type recording struct {
	until     atomic.Int64 // ms
	requested atomic.Bool  // by somebody, not by trouble

	mu      sync.Mutex
	packets []Packet // a ring once it is full
	next    int
	missed  uint64 // overwritten
}

func (r *recorder) of(account, device string) *recording {
	if m := r.devices.Load(); m != nil {
		return (*m)[recorded{account, device}]
	}
	return nil
}

// Wanted reports whether the flight recorder runs for p. It costs next to nothing and is to be asked before Packet is called.
func (s *Service) Wanted(p auth.Principal) bool {
	m := s.recorder.devices.Load()
	if m == nil || len(*m) == 0 || p.Kind != auth.Device {
		return false
	}
	r := (*m)[recorded{p.AccountID, p.ID}]
	return r != nil && time.Now().UnixMilli() < r.until.Load()
}

// Packet records a control packet of p's connection: in tells from the device to us, typ is its MQTT type (1 is CONNECT), head the
// payload or its beginning. Secrets do not belong in it: of CONNECT there is no payload. It never blocks on I/O and keeps nothing it is given.
func (s *Service) Packet(p auth.Principal, clientID string, in bool, typ byte, topic string, qos byte, size int, head []byte) {
	r := s.recorder.of(p.AccountID, p.ID)
	if r == nil {
		return
	}
	packet := Packet{At: time.Now().UnixMilli(), ClientID: clip(clientID, maxID), In: in, Type: packetName(typ), Topic: clip(topic, 2*maxID), QoS: qos, Size: size}
	if packet.Type == "PUBLISH" { // of others the bytes tell nobody anything, and CONNECT has the secret
		packet.Head = clip(string(head[:min(len(head), recorderHead)]), recorderHead)
	}
	r.add(packet)
}

// Published adds to the PUBLISH that Packet was told of last what became of it.
func (s *Service) Published(p auth.Principal, clientID, topic string, f Fate) {
	r := s.recorder.of(p.AccountID, p.ID)
	if r == nil {
		return
	}
	text, trouble := f.say(), int8(troubleNamed(f.trouble())+1)
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.packets)
	for back := 1; back <= n; back++ { // what was sent meanwhile came after it
		if packet := &r.packets[(r.next-back+n)%n]; packet.In && packet.Type == "PUBLISH" && packet.ClientID == clip(clientID, maxID) {
			if packet.Fate == "" && packet.Topic == clip(topic, 2*maxID) {
				packet.Fate, packet.trouble = clip(text, maxFate), trouble
			}
			return
		}
	}
}

func (r *recording) add(p Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.packets) < recorderPackets {
		r.packets = append(r.packets, p)
		return
	}
	r.packets[r.next] = p
	r.next = (r.next + 1) % recorderPackets
	r.missed++
}

// list returns the packets in order, and how many older ones are gone.
func (r *recording) list() (packets []Packet, missed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	packets = append(packets, r.packets[r.next:]...)
	return append(packets, r.packets[:r.next]...), r.missed
}

var packetNames = [...]string{"", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK",
	"PINGREQ", "PINGRESP", "DISCONNECT", ""}

func packetName(typ byte) string {
	if int(typ) < len(packetNames) && packetNames[typ] != "" {
		return packetNames[typ]
	}
	return "unknown"
}

// record runs the recorder for a device until a time; trouble does not make a run shorter. false: too many are recorded already.
func (r *recorder) record(account, device string, until time.Time, requested bool) bool {
	if running := r.of(account, device); running != nil {
		if requested || until.UnixMilli() > running.until.Load() {
			running.until.Store(until.UnixMilli())
		}
		if requested {
			running.requested.Store(true)
		}
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[recorded]*recording{}
	if m := r.devices.Load(); m != nil {
		all = maps.Clone(*m)
	}
	if len(all) >= recorderDevices && (!requested || !evict(all)) {
		return false
	}
	run := &recording{}
	run.until.Store(until.UnixMilli())
	run.requested.Store(requested)
	if all[recorded{account, device}] == nil {
		all[recorded{account, device}] = run
	}
	r.devices.Store(&all)
	return true
}

// evict removes the run that ends first of those nobody asked for.
func evict(all map[recorded]*recording) bool {
	var first recorded
	found := false
	for k, r := range all {
		if !r.requested.Load() && (!found || r.until.Load() < all[first].until.Load()) {
			first, found = k, true
		}
	}
	delete(all, first)
	return found
}

func (r *recorder) forget(account, device string) {
	r.drop(func(k recorded, _ *recording) bool { return k == recorded{account, device} })
}

// expire forgets what has ended long ago.
func (r *recorder) expire(now time.Time) {
	cutoff := now.Add(-recorderKeeps).UnixMilli()
	r.drop(func(_ recorded, run *recording) bool { return run.until.Load() < cutoff })
}

func (r *recorder) drop(gone func(recorded, *recording) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.devices.Load()
	if m == nil {
		return
	}
	all := maps.Clone(*m)
	maps.DeleteFunc(all, gone)
	if len(all) != len(*m) {
		r.devices.Store(&all)
	}
}

// trouble runs the recorder for a while after an entry of the platform's own that tells of trouble with a device.
func (s *Service) trouble(e *Entry) {
	if e.SourceType == "deviceId" && e.SourceID != "" && severityRank(e.Severity) <= severityRank(Warning) {
		s.recorder.record(e.AccountID, e.SourceID, time.Now().Add(recorderAfter), false)
	}
}

// Recording is what the flight recorder holds of a device.
type Recording struct {
	Running bool     `json:"running"`
	Until   int64    `json:"until,omitempty"` // ms
	Missed  uint64   `json:"missed"`          // older packets that had to make room
	Packets []Packet `json:"packets"`         // oldest first
}

// Recorded returns what the recorder holds of a device; nothing when it has not run lately.
func (s *Service) Recorded(account, device string) Recording {
	r := s.recorder.of(account, device)
	if r == nil {
		return Recording{Packets: []Packet{}}
	}
	packets, missed := r.list()
	return Recording{Running: time.Now().UnixMilli() < r.until.Load(), Until: r.until.Load(), Missed: missed, Packets: append([]Packet{}, packets...)}
}

// Record runs the recorder for a device. Errors: fault Invalid for more than a day or nothing, TooMany when too many devices are recorded.
func (s *Service) Record(account, device string, d time.Duration) error {
	if d <= 0 || d > recorderMost {
		return fault.Field("minutes", "This must be from 1 to %d.", int(recorderMost/time.Minute))
	}
	if !s.recorder.record(account, device, time.Now().Add(d), true) {
		return fault.New(fault.TooMany, "The flight recorder runs for %d devices already. Switch it off for some.", recorderDevices)
	}
	return nil
}
