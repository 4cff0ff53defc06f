package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// TLSConfig says where the server's certificate comes from: files, ACME, or (with neither) the private CA that the
// first start makes under the data folder.
type TLSConfig struct {
	Certificate string   // PEM chain, leaf first
	Key         string   // PEM private key
	Names       []string // names and addresses beside localhost and the host name, for the private CA's certificate
	ACME        ACMEConfig
}

// ACMEConfig asks a public authority such as Let's Encrypt for certificates. The challenge (tls-alpn-01, RFC 8737)
// is answered on the TLS port, which must be reachable from outside as port 443.
type ACMEConfig struct {
	Names     []string // the public host names; none switches ACME off
	Email     string   // where the authority writes when a certificate is in trouble; may be empty
	Directory string   // the authority's directory URL; empty for Let's Encrypt
	AcceptTOS bool     // the operator has read the authority's terms and agrees
	EABKeyID  string   // external account binding, where the authority wants one
	EABKey    string   `secret:"true"` // base64url, from the authority
}

// Validate reports the first setting that cannot work.
func (c TLSConfig) Validate() error {
	switch {
	case (c.Certificate == "") != (c.Key == ""):
		return errors.New("tls.certificate and tls.key belong together: give both or neither")
	case c.Certificate != "" && len(c.ACME.Names) > 0:
		return errors.New("tls.acme.names: not together with tls.certificate: choose one source")
	case len(c.ACME.Names) > 0 && !c.ACME.AcceptTOS:
		return errors.New("tls.acme.accept_tos: must be true to use ACME: it says that you agree to the authority's terms")
	case (c.ACME.EABKeyID == "") != (c.ACME.EABKey == ""):
		return errors.New("tls.acme.eab_key_id and tls.acme.eab_key belong together: give both or neither")
	}
	for _, n := range slices.Concat(c.Names, c.ACME.Names) {
		if n == "" || strings.ContainsAny(n, " /:*") && net.ParseIP(n) == nil {
			return fmt.Errorf("tls: %q is not a host name or an IP address", n)
		}
	}
	for _, n := range c.ACME.Names {
		if net.ParseIP(n) != nil || !strings.Contains(n, ".") {
			return fmt.Errorf("tls.acme.names: %q is not a public host name", n)
		}
	}
	return nil
}

// certificates hands the TLS listeners the certificate of the moment. Its watch replaces it while connections run.
type certificates struct {
	cfg  TLSConfig
	ca   *privateCA // nil with certificate files
	acme *autocert.Manager
	log  *slog.Logger

	reloading sync.Mutex // one look at the files at a time; guards stamp
	stamp     string     // sizes and times of the certificate files when they were last looked at
	current   atomic.Pointer[tls.Certificate]
}

// How often certificate files are looked at. Two stat calls: cheap enough to need no file-watching interface.
const certificatePoll = 5 * time.Second

// openCertificates loads, or makes under dir, the certificate to begin with. A bad pair is an error here; later it
// only keeps the former one in use.
func openCertificates(cfg TLSConfig, dir string, log *slog.Logger) (*certificates, error) {
	c := &certificates{cfg: cfg, log: log}
	if cfg.Certificate == "" {
		c.ca = newPrivateCA(dir, cfg.Names)
	}
	if len(cfg.ACME.Names) > 0 {
		m, err := newACME(cfg.ACME, filepath.Join(dir, "acme"))
		if err != nil {
			return nil, err
		}
		c.acme = m
	}
	return c, c.reload(true)
}

func newACME(cfg ACMEConfig, cache string) (*autocert.Manager, error) {
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(cache), // made by autocert with mode 0700
		HostPolicy: autocert.HostWhitelist(cfg.Names...),
		Email:      cfg.Email,
	}
	if cfg.Directory != "" {
		m.Client = &acme.Client{DirectoryURL: cfg.Directory}
	}
	if cfg.EABKeyID != "" {
		key, err := decodeBase64(cfg.EABKey)
		if err != nil {
			return nil, errors.New("tls.acme.eab_key: not base64url")
		}
		m.ExternalAccountBinding = &acme.ExternalAccountBinding{KID: cfg.EABKeyID, Key: key}
	}
	return m, nil
}

