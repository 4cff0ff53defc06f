package main

import (
	"fmt"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// everyTrick is text that becomes a program where somebody takes it for markup, a link or a template.
const everyTrick = `<img src=/x onerror=alert(1)>"><svg onload=alert(2)>'</script><script>alert(3)</script>{{7*7}}${alert(4)}`

const trickLink = `javascript:alert(5)`

// Whatever devices and people call themselves and say is shown as text on every page, and does nothing (checklist P01): no
// dialog opens, nothing is asked of another host, nothing breaks the content policy, for which the page is watched.
func TestBrowserHostileTextIsInert(t *testing.T) {
	s, p := visit(t)
	account, token := s.account, s.token
	make := func(path, key string, body object) string {
		body["accountId"] = account
		return cell(s.must(token, "POST", "/api/v1/"+path, body, key)["id"])
	}

	organizationTemplate := make("organizations/templates", "organizationTemplate", object{"name": everyTrick})
	group := make("organizations", "organization", object{"organizationTemplateId": organizationTemplate, "name": everyTrick, "description": everyTrick, "city": everyTrick, "websiteAddress": trickLink})
	template := make("devices/templates", "deviceTemplate", object{"name": everyTrick})
	make("devices/custom-fields", "deviceField", object{"deviceTemplateId": template, "name": "color", "fieldType": "string"})
	make("channels/templates", "channelTemplate", object{"entityId": template, "entityType": "deviceTemplate", "name": "temp", "persistenceType": "timeSeries"})
	device := make("devices", "device", object{"deviceTemplateId": template, "organizationId": group, "serialNumber": everyTrick[:60], "name": everyTrick,
		"location": everyTrick, "color": everyTrick, "firmwareVersion": everyTrick[:30], "latitude": 42.3, "longitude": -71.1, "tags": []string{everyTrick[:40]}})
	endUserTemplate := make("end-users/templates", "endUserTemplate", object{"name": everyTrick})
	endUser := make("end-users", "endUser", object{"endUserTemplateId": endUserTemplate, "organizationId": group, "name": everyTrick, "address": everyTrick, "city": trickLink})
	make("access/roles", "role", object{"name": everyTrick[:60], "description": everyTrick, "permissions": []string{"devices:read"}})
	make("searches", "savedSearch", object{"name": everyTrick[:60], "kind": "device", "q": "connected:true"})
	make("applications", "application", object{"name": everyTrick[:60], "type": "endUser"})

	d := testDevice{account, device, s.secret(token, account, device, "device")}
	c, _ := s.dial("tcp", device, d.id, d.secret)
	s.done(c.Publish(d.topic("_log"), 1, false, fmt.Sprintf(`{"sourceId":%q,"sourceType":"deviceId","accountId":%q,"message":%s,"details":%s,"code":%s,"severity":"error","tags":[%s]}`,
		device, account, quoteJS(everyTrick), quoteJS(everyTrick), quoteJS(everyTrick[:20]), quoteJS(everyTrick[:30]))), "log")
	s.done(c.Publish(d.topic("temp"), 1, false, ","+everyTrick[:40]+",21.5,"+everyTrick), "point")
	s.done(c.Publish(d.topic("_set/fields"), 1, false, `{"state":{"nosuch":`+quoteJS(everyTrick)+`}}`), "set fields")
	admin := s.secret(token, account, s.admin, "accountUser")
	a, _ := s.dial("tcp", "x<img src=/x onerror=alert(6)>", s.admin, admin, func(o *mqtt.ClientOptions) { o.SetCleanSession(false) })
	s.done(a.Publish("free/<img src=z onerror=alert(7)>", 1, true, everyTrick), "retained")
	eventually(t, "the log has it", func() bool { return s.logged(token, "onerror") })

	for _, page := range []struct{ path, text string }{
		{"/", "Connected devices"},
		{"/devices", "<img src=/x onerror=alert(1)>"},
		{"/devices/" + device, "<img src=/x onerror=alert(1)>"},
		{"/devices/" + device + "/live", "<img src=/x onerror=alert(1)>"},
		{"/devices/" + device + "/data", "temp"},
		{"/devices/" + device + "/logs", "<img src=/x onerror=alert(1)>"},
		{"/devices/" + device + "/diagnose", "<img src=/x onerror=alert(1)>"},
		{"/devices/" + device + "/access", "<img src=/x onerror=alert(1)>"},
		{"/devices/" + device + "/credentials", "mosquitto_pub"},
		{"/devices/" + device + "/audit", "<img src=/x onerror=alert(1)>"},
		{"/devices/import", "CSV"},
		{"/first-device", "device"},
		{"/map", "<img src=/x onerror=alert(1)>"},
		{"/groups", "<img src=/x onerror=alert(1)>"},
		{"/groups/" + group, "<img src=/x onerror=alert(1)>"},
		{"/model", "<img src=/x onerror=alert(1)>"},
		{"/data", "<img src=/x onerror=alert(1)>"},
		{"/logs", "<img src=/x onerror=alert(1)>"},
		{"/messages", "Connected"},
		{"/end-users", "<img src=/x onerror=alert(1)>"},
		{"/end-users/" + endUser, "javascript:alert(5)"},
		{"/admins/roles", "<img src=/x onerror=alert(1)>"},
		{"/admins/applications", "<img src=/x onerror=alert(1)>"},
		{"/access", "Access explainer"},
		{"/settings/audit", "<img src=/x onerror=alert(1)>"},
		{"/settings/limits", "Limits"},
	} {
		p.open(page.path)
		p.see(page.text)
		if n := read[int](p, `document.querySelectorAll('[onerror], [onload], script:not([src]), a[href^="javascript:" i], img[src="/x"], img[src="z"]').length`); n > 0 {
			t.Errorf("%s: %d elements were made of text", page.path, n)
		}
	}
}
