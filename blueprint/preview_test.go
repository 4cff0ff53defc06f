package blueprint

import (
	"strings"
	"testing"
)

// TestPreview: what a change would do is told, and nothing is done.
func TestPreview(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor")
	for _, serial := range []string{"A", "B", "C"} {
		w.device(w.a, template, serial)
	}
	color := w.make(w.a, "/devices/custom-fields", map[string]any{"accountId": w.a.account, "deviceTemplateId": template, "name": "color", "fieldType": "string"})
	w.must("tokenA", "POST", "/devices", map[string]any{"deviceTemplateId": template, "serialNumber": "D", "color": "red"})
	channel := w.make(w.a, "/channels/templates", map[string]any{"accountId": w.a.account, "entityId": template, "entityType": "deviceTemplate", "name": "temp", "persistenceType": "timeSeries"})
	unused := w.template(w.a, "Unused")
	before := w.call("tokenA", "GET", "/audit?pageSize=1000", nil).text

	for _, row := range []struct {
		name, path string
		in         map[string]any
		want       []string
	}{
		{"a new field", "/devices/custom-fields", map[string]any{"deviceTemplateId": template, "name": "room", "fieldType": "string"}, []string{`"allowed":true`, `"objects":4`, `"affected":4`, `"missing":0`, `"serialNumber":"A"`}},
		{"a new required field", "/devices/custom-fields", map[string]any{"deviceTemplateId": template, "name": "room", "fieldType": "string", "required": true}, []string{`"missing":4`}},
		{"a field that becomes required", "/devices/custom-fields", map[string]any{"id": color, "required": true}, []string{`"objects":4`, `"missing":3`, "lack the value"}},
		{"a field's default", "/devices/custom-fields", map[string]any{"id": color, "default": "blue"}, []string{`"affected":0`, `"samples":[]`}},
		{"a field deleted", "/devices/custom-fields", map[string]any{"id": color, "delete": true}, []string{`"affected":1`, "hidden"}},
		{"a name that is taken", "/devices/custom-fields", map[string]any{"deviceTemplateId": template, "name": "color", "fieldType": "string"}, []string{`"allowed":false`, `"error":"`}},
		{"a name that cannot be", "/devices/custom-fields", map[string]any{"deviceTemplateId": template, "name": "id", "fieldType": "string"}, []string{`"allowed":false`, `"field":"name"`}},
		{"a new channel", "/channels/templates", map[string]any{"entityId": template, "entityType": "deviceTemplate", "name": "hum"}, []string{`"affected":4`}},
		{"a channel renamed", "/channels/templates", map[string]any{"id": channel, "name": "temperature"}, []string{`"affected":4`, "topic"}},
		{"a channel kept in another way", "/channels/templates", map[string]any{"id": channel, "persistenceType": "simple"}, []string{`"affected":4`, "another way"}},
		{"a channel deleted", "/channels/templates", map[string]any{"id": channel, "delete": true}, []string{`"affected":4`, "refused"}},
		{"a template in use deleted", "/devices/templates", map[string]any{"id": template, "delete": true}, []string{`"allowed":false`}},
		{"a template that nobody has deleted", "/devices/templates", map[string]any{"id": unused, "delete": true}, []string{`"allowed":true`, `"objects":0`}},
		{"a template as it is", "/devices/templates", map[string]any{"id": template, "name": "Sensor"}, []string{`"affected":0`, "Nothing"}},
	} {
		a := w.call("tokenA", "POST", row.path+"/preview", row.in)
		if a.status != 200 {
			t.Errorf("%s: %d %s", row.name, a.status, a.text)
		}
		for _, want := range row.want {
			if !strings.Contains(a.text, want) {
				t.Errorf("%s: no %s in %s", row.name, want, a.text)
			}
		}
	}
	if a := w.call("tokenB", "POST", "/devices/custom-fields/preview", map[string]any{"id": color, "delete": true}); a.status != 404 {
		t.Errorf("another account's: %d %s", a.status, a.text)
	}
	if after := w.call("tokenA", "GET", "/audit?pageSize=1000", nil).text; after != before {
		t.Errorf("previews left something:\n%s\n%s", before, after)
	}
	if got := w.must("tokenA", "GET", "/devices/templates/"+template, nil); len(got["channelTemplates"].([]any)) != 1 {
		t.Errorf("the template has other channels now: %v", got)
	}
	w.make(w.a, "/devices/custom-fields", map[string]any{"accountId": w.a.account, "deviceTemplateId": template, "name": "room", "fieldType": "string"})
}
