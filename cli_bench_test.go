package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The load generator against our own server, over TLS with its authority checked: what it prints must be what was delivered.
func TestBenchCommand(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir, "broker.anonymous="+accounts[0].AccountID)
	sh := newShell(t, s)
	broker := fmt.Sprintf("mqtts://localhost:%d", port(s.listeners.mqtts))
	small := []string{"--broker", broker, "--ca", s.certs.authority(), "--clients", "2", "--duration", "50ms", "--pid", strconv.Itoa(os.Getpid())}

	out, _ := sh.run(exitOK, "", append([]string{"bench", "pairs", "fan-out", "-q", "1", "-o", "json"}, small...)...)
	var rows []struct {
		Scenario string
		QoS      int
		Count    uint64
	}
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	if got := rows[0].Count + rows[1].Count; got == 0 || got != s.broker.Stats().Delivered || rows[0].Scenario != "pairs" || rows[1].QoS != 1 {
		t.Errorf("%s\nwhile the broker delivered %d", out, s.broker.Stats().Delivered)
	}

	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		want int
		say  string
		args []string
	}{
		{exitUsage, "not 0, 1 or 2", []string{"-q", "3"}},
		{exitUsage, "no URL", []string{"--broker", "localhost"}},
		{exitUsage, "not mqtt, mqtts, ws or wss", []string{"--broker", "http://localhost:1"}},
		{exitFailed, "no PEM certificate", []string{"--broker", broker, "--ca", empty}},
		{exitUsage, "no scenario \"fan\"", append([]string{"fan"}, small...)},
	} {
		if _, errOut := sh.run(row.want, "", append([]string{"bench"}, row.args...)...); !strings.Contains(errOut, row.say) {
			t.Errorf("bench %v: %s\nwanted %q", row.args, errOut, row.say)
		}
	}
}
