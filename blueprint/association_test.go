package blueprint

import (
	"strings"
	"sync"
	"sync/atomic"
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

// TestAssociationCodeGuesses: who sends wrong codes is held up, by user and by address, and comes in again; others, and
// right codes, are not.
func TestAssociationCodeGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		made := h.call("tokenA", "POST", "/association/create-association-code", map[string]any{"deviceId": h.loose}).body["associationCode"]
		try := func(token, endUser string, code any) answer {
			return h.call(token, "POST", "/association/start-association-with-code", map[string]any{"associationCode": code, "endUserId": endUser})
		}
		var wg sync.WaitGroup
		var looked, held atomic.Int32
		for range 60 {
			wg.Go(func() {
				switch a := try("ann", h.ann, "0000-0000-0000"); {
				case a.status == 404:
					looked.Add(1)
				case a.status == 429 && a.header.Get("Retry-After") != "":
					held.Add(1)
				default:
					t.Errorf("a guess: %d %v %s", a.status, a.header, a.text)
				}
			})
		}
		wg.Wait()
		if looked.Load() != codesOfUser || held.Load() != 60-codesOfUser {
			t.Errorf("of 60 guesses at once %d were looked at and %d held up", looked.Load(), held.Load())
		}
		if a := try("ann", h.ann, made); a.status != 429 {
			t.Errorf("the right code after too many wrong ones: %d", a.status)
		}
		time.Sleep(codeEvery)
		if a := try("ann", h.ann, "xx"); a.status != 400 {
			t.Errorf("a typing error: %d", a.status)
		}
		for range 3 { // neither a typing error nor a right code counts
			if a := try("ann", h.ann, made); a.status != 200 {
				t.Errorf("the right code a moment later: %d %s", a.status, a.text)
			}
			made = h.call("tokenA", "POST", "/association/create-association-code", map[string]any{"deviceId": h.loose}).body["associationCode"]
		}
		looked.Store(0)
		for _, who := range []struct{ token, id string }{{"bob", h.bob}, {"zoe", h.zoe}, {"max", h.ann}, {"tokenA", h.ann}} {
			for range codesOfUser {
				if a := try(who.token, who.id, "0000-0000-0000"); a.status == 404 {
					looked.Add(1)
				}
			}
		}
		if n := looked.Load(); n > codesOfAddress {
			t.Errorf("%d guesses of many users from one address were looked at", n)
		}
		if n := h.s.Stats().CodesPaced; n < 51 {
			t.Errorf("%d are counted as held up", n)
		}
	})
}
