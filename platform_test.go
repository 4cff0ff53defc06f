package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// The main job: a device connects, publishes, and its data is there, also after a restart.
func TestDevicePublishesAndDataIsThere(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	account := accounts[0].AccountID
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, account, s.template(token, account), "AP-1")

	published := 0
	for _, transport := range []string{"ssl", "tls", "wss", "ws", "tcp"} {
		admin, received := s.dial(transport, "", tokenUser, token)
		if granted := s.subscribe(admin, "xi/blue/v1/"+account+"/d/+/temp", 2); granted != 2 {
			t.Fatalf("%s: granted QoS %#x", transport, granted)
		}
		device, _ := s.dial(transport, d.id, d.id, d.secret)
		for qos := range byte(3) {
			payload := fmt.Sprintf("%d,%s,%d.5,", 1767225600000+published*1000, transport, qos)
			s.done(device.Publish(d.topic("temp"), qos, false, payload), "publish")
			expect(t, received, d.topic("temp")+" "+payload)
			published++
		}
		device.Disconnect(250)
		admin.Disconnect(250)
	}

	check := func(s *testServer, token string) {
		t.Helper()
		points := s.points(token, d.topic("temp"))
		if len(points) != published {
			t.Fatalf("%d points, want %d: %v", len(points), published, points)
		}
		if got, want := cell(points[1]), `{"category":"ssl","numericValue":1.5,"stringValue":"","time":"2026-01-01T00:00:01Z"}`; got != want {
			t.Errorf("second point %s, want %s", got, want)
		}
		latest := s.must(token, "GET", dataPath(d.topic("temp"))+"/latest", nil, "")
		if latest["category"] != "tcp" || latest["numericValue"] != 2.5 {
			t.Errorf("latest is %v", latest)
		}
		if state := s.must(token, "GET", "/api/v1/devices/"+d.id, nil, "device"); state["provisioningState"] != "activated" ||
			state["lastConnected"] == nil || state["externalIp"] != "127.0.0.1" {
			t.Errorf("device is %v", state)
		}
		eventually(t, "connect and disconnect are in the log", func() bool {
			return s.logged(token, `"connected":true`, d.id) && s.logged(token, `"connected":false`, "client sent DISCONNECT", d.id)
		})
	}
	check(s, token)
	s.stop()
	s = start(t, dir)
	check(s, token) // the sign-in lasts, too
	s.dial("ssl", d.id, d.id, d.secret)
	eventually(t, "the device is shown as connected", func() bool {
		return s.must(token, "GET", "/api/v1/devices/"+d.id, nil, "device")["connected"] == true
	})
}

// A persistent session, its queue and retained messages outlive an orderly restart.
func TestSessionsAndRetainedSurviveRestart(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	account := accounts[0].AccountID
	s := start(t, dir)
	token := s.signIn(testEmail)
	secret := s.secret(token, account, accounts[0].AccountUserID, "accountUser")
	persistent := func(o *mqtt.ClientOptions) { o.SetCleanSession(false) }

	away, _ := s.dial("ssl", "away", accounts[0].AccountUserID, secret, persistent)
	if granted := s.subscribe(away, "plant/+", 1); granted != 1 {
		t.Fatalf("granted %#x", granted)
	}
	away.Disconnect(250)
	publisher, _ := s.dial("ssl", "", accounts[0].AccountUserID, secret)
	for i := range 10 {
		s.done(publisher.Publish("plant/gate", 1, false, fmt.Sprint(i)), "publish")
	}
	s.done(publisher.Publish("plant/state", 1, true, "open"), "publish")
	s.stop()

	s = start(t, dir)
	_, received := s.dial("ssl", "away", accounts[0].AccountUserID, secret, persistent)
	for i := range 10 {
		expect(t, received, "plant/gate "+fmt.Sprint(i))
	}
	expect(t, received, "plant/state open")
	late, received := s.dial("ssl", "", accounts[0].AccountUserID, secret)
	s.subscribe(late, "#", 0)
	expect(t, received, "plant/state open")
}

