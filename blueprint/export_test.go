package blueprint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
)

// lines are an export without its header.
func (w *world) export(t *testing.T, token, query string) []string {
	t.Helper()
	a := w.call(token, "GET", "/export?"+query, nil)
	lines := strings.Split(strings.TrimSpace(a.text), "\n")
	if a.status != 200 || !strings.Contains(lines[0], `"export":"xively blueprint"`) {
		t.Fatalf("export: %d %s", a.status, a.text)
	}
	return lines[1:]
}

func TestExportAndImport(t *testing.T) {
	h := newHome(t)
	h.make(h.a, "/devices/custom-fields", map[string]any{"deviceTemplateId": h.template, "name": "height", "fieldType": "number"})
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"height": 1.25, "tags": []string{"a", "b"}, "purchaseDate": "2015-04-01"})
	h.grant("endUser", h.bob, "device", h.kitchen, "operator", "channels", []string{"temp"})
	h.grant("accountUser", h.max, "device", h.kitchen, "viewer")
	secret := h.credential(h.a, "device", h.kitchen)
	h.must("tokenA", "DELETE", "/devices/"+h.lamp, nil)
	h.grant("endUser", h.bob, "savedSearch", h.make(h.a, "/searches", map[string]any{"name": "Kitchens", "query": "kitch*"}), "viewer")
	h.must("tokenA", "PUT", "/accounts/"+h.a.account, map[string]any{"name": "Acme Ltd"})
	h.credential(h.a, "accountUser", h.max)
	h.s.SetConnected(h.kitchen, true, time.Now(), "203.0.113.9")
	code := h.call("tokenA", "POST", "/association/create-association-code", map[string]any{"deviceId": h.loose}).body["associationCode"]

	file := h.call("tokenA", "GET", "/export?credentials=true", nil).text
	if strings.Contains(file, secret) || strings.Contains(h.call("tokenA", "GET", "/export", nil).text, "hashes") {
		t.Error("the export holds what it must not")
	}
	want := h.export(t, "tokenA", "credentials=true")

	other := newWorld(t)
	bad := h.call("tokenB", "POST", "/import", file)
	if bad.status != 409 || !strings.Contains(bad.text, "another account") {
		t.Errorf("ids of another account of the same server: %d %s", bad.status, bad.text)
	}
	before := strings.Join(other.export(t, "tokenA", ""), "\n")
	other.must("tokenA", "POST", "/import?replace=true&dryRun=true", file)
	if after := strings.Join(other.export(t, "tokenA", ""), "\n"); after != before {
		t.Errorf("a dry run changed something:\n%s\n%s", before, after)
	}
	r := other.must("tokenA", "POST", "/import?replace=true", file)
	if r["lines"] != float64(len(want)) || r["updated"] != 1.0 { // the account's name
		t.Errorf("import: %v", r)
	}
	// The importing admin, who is not in the file, stays; the account's id is the installation's own.
	same := func(lines []string, account string, without ...string) string {
		lines = slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
			return slices.ContainsFunc(without, func(s string) bool { return strings.Contains(l, s) }) || strings.HasPrefix(l, `{"kind":"account",`)
		})
		return strings.ReplaceAll(strings.Join(lines, "\n"), account, "ACCOUNT")
	}
	got := other.export(t, "tokenA", "credentials=true")
	if got, want := same(got, other.a.account, other.a.p.ID), same(want, h.a.account); got != want {
		t.Errorf("after the import:\n%s\nwant\n%s", got, want)
	}
	if name := other.must("tokenA", "GET", "/accounts/"+other.a.account, nil)["name"]; name != "Acme Ltd" {
		t.Errorf("the account is named %v", name)
	}
	if a := other.call("ann", "POST", "/association/start-association-with-code", nil); a.status != 401 {
		t.Errorf("somebody of the other installation: %d", a.status)
	}
	other.tokens["ann"] = auth.Principal{Kind: auth.EndUser, AccountID: other.a.account, ID: h.ann}
	if a := other.call("ann", "POST", "/association/start-association-with-code", map[string]any{"associationCode": code, "endUserId": h.ann}); a.status != 200 {
		t.Errorf("a printed code: %d %s", a.status, a.text)
	}
	if p, err := other.login(h.kitchen, "", secret); err != nil || p.AccountID != other.a.account {
		t.Errorf("the device signs in with its old secret: %v, %v", p, err)
	}
	if problems, err := other.s.Verify(); err != nil || len(problems) != 0 {
		t.Errorf("verify: %v %v", problems, err)
	}
	again := other.must("tokenA", "POST", "/import", file)
	if again["created"] != 0.0 || again["updated"] != 1.0 { // the device that was associated since
		t.Errorf("the same file again: %v", again)
	}
	if a := other.call("tokenA", "POST", "/import?replace=true", file); a.status != 409 {
		t.Errorf("replacing an account with devices: %d %s", a.status, a.text)
	}
	for _, bad := range []string{"", "{}\n", `{"export":"xively blueprint","form":9}`, strings.Split(file, "\n")[0] + "\nnonsense",
		strings.Split(file, "\n")[0] + "\n" + `{"kind":"accountUser","id":"3f0c2a10-7c11-41e6-9a5e-7b1d2c3e4f50"}`,
		strings.Split(file, "\n")[0] + "\n" + `{"kind":"device","id":"x"}`} {
		if a := other.call("tokenB", "POST", "/import", bad); a.status != 400 && bad != "" {
			t.Errorf("%q: got %d %s", bad, a.status, a.text)
		}
	}
	if a := h.call("ann", "GET", "/export", nil); a.status != 403 {
		t.Errorf("an end user exports: %d", a.status)
	}
}

