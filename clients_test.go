package main

import (
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// An admin sees the account's clients, there and away, and ends connections and sessions; the log tells who did and why.
func TestMessagingClients(t *testing.T) {
	dir, accounts := newData(t, testEmail, "eve@example.com")
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "C-1")
	keeps := func(o *mqtt.ClientOptions) { o.SetCleanSession(false) }
	c, received := s.dial("tls", "dev-1", d.id, d.secret, keeps)
	s.subscribe(c, d.topic("temp"), 1)
	admin, _ := s.dial("wss", "admin", tokenUser, token)
	s.subscribe(admin, "plant/+", 0)
	s.done(c.Publish(d.topic("temp"), 1, false, "1,t,1,"), "publish")
	expect(t, received, d.topic("temp")+" 1,t,1,")
	s.done(admin.Publish("plant/a", 1, true, "kept"), "publish")

	list := func(q ...string) []object {
		t.Helper()
		return objects(s.must(token, "GET", "/api/v1/messaging/clients"+query(q...), nil, "clients")["results"])
	}
	all := list()
	if len(all) != 2 || all[0]["clientId"] != "admin" || all[1]["clientId"] != "dev-1" {
		t.Fatalf("clients: %v", all)
	}
	dev := all[1]
	id := cell(dev["id"])
	for name, want := range map[string]any{
		"principalType": "device", "principalId": d.id, "connected": true, "cleanSession": false, "transport": "tls", "tlsVersion": "TLS 1.3",
		"protocol": "MQTT 3.1.1", "messagesIn": 1.0, "messagesOut": 1.0, "subscriptionCount": 1.0, "dropped": 0.0, "refused": 0.0,
	} {
		if dev[name] != want {
			t.Errorf("%s is %v, want %v", name, dev[name], want)
		}
	}
	if !strings.HasPrefix(cell(dev["remoteAddress"]), "127.0.0.1:") || dev["bytesIn"].(float64) < 50 || dev["bytesOut"].(float64) < 50 {
		t.Errorf("client: %v", dev)
	}
	for _, row := range []struct {
		q    []string
		want int
	}{
		{[]string{"deviceId", d.id}, 1}, {[]string{"clientId", "DEV"}, 1}, {[]string{"clientId", "x"}, 0}, {[]string{"principalType", "accountUser"}, 1},
		{[]string{"connected", "false"}, 0}, {[]string{"connected", "true", "pageSize", "1", "page", "2"}, 1},
	} {
		if got := list(row.q...); len(got) != row.want {
			t.Errorf("%v: %v", row.q, got)
		}
	}
	one := s.must(token, "GET", "/api/v1/messaging/clients/"+id, nil, "client")
	if subs := objects(one["subscriptions"]); len(subs) != 1 || subs[0]["filter"] != d.topic("temp") || subs[0]["qos"] != 1.0 {
		t.Errorf("subscriptions: %v", one)
	}

	topics := s.must(token, "GET", "/api/v1/messaging/topics"+query("sortBy", "topic", "filter", "plant/#"), nil, "topics")
	if rows := objects(topics["results"]); len(rows) != 1 || rows[0]["topic"] != "plant/a" || rows[0]["messages"] != 1.0 || rows[0]["bytes"] != 4.0 || rows[0]["retained"] != true {
		t.Errorf("topics: %v", topics)
	}
	retained := s.must(token, "GET", "/api/v1/messaging/retained"+query("filter", "plant/+"), nil, "retained")
	if rows := objects(retained["results"]); len(rows) != 1 || rows[0]["payload"] != "a2VwdA==" || rows[0]["qos"] != 1.0 {
		t.Errorf("retained: %v", retained)
	}
	stats := s.must(token, "GET", "/api/v1/messaging/stats", nil, "stats")
	if stats["connected"] != 2.0 || stats["retained"] != 1.0 || stats["limits"].(object)["queueMessages"] != 1000.0 {
		t.Errorf("stats: %v", stats)
	}

	// Another account's admin sees nothing of it; a device asks in vain.
	eve := s.signIn("eve@example.com")
	for _, path := range []string{"clients", "topics", "retained"} {
		if o := s.must(eve, "GET", "/api/v1/messaging/"+path, nil, path); len(objects(o["results"])) != 0 {
			t.Errorf("%s of another account: %v", path, o)
		}
	}
	if status, _ := s.call(eve, "POST", "/api/v1/messaging/clients/"+id+"/clear", object{}); status != 404 {
		t.Errorf("another account's client cleared: %d", status)
	}

	s.must(token, "POST", "/api/v1/messaging/clients/"+id+"/disconnect", object{"reason": "moved\nhouse"}, "")
	eventually(t, "the client is away", func() bool { return len(list("connected", "false")) == 1 })
	eventually(t, "the log tells why", func() bool {
		return s.logged(token, "disconnected by accountUser "+accounts[0].AccountUserID+": moved", "house")
	})
	if status, _ := s.call(token, "POST", "/api/v1/messaging/clients/"+id+"/disconnect", object{}); status != 409 {
		t.Errorf("a client that is away: %d", status)
	}
	if o := s.must(token, "GET", "/api/v1/messaging/clients/"+id, nil, "client"); o["lastSeenAt"] == nil || o["remoteAddress"] != nil || o["messagesIn"] != 1.0 {
		t.Errorf("away: %v", o)
	}
	s.must(token, "POST", "/api/v1/messaging/clients/"+id+"/clear", object{"reason": "test over"}, "")
	if got := list(); len(got) != 1 {
		t.Errorf("after clearing: %v", got)
	}
	eventually(t, "the log tells of the session", func() bool { return s.logged(token, "session cleared by", "test over") })
	for path, want := range map[string]int{"clients?connected=x": 400, "clients?principalType=x": 400, "clients?sortBy=x": 400, "topics?filter=a%23": 400, "topics?sortBy=x": 400} {
		if status, _ := s.call(token, "GET", "/api/v1/messaging/"+path, nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestClientsCommands(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	sh := newShell(t, s)
	sh.login()
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "C-2")
	c, _ := s.dial("tcp", "dev-2", d.id, d.secret)
	s.subscribe(c, d.topic("temp"), 0)
	s.done(c.Publish(d.topic("temp"), 1, true, "1,t,1,"), "publish")
	out, _ := sh.run(exitOK, "", "clients", "list", "--device", d.id, "--connected")
	if !strings.Contains(out, "device "+d.id) || strings.Count(out, "\n") != 2 {
		t.Errorf("list: %q", out)
	}
	id := strings.Fields(strings.Split(out, "\n")[1])[0]
	if out, _ = sh.run(exitOK, "", "clients", "show", id); !strings.Contains(out, `[{"filter":"`+d.topic("temp")+`","qos":0}]`) {
		t.Errorf("show: %q", out)
	}
	if out, _ = sh.run(exitOK, "", "clients", "topics", "--filter", "#"); !strings.Contains(out, d.topic("temp")) {
		t.Errorf("topics: %q", out)
	}
	if out, _ = sh.run(exitOK, "", "clients", "retained"); !strings.Contains(out, d.topic("temp")) {
		t.Errorf("retained: %q", out)
	}
	sh.run(exitUsage, "", "clients", "list", "--connected", "--away")
	sh.run(exitOK, "", "clients", "disconnect", id, "--reason", "enough")
	eventually(t, "the client has gone", func() bool {
		out, _ := sh.run(exitOK, "", "clients", "list")
		return !strings.Contains(out, "dev-2")
	})
	sh.run(exitNotFound, "", "clients", "show", id)
	sh.run(exitNotFound, "", "clients", "clear", id)
}

// $SYS is for the account's admins and has the account's own figures.
func TestSysTopics(t *testing.T) {
	dir, accounts := newData(t, testEmail, "eve@example.com")
	s := start(t, dir)
	token := s.signIn(testEmail)
	eve, _ := s.dial("tls", "eve", tokenUser, s.signIn("eve@example.com"))
	s.subscribe(eve, "x", 0)
	admin, received := s.dial("tls", "admin", tokenUser, token)
	if got := s.subscribe(admin, "$SYS/broker/clients/+", 1); got != 1 {
		t.Fatalf("granted %#x", got)
	}
	for _, want := range []string{"connected 1", "disconnected 0", "total 1"} {
		expect(t, received, "$SYS/broker/clients/"+want)
	}
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "S-1")
	c, _ := s.dial("tls", "dev", d.id, d.secret)
	if got := s.subscribe(c, "$SYS/#", 0); got != 0x80 {
		t.Errorf("a device was granted %#x", got)
	}
}
