package blueprint

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xively/internal/auth"
)

// home is account A with groups Home › Upstairs and Other; Ann in Home, Bob in Other, Zoe in none; Max an account user
// with the role member; devices kitchen in Upstairs, lamp in Other, loose in no group.
type home struct {
	*world
	home, upstairs, other          string
	ann, bob, zoe, max             string
	kitchen, lamp, loose, template string
}

func newHome(t testing.TB) *home { return homeIn(newWorld(t)) }

func homeIn(w *world) *home {
	h := &home{world: w}
	ot := results(w.must("tokenA", "GET", "/organizations/templates", nil))[0]["id"].(string)
	group := func(name, parent string) string {
		in := map[string]any{"name": name, "organizationTemplateId": ot}
		if parent != "" {
			in["parentId"] = parent
		}
		return w.make(w.a, "/organizations", in)
	}
	h.home = group("Home", "")
	h.upstairs, h.other = group("Upstairs", h.home), group("Other", "")
	person := func(token, name, org string) string {
		in := map[string]any{"name": name}
		if org != "" {
			in["organizationId"] = org
		}
		id := w.make(w.a, "/end-users", in)
		w.tokens[token] = auth.Principal{Kind: auth.EndUser, AccountID: w.a.account, ID: id}
		return id
	}
	h.ann, h.bob, h.zoe = person("ann", "Ann", h.home), person("bob", "Bob", h.other), person("zoe", "Zoe", "")
	user := "11111111-2222-4333-8444-555555555555"
	h.max = w.make(w.a, "/account-users", map[string]any{"userId": user, "name": "Max", "role": "member"})
	w.tokens["max"] = auth.Principal{Kind: auth.AccountUser, AccountID: w.a.account, ID: h.max, UserID: user}
	h.template = w.template(w.a, "Sensor", "temp:timeSeries", "mode")
	device := func(serial, name, org string) string {
		in := map[string]any{"deviceTemplateId": h.template, "serialNumber": serial, "name": name}
		if org != "" {
			in["organizationId"] = org
		}
		return w.make(w.a, "/devices", in)
	}
	h.kitchen, h.lamp, h.loose = device("S-1", "Kitchen", h.upstairs), device("S-2", "Lamp", h.other), device("S-3", "Loose", "")
	return h
}

func (h *home) grant(subjectType, subject, objectType, object, role string, more ...any) string {
	in := map[string]any{"subjectType": subjectType, "subjectId": subject, "objectType": objectType, "objectId": object, "role": role}
	for i := 0; i < len(more); i += 2 {
		in[more[i].(string)] = more[i+1]
	}
	return h.make(h.a, "/access/grants", in)
}

