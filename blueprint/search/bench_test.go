//go:build unix

package search

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// fleet makes devices as a directory of a hundred thousand has them.
func fleet(n int) []Doc {
	r := rand.New(rand.NewPCG(1, 2))
	rooms := []string{"Kitchen", "Living room", "Bedroom", "Garage", "Café", "Office", "Hall", "Attic"}
	things := []string{"sensor", "thermostat", "lamp", "meter", "valve", "camera"}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	id := func(n uint64) string {
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", r.Uint32(), n&0xffff, n&0xfff, n>>3&0xfff, r.Uint64()&0xffffffffffff)
	}
	organizations, templates := make([]string, 500), make([]string, 12)
	for i := range organizations {
		organizations[i] = id(uint64(i))
	}
	for i := range templates {
		templates[i] = id(uint64(i))
	}
	docs := make([]Doc, n)
	for i := range docs {
		lat, lon := r.Float64()*140-70, r.Float64()*360-180
		created := begin.Add(time.Duration(i) * time.Second)
		docs[i] = Doc{Kind: "device", ID: id(uint64(i)), Order: created.UnixMilli(), Lat: lat, Lon: lon, HasGeo: true, Fields: map[string]any{
			"name":              fmt.Sprintf("%s %s %d", rooms[r.IntN(len(rooms))], things[r.IntN(len(things))], i),
			"serialNumber":      fmt.Sprintf("SN-%08d", r.IntN(1e8)),
			"organizationId":    organizations[r.IntN(len(organizations))],
			"deviceTemplateId":  templates[r.IntN(len(templates))],
			"provisioningState": []string{"defined", "activated", "associated"}[r.IntN(3)],
			"firmwareVersion":   fmt.Sprintf("1.%d.%d", r.IntN(20), r.IntN(10)),
			"location":          fmt.Sprintf("Building %d, floor %d", r.IntN(40), r.IntN(12)),
			"created":           created.Format(isoForm),
			"lastModified":      created.Add(time.Duration(r.IntN(1e6)) * time.Second).Format(isoForm),
			"lastConnected":     begin.Add(time.Duration(r.IntN(3e7)) * time.Second).Format(isoForm),
			"connected":         r.IntN(3) == 0,
			"externalIp":        fmt.Sprintf("%d.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256)),
			"latitude":          lat,
			"longitude":         lon,
			"batteryLevel":      float64(r.IntN(101)),
			"tags":              []string{[]string{"roof", "cellar"}[r.IntN(2)], []string{"old", "new", "broken"}[r.IntN(3)]},
		}}
	}
	return docs
}

// cpu reports the processor time of each operation beside the time on the clock, which others on the machine lengthen.
func cpu(b *testing.B) {
	begin := processTime()
	b.Cleanup(func() { b.ReportMetric(float64((processTime()-begin).Nanoseconds())/float64(b.N), "cpu-ns/op") })
}

func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const fleetSize = 100_000

func fleetIndex(n int) *Index {
	x := &Index{}
	for _, d := range fleet(n) {
		x.Put(d)
	}
	return x
}

func BenchmarkLoad(b *testing.B) {
	docs := fleet(fleetSize)
	b.ResetTimer()
	cpu(b)
	for range b.N {
		x := &Index{}
		for _, d := range docs {
			x.Put(d)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/fleetSize, "ns/doc")
}

func BenchmarkWarm(b *testing.B) {
	cpu(b)
	for range b.N {
		b.StopTimer()
		x := fleetIndex(fleetSize)
		runtime.GC()
		b.StartTimer()
		x.Warm("device", nil)
	}
}

func BenchmarkMemory(b *testing.B) {
	// The documents' own strings are counted too: the index keeps them.
	var before, after runtime.MemStats
	cpu(b)
	for range b.N {
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := fleetIndex(fleetSize)
		x.Warm("device", nil)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(x)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/fleetSize, "B/doc")
}

func BenchmarkSearch(b *testing.B) {
	x := fleetIndex(fleetSize)
	all := []string{"provisioningState", "organizationId", "batteryLevel", "connected", "tags", "lastConnected", "name"}
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, query string
		r           Request
	}{
		{"everything", "", Request{}},
		{"everything deep", "", Request{Offset: 99_900}},
		{"word many", "kitchen", Request{}},
		{"word few", "12345", Request{}},
		{"word none", "nowhere", Request{}},
		{"prefix many", "s*", Request{}},
		{"prefix digit", "1*", Request{}},
		{"words", "cafe lamp 1*", Request{}},
		{"phrase", `"living room"`, Request{Sort: "name"}},
		{"phrase digits", `"lamp 1"*`, Request{}},
		{"serial part", "serialNumber:*0123*", Request{}},
		{"range number", "batteryLevel:10..20", Request{Sort: "batteryLevel", Desc: true}},
		{"range text", "firmwareVersion:>=1.10", Request{Sort: "firmwareVersion"}},
		{"range names", "name:>=kitchen", Request{Sort: "name"}},
		{"age", "lastConnected:>30d connected:false", Request{Sort: "lastConnected", Desc: true}},
		{"boolean", "(tag:broken OR tag:old) NOT provisioningState:defined batteryLevel:<50 -cellar", Request{Sort: "serialNumber", Offset: 5000}},
		{"sort name deep", "", Request{Sort: "name", Desc: true, Offset: 90_000}},
		{"sort serial", "", Request{Sort: "serialNumber", Offset: 50_000}},
		{"sort id", "", Request{Sort: "id", Offset: 50_000}},
		{"near small", "near:52,4.9,50", Request{}},
		{"near huge", "near:52,4.9,20000", Request{}},
		{"box", "box:40,-10,60,30", Request{}},
		{"facets", "", Request{Facets: all}},
		{"filter partial", "", Request{Filters: []Filter{{Field: "serialNumber", Op: Contains, Values: []string{"99"}}}}},
		{"filter exact", "", Request{Filters: []Filter{{Field: "provisioningState", Values: []string{"defined"}}}, Sort: "name"}},
	} {
		q, err := Parse(c.query)
		if err != nil {
			b.Fatal(err)
		}
		c.r.Kind, c.r.Query, c.r.Limit, c.r.Now = "device", q, 100, now
		b.Run(c.name, func(b *testing.B) {
			var total int
			cpu(b)
			for range b.N {
				res, err := x.Search(c.r)
				if err != nil {
					b.Fatal(err)
				}
				total = res.Total
			}
			b.ReportMetric(float64(total), "matches")
		})
	}
}

// BenchmarkFirstSort is the search after a start, when nothing is sorted yet.
func BenchmarkFirstSort(b *testing.B) {
	x := fleetIndex(fleetSize)
	for _, field := range []string{"name", "serialNumber", "lastConnected", "externalIp", "id"} {
		b.Run(field, func(b *testing.B) {
			cpu(b)
			for range b.N {
				t := x.tables["device"]
				t.order, t.idOrder = order{}, order{}
				if c := t.column(field); c != nil {
					for _, p := range c.numeric() {
						p.order = order{}
					}
					if c.texts != nil {
						c.texts.order = order{}
					}
				}
				if _, err := x.Search(Request{Kind: "device", Sort: field, Limit: 100}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	x := fleetIndex(fleetSize)
	x.Warm("device", nil)
	changed := fleet(fleetSize)
	for i := range changed {
		changed[i].Fields["name"] = fmt.Sprintf("Renamed thing %d", i)
	}
	b.ResetTimer()
	cpu(b)
	for i := range b.N {
		x.Put(changed[i*7919%fleetSize])
	}
}

func BenchmarkSet(b *testing.B) {
	x := fleetIndex(fleetSize)
	x.Warm("device", nil)
	docs := fleet(fleetSize)
	b.ResetTimer()
	cpu(b)
	for i := range b.N {
		x.Set("device", docs[i*7919%fleetSize].ID, map[string]any{"connected": i%2 == 0, "lastConnected": time.UnixMilli(int64(i) * 1000), "externalIp": "10.0.0.1"})
	}
}

// BenchmarkSearchAfterPut is one change and then a search that needs the changed order.
func BenchmarkSearchAfterPut(b *testing.B) {
	x := fleetIndex(fleetSize)
	x.Warm("device", nil)
	docs := fleet(fleetSize)
	q, _ := Parse("rena*")
	b.ResetTimer()
	cpu(b)
	for i := range b.N {
		x.Set("device", docs[i*7919%fleetSize].ID, map[string]any{"name": fmt.Sprintf("Renamed %d", i)})
		if _, err := x.Search(Request{Kind: "device", Query: q, Sort: "name", Limit: 100}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMatches is what a grant on a saved search costs for each question about one device.
func BenchmarkMatches(b *testing.B) {
	docs := fleet(fleetSize)
	x := &Index{}
	for _, d := range docs {
		x.Put(d)
	}
	for _, text := range []string{"tag:broken", `(kitchen OR garage) batteryLevel:<20 -name:test lastConnected:>7d`} {
		q, err := Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			cpu(b)
			for i := range b.N {
				x.Matches("device", docs[i%len(docs)].ID, q, testNow)
			}
		})
	}
}
