package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A shell runs commands as a user would, with a configuration folder of its own.
type shell struct {
	t *testing.T
	s *testServer
}

func newShell(t *testing.T, s *testServer) shell {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	return shell{t, s}
}

// run returns what the command wrote, and fails the test on another exit code than want.
func (sh shell) run(want int, stdin string, args ...string) (out, errOut string) {
	sh.t.Helper()
	var o, e bytes.Buffer
	if code := run(args, strings.NewReader(stdin), &o, &e); code != want {
		sh.t.Fatalf("xively %s: exit code %d, want %d\nstdout: %s\nstderr: %s", strings.Join(args, " "), code, want, &o, &e)
	}
	return o.String(), e.String()
}

func (sh shell) login() {
	sh.t.Helper()
	sh.run(exitOK, testPassword+"\n", "login", testEmail, "--password-stdin", "--server", sh.s.url("https", ""), "--ca", sh.s.certs.authority())
}

func TestCommandsFromTemplateToData(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	path, _ := loginPath()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("login file: %v, %v", info, err)
	}

	out, _ := sh.run(exitOK, "", "templates", "create", "Sensor", "--channel", "temp:timeSeries", "--channel", "control", "-o", "json")
	var template object
	if err := json.Unmarshal([]byte(out), &template); err != nil {
		t.Fatal(err)
	}
	out, _ = sh.run(exitOK, "", "devices", "create", "--serial", "AP-1", "--template", "Sensor", "--credential", "-o", "json")
	var device object
	if err := json.Unmarshal([]byte(out), &device); err != nil {
		t.Fatal(err)
	}
	id := cell(device["id"])
	if device["deviceTemplateId"] != template["id"] || len(cell(device["secret"])) < 40 || device["provisioningState"] != "activated" {
		t.Errorf("device: %s", out)
	}
	sh.run(exitOK, "", "devices", "create", "--serial", "AP-2", "--template", cell(template["id"]), "--name", "=cmd()")
	sh.run(exitOK, "", "devices", "create", "--serial", "other")

	out, _ = sh.run(exitOK, "", "devices", "list", "--serial", "AP", "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][0] != "id" || rows[2][2] != "'=cmd()" {
		t.Errorf("list as CSV: %q, %v", rows, err)
	}
	out, errOut := sh.run(exitOK, "", "devices", "list", "--page-size", "2")
	if strings.Count(out, "\n") != 3 || !strings.Contains(errOut, "2 of 3; next: --page 2") {
		t.Errorf("list: %q %q", out, errOut)
	}
	out, _ = sh.run(exitOK, "", "devices", "list", "--template", "Sensor")
	if strings.Contains(out, "other") || !strings.Contains(out, "AP-1") {
		t.Errorf("list by template: %q", out)
	}
	out, _ = sh.run(exitOK, "", "devices", "get", id)
	if !strings.Contains(out, "xi/blue/v1/"+accounts[0].AccountID+"/d/"+id+"/temp") {
		t.Errorf("get: %q", out)
	}
	out, _ = sh.run(exitOK, "", "templates", "list")
	if !strings.Contains(out, "Default Device Template") || !strings.Contains(out, "Sensor") {
		t.Errorf("templates: %q", out)
	}

	// A new secret by its own command, kept in a file, as a device would use it.
	out, _ = sh.run(exitOK, "", "credentials", "create", id, "-o", "csv")
	rows, err = csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][0] != id {
		t.Fatalf("credential: %q, %v", out, err)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(rows[1][1]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	topic := "xi/blue/v1/" + accounts[0].AccountID + "/d/" + id + "/temp"
	sh.run(exitOK, "", "pub", topic, "-m", "1767225600000,t,1,", "-u", id, "--password-file", secret)
	sh.run(exitOK, "", "pub", "--device", id, "--channel", "temp", "-m", "1767225601000,t,2,", "-q", "2")
	sh.run(exitOK, "1767225602000,t,3,\n1767225603000,u,4,\n", "pub", topic, "--lines", "-u", id, "--password-file", secret,
		"--broker", strings.Replace(s.brokerAddress("ssl"), "ssl", "mqtts", 1))

	out, _ = sh.run(exitOK, "", "data", "get", "--device", id, "--channel", "temp", "-o", "csv")
	if want := "time,category,numericValue,stringValue\n2026-01-01T00:00:00Z,t,1,\n2026-01-01T00:00:01Z,t,2,\n2026-01-01T00:00:02Z,t,3,\n2026-01-01T00:00:03Z,u,4,\n"; out != want {
		t.Errorf("data get: %q, want %q", out, want)
	}
	out, _ = sh.run(exitOK, "", "data", "get", topic, "--start", "2026-01-01T00:00:01Z", "--category", "t", "--limit", "1", "-o", "csv")
	if strings.Count(out, "\n") != 2 || !strings.Contains(out, "00:00:01Z,t,2") {
		t.Errorf("data get with a range: %q", out)
	}
	out, _ = sh.run(exitOK, "", "data", "latest", topic, "-n", "2", "-o", "csv")
	if !strings.Contains(out, "\n2026-01-01T00:00:03Z,u,4,\n2026-01-01T00:00:02Z,t,3,\n") {
		t.Errorf("data latest: %q", out)
	}
	if _, errOut = sh.run(exitOK, "", "data", "get", "no/such/topic"); !strings.Contains(errOut, "No points") {
		t.Errorf("data get of nothing: %q", errOut)
	}

	sh.run(exitOK, "", "pub", topic+"x", "-m", "x", "-u", id, "--password-file", secret)
	eventually(t, "logs search shows the refusal", func() bool {
		out, _ := sh.run(exitOK, "", "logs", "search", "--device", id, "--severity", "warning", "--text", "template Sensor")
		return strings.Contains(out, "tempx")
	})
	sh.run(exitOK, "", "devices", "delete", id)
	sh.run(exitNotFound, "", "devices", "get", id)
}

func TestSubscribeCommand(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	sh.run(exitOK, "", "pub", "plant/gate", "-m", "open", "-r")
	sh.run(exitOK, "", "pub", "plant/door", "-m", "bell\x1b[31m", "-r")
	out, errOut := sh.run(exitOK, "", "sub", "plant/#", "-n", "2")
	if !strings.Contains(out, "plant/gate\topen\n") || !strings.Contains(errOut, "Subscribed to plant/#") {
		t.Errorf("sub: %q %q", out, errOut)
	}
	_, errOut = sh.run(exitRefused, "", "sub", "xi/blue/v1/another/#")
	if !strings.Contains(errOut, "refused") {
		t.Errorf("refused: %q", errOut)
	}
	t.Setenv("XIVELY_MQTT_PASSWORD", "wrong")
	sh.run(exitRefused, "", "sub", "x", "-u", "nobody")
}

func TestCommandMistakes(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	if _, errOut := sh.run(exitRefused, "", "devices", "list", "--server", s.localURL("")); !strings.Contains(errOut, "xively login") {
		t.Errorf("not signed in: %q", errOut)
	}
	sh.run(exitRefused, "wrong-Password-1", "login", testEmail, "--password-stdin", "--server", s.localURL(""))
	sh.login()
	for _, tc := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "unknown command", []string{"devices", "crate"}},
		{exitUsage, "unknown command", []string{"sevre"}},
		{exitUsage, "unknown flag", []string{"devices", "list", "--nope"}},
		{exitUsage, "--serial is needed", []string{"devices", "create"}},
		{exitUsage, "want `", []string{"devices", "get"}},
		{exitUsage, "table, json or csv", []string{"devices", "list", "-o", "xml"}},
		{exitUsage, "want a topic", []string{"data", "get"}},
		{exitUsage, "want a topic", []string{"data", "get", "a", "--device", "x", "--channel", "y"}},
		{exitUsage, "--qos 3", []string{"pub", "x", "-m", "y", "-q", "3"}},
		{exitUsage, "--message or --lines", []string{"pub", "x"}},
		{exitUsage, "needs its secret", []string{"pub", "x", "-m", "y", "-u", "z"}},
		{exitUsage, "not a URL", []string{"devices", "list", "--server", "localhost"}},
		{exitUsage, "want mqtt", []string{"pub", "x", "-m", "y", "--broker", "ftp://x"}},
		{exitUsage, "password", []string{"init", "--email", "x@example.com", "--data", t.TempDir()}},
		{exitUsage, "shutdown", []string{"serve", "--set", "shutdown=never"}},
		{exitNotFound, "templates list", []string{"devices", "create", "--serial", "x", "--template", "nope"}},
		{exitNotFound, "", []string{"devices", "delete", "nope"}},
		{exitFailed, "cannot be reached", []string{"login", "x@example.com", "--password-stdin", "--server", "http://127.0.0.1:1"}},
		{exitFailed, "", []string{"verify", t.TempDir()}},
	} {
		stdin := ""
		if tc.args[0] == "login" {
			stdin = "Some-Password-1"
		}
		if _, errOut := sh.run(tc.code, stdin, tc.args...); !strings.Contains(errOut, tc.want) {
			t.Errorf("xively %s: %q, want %q in it", strings.Join(tc.args, " "), errOut, tc.want)
		}
	}
	sh.run(exitOK, "", "devices", "create", "--serial", "1")
	if _, errOut := sh.run(exitConflict, "", "devices", "create", "--serial", "1"); !strings.Contains(errOut, "serialNumber") {
		t.Errorf("duplicate: %q", errOut)
	}
	// Another server never sees the token of this one.
	if _, errOut := sh.run(exitRefused, "", "devices", "list", "--server", s.localURL("")); !strings.Contains(errOut, "not signed in") {
		t.Errorf("other server: %q", errOut)
	}
}