func TestEndUsersOverREST(t *testing.T) {
	h := newHome(t)
	for _, row := range []struct {
		token, method, path string
		body                map[string]any
		status              int
		want                string
	}{
		{"ann", "GET", "/devices/" + h.kitchen, nil, 200, "Kitchen"},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"name": "Küche"}, 200, "Küche"},
		{"ann", "DELETE", "/devices/" + h.kitchen, nil, 403, "Ann may not delete the device “Küche”: Ann is an end user of the group “Home”"},
		{"ann", "GET", "/devices/" + h.lamp, nil, 404, "There is no device"},
		{"ann", "PUT", "/devices/" + h.lamp, map[string]any{"name": "x"}, 404, ""},
		{"ann", "DELETE", "/devices/" + h.loose, nil, 404, ""},
		{"ann", "POST", "/devices", map[string]any{"deviceTemplateId": h.template, "serialNumber": "S-9", "organizationId": h.home}, 403, "Ann may not create a device"},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"organizationId": h.home}, 200, ""},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"organizationId": h.other}, 403, "another place"},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"organizationId": nil}, 403, "another place"},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"deviceTemplateId": h.template}, 200, ""},
		{"ann", "GET", "/organizations/" + h.upstairs, nil, 200, "Upstairs"},
		{"ann", "GET", "/organizations/" + h.other, nil, 404, ""},
		{"ann", "PUT", "/organizations/" + h.upstairs, map[string]any{"name": "x"}, 403, "organizations:update"},
		{"ann", "GET", "/end-users/" + h.ann, nil, 200, "Ann"},
		{"ann", "PUT", "/end-users/" + h.ann, map[string]any{"phoneNumber": "1"}, 200, ""},
		{"ann", "PUT", "/end-users/" + h.ann, map[string]any{"organizationId": h.other}, 403, "own record"},
		{"ann", "GET", "/end-users/" + h.bob, nil, 404, ""},
		{"ann", "GET", "/devices/templates", nil, 403, "those are for admins, and Ann is an end user"},
		{"ann", "GET", "/account-users", nil, 403, ""},
		{"ann", "GET", "/access/mqtt-credentials", nil, 403, ""},
		{"ann", "POST", "/access/mqtt-credentials", map[string]any{"entityId": h.ann, "entityType": "endUser"}, 200, "secret"},
		{"ann", "POST", "/access/mqtt-credentials", map[string]any{"entityId": h.kitchen, "entityType": "device"}, 403, "Ann may not get an MQTT credential for"},
		{"ann", "POST", "/access/mqtt-credentials", map[string]any{"entityId": h.bob, "entityType": "endUser"}, 404, ""},
		{"ann", "GET", "/audit", nil, 403, "admins"},
		{"ann", "POST", "/access/grants", map[string]any{"subjectType": "endUser", "subjectId": h.bob, "objectType": "device", "objectId": h.kitchen}, 403, "Ann may not share"},
		{"ann", "GET", "/access/explain?action=delete&object=" + h.kitchen, nil, 200, `"allowed":false`},
		{"ann", "GET", "/access/explain?action=read&object=" + h.lamp, nil, 404, ""},
		{"ann", "GET", "/access/explain?principal=" + h.bob + "&action=read&object=" + h.kitchen, nil, 403, "own access"},
		{"ann", "GET", "/access/explain?action=receive&object=" + url.QueryEscape(channelTopic(h.a.account, h.lamp, "temp")), nil, 404, ""},
		{"ann", "GET", "/access/explain?action=receive&object=" + url.QueryEscape(channelTopic(h.a.account, h.kitchen, "temp")), nil, 200, `"allowed":true`},
		{"ann", "GET", "/access/devices/" + h.kitchen + "/users", nil, 403, ""},
		{"zoe", "GET", "/devices", nil, 200, `"count":0`},
		{"zoe", "GET", "/end-users", nil, 200, `"count":1`},
		{"max", "GET", "/devices", nil, 200, `"count":0`},
		{"max", "GET", "/devices/templates", nil, 403, "role member"},
	} {
		a := h.call(row.token, row.method, row.path, row.body)
		if a.status != row.status || !strings.Contains(a.text, row.want) {
			t.Errorf("%s: %s %s %v: got %d %s, want %d with %q", row.token, row.method, row.path, row.body, a.status, a.text, row.status, row.want)
		}
	}
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"organizationId": h.upstairs})
	for _, row := range []struct{ token, path, want string }{
		{"ann", "/devices", "[Küche]"}, {"ann", "/devices?sortBy=name", "[Küche]"}, {"bob", "/devices", "[Lamp]"},
		{"ann", "/devices?organizationId=" + h.other, "[]"}, {"ann", "/organizations?sortBy=name", "[Home Upstairs]"}, {"ann", "/end-users", "[Ann]"},
		{"tokenA", "/organizations?deviceTemplateId=" + h.template + "&sortBy=name", "[Other Upstairs]"},
	} {
		if got := fmt.Sprint(column(h.must(row.token, "GET", row.path, nil), "name")); got != row.want {
			t.Errorf("%s: GET %s: got %s, want %s", row.token, row.path, got, row.want)
		}
	}
}

