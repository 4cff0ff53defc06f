package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"xively/identity"
	"xively/internal/auth"
	"xively/internal/operate"
	"xively/internal/rest"
	"xively/logging"
)

// figures answers the questions of operate with what the modules know (operate.Source).
type figures struct {
	p     *platform
	first atomic.Pointer[string] // the operator's account, once there is one: it stays the first
}

// Operator reports whether an account is the one that runs the server: the first that was made.
func (f *figures) Operator(account string) bool {
	if id := f.first.Load(); id != nil {
		return *id == account
	}
	all, err := f.p.identity.Accounts()
	if err != nil || len(all) == 0 {
		return false
	}
	id := all[len(all)-1].ID // they come with the newest first
	f.first.Store(&id)
	return id == account
}

func (f *figures) Accounts() (ids []string, err error) {
	all, err := f.p.identity.Accounts()
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	return ids, err
}

func (f *figures) Counts(account string) (operate.Counts, error) {
	d, err := f.p.blueprint.Figures(account)
	b := f.p.broker.AccountStats(account)
	return operate.Counts{Devices: d.Devices, Connected: d.Connected, EndUsers: d.EndUsers, Organizations: d.Organizations,
		DeviceTemplates: d.DeviceTemplates, AccountUsers: d.AccountUsers, Series: f.p.timeseries.AccountStats(account).Series,
		Sessions: b.Sessions, Retained: b.Retained}, err
}

func (f *figures) Traffic(account string) operate.Traffic {
	b := f.p.broker.AccountStats(account)
	return operate.Traffic{Connections: b.Connected, Received: b.Traffic.MessagesIn, Delivered: b.Traffic.MessagesOut, Points: f.p.timeseries.AccountStats(account).Points}
}

func (f *figures) Server() operate.Server {
	p := f.p
	b, s, l := p.broker.Stats(), p.db.Stats(), p.logs.Stats()
	accounts, _ := f.Accounts() // a store that fails is told elsewhere
	free, total := diskSpace(p.cfg.Data)
	return operate.Server{Version: version(), Started: p.began, StoreBytes: s.StoreBytes, JournalBytes: s.JournalBytes, LogBytes: int64(l.Bytes),
		DiskFree: free, DiskTotal: total, MemoryBytes: int64(memoryBytes()), Goroutines: runtime.NumGoroutine(), Accounts: len(accounts),
		Traffic:     operate.Traffic{Connections: b.Connections, Received: b.Received, Delivered: b.Delivered, Points: p.timeseries.Stats().Points},
		MailsFailed: uint64(p.identity.Stats().MailsDropped), DroppedQoS0: b.DroppedQoS0, DroppedQueue: b.DroppedQueue, LogDropped: l.Dropped}
}

func (f *figures) LogHistogram(ctx context.Context, account string, from, to time.Time, every time.Duration) ([]operate.LogBucket, error) {
	q, err := logging.ParseText(span(from, to), nil, to)
	if err != nil {
		return nil, err
	}
	q.Every, q.EveryOf, q.Size = every, "serviceTimestamp", 0
	found, err := f.p.logs.Search(ctx, account, q)
	var all []operate.LogBucket
	for _, b := range found.Buckets {
		all = append(all, operate.LogBucket(b))
	}
	return all, err
}

const mostTroubles = 500

func (f *figures) LogTroubles(ctx context.Context, account string, from time.Time) ([]operate.Trouble, error) {
	now := time.Now()
	q, err := logging.ParseText("severity>=error "+span(from, now), nil, now)
	if err != nil {
		return nil, err
	}
	q.Size = mostTroubles
	found, err := f.p.logs.Search(ctx, account, q)
	var all []operate.Trouble
	for _, e := range found.Entries {
		all = append(all, operate.Trouble{Time: e.ServiceTimestamp, Severity: e.Severity, Code: e.Code, Message: e.Message, SourceID: e.SourceID, SourceType: e.SourceType})
	}
	return all, err
}

// span is a time as the log's searches write it.
func span(from, to time.Time) string {
	return "time>=" + rest.Time(from) + " time<=" + rest.Time(to)
}

// Certificate describes what the TLS ports show now.
func (f *figures) Certificate() (c operate.Certificate) {
	c.Source, c.Names, c.Protocols = "private", []string{}, []string{}
	switch {
	case f.p.certs.acme != nil:
		c.Source = "acme"
	case f.p.certs.ca == nil:
		c.Source = "files"
	}
	if f.p.listeners.tls != nil || f.p.listeners.mqtts != nil {
		c.Protocols = []string{"TLS 1.2", "TLS 1.3"}
	}
	shown := f.p.certs.current.Load()
	if shown == nil || len(shown.Certificate) == 0 {
		return c
	}
	leaf, err := x509.ParseCertificate(shown.Certificate[0])
	if err != nil {
		return c
	}
	for _, ip := range leaf.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	c.Names = slices.Concat(leaf.DNSNames, c.Names)
	sum := sha256.Sum256(leaf.Raw)
	c.Subject, c.Issuer, c.Serial, c.SHA256 = leaf.Subject.String(), leaf.Issuer.String(), leaf.SerialNumber.Text(16), hex.EncodeToString(sum[:])
	c.NotBefore, c.NotAfter, c.Key = rest.Time(leaf.NotBefore), rest.Time(leaf.NotAfter), keyName(leaf.PublicKey)
	c.Expires(leaf.NotAfter)
	return c
}

