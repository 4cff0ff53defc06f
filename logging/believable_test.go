package logging

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// believable makes the log of a fleet: 5,000 devices of six kinds at 500 customers, each of which logs what its program
// logs, some now and then, a few again and again. The same seed gives the same entries.
type believable struct {
	r       *rand.Rand
	devices []believableDevice
	at      time.Time
	step    time.Duration // mean time between two entries
	n       int
}

type believableDevice struct {
	id, template, organization string
	kind                       int
	serial                     int
	boot                       int
	ssid                       string
}

type statement struct {
	severity, code string
	tags           []string
	weight         int
	message        func(d *believableDevice, r *rand.Rand) string
	details        func(d *believableDevice, r *rand.Rand) string
	custom         func(d *believableDevice, r *rand.Rand) string
}

func newBelievable(seed uint64, from time.Time, step time.Duration) *believable {
	b := &believable{r: rand.New(rand.NewPCG(seed, 7)), at: from, step: step}
	var templates, organizations []string
	for range 6 {
		templates = append(templates, b.uuid())
	}
	for range 500 {
		organizations = append(organizations, b.uuid())
	}
	for i := range 5000 {
		kind := b.r.IntN(6)
		b.devices = append(b.devices, believableDevice{id: b.uuid(), template: templates[kind], organization: organizations[b.r.IntN(500)], kind: kind,
			serial: i + 1, boot: b.r.IntN(100), ssid: []string{"Office", "Kitchen", "Warehouse", "Guest", "Home"}[b.r.IntN(5)] + "-" + strconv.Itoa(b.r.IntN(50))})
	}
	return b
}

func (b *believable) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", b.r.Uint32(), b.r.IntN(1<<16), b.r.IntN(1<<12), b.r.IntN(1<<12), b.r.Uint64()&(1<<48-1))
}

func says(format string, args ...func(d *believableDevice, r *rand.Rand) any) func(d *believableDevice, r *rand.Rand) string {
	return func(d *believableDevice, r *rand.Rand) string {
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = a(d, r)
		}
		return fmt.Sprintf(format, values...)
	}
}

func upTo(n int) func(*believableDevice, *rand.Rand) any {
	return func(_ *believableDevice, r *rand.Rand) any { return r.IntN(n) }
}

func around(mean, spread float64) func(*believableDevice, *rand.Rand) any {
	return func(_ *believableDevice, r *rand.Rand) any { return fmt.Sprintf("%.1f", mean+spread*r.NormFloat64()) }
}

func serialNumber(d *believableDevice, _ *rand.Rand) any { return fmt.Sprintf("AP-%06d", d.serial) }
func network(d *believableDevice, _ *rand.Rand) any      { return d.ssid }
func boots(d *believableDevice, r *rand.Rand) any        { d.boot += r.IntN(2); return d.boot }
func version(_ *believableDevice, r *rand.Rand) any {
	return []string{"2.4.1", "2.4.3", "2.5.0"}[r.IntN(3)]
}