func TestExportDevices(t *testing.T) {
	h := newHome(t)
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"tags": []string{"a", "b"}, "name": "Kit,chen", "latitude": 1.5})
	a := h.call("tokenA", "GET", "/devices/export?sortBy=serialNumber", nil)
	lines := strings.Split(a.text, "\n")
	if a.status != 200 || len(lines) != 5 || !strings.HasPrefix(lines[1], `S-1,Sensor,Home / Upstairs,`) {
		t.Fatalf("export: %d\n%s", a.status, a.text)
	}
	r := h.importCSV(t, "", a.text)
	if got := tally(r); got != "created 0 updated 0 unchanged 3 refused 0 skipped 0" {
		t.Errorf("the export imported again: %v", r)
	}
	if got := h.call("ann", "GET", "/devices/export", nil).text; strings.Count(got, "\n") != 2 {
		t.Errorf("Ann's export: %s", got)
	}
	if got := h.call("tokenA", "GET", "/devices/export?serialNumber=S-2", nil).text; strings.Count(got, "\n") != 2 {
		t.Errorf("a filtered export: %s", got)
	}
}

func TestVerifyAndRebuild(t *testing.T) {
	h := newHome(t)
	check := func(want int) {
		t.Helper()
		problems, err := h.s.Verify()
		if err != nil || (len(problems) == 0) != (want == 0) {
			t.Errorf("verify: %v, %v", problems, err)
		}
	}
	check(0)
	h.s.finder.index(h.a.account).Delete("device", h.kitchen)
	check(1)
	if err := h.s.Rebuild(); err != nil {
		t.Fatal(err)
	}
	check(0)
	if got := fmt.Sprint(column(h.must("tokenA", "GET", "/devices?q=kitch*", nil), "name")); got != "[Kitchen]" {
		t.Errorf("after rebuild: %s", got)
	}
}

func TestPositions(t *testing.T) {
	h := newHome(t)
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"name": "Kitchen", "latitude": 1.5, "longitude": -2})
	positions := func(who, query string) (count float64, list []any) {
		t.Helper()
		p := h.must(who, "GET", "/devices/positions"+query, nil)
		return p["count"].(float64), p["results"].([]any)
	}
	n, list := positions("tokenA", "")
	if n != 3 || len(list) != 1 {
		t.Fatalf("positions: %v of %v", list, n)
	}
	if p := list[0].(map[string]any); p["id"] != h.kitchen || p["name"] != "Kitchen" || p["latitude"] != 1.5 || p["longitude"] != -2.0 || p["byAddress"] != false || p["connected"] != false {
		t.Errorf("position: %v", p)
	}
	if n, list := positions("tokenA", "?q=serialNumber:S-2"); n != 1 || len(list) != 0 {
		t.Errorf("positions of a query: %v of %v", list, n)
	}
	if n, _ := positions("ann", ""); n != 1 {
		t.Errorf("Ann sees positions of %v devices, and one device is hers", n)
	}
	if a := h.call("tokenA", "GET", "/devices/positions?q=(", nil); a.status != 400 {
		t.Errorf("a wrong query: %d", a.status)
	}
}
