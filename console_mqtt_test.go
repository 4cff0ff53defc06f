package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// TestPageConnectsMQTT is what the console does in a browser: it signs in and holds a cookie that its scripts cannot read, asks
// for a token with it, and connects over WebSocket from its own origin with that token (W06). The same request from
// another site's page gets no token, and the cookie alone opens nothing.
func TestPageConnectsMQTT(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Transport: s.http.Transport, Jar: jar}
	own := s.url("https", "")
	call := func(path, origin, site string, body object) (int, object) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest("POST", s.url("https", path), bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", origin)
		req.Header.Set("Sec-Fetch-Site", site)
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer object
		_ = json.NewDecoder(resp.Body).Decode(&answer) // a refusal may be anything
		return resp.StatusCode, answer
	}
	if status, answer := call("/api/v1/auth/login-user", own, "same-origin", object{"emailAddress": testEmail, "password": testPassword}); status != http.StatusOK {
		t.Fatalf("sign-in: %d %v", status, answer)
	}
	if status, answer := call("/api/v1/sessions/renew-session", "https://evil.example", "cross-site", object{}); status < 400 || answer["jwt"] != nil {
		t.Errorf("another site's page asks for a token: %d %v", status, answer)
	}
	status, answer := call("/api/v1/sessions/renew-session", own, "same-origin", object{})
	if status != http.StatusOK || cell(answer["jwt"]) == "" {
		t.Fatalf("token: %d %v", status, answer)
	}
	fromPage := func(o *mqtt.ClientOptions) { o.SetHTTPHeaders(http.Header{"Origin": {own}}) }
	c, received := s.dial("wss", "console", tokenUser, cell(answer["jwt"]), fromPage)
	d := s.device(cell(answer["jwt"]), accounts[0].AccountID, s.template(cell(answer["jwt"]), accounts[0].AccountID), "P-1")
	if granted := s.subscribe(c, d.topic("temp"), 1); granted != 1 {
		t.Fatalf("granted %d", granted)
	}
	s.done(c.Publish(d.topic("temp"), 1, false, ",,1,"), "publish")
	if got := <-received; got != d.topic("temp")+" ,,1," {
		t.Errorf("received %q", got)
	}

	// The cookie in the upgrade is no sign-in.
	cookie := jar.Cookies(mustURL(t, own))[0].String()
	o := mqtt.NewClientOptions().AddBroker(s.brokerAddress("wss")).SetTLSConfig(s.tls.Clone()).SetClientID("foreign").
		SetHTTPHeaders(http.Header{"Origin": {"https://evil.example"}, "Cookie": {cookie}}).SetAutoReconnect(false)
	foreign := mqtt.NewClient(o)
	if token := foreign.Connect(); token.Wait() && token.Error() == nil {
		t.Error("a page with the cookie and without a token is connected")
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