// An expired token of a live session is renewed by the server and kept for the next command; MQTT gets a fresh one.
func TestLoginOutlivesItsToken(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	before, err := readLogin()
	if err != nil {
		t.Fatal(err)
	}
	sh.run(exitOK, "", "pub", "x", "-m", "y") // renews
	after, err := readLogin()
	if err != nil || after.Token == "" || after.AccountID != before.AccountID {
		t.Errorf("login after: %+v, %v", after, err)
	}
	sh.run(exitOK, "", "devices", "list")
}

func TestInitCommand(t *testing.T) {
	sh := newShell(t, nil)
	dir := filepath.Join(t.TempDir(), "data")
	out, _ := sh.run(exitOK, testPassword+"\n", "init", "--data", dir, "--email", testEmail, "--password-stdin", "--account-name", "Ann", "--json")
	var made madeAccount
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.AccountID == "" || made.UserID == "" || made.AccountUserID == "" {
		t.Fatalf("init: %q, %v", out, err)
	}
	if _, errOut := sh.run(exitConflict, testPassword, "init", "--data", dir, "--email", testEmail, "--password-stdin"); !strings.Contains(errOut, "--another") {
		t.Errorf("second init: %q", errOut)
	}
	sh.run(exitOK, testPassword, "init", "--data", dir, "--email", testEmail, "--password-stdin", "--another")
	if _, errOut := sh.run(exitFailed, "short", "init", "--data", t.TempDir()+"/x", "--email", testEmail, "--password-stdin"); !strings.Contains(errOut, "password") {
		t.Errorf("weak password: %q", errOut)
	}
	sh.run(exitOK, testPassword, "accounts", "create", "--data", dir, "--email", "bob@example.com", "--password-stdin", "--account-name", "Bob")
	if out, _ = sh.run(exitOK, "", "accounts", "list", "--data", dir); strings.Count(out, "\n") != 4 || !strings.Contains(out, "Bob") {
		t.Errorf("accounts: %q", out)
	}
	sh.run(exitOK, "Newer-Password-9", "accounts", "reset-password", "--data", dir, "--email", "bob@example.com", "--password-stdin")
	if out, _ = sh.run(exitOK, "", "verify", dir); !strings.Contains(out, "is whole") {
		t.Errorf("verify: %q", out)
	}
	for _, name := range []string{dir, filepath.Join(dir, "xively.db")} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v: others can read it", name, info.Mode(), err)
		}
	}
}

