package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"xively/internal/auth"
)

// TestOverview: what an account did is in its overview, what others did is not, and the server is the operator's only.
func TestOverview(t *testing.T) {
	dir, accounts := newData(t, testEmail, "eve@example.com")
	s := start(t, dir)
	ann, eve := s.signIn(testEmail), s.signIn("eve@example.com")
	d := s.device(ann, accounts[0].AccountID, s.template(ann, accounts[0].AccountID), "O-1")
	c, _ := s.dial("tcp", d.id, d.id, d.secret)
	for range 3 {
		s.done(c.Publish(d.topic("temp"), 1, false, ",,1,"), "publish")
	}
	s.done(c.Publish(d.topic("_log"), 1, false, `{"message":"fan 7 failed","severity":"error","code":"fan"}`), "publish")
	s.done(c.Publish(d.topic("_log"), 1, false, `{"message":"fan 8 failed","severity":"error","code":"fan"}`), "publish")

	of := func(token string) object { return s.must(token, "GET", "/api/v1/overview", nil, "overview") }
	mine, theirs := of(ann), of(eve)
	counts, traffic := mine["counts"].(object), mine["traffic"].(object)
	if counts["devices"] != 1.0 || counts["connectedDevices"] != 1.0 || counts["series"] != 1.0 || traffic["messagesReceived"].(float64) < 5 || traffic["points"] != 3.0 {
		t.Errorf("overview: %v %v", counts, traffic)
	}
	if n := mine["logs"].(object)["severities"].(object)["error"]; n != 2.0 {
		t.Errorf("%v errors in the log, wanted 2", n)
	}
	if hours := mine["logs"].(object)["hours"].([]any); len(hours) != 25 {
		t.Errorf("%d hours, wanted 25", len(hours))
	}
	found := false
	for _, a := range objects(mine["attention"]) {
		found = found || a["code"] == "log" && a["count"] == 2.0 && a["sourceId"] == d.id
	}
	if !found || mine["server"] == nil {
		t.Errorf("two failures of one kind are not one row: %v; server %v", mine["attention"], mine["server"])
	}
	if counts := theirs["counts"].(object); counts["devices"] != 0.0 || theirs["traffic"].(object)["points"] != 0.0 || theirs["server"] != nil {
		t.Errorf("another account's overview: %v", theirs)
	}
	for _, path := range []string{"/api/v1/backups", "/api/v1/backups/schedule", "/api/v1/server/certificate", "/api/v1/server/mail"} {
		if status, _ := s.call(eve, "GET", path, nil); status != http.StatusForbidden {
			t.Errorf("GET %s by another account's admin: %d", path, status)
		}
		if status, answer := s.call(ann, "GET", path, nil); status != http.StatusOK {
			t.Errorf("GET %s: %d %v", path, status, answer)
		}
	}
	if cert := s.must(ann, "GET", "/api/v1/server/certificate", nil, "certificate"); cert["source"] != "private" || !strings.Contains(fmt.Sprint(cert["names"]), "localhost") {
		t.Errorf("certificate: %v", cert)
	}
	if test := s.must(ann, "POST", "/api/v1/server/mail/test", object{"to": "a@example.com"}, "mailTest"); test["sent"] != false || !strings.Contains(cell(test["error"]), "mail.host") {
		t.Errorf("test mail without a mail server: %v", test)
	}
}

// TestOverviewLive: the stream begins with figures and ends with the sign-in it was made with.
func TestOverviewLive(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	req, _ := http.NewRequest("GET", s.url("https", "/api/v1/overview/live"), nil)
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: s.http.Transport}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 4096)
	n, err := io.ReadAtLeast(resp.Body, first, 100)
	if err != nil || !strings.Contains(string(first[:n]), "event: figures\ndata: {\"time\":") {
		t.Fatalf("began with %q, %v", first[:n], err)
	}
	s.platform.disconnect(func(auth.Principal) bool { return true }, "test")
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && !strings.Contains(err.Error(), "EOF") {
		t.Errorf("the stream ended with: %v", err)
	}
}

