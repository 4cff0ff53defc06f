package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"xively/broker/brokertest"
	"xively/broker/packet"
)

// troubleTrial is a running server, an admin and a device that is about to get into trouble.
type troubleTrial struct {
	*testServer
	token, account string
	device         testDevice
}

// finding waits until the device's diagnosis names a trouble, and returns what an admin reads of it.
func (k troubleTrial) finding(name string) (cause, remedy, summary string) {
	k.t.Helper()
	eventually(k.t, "the diagnosis names "+name, func() bool {
		_, answer := k.call(k.token, "GET", "/api/v1/devices/"+k.device.id+"/diagnosis", nil)
		d, _ := answer["diagnosis"].(object) // of a deleted device there is one when the log has heard of it
		for _, f := range objects(d["findings"]) {
			if f["trouble"] == name {
				cause, remedy, summary = cell(f["cause"]), cell(f["remedy"]), cell(d["summary"])
				return true
			}
		}
		return false
	})
	return cause, remedy, summary
}

// tryConnect connects once and returns the error.
func (k troubleTrial) tryConnect(transport, secret string) error {
	o := mqtt.NewClientOptions().AddBroker(k.brokerAddress(transport)).SetTLSConfig(k.tls.Clone()).SetClientID(k.device.id).
		SetUsername(k.device.id).SetPassword(secret).SetProtocolVersion(4).SetConnectRetry(false).SetAutoReconnect(false)
	c := mqtt.NewClient(o)
	token := c.Connect()
	if !token.WaitTimeout(patience) {
		k.t.Fatal("no answer to CONNECT in time")
	}
	c.Disconnect(0)
	return token.Error()
}

func (k troubleTrial) connect() mqtt.Client {
	k.t.Helper()
	c, _ := k.dial("ssl", k.device.id, k.device.id, k.device.secret)
	return c
}

// raw connects the device as a client that does as the test wants.
func (k troubleTrial) raw(clientID string, clean bool) *brokertest.Client {
	k.t.Helper()
	nc, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port(k.listeners.mqtts)), k.tls.Clone())
	if err != nil {
		k.t.Fatal(err)
	}
	c := brokertest.NewClient(k.t, nc)
	c.Send(packet.AppendConnect(nil, &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, ClientID: []byte(clientID), CleanSession: clean,
		HasUsername: true, Username: []byte(k.device.id), HasPassword: true, Password: []byte(k.device.secret), KeepAlive: 60})...)
	if ack := c.Next(); ack == nil || ack[3] != 0 {
		k.t.Fatalf("CONNECT: %v", ack)
	}
	return c
}

// admin connects as an account user, who may publish to the device.
func (k troubleTrial) admin() mqtt.Client {
	k.t.Helper()
	c, _ := k.dial("tls", "admin", tokenUser, k.token)
	return c
}

// troubles are brought about by real clients. cause and remedy are words that the diagnosis must have.
var troubleTrials = []struct {
	trouble       string
	cause, remedy string
	provoke       func(k troubleTrial)
}{
	{"wrongSecret", "secret it presents is not its own. It came from 127.0.0.1", "make a new one", func(k troubleTrial) {
		if k.tryConnect("ssl", k.device.secret+"x") == nil {
			k.t.Error("a wrong secret was let in")
		}
	}},
	{"foreignTopic", "has no right to subscribe to", "template", func(k troubleTrial) {
		other := k.testServer.device(k.token, k.account, k.template(k.token, k.account), "another")
		c := k.connect()
		k.done(c.Publish(other.topic("control"), 1, false, "1"), "publish")
		if granted := k.subscribe(c, other.topic("temp"), 1); granted != 0x80 {
			k.t.Errorf("a foreign topic was granted with %d", granted)
		}
	}},
	{"oversizedPacket", "262144 bytes", "max_packet_bytes", func(k troubleTrial) {
		c := k.connect()
		c.Publish(k.device.topic("control"), 1, false, make([]byte, 300<<10))
		eventually(k.t, "the connection ends", func() bool { return !c.IsConnectionOpen() })
	}},
	{"malformedValues", "its channel “temp”, a time series, could not be read as points: ", "CSV", func(k troubleTrial) {
		c := k.connect()
		k.done(c.Publish(k.device.topic("temp"), 1, false, "1,2,three,4,5"), "publish")
	}},
	{"slowSubscriber", "too slow", "fewer topics", func(k troubleTrial) {
		c := k.raw(k.device.id, true)
		c.Send(packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte(k.device.topic("control"))}})...)
		c.Expect(0x90, 3, 0, 1, 0)
		c.Stall()
		admin := k.admin() // the device reads nothing from here on
		payload := bytes.Repeat([]byte("x"), 200<<10)
		for range 120 {
			k.done(admin.Publish(k.device.topic("control"), 1, false, payload), "publish")
		}
	}},
	{"fullQueue", "queue is full", "queue_messages", func(k troubleTrial) {
		c := k.raw(k.device.id, false)
		c.Send(packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte(k.device.topic("control")), QoS: 1}})...)
		c.Expect(0x90, 3, 0, 1, 1)
		_ = c.Conn.Close()
		admin := k.admin()
		for n := range 12 {
			k.done(admin.Publish(k.device.topic("control"), 1, false, fmt.Sprint(n)), "publish")
		}
	}},
	{"malformedPacket", "[MQTT-3.3.2-2]", "MQTT library", func(k troubleTrial) {
		c := k.raw(k.device.id, true)
		c.Send(brokertest.Publish(k.device.topic("+"), "1", 0, 0)...)
		c.ExpectClosed()
	}},
	{"takeoverFight", "both use the client id", "close its old connection", func(k troubleTrial) {
		for range 5 {
			k.raw(k.device.id, true)
		}
	}},
	{"disabledDevice", "was deleted in the directory by ", "restore", func(k troubleTrial) {
		k.must(k.token, "DELETE", "/api/v1/devices/"+k.device.id, nil, "device")
		if k.tryConnect("ssl", k.device.secret) == nil {
			k.t.Error("a deleted device was let in")
		}
	}},
	{"revokedCredential", "still uses its old secret", "Write the new secret", func(k troubleTrial) {
		k.secret(k.token, k.account, k.device.id, "device")
		if k.tryConnect("ssl", k.device.secret) == nil {
			k.t.Error("an old secret was let in")
		}
	}},
	{"revokedCredential", "credential was deleted", "Make a new credential", func(k troubleTrial) {
		c := k.connect()
		list := k.must(k.token, "GET", "/api/v1/access/mqtt-credentials?entityId="+k.device.id+"&entityType=device", nil, "mqttCredentials")
		for _, credential := range objects(list["results"]) {
			k.must(k.token, "DELETE", "/api/v1/access/mqtt-credentials/"+cell(credential["id"]), nil, "")
		}
		eventually(k.t, "the connection ends", func() bool { return !c.IsConnectionOpen() })
		if k.tryConnect("ssl", k.device.secret) == nil {
			k.t.Error("a revoked credential was let in")
		}
	}},
}

