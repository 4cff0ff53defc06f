package blueprint

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"xively/storage"
	"xively/storage/storagetest"
)

func TestConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		db := storagetest.OpenIn(t, dir)
		w := newWorldIn(t, db)
		template := w.template(w.a, "Sensor")
		id, idle := w.device(w.a, template, "D-1"), w.device(w.a, template, "D-2")
		version, epoch := w.must("tokenA", "GET", "/devices/"+id, nil)["version"], w.s.Epoch()
		expect := func(when string, connected bool, last any, ip any) {
			t.Helper()
			d := w.must("tokenA", "GET", "/devices/"+id, nil)
			if d["connected"] != connected || d["lastConnected"] != last || d["externalIp"] != ip || d["version"] != version {
				t.Errorf("%s: connected %v, lastConnected %v, externalIp %v, version %v; want %v, %v, %v, %v",
					when, d["connected"], d["lastConnected"], d["externalIp"], d["version"], connected, last, ip, version)
			}
			list := w.must("tokenA", "GET", fmt.Sprintf("/devices?connected=%v", connected), nil)
			if !contains(column(list, "id"), id) || connected && contains(column(list, "id"), idle) {
				t.Errorf("%s: devices with connected=%v: %v", when, connected, column(list, "serialNumber"))
			}
		}
		expect("at first", false, nil, nil)
		w.s.SetConnected(id, true, at("2026-01-02T03:04:05.678Z"), "192.0.2.1")
		expect("on line", true, "2026-01-02T03:04:05.678Z", "192.0.2.1")
		w.s.SetConnected(id, true, at("2026-01-02T03:05:00Z"), "192.0.2.2")
		w.s.SetConnected(id, false, at("2026-01-02T03:05:01Z"), "")
		expect("on line by its second connection", true, "2026-01-02T03:05:00.000Z", "192.0.2.2")
		w.s.SetConnected(id, false, at("2026-01-02T03:06:00Z"), "")
		expect("off line", false, "2026-01-02T03:05:00.000Z", "192.0.2.2")

		time.Sleep(2 * presencePause)
		synctest.Wait()
		if n := len(w.s.presence.devices); n != 0 {
			t.Errorf("%d devices in memory with nobody connected", n)
		}
		expect("from the store", false, "2026-01-02T03:05:00.000Z", "192.0.2.2")
		if got := column(w.must("tokenA", "GET", "/devices?externalIp=192.0.2.2", nil), "id"); len(got) != 1 || got[0] != id {
			t.Errorf("devices at 192.0.2.2: %v", got)
		}
		if w.s.Epoch() != epoch {
			t.Error("connecting changed the epoch")
		}

		// What was not written yet is written by Close; being connected is not kept.
		w.s.SetConnected(id, true, at("2026-02-01T00:00:00Z"), "192.0.2.3")
		w.s.SetConnected(uuid.NewString(), false, at("2026-02-01T00:00:00Z"), "")
		if err := w.s.Close(); err != nil {
			t.Fatal(err)
		}
		w.s = New(Config{}, db, storagetest.Log(t))
		defer w.s.Close()
		w.db.View(func(tx *storage.Tx) error {
			seen, err := w.s.presence.seen(tx, id)
			if err != nil || seen.connected || seen.ExternalIP != "192.0.2.3" {
				t.Errorf("after a restart: %+v, %v", seen, err)
			}
			return nil
		})
	})
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}
