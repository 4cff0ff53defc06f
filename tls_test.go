package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func mustCertificate(t *testing.T, a *privateCA, now time.Time) *tls.Certificate {
	t.Helper()
	c, err := a.certificate(now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPrivateCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	a := newPrivateCA(dir, []string{"IoT.example.com", "192.0.2.7"})
	now := time.Now()
	cert := mustCertificate(t, a, now)

	pool, err := trustPool(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "iot.example.com", "192.0.2.7"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("certificate is not good for %s: %v", name, err)
		}
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "other.example.com"}); err == nil {
		t.Error("certificate is good for a name nobody asked for")
	}
	if life := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore); life > 397*24*time.Hour {
		t.Errorf("certificate lives %v, clients take 397 days at most", life)
	}
	for name, mode := range map[string]os.FileMode{"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode().Perm(), err, mode)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("temporary files left: %q", left)
	}
}

func TestPrivateCertificateRenewal(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	first := mustCertificate(t, newPrivateCA(dir, nil), now)
	authority, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		when   time.Time
		extra  []string
		before func()
		renews bool
	}{
		{name: "next start", when: now.Add(time.Hour)},
		{name: "31 days left", when: first.Leaf.NotAfter.Add(-31 * 24 * time.Hour)},
		{name: "29 days left", when: first.Leaf.NotAfter.Add(-29 * 24 * time.Hour), renews: true},
		{name: "clock stepped back before it was made", when: now.Add(-2 * time.Hour), renews: true},
		{name: "new name", when: now, extra: []string{"new.example.com"}, renews: true},
		{name: "name gone", when: now, renews: true},
		{name: "key of another certificate, as a crash leaves it", when: now, renews: true, before: func() {
			if _, err := writeKey(filepath.Join(dir, "server.key")); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "certificate damaged", when: now, renews: true, before: func() {
			if err := os.WriteFile(filepath.Join(dir, "server.pem"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		last, _ := readCertificate(filepath.Join(dir, "server.pem"))
		if tc.before != nil {
			tc.before()
		}
		got := mustCertificate(t, newPrivateCA(dir, tc.extra), tc.when)
		if renewed := !got.Leaf.Equal(last); renewed != tc.renews {
			t.Errorf("%s: renewed = %v, want %v", tc.name, renewed, tc.renews)
		}
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "ca.pem")); !slices.Equal(after, authority) {
		t.Error("the authority was replaced: every client would have to trust it anew")
	}
}

func TestPrivateAuthorityIsNeverOverwritten(t *testing.T) {
	dir := t.TempDir()
	mustCertificate(t, newPrivateCA(dir, nil), time.Now())
	path := filepath.Join(dir, "ca.pem")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"empty": "", "cut": string(good[:len(good)/2]), "foreign": "hello"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := newPrivateCA(dir, nil).certificate(time.Now())
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error naming %s", name, err, path)
		}
		if now, _ := os.ReadFile(path); string(now) != content {
			t.Errorf("%s: the damaged file was overwritten", name)
		}
	}
	// Without its key the authority still serves, until a new certificate is due.
	if err := os.WriteFile(path, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	mustCertificate(t, newPrivateCA(dir, nil), time.Now())
	if _, err := newPrivateCA(dir, []string{"new.example.com"}).certificate(time.Now()); err == nil || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("got %v, want an error naming ca.key", err)
	}
	// A key alone is a first start that was cut short: the next one goes on.
	fresh := t.TempDir()
	if _, err := writeKey(filepath.Join(fresh, "ca.key")); err != nil {
		t.Fatal(err)
	}
	mustCertificate(t, newPrivateCA(fresh, nil), time.Now())
}

// copyPair puts a pair of another private authority where the operator's certificate files are.
func copyPair(t *testing.T, cfg TLSConfig) *tls.Certificate {
	t.Helper()
	dir := t.TempDir()
	cert := mustCertificate(t, newPrivateCA(dir, nil), time.Now())
	for from, to := range map[string]string{"server.pem": cfg.Certificate, "server.key": cfg.Key} {
		text, err := os.ReadFile(filepath.Join(dir, from))
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return cert
}

func TestCertificateFilesAreReloaded(t *testing.T) {
	dir := t.TempDir()
	cfg := TLSConfig{Certificate: filepath.Join(dir, "c.pem"), Key: filepath.Join(dir, "k.pem")}
	if _, err := openCertificates(cfg, dir, testLog(t)); err == nil {
		t.Fatal("started without the certificate files")
	}
	first := copyPair(t, cfg)
	c, err := openCertificates(cfg, dir, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	inUse := func() *x509.Certificate { return c.current.Load().Leaf }

	// Half written, mismatched and ended pairs keep the former one in use.
	if err := os.WriteFile(cfg.Certificate, []byte("-----BEGIN CERT"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.reload(false); err == nil || !inUse().Equal(first.Leaf) {
		t.Errorf("half-written certificate: error %v, replaced %v", err, !inUse().Equal(first.Leaf))
	}
	if err := c.reload(false); err != nil {
		t.Errorf("the same bad file was reported twice: %v", err)
	}
	copyPair(t, cfg)
	if _, err := writeKey(cfg.Key); err != nil {
		t.Fatal(err)
	}
	if err := c.reload(false); err == nil || !inUse().Equal(first.Leaf) {
		t.Errorf("mismatched key: error %v, replaced %v", err, !inUse().Equal(first.Leaf))
	}
	second := copyPair(t, cfg)
	if err := c.reload(false); err != nil || !inUse().Equal(second.Leaf) {
		t.Errorf("good pair: error %v, replaced %v", err, inUse().Equal(second.Leaf))
	}
}

// Scans a listener as W01 wants: only TLS 1.2 and 1.3, only AEAD suites with forward secrecy, also without SNI.
func TestServerTLSSettings(t *testing.T) {
	c, err := openCertificates(TLSConfig{}, t.TempDir(), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", c.serverConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _ = conn.(*tls.Conn).Handshake(); conn.Close() }()
		}
	}()
	pool, err := trustPool(c.authority())
	if err != nil {
		t.Fatal(err)
	}
	dial := func(change func(*tls.Config)) error {
		cfg := &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS10}
		change(cfg)
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", ln.Addr().String(), cfg)
		if err == nil {
			conn.Close()
		}
		return err
	}
	only := func(version uint16, suites ...uint16) func(*tls.Config) {
		return func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion, cfg.CipherSuites = version, version, suites }
	}
	if err := dial(only(tls.VersionTLS13)); err != nil {
		t.Error("TLS 1.3:", err)
	}
	if err := dial(only(tls.VersionTLS12)); err != nil {
		t.Error("TLS 1.2:", err)
	}
	if err := dial(func(cfg *tls.Config) { cfg.ServerName = "127.0.0.1" }); err != nil { // an address: no SNI is sent
		t.Error("without SNI:", err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if dial(only(version)) == nil {
			t.Errorf("%s was accepted", tls.VersionName(version))
		}
	}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		aead := strings.Contains(s.Name, "GCM") || strings.Contains(s.Name, "POLY1305")
		good := aead && strings.HasPrefix(s.Name, "TLS_ECDHE_")
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) && !good && dial(only(tls.VersionTLS12, s.ID)) == nil {
			t.Errorf("%s was accepted", s.Name)
		}
	}
}
