package logging

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// trouble is something that goes wrong with devices, known by what the platform logs of it.
type trouble struct {
	name    string // stable, for programs
	cause   string
	remedy  string
	say     func(lines []*line, f *Finding) // words it by what was logged; nil: the cause and remedy above are all there is to say
	phrases []string                        // one of them is in the message, in lower case
	only    func(l *line) bool
	least   int  // so many within fightTime make it trouble; fewer are ordinary
	ends    bool // when the device connects
}

// TroubleMember is the member of custom by which an entry names its trouble itself.
const TroubleMember = "trouble"

const fightTime = 10 * time.Minute

// troubles in the order in which they are tried.
var troubles = []trouble{
	{name: "takeoverFight", say: sayFight, least: 3,
		phrases: []string{"taken over by a new connection"},
		cause:   "Two connections with the same client id keep ending each other: MQTT lets only one of them in.",
		remedy:  "Let the firmware close its old connection before it opens a new one, and wait a little longer after each failure. If a second device is at work, give it a client id and a credential of its own."},
	{name: "oversizedPacket", say: sayOversized,
		phrases: []string{"packet is larger than", "packet too large"},
		cause:   "The device sent a packet that is larger than the platform takes, so the message was not delivered and the connection was closed.",
		remedy:  "Send less in one message, or in several messages. If messages of this size are meant, raise broker.max_packet_bytes in the platform's configuration."},
	{name: "malformedValues", say: sayMalformedValues,
		phrases: []string{"delivered but not stored"},
		cause:   "The device published something to a time-series channel that cannot be read as points. Subscribers got the message; nothing of it was stored.",
		remedy:  "A line of CSV is time in milliseconds, category, number, text, as in “,,21.5,” for a number at this moment; a JSON number or object will do too. For messages that are no points, use a channel that is not a time series."},
	{name: "slowSubscriber", say: saySlow,
		phrases: []string{"took nothing for too long", "too slow"},
		cause:   "The device takes its messages more slowly than they come, so some of them were left out.",
		remedy:  "Let the device subscribe to fewer topics, or publish to them less often; in the firmware, read from the connection in a task of its own; and look at the quality of the network. What must not be lost needs QoS 1 and a persistent session: then it waits."},
	{name: "fullQueue", say: sayFullQueue,
		phrases: []string{"queue is full"},
		cause:   "As many messages are waiting for the device as its queue is full with, so new ones are thrown away until it takes some.",
		remedy:  "Bring the device back on line, or find out why it does not acknowledge what it gets. If it does not need old messages, let it connect with a clean session; if it does, raise broker.queue_messages and broker.queue_bytes, or publish less while it is away."},
	{name: "revokedCredential", say: sayRevoked, ends: true,
		phrases: []string{"mqtt credential was deleted", "has a new secret", "secret was replaced", "credential was revoked", "credential is revoked"},
		only:    func(l *line) bool { return !slices.Contains(l.tags, "audit") },
		cause:   "The credential that the device uses was deleted or replaced, so it is not let in with it any more.",
		remedy:  "Write the new secret into the device, or make a new credential for it. If nobody meant to change it, the audit trail tells who did."},
	{name: "disabledDevice", say: sayDisabled, ends: true,
		phrases: []string{"device was deleted", "device is deleted", "disabled", "deactivated", "suspended", "is not in the directory any more"},
		cause:   "The device was deleted or disabled in the directory, so it is not let in.",
		remedy:  "If it should go on working, restore it in the directory: it comes back with its id, channels and credential. If not, take it out of service, so that it does not keep trying."},
	{name: "expiredCertificate", say: sayExpired, ends: true,
		phrases: []string{"certificate has expired", "expired certificate", "certificate is expired", "certificate expired"},
		cause:   "A certificate has expired: the TLS connection ended before the device could say who it is.",
		remedy:  "Renew the platform's certificate if it is that one (tls in the configuration). If it is valid, look at the device's clock: a wrong one makes good certificates look expired."},
	{name: "untrustedCertificate", say: sayUntrusted, ends: true,
		phrases: []string{"tls: bad certificate", "tls: unknown certificate", "tls: bad record mac"},
		cause:   "A client at the device's address ended the TLS connection because it does not accept the platform's certificate.",
		remedy:  "Give the device the authority that the certificate comes from (tls/ca.pem in the platform's data folder, unless the certificate is a public one), and let it connect by a name that the certificate has (tls.names in the configuration). Look at the device's clock too: with a wrong one, good certificates look bad."},
	{name: "wrongSecret", say: sayWrongSecret, ends: true,
		phrases: []string{"secret is wrong", "password is wrong", "no secret was presented"},
		cause:   "The device was not let in: the secret it presents is not its own.",
		remedy:  "Check that the user name is the device's id and that the secret was copied whole, without spaces or a line end. A secret cannot be shown again, so when in doubt make a new one and write it into the device."},
	{name: "wrongClientID", ends: true,
		phrases: []string{"as its client id"},
		cause:   "The device connects with the id of another device as its client id, and would take over that one's session.",
		remedy:  "Let the device use its own id, or an id of its own making, as the client id."},
	{name: "silence", ends: true,
		phrases: []string{"keep alive of"},
		cause:   "The platform heard nothing from the device for longer than it promised with its keep alive: the network broke, or the device slept or hung.",
		remedy:  "Look at the network and at the device's power. A device that sleeps should disconnect first, or promise a longer keep alive."},
	{name: "malformedPacket", say: sayMalformedPacket,
		phrases: []string{"malformed "},
		cause:   "The device sent bytes that are not MQTT as the standard has it, so the connection was closed.",
		remedy:  "Use a current MQTT library in version 3.1.1. If it is one, look whether something else speaks to the port, or the network changes bytes."},
	{name: "foreignTopic", say: sayForeign,
		phrases: []string{"refused: "}, only: func(l *line) bool {
			action := l.customValues(customPrefix + "action")
			return len(action) == 1 && (action[0] == "publish" || action[0] == "subscribe" || action[0] == "will" || action[0] == "deliver")
		},
		cause:  "The device used a topic that it has no right to.",
		remedy: "Compare the topic, letter by letter, with the device's channels (xively devices get): account id, device id and channel must be its own. If the channel is missing, add it to the device's template; if it is a free topic, allow it there."},
	{name: "noReceiver",
		cause:  "The device's message was accepted, and nobody was subscribed to its topic: nobody got it, and it was not kept.",
		remedy: "Let the receiver subscribe first, and compare its filter with the topic. What must not be missed needs a persistent session that subscribed before, a retained message, or a time-series channel."},
	{name: "notDelivered",
		cause:  "The device's message was accepted, and did not reach every subscriber.",
		remedy: "Look at the subscribers that the timeline names: their own diagnosis tells why."},
}

