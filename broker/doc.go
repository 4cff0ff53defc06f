// Package broker is the MQTT 3.1.1 server; clients of MQTT 3.1 are served too. It knows sessions, topics and delivery, and nothing
// of what a topic means: who may use it an Authorizer says, what it is worth keeping a Tap.
//
// # The path of a PUBLISH
//
// A connection's read loop takes whatever bytes have arrived and handles every whole packet in them: a batch. For each PUBLISH it looks
// up the route of the topic (router.go), which holds the verdict, the receivers and the modules' sinks and is good until a subscription or
// the directory changes. The message is encoded once per QoS; a QoS 0 message goes out byte for byte as it came. send (publish.go)
// appends those bytes to each receiver's outgoing buffer under the receiver's own small lock. When the batch ends, or maxPending bytes have
// gathered, flush writes every buffer that was touched, one system call each, from the publisher's goroutine. There is no dispatcher, no
// queue between two goroutines, and in the steady state no allocation.
//
// What must last (a message to a persistent session, a retained message, a module's record, a QoS 2 identifier of a persistent
// session) goes into one journal batch first. Its LSN is the message's name. Acknowledgements that depend on it wait in the connection's
// replies, in order; messages wait in the session's queue. When the journal has synced, its notifier calls Durable on the
// connections and sessions concerned, and they write. The read loop goes on reading meanwhile.
//
// A shared subscription (shared.go) adds a choice to a route: its members, of whom pick takes one for each message.
//
// # Reading
//
// A socket, with TLS or without, is read inside one long RawConn.Read (conn.go: readSocket, readTLS), so that the poller's word about new bytes is never
// lost between a read and the wait for more, and a read that found less than it had room for need not be repeated. Closing a socket waits
// for that Read, and a read loop that handles packets closes connections, its own too: wire.Close therefore only hangs up, and finish closes. WebSocket
// frames are read through their library (readStream).
//
// # Goroutines
//
//	accept     one per listener                    Serve…, until the listener closes
//	serve      one per connection until CONNACK    handshake, CONNECT, session; a deadline bounds it
//	readLoop   one per connection                  ends with the connection and cleans up after it (serve's, when it never starts)
//	drain      one per slow connection             while the socket takes less than there is
//	tick       one                                 coarse clock, keep alive, rechecking permissions, ends that went by unnoticed, old sessions
//	figures    one                                 $SYS, where somebody has subscribed to it
//	notifier   the journal's                       calls Durable
//
// # Locks, outermost first
//
//	journal batch (Begin … End)  never begun while one of the following is held
//	space.mu                     an account's subscriptions and sessions
//	Session.mu                   flights and queue
//	conn.outMu                   the outgoing buffer
//	store.mu, retainedStore.mu, Server.mu, wire.mu, wheel.mu, door.mu, topicTable.mu, quiet.mu,
//	unsure.mu, held.mu           taken last
//
// space.trafficMu is taken before all but the batch, and only to add up an account's figures.
//
// Events, Authorizer and Authenticator are never called with a lock held or a batch open; a sink runs inside the batch it adds to. Nothing
// that can wait for the network or the disk happens under a lock.
//
// # Invariants
//
//   - Nothing is acknowledged, and nothing leaves for a persistent session, before the journal batch it depends on is on disk.
//   - Acknowledgements leave in the order of the packets they answer [MQTT-4.6.0-2] [MQTT-4.6.0-3].
//   - The journal is the order of the world: of two writers of one retained topic the higher LSN wins, in memory as after a restart.
//   - A Packet Identifier is given when a message enters a persistent session's queue and is the same in every later attempt, also by
//     another process: a QoS 2 receiver would otherwise take it for a new message.
//   - A session belongs to the principal that made it. The client id alone opens nothing.
//   - CONNACK is the first packet of a connection, what was in flight the next, then the queue: conn.flushing and conn.ready see to it,
//     for other goroutines find the connection in its session before any of that has left.
//   - A connection's will is out and its end is told before its session is free for the next one.
//   - A panic in a module ends the connection that met it. No lock is held and no batch left open then.
//   - Every queue and buffer has a bound in Config; what happens at the bound is said there and counted in Stats.
package broker
