package blueprint

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"xively/internal/auth"
	"xively/internal/fault"
)

// TestScenarios: one row a request, in an account with one device D-1 of template Sensor.
func TestScenarios(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor", "temp:timeSeries")
	device := w.device(w.a, template, "D-1")
	channel := results(w.must("tokenA", "GET", "/channels/templates", nil))[0]["id"].(string)
	organizationTemplate := results(w.must("tokenA", "GET", "/organizations/templates", nil))[0]["id"].(string)
	w.tokens["device"] = auth.Principal{Kind: auth.Device, AccountID: w.a.account, ID: device}
	w.tokens["endUser"] = auth.Principal{Kind: auth.EndUser, AccountID: w.a.account, ID: uuid.NewString()}

	new := func(extra string) string {
		return fmt.Sprintf(`{"accountId":%q,"deviceTemplateId":%q%s}`, w.a.account, template, extra)
	}
	for _, row := range []struct {
		name, token, method, path, body string
		header                          []string
		status                          int
		want, unwanted                  []string
	}{
		{name: "no token", method: "GET", path: "/devices", status: 401},
		{name: "a device's own token", token: "device", method: "GET", path: "/devices", status: 403, want: []string{"account users"}, unwanted: []string{"D-1"}},
		{name: "an end user, for now", token: "endUser", method: "GET", path: "/devices/" + device, status: 403},
		{name: "create", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":"D-2","name":"Kitchen","template":{"id":1},"connected":true,"provisioningState":"associated","id":"x"`), status: 200,
			want:     []string{`{"device":{`, `"serialNumber":"D-2"`, `"name":"Kitchen"`, `"provisioningState":"defined"`, `"purchaseDate":null`, `"connected":false`, `/temp"`, `/_set/fields"`},
			unwanted: []string{`"message"`, `"template"`, `"id":"x"`, "secret"}},
		{name: "create with a form", token: "tokenA", method: "POST", path: "/devices", body: "deviceTemplateId=" + template + "&serialNumber=D-3&latitude=42.35&longitude=-71.05",
			header: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 200, want: []string{`"latitude":42.35`, `"longitude":-71.05`}},
		{name: "numbers as strings", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":4711,"latitude":"42.35"`), status: 200, want: []string{`"serialNumber":"4711"`, `"latitude":42.35`}},
		{name: "no serial number", token: "tokenA", method: "POST", path: "/devices", body: new(""), status: 400, want: []string{`"field":"serialNumber"`}},
		{name: "blank serial number", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":"  "`), status: 400, want: []string{`"field":"serialNumber"`}},
		{name: "serial number taken", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":"D-1"`), status: 409, want: []string{`"field":"serialNumber"`, "D-1"}},
		{name: "serial number with NUL", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":"a\u0000b"`), status: 400, want: []string{`"field":"serialNumber"`}},
		{name: "long serial number", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":"` + strings.Repeat("x", 257) + `"`), status: 400, want: []string{"256"}},
		{name: "latitude out of range", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":"D-9","latitude":90.1`), status: 400, want: []string{`"field":"latitude"`}},
		{name: "wrong type", token: "tokenA", method: "POST", path: "/devices", body: new(`,"serialNumber":["D-9"]`), status: 400, want: []string{`"field":"serialNumber"`}},
		{name: "unknown template", token: "tokenA", method: "POST", path: "/devices", body: `{"serialNumber":"D-9","deviceTemplateId":"` + uuid.NewString() + `"}`, status: 400, want: []string{`"field":"deviceTemplateId"`}},
		{name: "template of another kind", token: "tokenA", method: "POST", path: "/devices", body: `{"serialNumber":"D-9","deviceTemplateId":"` + organizationTemplate + `"}`, status: 400},
		{name: "channel moved to another template", token: "tokenA", method: "PUT", path: "/channels/templates/" + channel, body: `{"entityId":"` + w.template(w.a, "Another") + `"}`, status: 400, want: []string{`"field":"entityId"`, "cannot be changed"}},
		{name: "free topics taken back", token: "tokenA", method: "PUT", path: "/devices/templates/" + template, body: `{"freeTopics":[]}`, status: 200, want: []string{`"freeTopics":[]`}},
		{name: "free topics that are none", token: "tokenA", method: "PUT", path: "/devices/templates/" + template, body: `{"freeTopics":[1]}`, status: 400},
		{name: "account user with a bad userId", token: "tokenA", method: "POST", path: "/account-users", body: `{"userId":"ann"}`, status: 400, want: []string{`"field":"userId"`}},
		{name: "another account", token: "tokenA", method: "POST", path: "/devices", body: `{"accountId":"` + w.b.account + `","serialNumber":"D-9","deviceTemplateId":"` + template + `"}`, status: 404, want: []string{`"field":"accountId"`}},
		{name: "another account's list", token: "tokenA", method: "GET", path: "/devices?accountId=" + w.b.account, status: 404},
		{name: "an account that is no string", token: "tokenA", method: "POST", path: "/devices", body: `{"accountId":{},"serialNumber":"D-9"}`, status: 404},
		{name: "not JSON", token: "tokenA", method: "POST", path: "/devices", body: `{"serialNumber":`, header: []string{"Content-Type", "application/json"}, status: 400},
		{name: "a key twice", token: "tokenA", method: "POST", path: "/devices", body: `{"serialNumber":"x","serialNumber":"y"}`, status: 400},
		{name: "10,000 levels", token: "tokenA", method: "POST", path: "/devices", body: strings.Repeat(`{"a":`, 10000), status: 400},
		{name: "an array", token: "tokenA", method: "POST", path: "/devices", body: `[]`, status: 400},
		{name: "unknown id", token: "tokenA", method: "GET", path: "/devices/" + uuid.NewString(), status: 404},
		{name: "an id in capitals", token: "tokenA", method: "GET", path: "/devices/" + strings.ToUpper(device), status: 404},
		{name: "no id at all", token: "tokenA", method: "GET", path: "/devices/..%2F..", status: 404},
		{name: "an id of another noun", token: "tokenA", method: "GET", path: "/organizations/" + device, status: 404},
		{name: "sort by nonsense", token: "tokenA", method: "GET", path: "/devices?sortBy=colour", status: 400, want: []string{`"field":"sortBy"`}},
		{name: "page 0", token: "tokenA", method: "GET", path: "/devices?page=0", status: 400},
		{name: "a page past the end", token: "tokenA", method: "GET", path: "/devices?page=99", status: 200, want: []string{`"results":[]`}},
		{name: "template in use", token: "tokenA", method: "DELETE", path: "/devices/templates/" + template, status: 409, want: []string{"The device template “Sensor” is in use by", "devices (D-1, "}},
		{name: "template shows channels", token: "tokenA", method: "GET", path: "/devices/templates/" + template, status: 200, want: []string{`"channelTemplates":[{`, `"name":"temp"`, `"default":"false"`}},
		{name: "channel twice", token: "tokenA", method: "POST", path: "/channels/templates", body: `{"entityId":"` + template + `","entityType":"deviceTemplate","name":"temp"}`, status: 409, want: []string{`"field":"name"`}},
		{name: "channel with wildcard", token: "tokenA", method: "POST", path: "/channels/templates", body: `{"entityId":"` + template + `","entityType":"deviceTemplate","name":"a/+"}`, status: 400},
		{name: "channel of the platform", token: "tokenA", method: "POST", path: "/channels/templates", body: `{"entityId":"` + template + `","entityType":"deviceTemplate","name":"_log"}`, status: 400},
		{name: "channel latest", token: "tokenA", method: "POST", path: "/channels/templates", body: `{"entityId":"` + template + `","entityType":"deviceTemplate","name":"a/latest"}`, status: 400},
		{name: "channel of no kind of storing", token: "tokenA", method: "POST", path: "/channels/templates", body: `{"entityId":"` + template + `","entityType":"deviceTemplate","name":"x","persistenceType":"forever"}`, status: 400, want: []string{"simple, timeSeries"}},
		{name: "channel with blanks and slashes", token: "tokenA", method: "POST", path: "/channels/templates", body: `{"entityId":"` + template + `","entityType":"deviceTemplate","name":"Default Channel 3/x"}`, status: 200, want: []string{`"persistenceType":"simple"`}},
		{name: "channel of nothing", token: "tokenA", method: "POST", path: "/channels/templates", body: `{"entityId":"` + template + `","entityType":"device","name":"x"}`, status: 400, want: []string{`"field":"entityType"`}},
		{name: "free topic with wildcard first", token: "tokenA", method: "POST", path: "/devices/templates", body: `{"name":"x","freeTopics":["#"]}`, status: 400},
		{name: "free topic of the platform", token: "tokenA", method: "POST", path: "/devices/templates", body: `{"name":"x","freeTopics":["xi/#"]}`, status: 400},
		{name: "free topic malformed", token: "tokenA", method: "POST", path: "/devices/templates", body: `{"name":"x","freeTopics":["a/#/b"]}`, status: 400},
		{name: "last account user", token: "tokenB", method: "DELETE", path: "/account-users/" + w.b.p.ID, status: 409},
		{name: "account user by userId only", token: "tokenA", method: "POST", path: "/account-users", body: `{"userId":"` + uuid.NewString() + `"}`, status: 200, want: []string{`"accountUserTemplateId":"`}},
		{name: "account user twice", token: "tokenA", method: "POST", path: "/account-users", body: `{"userId":"` + w.a.p.UserID + `"}`, status: 409},
		{name: "credential of nothing", token: "tokenA", method: "POST", path: "/access/mqtt-credentials", body: `{"entityId":"` + uuid.NewString() + `","entityType":"device"}`, status: 404},
		{name: "credential of an unknown kind", token: "tokenA", method: "POST", path: "/access/mqtt-credentials", body: `{"entityId":"` + device + `","entityType":"toaster"}`, status: 400},
		{name: "credential of another kind", token: "tokenA", method: "POST", path: "/access/mqtt-credentials", body: `{"entityId":"` + device + `","entityType":"accountUser"}`, status: 404},
	} {
		t.Run(row.name, func(t *testing.T) {
			var body any
			if row.body != "" {
				body = row.body
			}
			got := w.call(row.token, row.method, row.path, body, row.header...)
			if got.status != row.status {
				t.Fatalf("%s %s %s: got %d %s, want %d", row.method, row.path, row.body, got.status, got.text, row.status)
			}
			for _, s := range row.want {
				if !strings.Contains(got.text, s) {
					t.Errorf("answer lacks %s: %s", s, got.text)
				}
			}
			for _, s := range row.unwanted {
				if strings.Contains(got.text, s) {
					t.Errorf("answer holds %s: %s", s, got.text)
				}
			}
		})
	}
}

func TestUpdateIsPartial(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor")
	id := w.device(w.a, template, "D-1")
	first := w.must("tokenA", "PUT", "/devices/"+id, map[string]any{"name": "Kitchen", "latitude": 1})
	second := w.must("tokenA", "PATCH", "/devices/"+id, map[string]any{"latitude": nil, "firmwareVersion": "1.4"})
	if second["name"] != "Kitchen" || second["latitude"] != nil || second["firmwareVersion"] != "1.4" || second["serialNumber"] != "D-1" {
		t.Errorf("after two partial updates: %v", second)
	}
	if first["version"] == second["version"] {
		t.Errorf("version stayed %v over a change", first["version"])
	}
	// Old clients send the whole object back, with what they read in it.
	same := w.must("tokenA", "PUT", "/devices/"+id, second)
	if same["version"] != second["version"] {
		t.Errorf("sending an object back changed its version from %v to %v", second["version"], same["version"])
	}
	if a := w.call("tokenA", "PUT", "/devices/"+id, map[string]any{"serialNumber": nil}); a.status != 400 {
		t.Errorf("taking a required value away: got %d, want 400", a.status)
	}
}

func TestETag(t *testing.T) {
	w := newWorld(t)
	id := w.device(w.a, w.template(w.a, "Sensor"), "D-1")
	version := w.must("tokenA", "GET", "/devices/"+id, nil)["version"].(string)

	// P19: of many writers with one version exactly one wins.
	var wins, stale int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			a := w.call("tokenA", "PUT", "/devices/"+id, map[string]any{"name": fmt.Sprint("n", i)}, "ETag", `"`+version+`"`)
			mu.Lock()
			defer mu.Unlock()
			switch a.status {
			case 200:
				wins++
			case 412:
				stale++
			default:
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
	wg.Wait()
	if wins != 1 || stale != 19 {
		t.Errorf("got %d winners and %d stale, want 1 and 19", wins, stale)
	}
	if a := w.call("tokenA", "DELETE", "/devices/"+id, nil, "etag", version); a.status != 412 {
		t.Errorf("delete with a stale etag: got %d, want 412", a.status)
	}
}

func TestSerialNumberRace(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor")
	statuses := make([]int, 50)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			statuses[i] = w.call("tokenA", "POST", "/devices", map[string]any{"deviceTemplateId": template, "serialNumber": "same"}).status
		})
	}
	wg.Wait()
	slices.Sort(statuses)
	if statuses[0] != 200 || statuses[1] != 409 || statuses[49] != 409 {
		t.Errorf("got %v, want one 200 and else 409", statuses)
	}
	if n := w.must("tokenA", "GET", "/devices", nil)["meta"].(map[string]any)["count"]; n != 1.0 {
		t.Errorf("%v devices after the race, want 1", n)
	}
	// A serial number is unique in its account only, and free again after a delete.
	w.device(w.b, w.template(w.b, "Sensor"), "same")
}

// TestBurst: many create at once, as Xively's simulator does when it provisions an account.
func TestBurst(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor", "temp")
	var all sync.WaitGroup
	for i := range 50 {
		for _, in := range []struct {
			path string
			body map[string]any
		}{
			{"/devices", map[string]any{"accountId": w.a.account, "deviceTemplateId": template, "serialNumber": fmt.Sprint("B-", i), "deviceTemplate": "Sensor", "organization": "x"}},
			{"/end-users", map[string]any{"accountId": w.a.account, "name": fmt.Sprint("user ", i), "endUserTemplate": "x"}},
			{"/channels/templates", map[string]any{"entityId": template, "entityType": "deviceTemplate", "name": fmt.Sprint("c", i), "persistenceType": "timeSeries"}},
		} {
			all.Go(func() {
				if a := w.call("tokenA", "POST", in.path, in.body); a.status != 200 {
					t.Errorf("POST %s: %d %s", in.path, a.status, a.text)
				}
			})
		}
	}
	all.Wait()
	for _, path := range []string{"/devices", "/end-users"} {
		if n := w.must("tokenA", "GET", path, nil)["meta"].(map[string]any)["count"]; n != 50.0 {
			t.Errorf("%s: %v after the burst, want 50", path, n)
		}
	}
	if problems, err := w.s.Verify(); err != nil || len(problems) != 0 {
		t.Errorf("verify: %v %v", problems, err)
	}
}

// TestIsolation (A12): for every noun and method, another account's id is answered exactly as an unknown one.
func TestIsolation(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor", "temp")
	device := w.device(w.a, template, "D-1")
	w.credential(w.a, "device", device)
	w.oneOfEach(w.a, device)
	for _, k := range w.s.kinds {
		list := w.must("tokenA", "GET", k.path, nil)
		if len(results(list)) == 0 {
			t.Fatalf("no %s to try with", k.many)
		}
		id := results(list)[0]["id"].(string)
		for _, try := range []struct{ method, suffix string }{{"GET", ""}, {"PUT", ""}, {"PATCH", ""}, {"DELETE", ""}, {"POST", "/recover"}} {
			foreign := w.call("tokenB", try.method, k.path+"/"+id+try.suffix, nil)
			unknown := w.call("tokenB", try.method, k.path+"/"+uuid.NewString()+try.suffix, nil)
			if foreign.status != 404 || withoutID(foreign.text) != withoutID(unknown.text) {
				t.Errorf("%s %s: foreign id got %d %s, unknown id %s", try.method, k.path, foreign.status, foreign.text, unknown.text)
			}
		}
		if strings.Contains(w.call("tokenB", "GET", k.path+"?pageSize=1000", nil).text, id) {
			t.Errorf("list of %s shows another account's", k.many)
		}
	}
	own := w.template(w.b, "Own")
	for _, body := range []map[string]any{
		{"deviceTemplateId": template, "serialNumber": "x"},
		{"deviceTemplateId": own, "serialNumber": "x", "organizationId": results(w.must("tokenA", "GET", "/organizations", nil))[0]["id"]},
	} {
		if a := w.call("tokenB", "POST", "/devices", body); a.status != 400 {
			t.Errorf("device referring to another account: got %d %s, want 400", a.status, a.text)
		}
	}
	if a := w.call("tokenB", "POST", "/access/mqtt-credentials", map[string]any{"entityId": device, "entityType": "device"}); a.status != 404 {
		t.Errorf("credential for another account's device: got %d, want 404", a.status)
	}
	if a := w.call("tokenB", "GET", "/devices?deviceTemplateId="+template, nil); !strings.Contains(a.text, `"count":0`) {
		t.Errorf("filter by another account's template: %s", a.text)
	}
}

// oneOfEach makes an object of every kind that an account does not begin with.
func (w *world) oneOfEach(tn *tenant, device string) {
	w.t.Helper()
	user := w.make(tn, "/end-users", map[string]any{"name": "Ann", "organizationId": results(w.must(tn.token, "GET", "/organizations", nil))[0]["id"]})
	for _, of := range []struct{ path, field string }{{"/devices", "deviceTemplateId"}, {"/end-users", "endUserTemplateId"}, {"/organizations", "organizationTemplateId"}} {
		template := results(w.must(tn.token, "GET", of.path+"/templates", nil))[0]["id"]
		w.make(tn, of.path+"/custom-fields", map[string]any{of.field: template, "name": "color", "fieldType": "string"})
	}
	w.make(tn, "/searches", map[string]any{"name": "all"})
	w.make(tn, "/access/roles", map[string]any{"name": "reader", "permissions": []string{"devices:read"}})
	w.make(tn, "/access/grants", map[string]any{"subjectType": "endUser", "subjectId": user, "objectType": "device", "objectId": device})
}

var requestID = regexp.MustCompile(`"requestId":"[^"]*"`)

func withoutID(s string) string { return requestID.ReplaceAllString(s, "") }

func TestDeleteAndRecover(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor", "temp:timeSeries", "mode")
	device := w.device(w.a, template, "D-1")
	secret := w.credential(w.a, "device", device)

	if got := w.must("tokenA", "DELETE", "/devices/"+device, nil); got["id"] != device {
		t.Errorf("delete answers %v", got)
	}
	if a := w.call("tokenA", "GET", "/devices/"+device, nil); a.status != 404 {
		t.Errorf("get after delete: %d", a.status)
	}
	if a := w.call("tokenA", "DELETE", "/devices/"+device, nil); a.status != 404 {
		t.Errorf("second delete: %d", a.status)
	}
	if _, err := w.login(device, device, secret); err == nil {
		t.Error("a deleted device signs in")
	}
	w.must("tokenA", "DELETE", "/devices/templates/"+template, nil)
	if n := w.must("tokenA", "GET", "/channels/templates", nil)["meta"].(map[string]any)["count"]; n != 0.0 {
		t.Errorf("%v channel templates left after their template's delete", n)
	}
	if a := w.call("tokenA", "POST", "/devices/"+device+"/recover", nil); a.status != 409 {
		t.Errorf("recover without its template: got %d %s, want 409", a.status, a.text)
	}
	w.must("tokenA", "POST", "/devices/templates/"+template+"/recover", nil)
	back := w.must("tokenA", "POST", "/devices/"+device+"/recover", nil)
	if n := len(back["channels"].([]any)); n != 6 {
		t.Errorf("%d channels after recover, want 2 and the 4 default ones", n)
	}
	if _, err := w.login(device, device, secret); err != nil {
		t.Errorf("sign in after recover: %v", err)
	}
	w.must("tokenA", "DELETE", "/devices/"+device, nil)
	w.device(w.a, template, "D-1")
	if a := w.call("tokenA", "POST", "/devices/"+device+"/recover", nil); a.status != 409 {
		t.Errorf("recover of a serial number in use: got %d, want 409", a.status)
	}
}

func TestDeleteAccountUser(t *testing.T) {
	w := newWorld(t)
	second := w.make(w.a, "/account-users", map[string]any{"userId": uuid.NewString(), "name": "Bob"})
	userID := w.must("tokenA", "GET", "/account-users/"+second, nil)["userId"].(string)
	p, err := w.s.UserPrincipal(w.a.account, userID)
	if err != nil || p != (auth.Principal{Kind: auth.AccountUser, AccountID: w.a.account, ID: second, UserID: userID}) {
		t.Fatalf("principal of the second user: %+v, %v", p, err)
	}
	if _, err := w.s.UserPrincipal(w.b.account, userID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the user in another account: %v, want NotFound", err)
	}
	var revoked []Revocation
	w.s.OnRevoke(func(r Revocation) { revoked = append(revoked, r) })
	if err := w.s.MayPublish(p, "home"); err != nil {
		t.Errorf("publish before: %v", err)
	}
	epoch := w.s.Epoch()
	w.must("tokenA", "DELETE", "/account-users/"+second, nil)
	p.SessionID = uuid.NewString() // signed in by token or not: both must go
	if len(revoked) != 1 || !revoked[0].Matches(p) || w.s.Epoch() == epoch {
		t.Errorf("delete revoked %+v, epoch %d after %d", revoked, w.s.Epoch(), epoch)
	}
	if err := w.s.MayPublish(p, "home"); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("publish after: %v, want Forbidden", err)
	}
	if _, err := w.s.UserPrincipal(w.a.account, userID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("principal after: %v, want NotFound", err)
	}
}

func TestOrganizationTree(t *testing.T) {
	w := newWorld(t)
	template := results(w.must("tokenA", "GET", "/organizations/templates", nil))[0]["id"]
	parent, chain := any(nil), []string{}
	for i := range 5 {
		id := w.make(w.a, "/organizations", map[string]any{"name": fmt.Sprint("level ", i), "organizationTemplateId": template, "parentId": parent})
		parent, chain = id, append(chain, id)
	}
	refused := func(what string, a answer) {
		t.Helper()
		if a.status != 400 || !strings.Contains(a.text, `"field":"parentId"`) {
			t.Errorf("%s: got %d %s, want 400 at parentId", what, a.status, a.text)
		}
	}
	refused("a sixth level", w.call("tokenA", "POST", "/organizations", map[string]any{"name": "x", "organizationTemplateId": template, "parentId": parent}))
	refused("into itself", w.call("tokenA", "PUT", "/organizations/"+chain[0], map[string]any{"parentId": chain[0]}))
	refused("into its child's child", w.call("tokenA", "PUT", "/organizations/"+chain[0], map[string]any{"parentId": chain[2]}))
	root := w.make(w.a, "/organizations", map[string]any{"name": "root 2", "organizationTemplateId": template})
	refused("a tree of five below a root", w.call("tokenA", "PUT", "/organizations/"+chain[0], map[string]any{"parentId": root}))
	w.must("tokenA", "PUT", "/organizations/"+chain[1], map[string]any{"parentId": root})
	if got := column(w.must("tokenA", "GET", "/organizations?parentId=null&sortBy=name", nil), "name"); !slices.Equal(got, []string{"Acme tokenA", "level 0", "root 2"}) {
		t.Errorf("roots: %q", got)
	}
	device := w.template(w.a, "Sensor")
	for i := range 5 {
		w.make(w.a, "/devices", map[string]any{"deviceTemplateId": device, "serialNumber": fmt.Sprint("D-", i), "organizationId": root})
	}
	w.make(w.a, "/end-users", map[string]any{"name": "Ann", "organizationId": root})
	// Which three devices are named is open: what was created in one millisecond stands in the order of its ids.
	want := regexp.MustCompile(`^The group “root 2” is not empty: in it are 1 group \(level 1\), 5 devices \(D-[0-4], D-[0-4], D-[0-4], …\) and 1 end user \(Ann\)\. Move or delete those first\.$`)
	if a := w.call("tokenA", "DELETE", "/organizations/"+root, nil); a.status != 409 || !want.MatchString(fmt.Sprint(a.body["message"])) {
		t.Errorf("delete of an organization that is not empty: got %d %s, want 409 %s", a.status, a.text, want)
	}
}

// TestRecoverEveryKind: what every noun's objects are after a delete and a recover is what they were.
func TestRecoverEveryKind(t *testing.T) {
	h := newHome(t)
	h.oneOfEach(h.a, h.kitchen)
	h.credential(h.a, "device", h.kitchen)
	h.make(h.a, "/organizations", map[string]any{"name": "Empty", "parentId": h.home,
		"organizationTemplateId": results(h.must("tokenA", "GET", "/organizations/templates", nil))[0]["id"]})
	for _, k := range h.s.kinds {
		if k.given {
			continue
		}
		done := 0
		for _, o := range results(h.must("tokenA", "GET", k.path+"?pageSize=100", nil)) {
			path := k.path + "/" + o["id"].(string)
			a := h.call("tokenA", "DELETE", path, nil)
			if a.status == 409 {
				continue // in use
			}
			if a.status != 200 {
				t.Errorf("DELETE %s: %d %s", path, a.status, a.text)
			}
			if a := h.call("tokenA", "GET", path, nil); a.status != 404 {
				t.Errorf("GET %s after its delete: %d", path, a.status)
			}
			h.must("tokenA", "POST", path+"/recover", nil)
			back := h.must("tokenA", "GET", path, nil)
			for name, was := range o {
				if name != "version" && name != "lastModified" && !reflect.DeepEqual(back[name], was) {
					t.Errorf("%s: %s was %v and is %v", path, name, was, back[name])
				}
			}
			done++
			break
		}
		if done == 0 {
			t.Logf("every %s is in use", k.title)
			switch k.one {
			case "accountUserTemplate", "endUserTemplate", "organizationTemplate": // each has one, which is in use
			default:
				t.Errorf("no %s was deleted", k.title)
			}
		}
	}
	if problems, err := h.s.Verify(); err != nil || len(problems) != 0 {
		t.Errorf("verify: %v, %v", problems, err)
	}
}
