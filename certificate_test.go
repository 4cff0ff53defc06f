package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// deviceCertificate makes a self-signed certificate without a subject, and its PEM.
func deviceCertificate(t *testing.T, begin, end time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: begin, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestDeviceConnectsWithCertificate(t *testing.T) {
	dir, accounts := newData(t, "ann@example.com")
	s := start(t, dir)
	token, account := s.signIn("ann@example.com"), accounts[0].AccountID
	template := s.must(token, "POST", "/api/v1/devices/templates", object{"accountId": account, "name": "Sealed", "authenticationMethod": "certificate"}, "deviceTemplate")
	id := cell(s.must(token, "POST", "/api/v1/devices", object{"accountId": account, "deviceTemplateId": template["id"], "serialNumber": "D-1"}, "device")["id"])
	register := func(text string) {
		t.Helper()
		s.must(token, "POST", "/api/v1/access/mqtt-credentials", object{"accountId": account, "entityId": id, "entityType": "device", "certificate": text}, "mqttCredential")
	}
	with := func(cert tls.Certificate) func(*mqtt.ClientOptions) {
		return func(o *mqtt.ClientOptions) { o.TLSConfig.Certificates = []tls.Certificate{cert} }
	}
	refused := func(what, transport, user, password string, code byte, change func(*mqtt.ClientOptions)) {
		t.Helper()
		o := mqtt.NewClientOptions().AddBroker(s.brokerAddress(transport)).SetTLSConfig(s.tls.Clone()).SetClientID(id).
			SetUsername(user).SetPassword(password).SetProtocolVersion(4).SetConnectRetry(false).SetConnectTimeout(patience)
		change(o)
		connect := mqtt.NewClient(o).Connect().(*mqtt.ConnectToken)
		if !connect.WaitTimeout(patience) || connect.Error() == nil || connect.ReturnCode() != code {
			t.Errorf("%s: %v with code %d, want %d", what, connect.Error(), connect.ReturnCode(), code)
		}
	}

	now := time.Now()
	cert, text := deviceCertificate(t, now.Add(-time.Hour), now.Add(time.Hour))
	old, oldText := deviceCertificate(t, now.Add(-2*time.Hour), now.Add(-time.Hour))
	early, earlyText := deviceCertificate(t, now.Add(time.Hour), now.Add(2*time.Hour))
	refused("not registered", "ssl", "", "", 5, with(cert))
	register(oldText)
	refused("expired", "ssl", "", "", 5, with(old))
	eventually(t, "the log tells of the expired certificate", func() bool { return s.logged(token, id, "expired on") })
	register(earlyText)
	refused("not valid yet", "tls", "", "", 5, with(early))
	register(text)
	refused("a password", "ssl", id, "secret", 4, with(cert))
	refused("no TLS", "tcp", "", "", 4, with(cert))
	refused("no certificate", "ssl", "", "", 4, func(*mqtt.ClientOptions) {})

	lost := make(chan error, 2)
	watch := func(o *mqtt.ClientOptions) {
		o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	}
	c, _ := s.dial("ssl", id, "", "", with(cert))
	s.done(c.Publish("xi/blue/v1/"+account+"/d/"+id+"/_log", 1, false, `{"message":"hello","severity":"informational"}`), "publish")
	c.Disconnect(250)
	s.dial("tls", id, id, "", with(cert), watch)
	next, nextText := deviceCertificate(t, now.Add(-time.Hour), now.Add(time.Hour))
	register(nextText)
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("the connection outlives its certificate")
	}
	refused("replaced", "ssl", "", "", 5, with(cert))
	s.dial("ssl", id, "", "", with(next))

	// A certificate signs nobody in over HTTP, and browsers are not asked for one.
	asked := false
	ask := s.tls.Clone()
	ask.NextProtos = []string{"h2", "http/1.1"}
	ask.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { asked = true; return &next, nil }
	web, err := tls.Dial("tcp", s.listeners.tls.Addr().String(), ask)
	if err != nil {
		t.Fatal(err)
	}
	_ = web.Close()
	if asked {
		t.Error("a browser is asked for a certificate")
	}
}

func TestCommandsRegisterCertificate(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	sh.run(exitOK, "", "templates", "create", "Sealed", "--authentication", "certificate")
	if out, _ := sh.run(exitOK, "", "templates", "list", "-o", "csv"); !strings.Contains(out, ",certificate\n") || !strings.Contains(out, ",password\n") {
		t.Errorf("templates list does not tell how devices sign in: %q", out)
	}
	cert, text := deviceCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// What cannot be done leaves no device behind.
	for words, args := range map[string][]string{
		"--certificate FILE":    {"--template", "Sealed", "--credential"},
		"--credential in place": {"--certificate", file},
		"no such file":          {"--template", "Sealed", "--certificate", file + "x"},
		"give one of them":      {"--template", "Sealed", "--certificate", file, "--credential"},
	} {
		code := exitUsage
		if words == "no such file" {
			code = exitFailed
		}
		if _, errOut := sh.run(code, "", append([]string{"devices", "create", "--serial", "C-1"}, args...)...); !strings.Contains(errOut, words) {
			t.Errorf("%v: %q, want %q", args, errOut, words)
		}
	}
	if out, _ := sh.run(exitOK, "", "devices", "list", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("devices were made: %s", out)
	}
	out, _ := sh.run(exitOK, "", "devices", "create", "--serial", "C-1", "--template", "Sealed", "--certificate", file, "-o", "json")
	device := decode(t, out)
	if len(cell(device["certificateSha256"])) != 64 || device["provisioningState"] != "activated" {
		t.Errorf("device: %s", out)
	}
	s.dial("ssl", cell(device["id"]), "", "", func(o *mqtt.ClientOptions) { o.TLSConfig.Certificates = []tls.Certificate{cert} })
}