// reload brings the certificate up to date. Without force, certificate files that have not changed are left alone.
func (c *certificates) reload(force bool) error {
	c.reloading.Lock()
	defer c.reloading.Unlock()
	if c.ca != nil {
		cert, err := c.ca.certificate(time.Now())
		if err != nil {
			return fmt.Errorf("private certificate: %w", err)
		}
		c.use(cert)
		return nil
	}
	stamp := fileStamp(c.cfg.Certificate) + fileStamp(c.cfg.Key)
	if stamp == c.stamp && !force {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(c.cfg.Certificate, c.cfg.Key)
	if err == nil && time.Now().After(cert.Leaf.NotAfter) {
		err = fmt.Errorf("ended on %s", cert.Leaf.NotAfter.Format(time.DateOnly))
	}
	// Remembered even when the pair is bad: it is reported once, and tried again when a file changes.
	c.stamp = stamp
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.cfg.Certificate, err)
	}
	c.use(&cert)
	return nil
}

func (c *certificates) use(cert *tls.Certificate) {
	if old := c.current.Swap(cert); old != nil && !old.Leaf.Equal(cert.Leaf) {
		c.log.Info("certificate replaced", "valid_until", cert.Leaf.NotAfter)
	}
}

func fileStamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), ";")
}

// watch keeps the certificate fresh until ctx ends: files that change, and the private CA's certificate when its
// last month begins. Started by platform.run, which waits for it.
func (c *certificates) watch(ctx context.Context) {
	every := certificatePoll
	if c.ca != nil {
		every = time.Hour
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.refresh(false)
		}
	}
}

// refresh is reload for a running server: what fails is logged and the former certificate stays in use.
func (c *certificates) refresh(force bool) {
	if err := c.reload(force); err != nil {
		c.log.Error("certificate not replaced, the former one stays in use", "err", err)
	}
}

// authority returns the PEM file a client must trust, or "" when the certificate comes from elsewhere.
func (c *certificates) authority() string {
	if c.ca == nil {
		return ""
	}
	return c.ca.path("ca.pem")
}

// public reports whether browsers can be expected to trust the certificate without further ado.
func (c *certificates) public() bool { return c.ca == nil || c.acme != nil }

// ends returns when the current certificate ends.
func (c *certificates) ends() time.Time { return c.current.Load().Leaf.NotAfter }

// names returns the host names of the current certificate, public ones first.
func (c *certificates) names() []string {
	names := slices.Clone(c.cfg.ACME.Names)
	leaf := c.current.Load().Leaf
	for _, n := range leaf.DNSNames {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// serverConfig returns the TLS settings of every listener: 1.2 and 1.3 only, and in 1.2 only suites with forward
// secrecy and authenticated encryption (Go's own list still has CBC ones). Clients without SNI are served.
func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: c.get,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// sharedConfig is serverConfig for the port that also answers the ACME challenge.
func (c *certificates) sharedConfig() *tls.Config {
	cfg := c.serverConfig()
	if c.acme != nil {
		cfg.NextProtos = []string{acme.ALPNProto}
	}
	return cfg
}

// get picks the certificate for one handshake. With ACME, its names are answered from there; a client that sends no
// name is taken to mean the first of them, and every other name (localhost, an address) gets the private certificate.
func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.acme == nil {
		return c.current.Load(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name == "" {
		name = c.cfg.ACME.Names[0]
	}
	if !slices.Contains(c.cfg.ACME.Names, name) {
		return c.current.Load(), nil
	}
	asked := *hello
	asked.ServerName = name
	return c.acme.GetCertificate(&asked)
}

// trustPool returns the system's authorities plus those of a PEM file.
func trustPool(path string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", path)
	}
	return pool, nil
}
