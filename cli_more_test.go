package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// decode reads a command's JSON.
func decode(t *testing.T, text string) (o object) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return o
}

func TestCommandsForPeople(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	out, _ := sh.run(exitOK, "", "organizations", "create", "--name", "North", "-o", "json")
	north := cell(decode(t, out)["id"])
	out, _ = sh.run(exitOK, "", "organizations", "create", "--name", "Plant 2", "--parent", north, "-o", "json")
	plant := cell(decode(t, out)["id"])
	if out, _ = sh.run(exitOK, "", "organizations", "list", "--in", north); !strings.Contains(out, plant) || strings.Count(out, "\n") != 2 {
		t.Errorf("organizations in North: %q", out)
	}
	sh.run(exitConflict, "", "organizations", "delete", north)

	out, _ = sh.run(exitOK, "", "end-users", "create", "--organization", north, "--name", "Bob", "--email", "bob@example.com", "-o", "json")
	bob := cell(decode(t, out)["id"])
	out, _ = sh.run(exitOK, "", "end-users", "update", bob, "--name", "Robert", "-o", "json")
	if o := decode(t, out); o["name"] != "Robert" || o["emailAddress"] != "bob@example.com" {
		t.Errorf("after update: %s", out)
	}
	if out, _ = sh.run(exitOK, "", "end-users", "list", "-q", "robert"); !strings.Contains(out, bob) {
		t.Errorf("search: %q", out)
	}
	sh.run(exitUsage, "", "end-users", "update", bob)
	sh.run(exitUsage, "", "end-users", "create", "--name", "nowhere")

	out, _ = sh.run(exitOK, "", "devices", "create", "--serial", "P-1", "--organization", plant, "-o", "json")
	device := cell(decode(t, out)["id"])
	if out, _ = sh.run(exitOK, "", "access", "explain", "--principal", "endUser:"+bob, "--action", "read", "--object", "device:"+device); !strings.Contains(out, "Robert may see") {
		t.Errorf("explain: %q", out)
	}
	if out, _ = sh.run(exitOK, "", "access", "users", device); !strings.Contains(out, bob) {
		t.Errorf("who reaches the device: %q", out)
	}
	if out, _ = sh.run(exitOK, "", "access", "devices", bob); !strings.Contains(out, device) {
		t.Errorf("what Bob reaches: %q", out)
	}

	if out, _ = sh.run(exitOK, "", "account", "--name", "Acme Ltd", "-o", "json"); decode(t, out)["name"] != "Acme Ltd" {
		t.Errorf("account: %q", out)
	}
	if a, err := s.identity.Account(accounts[0].AccountID); err != nil || a.Name != "Acme Ltd" {
		t.Errorf("the name in mails and at sign-in: %+v, %v", a, err)
	}

	out, _ = sh.run(exitOK, "", "audit", "list", "--object", bob, "--action", "update", "-o", "json")
	var changes []object
	if err := json.Unmarshal([]byte(out), &changes); err != nil || len(changes) != 1 || !strings.Contains(cell(changes[0]["change"]), "Bob → Robert") {
		t.Fatalf("audit: %q, %v", out, err)
	}
	sh.run(exitOK, "", "audit", "undo", cell(changes[0]["id"]))
	if out, _ = sh.run(exitOK, "", "end-users", "get", bob); !strings.Contains(out, "Bob") {
		t.Errorf("after undo: %q", out)
	}

	// An invited admin comes in by the link and may do what admins may.
	out, _ = sh.run(exitOK, "", "users", "invite", "--email", "eve@example.com", "-o", "json")
	token := regexp.MustCompile(`token=([^&"]+)`).FindStringSubmatch(cell(decode(t, out)["link"]))
	if token == nil {
		t.Fatalf("no token in the link: %s", out)
	}
	s.must("", "POST", "/api/v1/invitations/accept", object{"token": token[1], "password": "Another-Horse-43", "firstName": "Eve", "lastName": "E"}, "")
	sh.run(exitOK, "Another-Horse-43\n", "login", "eve@example.com", "--password-stdin", "--server", s.url("https", ""), "--ca", s.certs.authority())
	if out, _ = sh.run(exitOK, "", "users", "list"); !strings.Contains(out, testEmail) || !strings.Contains(out, "eve@example.com") {
		t.Errorf("users: %q", out)
	}

	// A personal key in place of a sign-in, as a script uses it.
	out, _ = sh.run(exitOK, "", "api-keys", "create", "--name", "ci", "--scope", "read", "-o", "json")
	key := cell(decode(t, out)["key"])
	if status, answer := s.call(key, "GET", "/api/v1/devices?accountId="+accounts[0].AccountID, nil); status != 200 {
		t.Errorf("list by API key: %d %v", status, answer)
	}
	if status, _ := s.call(key, "DELETE", "/api/v1/devices/"+device, nil); status != 403 {
		t.Errorf("delete by a read-only key: %d", status)
	}
}

