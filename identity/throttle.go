package identity

import (
	"time"

	"xively/internal/throttle"
)

// An address may send so many wrong secrets (passwords, codes, tokens, keys) at once and one more each addressEvery,
// over all ways in together. An e-mail address is sent so many mails, and one more each mailEvery.
const (
	addressBurst = 30
	addressEvery = 10 * time.Second
	mailBurst    = 3
	mailEvery    = 20 * time.Minute
)

// addresses counts wrong secrets by the address they came from.
type addresses struct{ *throttle.Throttle }

// check returns fault TooMany while the address has sent too many.
func (a addresses) check(remote string) error {
	return a.Check(remote, "There were too many wrong attempts from your address. Wait a while and try again.")
}