// The functions below word a trouble by what was logged of it. lines are those of the trouble, in order of time, at least one.

func last(lines []*line) *line { return lines[len(lines)-1] }

// after returns what follows a text in a message.
func after(l *line, text string) (string, bool) {
	_, rest, ok := strings.Cut(l.text[messageText], text)
	return strings.TrimSpace(rest), ok
}

func (l *line) customText(member string) string {
	if v := l.customValues(customPrefix + member); len(v) > 0 {
		return v[0]
	}
	return ""
}

// topicText names a topic, the device's own channels by their names.
func (l *line) topicText() string {
	topic := l.customText("topic")
	if channel, own := strings.CutPrefix(topic, "xi/blue/v1/"+l.account+"/d/"+l.source+"/"); own && channel != "" {
		return "its channel “" + channel + "”"
	}
	if topic != "" {
		return "“" + topic + "”"
	}
	return ""
}

// addresses returns where the connections came from, without ports.
func addresses(lines []*line) (all []string) {
	for _, l := range lines {
		host, _, err := net.SplitHostPort(l.customText("remote"))
		if err == nil && !slices.Contains(all, host) && len(all) < maxHosts {
			all = append(all, host)
		}
	}
	return all
}

func sayFight(lines []*line, f *Finding) {
	who := "Two connections with the same client id"
	if id := last(lines).customText("clientId"); id != "" {
		who = "Two connections that both use the client id “" + id + "”"
	}
	f.Cause = who + " keep ending each other: MQTT lets only one of them in."
	switch from := addresses(lines); {
	case len(from) > 1:
		f.Cause += " They come from " + strings.Join(from, " and ") + ": probably two devices have the same identity."
		f.Remedy = "Find the second device by its address; perhaps its firmware was copied together with the credential. Give each device a client id and a credential of its own, and make a new secret for this one, so that the copy is locked out."
	case len(from) == 1:
		f.Cause += " All come from " + from[0] + ": probably one device that opens a second connection while the first is still there, or two behind one router."
	}
}

func sayOversized(lines []*line, f *Finding) {
	if limit, ok := after(last(lines), "packet is larger than "); ok {
		limit, _, _ = strings.Cut(limit, " bytes")
		f.Cause = "The device sent a packet of more than " + limit + " bytes, which is the most that the platform takes in one packet. The message was not delivered, and the connection was closed."
	}
}