func TestCheckConfigCommand(t *testing.T) {
	sh := newShell(t, nil)
	sh.run(exitOK, "", "check-config", "config.example.yaml")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	for text, want := range map[string]string{
		"listen:\n  mqt: x\n":                        "line 2: listen.mqt: unknown setting",
		"tls:\n  certificate: /no/c\n  key: /no/k\n": "/no/c",
		"broker:\n  max_inflight: 5000\n":            "broker.max_inflight",
	} {
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, errOut := sh.run(exitUsage, "", "check-config", bad); !strings.Contains(errOut, want) {
			t.Errorf("%q: %q, want %q in it", text, errOut, want)
		}
	}
	sh.run(exitUsage, "", "check-config", "/nowhere.yaml")
}

func TestOutputIsSafe(t *testing.T) {
	var out bytes.Buffer
	rows := []object{{"name": "a\x1b]0;x\x07\nb\u202e", "n": 1.5}, {"name": "+1", "n": -2.0}}
	columns := []column{{"NAME", "name"}, {"N", "n"}}
	if err := (&output{"table"}).list(&out, rows, columns...); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07\u202e") || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("table: %q", out.String())
	}
	out.Reset()
	if err := (&output{"csv"}).list(&out, rows, columns...); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&out).ReadAll()
	if err != nil || got[2][0] != "'+1" || got[2][1] != "-2" || got[1][0] != rows[0]["name"] {
		t.Errorf("csv: %q, %v", got, err)
	}
}

func TestBrokerURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:8080": "ws://127.0.0.1:8080/mqtt", "https://h:8443": "wss://h:8443/mqtt", "mqtt://h:1883": "tcp://h:1883",
		"mqtts://h:8883": "ssl://h:8883", "wss://h": "wss://h/mqtt", "wss://h/other": "wss://h/other",
	} {
		if got, err := brokerURL(in); got != want || err != nil {
			t.Errorf("brokerURL(%s) = %s, %v, want %s", in, got, err, want)
		}
	}
}

func TestCertificateWatchEnds(t *testing.T) {
	c, err := openCertificates(TLSConfig{}, t.TempDir(), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { c.watch(t.Context()); close(done) }()
	t.Cleanup(func() {
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("watch goes on after its context ended")
		}
	})
}