func keyName(key any) string {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "unknown"
}

// Limits tells what an account has of what the configuration limits, and how long things are kept.
func (f *figures) Limits(account string) ([]operate.Limit, error) {
	cfg, have := f.p.cfg, f.p.timeseries.AccountStats(account)
	all := []operate.Limit{
		limit("series", "Time series (channels with points)", "things", float64(have.Series), float64(cfg.TimeSeries.AccountSeries), "timeseries.account_series"),
		limit("accountRate", "Points a second of the account", "perSecond", -1, cfg.TimeSeries.AccountRate, "timeseries.account_rate"),
		limit("seriesRate", "Points a second of one series", "perSecond", -1, cfg.TimeSeries.SeriesRate, "timeseries.series_rate"),
		limit("logBytes", "Log entries in the store, of all accounts", "bytes", -1, float64(cfg.Logging.MaxBytes), "logging.max_bytes"),
		limit("packetBytes", "An MQTT packet", "bytes", -1, float64(cfg.Broker.MaxPacketBytes), "broker.max_packet_bytes"),
		limit("topicBytes", "A topic", "bytes", -1, float64(cfg.Broker.MaxTopicBytes), "broker.max_topic_bytes"),
		limit("subscriptions", "Subscriptions of one MQTT session", "things", -1, float64(cfg.Broker.MaxSubscriptions), "broker.max_subscriptions"),
		limit("queueMessages", "Messages that wait for one MQTT session", "things", -1, float64(cfg.Broker.QueueMessages), "broker.queue_messages"),
		limit("queueBytes", "and their payloads", "bytes", -1, float64(cfg.Broker.QueueBytes), "broker.queue_bytes"),
		limit("organizationLevels", "Organizations inside each other", "things", -1, float64(cfg.Blueprint.OrganizationLevels), "blueprint.organization_levels"),
		limit("keepPoints", "How long points are kept", "seconds", -1, cfg.TimeSeries.KeepPoints.Seconds(), "timeseries.keep_points"),
		limit("keepRollups", "How long what they come to by the minute, hour and day is kept", "seconds", -1, cfg.TimeSeries.KeepRollups.Seconds(), "timeseries.keep_rollups"),
		limit("keepLogs", "How long log entries are kept", "seconds", -1, cfg.Logging.Retention.Seconds(), "logging.retention"),
		limit("keepDeleted", "How long what was deleted can be recovered", "seconds", -1, cfg.Blueprint.KeepDeleted.Seconds(), "blueprint.keep_deleted"),
		limit("keepAudit", "How long the audit trail goes back", "seconds", -1, cfg.Blueprint.KeepAudit.Seconds(), "blueprint.keep_audit"),
	}
	if f.Operator(account) { // it is of all accounts together
		used := float64(f.p.logs.Stats().Bytes)
		all[3].Used = &used
	}
	counts, err := f.Counts(account)
	for _, c := range []struct {
		code, text string
		n          int
	}{{"devices", "Devices", counts.Devices}, {"endUsers", "End users", counts.EndUsers}, {"sessions", "MQTT sessions", counts.Sessions}, {"retained", "Retained messages", counts.Retained}} {
		all = append(all, limit(c.code, c.text, "things", float64(c.n), 0, ""))
	}
	return all, err
}

// limit makes a row; used below 0 and most 0 are none.
func limit(code, text, unit string, used, most float64, setting string) operate.Limit {
	l := operate.Limit{Code: code, Text: text, Unit: unit, Setting: setting}
	if used >= 0 {
		l.Used = &used
	}
	if most > 0 {
		l.Limit = &most
	}
	return l
}

func (f *figures) Mail() operate.Mail {
	c := f.p.cfg.Identity.Mail
	m := operate.Mail{Configured: c.Host != "" || c.Log, Host: c.Host, Port: c.Port, User: c.User, From: c.From, Log: c.Log,
		Failed: uint64(f.p.identity.Stats().MailsDropped), PublicURL: f.p.cfg.Identity.PublicURL, Security: "starttls"}
	switch {
	case c.Insecure:
		m.Security = "none"
	case c.Port == 465:
		m.Security = "tls"
	}
	return m
}

func (f *figures) SendTestMail(ctx context.Context, to string) error {
	return f.p.identity.SendTestMail(ctx, to)
}

// Did writes what an operator did into the account's log, as identity's events are.
func (f *figures) Did(who auth.Principal, action, object, remote string) {
	f.p.events.Audited(identity.Event{AccountID: who.AccountID, UserID: who.UserID, Action: action, ObjectType: "server", ObjectID: object, Remote: remote})
}
