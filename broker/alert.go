package broker

import (
	"crypto/tls"
	"fmt"
)

// alertTail keeps the last bytes that came in a TLS handshake. OpenSSL, and with it most devices, ends a TLS 1.3 handshake whose
// certificate it does not like with an alert that is not encrypted; crypto/tls takes that for an encrypted one and can only say that it
// is broken. What the client meant is of more use.
type alertTail struct{ last []byte }

const alertRecord = 7 // type 21, version 3.x, length 2, level, description

func (a *alertTail) saw(b []byte) {
	a.last = append(a.last, b[max(0, len(b)-alertRecord):]...)
	a.last = a.last[max(0, len(a.last)-alertRecord):]
}

// meant returns the error of the alert that the handshake ended with, or err.
func (a *alertTail) meant(err error) error {
	b := a.last
	if len(b) == alertRecord && b[0] == 21 && b[1] == 3 && b[3] == 0 && b[4] == 2 && (b[5] == 1 || b[5] == 2) {
		return fmt.Errorf("remote error: %w", tls.AlertError(b[6]))
	}
	return err
}