func sayMalformedValues(lines []*line, f *Finding) {
	l := last(lines)
	if reason, ok := after(l, "delivered but not stored: "); ok {
		f.Cause = fmt.Sprintf("What was published to %s, a time series, could not be read as points: %s. Subscribers got the message; nothing of it was stored.", l.topicText(), strings.TrimSuffix(reason, "."))
	}
}

func saySlow(lines []*line, f *Finding) {
	l := last(lines)
	if strings.Contains(l.text[messageText], "took nothing") {
		f.Cause = "The device is too slow: it took nothing of what was sent to it for so long that the platform closed the connection."
		return
	}
	if topic := l.topicText(); topic != "" {
		f.Cause = "The device is too slow: it takes its messages more slowly than they come. Messages of QoS 0 were left out, first on " + topic + ", and will be until it has caught up."
	}
}

func sayFullQueue(lines []*line, f *Finding) {
	f.Cause = "The device's queue is full: as many messages are waiting for it as the platform keeps for one session"
	if topic := last(lines).topicText(); topic != "" {
		f.Cause += ". New ones, first on " + topic
	} else {
		f.Cause += ". New ones"
	}
	f.Cause += ", are thrown away until it takes some. It is away, or does not acknowledge what it gets."
}

func sayRevoked(lines []*line, f *Finding) {
	switch message := strings.ToLower(last(lines).text[messageText]); {
	case strings.Contains(message, "secret was replaced"):
		f.Cause = "The device still uses its old secret: a new one was made for it, and only the newest lets it in."
		f.Remedy = "Write the new secret into the device. If it is lost, make another one. If nobody meant to replace it, the audit trail tells who did."
	case strings.Contains(message, "new secret"):
		f.Cause = "A new secret was made for the device, so the connection that used the old one was ended."
		f.Remedy = "Write the new secret into the device. If nobody meant to replace it, the audit trail tells who did."
	case strings.Contains(message, "deleted"):
		f.Cause = "The device's MQTT credential was deleted, so it is not let in any more."
		f.Remedy = "Make a new credential for the device and write its secret into it. If nobody meant to delete it, the audit trail tells who did."
	}
}

func sayDisabled(lines []*line, f *Finding) {
	for _, l := range lines {
		if l.customText("action") == "delete" {
			f.Cause = "The device was deleted in the directory"
			if by := l.customText("by"); by != "" && l.customText("byType") != "platform" {
				f.Cause += " by " + by
			}
			f.Cause += ", so it is not let in."
		}
	}
}

const (
	ownExpired = "own certificate has expired: "
	ownValid   = "own certificate is valid until "
)

func sayExpired(lines []*line, f *Finding) {
	l := last(lines)
	if ended, ok := after(l, ownExpired); ok {
		f.Cause = "The platform's TLS certificate has expired: " + ended + ". The device does not trust it any more and ends the connection before it says who it is."
		f.Remedy = "Renew the certificate: put the new one into the files that tls.certificate and tls.key name; they are read again within seconds. With tls.acme that happens by itself, and the server's own log says why it did not."
	} else if until, ok := after(l, ownValid); ok {
		f.Cause = "The device says that the platform's certificate has expired. It is valid until " + until + ": the device's clock is wrong."
		f.Remedy = "Set the device's clock, by NTP for instance, before it connects. If it cannot have a clock, let it check the certificate without the dates."
	}
}

func sayUntrusted(lines []*line, f *Finding) {
	if until, ok := after(last(lines), ownValid); ok {
		f.Cause += " The certificate is valid until " + until + "."
	}
}

func sayWrongSecret(lines []*line, f *Finding) {
	what := "the secret it presents is not its own"
	if strings.Contains(last(lines).text[messageText], "no secret") {
		what = "it presents no secret"
	}
	f.Cause = "The device was not let in: " + what
	if from := addresses(lines); len(from) > 0 {
		f.Cause += ". It came from " + strings.Join(from, ", ")
	}
	f.Cause += "."
}

func sayMalformedPacket(lines []*line, f *Finding) {
	if reason, ok := after(last(lines), "disconnected: "); ok {
		f.Cause += " What was wrong: " + strings.TrimSuffix(reason, ".") + "."
	}
}

func sayForeign(lines []*line, f *Finding) {
	l := last(lines)
	verb := map[string]string{"publish": "publish to", "subscribe": "subscribe to", "will": "leave a last will for", "deliver": "receive from"}[l.customText("action")]
	reason, ok := after(l, "refused: ")
	if topic := l.topicText(); ok && verb != "" && topic != "" {
		f.Cause = fmt.Sprintf("The device has no right to %s %s: %s.", verb, topic, strings.TrimSuffix(reason, "."))
	}
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
