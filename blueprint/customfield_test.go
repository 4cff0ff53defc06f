package blueprint

import (
	"fmt"
	"strings"
	"testing"
)

func TestCustomFields(t *testing.T) {
	w := newWorld(t)
	template := w.template(w.a, "Sensor")
	old := w.device(w.a, template, "OLD")
	field := func(name, kind string, more ...any) string {
		in := map[string]any{"accountId": w.a.account, "deviceTemplateId": template, "name": name, "fieldType": kind}
		for i := 0; i < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return w.make(w.a, "/devices/custom-fields", in)
	}
	color := field("color", "string", "required", "false", "default", "")
	field("room", "string", "default", "hall")
	field("notes", "text")
	field("height", "number")
	field("on", "boolean")
	field("bought", "datetime")
	field("owner", "string", "required", true)

	if got := w.must("tokenA", "GET", "/devices/"+old, nil); got["color"] != nil || got["room"] != nil {
		t.Errorf("fields on a device older than they: %v", got)
	}
	if a := w.call("tokenA", "PUT", "/devices/"+old, map[string]any{"name": "x"}); a.status != 200 {
		t.Errorf("a device older than a required field cannot be changed: %s", a.text)
	}
	in := map[string]any{"deviceTemplateId": template, "serialNumber": "NEW", "color": "blue", "height": "1.5", "on": "true",
		"bought": "2015-04-01T12:55:18Z", "notes": "two\nlines", "owner": "Ann", "unknown": 1}
	got := w.must("tokenA", "POST", "/devices", in)
	for name, want := range map[string]any{"color": "blue", "room": "hall", "height": 1.5, "on": true, "bought": "2015-04-01T12:55:18.000Z", "notes": "two\nlines"} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	if _, there := got["unknown"]; there {
		t.Error("an unknown member was kept")
	}
	id := got["id"].(string)
	for _, bad := range []map[string]any{{"height": "tall"}, {"on": "maybe"}, {"bought": "yesterday"}, {"color": "two\nlines"}, {"owner": nil}} {
		if a := w.call("tokenA", "PUT", "/devices/"+id, bad); a.status != 400 {
			t.Errorf("PUT %v: got %d %s, want 400", bad, a.status, a.text)
		}
	}
	if a := w.call("tokenA", "POST", "/devices", map[string]any{"deviceTemplateId": template, "serialNumber": "N2"}); a.status != 400 || !strings.Contains(a.text, `"field":"owner"`) {
		t.Errorf("create without a required custom field: %d %s", a.status, a.text)
	}
	for query, want := range map[string]string{"color=blue": "[NEW]", "height=1.5": "[NEW]", "on=true": "[NEW]", "on=false": "[]", "bought=2015-04-01T12:55:18Z": "[NEW]",
		"sortBy=height&sortOrder=desc": "[NEW OLD]", "color=null": "[OLD]", "nosuch=1": "[OLD NEW]"} {
		if got := fmt.Sprint(column(w.must("tokenA", "GET", "/devices?"+query, nil), "serialNumber")); got != want {
			t.Errorf("list ?%s: got %s, want %s", query, got, want)
		}
	}
	for _, name := range []string{"color", "Name", "id", "channels", "sortBy", "_x", "a:b", " a"} {
		if a := w.call("tokenA", "POST", "/devices/custom-fields", map[string]any{"deviceTemplateId": template, "name": name}); a.status != 400 && a.status != 409 {
			t.Errorf("custom field %q: got %d", name, a.status)
		}
	}
	if a := w.call("tokenA", "POST", "/devices/custom-fields", map[string]any{"deviceTemplateId": template, "name": "n", "fieldType": "number", "default": "many"}); a.status != 400 {
		t.Errorf("default of another type: %d", a.status)
	}
	// Deleting hides, recovering shows; a new field of another type does not show the old one's values.
	w.must("tokenA", "DELETE", "/devices/templates/custom-fields/"+color, nil)
	if _, there := w.must("tokenA", "GET", "/devices/"+id, nil)["color"]; there {
		t.Error("a deleted field's value is shown")
	}
	number := field("color", "number")
	if got := w.must("tokenA", "GET", "/devices/"+id, nil)["color"]; got != nil {
		t.Errorf("the new field shows %v of the old", got)
	}
	w.must("tokenA", "DELETE", "/devices/custom-fields/"+number, nil)
	w.must("tokenA", "POST", "/devices/custom-fields/"+color+"/recover", nil)
	if got := w.must("tokenA", "GET", "/devices/"+id, nil)["color"]; got != "blue" {
		t.Errorf("after recover the value is %v", got)
	}
}