func TestCommandsThatMoveMuch(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	sh.run(exitOK, "", "templates", "create", "Sensor", "--channel", "temp:timeSeries")
	folder := t.TempDir()
	fleet, secrets := filepath.Join(folder, "fleet.csv"), filepath.Join(folder, "secrets.csv")
	if err := os.WriteFile(fleet, []byte("serialNumber,name,organization\nS-1,Kitchen,North/Plant 1\nS-2,Hall,North\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := sh.run(exitOK, "", "devices", "import", fleet, "--template", "Sensor", "--create-organizations", "--dry-run"); !strings.Contains(out, "2") {
		t.Errorf("dry run: %q", out)
	}
	if out, _ := sh.run(exitOK, "", "devices", "list", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("the dry run left devices: %q", out)
	}
	sh.run(exitOK, "", "devices", "import", fleet, "--template", "Sensor", "--create-organizations", "--credentials", secrets)
	kept, err := os.ReadFile(secrets)
	if info, _ := os.Stat(secrets); err != nil || info.Mode().Perm() != 0o600 || strings.Count(string(kept), "\n") != 3 {
		t.Errorf("secrets: %q, %v", kept, err)
	}
	out, _ := sh.run(exitOK, "", "devices", "import", fleet, "--template", "Sensor", "--json") // the same again
	if report := decode(t, out); report["created"] != 0.0 || report["unchanged"] != 2.0 {
		t.Errorf("second import: %s", out)
	}
	if _, errOut := sh.run(exitFailed, "serialNumber,latitude\nS-3,far\n", "devices", "import", "-", "--template", "Sensor"); !strings.Contains(errOut, "1 rows were refused") {
		t.Errorf("bad row: %q", errOut)
	}
	if out, _ = sh.run(exitOK, "", "devices", "export", "-q", "kitchen"); !strings.Contains(out, "S-1") || strings.Contains(out, "S-2") {
		t.Errorf("devices export: %q", out)
	}
	out, _ = sh.run(exitOK, "", "export")
	if !strings.HasPrefix(out, `{"export":"xively blueprint"`) || strings.Count(out, `"kind":"device"`) != 2 {
		t.Errorf("export: %q", out)
	}
	sh.run(exitOK, out, "import", "-")

	// Points in bulk, and out again.
	out, _ = sh.run(exitOK, "", "devices", "list", "--serial", "S-1", "-o", "json")
	var rows []object
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%q, %v", out, err)
	}
	topic := "xi/blue/v1/" + accounts[0].AccountID + "/d/" + cell(rows[0]["id"]) + "/temp"
	csv := "time,category,numericValue,stringValue\n2026-01-01T00:00:00.000Z,t,1,\n2026-01-01T00:30:00.000Z,t,3,\n2026-01-01T01:00:00.000Z,t,5,\n"
	if out, _ = sh.run(exitOK, csv, "data", "import", topic, "--file", "-"); !strings.Contains(out, "3 points stored") {
		t.Errorf("data import: %q", out)
	}
	if out, _ = sh.run(exitOK, "", "data", "export", topic); out != csv {
		t.Errorf("data export: %q, want %q", out, csv)
	}
	out, _ = sh.run(exitOK, "", "data", "aggregate", topic, "--interval", "1h", "--functions", "avg,max", "-o", "csv")
	if want := "time,category,avg,max\n2026-01-01T00:00:00Z,t,2,3\n2026-01-01T01:00:00Z,t,5,5\n"; out != want {
		t.Errorf("aggregate: %q, want %q", out, want)
	}
	if out, _ = sh.run(exitOK, "", "data", "series", "--device", cell(rows[0]["id"]), "-o", "csv"); !strings.Contains(out, ",1y,") || !strings.Contains(out, topic) {
		t.Errorf("series: %q", out)
	}
	out, _ = sh.run(exitOK, "", "data", "query", "-q", "serialNumber:S-1", "-o", "csv")
	if want := "topic,time,category,numericValue,stringValue\n" + topic + ",2026-01-01T01:00:00Z,t,5,\n"; out != want {
		t.Errorf("query: %q, want %q", out, want)
	}
	out, _ = sh.run(exitOK, "", "data", "query", "--template", "Sensor", "--channel", "temp", "--interval", "1d", "--functions", "count,max", "-o", "csv")
	if want := "topic,time,category,count,max\n" + topic + ",2026-01-01T00:00:00Z,t,3,5\n"; out != want {
		t.Errorf("query: %q, want %q", out, want)
	}
	if out, _ = sh.run(exitOK, "", "data", "query", "-q", "serialNumber:S-9", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("query of nothing: %q", out)
	}
	if _, errOut := sh.run(exitFailed, "", "data", "query", "-q", "nothing:such"); !strings.Contains(errOut, "nothing") {
		t.Errorf("query of a field that is none: %q", errOut)
	}
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"--points", "90d"}, "90d,,1y,5y"},
		{[]string{}, "90d,,1y,5y"},
		{[]string{"--template", "Sensor", "--points", "30d", "--rollups", "10y"}, "30d,10y"},
		{[]string{"--template", "Sensor", "--channel", "temp", "--points", "forever"}, "forever,"},
		{[]string{"--template", "Sensor"}, "30d,10y"},
		{[]string{"--points", ""}, ",,1y,5y"},
	} {
		args := append([]string{"data", "retention", "-o", "csv"}, step.args...)
		if out, _ = sh.run(exitOK, "", args...); !strings.Contains(out, "\n"+step.want+"\n") {
			t.Errorf("%v: %q, want %q", args, out, step.want)
		}
	}
	out, _ = sh.run(exitOK, "", "audit", "list", "-o", "json")
	if !strings.Contains(strings.Join(strings.Fields(out), ""), `"after":{"keepPoints":"90d"}`) || !strings.Contains(out, `"retention of points"`) {
		t.Errorf("the trail does not tell of the account's retention: %s", out)
	}
	out, _ = sh.run(exitOK, "", "logs", "search", "retention of points", "-o", "json")
	if !strings.Contains(out, `updated by `) || !strings.Contains(out, "keepPoints") {
		t.Errorf("the log does not tell of the account's retention: %s", out)
	}
	if out, _ = sh.run(exitOK, "", "data", "series", "-o", "json"); !strings.Contains(out, `"keepPoints": "forever"`) || !strings.Contains(out, `"keepRollups": "10y"`) {
		t.Errorf("series: %q", out)
	}
	if _, errOut := sh.run(exitFailed, "", "data", "retention", "--points", "1h"); !strings.Contains(errOut, "30d") {
		t.Errorf("an hour: %q", errOut)
	}
	if _, errOut := sh.run(exitFailed, "2026-01-01T02:00:00Z,t,x,\n2026-01-01T02:00:00Z,t,1,\n", "data", "import", topic, "--file", "-"); !strings.Contains(errOut, "line 1:") {
		t.Errorf("bad line: %q", errOut)
	}
	if out, _ = sh.run(exitOK, "", "devices", "diagnose", cell(rows[0]["id"])); strings.TrimSpace(out) == "" {
		t.Error("a diagnosis says something")
	}
	if out, errOut := sh.run(exitOK, "", "devices", "record", cell(rows[0]["id"]), "--minutes", "5"); !strings.Contains(errOut, "runs until") || !strings.Contains(out, "PACKET") {
		t.Errorf("record: %q %q", out, errOut)
	}
	if _, errOut := sh.run(exitOK, "", "devices", "record", cell(rows[0]["id"]), "--stop"); !strings.Contains(errOut, "is off") {
		t.Errorf("record --stop: %q", errOut)
	}
}

