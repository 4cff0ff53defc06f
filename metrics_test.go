package main

import (
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"xively/blueprint"
	"xively/broker"
	"xively/identity"
	"xively/logging"
	"xively/storage"
	"xively/timeseries"
)

func TestMetrics(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "M-1")
	c, _ := s.dial("tcp", d.id, d.id, d.secret)
	s.done(c.Publish(d.topic("temp"), 1, false, "1,t,1,\n2,t,2,"), "publish")

	resp, body := get(t, s.http, s.localURL("/metrics"))
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) xively_[a-z0-9_]+ .+|xively_[a-z0-9_]+ [0-9.e+-]+)$`)
	for l := range strings.Lines(body) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("not Prometheus's form: %q", l)
		}
	}
	for _, want := range []string{"xively_broker_connections 1\n", "xively_broker_accepted_total 1\n", "xively_timeseries_points_total 2\n",
		"# TYPE xively_storage_backlog_bytes gauge\n", "# TYPE xively_broker_received_total counter\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
	if strings.Contains(body, d.id) || strings.Contains(body, accounts[0].AccountID) {
		t.Error("figures name somebody")
	}

	// Nobody but this machine by its own name.
	if resp, _ := get(t, s.http, s.url("https", "/metrics")); resp.StatusCode != 404 {
		t.Errorf("over the TLS port: %d", resp.StatusCode)
	}
	req, err := http.NewRequest("GET", s.localURL("/metrics"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "iot.example.com"
	if resp, err := s.http.Do(req); err != nil || resp.StatusCode != 404 {
		t.Errorf("by another name: %v, %v", resp, err)
	}
}

// A counter that a module gains must be seen by the operator, too.
func TestMetricsAreComplete(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	shown := map[string]int{}
	seen := map[string]bool{}
	for _, m := range s.metrics() {
		if seen[m.name] || m.help == "" {
			t.Errorf("%s is there twice or has no help", m.name)
		}
		seen[m.name] = true
		module, _, _ := strings.Cut(m.name, "_")
		shown[module]++
	}
	for module, stats := range map[string]any{"broker": broker.Stats{}, "storage": storage.Stats{}, "timeseries": timeseries.Stats{},
		"logging": logging.Stats{}, "identity": identity.Stats{}, "blueprint": blueprint.Stats{}} {
		if want := reflect.TypeOf(stats).NumField(); shown[module] != want {
			t.Errorf("%s has %d counters, /metrics shows %d: see metrics.go", module, want, shown[module])
		}
	}
}

func TestHostname(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1:8080": "127.0.0.1", "localhost": "localhost", "[::1]:80": "::1", "[::1]": "::1", "": "", "a.example:1": "a.example"} {
		if got := hostname(in); got != want {
			t.Errorf("hostname(%q) = %q, want %q", in, got, want)
		}
	}
}
