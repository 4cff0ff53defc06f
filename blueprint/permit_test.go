package blueprint

import (
	"cmp"
	"flag"
	"fmt"
	"net/url"
	"os"
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
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"organizationId": h.other}, 403, "into another place"},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"organizationId": nil}, 403, "another place"},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"deviceTemplateId": h.template}, 200, ""},
		{"ann", "GET", "/organizations/" + h.upstairs, nil, 200, "Upstairs"},
		{"ann", "GET", "/organizations/" + h.other, nil, 404, ""},
		{"ann", "PUT", "/organizations/" + h.upstairs, map[string]any{"name": "x"}, 403, "(organizations:update)"},
		{"ann", "GET", "/end-users/" + h.ann, nil, 200, "Ann"},
		{"ann", "PUT", "/end-users/" + h.ann, map[string]any{"phoneNumber": "1"}, 200, ""},
		{"ann", "PUT", "/end-users/" + h.ann, map[string]any{"organizationId": h.other}, 403, "of the own record, end users change only name"},
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
		{ann, "publish", channel(h.kitchen, "_updates/fields"), "only the platform publishes there"},
		{ann, "publish", channel(h.lamp, "temp"), "Ann may not publish to the channel “temp” of the device “Lamp”: Ann reaches the group “Home” and what is below it; the device is in the group “Other”"},
		{ann, "publish", channel(h.loose, "temp"), "the device is in no group"},
		{ann, "publish", "free", "free topics"},
		{ann, "publish", "xi/ctrl/v1/" + h.kitchen + "/cln", "control topics"},
		{ann, "subscribe", temp, ""},
		{ann, "subscribe", channel(h.kitchen, "#"), ""},
		{ann, "subscribe", "xi/blue/v1/" + h.a.account + "/#", ""},
		{ann, "subscribe", "xi/blue/v1/" + h.b.account + "/#", "Subscribe to xi/blue/v1/"},
		{ann, "subscribe", "#", "Subscribe to xi/blue/v1/"},
		{ann, "subscribe", "xi/#", "Subscribe to xi/blue/v1/"},
		{ann, "subscribe", "$SYS/#", "for admins"},
		{ann, "subscribe", channel(h.lamp, "temp"), "Ann may not receive from"},
		{ann, "receive", temp, ""},
		{ann, "receive", channel(h.lamp, "temp"), "may not receive from"},
		{bob, "receive", channel(h.kitchen, "mode"), ""},
		{bob, "receive", temp, "but for the channel “mode” only"},
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
		if err := h.s.MayReceive(h.tokens["bob"], temp); err == nil || !strings.Contains(err.Error(), "and that is over") {
			t.Errorf("after its end: %v", err)
		}
	})
}

var update = flag.Bool("update", false, "write testdata anew")

// TestExplain compares the words of explain with testdata/explain.txt, which is there to be read by people: would a good
// colleague say it so? -update writes it anew.
func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.grant("endUser", h.bob, "device", h.kitchen, "viewer", "channels", []string{"mode"})
		h.grant("organization", h.home, "organization", h.other, "viewer")
		h.grant("accountUser", h.max, "device", h.lamp, "operator", "expires", "2000-03-01T12:00:00Z")
		h.grant("endUser", h.zoe, "savedSearch", h.make(h.a, "/searches", map[string]any{"name": "Broken", "query": "tag:broken"}), "viewer")
		time.Sleep(100 * 24 * time.Hour)
		temp, topic := channelTopic(h.a.account, h.kitchen, "temp"), func(device, channel string) string { return channelTopic(h.a.account, device, channel) }
		var out strings.Builder
		denied := 0
		for _, row := range []struct{ principal, action, object string }{
			{h.a.p.ID, "delete", h.kitchen},
			{h.ann, "read", h.kitchen},
			{h.ann, "read", h.lamp},
			{h.bob, "read", h.kitchen},
			{h.ann, "update", h.ann},
			{h.ann, "delete", h.kitchen},
			{h.ann, "update", h.lamp},
			{h.ann, "read", h.loose},
			{h.bob, "read", h.ann},
			{h.zoe, "read", h.kitchen},
			{h.max, "read", h.upstairs},
			{h.max, "update", h.lamp},
			{h.ann, "share", h.home},
			{h.ann, "read", h.template},
			{h.bob, "subscribe", temp},
			{h.ann, "publish", topic(h.kitchen, "_updates/fields")},
			{h.ann, "subscribe", "#"},
			{h.ann, "publish", "sensors/1"},
			{h.a.p.ID, "publish", topic(h.kitchen, "humidity")},
			{h.a.p.ID, "receive", channelTopic(h.b.account, h.kitchen, "temp")},
			{h.kitchen, "publish", temp},
			{h.kitchen, "publish", topic(h.lamp, "temp")},
			{h.kitchen, "publish", topic(h.kitchen, "humidity")},
			{h.kitchen, "subscribe", "xi/blue/v1/" + h.a.account + "/#"},
			{h.kitchen, "publish", "sensors/1"},
			{h.kitchen, "update", h.kitchen},
		} {
			q := url.Values{"principal": {row.principal}, "action": {row.action}, "object": {row.object}}
			got := h.must("tokenA", "GET", "/access/explain?"+q.Encode(), nil)
			way := []string{}
			for _, s := range got["path"].([]any) {
				step := s.(map[string]any)
				way = append(way, strings.TrimSpace(fmt.Sprint(step["kind"], " ", step["name"], " ", cmp.Or(step["leads"], any("")))))
			}
			if len(way) == 0 {
				t.Errorf("%s: no path", got["text"])
			}
			answer := "yes"
			if got["allowed"] != true {
				answer = "no "
				denied++
			}
			fmt.Fprintf(&out, "%s %s\n    way: %s\n", answer, got["text"], strings.Join(way, " → "))
			if missing, _ := got["missing"].(string); missing != "" {
				fmt.Fprintf(&out, "    missing: %s\n", missing)
			}
		}
		text := strings.NewReplacer(h.a.account, "ACCOUNT", h.b.account, "OTHER", h.kitchen, "KITCHEN", h.lamp, "LAMP").Replace(out.String())
		if denied < 15 {
			t.Errorf("only %d denials", denied)
		}
		const file = "testdata/explain.txt"
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != text {
			t.Errorf("the words differ from %s (%v); if they are better now, run with -update:\n%s", file, err, text)
		}
	})
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

