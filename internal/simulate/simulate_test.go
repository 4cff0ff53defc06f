package simulate

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// TestDeterministic: one seed is one story, whoever tells it, and another seed another.
func TestDeterministic(t *testing.T) {
	tell := func(seed int64) string {
		var b strings.Builder
		for _, d := range fleet(seed, 60) {
			b.WriteString(d.serial + d.site + d.name())
			for _, c := range d.kind.channels {
				if c.points != nil {
					for _, p := range c.points(d, noon) {
						b.Write(p.csv(nil, noon))
					}
				}
			}
			b.Write(d.tells(d.dice, noon).json())
		}
		return b.String()
	}
	if first, second := tell(1), tell(1); first != second {
		t.Error("two runs with one seed differ")
	}
	if tell(1) == tell(2) {
		t.Error("two seeds tell the same")
	}
	few, many := fleet(1, 30), fleet(1, 300)
	for i, d := range few {
		if d.serial != many[i].serial || d.site != many[i].site {
			t.Errorf("device %d of 30 is %s in %s, of 300 it is %s in %s", i, d.serial, d.site, many[i].serial, many[i].site)
		}
	}
}

// TestBelievable: a month of every channel stays where such a thing can be, and does not jump about.
func TestBelievable(t *testing.T) {
	limits := map[string][2]float64{
		"Weather station/temperature": {-40, 50}, "Weather station/humidity": {15, 100}, "Weather station/pressure": {960, 1050},
		"Weather station/wind": {0, 360}, "Weather station/rain": {0, 10}, "Weather station/battery": {2.7, 3.7},
		"Freezer/temperature": {-26, 15}, "Freezer/power": {0, 200},
		"Air quality sensor/co2": {350, 2000}, "Air quality sensor/temperature": {15, 30}, "Air quality sensor/humidity": {20, 70},
		"Air quality sensor/pm2_5": {1, 30}, "Air quality sensor/battery": {2.7, 3.7},
		"Vehicle tracker/position": {-180, 180}, "Vehicle tracker/speed": {0, 130}, "Vehicle tracker/fuel": {5, 100}, "Vehicle tracker/engineTemperature": {-40, 100},
	}
	for _, d := range fleet(7, 200) {
		for _, c := range d.kind.channels {
			limit, ok := limits[d.kind.name+"/"+c.name]
			if !ok {
				continue
			}
			for at := noon.AddDate(0, 0, -30); at.Before(noon); at = at.Add(97 * time.Minute) {
				for _, p := range c.points(d, at) {
					if p.number < limit[0] || p.number > limit[1] || math.IsNaN(p.number) {
						t.Fatalf("%s %s at %v: %v is not within %v", d.serial, c.name, at, p.number, limit)
					}
				}
			}
		}
	}
}

func TestVehiclesMove(t *testing.T) {
	for _, d := range fleet(3, 100) {
		if !d.kind.moves {
			continue
		}
		midnight := noon.Add(-time.Duration(hourOf(noon, d.city.longitude) * float64(time.Hour)))
		if lat, lon, speed := d.position(midnight); lat != d.latitude || lon != d.longitude || speed != 0 {
			t.Errorf("%s is at %v, %v with %v km/h at midnight; its depot is %v, %v", d.serial, lat, lon, speed, d.latitude, d.longitude)
		}
		away := 0.0
		for i := range 24 {
			lat, lon, _ := d.position(midnight.Add(time.Duration(i) * time.Hour))
			away = max(away, math.Hypot(lat-d.latitude, lon-d.longitude))
		}
		if away < 0.005 || away > 1 {
			t.Errorf("%s is at most %.4f degrees from its depot in a day", d.serial, away)
		}
	}
}

// directory is a server that takes everything and remembers what.
type directory struct {
	mu      sync.Mutex
	calls   []string
	entries []entry
	points  []string
	devices []object
}

func (f *directory) Call(_ context.Context, method, path string, body, out any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, method+" "+path)
	answer := object{}
	switch {
	case method == "GET" && strings.HasPrefix(path, "/api/v1/devices?"):
		answer = object{"devices": object{"results": f.devices, "meta": object{"count": len(f.devices)}}}
	case path == "/api/v1/devices/templates":
		answer = object{"deviceTemplate": object{"id": "t"}}
	case path == "/api/v1/logs":
		f.entries = append(f.entries, body.(object)["entries"].([]entry)...)
	}
	text, err := json.Marshal(answer)
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	return err
}

func (f *directory) Upload(_ context.Context, path, _ string, body []byte, out any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if path == "/api/v4/data" {
		f.points = append(f.points, lines...)
		return nil
	}
	r := out.(*importReport)
	r.Import.State = "done"
	for _, l := range lines[1:] {
		serial, _, _ := strings.Cut(l, ",")
		f.devices = append(f.devices, object{"id": "id-" + serial, "serialNumber": serial, "organizationId": "o"})
		r.Import.Credentials = append(r.Import.Credentials, struct{ DeviceID, SerialNumber, Secret string }{"id-" + serial, serial, "s"})
	}
	return nil
}

// TestPast looks at what is sent of the past: in order, inside of it, and as many entries as were wanted.
func TestPast(t *testing.T) {
	f := &directory{}
	s := &simulation{Options: Options{Seed: 1, Backfill: 72 * time.Hour, Entries: 400}, api: f, account: "a", began: noon,
		devices: fleet(1, 40), secrets: map[string]string{}, groups: map[string]string{}, say: t.Logf}
	if err := s.importDevices(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.learnIDs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.backfillLogs(t.Context(), noon.Add(-s.Backfill), noon); err != nil {
		t.Fatal(err)
	}
	if len(f.entries) != 400 {
		t.Fatalf("%d entries, wanted 400", len(f.entries))
	}
	severities := map[string]int{}
	for _, e := range f.entries {
		severities[e.Severity]++
		if e.ServiceTimestamp < noon.Add(-s.Backfill).UnixMilli() || e.ServiceTimestamp > noon.UnixMilli() || !strings.HasPrefix(e.SourceID, "id-") || e.Message == "" {
			t.Errorf("entry %+v is not of the time or of a device", e)
		}
	}
	if severities["error"] == 0 || severities["informational"] < severities["error"] {
		t.Errorf("severities %v are not believable", severities)
	}
	if _, err := s.backfillPoints(t.Context(), noon.Add(-time.Hour), noon); err != nil {
		t.Fatal(err)
	}
	if len(f.points) < 400 || !strings.HasPrefix(f.points[0], "xi/blue/v1/a/d/id-") {
		t.Errorf("%d points, the first %q", len(f.points), f.points[0])
	}
}

func TestShares(t *testing.T) {
	n := map[string]int{}
	tempers := map[temper]int{}
	for _, d := range fleet(1, 1000) {
		n[d.kind.name]++
		tempers[d.temper]++
	}
	for _, k := range kinds {
		if n[k.name] != k.share*10 {
			t.Errorf("%d of 1000 devices are %ss, wanted %d %%", n[k.name], k.name, k.share)
		}
	}
	if tempers[steady] < 850 || slices.Contains([]int{tempers[flaky], tempers[muddled], tempers[dead]}, 0) {
		t.Errorf("tempers of 1000 devices: %v", tempers)
	}
}
