package broker

import (
	"context"
	"crypto/x509"
	"net"
	"time"

	"xively/internal/auth"
	"xively/storage"
)

// Authenticator says who a connecting client is. It is asked once per CONNECT, on that connection's own goroutine.
type Authenticator interface {
	// Authenticate returns the caller. user is empty and password nil when CONNECT did not carry them.
	//
	// With an error the Principal says who the client claims to be, as far as that is known: for the log of that account, nothing else.
	//
	// peer is the certificate that the client showed in its TLS handshake, nil for none. The client holds its key; who signed it was
	// not checked, nor whether it is valid now.
	//
	// Errors are *fault.Error: Unauthenticated gives CONNACK 0x04, Forbidden 0x05, Unavailable and TooMany 0x03. The message goes
	// to the log, never to the client.
	Authenticate(ctx context.Context, clientID, user string, password []byte, peer *x509.Certificate, remote net.Addr) (auth.Principal, error)
}

// Authorizer judges topics. An answer is kept for as long as Epoch stays the same, so that no PUBLISH costs a look-up.
// A nil error allows; otherwise the message names the rule that refuses, in words for the account's admin.
type Authorizer interface {
	// Epoch changes whenever an earlier answer may have become wrong.
	Epoch() uint64
	MayPublish(p auth.Principal, topic string) error
	// MaySubscribe allows a filter when every topic it can match may be read, or when MayReceive will judge each topic.
	MaySubscribe(p auth.Principal, filter string) error
	// MayReceive judges one topic at delivery: live, retained and queued alike.
	MayReceive(p auth.Principal, topic string) error
}

// Tap looks at accepted publishes on behalf of a module.
type Tap interface {
	// Sink returns the function that takes every publish to topic, or nil when the module has no use for them. It is asked once
	// per route and again when Epoch changes.
	//
	// The function runs on the publisher's goroutine. payload is valid only during the call. It adds to b whatever must last; the publish
	// is acknowledged after b is on disk.
	Sink(account, topic string) func(from auth.Principal, topic string, payload []byte, b *storage.Batch)
}

// Pacer is what a Tap may be besides: it holds publishers back while it has as much to do as it keeps.
type Pacer interface {
	// Pace returns the function that is called before each publish to topic that Sink takes, or nil when none has to wait. It is asked
	// when Sink is. The function runs on the publisher's goroutine, which holds no lock and no batch: it may wait for as long as the
	// module works off what it has, and must return when the module ends or fails.
	Pace(account, topic string) func()
}

// Events hears of what an admin will want to look up later. Calls come from many goroutines and must not block.
type Events interface {
	Connected(ConnInfo)
	// Disconnected tells why in words: "client sent DISCONNECT", "keep alive of 60s ran out", "[MQTT-3.1.0-2] second CONNECT".
	Disconnected(info ConnInfo, reason string)
	// Refused tells that action ("handshake", "connect", "publish", "subscribe", "will", "deliver", "keep") on object (a topic or filter, may be
	// empty) was turned down, and by which rule. Of a TLS handshake that failed only the address is known.
	Refused(info ConnInfo, action, object, reason string)
}

// SubscriptionListener is what Events may be besides: it hears of every filter that was granted, after its SUBACK and retained
// messages are on their way. The call must not block.
type SubscriptionListener interface {
	Subscribed(info ConnInfo, filter string)
}

// Recorder is what Events may be besides: it sees the packets of the clients it wants, after CONNECT, both ways.
type Recorder interface {
	// Wanted is asked for every batch and every write: it must cost next to nothing.
	Wanted(p auth.Principal) bool
	// Packet is told of a packet that arrived, before it is acted on, or that is about to be written. size is that of head, which is the
	// payload of a PUBLISH and the whole packet otherwise, valid only during the call. It must not block.
	Packet(p auth.Principal, clientID string, in bool, typ byte, topic string, qos byte, size int, head []byte)
}

// Tracer is what a Recorder may be besides: it hears what became of the messages that it saw.
type Tracer interface {
	// Published follows the Packet of a PUBLISH that arrived. It must not block.
	Published(p auth.Principal, clientID, topic string, f Fate)
}

// Fate is what became of a message, as far as that was known when it was published. Clients are named by their ids, fateNames at most.
type Fate struct {
	Refused  string   // the rule by which nobody got it
	Sent     int      // connected clients it is on its way to
	Waiting  int      // persistent sessions that are away and will get it
	Away     []string // … and will not: their subscription is of QoS 0, or the message is
	Full     []string // whose queue is full
	Slow     []string // who do not take what is sent to them
	Denied   []string // who subscribed and may not receive it
	Kept     int      // modules of the platform that took it
	Retained bool
}

// ConnInfo describes a Network Connection to the outside. Its strings come from the client and are not to be trusted as text.
type ConnInfo struct {
	Principal    auth.Principal
	ClientID     string
	Remote       string // "203.0.113.9:40312"
	Transport    string // "tcp", "tls", "ws", "wss"
	TLSVersion   string // "TLS 1.3"; "" without TLS
	Protocol     string // "MQTT 3.1.1" or "MQTT 3.1"
	CleanSession bool
	KeepAlive    time.Duration
	At           time.Time
}