func TestLogsTailCommand(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	c, err := (&serverFlags{}).signedIn()
	if err != nil {
		t.Fatal(err)
	}
	token := s.signIn(testEmail)
	seen := make(chan object, 100)
	done := make(chan error, 1)
	ctx := t.Context()
	go func() {
		done <- c.tail(ctx, "severity:error", os.Stderr, func(e object) error { seen <- e; return nil })
	}()
	eventually(t, "the live view is open", func() bool { s.streams.mu.Lock(); defer s.streams.mu.Unlock(); return len(s.streams.open) == 1 })
	s.must(token, "POST", "/api/v1/logs", object{"sourceId": "d1", "message": "all is well", "severity": "notice"}, "")
	s.must(token, "POST", "/api/v1/logs", object{"sourceId": "d1", "message": "pump stopped", "severity": "error"}, "")
	select {
	case e := <-seen:
		if e["message"] != "pump stopped" {
			t.Errorf("saw %v", e)
		}
	case err := <-done:
		t.Fatalf("the view ended: %v", err)
	case <-time.After(patience):
		t.Fatal("nothing in time")
	}
	if out, _ := sh.run(exitOK, "", "logs", "search", `severity>=error "pump stopped"`); !strings.Contains(out, "pump stopped") {
		t.Errorf("search: %q", out)
	}
	if out, _ := sh.run(exitOK, "", "logs", "export", "pump"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "pump stopped") {
		t.Errorf("export: %q", out)
	}
	sh.run(exitOK, "", "devices", "create", "--serial", "AP-1", "--name", "Pump house")
	for _, name := range []string{"AP-1", `"Pump house"`} {
		eventually(t, "the log is found by "+name, func() bool {
			c, err := c.one(ctx, "GET", "/api/v1/logs"+query("q", "device:"+name), nil, "logs")
			return err == nil && c["results"] != nil
		})
	}
	sh.run(exitUsage, "", "logs", "search", "pump", "--severity", "error")
	sh.run(exitUsage, "", "logs", "tail", "-o", "xml")
	if _, errOut := sh.run(exitFailed, "", "logs", "tail", "severity>>x"); !strings.Contains(errOut, "character 10") {
		t.Errorf("a wrong query is not told: %q", errOut)
	}
}

func TestReadEvents(t *testing.T) {
	var told strings.Builder
	var seen []string
	last, err := readEvents(strings.NewReader("retry: 2000\n\n: idle\n\nid: 1\nevent: entry\ndata: {\"message\":\"a\"}\n\nevent: dropped\ndata: {\"dropped\":3}\n\nid: 2\nevent: entry\ndata: {\"message\":\"b\"}\n\nid: 3\nevent: entry\nda"),
		"0", &told, func(e object) error { seen = append(seen, cell(e["message"])); return nil })
	if last != "2" || err == nil || strings.Join(seen, "") != "ab" || !strings.Contains(told.String(), "3 entries") {
		t.Errorf("last %q, %v, saw %q, told %q", last, err, seen, told.String())
	}
}
