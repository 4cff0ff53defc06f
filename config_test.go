package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// load runs loadConfig on a file with this text ("" for no file).
func load(t *testing.T, text string, environ, flags []string) (Config, []string, error) {
	t.Helper()
	path := ""
	if text != "" {
		path = filepath.Join(t.TempDir(), "x.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return loadConfig(path, environ, flags)
}

func TestExampleConfigEqualsDefaults(t *testing.T) {
	cfg, _, err := load(t, string(exampleConfig), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	wantSettings := settings(&want)
	for i, s := range settings(&cfg) {
		if s.text() != wantSettings[i].text() {
			t.Errorf("%s: the example says %q, the default is %q", s.key, s.text(), wantSettings[i].text())
		}
	}
}

// Every setting must stand in the example: an operator reads that file and nothing else.
func TestExampleConfigNamesEverySetting(t *testing.T) {
	var cfg Config
	bare := map[string]setting{}
	for _, s := range settings(&cfg) {
		bare[s.key] = s
	}
	for _, s := range settings(&cfg) {
		missing := map[string]setting{}
		for k, v := range bare {
			if k != s.key {
				missing[k] = v
			}
		}
		if err := readYAML(exampleConfig, missing); err == nil {
			t.Errorf("%s is not in config.example.yaml", s.key)
		}
	}
}

func TestConfigLayers(t *testing.T) {
	file := "listen:\n  mqtt: 127.0.0.1:1\n  local: 127.0.0.1:2\nshutdown: 20s\ntls:\n  names: [a.example, b.example]\n"
	cfg, unused, err := load(t, file,
		[]string{"HOME=/", "XIVELY_LISTEN_MQTT=127.0.0.1:3", "XIVELY_LISTEN_TLS=", "XIVELY_SERVER=x", "XIVELY_PORT_1_TCP=x"},
		[]string{"listen.mqtt=127.0.0.1:4"})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{cfg.Listen.MQTT, cfg.Listen.Local, cfg.Listen.TLS, cfg.Listen.MQTTS, cfg.Shutdown.String()}
	want := []string{"127.0.0.1:4", "127.0.0.1:2", "", ":8883", "20s"} // flag, file, environment, default, file
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(cfg.TLS.Names, []string{"a.example", "b.example"}) {
		t.Errorf("tls.names = %q", cfg.TLS.Names)
	}
	if !slices.Equal(unused, []string{"XIVELY_PORT_1_TCP"}) {
		t.Errorf("unused = %q", unused)
	}
}

func TestConfigSecretFromFile(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "eab")
	if err := os.WriteFile(secret, []byte("c2VjcmV0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]struct {
		file    string
		environ []string
	}{
		"file":        {file: "tls:\n  acme:\n    eab_key_file: " + secret + "\n"},
		"environment": {environ: []string{"XIVELY_TLS_ACME_EAB_KEY_FILE=" + secret}},
	} {
		cfg, unused, err := load(t, from.file, from.environ, nil)
		if err != nil || len(unused) > 0 || cfg.TLS.ACME.EABKey != "c2VjcmV0" {
			t.Errorf("%s: eab_key = %q, unused %q, err %v", name, cfg.TLS.ACME.EABKey, unused, err)
		}
	}
	if _, _, err := load(t, "data_file: "+secret+"\n", nil, nil); err == nil {
		t.Error("a setting that is no secret was taken from a file")
	}
}

func TestConfigRefusals(t *testing.T) {
	for _, tc := range []struct{ name, file, env, flag, want string }{
		{name: "unknown key", file: "data: x\nlisten:\n  mqt: 1\n", want: "line 3: listen.mqt: unknown setting, did you mean listen.mqtt?"},
		{name: "unknown group", file: "brokers:\n  a: 1\n", want: "line 1: brokers: unknown setting"},
		{name: "duplicate", file: "data: x\nshutdown: 1s\ndata: y\n", want: "line 3: data is set on line 1 already"},
		{name: "duplicate group", file: "log:\n  level: info\nlog:\n  format: json\n", want: "line 3: log is set on line 1 already"},
		{name: "secret twice", file: "tls:\n  acme:\n    eab_key: x\n    eab_key_file: y\n", want: "line 4: tls.acme.eab_key_file is set on line 3 already"},
		{name: "no value", file: "data:\n", want: "line 1: data: no value"},
		{name: "map for text", file: "data:\n  x: 1\n", want: "line 1: data: want a single value"},
		{name: "list for text", file: "data: [a]\n", want: "line 1: data: want a single value"},
		{name: "text for group", file: "listen: x\n", want: "line 1: listen: want"},
		{name: "bad duration", file: "shutdown: 15\n", want: `line 1: shutdown: "15" is not a duration`},
		{name: "bad bool", file: "tls:\n  acme:\n    accept_tos: yes\n", want: `line 3: tls.acme.accept_tos: "yes" is not true or false`},
		{name: "bad syntax", file: "data: [a\n", want: "line 1"},
		{name: "tab", file: "listen:\n\tmqtt: x\n", want: "line 2"},
		{name: "alias", file: "data: &a x\nlog:\n  level: *a\n", want: "line 3: log.level: want a single value"},
		{name: "two documents", file: "data: x\n---\ndata: y\n", want: "more than one YAML document"},
		{name: "empty", file: "  \r\n", want: "the file is empty"},
		{name: "not a map", file: "- a\n", want: `line 1: want "key: value" lines`},
		{name: "environment", env: "XIVELY_SHUTDOWN=soon", want: "XIVELY_SHUTDOWN"},
		{name: "missing secret file", env: "XIVELY_TLS_ACME_EAB_KEY_FILE=/nowhere", want: "XIVELY_TLS_ACME_EAB_KEY_FILE"},
		{name: "flag", flag: "listn.mqtt=x", want: "did you mean listen.mqtt?"},
		{name: "flag without value", flag: "data", want: "want key=value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var environ, flags []string
			if tc.env != "" {
				environ = []string{tc.env}
			}
			if tc.flag != "" {
				flags = []string{tc.flag}
			}
			_, _, err := load(t, tc.file, environ, flags)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestConfigAccepts(t *testing.T) {
	for name, file := range map[string]string{
		"comments only":  "# nothing\n",
		"Windows lines":  "data: x\r\nlog:\r\n  level: debug\r\n",
		"byte order":     "\ufeffdata: x\n",
		"switched off":   "listen:\n  local: \"\"\n",
		"quoted number":  "shutdown: \"15s\"\n",
		"document start": "---\ndata: x\n",
	} {
		if _, _, err := load(t, file, nil, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := defaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		flag string
		want string
	}{
		{"data=", "data"},
		{"shutdown=0s", "shutdown"},
		{"log.level=loud", "log.level"},
		{"log.format=xml", "log.format"},
		{"listen.local=0.0.0.0:8080", "listen.local"},
		{"listen.local=:8080", "listen.local"},
		{"listen.tls=8443", "listen.tls"},
		{"listen.mqtts=:http-nope", "listen.mqtts"},
		{"listen.mqtts=:8443", "listen.mqtts: :8443 is taken by listen.tls"},
		{"rest.origins=*", "rest.origins"},
		{"rest.origins=https://shop.example.com/", "rest.origins"},
		{"rest.origins=https://shop.example.com,Shop", "rest.origins"},
		{"blueprint.organization_levels=21", "blueprint.organization_levels"},
		{"identity.public_url=iot.example.com", "identity.public_url"},
		{"timeseries.keep_points=1h", "timeseries.keep_points"},
		{"logging.max_bytes=1KiB", "logging.max_bytes"},
		{"tls.certificate=x.pem", "tls.certificate and tls.key"},
		{"tls.names=a b", "not a host name"},
		{"tls.acme.names=iot.example.com", "tls.acme.accept_tos"},
		{"tls.acme.eab_key_id=x", "tls.acme.eab_key_id"},
	} {
		cfg, _, err := loadConfig("", nil, []string{tc.flag})
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("--set %s: got %v, want an error with %q", tc.flag, err, tc.want)
		}
	}
}

func TestSetting(t *testing.T) {
	var v struct {
		Number   int
		Small    uint8
		Duration time.Duration
		Ratio    float64
	}
	fields := map[string]setting{}
	rv := reflect.ValueOf(&v).Elem()
	for i := range rv.NumField() {
		fields[rv.Type().Field(i).Name] = setting{key: rv.Type().Field(i).Name, value: rv.Field(i)}
	}
	for _, tc := range []struct{ field, text, want string }{
		{"Number", "42", "42"}, {"Number", "64KiB", "65536"}, {"Number", "8 MiB", "8388608"}, {"Number", "1GiB", "1073741824"},
		{"Number", "9999999999999GiB", ""}, {"Number", "1KB", ""}, {"Number", "", ""}, {"Number", "1.5", ""},
		{"Small", "255", "255"}, {"Small", "256", ""}, {"Small", "-1", ""},
		{"Duration", "1m30s", "1m30s"}, {"Ratio", "0.5", "0.5"}, {"Ratio", "half", ""},
	} {
		err := fields[tc.field].set(tc.text)
		if tc.want == "" {
			if err == nil {
				t.Errorf("%s = %q was accepted as %s", tc.field, tc.text, fields[tc.field].text())
			}
		} else if got := fields[tc.field].text(); err != nil || got != tc.want {
			t.Errorf("%s = %q: got %s, %v, want %s", tc.field, tc.text, got, err, tc.want)
		}
	}
}

func TestSnakeCase(t *testing.T) {
	for name, want := range map[string]string{
		"Data": "data", "MQTTS": "mqtts", "TLS": "tls", "MaxPacketBytes": "max_packet_bytes",
		"EABKeyID": "eab_key_id", "AcceptTOS": "accept_tos", "ACME": "acme", "MaxQoS": "max_qo_s",
	} {
		if got := snakeCase(name); got != want {
			t.Errorf("snakeCase(%s) = %s, want %s", name, got, want)
		}
	}
}

// A file cut or changed anywhere is read or refused, never worse.
func FuzzReadYAML(f *testing.F) {
	f.Add(exampleConfig)
	for _, text := range []string{"data: x\n", "a: &a [*a]\n", "listen: {mqtt: x, local: }\n", "? [a]\n: b\n", "<<: {data: x}\n", "data: !!binary aGk=\n", "{", "\x00", "- - -"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg := defaultConfig()
		byKey := map[string]setting{}
		for _, s := range settings(&cfg) {
			if !s.secret { // so that no file of this machine is read
				byKey[s.key] = s
			}
		}
		if readYAML(text, byKey) == nil {
			_ = cfg.Validate()
		}
	})
}
