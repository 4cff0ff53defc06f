package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What only works when the parts are introduced to each other. What each does is its own tests' matter.

// A device's state follows its changes over MQTT, whoever makes them; and a change the device asks for reaches REST.
func TestDeviceReflection(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "R-1")
	c, received := s.dial("tcp", d.id, d.id, d.secret)
	if got := s.subscribe(c, d.topic("_updates/fields"), 1); got != 1 {
		t.Fatalf("granted %#x", got)
	}
	state := func(ok func(object) bool) {
		t.Helper()
		for end := time.After(patience); ; {
			select {
			case m := <-received:
				topic, payload, _ := strings.Cut(m, " ")
				var o struct{ State object }
				if err := json.Unmarshal([]byte(payload), &o); err != nil || topic != d.topic("_updates/fields") {
					t.Fatalf("received %q: %v", m, err)
				}
				if ok(o.State) {
					return
				}
			case <-end:
				t.Fatal("the state did not come in time")
			}
		}
	}
	state(func(o object) bool { return o["serialNumber"] == "R-1" }) // all of it, on subscribing
	s.must(token, "PUT", "/api/v1/devices/"+d.id, object{"name": "Kitchen"}, "device")
	state(func(o object) bool { return o["name"] == "Kitchen" && o["serialNumber"] == nil })
	s.done(c.Publish(d.topic("_set/fields"), 1, false, `{"state":{"name":"Hall"}}`), "publish")
	state(func(o object) bool { return o["name"] == "Hall" })
	if o := s.must(token, "GET", "/api/v1/devices/"+d.id, nil, "device"); o["name"] != "Hall" {
		t.Errorf("device: %v", o)
	}
}

func TestFlightRecorderSeesPackets(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "F-1")
	c, _ := s.dial("tcp", d.id, d.id, d.secret)
	s.must(token, "POST", "/api/v1/devices/"+d.id+"/recorder", object{"minutes": 5}, "recorder")
	s.done(c.Publish(d.topic("temp"), 1, false, "not a point"), "publish")
	recorded := cell(s.must(token, "GET", "/api/v1/devices/"+d.id+"/recorder", nil, "recorder"))
	if !strings.Contains(recorded, `"PUBLISH"`) || !strings.Contains(recorded, "not a point") || !strings.Contains(recorded, `"PUBACK"`) {
		t.Errorf("recorded: %s", recorded)
	}
	eventually(t, "the diagnosis names the message that is no point", func() bool {
		found := cell(s.must(token, "GET", "/api/v1/devices/"+d.id+"/diagnosis", nil, "diagnosis")["findings"])
		return strings.Contains(found, "remedy") && strings.Contains(found, "not stored")
	})
}

// What an admin publishes for a device and is no point stands in the device's log.
func TestMalformedPointIsInTheDevicesLog(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "M-7")
	c, _ := s.dial("tls", "admin", tokenUser, token)
	s.done(c.Publish(d.topic("temp"), 1, false, "not a point"), "publish")
	eventually(t, "the device's log tells of it", func() bool {
		found := s.must(token, "GET", "/api/v1/logs"+query("q", "device:M-7 tag:malformed"), nil, "logs")
		return strings.Contains(cell(found["results"]), "accountUser "+accounts[0].AccountUserID)
	})
}

