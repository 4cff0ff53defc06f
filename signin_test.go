package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// A sign-in that ends takes its open connections along at once: the log tells after how long.
func TestEndedSignInClosesConnections(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	account := accounts[0].AccountID
	s := start(t, dir)
	admin := s.signIn(testEmail)
	end := s.must(admin, "POST", "/api/v1/end-users", object{"accountId": account, "name": "Bob", "createIdmUser": true, "idmUserEmail": "bob@example.com"}, "endUser")
	link, err := s.identity.ResetLink(account, "bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	_, fragment, _ := strings.Cut(link, "#")
	values, err := url.ParseQuery(fragment)
	if err != nil || values.Get("userId") != cell(end["userId"]) {
		t.Fatalf("link %s, %v", link, err)
	}
	s.must("", "POST", "/api/v1/users/"+values.Get("userId")+"/change-password-with-token", object{"newPassword": testPassword, "passwordResetToken": values.Get("token")}, "")
	connect := func(password string) (lost chan time.Time) {
		t.Helper()
		lost = make(chan time.Time, 1)
		s.dial("ssl", "", tokenUser, password, func(o *mqtt.ClientOptions) {
			o.SetConnectionLostHandler(func(mqtt.Client, error) { lost <- time.Now() })
		})
		return lost
	}
	closed := func(what string, lost chan time.Time, began time.Time) {
		t.Helper()
		select {
		case at := <-lost:
			t.Logf("%s: closed after %v", what, at.Sub(began))
		case <-time.After(patience):
			t.Errorf("%s: still open", what)
		}
	}

	staying := connect(admin)
	bob := s.signIn("bob@example.com")
	lost := connect(bob)
	sessions := s.must(bob, "GET", "/api/v1/sessions", nil, "sessions")
	began := time.Now()
	s.must(bob, "DELETE", "/api/v1/sessions/"+cell(objects(sessions["results"])[0]["id"]), nil, "")
	closed("session ended", lost, began)
	if status, _ := s.call(bob, "GET", "/api/v1/end-users", nil); status != 401 {
		t.Errorf("the ended session's token: %d", status)
	}

	bob = s.signIn("bob@example.com")
	made := s.must(bob, "POST", "/api/v1/api-keys", object{"name": "k", "scopes": []string{"messaging"}}, "apiKey")
	lost = connect(cell(made["key"]))
	began = time.Now()
	s.must(bob, "DELETE", "/api/v1/api-keys/"+cell(made["id"]), nil, "apiKey")
	closed("API key deleted", lost, began)

	byToken := connect(bob)
	credential := s.must(admin, "POST", "/api/v1/access/mqtt-credentials", object{"accountId": account, "entityId": end["id"], "entityType": "endUser"}, "mqttCredential")
	dial := func(o *mqtt.ClientOptions) { o.SetClientID("own") }
	own, _ := s.dial("ssl", "", cell(end["id"]), cell(credential["secret"]), dial)
	began = time.Now()
	if err := s.identity.DisableUser(account, values.Get("userId"), true); err != nil {
		t.Fatal(err)
	}
	closed("user disabled", byToken, began)
	eventually(t, "the connection by the user's own credential is closed, too", func() bool { return !own.IsConnectionOpen() })
	if token := own.Connect(); token.WaitTimeout(patience) && token.Error() == nil {
		t.Error("a disabled user's MQTT credential still lets in")
	}
	s.must(admin, "POST", "/api/v1/applications", object{"name": "app", "type": "endUser"}, "application") // what only admins may
	if status, answer := s.call(admin, "PUT", "/api/v1/users/"+accounts[0].UserID, object{"disabled": true}); status != 409 {
		t.Errorf("the last admin disabled: %d %v", status, answer)
	}
	if len(staying) > 0 {
		t.Error("somebody else's connection was closed, too")
	}
	eventually(t, "the log tells of it", func() bool { return s.logged(admin, "audit", "apiKey.deleted") })
}

// Two hundred sign-ins at once, with hashes at their default cost, do not keep messages from going round (R21). That few hashes run at
// once and the rest is refused is identity's own test; how long messages then take is a figure in the log, for a quiet machine.
func TestSignInsLeaveMessagingAlone(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir, "identity.password_memory_kib=19456", "identity.password_passes=2")
	token := s.signIn(testEmail)
	c, received := s.dial("ssl", "", tokenUser, token)
	s.subscribe(c, "ping", 0)
	stop := make(chan struct{})
	var latencies []time.Duration
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			began := time.Now()
			if token := c.Publish("ping", 0, false, fmt.Sprint(n)); !token.WaitTimeout(patience) || token.Error() != nil {
				t.Errorf("publish: %v", token.Error())
				return
			}
			select {
			case <-received:
			case <-time.After(patience):
				t.Error("a message did not come back")
				return
			}
			latencies = append(latencies, time.Since(began))
		}
	})
	status := map[int]int{}
	var mu sync.Mutex
	var logins sync.WaitGroup
	began := time.Now()
	body := fmt.Sprintf(`{"emailAddress":%q,"password":%q}`, testEmail, testPassword)
	for range 200 { // in clear text: 200 TLS handshakes are not what is asked about
		logins.Go(func() {
			for range 3 {
				resp, err := s.http.Post(s.localURL("/api/v1/auth/login-user"), "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				mu.Lock()
				status[resp.StatusCode]++
				mu.Unlock()
			}
		})
	}
	logins.Wait()
	took := time.Since(began)
	close(stop)
	all.Wait()
	slices.Sort(latencies)
	if len(latencies) == 0 {
		t.Fatal("no message went round during 600 sign-ins")
	}
	t.Logf("600 sign-ins, 200 at a time, in %v: %v; %d round trips, median %v, p99 %v, most %v", took, status, len(latencies),
		latencies[len(latencies)/2], latencies[len(latencies)*99/100], latencies[len(latencies)-1])
	if status[200] == 0 || status[200]+status[429] != 600 {
		t.Errorf("answers %v", status)
	}
}
