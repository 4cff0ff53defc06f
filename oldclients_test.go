package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/gorilla/websocket"
)

// What breaks clients that were written for Xively when it is missed: the rows of xively-api.md §16, each a test of its
// own over the network, as those clients do it.
//
//	row                                                      TestOldClients/…    also
//	 1  POST create answers 200                              01
//	 2  envelopes, meta                                      02                  blueprint TestScenarios, TestMetaAndResults
//	 3  form bodies, unknown keys, numbers as strings        03                  internal/rest TestBody
//	 4  etag quoted or not, partial PUT, read-only keys      04                  TestTwoWritersOneEtag
//	 5  xively-access-token, expired JWT of a live session   05                  identity TestExpiredTokenOfLiveSessionIsRenewed
//	 6  accountId and userId in the JWT                      06                  identity TestTokenAsClientsReadIt
//	 7  CORS                                                 07                  TestPagesOfOtherOrigins
//	 8  time series as clients read it                       08                  timeseries TestGetData
//	 9  CSV with blanks, trailing newline, no time           09                  timeseries TestParse
//	10  MQTT 3.1, empty client id, other client id, Auth:JWT 10                  TestMosquittoClients, TestPythonPahoClient
//	11  WebSocket without sub-protocol, no SNI, port 443     11                  TestSharedPort
//	12  QoS 2, SUBACK 0x80, xi/ctrl/…/cln                    12                  broker TestQoSBothWays. We grant QoS 2 as asked
//	13  mqtt-credentials stays cheap, changes no state       13                  blueprint TestCredentialOfDevice
//	14  mqttCredential.entityId                              14
//	15  no top-level message in a success                    15                  every test of this package (callers of must)
//	16  batch                                                16                  TestBatch, blueprint TestBatch
func TestOldClients(t *testing.T) {
	const page = "https://app.example.com"
	dir, accounts := newData(t, testEmail)
	s := start(t, dir, "rest.origins="+page)
	c := oldClient{testServer: s, account: accounts[0].AccountID, user: accounts[0].UserID}
	c.token = s.signIn(testEmail)
	c.templateID = s.template(c.token, c.account)
	c.device = s.device(c.token, c.account, c.templateID, "AP-000001")
	for _, row := range []struct {
		name string
		test func(*testing.T, oldClient)
	}{
		{"01 create answers 200", oldCreate}, {"02 envelopes", oldEnvelopes}, {"03 forms", oldForms}, {"04 etag", oldETag}, {"05 access token", oldToken},
		{"06 JWT", oldJWT}, {"07 CORS", func(t *testing.T, c oldClient) { oldCORS(t, c, page) }}, {"08 time series", oldTimeSeries}, {"09 CSV", oldCSV},
		{"10 MQTT sign-in", oldMQTT}, {"11 transports", oldTransports}, {"12 subscriptions", oldSubscriptions}, {"13 credentials", oldCredentials},
		{"14 entityId", oldEntityID}, {"15 no message", oldNoMessage}, {"16 batch", oldBatch},
	} {
		t.Run(row.name, func(t *testing.T) {
			c.t = t
			c.testServer.t = t
			row.test(t, c)
		})
	}
	s.t = t
}

type oldClient struct {
	*testServer
	t                                *testing.T
	account, user, token, templateID string
	device                           testDevice
}

// send makes one request; headers alternate names and values, the body goes as it is.
func (c oldClient) send(method, path, body string, header ...string) (*http.Response, string) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.url("https", path), strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(text)
}

// want is send that has to give a status and parts of the answer; it returns the decoded answer.
func (c oldClient) want(status int, parts, method, path, body string, header ...string) object {
	c.t.Helper()
	resp, text := c.send(method, path, body, header...)
	if resp.StatusCode != status {
		c.t.Errorf("%s %s %s: %d %s, want %d", method, path, body, resp.StatusCode, text, status)
	}
	for part := range strings.FieldsSeq(parts) {
		if !strings.Contains(text, part) {
			c.t.Errorf("%s %s %s: %s, want %s in it", method, path, body, text, part)
		}
	}
	var o object
	_ = json.Unmarshal([]byte(text), &o)
	return o
}

