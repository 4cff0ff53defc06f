package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
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
