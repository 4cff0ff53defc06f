package main

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"
	"unicode"

	"xively/blueprint"
	"xively/broker"
	"xively/identity"
	"xively/internal/auth"
	"xively/internal/fault"
	"xively/logging"
	"xively/timeseries"
)

// The few lines between modules that do not know each other. Each type here answers one module's question with
// another's knowledge.

// authenticator answers the broker's CONNECT (broker.Authenticator).
type authenticator struct {
	identity  *identity.Service
	directory *blueprint.Service
	anonymous string // account whose free topics need no credentials; "" for none
}

// tokenUser is the user name that says that the password is a sign-in token.
const tokenUser = "Auth:JWT"

func (a authenticator) Authenticate(ctx context.Context, clientID, user string, password []byte, peer *x509.Certificate, _ net.Addr) (auth.Principal, error) {
	switch {
	case user == tokenUser:
		return a.identity.VerifyFresh(ctx, string(password))
	case peer != nil && len(password) == 0:
		return a.directory.AuthenticateCertificate(ctx, clientID, user, peer)
	case user == "" && password == nil && a.anonymous != "":
		return auth.Principal{Kind: auth.Anonymous, AccountID: a.anonymous}, nil
	}
	return a.credential(ctx, clientID, user, password)
}

// credential lets in by an MQTT credential. That of a person is no way around a disabled sign-in.
func (a authenticator) credential(ctx context.Context, clientID, user string, password []byte) (auth.Principal, error) {
	p, err := a.directory.AuthenticateMQTT(ctx, clientID, user, password)
	if err == nil && p.UserID != "" {
		err = a.identity.Active(p.AccountID, p.UserID)
	}
	return p, err // p also beside an error: the refusal is told to its account
}

// channels tells timeseries and logging which topics are theirs (timeseries.Channels, logging.Directory).
type channels struct{ directory *blueprint.Service }

func (c channels) TimeSeries(account, topic string) bool {
	ch, ok := c.directory.Channel(account, topic)
	return ok && ch.PersistenceType == "timeSeries"
}

func (c channels) Log(account, topic string) (deviceID, templateID, organizationID string, ok bool) {
	ch, ok := c.directory.Channel(account, topic)
	if !ok || ch.Channel != "_log" {
		return "", "", "", false
	}
	return ch.DeviceID, ch.DeviceTemplateID, ch.OrganizationID, true
}

// Devices knows devices by id, serial number and name (logging.Directory).
func (c channels) Devices(account, text string) []string {
	return c.directory.DevicesNamed(account, text)
}

func (c channels) Serials(account, begin string, most int) []string {
	return c.directory.SerialsLike(account, begin, most)
}

// reading lets somebody read a topic's stored points who may receive them (timeseries.Access).
type reading struct{ directory *blueprint.Service }

func (r reading) MayRead(p auth.Principal, topic string) error {
	return r.directory.MayReceive(p, topic)
}

// MayWrite lets somebody store points over REST who may publish them (timeseries.Writing).
func (r reading) MayWrite(p auth.Principal, topic string) error {
	return r.directory.MayPublish(p, topic)
}

// Describe tells whose channel a topic is (timeseries.Describer).
func (c channels) Describe(account, topic string) (timeseries.Channel, bool) {
	ch, ok := c.directory.Channel(account, topic)
	return timeseries.Channel{DeviceID: ch.DeviceID, DeviceTemplateID: ch.DeviceTemplateID,
		OrganizationID: ch.OrganizationID, Name: ch.Channel}, ok
}

// events writes what happens on connections into the account's log and the device's state (broker.Events,
// timeseries.Reporter). None of its methods block.
type events struct {
	logs        *logging.Service
	directory   *blueprint.Service
	seen        *addresses
	certificate func() (end time.Time) // of the platform; nil: there is none
}

func (e events) Connected(c broker.ConnInfo) {
	e.seen.saw(host(c.Remote), c.Principal.AccountID)
	e.setConnected(c, true)
	entry := e.entry(c, logging.Lifecycle, "200", title(c.Principal)+" connected")
	entry.Custom["connected"] = true
	e.logs.Append(entry)
}

func (e events) Disconnected(c broker.ConnInfo, reason string) {
	e.setConnected(c, false)
	entry := e.entry(c, logging.Lifecycle, "200", title(c.Principal)+" disconnected: "+reason)
	entry.Custom["connected"] = false
	e.logs.Append(entry)
}

func (e events) setConnected(c broker.ConnInfo, connected bool) {
	if c.Principal.Kind == auth.Device {
		e.directory.SetConnected(c.Principal.ID, connected, c.At, host(c.Remote))
	}
}