const (
	jsonBody = "application/json; charset=utf-8"
	formBody = "application/x-www-form-urlencoded"
)

func oldCreate(t *testing.T, c oldClient) {
	id := fmt.Sprintf(`"accountId":%q,"deviceTemplateId":%q`, c.account, c.templateID)
	for path, body := range map[string]string{
		"devices": `{` + id + `,"serialNumber":"C-1"}`, "devices/templates": `{"name":"T"}`, "organizations/templates": `{"name":"T"}`,
		"end-users/templates": `{"name":"T"}`, "devices/custom-fields": `{` + id + `,"name":"color","fieldType":"string","required":"false","default":""}`,
		"channels/templates":      fmt.Sprintf(`{"entityId":%q,"entityType":"deviceTemplate","name":"fan","persistenceType":"simple"}`, c.templateID),
		"end-users":               `{"name":"Bob"}`,
		"access/mqtt-credentials": fmt.Sprintf(`{"accountId":%q,"entityId":%q,"entityType":"device"}`, c.account, c.device.id),
		"batch":                   `{"requests":[]}`,
	} {
		c.want(200, "", "POST", "/api/v1/"+path, body, "Content-Type", jsonBody)
	}
}

func oldEnvelopes(t *testing.T, c oldClient) {
	for path, keys := range map[string][2]string{
		"organizations": {"organization", "organizations"}, "organizations/templates": {"organizationTemplate", "organizationTemplates"},
		"devices": {"device", "devices"}, "devices/templates": {"deviceTemplate", "deviceTemplates"}, "devices/custom-fields": {"deviceField", "deviceFields"},
		"channels/templates": {"channelTemplate", "channelTemplates"}, "end-users": {"endUser", "endUsers"}, "end-users/templates": {"endUserTemplate", "endUserTemplates"},
		"account-users": {"accountUser", "accountUsers"}, "account-users/templates": {"accountUserTemplate", "accountUserTemplates"},
		"access/mqtt-credentials": {"mqttCredential", "mqttCredentials"}, "accounts": {"account", "accounts"},
	} {
		list := c.want(200, "", "GET", "/api/v1/"+path+"?accountId="+c.account+"&page=1&pageSize=1", "")
		inner, _ := list[keys[1]].(object)
		meta, _ := inner["meta"].(object)
		rows := objects(inner["results"])
		if len(list) != 1 || len(rows) != 1 || meta["page"] != 1.0 || meta["pageSize"] != 1.0 || meta["count"].(float64) < 1 || meta["sortOrder"] != "asc" {
			t.Errorf("GET %s: %v", path, list)
			continue
		}
		one := c.want(200, "", "GET", "/api/v1/"+path+"/"+cell(rows[0]["id"]), "")
		if o, _ := one[keys[0]].(object); len(one) != 1 || o["id"] != rows[0]["id"] || cell(o["version"]) == "" {
			t.Errorf("GET one of %s: %v", path, one)
		}
	}
	for query, want := range map[string]string{"meta=false": `{"devices":{"results":[`, "results=false": `{"devices":{"meta":{`} {
		if _, text := c.send("GET", "/api/v1/devices?"+query, ""); !strings.HasPrefix(text, want) || strings.Contains(text, "meta") == strings.Contains(text, "results") {
			t.Errorf("%s: %s", query, text)
		}
	}
	// The default page has 10; the count is of all.
	for i := range 11 {
		c.want(200, "", "POST", "/api/v1/devices", fmt.Sprintf(`{"deviceTemplateId":%q,"serialNumber":"E-%d"}`, c.templateID, i))
	}
	list := c.want(200, `"pageSize":10,`, "GET", "/api/v1/devices?serialNumber=E-", "")["devices"].(object)
	if n := len(objects(list["results"])); n != 10 || list["meta"].(object)["count"] != 11.0 {
		t.Errorf("%d of %v on the first page", n, list["meta"])
	}
}

