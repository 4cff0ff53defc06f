package blueprint

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestBatch(t *testing.T) {
	h := newHome(t)
	send := func(token string, requests ...map[string]any) (int, []map[string]any, string) {
		a := h.call(token, "POST", "/batch", map[string]any{"requests": requests})
		var all []map[string]any
		_ = json.Unmarshal([]byte(a.text), &all)
		return a.status, all, a.text
	}
	status, all, text := send("tokenA",
		map[string]any{"method": "get", "path": "/api/v1/end-users?accountId=" + h.a.account + "&sortBy=name"},
		map[string]any{"method": "GET", "path": "https://blueprint.xively.com/api/v1/devices?accountId=" + h.a.account + "&pageSize=2&page=1&meta=true&results=true", "payload": map[string]any{}},
		map[string]any{"method": "post", "path": "/api/v1/devices", "payload": map[string]any{"accountId": h.a.account, "deviceTemplateId": h.template, "serialNumber": "B-1"}},
		map[string]any{"method": "get", "path": "/api/v1/devices/none"},
		map[string]any{"method": "get", "path": "/api/v1/devices?serialNumber=B-1"})
	if status != 200 || len(all) != 5 {
		t.Fatalf("got %d with %d answers: %s", status, len(all), text)
	}
	if got := fmt.Sprint(column(all[0]["endUsers"].(map[string]any), "name")); got != "[Ann Bob Zoe]" {
		t.Errorf("first answer: %s", got)
	}
	if n := len(results(all[1]["devices"].(map[string]any))); n != 2 {
		t.Errorf("second answer has %d devices", n)
	}
	if all[2]["device"].(map[string]any)["serialNumber"] != "B-1" || all[3]["error"] == nil {
		t.Errorf("third and fourth: %v, %v", all[2], all[3])
	}
	if n := len(results(all[4]["devices"].(map[string]any))); n != 1 {
		t.Errorf("a later request does not see what an earlier one made: %v", all[4])
	}
	if _, all, _ := send("ann", map[string]any{"method": "get", "path": "/api/v1/devices/" + h.lamp}); all[0]["error"] == nil {
		t.Errorf("a batch went past the caller's rights: %v", all)
	}
	for _, bad := range []map[string]any{{"method": "get", "path": "/api/v1/batch"}, {"method": "get", "path": "/metrics"},
		{"method": "get", "path": "/api/v1/../../metrics/x"}, {"method": "trace", "path": "/api/v1/devices"}, {"method": "get", "path": "::"}} {
		if status, all, text := send("tokenA", bad); status != 400 && (len(all) != 1 || all[0]["error"] == nil) {
			t.Errorf("%v: got %d %s", bad, status, text)
		}
	}
	if status, _, _ := send("tokenA", make([]map[string]any, maxBatch+1)...); status != 400 {
		t.Errorf("too many: %d", status)
	}
	if a := h.call("", "POST", "/batch", map[string]any{"requests": []any{}}); a.status != 401 {
		t.Errorf("a stranger's batch: %d", a.status)
	}
}

func TestExpandAndCount(t *testing.T) {
	h := newHome(t)
	got := h.must("tokenA", "GET", "/devices/"+h.kitchen+"?expand=account,device-template,organization", nil)
	if got["account"].(map[string]any)["id"] != h.a.account || got["deviceTemplate"].(map[string]any)["name"] != "Sensor" || got["organization"].(map[string]any)["name"] != "Upstairs" {
		t.Errorf("expanded device: %v", got)
	}
	list := results(h.must("tokenA", "GET", "/organizations?expand=parent&count=children&sortBy=name&parentId="+h.home, nil))
	if len(list) != 1 || list[0]["parent"].(map[string]any)["name"] != "Home" || list[0]["devicesCount"] != 1.0 || list[0]["childrenCount"] != 0.0 {
		t.Errorf("expanded organizations: %v", list)
	}
	ot := list[0]["organizationTemplateId"]
	ut := results(h.must("tokenA", "GET", "/end-users/templates", nil))[0]["id"]
	made := h.make(h.a, "/organizations", map[string]any{"name": "Flat", "organizationTemplateId": ot, "endUserTemplateId": ut})
	got = h.must("tokenA", "GET", "/organizations/"+made+"?expand=parent", nil)
	if user, _ := got["defaultEndUser"].(map[string]any); user["organizationId"] != made {
		t.Errorf("organization made with an end user: %v", got)
	}
	if got := h.must("ann", "GET", "/end-users/"+h.ann+"?expand=organization", nil); got["organization"].(map[string]any)["name"] != "Home" {
		t.Errorf("expanded by an end user: %v", got)
	}
	if a := h.call("tokenA", "GET", "/devices?expand=color", nil); a.status != 400 || !strings.Contains(a.text, "device-template") {
		t.Errorf("expanding nonsense: %d %s", a.status, a.text)
	}
	if a := h.call("tokenA", "DELETE", "/organizations/"+h.home, nil); a.status != 409 || !strings.Contains(a.text, "1 group (Upstairs)") || !strings.Contains(a.text, "1 end user") {
		t.Errorf("deleting a group with things in it: %d %s", a.status, a.text)
	}
}