func TestGrants(t *testing.T) {
	h := newHome(t)
	allowed := func(token, method, path string, body any) bool {
		return h.call(token, method, path, body).status == 200
	}
	kitchen, lamp := "/devices/"+h.kitchen, "/devices/"+h.lamp
	if allowed("bob", "GET", kitchen, nil) {
		t.Fatal("Bob sees the kitchen before it is shared")
	}
	one := h.grant("endUser", h.bob, "device", h.kitchen, "viewer")
	if !allowed("bob", "GET", kitchen, nil) || allowed("bob", "PUT", kitchen, map[string]any{"name": "x"}) {
		t.Error("a viewer must see and not change")
	}
	if got := fmt.Sprint(column(h.must("bob", "GET", "/devices?sortBy=name", nil), "name")); got != "[Kitchen Lamp]" {
		t.Errorf("Bob's devices: %s", got)
	}
	h.must("tokenA", "DELETE", "/access/grants/"+one, nil)
	if allowed("bob", "GET", kitchen, nil) {
		t.Error("a deleted grant still works")
	}
	// To a group, on a group: those in Other may operate all of Home.
	group := h.grant("organization", h.other, "organization", h.home, "operator")
	if !allowed("bob", "PUT", kitchen, map[string]any{"firmwareVersion": "2"}) || allowed("bob", "DELETE", kitchen, nil) {
		t.Error("an operator must change and not delete")
	}
	h.must("tokenA", "PUT", "/access/grants/"+group, map[string]any{"role": "owner"})
	if !allowed("bob", "DELETE", kitchen, nil) || !allowed("bob", "POST", kitchen+"/recover", nil) {
		t.Error("an owner must delete and recover")
	}
	// An owner passes on what he has, no more, and not elsewhere.
	if a := h.call("bob", "POST", "/access/grants", map[string]any{"subjectType": "endUser", "subjectId": h.zoe, "objectType": "device", "objectId": h.kitchen, "role": "owner"}); a.status != 200 {
		t.Errorf("an owner shares: %d %s", a.status, a.text)
	}
	if a := h.call("bob", "POST", "/access/grants", map[string]any{"subjectType": "endUser", "subjectId": h.zoe, "objectType": "device", "objectId": h.loose}); a.status != 404 {
		t.Errorf("sharing what he cannot see: %d", a.status)
	}
	sharer := h.make(h.a, "/access/roles", map[string]any{"name": "sharer", "permissions": []string{"devices:read", "devices:share"}})
	h.grant("accountUser", h.max, "device", h.lamp, "", "roleId", sharer)
	if !allowed("max", "GET", lamp, nil) {
		t.Error("a custom role does not work for an account user")
	}
	if a := h.call("max", "POST", "/access/grants", map[string]any{"subjectType": "endUser", "subjectId": h.zoe, "objectType": "device", "objectId": h.lamp, "role": "owner"}); a.status != 403 || !strings.Contains(a.text, "does not have in full") {
		t.Errorf("passing on more than he has: %d %s", a.status, a.text)
	}
	if n := len(results(h.must("max", "GET", "/access/grants", nil))); n != 1 {
		t.Errorf("Max sees %d grants, want the one on the lamp", n)
	}
	h.must("tokenA", "PUT", "/access/roles/"+sharer, map[string]any{"permissions": []string{"organizations:read"}})
	if allowed("max", "GET", lamp, nil) {
		t.Error("a permission taken out of a role still works")
	}
	for _, bad := range []map[string]any{
		{"subjectType": "endUser", "subjectId": h.lamp, "objectType": "device", "objectId": h.lamp},
		{"subjectType": "endUser", "subjectId": h.bob, "objectType": "device", "objectId": h.lamp, "role": "king"},
		{"subjectType": "endUser", "subjectId": h.bob, "objectType": "device", "objectId": h.lamp, "role": "custom"},
		{"subjectType": "endUser", "subjectId": h.bob, "objectType": "device", "objectId": h.lamp, "expires": "2001-01-01T00:00:00Z"},
	} {
		if a := h.call("tokenA", "POST", "/access/grants", bad); a.status != 400 {
			t.Errorf("%v: got %d %s, want 400", bad, a.status, a.text)
		}
	}
}

