package operate

import "time"

// Certificate is what clients are shown on the TLS ports.
type Certificate struct {
	Source    string   `json:"source"` // private (the server's own authority), files, acme
	Subject   string   `json:"subject"`
	Names     []string `json:"names"`
	Issuer    string   `json:"issuer"`
	NotBefore string   `json:"notBefore"`
	NotAfter  string   `json:"notAfter"`
	Serial    string   `json:"serialNumber"`
	SHA256    string   `json:"sha256"` // fingerprint, hexadecimal
	Key       string   `json:"key"`    // such as ECDSA P-256
	Protocols []string `json:"protocols"`
	notAfter  time.Time
}

// Expires sets when the certificate ends.
func (c *Certificate) Expires(at time.Time) { c.notAfter = at }
