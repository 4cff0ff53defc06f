package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// privateCA is the small certificate authority under <data>/tls that makes TLS work from the first start on, for as
// long as the operator has given no certificate of their own.
//
//	ca.pem      0644  the authority, 10 years: the one file a client has to trust
//	ca.key      0600  its key; may be kept elsewhere until a server certificate is due
//	server.pem  0644  the server's certificate, under 397 days, which is what Apple's and others' clients accept at most
//	server.key  0600
//
// A crash at any moment leaves files that the next start understands: keys are written before certificates, and a
// server certificate that does not fit its key is simply made again. The authority itself is never overwritten.
type privateCA struct {
	dir   string
	names []string // what the server certificate must be valid for: host names and IP addresses, sorted
}

const (
	caLife      = 10 * 365 * 24 * time.Hour
	serverLife  = 397 * 24 * time.Hour
	renewBefore = 30 * 24 * time.Hour
	// Clocks of devices are often slow: a certificate is valid from a little before it was made.
	clockSlack = time.Hour
)

// newPrivateCA returns the authority in dir, which need not exist yet. extra are names beside localhost and this
// machine's host name.
func newPrivateCA(dir string, extra []string) *privateCA {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, strings.ToLower(host))
	}
	for _, n := range extra {
		names = append(names, strings.ToLower(n))
	}
	slices.Sort(names)
	return &privateCA{dir: dir, names: slices.Compact(names)}
}

func (a *privateCA) path(name string) string { return filepath.Join(a.dir, name) }

// certificate returns the server certificate to use at the time now; made anew when there is none, when it is about
// to end or when the names have changed. Callers serialise.
func (a *privateCA) certificate(now time.Time) (*tls.Certificate, error) {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return nil, err
	}
	authority, err := a.authority(now)
	if err != nil {
		return nil, err
	}
	if c, err := tls.LoadX509KeyPair(a.path("server.pem"), a.path("server.key")); err == nil && a.usable(c.Leaf, authority, now) {
		return &c, nil
	}
	return a.issue(authority, now)
}

// usable reports whether leaf can serve for another while. authority may be what signed it, or not.
func (a *privateCA) usable(leaf, authority *x509.Certificate, now time.Time) bool {
	if leaf.CheckSignatureFrom(authority) != nil || now.Before(leaf.NotBefore) || now.Add(renewBefore).After(leaf.NotAfter) {
		return false
	}
	have := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		have = append(have, ip.String())
	}
	slices.Sort(have)
	return slices.Equal(have, a.names)
}

// authority returns the authority's certificate, made with its key when neither exists.
func (a *privateCA) authority(now time.Time) (*x509.Certificate, error) {
	cert, err := readCertificate(a.path("ca.pem"))
	if err == nil {
		if now.After(cert.NotAfter) {
			return nil, fmt.Errorf("%s ended on %s: move it and ca.key away to get a new authority, which every client must then trust anew",
				a.path("ca.pem"), cert.NotAfter.Format(time.DateOnly))
		}
		return cert, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: put the file back from a backup; it is never replaced, because clients trust it", err)
	}
	// A key without a certificate is what a crash between the two leaves: nobody can have trusted it yet.
	key, err := writeKey(a.path("ca.key"))
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"xively"}, CommonName: fmt.Sprintf("xively private CA %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-clockSlack),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	return writeCertificate(a.path("ca.pem"), template, template, key.Public(), key)
}

// issue makes a server certificate with a fresh key.
func (a *privateCA) issue(authority *x509.Certificate, now time.Time) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(a.path("ca.pem"), a.path("ca.key"))
	if err != nil {
		return nil, fmt.Errorf("a server certificate is due and the authority's key cannot be used: %w: put ca.key back, or give a certificate in tls.certificate and tls.key", err)
	}
	key, err := writeKey(a.path("server.key"))
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	end := now.Add(serverLife - clockSlack)
	if end.After(authority.NotAfter) {
		end = authority.NotAfter
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"xively"}, CommonName: "xively server"},
		NotBefore:    now.Add(-clockSlack),
		NotAfter:     end,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range a.names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	if _, err := writeCertificate(a.path("server.pem"), template, authority, key.Public(), pair.PrivateKey); err != nil {
		return nil, err
	}
	made, err := tls.LoadX509KeyPair(a.path("server.pem"), a.path("server.key"))
	return &made, err
}

func newSerial() (*big.Int, error) {
	b := make([]byte, 16) // at most 20 bytes and positive (RFC 5280 §4.1.2.2); 127 random bits
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s: not a PEM certificate", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}

func writeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func writeCertificate(path string, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	if err := writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// writeFile replaces path by data, whole or not at all, with exactly the given mode whatever the umask says.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	err = f.Chmod(mode)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
