package packet

import (
	"errors"
	"strconv"
)

// ErrTooLarge is returned by [Frame] for a packet that would be longer than the caller's bound.
var ErrTooLarge = errors.New("packet is larger than allowed")

// MalformedError says which packet broke which rule, and where. The sender has broken the protocol; its connection must
// be closed [MQTT-4.8.0-1].
type MalformedError struct {
	Type   Type
	Offset int    // bytes from the start of the packet to what is wrong
	Rule   string // a statement, "MQTT-3.1.2-3", or a section where no statement says it, "MQTT 3.1.1 §2.2.3"
	Reason string // for people: lower case, constant, holds nothing the sender sent
}

func (e *MalformedError) Error() string {
	return "malformed " + e.Type.String() + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Reason + " [" + e.Rule + "]"
}
