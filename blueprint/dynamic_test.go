package blueprint

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xively/internal/auth"
)

// TestGrantOnASavedSearch: a role on a saved search holds for the devices it finds now: for REST, MQTT, explain and the
// map of who reaches what, and for no longer.
func TestGrantOnASavedSearch(t *testing.T) {
	h := newHome(t)
	broken := h.make(h.a, "/searches", map[string]any{"name": "Broken", "query": "tag:broken"})
	h.must("tokenA", "PUT", "/devices/"+h.lamp, map[string]any{"tags": []string{"broken"}})
	h.grant("endUser", h.zoe, "savedSearch", broken, "operator", "channels", []string{"temp", "mode"})
	zoe := h.tokens["zoe"]
	names := func(path string) string {
		t.Helper()
		return fmt.Sprint(column(h.must("zoe", "GET", path, nil), "name"))
	}
	explain := func(action, object string) map[string]any {
		t.Helper()
		q := url.Values{"principal": {h.zoe}, "action": {action}, "object": {object}}
		return h.must("tokenA", "GET", "/access/explain?"+q.Encode(), nil)
	}
	see := func(lamp, kitchen bool) {
		t.Helper()
		want := []string{}
		for _, d := range []struct {
			in       bool
			name, id string
		}{{kitchen, "Kitchen", h.kitchen}, {lamp, "Lamp", h.lamp}} {
			status, topic := 404, channelTopic(h.a.account, d.id, "temp")
			if d.in {
				status, want = 200, append(want, d.name)
			}
			if a := h.call("zoe", "GET", "/devices/"+d.id, nil); a.status != status {
				t.Errorf("GET %s: %d, want %d", d.name, a.status, status)
			}
			if a := h.call("zoe", "PUT", "/devices/"+d.id, map[string]any{"firmwareVersion": "3"}); a.status != status {
				t.Errorf("PUT %s: %d, want %d", d.name, a.status, status)
			}
			for what, judge := range map[string]func(auth.Principal, string) error{"publish": h.s.MayPublish, "subscribe": h.s.MaySubscribe, "receive": h.s.MayReceive} {
				if err := judge(zoe, topic); (err == nil) != d.in {
					t.Errorf("%s %s: %v", what, d.name, err)
				}
			}
			if allowed := explain("read", d.id)["allowed"]; allowed != d.in {
				t.Errorf("explain of %s says %v", d.name, allowed)
			}
			users := fmt.Sprint(column(h.must("tokenA", "GET", "/access/devices/"+d.id+"/users", nil), "name"))
			if strings.Contains(users, "Zoe") != d.in {
				t.Errorf("users of %s: %s", d.name, users)
			}
		}
		for _, path := range []string{"/devices?sortBy=name", "/access/users/" + h.zoe + "/devices"} {
			if got := names(path); got != fmt.Sprint(want) {
				t.Errorf("%s: got %s, want %s", path, got, want)
			}
		}
	}
	see(true, false)
	v := explain("read", h.lamp)
	if want := "Zoe may see the device “Lamp”: Zoe has the role operator on the saved search “Broken”, which finds it now."; v["text"] != want {
		t.Errorf("explained as %s", v["text"])
	}
	if path := fmt.Sprint(v["path"]); !strings.Contains(path, "kind:savedSearch leads:finds") {
		t.Errorf("path %s", path)
	}
	if text := fmt.Sprint(explain("read", h.kitchen)["text"]); !strings.Contains(text, "it is not found by the saved search “Broken” now") {
		t.Errorf("explained as %s", text)
	}

	epoch := h.s.Epoch()
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"tags": []string{"old"}})
	if h.s.Epoch() != epoch {
		t.Error("a change that moves nothing into or out of the search made everybody ask again")
	}
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"tags": []string{"broken"}})
	if h.s.Epoch() == epoch {
		t.Error("what was remembered of topics was not dropped")
	}
	see(true, true)
	h.must("tokenA", "PUT", "/devices/"+h.lamp, map[string]any{"tags": nil})
	see(false, true)
	h.must("tokenA", "PUT", "/searches/"+broken, map[string]any{"query": "name:lamp"})
	see(true, false)
	if a := h.call("tokenA", "PUT", "/searches/"+broken, map[string]any{"kind": "endUser"}); a.status != 400 || !strings.Contains(a.text, "must stay one about devices") {
		t.Errorf("another kind: %d %s", a.status, a.text)
	}
	// Sharing what one has through a search is not moving it elsewhere.
	if a := h.call("zoe", "PUT", "/devices/"+h.lamp, map[string]any{"organizationId": nil}); a.status != 403 {
		t.Errorf("moved out of its group: %d %s", a.status, a.text)
	}
	if a := h.call("zoe", "DELETE", "/devices/"+h.lamp, nil); a.status != 403 || !strings.Contains(a.text, "the saved search “Broken”, which finds it now, and that role does not let anybody delete devices") {
		t.Errorf("more than the role: %d %s", a.status, a.text)
	}
	h.must("tokenA", "DELETE", "/searches/"+broken, nil)
	see(false, false)
	h.must("tokenA", "POST", "/searches/"+broken+"/recover", nil)
	see(true, false)
}