// Nothing of one device or account can be reached from another, by any topic, wildcard or route, and the refusals can be
// read in the log of the account whose client was refused.
func TestAccountsAndDevicesAreIsolated(t *testing.T) {
	dir, accounts := newData(t, testEmail, "bob@example.com")
	s := start(t, dir)
	annToken, bobToken := s.signIn(testEmail), s.signIn("bob@example.com")
	ann, bob := accounts[0].AccountID, accounts[1].AccountID
	annTemplate := s.template(annToken, ann)
	own := s.device(annToken, ann, annTemplate, "1")
	other := s.device(annToken, ann, annTemplate, "2")
	foreign := s.device(bobToken, bob, s.template(bobToken, bob), "1") // the same serial number: accounts share nothing

	annAdmin, _ := s.dial("ssl", "", tokenUser, annToken)
	bobAdmin, bobReceived := s.dial("tls", "", tokenUser, bobToken)
	foreignDevice, foreignReceived := s.dial("wss", foreign.id, foreign.id, foreign.secret)
	otherDevice, otherReceived := s.dial("ssl", other.id, other.id, other.secret)
	for _, filter := range []string{"#", "+/#", "xi/#", "xi/blue/v1/+/d/+/temp", "xi/blue/v1/" + bob + "/#", "free/#"} {
		if granted := s.subscribe(bobAdmin, filter, 1); granted == 0x80 {
			t.Errorf("bob may not subscribe %s in his own account", filter)
		}
	}
	for _, filter := range []string{"xi/blue/v1/" + ann + "/#", "xi/blue/v1/" + ann + "/d/+/temp", own.topic("temp"), own.topic("#")} {
		if granted := s.subscribe(bobAdmin, filter, 1); granted != 0x80 {
			t.Errorf("bob was granted %#x on %s", granted, filter)
		}
	}
	for who, c := range map[string]mqtt.Client{"another device": otherDevice, "another account's device": foreignDevice} {
		for _, filter := range []string{
			"#", "+/#", "xi/#", "xi/blue/#", "xi/blue/v1/#", "xi/blue/v1/" + ann + "/#", "xi/blue/v1/+/d/" + own.id + "/temp",
			"xi/blue/v1/" + ann + "/d/#", "xi/blue/v1/" + ann + "/d/+/temp", "+/+/+/+/+/+/temp", own.topic("temp"), own.topic("#"), own.topic("+"),
			"xi/ctrl/v1/" + own.id + "/cln", "xi/ctrl/v1/+/cln", "free/topic", "$SYS/#",
		} {
			if granted := s.subscribe(c, filter, 1); granted != 0x80 {
				t.Errorf("%s was granted %#x on %s", who, granted, filter)
			}
		}
	}

	// Everybody else tries to publish to ann's device and to the others; then ann publishes what nobody else may get.
	for _, c := range []mqtt.Client{otherDevice, foreignDevice, bobAdmin} {
		c.Publish(own.topic("temp"), 0, false, ",,666,").WaitTimeout(time.Second)
		c.Publish(own.topic("temp"), 1, true, ",,667,").WaitTimeout(time.Second)
		c.Publish("xi/ctrl/v1/"+own.id+"/cln", 1, false, "x").WaitTimeout(time.Second)
	}
	for _, topic := range []string{own.topic("temp"), own.topic("control"), "free/secret"} {
		s.done(annAdmin.Publish(topic, 1, false, ",,1,"), "publish "+topic)
	}
	if points := s.points(annToken, own.topic("temp")); len(points) != 1 || points[0]["numericValue"] != 1.0 {
		t.Errorf("ann's device has the points %v", points)
	}
	// A message of bob's own marks the end: what came before it has been delivered.
	marker, _ := s.dial("ssl", "", tokenUser, bobToken)
	s.done(marker.Publish(foreign.topic("control"), 1, false, "end"), "publish")
	for len(bobReceived) == 0 {
		time.Sleep(time.Millisecond)
	}
	for n := len(bobReceived); n > 0; n-- {
		if got := <-bobReceived; !strings.HasPrefix(got, foreign.topic("")) {
			t.Errorf("bob received %q", got)
		}
	}
	for who, received := range map[string]<-chan string{"another device": otherReceived, "another account's device": foreignReceived} {
		if n := len(received); n > 0 {
			t.Errorf("%s received %d messages, the first is %q", who, n, <-received)
		}
	}

	eventually(t, "refusals are in the log of the account whose client was refused", func() bool {
		return s.logged(annToken, "refused", other.id, "publish", own.topic("temp")) &&
			s.logged(annToken, "refused", other.id, "subscribe") &&
			s.logged(bobToken, "refused", foreign.id, "publish") &&
			s.logged(bobToken, "refused", accounts[1].AccountUserID, "subscribe", "xi/blue/v1/"+ann)
	})
	if s.logged(bobToken, other.id) || s.logged(annToken, foreign.id) {
		t.Error("one account's log names a device of the other")
	}

	// REST: an id of another account is answered as one that does not exist.
	const unknown = "00000000-0000-4000-8000-000000000000"
	for _, route := range []struct{ method, path string }{
		{"GET", "/api/v1/devices/%s"}, {"PUT", "/api/v1/devices/%s"}, {"DELETE", "/api/v1/devices/%s"},
		{"GET", "/api/v1/devices/templates/%s"}, {"DELETE", "/api/v1/devices/templates/%s"},
		{"GET", "/api/v4/data/xi/blue/v1/" + ann + "/d/%s/temp"},
	} {
		for _, id := range []string{own.id, annTemplate} {
			gotStatus, got := s.call(bobToken, route.method, fmt.Sprintf(route.path, id), object{})
			wantStatus, want := s.call(bobToken, route.method, fmt.Sprintf(route.path, unknown), object{})
			delete(got, "requestId")
			delete(want, "requestId")
			if gotText := strings.ReplaceAll(cell(got), id, unknown); gotStatus != http.StatusNotFound || wantStatus != gotStatus || gotText != cell(want) {
				t.Errorf("%s %s with ann's id: %d %s\nwith an unknown id: %d %s", route.method, route.path, gotStatus, gotText, wantStatus, cell(want))
			}
		}
	}
	if status, answer := s.call(bobToken, "POST", "/api/v1/access/mqtt-credentials", object{"accountId": ann, "entityId": own.id, "entityType": "device"}); status/100 == 2 {
		t.Errorf("bob got a credential of ann's device: %v", answer)
	}
	if status, _ := s.call("", "GET", "/api/v1/devices", nil); status != http.StatusUnauthorized {
		t.Errorf("nobody got %d", status)
	}
}