func TestEndUsersOverMQTT(t *testing.T) {
	h := newHome(t)
	ann, bob := h.tokens["ann"], h.tokens["bob"]
	temp := channelTopic(h.a.account, h.kitchen, "temp")
	channel := func(id, name string) string { return channelTopic(h.a.account, id, name) }
	h.grant("endUser", h.bob, "device", h.kitchen, "operator", "channels", []string{"mode"})
	for _, row := range []struct {
		p     auth.Principal
		do    string
		topic string
		want  string
	}{
		{ann, "publish", temp, ""},
		{ann, "publish", channel(h.kitchen, "_set/fields"), ""},
		{ann, "publish", channel(h.kitchen, "_updates/fields"), "platform only"},
		{ann, "publish", channel(h.lamp, "temp"), "Ann may not publish to the channel “temp” of the device “Lamp”: Ann reaches the group “Home” and what is below it, it is in the group “Other”"},
		{ann, "publish", channel(h.loose, "temp"), "it is in no group"},
		{ann, "publish", "free", "free topics"},
		{ann, "publish", "xi/ctrl/v1/" + h.kitchen + "/cln", "control topics"},
		{ann, "subscribe", temp, ""},
		{ann, "subscribe", channel(h.kitchen, "#"), ""},
		{ann, "subscribe", "xi/blue/v1/" + h.a.account + "/#", ""},
		{ann, "subscribe", "xi/blue/v1/" + h.b.account + "/#", "only below"},
		{ann, "subscribe", "#", "free topics"},
		{ann, "subscribe", "xi/#", "only below"},
		{ann, "subscribe", "$SYS/#", "only below"},
		{ann, "subscribe", channel(h.lamp, "temp"), "Ann may not receive from"},
		{ann, "receive", temp, ""},
		{ann, "receive", channel(h.lamp, "temp"), "may not receive from"},
		{bob, "receive", channel(h.kitchen, "mode"), ""},
		{bob, "receive", temp, "only for the channels mode"},
		{bob, "publish", channel(h.kitchen, "mode"), ""},
	} {
		judge := map[string]func(auth.Principal, string) error{"publish": h.s.MayPublish, "subscribe": h.s.MaySubscribe, "receive": h.s.MayReceive}[row.do]
		err := judge(row.p, row.topic)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s %s %s: got %v, want %q", row.p, row.do, row.topic, err, row.want)
		}
	}
	// A moved device is out of reach at once, and the answer says so.
	epoch := h.s.Epoch()
	h.must("tokenA", "PUT", "/organizations/"+h.upstairs, map[string]any{"parentId": h.other})
	if h.s.Epoch() == epoch {
		t.Error("moving a group left the epoch alone")
	}
	if err := h.s.MayReceive(ann, temp); err == nil {
		t.Error("Ann receives from a device whose group was moved away")
	}
}

func TestGrantEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		end := time.Now().Add(time.Hour)
		h.grant("endUser", h.bob, "device", h.kitchen, "viewer", "expires", end.UTC().Format(time.RFC3339))
		temp := channelTopic(h.a.account, h.kitchen, "temp")
		if err := h.s.MayReceive(h.tokens["bob"], temp); err != nil {
			t.Fatalf("before its end: %v", err)
		}
		epoch := h.s.Epoch()
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if h.s.Epoch() == epoch {
			t.Error("the epoch did not change at the end of the grant")
		}
		if err := h.s.MayReceive(h.tokens["bob"], temp); err == nil || !strings.Contains(err.Error(), "ended at") {
			t.Errorf("after its end: %v", err)
		}
	})
}

