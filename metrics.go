package main

import (
	"fmt"
	"net/http"
	"runtime"
	rtmetrics "runtime/metrics"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// A metric is one figure of /metrics. Figures have no labels, so that nothing a client sends can make more of them.
type metric struct {
	name  string
	help  string
	value float64
}

// metrics returns the figures of all modules. A name ending in _total only grows. A test holds the list to the modules'
// Stats.
func (p *platform) metrics() []metric {
	b, s, t, l, id, d := p.broker.Stats(), p.db.Stats(), p.timeseries.Stats(), p.logs.Stats(), p.identity.Stats(), p.blueprint.Stats()
	return []metric{
		{"broker_connections", "MQTT connections", float64(b.Connections)},
		{"broker_sessions", "MQTT sessions, those of clients that are away with them", float64(b.Sessions)},
		{"broker_subscriptions", "subscriptions of all sessions", float64(b.Subscriptions)},
		{"broker_shared", "shared subscriptions among them", float64(b.Shared)},
		{"broker_retained", "retained messages", float64(b.Retained)},
		{"broker_waiting_bytes", "bytes that slow clients have still to take", float64(b.Waiting)},
		{"broker_accepted_total", "connections accepted by CONNACK", float64(b.Accepted)},
		{"broker_refused_total", "connections turned away", float64(b.Refused)},
		{"broker_received_total", "PUBLISH packets received", float64(b.Received)},
		{"broker_delivered_total", "PUBLISH packets delivered", float64(b.Delivered)},
		{"broker_dropped_qos0_total", "QoS 0 messages not sent: the receiver was too slow", float64(b.DroppedQoS0)},
		{"broker_dropped_queue_total", "messages not queued: the session's queue was full", float64(b.DroppedQueue)},
		{"broker_violations_total", "connections ended because the client broke the protocol or a packet's limits", float64(b.Violations)},
		{"broker_sessions_refused_total", "connections turned away: their principal has too many persistent sessions", float64(b.SessionsRefused)},
		{"broker_sessions_expired_total", "sessions ended: their client was away for too long", float64(b.SessionsExpired)},
		{"broker_takeovers_refused_total", "connections turned away: their client id was taken over too often", float64(b.TakeoversRefused)},
		{"broker_retained_refused_total", "publishes refused: the account has too much retained", float64(b.RetainedRefused)},
		{"broker_full_refused_total", "publishes not taken: the store was full", float64(b.RefusedFull)},
		{"broker_accept_failed_total", "connections not accepted: an error, or too few file descriptors", float64(b.AcceptFailed)},
		{"broker_lines_omitted_total", "lines of this log left out: one address caused too many", float64(b.LinesOmitted)},
		{"broker_publish_refused_total", "publishes refused", float64(b.PublishRefused)},
		{"broker_subscribe_denied_total", "subscriptions refused", float64(b.SubscribeDenied)},

		{"storage_updates_total", "write transactions", float64(s.Updates)},
		{"storage_commits_total", "groups of write transactions committed", float64(s.Commits)},
		{"storage_last_commit_seconds", "duration of the newest commit", s.LastCommit.Seconds()},
		{"storage_store_bytes", "size of xively.db", float64(s.StoreBytes)},
		{"storage_batches_total", "batches appended to the journal", float64(s.Batches)},
		{"storage_journal_syncs_total", "groups of batches written to the journal", float64(s.JournalSyncs)},
		{"storage_written_bytes_total", "bytes written to the journal", float64(s.Written)},
		{"storage_last_sync_seconds", "duration of the newest write to the journal", s.LastSync.Seconds()},
		{"storage_backlog_bytes", "appended to the journal and not yet on disk", float64(s.Backlog)},
		{"storage_live_bytes", "in the journal and not yet in the store", float64(s.Live)},
		{"storage_journal_bytes", "size of the journal's files", float64(s.JournalBytes)},
		{"storage_recycled_total", "journal files used again", float64(s.Recycled)},
		{"storage_checkpoints_total", "checkpoints", float64(s.Checkpoints)},
		{"storage_full", "1 while new data is refused for want of room", float64(s.Full)},

		{"timeseries_points_total", "points stored", float64(t.Points)},
		{"timeseries_malformed_total", "messages that were no points", float64(t.Malformed)},
		{"timeseries_refused_total", "messages not stored: over a limit", float64(t.Refused)},
		{"timeseries_in_memory", "series that got points lately", float64(t.InMemory)},

		{"logging_stored_total", "log entries stored", float64(l.Stored)},
		{"logging_omitted_total", "log entries left out: one source had too many", float64(l.Omitted)},
		{"logging_dropped_total", "log entries lost: more came than could be written", float64(l.Dropped)},
		{"logging_bytes", "size of the log in the store", float64(l.Bytes)},

		{"identity_sessions", "sign-in sessions in memory", float64(id.Sessions)},
		{"identity_password_hashes_total", "passwords hashed", float64(id.PasswordHashes)},
		{"identity_password_refused_total", "sign-ins turned away: too many passwords to hash", float64(id.PasswordRefused)},
		{"identity_locked_out_total", "sign-ins turned away: too many wrong passwords before", float64(id.LockedOut)},
		{"identity_throttled_total", "calls turned away: their address sent too many wrong secrets", float64(id.Throttled)},
		{"identity_mails_dropped_total", "mails that could not be sent", float64(id.MailsDropped)},

		{"blueprint_sets_waiting", "changes of device fields over MQTT not applied yet", float64(d.SetsWaiting)},
		{"blueprint_sets_paced_total", "publishes of such changes held back: too many were waiting", float64(d.SetsPaced)},
		{"blueprint_codes_paced_total", "association codes turned away: too many wrong ones before", float64(d.CodesPaced)},

		{"goroutines", "goroutines", float64(runtime.NumGoroutine())},
		{"memory_bytes", "memory taken from the system", float64(memoryBytes())},
		{"uptime_seconds", "time since the start", time.Since(p.began).Seconds()},
	}
}

func memoryBytes() uint64 {
	sample := []rtmetrics.Sample{{Name: "/memory/classes/total:bytes"}}
	rtmetrics.Read(sample)
	return sample[0].Value.Uint64()
}

// sendMetrics answers in Prometheus's text format, on this machine only: the figures tell strangers how much there is to
// gain. The name in the request has to be this machine's, too, so that a proxy in front does not pass them on and a page
// that calls itself 127.0.0.1 does not read them.
func (p *platform) sendMetrics(c echo.Context) error {
	r := c.Request()
	if r.TLS != nil || !loopback(hostname(r.Host)) {
		return echo.ErrNotFound
	}
	var b strings.Builder
	for _, m := range p.metrics() {
		kind := "gauge"
		if strings.HasSuffix(m.name, "_total") {
			kind = "counter"
		}
		fmt.Fprintf(&b, "# HELP xively_%s %s\n# TYPE xively_%s %s\nxively_%s %v\n", m.name, m.help, m.name, kind, m.name, m.value)
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.Blob(http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", []byte(b.String()))
}

// hostname returns a Host header's name without port and brackets.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.Trim(host, "[]")
}
