package blueprint

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSearch(t *testing.T) {
	h := newHome(t)
	h.must("tokenA", "PUT", "/devices/"+h.kitchen, map[string]any{"tags": []string{"roof"}, "latitude": 47, "longitude": 8, "firmwareVersion": "1.4.2"})
	h.s.SetConnected(h.lamp, true, time.Now(), "203.0.113.9")
	list := func(token, q string) string {
		t.Helper()
		return fmt.Sprint(column(h.must(token, "GET", "/devices?sortBy=name&q="+url.QueryEscape(q), nil), "name"))
	}
	for q, want := range map[string]string{"kit*": "[Kitchen]", "name:Lamp": "[Lamp]", "connected:true": "[Lamp]", "NOT connected:true": "[Kitchen Loose]",
		"tag:roof": "[Kitchen]", "latitude:>40": "[Kitchen]", "near:47,8,10": "[Kitchen]", "lamp OR loose": "[Lamp Loose]", "provisioningState:defined": "[Kitchen Lamp Loose]"} {
		if got := list("tokenA", q); got != want {
			t.Errorf("q=%s: got %s, want %s", q, got, want)
		}
	}
	if got := list("ann", "connected:true OR kitchen"); got != "[Kitchen]" {
		t.Errorf("a search went past Ann's rights: %s", got)
	}
	if a := h.call("tokenA", "GET", "/devices?q="+url.QueryEscape("(name:x"), nil); a.status != 400 || !strings.Contains(a.text, `"field":"q"`) || !strings.Contains(a.text, "At character") {
		t.Errorf("a broken query: %d %s", a.status, a.text)
	}
	if a := h.call("tokenA", "GET", "/devices?q=colour:red", nil); a.status != 400 || !strings.Contains(a.text, "colour") {
		t.Errorf("an unknown field: %d %s", a.status, a.text)
	}
	facets := h.must("tokenA", "GET", "/devices?facets=connected,organizationId&pageSize=1", nil)["facets"].(map[string]any)
	if got := fmt.Sprint(facets["connected"]); !strings.Contains(got, "count:1") || !strings.Contains(got, "count:2") {
		t.Errorf("facets: %v", facets)
	}
	h.s.SetConnected(h.lamp, false, time.Now(), "")
	if got := list("tokenA", "connected:true"); got != "[]" {
		t.Errorf("after the disconnect: %s", got)
	}

	all := h.must("tokenA", "GET", "/search?q=ann+OR+kitchen+OR+home", nil)
	if got := fmt.Sprint(column(all, "name")); got != "[Kitchen Ann Home]" || all["counts"].(map[string]any)["device"] != 1.0 {
		t.Errorf("search of all kinds: %v", all)
	}
	if got := fmt.Sprint(column(h.must("bob", "GET", "/search?q=ann+OR+kitchen+OR+lamp", nil), "name")); got != "[Lamp]" {
		t.Errorf("Bob's search: %s", got)
	}
	hints := h.must("ann", "GET", "/search/suggest?kind=device&q=name:", nil)
	if got := fmt.Sprint(hints["results"]); !strings.Contains(got, "Kitchen") || strings.Contains(got, "Lamp") {
		t.Errorf("Ann's suggestions: %s", got)
	}
	saved := h.make(h.a, "/searches", map[string]any{"name": "Roof", "query": "tag:roof"})
	if got := fmt.Sprint(column(h.must("tokenA", "GET", "/searches/"+saved+"/results", nil), "name")); got != "[Kitchen]" {
		t.Errorf("a saved search: %s", got)
	}
	h.must("tokenA", "PUT", "/devices/"+h.loose, map[string]any{"tags": "roof"})
	if got := len(results(h.must("tokenA", "GET", "/searches/"+saved+"/results", nil))); got != 2 {
		t.Errorf("the saved search finds %d after a change, want 2", got)
	}
	if a := h.call("tokenA", "POST", "/searches", map[string]any{"name": "Bad", "query": "("}); a.status != 400 || !strings.Contains(a.text, `"field":"query"`) {
		t.Errorf("saving a broken query: %d %s", a.status, a.text)
	}
	if a := h.call("ann", "GET", "/searches/"+saved+"/results", nil); a.status != 403 {
		t.Errorf("Ann uses an admin's saved search: %d", a.status)
	}
}

// A saved search has members called sortBy and sortOrder: a list that is sorted must not be filtered by them.
func TestSavedSearchesSorted(t *testing.T) {
	h := newHome(t)
	for _, name := range []string{"b", "a"} {
		h.must("tokenA", "POST", "/searches", map[string]any{"name": name, "kind": "device", "query": "x"})
	}
	list := results(h.must("tokenA", "GET", "/searches?sortBy=name&sortOrder=desc", nil))
	if len(list) != 2 || list[0]["name"] != "b" {
		t.Errorf("sorted: %v", list)
	}
}
