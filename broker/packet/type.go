package packet

import "strconv"

// Type is the control packet type: the upper four bits of a packet's first byte (MQTT 3.1.1 §2.2.1).
type Type byte

// The fourteen packet types. 0 and 15 are reserved.
const (
	CONNECT Type = iota + 1
	CONNACK
	PUBLISH
	PUBACK
	PUBREC
	PUBREL
	PUBCOMP
	SUBSCRIBE
	SUBACK
	UNSUBSCRIBE
	UNSUBACK
	PINGREQ
	PINGRESP
	DISCONNECT
)

var typeNames = [...]string{
	"", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
	"UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT",
}

// TypeOf returns the type of a packet from its first byte.
func TypeOf(first byte) Type { return Type(first >> 4) }

// String returns the standard's name, "PUBLISH".
func (t Type) String() string {
	if t >= CONNECT && t <= DISCONNECT {
		return typeNames[t]
	}
	return "packet type " + strconv.Itoa(int(t))
}

// flags returns the lower four bits that the first byte of a packet of type t must have; for PUBLISH, where they mean
// something, 0 [MQTT-2.2.2-1].
func (t Type) flags() byte {
	switch t {
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		return 0b0010
	}
	return 0
}

// flagsRule names the statement that fixes the flags of t.
func (t Type) flagsRule() string {
	switch t {
	case PUBREL:
		return "MQTT-3.6.1-1"
	case SUBSCRIBE:
		return "MQTT-3.8.1-1"
	case UNSUBSCRIBE:
		return "MQTT-3.10.1-1"
	case DISCONNECT:
		return "MQTT-3.14.1-1"
	}
	return "MQTT-2.2.2-2"
}

// idRule names the statement that wants a packet identifier in t.
func (t Type) idRule() string {
	switch t {
	case PUBACK, PUBREC, PUBREL, PUBCOMP:
		return "MQTT-2.3.1-6"
	case SUBACK, UNSUBACK:
		return "MQTT-2.3.1-7"
	}
	return "MQTT-2.3.1-1"
}
