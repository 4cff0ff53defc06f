package blueprint

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xively/storage"
)

func TestAudit(t *testing.T) {
	h := newHome(t)
	trail := func(query string) []map[string]any {
		t.Helper()
		return results(h.must("tokenA", "GET", "/audit?"+query, nil))
	}
	h.must("ann", "PUT", "/devices/"+h.kitchen, map[string]any{"name": "Küche", "latitude": 2})
	got := trail("objectId=" + h.kitchen)
	if len(got) != 2 || got[0]["action"] != "update" || got[1]["action"] != "create" {
		t.Fatalf("trail of the kitchen: %v", got)
	}
	e := got[0]
	if fmt.Sprintf("%v %v %v %v %v %v", e["before"], e["after"], e["byName"], e["byType"], e["byId"] == h.ann, e["remote"] != "") != "map[latitude:<nil> name:Kitchen] map[latitude:2 name:Küche] Ann endUser true true" {
		t.Errorf("entry: %v", e)
	}
	for query, want := range map[string]int{"q=küche": 1, "by=" + h.ann: 1, "kind=device&action=create": 3, "kind=grant": 0, "to=2001-01-01": 0, "from=2001-01-01&kind=device": 4} {
		if got := trail(query); len(got) != want {
			t.Errorf("?%s: %d entries, want %d", query, len(got), want)
		}
	}
	undone := h.must("tokenA", "POST", "/audit/"+e["id"].(string)+"/undo", nil)
	if undone["name"] != "Kitchen" || undone["latitude"] != nil {
		t.Errorf("after undo: %v", undone)
	}
	if a := h.call("tokenA", "POST", "/audit/"+e["id"].(string)+"/undo", nil); a.status != 409 {
		t.Errorf("undoing what was changed again: %d %s", a.status, a.text)
	}
	if a := h.call("tokenA", "POST", "/audit/"+got[1]["id"].(string)+"/undo", nil); a.status != 422 {
		t.Errorf("undoing a create: %d %s", a.status, a.text)
	}
	h.must("tokenA", "DELETE", "/devices/"+h.lamp, nil)
	deleted := trail("objectId=" + h.lamp)[0]["id"].(string)
	if got := h.must("tokenA", "POST", "/audit/"+deleted+"/undo", nil); got["id"] != h.lamp {
		t.Errorf("undoing a delete: %v", got)
	}
	if a := h.call("tokenB", "GET", "/audit/"+deleted, nil); a.status != 404 {
		t.Errorf("another account's entry: %d", a.status)
	}
	if n := len(results(h.must("tokenB", "GET", "/audit?objectId="+h.lamp, nil))); n != 0 {
		t.Errorf("another account sees %d entries", n)
	}
	count := h.must("tokenA", "GET", "/audit?pageSize=1", nil)["meta"].(map[string]any)["count"].(float64)
	if all := trail("pageSize=1000"); len(all) != int(count) {
		t.Errorf("count says %v, there are %d", count, len(all))
	}
}

func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		var told []string
		h.s.OnPurge(func(_ *storage.Tx, accountID, deviceID string) { told = append(told, accountID+" "+deviceID) })
		h.credential(h.a, "device", h.kitchen)
		h.must("tokenA", "DELETE", "/devices/"+h.kitchen, nil)
		time.Sleep(29 * 24 * time.Hour)
		if a := h.call("tokenA", "POST", "/devices/"+h.kitchen+"/recover", nil); a.status != 200 {
			t.Errorf("recover after 29 days: %d", a.status)
		}
		h.must("tokenA", "DELETE", "/devices/"+h.kitchen, nil)
		time.Sleep(30*24*time.Hour + 2*time.Hour)
		synctest.Wait()
		if a := h.call("tokenA", "POST", "/devices/"+h.kitchen+"/recover", nil); a.status != 404 {
			t.Errorf("recover after 30 days: %d", a.status)
		}
		left := 0
		_ = h.db.View(func(tx *storage.Tx) error {
			id, _ := parseID(h.kitchen)
			for _, bucket := range []string{"blueprint.devices", secretsBucket, seenBucket} {
				if tx.Bucket(bucket).Get(id[:]) != nil {
					left++
				}
			}
			for range tx.Bucket(deletedBucket).Scan(nil, nil) {
				left++
			}
			for range tx.Bucket("blueprint.mqttCredentials").Scan(nil, nil) {
				left++
			}
			return nil
		})
		if left != 0 {
			t.Errorf("%d values left of a purged device", left)
		}
		if len(told) != 1 || !strings.HasSuffix(told[0], " "+h.kitchen) {
			t.Errorf("told of %q, want the device, once", told)
		}
		time.Sleep(400 * 24 * time.Hour)
		synctest.Wait()
		if list := h.must("tokenA", "GET", "/audit", nil); len(results(list)) != 0 || list["meta"].(map[string]any)["count"] != 0.0 {
			t.Errorf("audit after 400 days: %v", list)
		}
	})
}
