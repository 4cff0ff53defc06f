package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// other finds somebody else's program; without it the test is skipped, or fails where XIVELY_TEST_CLIENTS=required.
func other(t *testing.T, name string, check ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil && len(check) > 0 {
		err = exec.Command(path, check...).Run()
	}
	if err == nil {
		return path
	}
	if os.Getenv("XIVELY_TEST_CLIENTS") == "required" {
		t.Fatalf("%s %v: %v", name, check, err)
	}
	t.Skipf("%s %v: %v", name, check, err)
	return ""
}

// Debian's mosquitto clients, with MQTT 3.1.1 and 3.1, verifying the certificate.
func TestMosquittoClients(t *testing.T) {
	pub, sub := other(t, "mosquitto_pub"), other(t, "mosquitto_sub")
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "1")
	published := 0
	for _, version := range []string{"mqttv311", "mqttv31"} {
		for _, ln := range []int{port(s.listeners.mqtts), port(s.listeners.tls)} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			common := []string{"-h", "localhost", "-p", fmt.Sprint(ln), "--cafile", s.certs.authority(), "-V", version,
				"-u", d.id, "-P", d.secret, "-t", d.topic("temp")}
			// A persistent session has its subscription from the moment it connects, so nobody has to guess when.
			listen := append(common, "-q", "2", "-c", "-i", version+fmt.Sprint(ln))
			if out, err := exec.CommandContext(ctx, sub, append(listen, "-E")...).CombinedOutput(); err != nil {
				t.Fatalf("%s on port %d: subscribe: %v %s", version, ln, err, out)
			}
			var received bytes.Buffer // to be read after the listener's end
			listener := exec.CommandContext(ctx, sub, append(listen, "-C", "3")...)
			listener.Stdout, listener.Stderr = &received, &received
			before := s.broker.Stats().Accepted
			if err := listener.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the listener is connected", func() bool { return s.broker.Stats().Accepted > before })
			for qos := range 3 {
				payload := fmt.Sprintf(",%s,%d,", version, qos)
				if out, err := exec.CommandContext(ctx, pub, append(common, "-q", fmt.Sprint(qos), "-m", payload)...).CombinedOutput(); err != nil {
					t.Fatalf("%s, QoS %d: %v %s", version, qos, err, out)
				}
				published++
			}
			if err := listener.Wait(); err != nil {
				t.Fatalf("%s on port %d: %v\n%s", version, ln, err, &received)
			}
			want := fmt.Sprintf(",%[1]s,0,\n,%[1]s,1,\n,%[1]s,2,\n", version)
			if got := received.String(); got != want {
				t.Errorf("%s on port %d: received %q, want %q", version, ln, got, want)
			}
		}
	}
	if n := len(s.points(token, d.topic("temp"))); n != published {
		t.Errorf("%d points, want %d", n, published)
	}
	// Without the authority the client must refuse us; with a wrong secret we refuse the client.
	if err := exec.Command(pub, "-h", "localhost", "-p", fmt.Sprint(port(s.listeners.mqtts)), "--capath", t.TempDir(), "-u", d.id, "-P", d.secret, "-t", d.topic("temp"), "-m", "x").Run(); err == nil {
		t.Error("connected without trusting the certificate")
	}
	if err := exec.Command(pub, "-h", "localhost", "-p", fmt.Sprint(port(s.listeners.mqtts)), "--cafile", s.certs.authority(), "-u", d.id, "-P", "wrong", "-t", d.topic("temp"), "-m", "x").Run(); err == nil {
		t.Error("connected with a wrong secret")
	}
}

// Debian's paho for Python: TLS and secure WebSocket, MQTT 3.1.1 and 3.1, every QoS, certificate verified.
const pahoScript = `
import sys, threading
sys.path.append("/usr/lib/python3/dist-packages")
import paho.mqtt.client as mqtt
ca, tls_port, mqtts_port, user, password, topic = sys.argv[1:7]
for transport, port, version in (("tcp", mqtts_port, mqtt.MQTTv311), ("tcp", tls_port, mqtt.MQTTv31),
                                 ("websockets", tls_port, mqtt.MQTTv311), ("websockets", tls_port, mqtt.MQTTv31)):
    got, done = [], threading.Event()
    c = mqtt.Client(client_id=user, clean_session=True, transport=transport, protocol=version)
    c.tls_set(ca_certs=ca)
    c.username_pw_set(user, password)
    c.on_connect = lambda c, u, f, rc: c.subscribe(topic, 2) if rc == 0 else sys.exit("CONNACK %d" % rc)
    c.on_subscribe = lambda c, u, mid, granted: [c.publish(topic, ",%s,%d," % (transport, q), q) for q in (0, 1, 2)]
    def on_message(c, u, m):
        got.append(m.payload.decode())
        if len(got) == 3: done.set()
    c.on_message = on_message
    c.connect("localhost", int(port), 30)
    c.loop_start()
    if not done.wait(20): sys.exit("%s %s: received %r" % (transport, version, got))
    c.disconnect()
    c.loop_stop()
    if sorted(got) != [",%s,%d," % (transport, q) for q in (0, 1, 2)]: sys.exit("received %r" % got)
print("fine")
`

func TestPythonPahoClient(t *testing.T) {
	python := ""
	for _, candidate := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(candidate, "-c", "import sys; sys.path.append('/usr/lib/python3/dist-packages'); import paho.mqtt.client").Run() == nil {
			python = candidate
			break
		}
	}
	if python == "" {
		other(t, "python3", "-c", "import paho.mqtt.client")
	}
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "1")
	script := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(script, []byte(pahoScript), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, script, s.certs.authority(), fmt.Sprint(port(s.listeners.tls)), fmt.Sprint(port(s.listeners.mqtts)),
		d.id, d.secret, d.topic("temp")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "fine") {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := len(s.points(token, d.topic("temp"))); n != 12 {
		t.Errorf("%d points, want 12", n)
	}
}
