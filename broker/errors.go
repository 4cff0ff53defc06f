package broker

import "errors"

// Errors of the server as a whole.
var (
	// ErrClosed is returned by Serve… and Publish once Close was called.
	ErrClosed = errors.New("broker is closed")
)

// Reasons why the server ends a connection; they reach Events.Disconnected as text.
const (
	reasonDisconnect  = "client sent DISCONNECT"
	reasonClosed      = "client closed the connection without DISCONNECT"
	reasonTakeover    = "taken over by a new connection with the same client id [MQTT-3.1.4-2]"
	reasonShutdown    = "server is stopping"
	reasonSlowPacket  = "a packet stayed incomplete for too long"
	reasonSlowClient  = "client took nothing for too long"
	reasonShedding    = "the client is too slow: QoS 0 messages are dropped until it has taken what waits (broker.outgoing_bytes)"
	reasonCrowded     = "so much waits for slow clients that messages of QoS 0 are dropped until there is less (broker.outgoing_total_bytes)"
	reasonStorage     = "server storage failed"
	reasonRoom        = "there is room in the store again: messages that were not acknowledged have to be sent again"
	reasonUnexpected  = "internal error"
	reasonNoConnect   = "no CONNECT in time"
	reasonTooManyOpen = "too many connections are waiting to authenticate"
)
