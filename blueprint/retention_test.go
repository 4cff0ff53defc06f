package blueprint

import (
	"testing"
	"time"

	"xively/internal/rest"
)

// TestRetention: a channel template's word counts before the device template's, and nobody's word means nothing.
func TestRetention(t *testing.T) {
	const day = 24 * time.Hour
	w := newWorld(t)
	template := w.template(w.a, "sensor", "temp", "hum")
	device := w.device(w.a, template, "s1")
	topic := func(name string) string { return channelTopic(w.a.account, device, name) }
	want := func(what, channel string, points, rollups time.Duration) {
		t.Helper()
		if p, r := w.s.Retention(w.a.account, topic(channel)); p != points || r != rollups {
			t.Errorf("%s: %s is kept %v and %v, want %v and %v", what, channel, p, r, points, rollups)
		}
	}
	channelID := func(name string) string {
		list := w.must(w.a.token, "GET", "/channels/templates?entityId="+template+"&name="+name, nil)
		return list["results"].([]any)[0].(map[string]any)["id"].(string)
	}
	put := func(path string, body map[string]any) {
		t.Helper()
		version := w.must(w.a.token, "GET", path, nil)["version"].(string)
		w.must(w.a.token, "PUT", path, body, "etag", version)
	}
	want("nothing said", "temp", 0, 0)
	put("/devices/templates/"+template, map[string]any{"keepPoints": "30d"})
	want("device template", "temp", 30*day, 0)
	put("/channels/templates/"+channelID("temp"), map[string]any{"keepPoints": "forever", "keepRollups": "10y"})
	want("channel template", "temp", rest.KeepForever, 3650*day)
	want("the other channel", "hum", 30*day, 0)
	put("/devices/templates/"+template, map[string]any{"keepPoints": nil})
	want("taken back", "hum", 0, 0)
	want("still said", "temp", rest.KeepForever, 3650*day)
	put("/channels/templates/"+channelID("temp"), map[string]any{"keepPoints": "", "keepRollups": ""})
	want("all taken back", "temp", 0, 0)

	made := w.make(w.a, "/devices/templates", map[string]any{"name": "short", "keepPoints": "2d", "keepRollups": "1y"})
	device = w.device(w.a, made, "s2")
	want("a new template", "any", 2*day, 365*day)
	if p, r := w.s.Retention(w.b.account, topic("any")); p != 0 || r != 0 {
		t.Errorf("another account's channel is kept %v and %v", p, r)
	}
	for _, bad := range []any{"1h", "soon", "-3d", 30} {
		if got := w.call(w.a.token, "POST", "/devices/templates", map[string]any{"name": "bad", "keepPoints": bad}); got.status != 400 {
			t.Errorf("keepPoints %v gave %d", bad, got.status)
		}
	}
}
