package logging

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"xively/internal/auth"
)

// troubleCases are what the platform logs of ten troubles, and what the diagnosis has to say.
var troubleCases = []struct {
	trouble string
	entries []Entry
	cause   string
	remedy  string
}{
	{"wrongSecret", []Entry{refused("connect", "", "The user name or the secret is wrong.")}, "secret it presents is not its own", "make a new one"},
	{"expiredCertificate", []Entry{{SourceID: "10.0.0.7", SourceType: AddressSource, Severity: Warning, Message: "TLS: the client refused our certificate: expired certificate"},
		{SourceID: "10.0.0.8", SourceType: AddressSource, Severity: Warning, Message: "TLS: another's: expired certificate"}}, "certificate has expired", "clock"},
	{"foreignTopic", []Entry{refused("publish", "xi/blue/v1/a/d/b/c", "The device “B” may not publish to “xi/blue/v1/a/d/b/c”: a device uses its own channels only.")}, "no right to", "template"},
	{"oversizedPacket", []Entry{gone("packet is larger than 262144 bytes (broker.max_packet_bytes)")}, "more than 262144 bytes", "broker.max_packet_bytes"},
	{"malformedValues", []Entry{{Severity: Warning, Code: "422", Message: "Message on “t” delivered but not stored: byte 14 (line 2): the numericValue \"7x\" is not a decimal number",
		Custom: map[string]any{"topic": "t"}}}, "“t”, a time series, could not be read as points: byte 14", "CSV"},
	{"slowSubscriber", []Entry{gone("client took nothing for too long")}, "took nothing", "fewer topics"},
	{"slowSubscriber", []Entry{refused("deliver", "t", "the client is too slow: QoS 0 messages are dropped until it has taken what waits (broker.outgoing_bytes)")}, "more slowly than they come", "fewer topics"},
	{"untrustedCertificate", []Entry{{SourceID: "10.0.0.7", SourceType: AddressSource, Severity: Warning, Message: "TLS handshake from 10.0.0.7 failed: remote error: tls: bad certificate"}}, "does not accept the platform's certificate", "ca.pem"},
	{"fullQueue", []Entry{refused("deliver", "t", "the session's queue is full (broker.queue_messages, broker.queue_bytes): new messages are dropped until the client takes some")}, "queue is full", "broker.queue_messages"},
	{"revokedCredential", []Entry{refused("connect", "", "this secret was replaced by a newer one")}, "still uses its old secret", "Write the new secret"},
	{"revokedCredential", []Entry{refused("connect", "", "its MQTT credential was deleted")}, "credential was deleted", "new credential"},
	{"expiredCertificate", []Entry{{SourceID: "10.0.0.7", SourceType: AddressSource, Severity: Warning,
		Message: "TLS handshake from 10.0.0.7 failed: remote error: tls: bad certificate. The platform's own certificate has expired: it ended on 2026-01-02 03:04 UTC"}},
		"it ended on 2026-01-02 03:04 UTC. The device does not trust it", "tls.certificate"},
	{"expiredCertificate", []Entry{{SourceID: "10.0.0.7", SourceType: AddressSource, Severity: Warning,
		Message: "TLS handshake from 10.0.0.7 failed: remote error: tls: expired certificate. The platform's own certificate is valid until 2036-01-02 03:04 UTC"}},
		"the device's clock is wrong", "Set the device's clock"},
	{"takeoverFight", []Entry{gone(takenOver), gone(takenOver), gone(takenOver)}, "same client id", "of its own"},
	{"disabledDevice", []Entry{gone("the device was deleted"), refused("connect", "", "The user name or the secret is wrong.")}, "deleted or disabled", "restore"},
	{"revokedCredential", []Entry{gone("the MQTT credential was deleted"), refused("connect", "", "The user name or the secret is wrong.")}, "deleted or replaced", "new secret"},
}

const takenOver = "taken over by a new connection with the same client id [MQTT-3.1.4-2]"

func refused(action, topic, reason string) Entry {
	return Entry{Severity: Warning, Code: "403", Message: "Device: " + action + " refused: " + reason, Custom: map[string]any{"action": action, "topic": topic}}
}