func oldForms(t *testing.T, c oldClient) {
	form := url.Values{"accountId": {c.account}, "deviceTemplateId": {c.templateID}, "serialNumber": {"F-1"}, "latitude": {"42.35"}, "longitude": {"-71.05"}, "sensors": {"x"}}
	made := c.want(200, `"latitude":42.35`, "POST", "/api/v1/devices", form.Encode(), "Content-Type", formBody)["device"].(object)
	c.want(200, `"name":"Kitchen"`, "PUT", "/api/v1/devices/"+cell(made["id"]), "name=Kitchen", "Content-Type", formBody)
	c.want(200, `"jwt"`, "POST", "/api/v1/auth/login-user", url.Values{"emailAddress": {testEmail}, "password": {testPassword}, "accountId": {c.account}}.Encode(), "Content-Type", formBody)
	c.want(200, `"secret"`, "POST", "/api/v1/access/mqtt-credentials", url.Values{"entityId": {cell(made["id"])}, "entityType": {"device"}}.Encode(), "Content-Type", formBody)
	// The simulator posts whole objects with helpers beside the ids.
	c.want(200, `"serialNumber":"4711" `, "POST", "/api/v1/devices", fmt.Sprintf(`{"deviceTemplateId":%q,"serialNumber":4711,"latitude":"1.5",
		"deviceTemplate":{"id":1},"organization":"Home","channels":[{}],"config":{"a":{}},"connected":true}`, c.templateID))
	c.want(200, `"entityId"`, "POST", "/api/v1/access/mqtt-credentials", fmt.Sprintf(`{"id":%q,"name":"x","channels":[{"channel":"y"}],"template":{},"sensors":[],
		"accountId":%q,"entityId":%q,"entityType":"device"}`, c.device.id, c.account, cell(made["id"])))
}

func oldETag(t *testing.T, c oldClient) {
	path := "/api/v1/devices/" + c.device.id
	device := c.want(200, "", "GET", path, "")["device"].(object)
	first := cell(device["version"])
	// The React Native client sends the whole object back, what the server keeps with it.
	device["name"], device["connected"], device["created"] = "Whole", true, "2001-01-01T00:00:00.000Z"
	whole, _ := json.Marshal(device)
	c.want(200, `"name":"Whole" "connected":false`, "PUT", path, string(whole), "Etag", first)
	second := cell(c.want(200, `"serialNumber":"AP-000001" "name":"Whole" "latitude":42.3`, "PUT", path, `{"latitude":42.3,"longitude":-71}`)["device"].(object)["version"])
	c.want(412, first, "PUT", path, `{"name":"stale"}`, "ETag", first)
	c.want(412, second, "DELETE", path, "", "etag", `"`+first+`"`)
	third := cell(c.want(200, "", "PUT", path, `{"name":"quoted"}`, "etag", `"`+second+`"`)["device"].(object)["version"])
	if third == second || second == first {
		t.Errorf("versions %s, %s, %s", first, second, third)
	}
	c.want(200, `"name":"plain"`, "PATCH", path, `{"name":"plain"}`, "etag", third)
}

