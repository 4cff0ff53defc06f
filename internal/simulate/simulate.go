package simulate

import (
	"context"
	"fmt"
	"time"

	"xively/internal/dial"
)

// Options of a run.
type Options struct {
	Account  string
	Seed     int64
	Devices  int           // 1 to MaxDevices
	Backfill time.Duration // how much of the past to send; 0: none
	Entries  int           // log entries of the past; below 0: ten a device and day, at most a million
	Once     bool          // no MQTT: end after the past
	For      time.Duration // how long devices report; 0: until ctx ends
	Interval time.Duration // between two reports of a device
	Faults   float64       // how much goes wrong: 0 nothing, 1 as usual
	Dial     dial.Func

	Say func(format string, args ...any) // told how far it is
}

// MaxDevices is as many as one process is meant to play.
const MaxDevices = 100_000

// Figures are what a run has done.
type Figures struct {
	Connected    int64 // now
	Connects     int64 // so far
	Refused      int64 // CONNECTs
	Published    int64 // messages
	Acknowledged int64
	Faults       int64 // things that went wrong on purpose
	Lost         int64 // connections that ended unexpectedly
}

// simulation is a run.
type simulation struct {
	Options
	api     API
	account string
	began   time.Time
	devices []*Device
	secrets map[string]string // by serial number, of devices made in this run
	groups  map[string]string // organization's id by path
	say     func(format string, args ...any)
	figures counters
}

// Run provisions, sends the past and lets devices report, as o says. It returns nil when ctx ends.
func Run(ctx context.Context, api API, o Options) (Figures, error) {
	if o.Devices < 1 || o.Devices > MaxDevices {
		return Figures{}, fmt.Errorf("devices: %d is not between 1 and %d", o.Devices, MaxDevices)
	}
	s := &simulation{Options: o, api: api, account: o.Account, began: time.Now(), devices: fleet(o.Seed, o.Devices),
		secrets: map[string]string{}, groups: map[string]string{}, say: o.Say}
	if s.say == nil {
		s.say = func(string, ...any) {}
	}
	if s.Entries < 0 {
		s.Entries = min(1_000_000, int(float64(o.Devices)*o.Backfill.Hours()/24*10))
	}
	if err := s.provision(ctx); err != nil {
		return s.figures.read(), err
	}
	if o.Backfill > 0 {
		if err := s.backfill(ctx); err != nil {
			return s.figures.read(), err
		}
	}
	if o.Once {
		return s.figures.read(), nil
	}
	s.report(ctx)
	return s.figures.read(), nil
}

// MessagesPerReport is how many messages a device's report is, on the average.
const MessagesPerReport = 4.1
