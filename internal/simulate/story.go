package simulate

import (
	"encoding/json"
	"fmt"
	"time"
)

// entry is a line of a device's log, as its _log channel takes it.
type entry struct {
	Message          string         `json:"message"`
	Severity         string         `json:"severity"`
	Code             string         `json:"code,omitempty"`
	Details          string         `json:"details,omitempty"`
	Tags             []string       `json:"tags,omitempty"`
	Custom           map[string]any `json:"custom,omitempty"`
	SourceTimestamp  int64          `json:"sourceTimestamp"`
	ServiceTimestamp int64          `json:"serviceTimestamp,omitempty"` // these three when sent over REST
	SourceID         string         `json:"sourceId,omitempty"`
	SourceType       string         `json:"sourceType,omitempty"`
}

func (e entry) json() []byte {
	text, _ := json.Marshal(e) // of texts and numbers: cannot fail
	return text
}

// phrase makes an entry; of several, weight says how often one is chosen.
type phrase struct {
	weight int
	say    func(d *Device, r dice, at time.Time) entry
}

func say(severity, code, format string, args ...func(r dice) any) func(*Device, dice, time.Time) entry {
	return func(_ *Device, r dice, _ time.Time) entry {
		values := make([]any, len(args))
		for i, fn := range args {
			values[i] = fn(r.roll(int64(100 + i)))
		}
		return entry{Message: fmt.Sprintf(format, values...), Severity: severity, Code: code}
	}
}

func whole(low, high int) func(dice) any { return func(r dice) any { return low + r.n(high-low+1) } }
func real1(low, high float64) func(dice) any {
	return func(r dice) any { return round(r.between(low, high), 1) }
}
func hex(r dice) any { return fmt.Sprintf("%08x", uint32(r)) }

// ordinary is what healthy devices say, troubled what others do, by kind "" for all.
var (
	ordinary = map[string][]phrase{
		"": {
			{30, say("debug", "", "heap %d bytes free, largest block %d", whole(38000, 91000), whole(12000, 36000))},
			{26, say("informational", "", "synchronised clock, offset %d ms", whole(-180, 180))},
			{16, say("debug", "", "watchdog fed, loop took %d ms", whole(3, 140))},
			{9, say("notice", "wifi.roam", "moved to access point %s, signal %d dBm", hex, whole(-81, -48))},
			{7, say("informational", "cfg.saved", "configuration saved, revision %d", whole(2, 60))},
			{5, say("notice", "boot", "started after reset, cause: %s", func(r dice) any { return []string{"power on", "watchdog", "software", "brown-out"}[r.n(4)] })},
			{4, say("warning", "wifi.weak", "weak signal, %d dBm", whole(-92, -82))},
			{2, say("warning", "time.drift", "clock was off by %d s", whole(2, 40))},
			{1, say("error", "mqtt.reconnect", "connection lost after %d s: no PINGRESP", whole(60, 7000))},
		},
		"FZ": {
			{14, say("informational", "defrost", "defrost finished in %d s", whole(260, 700))},
			{9, say("notice", "door", "door open for %d s", whole(62, 320))},
			{3, say("warning", "temp.high", "temperature %.1f °C above set point", real1(3, 8))},
			{1, say("error", "compressor.current", "compressor current %.1f A out of range", real1(2.4, 5.9))},
		},
		"WX": {
			{9, say("informational", "", "rain gauge emptied, %d tips", whole(1, 400))},
			{3, say("warning", "sensor.ice", "wind vane does not move, ice suspected at %.1f °C", real1(-8, 1))},
			{1, say("error", "sensor.crc", "humidity sensor: checksum wrong, got %s", hex)},
		},
		"AQ": {
			{8, say("informational", "calibration", "baseline corrected by %d ppm", whole(-30, 30))},
			{4, say("warning", "co2.high", "CO2 above 1500 ppm for %d minutes", whole(10, 90))},
			{1, say("error", "fan.stall", "fan of the particle sensor stands still, %d rpm", whole(0, 200))},
		},
		"VT": {
			{11, say("informational", "trip.end", "trip ended, %.1f km", real1(1.5, 80))},
			{8, say("notice", "geofence", "left depot through gate %d", whole(1, 4))},
			{3, say("warning", "gps.fix", "no position for %d s", whole(31, 900))},
			{1, say("critical", "crash", "acceleration of %.1f g along x", real1(4, 9))},
		},
	}
	troubled = map[temper][]phrase{
		flaky: {
			{5, say("error", "mqtt.reconnect", "connection lost after %d s: read: connection reset by peer", whole(4, 240))},
			{4, say("warning", "dns", "name of the server not resolved, attempt %d", whole(1, 9))},
			{3, say("notice", "backoff", "next attempt in %d s", whole(2, 120))},
		},
		muddled: {
			{4, say("error", "payload.format", "cannot encode measurement: locale says decimal comma in 21,5")},
			{2, say("critical", "stack.overflow", "task sensor: stack overflow at 0x%s, restarting", hex)},
		},
		dead:   {{1, say("alert", "power.low", "battery at %d %%, switching off", whole(1, 4))}},
		locked: {{1, say("error", "auth", "server refused the connection: not authorized (code 5)")}},
	}
)

// restart is what a device says around a firmware update.
func restart(from, to string, at time.Time) []entry {
	return []entry{
		{Message: "firmware " + to + " downloaded, checksum right", Severity: "informational", Code: "fw.download", SourceTimestamp: at.UnixMilli()},
		{Message: "restarting to firmware " + to, Severity: "notice", Code: "fw.restart", Tags: []string{"firmware"}, Custom: map[string]any{"from": from, "to": to}, SourceTimestamp: at.UnixMilli()},
	}
}

// tells is an entry of the device at a moment.
func (d *Device) tells(r dice, at time.Time) entry {
	var from []phrase
	if bad := troubled[d.temper]; bad != nil && r.roll(1).unit() < 0.6 {
		from = bad
	} else if own := ordinary[d.kind.prefix]; r.roll(2).unit() < 0.45 {
		from = own
	} else {
		from = ordinary[""]
	}
	sum := 0
	for _, p := range from {
		sum += p.weight
	}
	at32 := r.roll(3).n(sum)
	for _, p := range from {
		if at32 -= p.weight; at32 < 0 {
			e := p.say(d, r.roll(4), at)
			e.SourceTimestamp = at.UnixMilli()
			d.embellish(&e, r.roll(5))
			return e
		}
	}
	panic("weights do not sum up")
}

// embellish gives some entries what else an entry can have.
func (d *Device) embellish(e *entry, r dice) {
	if r.unit() < 0.25 {
		e.Custom = map[string]any{"firmware": d.firmware(), "uptime": 60 + r.roll(1).n(2_000_000)}
	}
	if r.roll(2).unit() < 0.15 {
		e.Tags = []string{[]string{"network", "power", "sensor", "radio"}[r.roll(3).n(4)]}
	}
	if (e.Severity == "error" || e.Severity == "critical") && r.roll(4).unit() < 0.5 {
		e.Details = fmt.Sprintf("at %s:%d\ncalled from loop:%d\nregisters %08x %08x", []string{"radio.c", "sensor.c", "main.c"}[r.roll(5).n(3)],
			40+r.roll(6).n(700), 20+r.roll(7).n(90), uint32(r.roll(8)), uint32(r.roll(9)))
	}
}