// TestDenialsAreTold: every refusal over REST is told with the words of its answer, or, where the answer must not tell
// that the object is there, with those of explain.
func TestDenialsAreTold(t *testing.T) {
	h := newHome(t)
	var told []Denial
	h.s.OnDenied(func(d Denial) { told = append(told, d) })
	explained := func(d Denial) string {
		q := url.Values{"principal": {d.Principal.ID}, "action": {d.Action}, "object": {d.ID}}
		return h.must("tokenA", "GET", "/access/explain?"+q.Encode(), nil)["text"].(string)
	}
	sharer := h.make(h.a, "/access/roles", map[string]any{"name": "sharer", "permissions": []string{"devices:read", "devices:share"}})
	h.grant("accountUser", h.max, "device", h.lamp, "", "roleId", sharer)
	h.call("ann", "GET", "/devices/"+h.kitchen, nil)
	if len(told) != 0 {
		t.Fatalf("told of what was allowed: %v", told)
	}
	for _, row := range []struct {
		token, method, path string
		body                map[string]any
		hidden              bool
	}{
		{"ann", "GET", "/devices/" + h.lamp, nil, true},
		{"ann", "PUT", "/devices/" + h.lamp, map[string]any{"name": "x"}, true},
		{"ann", "DELETE", "/devices/" + h.kitchen, nil, false},
		{"ann", "POST", "/devices", map[string]any{"deviceTemplateId": h.template, "serialNumber": "S-9", "organizationId": h.home}, false},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"organizationId": nil}, false},
		{"ann", "PUT", "/devices/" + h.kitchen, map[string]any{"deviceTemplateId": h.template2()}, false},
		{"ann", "PUT", "/end-users/" + h.ann, map[string]any{"organizationId": h.home, "userId": "11111111-2222-4333-8444-555555555556"}, false},
		{"ann", "GET", "/devices/templates", nil, false},
		{"ann", "GET", "/access/devices/" + h.kitchen + "/users", nil, false},
		{"ann", "GET", "/access/explain?action=read&object=" + h.kitchen + "&principal=" + h.bob, nil, false},
		{"ann", "GET", "/audit", nil, false},
		{"ann", "GET", "/export", nil, false},
		{"ann", "POST", "/access/mqtt-credentials", map[string]any{"entityId": h.kitchen, "entityType": "device"}, false},
		{"ann", "POST", "/access/grants", map[string]any{"subjectType": "endUser", "subjectId": h.bob, "objectType": "device", "objectId": h.kitchen}, false},
		{"max", "POST", "/access/grants", map[string]any{"subjectType": "endUser", "subjectId": h.zoe, "objectType": "device", "objectId": h.lamp, "role": "owner"}, false},
		{"max", "GET", "/accounts", nil, false},
	} {
		told = nil
		a := h.call(row.token, row.method, row.path, row.body)
		if len(told) != 1 {
			t.Errorf("%s: %s %s: %d %s: told of %d denials", row.token, row.method, row.path, a.status, a.text, len(told))
			continue
		}
		text := fmt.Sprint(a.body["message"])
		if row.hidden {
			if text = explained(told[0]); a.status != 404 || strings.Contains(a.text, text) {
				t.Errorf("%s %s: %d %s", row.method, row.path, a.status, a.text)
			}
		} else if a.status != 403 {
			t.Errorf("%s %s: %d %s", row.method, row.path, a.status, a.text)
		}
		if told[0].Text != text {
			t.Errorf("%s %s: told    %s\nanswered %s", row.method, row.path, told[0].Text, text)
		}
	}
}

func (h *home) template2() string { return h.world.template(h.a, "Other") }