// TestBackupUnderLoad: devices publish points and are told that they are on disk; a backup made meanwhile, restored elsewhere,
// has all that was acknowledged before it was asked for, of every device without a gap, and people can sign in (D14).
func TestBackupUnderLoad(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	token := s.signIn(testEmail)
	template := s.template(token, accounts[0].AccountID)
	const devices = 4
	var acked [devices]atomic.Int64
	var stop atomic.Bool
	var running sync.WaitGroup
	var all [devices]testDevice
	for i := range devices {
		all[i] = s.device(token, accounts[0].AccountID, template, fmt.Sprint("B-", i))
		c, _ := s.dial("tcp", all[i].id, all[i].id, all[i].secret)
		running.Go(func() {
			for n := int64(1); !stop.Load(); n++ {
				token := c.Publish(all[i].topic("temp"), 1, false, fmt.Sprintf("%d,,%d,", 1767225600000+n, n))
				if token.Wait(); token.Error() != nil {
					t.Error(token.Error())
					return
				}
				acked[i].Store(n)
			}
		})
	}
	for acked[0].Load() < 200 || acked[devices-1].Load() < 200 {
		if t.Failed() {
			return
		}
	}
	var before [devices]int64
	for i := range before {
		before[i] = acked[i].Load()
	}
	out, _ := sh.run(exitOK, "", "backup", "create", "-o", "json")
	var after [devices]int64
	for i := range after {
		after[i] = acked[i].Load()
	}
	stop.Store(true)
	running.Wait()
	var made object
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	name := cell(made["name"])
	if out, _ := sh.run(exitOK, "", "backup", "list"); !strings.Contains(out, name) {
		t.Errorf("list: %q", out)
	}
	file := filepath.Join(t.TempDir(), "saved")
	sh.run(exitOK, "", "backup", "download", name, file)
	to := filepath.Join(t.TempDir(), "restored")
	sh.run(exitOK, "", "restore", file, "--data", to)
	s.stop()

	again := start(t, to)
	token = again.signIn(testEmail)
	for i, d := range all {
		points := again.points(token, d.topic("temp"))
		n := int64(len(points))
		if n < before[i] || n > after[i]+1 {
			t.Errorf("device %d: %d points; %d were acknowledged before the backup, %d after it", i, n, before[i], after[i])
		}
		for at, p := range points {
			if want := float64(at + 1); p["numericValue"] != want {
				t.Fatalf("device %d: point %d is %v", i, at, p)
			}
		}
	}
}

