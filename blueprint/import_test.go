package blueprint

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func (w *world) importCSV(t testing.TB, query, file string) map[string]any {
	t.Helper()
	return w.must("tokenA", "POST", "/devices/import?wait=true&"+query, file, "Content-Type", "text/csv")
}

func tally(r map[string]any) string {
	return fmt.Sprintf("created %v updated %v unchanged %v refused %v skipped %v", r["created"], r["updated"], r["unchanged"], r["refused"], r["skipped"])
}

func TestImport(t *testing.T) {
	h := newHome(t)
	h.make(h.a, "/devices/custom-fields", map[string]any{"deviceTemplateId": h.template, "name": "floor", "fieldType": "number"})
	count := func() float64 {
		return h.must("tokenA", "GET", "/devices?results=false", nil)["meta"].(map[string]any)["count"].(float64)
	}
	file := "\ufeffSerial No,template,organization,name,floor,comment\r\n" +
		"I-1,Sensor,Home / Upstairs,\"Lamp, left\",2,x\r\n" +
		"I-2,Sensor,Home/Cellar,,,\r\n" +
		"S-1,Sensor,,Kitchen II,,\r\n"
	query := "map=Serial+No:serialNumber,comment:"
	before := count()
	r := h.importCSV(t, query+"&dryRun=true&createOrganizations=true", file)
	if got := tally(r); got != "created 2 updated 1 unchanged 0 refused 0 skipped 0" || r["state"] != "done" || count() != before {
		t.Errorf("dry run: %s, %v devices: %v", got, count(), r)
	}
	r = h.importCSV(t, query, file)
	if got := tally(r); got != "created 0 updated 0 unchanged 0 refused 1 skipped 2" || count() != before || !strings.Contains(fmt.Sprint(r["errors"]), "row:3") || !strings.Contains(fmt.Sprint(r["errors"]), "Cellar") {
		t.Errorf("with a group that is not there: %v", r)
	}
	r = h.importCSV(t, query+"&createOrganizations=true&credentials=true", file)
	if got := tally(r); got != "created 2 updated 1 unchanged 0 refused 0 skipped 0" || len(r["credentials"].([]any)) != 2 {
		t.Errorf("import: %v", r)
	}
	key := r["credentials"].([]any)[0].(map[string]any)
	if _, err := h.login(key["deviceId"].(string), "", key["secret"].(string)); err != nil {
		t.Errorf("the secret of an import: %v", err)
	}
	if again := h.must("tokenA", "GET", "/devices/import/"+r["id"].(string), nil); again["credentials"] != nil {
		t.Error("secrets are shown twice")
	}
	got := results(h.must("tokenA", "GET", "/devices?serialNumber=I-1", nil))[0]
	if got["name"] != "Lamp, left" || got["floor"] != 2.0 || got["organizationId"] != h.upstairs {
		t.Errorf("imported: %v", got)
	}
	r = h.importCSV(t, query, file)
	if got := tally(r); got != "created 0 updated 0 unchanged 3 refused 0 skipped 0" {
		t.Errorf("the same file again: %v", r)
	}
	h.importCSV(t, "organizationId="+h.upstairs, "serialNumber,template,organization\nI-3,Sensor,\nI-4,Sensor,Home\nI-2,Sensor,\n")
	for serial, want := range map[string]bool{"I-3": true, "I-4": false, "I-2": false} {
		if d := results(h.must("tokenA", "GET", "/devices?serialNumber="+serial, nil))[0]; (d["organizationId"] == h.upstairs) != want {
			t.Errorf("organizationId is for new devices whose rows name none; %s: %v", serial, d)
		}
	}
	for _, row := range []struct{ name, file, want string }{
		{"empty", "", "empty"},
		{"no serial number", "name\nx\n", "serialNumber"},
		{"a column twice", "serialNumber,serialNumber\nx,y\n", "Two columns"},
		{"not CSV", "serialNumber,name\n\"x,y\n", "not CSV"},
		{"ragged", "serialNumber,name\nx\n", "not CSV"},
	} {
		a := h.call("tokenA", "POST", "/devices/import?wait=true", row.file)
		if a.status != 400 || !strings.Contains(a.text, row.want) {
			t.Errorf("%s: got %d %s", row.name, a.status, a.text)
		}
	}
	for _, row := range []struct{ name, file, want string }{
		{"a column that is no field", "serialNumber,template,colour\nZ-1,Sensor,red\n", "colour"},
		{"no template", "serialNumber\nZ-1\n", "deviceTemplateId"},
		{"unknown template", "serialNumber,template\nZ-1,Nope\n", "Nope"},
		{"twice in the file", "serialNumber,template\nZ-1,Sensor\nZ-1,Sensor\n", "line 2"},
		{"no serial number in a row", "serialNumber,template\n,Sensor\n", "serialNumber"},
		{"a bad number", "serialNumber,template,latitude\nZ-1,Sensor,north\n", "latitude"},
	} {
		r := h.importCSV(t, "", row.file)
		if r["refused"] != 1.0 || !strings.Contains(fmt.Sprint(r["errors"]), row.want) {
			t.Errorf("%s: %v", row.name, r)
		}
	}
	if a := h.call("ann", "POST", "/devices/import", "serialNumber\nx\n"); a.status != 403 {
		t.Errorf("an end user imports: %d", a.status)
	}
	if a := h.call("tokenB", "GET", "/devices/import/"+r["id"].(string), nil); a.status != 404 {
		t.Errorf("another account's report: %d", a.status)
	}
}

// BenchmarkImport100k: what one device of a large file costs.
func BenchmarkImport100k(b *testing.B) {
	const n = 100_000
	var file strings.Builder
	file.WriteString("serialNumber,template,organization,name,firmwareVersion,latitude,longitude\n")
	for i := range n {
		fmt.Fprintf(&file, "AP-%06d,Sensor,Acme tokenA / Site %d,Device %d,1.%d.0,%d.5,%d.25\n", i, i%100, i, i%7, i%90, i%180)
	}
	for b.Loop() {
		w := newWorld(b)
		w.template(w.a, "Sensor", "temp:timeSeries")
		began := time.Now()
		r := w.importCSV(b, "createOrganizations=true", file.String())
		if r["created"] != float64(n) {
			b.Fatal(tally(r), r["errors"])
		}
		b.ReportMetric(float64(time.Since(began).Microseconds())/n, "µs/device")
	}
}
