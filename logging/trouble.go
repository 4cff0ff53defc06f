package logging

import (
	"strings"
	"time"
)

// trouble is something that goes wrong with devices, known by what the platform logs of it.
type trouble struct {
	name    string // stable, for programs
	cause   string
	remedy  string
	phrases []string // one of them is in the message, in lower case
	only    func(l *line) bool
	least   int // so many within fightTime make it trouble; fewer are ordinary
}

// TroubleMember is the member of custom by which an entry names its trouble itself.
const TroubleMember = "trouble"

const fightTime = 10 * time.Minute

// troubles in the order in which they are tried.
var troubles = []trouble{
	{name: "takeoverFight",
		cause:   "Two connections use the same client id and end each other again and again: two devices have the same identity, or the device opens a second connection before it has closed the first.",
		remedy:  "Give every device a client id and credential of its own; look whether the firmware was copied with its credential. Compare the addresses of the connections below. In the firmware, close the old connection before a new one is opened, and wait longer after each failure.",
		phrases: []string{"taken over by a new connection"}, least: 3},
	{name: "oversizedPacket",
		cause:   "The device sent a packet that is larger than the platform takes, and was disconnected.",
		remedy:  "Send less in one message, or in several; or raise broker.max_packet_bytes in the platform's configuration.",
		phrases: []string{"packet is larger than", "packet too large"}},
	{name: "malformedValues",
		cause:   "The device published something to a time-series channel that cannot be read as points. It was delivered to subscribers and not stored.",
		remedy:  "Look at the place that the entry names. A line of CSV is: time in milliseconds, category, number, text; a point may also be a JSON number or a JSON object. Or use a channel that is not a time series for such messages.",
		phrases: []string{"delivered but not stored"}},
	{name: "slowSubscriber",
		cause:   "The device takes messages more slowly than they come. The platform held them back as long as it could, then dropped some or closed the connection.",
		remedy:  "Subscribe to fewer topics, or publish to them less often; read from the connection in a task of its own; look at the quality of the network.",
		phrases: []string{"took nothing for too long", "too slow"}},
	{name: "fullQueue",
		cause:   "The device has a persistent session and was away, or does not acknowledge, for so long that its queue is full. New messages for it are dropped.",
		remedy:  "Bring the device back on line so that it takes what waits; let it connect with a clean session if it does not need old messages; subscribe to fewer topics; or raise broker.queue_messages and broker.queue_bytes.",
		phrases: []string{"queue is full"}},
	{name: "revokedCredential",
		cause:   "The credential the device uses was deleted or replaced by a new one.",
		remedy:  "Write the new secret into the device. If nobody meant to replace it, look in the audit trail who did, and make a new credential.",
		phrases: []string{"mqtt credential was deleted", "has a new secret", "credential was revoked", "credential is revoked"}},
	{name: "disabledDevice",
		cause:   "The device was deleted or disabled in the directory. It may not connect any more.",
		remedy:  "Restore or enable the device in the directory if it should work; else take it out of service.",
		phrases: []string{"device was deleted", "device is deleted", "disabled", "deactivated", "suspended", "is not in the directory any more"}},
	{name: "expiredCertificate",
		cause:   "A certificate has expired: the TLS connection failed before the device could say who it is.",
		remedy:  "If it is the platform's certificate, renew it (tls in the configuration; ACME does it by itself). If it is the device's, give it a new one. Also look at the device's clock: one that is wrong makes good certificates look expired.",
		phrases: []string{"certificate has expired", "expired certificate", "certificate is expired", "certificate expired"}},
	{name: "untrustedCertificate",
		cause:   "A TLS connection from the device's address failed: the client does not accept the platform's certificate.",
		remedy:  "Give the device the authority that the platform's certificate comes from (ca.pem of the platform, unless the certificate is a public one), and let it connect by a name that the certificate has (tls.names in the configuration). Also look at the device's clock: one that is wrong makes good certificates look bad.",
		phrases: []string{"tls: bad certificate", "tls: unknown certificate"}},
	{name: "wrongSecret",
		cause:   "The device presents a secret that is not its own: it is mistyped, cut off, or another device's.",
		remedy:  "Compare the user name with the device's id. The secret cannot be shown again: make a new one for the device and write it into it, the whole text without spaces or line ends.",
		phrases: []string{"secret is wrong", "password is wrong"}},
	{name: "wrongClientID",
		cause:   "The device connects with the id of another device as its client id, and would take over that one's session.",
		remedy:  "Let the device use its own id, or an id of its own making, as the client id.",
		phrases: []string{"as its client id"}},
	{name: "silence",
		cause:   "The platform heard nothing from the device for longer than it promised with its keep alive: the network broke, the device slept or hung.",
		remedy:  "Look at the network and at the device's power. A device that sleeps should disconnect first, or promise a longer keep alive.",
		phrases: []string{"keep alive of"}},
	{name: "malformedPacket",
		cause:   "The device sent bytes that are not MQTT as the standard has it, and was disconnected. The entry names the statement of the standard that was broken.",
		remedy:  "Look at the place the entry names; use a current MQTT library, version 3.1.1; look whether something else speaks to the port.",
		phrases: []string{"malformed "}},
	{name: "foreignTopic",
		cause:   "The device used a topic that it has no right to.",
		remedy:  "Compare the topic in the entry with the device's channels: account id, device id and channel name must be its own, in the same case. Add the channel to the device's template if it is missing, or allow the free topic there.",
		phrases: []string{"refused: "}, only: func(l *line) bool {
			action := l.customValues(customPrefix + "action")
			return len(action) == 1 && action[0] != "connect"
		}},
}

// troubleOf returns the number of the trouble that a line tells of, or -1.
func troubleOf(l *line) int {
	if !l.own { // a device may say anything
		return -1
	}
	if named := l.customValues(customPrefix + TroubleMember); len(named) == 1 {
		for i := range troubles {
			if troubles[i].name == named[0] {
				return i
			}
		}
	}
	message := strings.ToLower(l.text[messageText])
	for i, t := range troubles {
		for _, p := range t.phrases {
			if strings.Contains(message, p) && (t.only == nil || t.only(l)) {
				return i
			}
		}
	}
	return -1
}