func (e events) Refused(c broker.ConnInfo, action, object, reason string) {
	if action == "handshake" {
		e.handshakeFailed(c, reason)
		return
	}
	e.seen.saw(host(c.Remote), c.Principal.AccountID)
	entry := e.entry(c, logging.Warning, "403", "")
	who := title(c.Principal)
	if c.Principal.Kind == auth.Nobody && entry.SourceType == "deviceId" {
		who = "Device"
	}
	entry.Message = who + ": " + action + " refused: " + reason
	if object != "" {
		entry.Message = who + ": " + action + " " + quoted(object) + " refused: " + reason
	}
	entry.Custom["action"], entry.Custom["topic"] = action, object
	entry.Tags = []string{"refused"}
	e.logs.Report(c.Principal.String()+c.ClientID, entry)
}

// handshakeFailed tells the accounts whose clients came from that address before. Of a certificate that has ended the platform
// knows better than what the client says of it.
func (e events) handshakeFailed(c broker.ConnInfo, reason string) {
	from := host(c.Remote)
	if e.certificate != nil {
		const day = "2006-01-02 15:04 UTC"
		if end := e.certificate().UTC(); time.Now().After(end) {
			reason += ". The platform's own certificate has expired: it ended on " + end.Format(day)
		} else {
			reason += ". The platform's own certificate is valid until " + end.Format(day)
		}
	}
	for _, account := range e.seen.at(from) {
		c.Principal.AccountID = account
		entry := e.entry(c, logging.Warning, "403", "TLS handshake from "+from+" failed: "+reason)
		entry.SourceType, entry.SourceID = logging.AddressSource, from
		entry.Custom["action"] = "handshake"
		entry.Tags = []string{"refused"}
		e.logs.Report("address "+from, entry)
	}
}

// host is a remote address without its port.
func host(remote string) string {
	h, _, _ := net.SplitHostPort(remote)
	return h
}

// Denied tells of a refusal over REST.
func (e events) Denied(d blueprint.Denial) {
	entry := e.entry(broker.ConnInfo{Principal: d.Principal}, logging.Warning, "403", d.Text)
	entry.Custom["action"], entry.Custom["object"], entry.Custom["remote"] = d.Action, d.ID, d.Remote
	entry.Tags = []string{"refused"}
	e.logs.Report(d.Principal.String()+d.Remote, entry)
}

// Subscribed lets a device's state follow a subscription to its updates.
func (e events) Subscribed(c broker.ConnInfo, filter string) {
	e.directory.Subscribed(c.Principal, filter)
}

// Wanted and Packet hand the flight recorder what it wants to see (broker.Recorder).
func (e events) Wanted(p auth.Principal) bool { return e.logs.Wanted(p) }

func (e events) Packet(p auth.Principal, clientID string, in bool, typ byte, topic string, qos byte, size int, head []byte) {
	e.logs.Packet(p, clientID, in, typ, topic, qos, size, head)
}

// Published tells the flight recorder what became of a message (broker.Tracer).
func (e events) Published(p auth.Principal, clientID, topic string, f broker.Fate) {
	e.logs.Published(p, clientID, topic, logging.Fate(f))
}

// Malformed tells that a time-series channel got something that is no point.
func (e events) Malformed(account, topic string, from auth.Principal, reason string) {
	from.AccountID = account
	about := from
	if ch, ok := e.directory.Channel(account, topic); ok { // the device's log tells it, whoever published for the device
		about = auth.Principal{Kind: auth.Device, AccountID: account, ID: ch.DeviceID}
	}
	entry := e.entry(broker.ConnInfo{Principal: about}, logging.Warning, "422",
		"Message on "+quoted(topic)+" delivered but not stored: "+reason)
	entry.Custom["topic"], entry.Custom["publisher"] = topic, from.String()
	entry.Tags = []string{"malformed"}
	e.logs.Report(topic, entry)
}

// Audited writes what was done about sign-ins, users, keys and applications into the account's log.
func (e events) Audited(a identity.Event) {
	who := broker.ConnInfo{Principal: auth.Principal{AccountID: a.AccountID, ID: a.UserID, UserID: a.UserID}}
	entry := e.entry(who, logging.Informational, "200", sentence(a.Action))
	if strings.HasSuffix(a.Action, ".refused") {
		entry.Severity, entry.Code = logging.Warning, "401"
	}
	entry.SourceType = "userId"
	if a.UserID == "" {
		entry.SourceType, entry.SourceID = "accountId", a.AccountID
	}
	entry.Tags = []string{"audit"}
	entry.Custom["action"], entry.Custom["objectType"], entry.Custom["objectId"], entry.Custom["remote"] = a.Action, a.ObjectType, a.ObjectID, a.Remote
	e.logs.Append(entry)
}

