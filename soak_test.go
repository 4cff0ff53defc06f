package main

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xively/internal/bench"
	"xively/internal/dial"
)

var (
	soakDevices = flag.Int("soak-devices", 20, "devices of TestSoakIngest")
	soakRate    = flag.Int("soak-rate", 200, "messages a second of TestSoakIngest, of three points each")
	soakFor     = flag.Duration("soak-for", time.Second, "how long TestSoakIngest sends")
)

// TestSoakIngest is a fleet that sends points over MQTT, every message acknowledged when it is on disk: real devices with
// credentials of their own, imported from a file, against a server in a process of its own. What was acknowledged is
// there afterwards, point by point, and after a kill as well. `make soak-ingest` runs it with 5,000 devices.
func TestSoakIngest(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mqtt := ln.Addr().String()
	_ = ln.Close()
	p := spawn(t, dir, "listen.mqtt="+mqtt)
	t.Cleanup(func() { p.kill() })
	p.mustReady()
	sh := shellAt(t, p.rest)
	fleet := soakFleet(t, sh, accounts[0].AccountID, *soakDevices)

	open, err := dial.URL("mqtt://"+mqtt, nil, bench.ReadBuffer)
	if err != nil {
		t.Fatal(err)
	}
	target := bench.Target{Dial: open, PID: p.cmd.Process.Pid}
	var least, most int64
	res, err := bench.Run(t.Context(), "ingest", target, bench.Options{Fleet: fleet, QoS: 1, Rate: *soakRate, Duration: *soakFor,
		Progress: func(s bench.Sample) {
			if least == 0 {
				least = s.Resident
			}
			most = max(most, s.Resident)
			t.Logf("%v: %d messages acknowledged, processor %v, resident %d MiB, p50 %v, p99 %v", s.After.Round(time.Second), s.Acked, s.CPU, s.Resident>>20, s.P50, s.P99)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages in %v (%.0f/s), processor %.1f µs a message, PUBACK p50 %v, p99 %v, p99.9 %v, max %v; resident %d to %d MiB, %d MiB at the end",
		res.Count, res.Elapsed.Round(time.Millisecond), res.PerSecond, res.CPU, res.P50, res.P99, res.P999, res.LatencyMax, least>>20, most>>20, res.Resident>>20)
	wantStored(t, sh, "after the load", fleet, res.Acked)

	p.kill()
	p = spawn(t, dir, "listen.mqtt="+mqtt)
	began := time.Now()
	p.mustReady()
	t.Logf("ready %v after a kill", time.Since(began).Round(time.Millisecond))
	wantStored(t, shellAt(t, p.rest), "after a kill", fleet, res.Acked)
}

// shellAt is a shell signed in at a server by its local address.
func shellAt(t *testing.T, rest string) shell {
	sh := newShell(t, nil)
	sh.run(exitOK, testPassword+"\n", "login", testEmail, "--password-stdin", "--server", rest)
	return sh
}

// soakFleet imports devices with credentials.
func soakFleet(t *testing.T, sh shell, account string, n int) []bench.Device {
	t.Helper()
	sh.run(exitOK, "", "templates", "create", "Sensor", "--channel", "temp:timeSeries")
	folder := t.TempDir()
	list, secrets := filepath.Join(folder, "fleet.csv"), filepath.Join(folder, "secrets.csv")
	var b strings.Builder
	b.WriteString("serialNumber\n")
	for i := range n {
		fmt.Fprintf(&b, "soak-%d\n", i)
	}
	if err := os.WriteFile(list, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	sh.run(exitOK, "", "devices", "import", list, "--template", "Sensor", "--credentials", secrets)
	fleet, err := readFleet(secrets, "xi/blue/v1/"+account+"/d/{device}/temp")
	if err != nil || len(fleet) != n {
		t.Fatalf("%d devices, %v", len(fleet), err)
	}
	t.Logf("%d devices with credentials imported in %v", n, time.Since(began).Round(time.Millisecond))
	return fleet
}

// wantStored compares the points of each device with the messages that were acknowledged to it.
func wantStored(t *testing.T, sh shell, when string, fleet []bench.Device, acked []int64) {
	t.Helper()
	stored := map[string]int64{}
	for from := 0; from < len(fleet); from += 500 {
		var topics []string
		for _, d := range fleet[from:min(from+500, len(fleet))] {
			topics = append(topics, d.Topic)
		}
		c, err := new(serverFlags).signedIn()
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Series []struct {
				Topic  string
				Result []struct{ Count float64 }
			}
		}
		if err := c.call(t.Context(), http.MethodPost, "/api/v4/query", object{"topic": topics, "interval": "1y", "aggregate": "count"}, &answer); err != nil {
			t.Fatal(err)
		}
		for _, s := range answer.Series {
			for _, r := range s.Result {
				stored[s.Topic] += int64(r.Count)
			}
		}
	}
	var sum, messages int64
	for i, d := range fleet {
		sum, messages = sum+stored[d.Topic], messages+acked[i]
		if stored[d.Topic] != acked[i]*bench.IngestPoints {
			t.Errorf("%s: %d points of device %d are stored, %d messages of %d points were acknowledged", when, stored[d.Topic], i, acked[i], bench.IngestPoints)
		}
	}
	t.Logf("%s: %d points stored, %d acknowledged", when, sum, messages*bench.IngestPoints)
}

// TestBenchIngestCommand is scenario ingest from the command line.
func TestBenchIngestCommand(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	fleet := soakFleet(t, sh, accounts[0].AccountID, 3)
	file := filepath.Join(t.TempDir(), "secrets.csv")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := csv.NewWriter(out)
	_ = w.Write([]string{"deviceId", "serialNumber", "secret"})
	for _, d := range fleet {
		_ = w.Write([]string{d.User, "", d.Password})
	}
	w.Flush()
	_ = out.Close()
	broker := fmt.Sprintf("mqtts://localhost:%d", port(s.listeners.mqtts))
	text, _ := sh.run(exitOK, "", "bench", "ingest", "--broker", broker, "--ca", s.certs.authority(), "--fleet", file,
		"--topic", "xi/blue/v1/"+accounts[0].AccountID+"/d/{device}/temp", "--rate", "300", "--duration", "100ms", "-o", "json")
	var rows []struct{ Count uint64 }
	if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) != 1 || rows[0].Count == 0 || rows[0].Count*bench.IngestPoints != s.timeseries.Stats().Points {
		t.Errorf("%v: %s, while %d points were stored", err, text, s.timeseries.Stats().Points)
	}
	for want, args := range map[string][]string{
		"--fleet":            {"ingest", "--broker", broker, "--ca", s.certs.authority()},
		"{device}":           {"ingest", "--fleet", file},
		"no columns":         {"ingest", "--fleet", dirFile(t, "a,b\n1,2\n"), "--topic", "{device}"},
		"is empty":           {"ingest", "--fleet", dirFile(t, ""), "--topic", "{device}"},
		"no such file or di": {"ingest", "--fleet", file + "x", "--topic", "{device}"},
	} {
		var o, e strings.Builder
		if code := run(append([]string{"bench"}, args...), strings.NewReader(""), &o, &e); code == exitOK || !strings.Contains(e.String(), want) {
			t.Errorf("bench %v: exit code %d, %s\nwanted %q", args, code, e.String(), want)
		}
	}
}

func dirFile(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "file.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