func oldToken(t *testing.T, c oldClient) {
	resp, text := c.send("POST", "/api/v1/auth/login-user", fmt.Sprintf(`{"emailAddress":%q,"password":%q,"accountId":%q,"renewalType":"short"}`, testEmail, testPassword, c.account))
	var in struct{ JWT string }
	_ = json.Unmarshal([]byte(text), &in)
	if in.JWT == "" || resp.Header.Get("Xively-Access-Token") != in.JWT {
		t.Errorf("sign-in: %s, header %q", text, resp.Header.Get("Xively-Access-Token"))
	}
	cookies := strings.Join(resp.Header.Values("Set-Cookie"), "\n")
	if !strings.HasPrefix(cookies, "xively-access-token="+in.JWT) || !strings.Contains(cookies, "HttpOnly") || !strings.Contains(cookies, "Secure") {
		t.Errorf("cookies: %s", cookies)
	}
	c.token = ""
	if resp, text := c.send("GET", "/api/v1/devices", "", "Cookie", "xively-access-token="+in.JWT); resp.StatusCode != 200 {
		t.Errorf("by cookie: %d %s", resp.StatusCode, text)
	}
	renewed := c.want(200, `"jwt"`, "POST", "/api/v1/sessions/renew-session", "", "Authorization", "Bearer "+in.JWT)
	if cell(renewed["jwt"]) == "" {
		t.Errorf("renewed: %v", renewed)
	}
}

func oldJWT(t *testing.T, c oldClient) {
	part := strings.Split(c.token, ".")[1]
	text, err := base64.RawURLEncoding.DecodeString(part)
	var payload object
	if err != nil || json.Unmarshal(text, &payload) != nil || payload["accountId"] != c.account || payload["userId"] != c.user {
		t.Errorf("payload %s, %v", text, err)
	}
}

func oldCORS(t *testing.T, c oldClient, page string) {
	c.token = ""
	resp, _ := c.send("OPTIONS", "/api/v1/devices/"+c.device.id, "", "Origin", page, "Access-Control-Request-Method", "PUT",
		"Access-Control-Request-Headers", "authorization,content-type,accept,etag")
	allowed := strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers"))
	for _, name := range []string{"authorization", "content-type", "accept", "etag", "accesstoken"} {
		if !strings.Contains(allowed, name) {
			t.Errorf("%s is not allowed: %s", name, allowed)
		}
	}
	if resp.StatusCode/100 != 2 || resp.Header.Get("Access-Control-Allow-Origin") != page || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := c.send("OPTIONS", "/api/v1/devices", "", "Origin", "https://elsewhere.example.com", "Access-Control-Request-Method", "GET"); resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %v", resp.Header)
	}
}

func oldTimeSeries(t *testing.T, c oldClient) {
	m, _ := c.dial("tls", "series", c.device.id, c.newSecret())
	topic := c.device.topic("temp")
	c.want(404, "", "GET", "/api/v4/data/"+topic, "")
	c.done(m.Publish(topic, 1, false, "1442235352000,temp,70,a\n1442235353000,temp,71,\n1442235354000,fan,2,"), "publish")
	envelope := `"meta":{ "timeSpent": "start":"2015-09-14T12:55:52Z" "result":[{ "time":"2015-09-14T12:55:52Z"`
	c.want(200, envelope, "GET", "/api/v4/data/"+topic, "")
	c.want(200, envelope, "GET", "/api/v4/data/"+url.PathEscape(topic), "")
	for _, from := range []string{"2015-09-14T12:55:53Z", "2015-09-14T12:55:53.000Z", "2015-09-14 12:55:53.000+0000", "2015.09.14 12:55:53"} {
		c.want(200, `"count":2`, "GET", "/api/v4/data/"+topic+query("startDateTime", from, "endDateTime", "2015-09-15T00:00:00Z", "pageSize", "1000", "omitNull", "true"), "")
	}
	c.want(200, `"count":2`, "GET", "/api/v4/data/"+topic+"?category=temp", "")
	bare := c.want(200, "", "GET", "/api/v4/data/"+topic+"/latest", "")
	if bare["numericValue"] != 2.0 || bare["time"] != "2015-09-14T12:55:54Z" {
		t.Errorf("latest without pageSize: %v", bare)
	}
	newest := objects(c.want(200, "", "GET", "/api/v4/data/"+topic+"/latest?pageSize=2", "")["result"])
	if len(newest) != 2 || newest[0]["time"] != "2015-09-14T12:55:54Z" || newest[1]["time"] != "2015-09-14T12:55:53Z" {
		t.Errorf("latest: %v", newest)
	}
}