// A secret that is replaced, and a device that is deleted, end the connections they let in.
func TestRevocationEndsConnections(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	account := accounts[0].AccountID
	s := start(t, dir)
	token := s.signIn(testEmail)
	template := s.template(token, account)
	for name, revoke := range map[string]func(d testDevice){
		"new secret": func(d testDevice) { s.secret(token, account, d.id, "device") },
		"deletion":   func(d testDevice) { s.must(token, "DELETE", "/api/v1/devices/"+d.id, nil, "device") },
	} {
		d := s.device(token, account, template, name)
		lost := make(chan error, 1)
		s.dial("ssl", d.id, d.id, d.secret, func(o *mqtt.ClientOptions) {
			o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
		})
		revoke(d)
		select {
		case <-lost:
		case <-time.After(patience):
			t.Errorf("%s: the connection is still open", name)
		}
	}
}

// A client that is not let in is told nothing; the admin of the device it claims to be can read why.
func TestRefusedSignInIsLogged(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	account := accounts[0].AccountID
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, account, s.template(token, account), "1")
	for _, user := range []string{d.id, "nobody"} {
		o := mqtt.NewClientOptions().AddBroker(s.brokerAddress("ssl")).SetTLSConfig(s.tls.Clone()).SetUsername(user).SetPassword("wrong").SetAutoReconnect(false)
		connecting := mqtt.NewClient(o).Connect()
		connecting.WaitTimeout(patience)
		if !errors.Is(connecting.Error(), packets.ErrorRefusedBadUsernameOrPassword) {
			t.Errorf("%s: %v", user, connecting.Error())
		}
	}
	eventually(t, "the refusal is in the log", func() bool {
		return s.logged(token, `"sourceId":"`+d.id+`"`, `"sourceType":"deviceId"`, "connect refused", "secret is wrong")
	})
}

