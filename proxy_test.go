package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"xively/broker/packet"
)

// connectProxied connects by MQTT over TLS behind a PROXY header and returns CONNACK's return code, -1 when the connection ends without one.
func (s *testServer) connectProxied(header, user, secret string) int {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.listeners.mqtts.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, header); err != nil {
		s.t.Fatal(err)
	}
	cfg := s.tls.Clone()
	cfg.ServerName = "localhost"
	t := tls.Client(nc, cfg)
	p := &packet.Connect{ProtocolName: []byte("MQTT"), Level: 4, CleanSession: true, ClientID: []byte(user),
		HasUsername: true, Username: []byte(user), HasPassword: true, Password: []byte(secret)}
	if _, err := t.Write(packet.AppendConnect(nil, p)); err != nil {
		return -1
	}
	ack := make([]byte, 4)
	if _, err := io.ReadFull(t, ack); err != nil {
		return -1
	}
	return int(ack[3])
}

// Behind a load balancer, the address that it tells is a client's own: in the log, in the device's state, and where one address is
// held to its share.
func TestProxyProtocol(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir, "listen.proxy=mqtts", "listen.proxy_from=127.0.0.1", "broker.max_unauthenticated_ip=2")
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "P-1")
	if code := s.connectProxied("PROXY TCP4 203.0.113.9 10.0.0.1 40312 8883\r\n", d.id, d.secret); code != 0 {
		t.Fatalf("return code %d", code)
	}
	eventually(t, "the device has its own address", func() bool {
		return s.must(token, "GET", "/api/v1/devices/"+d.id, nil, "device")["externalIp"] == "203.0.113.9"
	})
	clients := objects(s.must(token, "GET", "/api/v1/messaging/clients", nil, "clients")["results"])
	if len(clients) != 1 || clients[0]["remoteAddress"] != "203.0.113.9:40312" {
		t.Errorf("clients: %v", clients)
	}
	if code := s.connectProxied("", d.id, d.secret); code != -1 {
		t.Errorf("without a header: return code %d", code)
	}
	// As many at the door as one address may have, of many addresses, do not keep each other out.
	var waiting []net.Conn
	for i := range 4 {
		nc, err := net.Dial("tcp", s.listeners.mqtts.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		fmt.Fprintf(nc, "PROXY TCP4 203.0.113.%d 10.0.0.1 40312 8883\r\n", 20+i)
		waiting = append(waiting, nc)
	}
	if code := s.connectProxied("PROXY TCP4 203.0.113.99 10.0.0.1 40312 8883\r\n", d.id, d.secret); code != 0 || len(waiting) != 4 {
		t.Errorf("return code %d", code)
	}
}

// Who is not the load balancer does not get to say anything.
func TestProxyProtocolOfStrangers(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir, "listen.proxy=mqtts", "listen.proxy_from=10.0.0.0/8")
	if code := s.connectProxied("PROXY TCP4 10.0.0.9 10.0.0.1 40312 8883\r\n", "x", "x"); code != -1 {
		t.Errorf("return code %d", code)
	}
}

func TestProxyConfig(t *testing.T) {
	for set, want := range map[string]string{
		"listen.proxy=[mqtts]":       "listen.proxy_from: listen.proxy needs",
		"listen.proxy=[local]":       `listen.proxy: "local"`,
		"listen.proxy_from=[10.0.0]": `listen.proxy_from: "10.0.0"`,
	} {
		cfg := defaultConfig()
		key, value, _ := strings.Cut(set, "=")
		value = strings.Trim(value, "[]")
		switch key {
		case "listen.proxy":
			cfg.Listen.Proxy = []string{value}
		case "listen.proxy_from":
			cfg.Listen.ProxyFrom = []string{value}
		}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", set, err)
		}
	}
}
