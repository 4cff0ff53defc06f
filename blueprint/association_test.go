package blueprint

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAssociation(t *testing.T) {
	h := newHome(t)
	code := func(device string) string {
		a := h.call("tokenA", "POST", "/association/create-association-code", map[string]any{"deviceId": device})
		c, _ := a.body["associationCode"].(string)
		if a.status != 200 || len(a.body) != 1 || c == "" {
			t.Fatalf("create code: %d %s", a.status, a.text)
		}
		return c
	}
	first := code(h.loose)
	second := code(h.loose)
	for _, row := range []struct {
		name, token string
		body        map[string]any
		status      int
	}{
		{"no code", "ann", map[string]any{"endUserId": h.ann}, 400},
		{"malformed", "ann", map[string]any{"associationCode": "xx", "endUserId": h.ann}, 400},
		{"replaced", "ann", map[string]any{"associationCode": first, "endUserId": h.ann}, 404},
		{"for another", "ann", map[string]any{"associationCode": second, "endUserId": h.bob}, 404},
		{"for nobody", "ann", map[string]any{"associationCode": second}, 400},
		{"in no organization", "zoe", map[string]any{"associationCode": second, "endUserId": h.zoe}, 422},
		{"of another account", "tokenB", map[string]any{"associationCode": second, "endUserId": h.ann}, 404},
		{"as typed", "ann", map[string]any{"associationCode": strings.ToLower(strings.ReplaceAll(second, "-", " ")), "endUserId": h.ann}, 200},
		{"used", "ann", map[string]any{"associationCode": second, "endUserId": h.ann}, 404},
	} {
		a := h.call(row.token, "POST", "/association/start-association-with-code", row.body)
		if a.status != row.status || row.status == 200 && a.body["deviceId"] != h.loose {
			t.Errorf("%s: got %d %s, want %d", row.name, a.status, a.text, row.status)
		}
	}
	got := h.must("ann", "GET", "/devices/"+h.loose, nil)
	if got["organizationId"] != h.home || got["provisioningState"] != associated {
		t.Errorf("after the association: %v in %v", got["provisioningState"], got["organizationId"])
	}
	h.credential(h.a, "device", h.loose)
	if got := h.must("ann", "GET", "/devices/"+h.loose, nil)["provisioningState"]; got != associated {
		t.Errorf("a credential made it %v", got)
	}
	if a := h.call("ann", "POST", "/association/create-association-code", map[string]any{"deviceId": h.kitchen}); a.status != 403 {
		t.Errorf("an end user makes a code: %d %s", a.status, a.text)
	}
	a := h.call("tokenA", "POST", "/association/start-association-with-code", map[string]any{"associationCode": code(h.lamp), "organizationId": h.upstairs})
	if a.status != 200 {
		t.Errorf("into an organization: %d %s", a.status, a.text)
	}
}

func TestAssociationCodeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		code := h.call("tokenA", "POST", "/association/create-association-code", map[string]any{"deviceId": h.loose}).body["associationCode"]
		time.Sleep(31 * 24 * time.Hour)
		a := h.call("ann", "POST", "/association/start-association-with-code", map[string]any{"associationCode": code, "endUserId": h.ann})
		if a.status != 404 {
			t.Errorf("an old code: got %d %s", a.status, a.text)
		}
	})
}
