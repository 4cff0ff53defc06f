// Package packet turns MQTT 3.1.1 control packets, and those of MQTT 3.1, into bytes and back.
//
// The caller reads bytes from a Network Connection into a buffer and asks [Frame] where the first packet ends. A whole
// packet goes to the decoder of its type, which reads it in place: the slices in the result point into the buffer, and
// nothing is allocated for a packet that keeps the rules. Encoders append to a slice the caller owns.
//
// What a decoder accepts:
//
//   - Every statement of the standard about bytes is kept strictly: reserved bits, required lengths, packet identifiers
//     other than zero, nothing missing and nothing left over. A packet that breaks one gives a [*MalformedError], and
//     the connection must be closed [MQTT-4.8.0-1].
//   - Strings are well-formed UTF-8 without U+0000 [MQTT-1.5.3-1] [MQTT-1.5.3-2]. The code points that §1.5.3 advises
//     against, the controls U+0001–001F and U+007F–009F and the non-characters, are refused as well: the standard lets
//     a receiver close the connection for them, and they would otherwise reach logs, consoles and terminals. Will
//     payload, password and message payload are bytes and may hold anything. U+FEFF stays where it is [MQTT-1.5.3-3].
//   - A Remaining Length in more bytes than it needs is accepted: 3.1.1 does not forbid it.
//   - Where 3.1 is more lenient than 3.1.1 a 3.1 client is read by 3.1: see [Connect.Decode] and [Frame31].
//
// Where wildcards may stand in a filter is the business of package topic. Whether an id, a level or a topic is welcome
// is the business of package broker.
package packet