// Changed writes what was done in the directory into the account's log. A credential is its owner's business.
func (e events) Changed(c blueprint.Change) {
	entry := logging.Entry{AccountID: c.AccountID, SourceID: c.ID, SourceType: c.Kind + "Id", Severity: logging.Informational, Code: "200",
		DeviceTemplateID: c.DeviceTemplateID, OrganizationID: c.OrganizationID, Tags: []string{"audit", "directory"},
		Custom: map[string]any{"action": c.Action, "objectType": c.Kind, "objectId": c.ID, "by": c.By, "byType": c.ByType}}
	if c.OwnerID != "" {
		entry.SourceID, entry.SourceType = c.OwnerID, c.OwnerKind+"Id"
		if ch, ok := e.directory.Channel(c.AccountID, "xi/blue/v1/"+c.AccountID+"/d/"+c.OwnerID+"/_log"); ok {
			entry.DeviceTemplateID, entry.OrganizationID = ch.DeviceTemplateID, ch.OrganizationID
		}
	}
	entry.Message = strings.ToUpper(c.Title[:1]) + c.Title[1:]
	if c.Name != "" && c.OwnerID == "" {
		entry.Message += " " + quoted(c.Name)
	}
	switch {
	case c.OwnerID != "" && c.Action == "update":
		entry.Message += " has a new secret or certificate; the old one is not valid any more"
		entry.Severity = logging.Notice
	case c.Action == "delete":
		entry.Message += " deleted"
		entry.Severity = logging.Notice
		if c.Kind == "device" {
			entry.Custom[logging.TroubleMember] = "disabledDevice"
		}
	default:
		entry.Message += " " + strings.TrimSuffix(c.Action, "e") + "ed"
	}
	if c.ByType != "platform" && c.By != "" {
		entry.Message += " by " + printable(c.By)
	}
	if c.Remote != "" {
		entry.Custom["remote"] = c.Remote
	}
	if c.Action == "update" && len(c.Members) > 0 {
		entry.Details = "changed: " + strings.Join(c.Members, ", ")
		entry.Custom["members"] = c.Members
	}
	e.logs.Append(entry)
}

// sentence turns the name of what was done into words: "password.changed" into "Password changed".
func sentence(action string) string {
	known := map[string]string{"signIn": "Signed in", "signOut": "Signed out", "signIn.refused": "Sign-in refused: wrong password or code",
		"signIn.atApplication": "Signed in at an application"}
	if s := known[action]; s != "" {
		return s
	}
	var b strings.Builder
	for i, r := range action {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(r))
		case r == '.':
			b.WriteByte(' ')
		case unicode.IsUpper(r):
			b.WriteByte(' ')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return strings.Replace(b.String(), "Api key", "API key", 1)
}

// entry begins a log entry about a connection.
func (e events) entry(c broker.ConnInfo, severity, code, message string) logging.Entry {
	p := c.Principal
	entry := logging.Entry{
		AccountID: p.AccountID, SourceID: p.ID, SourceType: p.Kind.String() + "Id",
		Severity: severity, Code: code, Message: message, Custom: map[string]any{},
	}
	switch p.Kind {
	case auth.Device, auth.Nobody: // somebody who was not let in may have claimed to be a device
		if ch, ok := e.directory.Channel(p.AccountID, "xi/blue/v1/"+p.AccountID+"/d/"+p.ID+"/_log"); ok {
			entry.SourceType = auth.Device.String() + "Id"
			entry.DeviceTemplateID, entry.OrganizationID = ch.DeviceTemplateID, ch.OrganizationID
		}
	}
	if c.Remote != "" {
		entry.Custom["clientId"], entry.Custom["remote"], entry.Custom["transport"] = c.ClientID, c.Remote, c.Transport
		entry.Details = strings.TrimSpace(c.Protocol + " by " + c.Transport + " from " + c.Remote)
		if c.TLSVersion != "" {
			entry.Details += ", " + c.TLSVersion
		}
	}
	return entry
}

// title names a principal at the start of a sentence.
func title(p auth.Principal) string {
	switch p.Kind {
	case auth.Device:
		return "Device"
	case auth.AccountUser:
		return "Account user"
	case auth.EndUser:
		return "End user"
	case auth.Application:
		return "Application"
	case auth.Anonymous:
		return "Anonymous client"
	}
	return "Client"
}

// quoted shows text that comes from a client.
func quoted(s string) string { return "“" + printable(s) + "”" }

// checkAnonymous refuses a broker.anonymous that names no account: a typing error must not look like a working setting.
func checkAnonymous(id *identity.Service, account string) error {
	if account == "" {
		return nil
	}
	_, err := id.Account(account)
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.NotFound {
		return usageError("broker.anonymous: there is no account %s", account)
	}
	return err
}
