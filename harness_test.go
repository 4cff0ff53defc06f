package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"xively/internal/openapi/openapitest"
)

// The test binary is also the program, for tests that need a process of its own: to kill it, or to send it signals.
const asProgram = "XIVELY_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	code := m.Run()
	stopBrowser()
	os.Exit(code)
}

// patience is how long a test waits for what will not come before it says so. It is no promise of the product: a machine that is busy with
// many tests may well need seconds for what takes milliseconds.
const patience = time.Minute

const (
	testEmail    = "ann@example.com"
	testPassword = "Correct-Horse-42"
)

// testSettings are for a server beside others: any free ports, and hashes that cost little.
var testSettings = []string{
	"listen.local=127.0.0.1:0", "listen.tls=127.0.0.1:0", "listen.mqtts=127.0.0.1:0", "listen.mqtt=127.0.0.1:0",
	"identity.password_memory_kib=8192", "identity.password_passes=1", "broker.max_unauthenticated_ip=256",
}

func testConfig(t *testing.T, dir string, set ...string) Config {
	t.Helper()
	cfg, _, err := loadConfig("", nil, append(append([]string{"data=" + dir}, testSettings...), set...))
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// newData makes a data folder with one account per e-mail address.
func newData(t *testing.T, emails ...string) (dir string, accounts []madeAccount) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	return dir, newDataIn(t, dir, emails...)
}

func newDataIn(t *testing.T, dir string, emails ...string) (accounts []madeAccount) {
	t.Helper()
	for i, email := range emails {
		made, err := makeAccount(t.Context(), testConfig(t, dir), testLog(t), "", email, testPassword, i > 0)
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, made)
	}
	return accounts
}

// A testServer is a running platform.
type testServer struct {
	*platform
	t    *testing.T
	stop func() // in order; a second call does nothing
	http *http.Client
	tls  *tls.Config
}

// start runs a platform on dir until the test ends or stop is called.
func start(t *testing.T, dir string, set ...string) *testServer {
	t.Helper()
	p, err := openPlatform(testConfig(t, dir, set...), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	p.http.Handler = openapitest.Hold(t, p.http.Handler)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	s := &testServer{platform: p, t: t}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		s.http.CloseIdleConnections()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the platform ended with: %v", err)
			}
		case <-time.After(patience):
			t.Errorf("the platform did not stop within %v", patience)
		}
	}
	t.Cleanup(s.stop)
	pool := x509.NewCertPool()
	text, err := os.ReadFile(cmp.Or(p.certs.authority(), p.cfg.TLS.Certificate))
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatalf("authority: %v", err)
	}
	s.tls = &tls.Config{RootCAs: pool}
	s.http = &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls.Clone()}, Timeout: patience}
	return s
}

// trustAnything lets the test's own requests through, whatever the certificate.
func (s *testServer) trustAnything() {
	s.http.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
}

// url of the TLS port, whose certificate every request verifies.
func (s *testServer) url(scheme, path string) string {
	return fmt.Sprintf("%s://localhost:%d%s", scheme, port(s.listeners.tls), path)
}

func (s *testServer) localURL(path string) string {
	return "http://" + s.listeners.local.Addr().String() + path
}

// call sends JSON and returns status and answer.
func (s *testServer) call(token, method, path string, body any) (int, object) {
	s.t.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, s.url("https", path), payload)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer object
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		s.t.Fatalf("%s %s: %d: %v", method, path, resp.StatusCode, err)
	}
	return resp.StatusCode, answer
}

// must is call for requests that have to succeed; it returns the member key of the answer ("" for the answer itself).
func (s *testServer) must(token, method, path string, body any, key string) object {
	s.t.Helper()
	status, answer := s.call(token, method, path, body)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	if key == "" {
		return answer
	}
	member, ok := answer[key].(object)
	if !ok {
		s.t.Fatalf("%s %s: no %q in %v", method, path, key, answer)
	}
	return member
}

func (s *testServer) signIn(email string) (token string) {
	s.t.Helper()
	answer := s.must("", "POST", "/api/v1/auth/login-user", object{"emailAddress": email, "password": testPassword}, "")
	return cell(answer["jwt"])
}

// A testDevice has a time-series channel "temp" and a simple channel "control".
type testDevice struct{ account, id, secret string }

func (d testDevice) topic(channel string) string {
	return "xi/blue/v1/" + d.account + "/d/" + d.id + "/" + channel
}