// A batch goes through the same router, with the rights and limits of its members.
func TestBatch(t *testing.T) {
	dir, accounts := newData(t, testEmail, "bob@example.com")
	s := start(t, dir)
	token, account := s.signIn(testEmail), accounts[0].AccountID
	body := `{"requests":[{"method":"get","path":"https://blueprint.example.com/api/v1/devices?accountId=` + account + `"},
		{"method":"GET","path":"/api/v1/devices?accountId=` + accounts[1].AccountID + `","payload":{}},
		{"method":"post","path":"/api/v1/organizations","payload":{"accountId":"` + account + `"}},
		{"method":"get","path":"/api/v1/sessions"}]}`
	req, err := http.NewRequest("POST", s.url("https", "/api/v1/batch"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answers []object
	if err := json.NewDecoder(resp.Body).Decode(&answers); err != nil || resp.StatusCode != 200 || len(answers) != 4 {
		t.Fatalf("%d %v %v", resp.StatusCode, answers, err)
	}
	if answers[0]["devices"] == nil || answers[1]["statusCode"] != 404.0 || answers[2]["statusCode"] != 400.0 || answers[3]["sessions"] == nil {
		t.Errorf("answers: %v", answers)
	}
}

// An end user that is made with an identity signs in, sees the own group and nothing else, and loses all of it at once.
func TestEndUserWithIdentity(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token, account := s.signIn(testEmail), accounts[0].AccountID
	template := cell(objects(s.must(token, "GET", "/api/v1/organizations/templates?accountId="+account, nil, "organizationTemplates")["results"])[0]["id"])
	group := func(name string) string {
		return cell(s.must(token, "POST", "/api/v1/organizations", object{"accountId": account, "name": name, "organizationTemplateId": template}, "organization")["id"])
	}
	home, other := group("Home"), group("Other")
	user := s.must(token, "POST", "/api/v1/end-users", object{"accountId": account, "organizationId": home, "name": "Zoe",
		"createIdmUser": true, "idmUserEmail": "zoe@example.com"}, "endUser")
	sensor := s.template(token, account)
	mine := s.must(token, "POST", "/api/v1/devices", object{"accountId": account, "deviceTemplateId": sensor, "serialNumber": "E-1", "organizationId": home}, "device")
	s.must(token, "POST", "/api/v1/devices", object{"accountId": account, "deviceTemplateId": sensor, "serialNumber": "E-2", "organizationId": other}, "device")
	if err := s.identity.ResetUser(t.Context(), account, "zoe@example.com", testPassword); err != nil {
		t.Fatal(err)
	}
	zoe := s.signIn("zoe@example.com")
	seen := objects(s.must(zoe, "GET", "/api/v1/devices?accountId="+account, nil, "devices")["results"])
	if len(seen) != 1 || seen[0]["id"] != mine["id"] {
		t.Errorf("an end user sees %v", seen)
	}
	if status, answer := s.call(zoe, "GET", "/api/v1/audit", nil); status != 403 {
		t.Errorf("audit for an end user: %d %v", status, answer)
	}
	eventually(t, "the refusal is in the log, with its reason", func() bool { return s.logged(token, "refused", "Zoe may not", "audit") })
	c, _ := s.dial("tls", "zoe", tokenUser, zoe)
	s.must(token, "DELETE", "/api/v1/end-users/"+cell(user["id"]), nil, "")
	eventually(t, "the connection of a deleted end user ends", func() bool { return !c.IsConnectionOpen() })
	if status, _ := s.call(zoe, "GET", "/api/v1/devices?accountId="+account, nil); status != 403 && status != 401 {
		t.Errorf("a deleted end user gets %d", status)
	}
}

// Why a device is not there is asked most of all when it has been deleted; an id that nobody ever had tells nothing.
func TestDiagnosisOfADeletedDevice(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	d := s.device(token, accounts[0].AccountID, s.template(token, accounts[0].AccountID), "G-1")
	s.dial("tcp", d.id, d.id, d.secret)
	s.must(token, "DELETE", "/api/v1/devices/"+d.id, nil, "device")
	eventually(t, "the diagnosis names the deletion", func() bool {
		_, answer := s.call(token, "GET", "/api/v1/devices/"+d.id+"/diagnosis", nil)
		return strings.Contains(cell(answer), "The device was deleted in the directory by")
	})
	if status, answer := s.call(token, "GET", "/api/v1/devices/00000000-0000-4000-8000-000000000000/diagnosis", nil); status != http.StatusNotFound {
		t.Errorf("an unknown device: %d %v", status, answer)
	}
}
