package identity

import (
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
)

func TestAPIKeys(t *testing.T) {
	a, accountID := newAPI(t)
	ann := a.signInAnn()
	make := func(body string) (key, id string) {
		t.Helper()
		got := a.want(200, "POST", "api-keys", body, bearer(ann))
		return got.str("apiKey.key"), got.str("apiKey.id")
	}
	expires := a.clock.now().Add(time.Hour).Format(time.RFC3339)
	read, readID := make(`{"name":"reader","expires":"` + expires + `"}`)
	talk, _ := make(`{"name":"talker","scopes":["messaging"]}`)
	write, writeID := make(`{"name":"writer","scopes":["write"]}`)
	for _, bad := range []string{`{}`, `{"name":"x","scopes":["all"]}`, `{"name":"x","expires":"2020-01-01T00:00:00Z"}`, `{"name":"x","expires":"2099-01-01T00:00:00Z"}`} {
		a.want(400, "POST", "api-keys", bad, bearer(ann))
	}
	a.want(200, "GET", "me", "", bearer(read))
	a.want(403, "GET", "me", "", bearer(talk))
	a.want(200, "GET", "me", "", bearer(write))
	a.want(403, "POST", "me", "", bearer(read))
	a.want(200, "POST", "me", "", bearer(write))
	if p, err := a.VerifyFresh(t.Context(), talk); err != nil || p.Kind != auth.AccountUser {
		t.Errorf("over MQTT: %+v, %v", p, err)
	}
	_, err := a.VerifyFresh(t.Context(), write)
	a.wantKind(err, fault.Forbidden, "MQTT without the scope")
	_, _, err = a.Verify(t.Context(), write)
	a.wantKind(err, fault.Forbidden, "where the scope cannot be judged")
	for _, path := range []string{"api-keys", "sessions", "users", "applications"} {
		a.want(403, "GET", path, "", bearer(write))
	}
	a.want(403, "POST", "api-keys", `{"name":"more"}`, bearer(write))
	a.clock.advance(2 * time.Minute)
	a.want(200, "GET", "me", "", bearer(read))
	if err := a.writeTouched(); err != nil {
		t.Fatal(err)
	}
	list := a.want(200, "GET", "api-keys", "", bearer(ann))
	if !strings.Contains(list.Text, `"lastUsed":"2026-03-01T12:02:00.000Z"`) || !strings.Contains(list.Text, `"count":3`) {
		t.Errorf("list %s", list.Text)
	}
	a.clock.advance(time.Hour)
	a.want(401, "GET", "me", "", bearer(read))
	var told ended
	a.OnEnd(told.add)
	a.want(404, "DELETE", "api-keys/"+readID, "", bearer(a.signInEnd(accountID)))
	a.want(200, "DELETE", "api-keys/"+writeID, "", bearer(a.signInAnn()))
	told.wait(t, writeID)
	a.want(401, "GET", "me", "", bearer(write))
	for _, bad := range []string{"xik_", "xik_x", write[:len(write)-1], strings.Replace(write, "xik_", "xia_", 1)} {
		a.want(401, "GET", "me", "", bearer(bad))
	}
}

func TestNeededScope(t *testing.T) {
	for _, row := range []struct{ method, path, scope string }{
		{"GET", "/api/v1/devices", readScope}, {"HEAD", "/api/v1/devices", readScope}, {"POST", "/api/v1/logs/search", readScope},
		{"POST", "/api/v4/query", readScope}, {"POST", "/api/v1/devices", writeScope}, {"PUT", "/api/v1/devices/:id", writeScope},
		{"DELETE", "/api/v1/devices/:id", writeScope}, {"POST", "/api/v1/batch", writeScope}, {"POST", "/messaging/publish/*", messagingScope},
		{"GET", "/messaging/publish/*", messagingScope}, {"PATCH", "/x/search", writeScope}, {"", "", writeScope},
	} {
		if got := neededScope(row.method, row.path); got != row.scope {
			t.Errorf("%s %s needs %q, want %q", row.method, row.path, got, row.scope)
		}
	}
	key := APIKey{Scopes: []string{writeScope}}
	if !key.allows(readScope) || !key.allows(writeScope) || key.allows(messagingScope) || key.allows("") {
		t.Errorf("a write key allows the wrong calls")
	}
	if key := (APIKey{Scopes: []string{messagingScope}}); key.allows(readScope) || key.allows(writeScope) {
		t.Errorf("a messaging key allows more")
	}
}

func BenchmarkVerifyAPIKey(b *testing.B) {
	userID, accountID, id := newID(), newID(), newID()
	text, hash := newCredential(apiKeyPrefix, id, userID)
	s := &Service{now: time.Now, dir: newDirectory(), apiKeys: newRecent[keyHolder]()}
	s.apiKeys.add(id, keyHolder{APIKey{ID: id, AccountID: accountID, UserID: userID, Hash: hash, Scopes: []string{readScope}, LastUsed: time.Now().Add(time.Hour)}}, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.liveAPIKey(text); err != nil {
			b.Fatal(err)
		}
	}
}