func TestAnonymousClients(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	if _, err := openPlatform(testConfig(t, dir, "broker.anonymous=nobody"), testLog(t)); err == nil || !strings.Contains(err.Error(), "broker.anonymous") {
		t.Fatalf("an account that does not exist: %v", err)
	}
	s := start(t, dir, "broker.anonymous="+accounts[0].AccountID)
	token := s.signIn(testEmail)
	admin, _ := s.dial("ssl", "", tokenUser, token)
	guest, received := s.dial("tcp", "gateway", "", "")
	if granted := s.subscribe(guest, "#", 1); granted == 0x80 {
		t.Fatal("a guest may not subscribe #")
	}
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "1")
	s.done(admin.Publish(d.topic("temp"), 1, false, ",,1,"), "publish") // not for guests
	s.done(guest.Publish("zigbee2mqtt/lamp", 1, false, "on"), "publish")
	expect(t, received, "zigbee2mqtt/lamp on")
}

// HTTP publish: by a device's Basic credential and by token; what arrives is what was sent.
func TestHTTPPublish(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	account := accounts[0].AccountID
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, account, s.template(token, account), "1")
	admin, received := s.dial("ssl", "", tokenUser, token)
	s.subscribe(admin, d.topic("temp"), 1) // not all: that a credential was made is told to _updates/fields, when the broker comes to it
	send := func(path, body string, sign func(*http.Request)) int {
		req, err := http.NewRequest("POST", s.url("https", "/messaging/publish/"+path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		sign(req)
		resp, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	byDevice := func(r *http.Request) { r.SetBasicAuth(d.id, d.secret) }
	byToken := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	for _, tc := range []struct {
		name, path, body string
		sign             func(*http.Request)
		status           int
	}{
		{"device", d.topic("temp"), "1767225600000,t,1,", byDevice, 200},
		{"one escaped segment", strings.ReplaceAll(d.topic("temp"), "/", "%2F"), ",t,2,", byToken, 200},
		{"no credential", d.topic("temp"), "x", func(*http.Request) {}, 401},
		{"wrong secret", d.topic("temp"), "x", func(r *http.Request) { r.SetBasicAuth(d.id, "x") }, 401},
		{"not on the template", d.topic("nope"), "x", byDevice, 403},
		{"wildcard", d.topic("+"), "x", byToken, 400},
		{"no topic", "", "x", byToken, 400},
		{"bad qos", d.topic("temp") + "?qos=3", "x", byToken, 400},
		{"too large", d.topic("control"), strings.Repeat("x", 256<<10), byToken, 413},
	} {
		if status := send(tc.path, tc.body, tc.sign); status != tc.status {
			t.Errorf("%s: %d, want %d", tc.name, status, tc.status)
		} else if status == 200 {
			expect(t, received, d.topic("temp")+" "+tc.body)
		}
	}
	if n := len(s.points(token, d.topic("temp"))); n != 2 {
		t.Errorf("%d points, want 2", n)
	}
	eventually(t, "the refusal is in the log", func() bool { return s.logged(token, "refused", "nope", d.id) })
}

func TestFirstAccountBySetupLink(t *testing.T) {
	s := start(t, t.TempDir()+"/data")
	var welcome strings.Builder
	s.welcome(&welcome, time.Second)
	_, rest, found := strings.Cut(welcome.String(), "/setup#token=")
	token, _, _ := strings.Cut(rest, "\n")
	if !found || len(token) < 22 {
		t.Fatalf("no set-up link in:\n%s", welcome.String())
	}
	if status, _ := s.call("", "POST", "/api/v1/setup", object{"token": "wrong", "emailAddress": testEmail, "password": testPassword, "accountName": "Ann"}); status/100 == 2 {
		t.Error("a wrong token made an account")
	}
	body := object{"token": token, "emailAddress": testEmail, "password": testPassword, "accountName": "Ann"}
	s.must("", "POST", "/api/v1/setup", body, "")
	if status, _ := s.call("", "POST", "/api/v1/setup", body); status/100 == 2 {
		t.Error("the link worked twice")
	}
	s.signIn(testEmail)
	welcome.Reset()
	s.welcome(&welcome, time.Second)
	if strings.Contains(welcome.String(), "setup#") {
		t.Error("a set-up link is shown although there is an account")
	}
}