// TestExplain: ten denials and four allowances, in full, as people will read them.
func TestExplain(t *testing.T) {
	h := newHome(t)
	h.grant("endUser", h.bob, "device", h.kitchen, "viewer", "channels", []string{"mode"})
	h.grant("organization", h.home, "organization", h.other, "viewer")
	temp := channelTopic(h.a.account, h.kitchen, "temp")
	for _, row := range []struct{ principal, action, object, want string }{
		{h.a.p.ID, "delete", h.kitchen, "tokenA@example.com may delete the device “Kitchen”: tokenA@example.com is an admin, and admins may do everything in their account."},
		{h.ann, "read", h.kitchen, "Ann may see the device “Kitchen”: Ann is an end user of the group “Home”, where it lies in “Upstairs”."},
		{h.ann, "read", h.lamp, "Ann may see the device “Lamp”: the group “Home”, which Ann is in, has the role viewer on the organization “Other”, where it lies."},
		{h.bob, "read", h.kitchen, "Bob may see the device “Kitchen”: Bob has the role viewer on the device “Kitchen”."},
		{h.ann, "delete", h.kitchen, "Ann may not delete the device “Kitchen”: Ann is an end user of the group “Home”, and that allows channels:read, channels:write, devices:read, devices:update, endUsers:read, organizations:read only. An admin may do it, or give Ann a role with devices:delete there."},
		{h.ann, "update", h.lamp, "Ann may not change the device “Lamp”: the group “Home”, which Ann is in, has the role viewer on the organization “Other”, and that allows channels:read, devices:read, endUsers:read, organizations:read only. An admin may do it, or give Ann a role with devices:update there."},
		{h.ann, "read", h.loose, "Ann may not see the device “Loose”: Ann reaches the group “Home” and what is below it, it is in no group, and nothing there is shared with Ann. Share it with Ann, or move it to a group that Ann reaches."},
		{h.bob, "read", h.ann, "Bob may not see the end user “Ann”: Bob reaches the group “Other” and what is below it, it is in the group “Home”, and nothing there is shared with Bob. Share it with Bob, or move it to a group that Bob reaches."},
		{h.zoe, "read", h.kitchen, "Zoe may not see the device “Kitchen”: Zoe is in no group, it is in the group “Home › Upstairs”, and nothing there is shared with Zoe. Share it with Zoe, or move it to a group that Zoe reaches."},
		{h.max, "read", h.upstairs, "Max may not see the organization “Upstairs”: Max is no admin and reaches only what is granted, it lies at “Home › Upstairs”, and nothing there is shared with Max. Share it with Max, or move it to a group that Max reaches."},
		{h.ann, "read", h.template, "Ann may not see the device template “Sensor”: device templates are for admins, and Ann is an end user."},
		{h.bob, "subscribe", temp, "Bob may not receive from the channel “temp” of the device “Kitchen”: Bob has the role viewer on the device “Kitchen”, but only for the channels mode."},
		{h.kitchen, "publish", channelTopic(h.a.account, h.lamp, "temp"), "device " + h.kitchen + " may use only its own channels"},
		{h.kitchen, "publish", channelTopic(h.a.account, h.kitchen, "humidity"), "device " + h.kitchen + " may use only its own channels: channel “humidity” is not on its template “Sensor”"},
	} {
		q := url.Values{"principal": {row.principal}, "action": {row.action}, "object": {row.object}}
		got := h.must("tokenA", "GET", "/access/explain?"+q.Encode(), nil)
		if got["text"] != row.want {
			t.Errorf("%s %s:\n got %s\nwant %s", row.action, row.object, got["text"], row.want)
		}
		if allowed := !strings.Contains(row.want, "may not") && !strings.Contains(row.want, "may use only"); got["allowed"] != allowed {
			t.Errorf("%s: allowed is %v", got["text"], got["allowed"])
		}
		if len(got["path"].([]any)) == 0 {
			t.Errorf("%s: no path", got["text"])
		}
	}
}

func TestRelationships(t *testing.T) {
	h := newHome(t)
	h.grant("organization", h.other, "device", h.kitchen, "viewer")
	users := h.must("tokenA", "GET", "/access/devices/"+h.kitchen+"/users", nil)
	if got := fmt.Sprint(column(users, "name")); got != "[tokenA@example.com Ann Bob]" {
		t.Errorf("users of the kitchen: %s", got)
	}
	devices := results(h.must("tokenA", "GET", "/access/users/"+h.bob+"/devices", nil))
	slices.SortFunc(devices, func(a, b map[string]any) int { return strings.Compare(a["name"].(string), b["name"].(string)) })
	if len(devices) != 2 || devices[0]["name"] != "Kitchen" || devices[1]["name"] != "Lamp" {
		t.Fatalf("devices of Bob: %v", devices)
	}
	if got := fmt.Sprint(devices[0]["permissions"]); got != "[devices:read channels:read]" {
		t.Errorf("what Bob may do with the kitchen: %s", got)
	}
	if got := fmt.Sprint(column(h.must("ann", "GET", "/access/users/"+h.ann+"/devices", nil), "name")); got != "[Kitchen]" {
		t.Errorf("Ann's own devices: %s", got)
	}
	if a := h.call("tokenB", "GET", "/access/devices/"+h.kitchen+"/users", nil); a.status != 404 {
		t.Errorf("another account asks: %d", a.status)
	}
}

func TestDenialsAreTold(t *testing.T) {
	h := newHome(t)
	var told []Denial
	h.s.OnDenied(func(d Denial) { told = append(told, d) })
	h.call("ann", "GET", "/devices/"+h.lamp, nil)
	h.call("ann", "DELETE", "/devices/"+h.kitchen, nil)
	h.call("ann", "GET", "/devices/"+h.kitchen, nil)
	if len(told) != 2 {
		t.Fatalf("told of %d denials, want 2: %v", len(told), told)
	}
	for i, object := range []string{h.lamp, h.kitchen} {
		q := url.Values{"principal": {h.ann}, "action": {told[i].Action}, "object": {object}}
		if text := h.must("tokenA", "GET", "/access/explain?"+q.Encode(), nil)["text"]; text != told[i].Text || told[i].ID != object {
			t.Errorf("told %+v\nexplained %s", told[i], text)
		}
	}
}