// statements of the six kinds of devices; the first of each come from shared firmware.
var statements = []statement{
	{Informational, "", nil, 300, says("heartbeat ok, uptime %d s, free heap %d", upTo(2_000_000), upTo(90_000)), nil, nil},
	{Informational, "100", nil, 120, says("temperature %s C, humidity %s %%", around(21.5, 2), around(45, 8)), nil, nil},
	{Debug, "", nil, 120, says("rssi %d dBm on %s channel %d", func(_ *believableDevice, r *rand.Rand) any { return -40 - r.IntN(45) }, network, upTo(13)), nil, nil},
	{Lifecycle, "200", nil, 60, says("Device connected"), says("MQTT 3.1.1 by tls from 10.%d.%d.%d:%d, TLS 1.3", upTo(4), upTo(256), upTo(256), upTo(60000)),
		says(`{"connected":true,"clientId":"%s"}`, serialNumber)},
	{Lifecycle, "200", nil, 60, says("Device disconnected: client closed the connection without DISCONNECT"), nil, says(`{"connected":false,"clientId":"%s"}`, serialNumber)},
	{Notice, "210", []string{"firmware"}, 6, says("firmware %s checked, nothing newer", version), nil, nil},
	{Informational, "211", []string{"boot"}, 8, says("boot %d, reason power-on, firmware %s", boots, version), nil, nil},
	{Warning, "310", []string{"wifi"}, 25, says("wifi lost, reconnecting to %s, attempt %d", network, upTo(9)), nil, nil},
	{Warning, "320", []string{"sensor"}, 12, says("sensor %d returned no value for %d ms", upTo(4), upTo(5000)), nil, nil},
	{Warning, "330", []string{"filter"}, 10, says("filter at %d %% of its life", upTo(100)), says("replace within %d days", upTo(90)), nil},
	{Error, "400", []string{"malfunction", "fan"}, 5, says("Fan overheated"), says("over %d F at %d rpm", func(_ *believableDevice, r *rand.Rand) any { return 150 + r.IntN(60) }, upTo(3000)), nil},
	{Error, "410", []string{"malfunction"}, 4, says("motor stalled, current %s A", around(3.2, 0.4)), nil, nil},
	{Error, "420", []string{"storage"}, 2, says("flash write failed at 0x%06x: verify error", upTo(1<<22)), nil, nil},
	{Critical, "500", []string{"malfunction", "leak"}, 1, says("water detected, valve closed"), says("valve %d, flow %s l/min", upTo(3), around(8, 2)), nil},
	{Informational, "120", nil, 60, says("user set fan to %d from the app", upTo(5)), nil, says(`{"by":"app","level":%d}`, upTo(5))},
	{Informational, "130", nil, 40, says("schedule %d started: %s", upTo(8), func(_ *believableDevice, r *rand.Rand) any {
		return []string{"night", "boost", "eco", "away"}[r.IntN(4)]
	}), nil, nil},
	{Debug, "", nil, 60, says("published %d bytes on channel %s in %d ms", upTo(400), func(_ *believableDevice, r *rand.Rand) any {
		return []string{"sensor", "control", "device-status", "_log"}[r.IntN(4)]
	}, upTo(300)), nil, nil},
}

var statementWeight = func() (sum int) {
	for _, s := range statements {
		sum += s.weight
	}
	return sum
}()

// next returns an entry as it comes over MQTT: when, from which device, and the payload, appended to buf.
func (b *believable) next(buf []byte) (at time.Time, d *believableDevice, payload []byte) {
	b.n++
	b.at = b.at.Add(time.Duration(b.r.ExpFloat64() * float64(b.step)))
	d = &b.devices[b.r.IntN(len(b.devices))]
	if b.r.IntN(4) == 0 {
		d = &b.devices[b.r.IntN(50)] // the few that never rest
	}
	s, w := 0, b.r.IntN(statementWeight)
	for w >= statements[s].weight {
		w -= statements[s].weight
		s++
	}
	st := &statements[s]
	sent := b.at.Add(-time.Duration(20+b.r.IntN(180))*time.Millisecond + time.Duration(d.serial%7)*time.Second)
	buf = append(buf, `{"sourceId":"`+d.id+`","sourceType":"deviceId","accountId":"`+account+`","message":`...)
	buf = strconv.AppendQuote(buf, st.message(d, b.r))
	buf = append(buf, `,"severity":"`+st.severity+`"`...)
	if st.code != "" {
		buf = append(buf, `,"code":`+st.code...)
	}
	if st.details != nil {
		buf = append(append(buf, `,"details":`...), strconv.Quote(st.details(d, b.r))...)
	}
	for i, tag := range st.tags {
		buf = append(buf, []string{`,"tags":["`, `","`}[min(i, 1)]+tag...)
	}
	if st.tags != nil {
		buf = append(buf, `"]`...)
	}
	if st.custom != nil {
		buf = append(append(buf, `,"custom":`...), st.custom(d, b.r)...)
	}
	buf = strconv.AppendInt(append(buf, `,"sourceTimestamp":`...), sent.UnixMilli(), 10)
	return b.at, d, append(buf, '}')
}