// newSecret is what every client asks for before it connects.
func (c oldClient) newSecret() string { return c.secret(c.token, c.account, c.device.id, "device") }

func oldCSV(t *testing.T, c oldClient) {
	m, _ := c.dial("tls", "csv", c.device.id, c.newSecret())
	topic := c.device.topic("temp")
	before := len(c.points(c.token, topic))
	for _, payload := range []string{"1461234567890, temp, 70, \n", "1461234567890, 'fan', 2, \n", ",Value,12.345678,", ",cat,12.5,str", "\x00\x00\xac\x41",
		`{"e":[{"n":"temp","v":21.5},{"n":"mode","sv":"eco"}]}`} {
		c.done(m.Publish(topic, 1, false, payload), "publish "+payload)
	}
	got := fmt.Sprint(c.points(c.token, topic))
	if n := len(c.points(c.token, topic)) - before; n != 7 {
		t.Errorf("%d points came of it: %s", n, got)
	}
	for _, want := range []string{"category:'fan'", "numericValue:12.345678", "stringValue:str", "numericValue:21.5", "stringValue:eco"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func oldMQTT(t *testing.T, c oldClient) {
	level3 := func(o *mqtt.ClientOptions) { o.SetProtocolVersion(3) }
	secret := c.newSecret()
	for _, row := range []struct {
		name, clientID, user, password string
		change                         func(*mqtt.ClientOptions)
	}{
		{"3.1, as xiPy", c.device.id, c.device.id, secret, func(o *mqtt.ClientOptions) { level3(o); o.SetCleanSession(false) }},
		{"3.1.1, client id is the device", c.device.id, c.device.id, secret, nil},
		{"client id of its own", "AA:BB:CC", c.device.id, secret, nil},
		{"empty client id", "", c.device.id, secret, nil},
		{"JWT", "", "Auth:JWT", c.token, nil},
	} {
		change := row.change
		if change == nil {
			change = func(*mqtt.ClientOptions) {}
		}
		m, _ := c.dial("ssl", row.clientID, row.user, row.password, change)
		if granted := c.subscribe(m, c.device.topic("control"), 1); granted != 1 {
			t.Errorf("%s: granted %#x", row.name, granted)
		}
		m.Disconnect(100)
	}
}

func oldTransports(t *testing.T, c oldClient) {
	secret := c.newSecret()
	for _, transport := range []string{"ssl", "tls", "wss"} {
		// Without a server name the default certificate has to do; xiPy sends none.
		m, received := c.dial(transport, "old-"+transport, c.device.id, secret, func(o *mqtt.ClientOptions) {
			config := c.tls.Clone()
			config.InsecureSkipVerify, config.ServerName = true, ""
			o.SetTLSConfig(config)
		})
		c.subscribe(m, c.device.topic("control"), 1)
		c.done(m.Publish(c.device.topic("control"), 1, false, transport), "publish")
		expect(t, received, c.device.topic("control")+" "+transport)
		m.Disconnect(100)
	}
	// No sub-protocol, MQTT 3.1, and an empty user name: then the client id names the device.
	dialer := websocket.Dialer{TLSClientConfig: c.tls.Clone()}
	ws, _, err := dialer.Dial(c.url("wss", webSocketPath), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	connect := []byte{0x10, 0, 0, 6, 'M', 'Q', 'I', 's', 'd', 'p', 3, 0xc2, 0, 60}
	for _, s := range []string{c.device.id, "", secret} {
		connect = append(append(connect, byte(len(s)>>8), byte(len(s))), s...)
	}
	connect[1] = byte(len(connect) - 2)
	if len(connect)-2 > 127 {
		connect = append([]byte{0x10, byte(len(connect)-2)&0x7f | 0x80, byte((len(connect) - 2) >> 7)}, connect[2:]...)
	}
	if err := ws.WriteMessage(websocket.BinaryMessage, connect); err != nil {
		t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(patience))
	if _, answer, err := ws.ReadMessage(); err != nil || !bytes.Equal(answer, []byte{0x20, 2, 0, 0}) {
		t.Errorf("CONNACK without a sub-protocol: %x, %v", answer, err)
	}
	// HTTP lives on the same port.
	c.want(200, "", "GET", "/healthz", "")
}

func oldSubscriptions(t *testing.T, c oldClient) {
	m, _ := c.dial("tls", "subscriber", c.device.id, c.newSecret())
	for filter, want := range map[string]byte{
		"xi/ctrl/v1/" + c.device.id + "/cln": 1, c.device.topic("control"): 1, c.device.topic("nothing"): 0x80,
		"xi/ctrl/v1/" + c.account + "/cln": 0x80, "xi/blue/v1/" + c.account + "/d/" + c.user + "/temp": 0x80,
	} {
		if got := c.subscribe(m, filter, 1); got != want {
			t.Errorf("%s: granted %#x, want %#x", filter, got, want)
		}
	}
	if got := c.subscribe(m, c.device.topic("temp"), 2); got > 2 {
		t.Errorf("QoS 2 asked for: %#x", got)
	}
}

func oldCredentials(t *testing.T, c oldClient) {
	fresh := c.testServer.device(c.token, c.account, c.templateID, "N-1")
	state := func() object { return c.want(200, "", "GET", "/api/v1/devices/"+fresh.id, "")["device"].(object) }
	first := state()
	if first["provisioningState"] != "activated" {
		t.Errorf("after the first credential: %v", first["provisioningState"])
	}
	id := ""
	for range 20 {
		made := c.want(200, "", "POST", "/api/v1/access/mqtt-credentials", fmt.Sprintf(`{"accountId":%q,"entityId":%q,"entityType":"device"}`, c.account, fresh.id))["mqttCredential"].(object)
		if id != "" && made["id"] != id {
			t.Errorf("another credential: %v", made)
		}
		id = cell(made["id"])
		if secret, err := base64.StdEncoding.DecodeString(cell(made["secret"])); err != nil || len(secret) != 32 {
			t.Errorf("secret %v", made["secret"])
		}
	}
	if last := state(); last["provisioningState"] != "activated" || last["version"] != first["version"] {
		t.Errorf("after twenty more: %v", last)
	}
}

func oldEntityID(t *testing.T, c oldClient) {
	made := c.want(200, "", "POST", "/api/v1/access/mqtt-credentials", fmt.Sprintf(`{"accountId":%q,"entityId":%q,"entityType":"device"}`, c.account, c.device.id))["mqttCredential"].(object)
	if made["entityId"] != c.device.id || made["entityType"] != "device" || made["accountId"] != c.account {
		t.Errorf("credential: %v", made)
	}
}

func oldNoMessage(t *testing.T, c oldClient) {
	for _, path := range []string{"/api/v1/devices", "/api/v1/devices/" + c.device.id, "/api/v1/organizations", "/api/v1/profile/" + c.user, "/api/v1/access/explain?action=read&object=" + c.device.id,
		"/api/v1/audit", "/api/v1/searches", "/api/v1/accounts/" + c.account, "/api/v1/devices/import", "/api/v1/sessions", "/api/v4/data/" + c.device.topic("temp")} {
		if o := c.want(200, "", "GET", path, ""); o["message"] != nil {
			t.Errorf("GET %s has a message: %v", path, o)
		}
	}
	if o := c.want(404, "", "GET", "/api/v1/devices/"+c.account, ""); o["message"] == nil || o["error"].(object)["details"] == nil {
		t.Errorf("an error: %v", o)
	}
}

func oldBatch(t *testing.T, c oldClient) {
	body := fmt.Sprintf(`{"requests":[
		{"method":"get","path":"/api/v1/end-users?accountId=%[1]s&userId=%[2]s"},
		{"method":"GET","path":"https://blueprint.xively.com/api/v1/devices?accountId=%[1]s&pageSize=1&page=1&meta=true&results=true","payload":{}},
		{"method":"post","path":"https://blueprint.xively.com:443/api/v1/devices","payload":{"accountId":"%[1]s","deviceTemplateId":"%[3]s","serialNumber":"B-1"}},
		{"method":"get","path":"/api/v1/devices/%[1]s"}]}`, c.account, c.user, c.templateID)
	resp, text := c.send("POST", "/api/v1/batch", body)
	var answers []object
	if err := json.Unmarshal([]byte(text), &answers); err != nil || resp.StatusCode != 200 || len(answers) != 4 {
		t.Fatalf("batch: %d %s", resp.StatusCode, text)
	}
	for i, key := range []string{"endUsers", "devices", "device", "error"} {
		if answers[i][key] == nil {
			t.Errorf("answer %d has no %s: %v", i, key, answers[i])
		}
	}
}

// Fifty creates at once, as the simulator's provisioning makes them: all succeed, none twice; of fifty with one serial
// number exactly one does.
func TestFiftyParallelCreates(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	token := s.signIn(testEmail)
	template := s.template(token, accounts[0].AccountID)
	burst := func(serial func(i int) string) (ok, conflict int) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range 50 {
			wg.Go(func() {
				status, _ := s.call(token, "POST", "/api/v1/devices", object{"accountId": accounts[0].AccountID, "deviceTemplateId": template, "serialNumber": serial(i)})
				mu.Lock()
				defer mu.Unlock()
				switch status {
				case 200:
					ok++
				case 409:
					conflict++
				}
			})
		}
		wg.Wait()
		return ok, conflict
	}
	if ok, _ := burst(func(i int) string { return fmt.Sprintf("S-%d", i) }); ok != 50 {
		t.Errorf("%d of 50 were made", ok)
	}
	if ok, conflict := burst(func(int) string { return "same" }); ok != 1 || conflict != 49 {
		t.Errorf("with one serial number %d were made and %d refused", ok, conflict)
	}
	if list := s.must(token, "GET", "/api/v1/devices?serialNumber=S-&pageSize=1", nil, "devices"); cell(list["meta"].(object)["count"]) != "50" {
		t.Errorf("found %v", list["meta"])
	}
}

// Of writers with one etag exactly one wins, and every other is told 412.
func TestTwoWritersOneEtag(t *testing.T) {
	dir, accounts := newData(t, testEmail)
	s := start(t, dir)
	c := oldClient{testServer: s, t: t, account: accounts[0].AccountID, token: s.signIn(testEmail)}
	d := s.device(c.token, c.account, s.template(c.token, c.account), "W-1")
	for round := range 20 {
		version := cell(s.must(c.token, "GET", "/api/v1/devices/"+d.id, nil, "device")["version"])
		statuses := make(chan int, 2)
		for writer := range 2 {
			go func() {
				r, err := http.NewRequest("PUT", s.url("https", "/api/v1/devices/"+d.id), strings.NewReader(fmt.Sprintf(`{"name":"%d by %d"}`, round, writer)))
				if err != nil {
					statuses <- 0
					return
				}
				r.Header.Set("Authorization", "Bearer "+c.token)
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("etag", version)
				resp, err := s.http.Do(r)
				if err != nil {
					statuses <- 0
					return
				}
				resp.Body.Close()
				statuses <- resp.StatusCode
			}()
		}
		if a, b := <-statuses, <-statuses; min(a, b) != 200 || max(a, b) != 412 {
			t.Fatalf("round %d: %d and %d, want one 200 and one 412", round, a, b)
		}
	}
}