// TestBackupRoutes: names are of one form (P08), an API key may not have the file, and what is not done cannot be had.
func TestBackupRoutes(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	if err := os.WriteFile(filepath.Join(dir, "backups-beside"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := s.must(token, "POST", "/api/v1/backups?wait=true", nil, "backup")
	name := cell(one["name"])
	if one["state"] != "done" {
		t.Fatalf("backup: %v", one)
	}
	for _, bad := range []string{"..", "../secret.key", "..%2fsecret.key", "%2e%2e%2fsecret.key", "..%5csecret.key", "%00", name + "%00", "%252e%252e%252fsecret.key",
		"xively-20260101T000000Z-manual.tar.zst", name + ".partial", strings.ToUpper(name)} {
		for _, tail := range []string{"", "/file"} {
			status, _ := s.get(token, "/api/v1/backups/"+bad+tail)
			if status != http.StatusNotFound && status != http.StatusBadRequest {
				t.Errorf("GET %s%s: %d", bad, tail, status)
			}
		}
	}
	key := s.must(token, "POST", "/api/v1/api-keys", object{"name": "ci", "scopes": []string{"write"}}, "apiKey")
	if status, _ := s.get(cell(key["key"]), "/api/v1/backups/"+name); status != http.StatusOK {
		t.Errorf("an API key looks at a backup: %d", status)
	}
	if status, body := s.get(cell(key["key"]), "/api/v1/backups/"+name+"/file"); status != http.StatusForbidden {
		t.Errorf("an API key gets a backup's file: %d, %d bytes", status, len(body))
	}
	if status, _ := s.call(cell(key["key"]), "POST", "/api/v1/backups/"+name+"/restore", nil); status != http.StatusForbidden {
		t.Errorf("an API key restores a backup: %d", status)
	}
	if status, body := s.get(token, "/api/v1/backups/"+name+"/file"); status != http.StatusOK || float64(len(body)) != one["bytes"] {
		t.Errorf("the file: %d, %d bytes of %v", status, len(body), one["bytes"])
	}
	eventually(t, "the log says who has the backup", func() bool { return s.logged(token, "backup.downloaded") })
	for body, status := range map[string]int{`{"everyHours":24,"keep":3}`: 200, `{"everyHours":-1}`: 400, `{"keep":0}`: 400, `{"everyHours":100000}`: 400} {
		var in object
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		if got, answer := s.call(token, "PUT", "/api/v1/backups/schedule", in); got != status {
			t.Errorf("PUT schedule %s: %d %v", body, got, answer)
		}
	}
	schedule := s.must(token, "GET", "/api/v1/backups/schedule", nil, "schedule")
	if schedule["everyHours"] != 24.0 || schedule["keep"] != 3.0 || schedule["next"] == nil {
		t.Errorf("schedule: %v", schedule)
	}
	s.must(token, "DELETE", "/api/v1/backups/"+url.PathEscape(name), nil, "backup")
	if status, _ := s.get(token, "/api/v1/backups/"+name); status != http.StatusNotFound {
		t.Errorf("a removed backup: %d", status)
	}
}

// TestRestoreRunning: the running server goes back to a backup: what came later is gone from it and kept beside it, and devices and people go on.
func TestRestoreRunning(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	p := spawnToStay(t, dir)
	sh := shellAt(t, p.rest)
	fleet := soakFleet(t, sh, accounts[0].AccountID, 1)
	publish := func(value string) {
		t.Helper()
		sh.run(exitOK, "2026-01-31T12:00:00Z,,"+value+",\n", "data", "import", fleet[0].Topic, "--file", "-")
	}
	publish("1")
	out, _ := sh.run(exitOK, "", "backup", "create", "-o", "csv")
	name := regexp.MustCompile(`xively-\S*?\.tar\.zst`).FindString(out)
	sh.run(exitOK, "", "devices", "create", "--serial", "later", "--template", "Sensor")
	if out, _ := sh.run(exitOK, "", "devices", "list"); !strings.Contains(out, "later") {
		t.Fatalf("devices: %s", out)
	}

	sh.run(exitUsage, "", "backup", "restore", name)
	sh.run(exitNotFound, "", "backup", "restore", "nothing", "--yes")
	// One that is not whole changes nothing.
	const damaged = "xively-20200101T000000Z-manual.tar.zst"
	text, err := os.ReadFile(filepath.Join(dir, "backups", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "backups", damaged), text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errOut := sh.run(exitFailed, "", "backup", "restore", damaged, "--yes"); !strings.Contains(errOut, "nothing was changed") {
		t.Errorf("a damaged backup: %s", errOut)
	}
	if out, _ := sh.run(exitOK, "", "devices", "list"); !strings.Contains(out, "later") {
		t.Errorf("after a damaged backup: %s", out)
	}

	sh.run(exitOK, "", "backup", "restore", name, "--yes")
	eventually(t, "the server is back and has no later device", func() bool {
		var out bytes.Buffer
		code := run([]string{"devices", "list"}, nil, &out, io.Discard)
		return code == exitOK && strings.Contains(out.String(), "soak-0") && !strings.Contains(out.String(), "later")
	})
	if out, _ := sh.run(exitOK, "", "data", "get", fleet[0].Topic); !strings.Contains(out, "1") {
		t.Errorf("points: %s", out)
	}
	publish("2")
	kept, _ := filepath.Glob(filepath.Join(dir, "replaced-*"))
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	if out, _ := sh.run(exitOK, "", "overview"); !strings.Contains(out, filepath.Base(kept[0])) {
		t.Errorf("overview: %s", out)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.stderr.String())
	}
	former := start(t, kept[0])
	if n := former.must(former.signIn(testEmail), "GET", "/api/v1/devices?serialNumber=later", nil, "devices"); n["meta"].(object)["count"] != 1.0 {
		t.Errorf("what was replaced has %v", n)
	}
}

// spawnToStay is spawn of a server that has the same ports when it starts again. It is ready, and is killed at the end of the test.
func spawnToStay(t *testing.T, dir string) *process {
	t.Helper()
	var set []string
	var taken []net.Listener // all at once, so that they differ
	for _, key := range []string{"listen.local", "listen.mqtts", "listen.tls"} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		taken, set = append(taken, ln), append(set, key+"="+ln.Addr().String())
	}
	for _, ln := range taken {
		_ = ln.Close()
	}
	p := spawn(t, dir, set...)
	t.Cleanup(func() { p.kill() })
	p.mustReady()
	return p
}

// get is call for answers of any kind and paths as they are.
func (s *testServer) get(token, path string) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.url("https", path), nil)
	if err != nil {
		return http.StatusBadRequest, nil // no client could send it
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// TestOperatingCommands: what the routes answer, as people see it.
func TestOperatingCommands(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"overview"}, exitOK, "There is no backup yet"},
		{[]string{"overview", "-o", "json"}, exitOK, `"uptimeSeconds"`},
		{[]string{"limits"}, exitOK, "logging.retention"},
		{[]string{"server", "certificate"}, exitOK, "localhost"},
		{[]string{"server", "mail", "-o", "csv"}, exitOK, "starttls"},
		{[]string{"server", "test-mail", "ann@example.com"}, exitFailed, "mail.host"},
		{[]string{"server", "test-mail", "nobody"}, exitFailed, "e-mail address"},
		{[]string{"backup", "schedule", "--every", "24", "--keep", "3"}, exitOK, "xively restore"},
		{[]string{"backup", "schedule", "-o", "json"}, exitOK, `"everyHours": 24`},
		{[]string{"backup", "schedule", "--keep", "0"}, exitFailed, "keep"},
		{[]string{"backup", "delete", "nothing"}, exitNotFound, "nothing"},
		{[]string{"backup", "download", "nothing", filepath.Join(t.TempDir(), "x")}, exitNotFound, ""},
		{[]string{"backup", "file", filepath.Join(t.TempDir(), "x"), "--data", dir}, exitFailed, "in use"},
		{[]string{"restore", "nothing", "--data", filepath.Join(t.TempDir(), "y")}, exitFailed, "no such file"},
		{[]string{"restore", "nothing"}, exitUsage, "--data"},
	} {
		out, errOut := sh.run(row.code, "", row.args...)
		if !strings.Contains(out+errOut, row.want) {
			t.Errorf("xively %s: no %q in %s%s", strings.Join(row.args, " "), row.want, out, errOut)
		}
	}
	s.stop()
	file, to := filepath.Join(t.TempDir(), "offline"), filepath.Join(t.TempDir(), "restored")
	sh.run(exitOK, "", "backup", "file", file, "--data", dir)
	sh.run(exitOK, "", "restore", file, "--data", to)
	sh.run(exitFailed, "", "backup", "file", file, "--data", dir) // never over a file
	again := start(t, to)
	again.signIn(testEmail)
}
