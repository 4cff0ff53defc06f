package blueprint

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"xively/storage/storagetest"
)

// writeGeo writes a MaxMind database that knows one place, of all addresses that begin with the 24 bits of network.
func writeGeo(t *testing.T, file string, network [3]byte, lat, lon float64) {
	t.Helper()
	const nodes = 24
	var tree []byte
	for i := range nodes {
		bit := network[i/8] >> (7 - i%8) & 1
		next := uint32(i + 1)
		if i == nodes-1 {
			next = nodes + 16 // the first byte of the data
		}
		children := [2]uint32{nodes, nodes} // nothing
		children[bit] = next
		for _, c := range children {
			tree = append(tree, byte(c>>16), byte(c>>8), byte(c))
		}
	}
	text := func(s string) []byte { return append([]byte{2<<5 | byte(len(s))}, s...) }
	double := func(f float64) []byte {
		return binary.BigEndian.AppendUint64([]byte{3<<5 | 8}, math.Float64bits(f))
	}
	dict := func(parts ...[]byte) []byte {
		out := []byte{7<<5 | byte(len(parts)/2)}
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	u16 := func(n uint16) []byte { return binary.BigEndian.AppendUint16([]byte{5<<5 | 2}, n) }
	u32 := func(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{6<<5 | 4}, n) }
	data := dict(text("location"), dict(text("latitude"), double(lat), text("longitude"), double(lon)))
	meta := dict(text("node_count"), u32(nodes), text("record_size"), u16(24), text("ip_version"), u16(4),
		text("database_type"), text("Test-City"), text("languages"), []byte{0, 4},
		text("binary_format_major_version"), u16(2), text("binary_format_minor_version"), u16(0),
		text("build_epoch"), []byte{8, 2, 0, 0, 0, 0, 0x65, 0, 0, 0}, text("description"), dict())
	all := append(append(append(tree, make([]byte, 16)...), data...), "\xab\xcd\xefMaxMind.com"...)
	// Replaced as people should: a new file under the old name.
	if err := os.WriteFile(file+".new", append(all, meta...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func TestPlaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.mmdb")
	writeGeo(t, file, [3]byte{203, 0, 113}, 47.25, 8.5)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_ = w.s.Close()
		w.s = New(Config{GeoIPFile: file}, w.db, storagetest.Log(t))
		defer w.s.Close()
		w.s.locator.names.look = func(_ context.Context, ip string) (string, error) { return "host-" + ip, nil }
		w.s.locator.names.open(w.s.presence.named)
		var p post
		w.s.UsePublisher(p.publish)
		w.mount()
		id := w.device(w.a, w.template(w.a, "Sensor"), "G-1")
		show := func() map[string]any { return w.must("tokenA", "GET", "/devices/"+id, nil) }
		settle := func() { time.Sleep(3 * presencePause); synctest.Wait() }

		w.s.SetConnected(id, true, time.Now(), "203.0.113.9")
		settle()
		if text := w.must("tokenA", "GET", "/accounts/"+w.a.account, nil)["ipLocationAttribution"]; text == "" {
			t.Error("no attribution of the places")
		}
		got := show()
		if got["geoIpLatitude"] != 47.25 || got["geoIpLongitude"] != 8.5 || got["reverseDns"] != "host-203.0.113.9" || got["externalIp"] != "203.0.113.9" {
			t.Errorf("connected: %v", got)
		}
		if n := len(results(w.must("tokenA", "GET", "/devices?geoIpLatitude=47.25&connected=true&reverseDns=host-203.0.113.9", nil))); n != 1 {
			t.Errorf("found by place and name: %d", n)
		}
		if m := p.take(); !slices.Contains(m, `_updates/fields {"state":{"geoIpLatitude":47.25,"geoIpLongitude":8.5}}`) ||
			!slices.Contains(m, `_updates/fields {"state":{"reverseDns":"host-203.0.113.9"}}`) {
			t.Errorf("told: %v", m)
		}
		w.s.SetConnected(id, true, time.Now(), "198.51.100.1")
		settle()
		if got := show(); got["geoIpLatitude"] != nil || got["reverseDns"] != "host-198.51.100.1" {
			t.Errorf("from an address that is in no database: %v", got)
		}
		time.Sleep(geoCheckEvery)
		writeGeo(t, file, [3]byte{198, 51, 100}, -33, 151)
		w.s.SetConnected(id, true, time.Now(), "198.51.100.2")
		settle()
		if got := show(); got["geoIpLatitude"] != -33.0 {
			t.Errorf("after the database was replaced: %v", got)
		}
	})
	if err := (Config{GeoIPFile: file}).Validate(); err != nil {
		t.Errorf("a good database: %v", err)
	}
	for _, bad := range []string{file + ".none", "geo_test.go"} {
		if err := (Config{GeoIPFile: bad}).Validate(); err == nil {
			t.Errorf("%s was taken for a database", bad)
		}
	}
}