// template makes a device template with the channels that testDevice tells of.
func (s *testServer) template(token, account string) (id string) {
	s.t.Helper()
	made := s.must(token, "POST", "/api/v1/devices/templates", object{"accountId": account, "name": "Sensor"}, "deviceTemplate")
	for name, kept := range map[string]string{"temp": "timeSeries", "control": "simple"} {
		s.must(token, "POST", "/api/v1/channels/templates", object{"accountId": account, "entityId": made["id"],
			"entityType": "deviceTemplate", "name": name, "persistenceType": kept}, "channelTemplate")
	}
	return cell(made["id"])
}

func (s *testServer) device(token, account, template, serial string) testDevice {
	s.t.Helper()
	made := s.must(token, "POST", "/api/v1/devices", object{"accountId": account, "deviceTemplateId": template, "serialNumber": serial}, "device")
	return testDevice{account, cell(made["id"]), s.secret(token, account, cell(made["id"]), "device")}
}

func (s *testServer) secret(token, account, id, kind string) string {
	s.t.Helper()
	made := s.must(token, "POST", "/api/v1/access/mqtt-credentials", object{"accountId": account, "entityId": id, "entityType": kind}, "mqttCredential")
	return cell(made["secret"])
}

// broker returns the address of a listener as paho wants it: tcp, ssl (8883's), tls (the shared port's), ws, wss.
func (s *testServer) brokerAddress(transport string) string {
	at := func(scheme string, ln net.Listener) string { return fmt.Sprintf("%s://localhost:%d", scheme, port(ln)) }
	switch transport {
	case "tcp":
		return at("tcp", s.listeners.mqtt)
	case "ssl":
		return at("ssl", s.listeners.mqtts)
	case "tls":
		return at("ssl", s.listeners.tls)
	case "wss":
		return at("wss", s.listeners.tls) + webSocketPath
	case "ws":
		return "ws://" + s.listeners.local.Addr().String() + webSocketPath
	}
	s.t.Fatalf("no transport %q", transport)
	return ""
}

// dial connects paho; what it receives comes on the channel as "topic payload".
func (s *testServer) dial(transport, clientID, user, password string, change ...func(*mqtt.ClientOptions)) (mqtt.Client, <-chan string) {
	s.t.Helper()
	received := make(chan string, 1000)
	o := mqtt.NewClientOptions().AddBroker(s.brokerAddress(transport)).SetTLSConfig(s.tls.Clone()).
		SetClientID(clientID).SetUsername(user).SetPassword(password).SetProtocolVersion(4).
		SetAutoReconnect(false).SetConnectTimeout(patience).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { received <- m.Topic() + " " + string(m.Payload()) })
	for _, fn := range change {
		fn(o)
	}
	c := mqtt.NewClient(o)
	s.done(c.Connect(), "connect by "+transport)
	s.t.Cleanup(func() { c.Disconnect(250) })
	return c, received
}

// done waits for a token of paho's and fails the test on an error.
func (s *testServer) done(token mqtt.Token, doing string) {
	s.t.Helper()
	if !token.WaitTimeout(patience) {
		s.t.Fatalf("%s: no answer within %v", doing, patience)
	}
	if err := token.Error(); err != nil {
		s.t.Fatalf("%s: %v", doing, err)
	}
}

// subscribe returns the QoS granted, 0x80 for a refusal.
func (s *testServer) subscribe(c mqtt.Client, filter string, qos byte) byte {
	s.t.Helper()
	token := c.Subscribe(filter, qos, nil)
	s.done(token, "subscribe "+filter)
	return token.(*mqtt.SubscribeToken).Result()[filter]
}

// expect takes one message.
func expect(t *testing.T, received <-chan string, want string) {
	t.Helper()
	select {
	case got := <-received:
		if got != want {
			t.Fatalf("received %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("did not receive %q within %v", want, patience)
	}
}

// points reads all points of a topic.
func (s *testServer) points(token, topic string) (all []object) {
	s.t.Helper()
	for page := ""; ; {
		status, answer := s.call(token, "GET", dataPath(topic)+query("pageSize", "1000", "pagingToken", page), nil)
		if status == http.StatusNotFound {
			return all
		}
		if status != http.StatusOK {
			s.t.Fatalf("points of %s: %d %v", topic, status, answer)
		}
		all = append(all, objects(answer["result"])...)
		meta, _ := answer["meta"].(object)
		if page = cell(meta["pagingToken"]); page == "" {
			return all
		}
	}
}

// eventually asks until ok says yes. The platform's own log entries are written a moment after what they tell.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// logged reports whether the account's log has an entry with all these words.
func (s *testServer) logged(token string, words ...string) bool {
	s.t.Helper()
	answer := s.must(token, "POST", "/api/v1/logs/search", object{"size": 1000}, "hits")
	for _, hit := range objects(answer["hits"]) {
		source, _ := hit["_source"].(object)
		text := cell(source)
		all := true
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			return true
		}
	}
	return false
}