func TestGrantsOnSavedSearchesAreForAdmins(t *testing.T) {
	h := newHome(t)
	all := h.make(h.a, "/searches", map[string]any{"name": "All", "query": ""})
	people := h.make(h.a, "/searches", map[string]any{"name": "People", "query": "", "kind": "endUser"})
	h.grant("endUser", h.bob, "organization", h.other, "owner")
	in := func(object string) map[string]any {
		return map[string]any{"subjectType": "endUser", "subjectId": h.zoe, "objectType": "savedSearch", "objectId": object}
	}
	for _, row := range []struct {
		token, object string
		status        int
		want          string
	}{
		{"bob", all, 403, "Bob may not share the saved search “All”: saved searches are for admins"},
		{"tokenB", all, 400, ""},
		{"tokenA", people, 400, "People"},
		{"tokenA", h.home, 400, "no saved search"},
	} {
		body := in(row.object)
		if row.token == "tokenB" {
			body["subjectId"] = h.make(h.b, "/end-users", map[string]any{"name": "Eve"})
		}
		if a := h.call(row.token, "POST", "/access/grants", body); a.status != row.status || !strings.Contains(a.text, row.want) {
			t.Errorf("%s on %s: %d %s", row.token, row.object, a.status, a.text)
		}
	}
	for i := range mostGranted {
		h.must("tokenA", "POST", "/access/grants", in(h.make(h.a, "/searches", map[string]any{"name": fmt.Sprint(i), "query": fmt.Sprint(i)})))
	}
	if a := h.call("tokenA", "POST", "/access/grants", in(all)); a.status != 422 || !strings.Contains(a.text, "as many as there can be") {
		t.Errorf("one more than the limit: %d %s", a.status, a.text)
	}
}

// TestGrantedSearchesThatMove: searches about the connection state and about ages are followed a little later over MQTT.
func TestGrantedSearchesThatMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		online := h.make(h.a, "/searches", map[string]any{"name": "Online", "query": "connected:true"})
		silent := h.make(h.a, "/searches", map[string]any{"name": "Silent", "query": "lastConnected:>10m"})
		h.grant("endUser", h.zoe, "savedSearch", online, "viewer")
		h.grant("endUser", h.bob, "savedSearch", silent, "viewer")
		topic := channelTopic(h.a.account, h.kitchen, "temp")
		step := func(what string, most time.Duration, fn func(), zoe, bob bool) {
			t.Helper()
			epoch := h.s.Epoch()
			fn()
			for _, token := range []string{"zoe", "bob"} {
				status := map[bool]int{true: 200, false: 404}[map[string]bool{"zoe": zoe, "bob": bob}[token]]
				if a := h.call(token, "GET", "/devices/"+h.kitchen, nil); a.status != status {
					t.Errorf("%s: %s gets %d at once", what, token, a.status)
				}
			}
			time.Sleep(most + 10*time.Millisecond)
			synctest.Wait()
			if h.s.Epoch() == epoch {
				t.Errorf("%s: not judged again within %v", what, most)
			}
			if err := h.s.MayReceive(h.tokens["zoe"], topic); (err == nil) != zoe {
				t.Errorf("%s: Zoe: %v", what, err)
			}
			if err := h.s.MayReceive(h.tokens["bob"], topic); (err == nil) != bob {
				t.Errorf("%s: Bob: %v", what, err)
			}
		}
		step("connected", volatilePause, func() { h.s.SetConnected(h.kitchen, true, time.Now(), "") }, true, false)
		step("left", volatilePause, func() { h.s.SetConnected(h.kitchen, false, time.Now(), "") }, false, false)
		step("silent for long", agesPause, func() { time.Sleep(11 * time.Minute) }, false, true)
	})
}
