package blueprint

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestIsolationOfEveryRoute walks the router: with another account's ids in the path, the query and the body, no route
// answers with anything of that account, and none changes it.
func TestIsolationOfEveryRoute(t *testing.T) {
	h := newHome(t)
	h.oneOfEach(h.a, h.kitchen)
	h.credential(h.a, "device", h.kitchen)
	foreign := map[string]string{} // one id of every kind
	for _, k := range h.s.kinds {
		foreign[k.one] = results(h.must("tokenA", "GET", k.path, nil))[0]["id"].(string)
	}
	entry := results(h.must("tokenA", "GET", "/audit", nil))[0]["id"].(string)
	job := h.importCSV(t, "dryRun=true", "serialNumber\nS-1\n")["id"].(string)
	code := h.call("tokenA", "POST", "/association/create-association-code", map[string]any{"deviceId": h.loose}).body["associationCode"]
	before := strings.Join(h.export(t, "tokenA", ""), "\n")

	secretOfA := append([]string{entry, job, "Kitchen", "Upstairs"}, h.a.account)
	for _, id := range foreign {
		secretOfA = append(secretOfA, id)
	}
	body := map[string]any{"endUserId": h.ann, "organizationId": h.home, "deviceId": h.kitchen, "associationCode": code, "entityId": h.kitchen, "entityType": "device",
		"deviceTemplateId": h.template, "serialNumber": "stolen", "subjectType": "endUser", "subjectId": h.ann, "objectType": "device", "objectId": h.kitchen}
	tried := 0
	for _, route := range h.e.Routes() {
		path := strings.TrimPrefix(route.Path, "/api/v1")
		if strings.Contains(path, "*") || strings.HasPrefix(path, "/import") {
			continue // the catch-all of the group; imports have their own tests
		}
		ids := []string{""}
		if strings.Contains(path, ":id") {
			ids = []string{entry, job}
			for _, id := range foreign {
				ids = append(ids, id)
			}
		}
		for _, id := range ids {
			q := url.Values{"principal": {h.ann}, "action": {"read"}, "object": {h.kitchen}, "objectId": {h.kitchen}, "q": {"kitchen"}, "kind": {"device"},
				"organizationId": {h.home}, "deviceTemplateId": {h.template}, "expand": {"organization"}}
			if !strings.Contains(path, "devices") {
				q.Del("expand")
			}
			var in any
			if route.Method != http.MethodGet {
				in = body
			}
			a := h.call("tokenB", route.Method, strings.Replace(path, ":id", id, 1)+"?"+q.Encode(), in)
			tried++
			if a.status >= 500 || id != "" && a.status < 400 {
				t.Errorf("%s %s with %s: %d %s", route.Method, path, id, a.status, a.text)
			}
			if i := slices.IndexFunc(secretOfA, func(s string) bool { return strings.Contains(a.text, s) && a.status < 400 }); i >= 0 {
				t.Errorf("%s %s shows %s: %s", route.Method, path, secretOfA[i], a.text)
			}
		}
	}
	if after := strings.Join(h.export(t, "tokenA", ""), "\n"); after != before {
		t.Error("something of the account was changed by another")
	}
	if tried < 500 {
		t.Errorf("only %d requests were tried", tried)
	}
}