func gone(reason string) Entry {
	return Entry{Severity: Lifecycle, Code: "200", Message: "Device disconnected: " + reason, Custom: map[string]any{"connected": false}}
}

func TestTroubles(t *testing.T) {
	for _, c := range troubleCases {
		t.Run(c.trouble, func(t *testing.T) {
			w := newWorld(t)
			w.Append(Entry{AccountID: account, SourceID: device, SourceType: "deviceId", Severity: Lifecycle, Message: "Device connected", Custom: map[string]any{"connected": true, "remote": "10.0.0.7:5123"}})
			count := 0
			for _, e := range c.entries {
				if e.AccountID = account; e.SourceID == "" {
					e.SourceID, e.SourceType = device, "deviceId"
				}
				if w.Append(e); e.SourceID != "10.0.0.8" {
					count++
				}
			}
			w.publish(t, `{"message":"Device disconnected: packet is larger than 1","custom":{"connected":true,"trouble":"fullQueue"}}`) // a device's word
			if err := w.AppendWait(t.Context(), Entry{AccountID: other, SourceID: device, Message: "m"}); err != nil {
				t.Fatal(err)
			}
			w.checkpoint(t)
			d, err := w.Diagnose(t.Context(), account, device, time.Now().Add(-time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Findings) != 1 {
				t.Fatalf("%d findings, want one: %+v", len(d.Findings), d.Findings)
			}
			f := d.Findings[0]
			if f.Trouble != c.trouble || !strings.Contains(f.Cause, c.cause) || !strings.Contains(f.Remedy, c.remedy) || f.Count != count || len(f.Entries) == 0 {
				t.Errorf("found %+v", f)
			}
			if !strings.Contains(d.Summary, f.Cause) {
				t.Errorf("summary: %s", d.Summary)
			}
			if len(d.Timeline) != count+2 {
				t.Errorf("a timeline of %d moments: %+v", len(d.Timeline), d.Timeline)
			}
		})
	}
}

// TestOver: what kept the device from connecting is told last, and as over, once it has connected.
func TestOver(t *testing.T) {
	w := newWorld(t)
	at := time.Now().Add(-time.Minute).UnixMilli()
	for i, e := range []Entry{refused("connect", "", "the secret is wrong"), refused("publish", "t", "it is another's"),
		{Severity: Lifecycle, Message: "Device connected", Custom: map[string]any{"connected": true}}} {
		e.AccountID, e.SourceID, e.SourceType, e.own = account, device, "deviceId", true
		w.put(t, e, at+int64(i))
	}
	found := findingsOf(t, w)
	if len(found) != 2 || found[0].Trouble != "foreignTopic" || found[0].Over || found[1].Trouble != "wrongSecret" || !found[1].Over {
		t.Errorf("%+v", found)
	}
}

func findingsOf(t *testing.T, w *world) []Finding {
	t.Helper()
	d, err := w.Diagnose(t.Context(), account, device, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return d.Findings
}

// TestNoFight: being taken over twice is what a device does that reconnects.
func TestNoFight(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		e := gone(takenOver)
		e.AccountID, e.SourceID, e.SourceType = account, device, "deviceId"
		w.Append(e)
	}
	w.publish(t, "m")
	d, err := w.Diagnose(t.Context(), account, device, time.Now().Add(-time.Hour))
	if err != nil || len(d.Findings) != 0 {
		t.Errorf("%+v, %v", d.Findings, err)
	}
}

// TestLifecycleFlood: a client that reconnects as fast as it can fills no log, and nobody else's allowance.
func TestLifecycleFlood(t *testing.T) {
	w := newWorld(t)
	for i := range 10_000 {
		w.Append(Entry{AccountID: account, SourceID: device, Severity: Lifecycle, Message: "Device connected"})
		if i%5000 == 0 {
			w.Append(Entry{AccountID: account, SourceID: "another", Severity: Lifecycle, Message: "Device connected"})
		}
	}
	w.Close()
	if s := w.Stats(); s.Stored != 62 || s.Omitted != 10_002-62 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

var devicePrincipal = auth.Principal{Kind: auth.Device, AccountID: account, ID: device}

func TestRecorder(t *testing.T) {
	w := newWorld(t)
	packet := func(head string) { w.Packet(devicePrincipal, "c1", true, 3, "t/1", 1, len(head), []byte(head)) }
	if w.Wanted(devicePrincipal) {
		t.Error("it runs unasked")
	}
	packet("lost")
	w.Report("x", Entry{AccountID: account, SourceID: device, SourceType: "deviceId", Severity: Warning, Message: "refused"})
	if !w.Wanted(devicePrincipal) {
		t.Fatal("trouble did not start it")
	}
	if w.Wanted(auth.Principal{Kind: auth.Device, AccountID: other, ID: device}) {
		t.Error("another account's device is recorded")
	}
	w.Packet(devicePrincipal, "c1", true, 1, "", 0, 40, []byte("secret"))
	for i := range recorderPackets + 10 {
		packet(fmt.Sprint("value ", i, strings.Repeat("x", 100)))
	}
	r := w.Recorded(account, device)
	if len(r.Packets) != recorderPackets || r.Missed != 11 || !strings.HasPrefix(r.Packets[0].Head, "value 10x") || len(r.Packets[0].Head) != recorderHead {
		t.Errorf("%d packets, %d missed, the first %+v", len(r.Packets), r.Missed, r.Packets[0])
	}
	w.recorder.expire(time.Now().Add(recorderAfter + recorderKeeps + time.Second))
	if w.Wanted(devicePrincipal) || len(w.Recorded(account, device).Packets) != 0 {
		t.Error("what has ended long ago is still there")
	}
}

// TestRecorderIsBounded: trouble cannot take the recorder from those who asked for it.
func TestRecorderIsBounded(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	if err := w.Record(account, "asked", time.Hour); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * recorderDevices {
		w.recorder.record(account, fmt.Sprint(i), now.Add(time.Minute), false)
	}
	if n := len(*w.recorder.devices.Load()); n != recorderDevices {
		t.Errorf("%d devices are recorded", n)
	}
	if err := w.Record(account, "asked too", time.Hour); err != nil || w.recorder.of(account, "asked") == nil {
		t.Errorf("a request found no room, or took another's: %v", err)
	}
}

func TestSecretsStayOut(t *testing.T) {
	w := newWorld(t)
	if err := w.Record(account, device, time.Hour); err != nil {
		t.Fatal(err)
	}
	w.Packet(devicePrincipal, "c", true, 1, "", 0, 40, []byte("hunter2"))
	if p := w.Recorded(account, device).Packets; len(p) != 1 || p[0].Head != "" || p[0].Type != "CONNECT" {
		t.Errorf("%+v", p)
	}
}

func TestDeviceRoutes(t *testing.T) {
	w := newWorld(t)
	w.publish(t, `{"message":"hello"}`)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", device + "/diagnosis", "", 200, `"summary":"The log of this time does not tell whether the device is connected. Nothing wrong was seen."`},
		{"GET", device + "/diagnosis?from=x", "", 400, `"field":"from"`},
		{"GET", "unknown/diagnosis", "", 404, "There is no such device."},
		{"GET", "AP-000001/diagnosis", "", 404, "There is no such device."},
		{"GET", "unknown/recorder", "", 404, "There is no such device."},
		{"POST", device + "/recorder", `{"minutes":0}`, 400, `"field":"minutes"`},
		{"POST", device + "/recorder", `{"minutes":100000000000}`, 400, `"field":"minutes"`},
		{"POST", device + "/recorder", `{}`, 200, `"running":true`},
		{"GET", device + "/recorder", "", 200, `"running":true`},
		{"DELETE", device + "/recorder", "", 200, `"running":false`},
	} {
		r := httptest.NewRequest(c.method, "/api/v1/devices/"+c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		for _, by := range []struct {
			caller auth.Principal
			status int
		}{{devicePrincipal, http.StatusForbidden}, {admin, c.status}} {
			caller, status := by.caller, by.status
			rec := httptest.NewRecorder()
			w.serve(t, caller).ServeHTTP(rec, r.Clone(t.Context()))
			if rec.Code != status || status != 403 && !strings.Contains(rec.Body.String(), c.want) {
				t.Errorf("%s %s as %s: %d, want %d %s\n%s", c.method, c.path, caller.Kind, rec.Code, status, c.want, rec.Body)
			}
		}
	}
}