// TestTroubles: for each of these the diagnosis names the cause and what to do about it.
func TestTroubles(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir, "broker.queue_messages=10", "broker.outgoing_bytes=256KiB")
	token, account := s.signIn(testEmail), accounts[0].AccountID
	template := s.template(token, account)
	for _, c := range troubleTrials {
		t.Run(c.trouble, func(t *testing.T) {
			own := *s
			own.t = t
			k := troubleTrial{&own, token, account, s.device(token, account, template, t.Name())}
			c.provoke(k)
			k.hold(c.trouble, c.cause, c.remedy)
		})
	}
}

func (k troubleTrial) hold(trouble, inCause, inRemedy string) {
	k.t.Helper()
	cause, remedy, summary := k.finding(trouble)
	k.t.Logf("%s\n%s\n%s", summary, cause, remedy)
	if !strings.Contains(cause, inCause) || !strings.Contains(remedy, inRemedy) || !strings.Contains(summary, cause) {
		k.t.Errorf("this should tell of %q and %q", inCause, inRemedy)
	}
}

// TestTroubleOfACertificate: the platform's certificate ends while the server runs, and a device cannot connect any more. The end of the
// hour is not awaited: the server goes on with the certificate that it would have then.
func TestTroubleOfACertificate(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	cert, key := certificateUntil(t, time.Now().Add(time.Hour))
	s := start(t, dir, "tls.certificate="+cert, "tls.key="+key)
	token, account := s.signIn(testEmail), accounts[0].AccountID
	k := troubleTrial{s, token, account, s.device(token, account, s.template(token, account), "C-1")}
	k.connect().Disconnect(0)
	ended, err := tls.LoadX509KeyPair(certificateUntil(t, time.Now().Add(-time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	s.certs.use(&ended)
	if k.tryConnect("ssl", k.device.secret) == nil {
		t.Fatal("the device accepts a certificate that has ended")
	}
	s.http.CloseIdleConnections()
	s.trustAnything()
	k.hold("expiredCertificate", "platform's TLS certificate has expired: it ended on ", "tls.certificate")
}

// TestTroubleOfAClock: OpenSSL, as in most devices, does not accept a good certificate because its clock is wrong; then because it does
// not know the authority.
func TestTroubleOfAClock(t *testing.T) {
	openssl := other(t, "openssl", "version")
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token, account := s.signIn(testEmail), accounts[0].AccountID
	k := troubleTrial{s, token, account, s.device(token, account, s.template(token, account), "C-2")}
	k.connect().Disconnect(0)
	try := func(args ...string) {
		args = append([]string{"s_client", "-verify_return_error", "-connect", fmt.Sprintf("127.0.0.1:%d", port(s.listeners.mqtts))}, args...)
		if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err == nil {
			t.Fatalf("openssl accepts the certificate: %s", out)
		}
	}
	try("-CAfile", s.certs.authority(), "-attime", "4102444800")
	k.hold("expiredCertificate", "the device's clock is wrong", "Set the device's clock")
	try()
	cause, remedy, _ := k.finding("untrustedCertificate")
	if !strings.Contains(cause, "does not accept the platform's certificate") || !strings.Contains(remedy, "ca.pem") {
		t.Errorf("%s %s", cause, remedy)
	}
}

// certificateUntil makes a certificate for localhost that ends at a time.
func certificateUntil(t *testing.T, until time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// TestWhyDidMyMessageNotArrive: the flight recorder tells of each message what became of it, and the diagnosis of those nobody got.
func TestWhyDidMyMessageNotArrive(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir, "broker.queue_messages=10")
	token, account := s.signIn(testEmail), accounts[0].AccountID
	template := s.template(token, account)
	k := troubleTrial{s, token, account, s.device(token, account, template, "W-1")}
	s.must(token, "POST", "/api/v1/devices/"+k.device.id+"/recorder", object{"minutes": 5}, "recorder")
	for q, want := range map[string]string{"device:W-": "device:W-1", "severity:": "severity:notice", "tag:": "tag:directory"} {
		if hints := cell(s.must(token, "GET", "/api/v1/logs/suggest"+query("q", q), nil, "suggestions")); !strings.Contains(hints, `"`+want+`"`) {
			t.Errorf("suggestions for %s: %s", q, hints)
		}
	}
	c := k.connect()
	fate := func(payload string) string {
		for _, p := range objects(s.must(token, "GET", "/api/v1/devices/"+k.device.id+"/recorder", nil, "recorder")["packets"]) {
			if p["head"] == payload {
				return cell(p["fate"])
			}
		}
		return ""
	}
	publish := func(channel, payload string, retain bool, want string) {
		t.Helper()
		s.done(c.Publish(k.device.topic(channel), 1, retain, payload), "publish")
		if got := fate(payload); !strings.Contains(got, want) {
			t.Errorf("%s on %s: %q, want %q", payload, channel, got, want)
		}
	}
	publish("control", "one", false, "nobody is subscribed")
	if cause, _, _ := k.finding("noReceiver"); !strings.Contains(cause, "nobody was subscribed") {
		t.Errorf("cause: %s", cause)
	}
	publish("nowhere", "two", false, "refused, nobody got it: ")
	publish("temp", ",,21.5,", false, "nobody is subscribed to it; taken in by the platform")
	publish("control", "three", true, "retained for those who subscribe later")

	zoe := s.endUserIn(token, account, "Home", "zoe@example.com") // the device is in no group of hers
	z, _ := s.dial("tls", "zoe", tokenUser, zoe)
	s.subscribe(z, "xi/blue/v1/"+account+"/#", 1)
	publish("control", "four", false, "not for client “zoe”: subscribed, and has no right to it")

	admin, received := s.dial("tls", "admin", tokenUser, token)
	s.subscribe(admin, k.device.topic("control"), 1)
	expect(t, received, k.device.topic("control")+" three")
	publish("control", "five", false, "sent to 1 client")
	expect(t, received, k.device.topic("control")+" five")

	away := s.device(token, account, template, "W-2")
	sleeper := troubleTrial{s, token, account, away}.raw("sleeper", false)
	sleeper.Send(packet.AppendSubscribe(nil, 1, []packet.Subscription{{Filter: []byte(away.topic("control")), QoS: 1}})...)
	sleeper.Expect(0x90, 3, 0, 1, 1)
	_ = sleeper.Conn.Close()
	k.device = away
	s.must(token, "POST", "/api/v1/devices/"+away.id+"/recorder", object{"minutes": 5}, "recorder")
	c = k.connect()
	publish("control", "m0", false, "waits for 1 client")
	for n := range 12 {
		s.done(c.Publish(away.topic("control"), 1, false, fmt.Sprint("n", n)), "publish")
	}
	publish("control", "m1", false, "not kept for client “sleeper”: the queue is full")
	if cause, _, _ := k.finding("notDelivered"); !strings.Contains(cause, "the queue is full") {
		t.Errorf("cause: %s", cause)
	}
}

// endUserIn makes an end user with a sign-in, in a new group, and signs in.
func (s *testServer) endUserIn(token, account, group, email string) (jwt string) {
	s.t.Helper()
	template := cell(objects(s.must(token, "GET", "/api/v1/organizations/templates?accountId="+account, nil, "organizationTemplates")["results"])[0]["id"])
	made := s.must(token, "POST", "/api/v1/organizations", object{"accountId": account, "name": group, "organizationTemplateId": template}, "organization")
	s.must(token, "POST", "/api/v1/end-users", object{"accountId": account, "organizationId": made["id"], "name": email, "createIdmUser": true, "idmUserEmail": email}, "endUser")
	if err := s.identity.ResetUser(s.t.Context(), account, email, testPassword); err != nil {
		s.t.Fatal(err)
	}
	return s.signIn(email)
}
