package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// nasty is what a device may be called: markup, and the end of an attribute.
const nasty = `"><img src=x onerror=alert(1)>`

func TestBrowserDevices(t *testing.T) {
	s, p := visit(t)
	template := s.template(s.token, s.account)
	for i, name := range []string{"Kitchen lamp", "Kitchen fan", "Garage door", nasty} {
		s.must(s.token, "POST", "/api/v1/devices", object{"accountId": s.account, "deviceTemplateId": template, "serialNumber": fmt.Sprintf("SN-%d", i+1), "name": name, "firmwareVersion": fmt.Sprintf("1.%d", i%2)}, "device")
	}
	p.open("/devices")
	p.see("4 devices", "Kitchen lamp", "Garage door", nasty)
	p.accessible()

	p.fill("Search devices", "kitchen")
	p.see("2 matches")
	p.gone("Garage door")
	p.click("field", "Firmware: 1.1")
	p.see("1 match", "Kitchen fan")
	p.gone("Kitchen lamp")
	if at := p.location(); !strings.Contains(at, "kitchen") || !strings.Contains(at, "1.1") {
		t.Errorf("the address %q does not keep the search", at)
	}
	p.button("Saved searches")
	p.button("Save this search")
	p.fill("Name", "Fans")
	p.button("Save")
	p.gone("Save this search")
	p.open("/devices")
	p.button("Saved searches")
	p.button("Fanskitchen")
	p.see("1 match", "Kitchen fan")

	p.open("/devices?q=kitchen")
	p.see("2 matches")
	p.click("field", "Select all rows in view")
	p.see("2 devices chosen")
	p.button("Tags")
	p.fill("Add", "roof")
	p.click("field", "Take away")
	p.button("Change 2 devices")
	p.see("2 devices changed.")
	p.button("Close")
	p.see("roof")
	tagged := s.must(s.token, "GET", "/api/v1/devices"+query("q", "tag:roof", "sortBy", "serialNumber"), nil, "devices")
	if rows := objects(tagged["results"]); len(rows) != 2 || rows[0]["name"] != "Kitchen lamp" || rows[1]["name"] != "Kitchen fan" {
		t.Errorf("with the tag are %v", rows)
	}
	p.open("/devices")
	p.button("Create device")
	p.fill("Serial number", "SN-9")
	p.accessible()
	p.button("Create")
	p.see("MQTT credentials", "The device has no secret yet")
	p.open("/devices")
	p.narrow()
	p.fits()
	p.dark()
	p.accessible()
}

// pick puts a file into the page's file field.
func (p *page) pick(path string) {
	p.t.Helper()
	p.run(chromedp.SetUploadFiles("input[type=file]", []string{path}, chromedp.NodeReady))
}

func TestBrowserImport(t *testing.T) {
	s, p := visit(t)
	s.template(s.token, s.account)
	file := filepath.Join(t.TempDir(), "fleet.csv")
	if err := os.WriteFile(file, []byte("Serial No;Device name;colour\nI-1;Lamp one;red\nI-2;\"<b>Lamp two</b>\";blue\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.open("/devices/import")
	p.see("Drop a CSV file here")
	p.accessible()
	p.pick(file)
	p.see("fleet.csv", "Serial number", "Choose the template")
	p.choose("Template", "Default Device Template")
	p.button("Dry run")
	p.see("Dry run: nothing is changed yet", "would be created")
	p.accessible()
	p.button("Import 2 devices")
	p.see("Imported", "2 secrets to download, once")
	p.button("Download credentials") // until then, leaving the page asks whether it may
	p.see("Download again")
	p.open("/devices")
	p.see("Lamp one", "<b>Lamp two</b>")
}

func TestBrowserDevice(t *testing.T) {
	s, p := visit(t)
	device := s.device(s.token, s.account, s.template(s.token, s.account), "first")
	s.must(s.token, "PUT", "/api/v1/devices/"+device.id, object{"name": nasty}, "device")
	c, _ := s.dial("tcp", device.id, device.id, device.secret)
	p.open("/devices/" + device.id)
	p.see(nasty, "Online since", "tcp", "no points yet")
	p.button("Change Location")
	p.fill("Location", "Roof")
	p.button("Save")
	p.gone("Cancel")
	p.see("Roof")
	s.done(c.Publish(device.topic("_set/fields"), 1, false, `{"state":{"firmwareVersion":"7.1"}}`), "publish")
	p.see("7.1", "reported")
	p.accessible()

	p.tab("Live")
	p.see("Waiting for messages")
	s.done(c.Publish(device.topic("temp"), 1, false, `<img src=x onerror=alert(2)>`), "publish")
	p.see("temp", "<img src=x onerror=alert(2)>")
	s.done(c.Publish(device.topic("temp"), 1, false, ",,21.5,"), "publish")
	p.see(",,21.5,")
	p.fill("Payload", "22.25")
	p.button("Publish")
	p.see("1 published, each acknowledged by the server")
	p.accessible()

	p.tab("Overview")
	p.see("22.25")
	p.tab("Data")
	p.see("Average", "Compare", "temp")
	p.accessible()
	p.tab("Logs")
	p.see("Device connected")
	p.tab("Diagnose")
	p.see("What happened", "Flight recorder")
	p.button("Stop") // the live tab has switched it on
	p.see("15 minutes")
	s.done(c.Publish(device.topic("temp"), 1, false, ",,23.5,unrecorded"), "publish")
	p.button("Record")
	p.see("on for 14 min")
	s.done(c.Publish(device.topic("temp"), 1, false, ",,23.75,recorded"), "publish")
	p.see("PUBLISH", "→ server", ",,23.75,recorded", "PUBACK", "← device")
	if p.shows("unrecorded") {
		t.Error("the recorder goes on after it was stopped")
	}
	p.button("Stop")
	p.see("15 minutes")
	p.accessible()
	p.tab("Access")
	p.see(testEmail, "is an admin of the account of")
	p.accessible()
	p.tab("Credentials")
	p.button("Make a code")
	p.see("Works once")
	p.button("New secret")
	p.see("Make a new secret?")
	p.button("Make a new secret")
	p.see("The secret, shown only now")
	p.accessible()
	p.tab("Audit")
	p.see("changed location")

	p.button("More")
	p.button("Delete…")
	p.see("Delete this device?")
	p.allow("404")
	p.fill("Type", nasty)
	p.button("Delete")
	p.see("There is no device of this id")
	p.button("Recover it")
	p.see("Roof")
	p.narrow()
	p.fits()
	p.dark()
	p.accessible()
}

func TestBrowserCertificate(t *testing.T) {
	s, p := visit(t)
	p.open("/model/devices")
	p.button("New template")
	p.fill("Name", "Sealed")
	p.click("field", "An X.509 certificate")
	p.accessible()
	p.button("Create")
	p.see("sign-in by X.509 certificate", "No channels yet")
	p.open("/devices")
	p.button("Create device")
	p.fill("Serial number", "C-1")
	p.choose("Template", "Sealed")
	p.button("Create")
	p.see("This one has none registered yet", "--cert cert.pem --key key.pem")
	id := strings.Split(p.location(), "/")[2]

	cert, text := deviceCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(20*24*time.Hour))
	p.fill("Certificate", text+"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	p.see("It belongs to the device alone")
	p.fill("Certificate", text)
	p.gone("It belongs to the device alone")
	p.accessible()
	p.button("Register")
	fingerprint := func(c tls.Certificate) string { return fmt.Sprintf("%x", sha256.Sum256(c.Certificate[0])) }
	p.see(fingerprint(cert), "ends in 20 days")
	lost := make(chan error, 2)
	s.dial("ssl", id, "", "", func(o *mqtt.ClientOptions) {
		o.TLSConfig.Certificates = []tls.Certificate{cert}
		o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	})
	p.see("Online since")
	p.accessible()

	next, nextText := deviceCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(365*24*time.Hour))
	file := filepath.Join(t.TempDir(), "next.pem")
	if err := os.WriteFile(file, []byte(nextText), 0o600); err != nil {
		t.Fatal(err)
	}
	p.button("Replace")
	p.pick(file)
	p.button("Replace") // the form's
	p.see("Replace the certificate?")
	p.button("Replace it")
	p.see(fingerprint(next))
	select {
	case <-lost:
	case <-time.After(patience):
		t.Fatal("the connection outlives its certificate")
	}
	p.button("Revoke")
	p.button("Revoke it")
	p.see("This one has none registered yet")
	p.narrow()
	p.fits()
	p.dark()
	p.accessible()

	// The way to a first device, with a new template of the kind.
	p.open("/first-device")
	p.fill("Template", "Vault")
	p.click("field", "An X.509 certificate")
	p.button("Create it")
	p.see("register it here first")
	p.fill("Certificate", nextText)
	p.button("Register")
	p.see("Its certificate is registered", fingerprint(next))
}

func TestBrowserFirstDevice(t *testing.T) {
	s, p := visit(t)
	p.open("/first-device")
	p.see("What is it?")
	p.accessible()
	p.button("Create it, with credentials")
	p.see("Its credentials, shown only now", "Waiting for it to connect", "--cafile ca.pem")
	secret := read[string](p, `document.querySelectorAll('.credentials pre')[1].textContent`)
	id := read[string](p, `document.querySelectorAll('.credentials pre')[0].textContent`)
	p.accessible()
	device := s.must(s.token, "GET", "/api/v1/devices/"+id, nil, "device")
	c, _ := s.dial("tls", id, id, secret)
	s.done(c.Publish(fmt.Sprintf("xi/blue/v1/%s/d/%s/temperature", device["accountId"], id), 1, false, "20.25"), "publish")
	p.see("It has arrived", "20.25")
	p.tab("Node.js")
	p.see("import mqtt from 'mqtt'", secret)
	p.accessible()
	p.narrow()
	p.fits()
	p.link("Open the device")
	p.see("Online since")
}

func TestBrowserModel(t *testing.T) {
	s, p := visit(t)
	template := s.template(s.token, s.account)
	s.device(s.token, s.account, template, "first")
	p.open("/model/devices/" + template)
	p.see("1 device", "temp", "Form of a new device")
	p.accessible()
	p.button("Field")
	p.fill("Name", "floor")
	p.see("1 device") // what it would do
	p.accessible()
	p.button("Add")
	p.gone("New field")
	p.see("floor")
	p.button("Channel")
	p.fill("Name", "door")
	p.button("Add")
	p.gone("New channel")
	p.see("door")
	p.button("More")
	p.button("Delete…")
	p.see("cannot be deleted")
	p.button("I see")
	p.button("New template")
	p.fill("Name", nasty)
	p.button("Create")
	p.see("No channels yet", nasty)
	p.open("/model/end-users")
	p.see("Default End User Template")
	p.narrow()
	p.fits()
}
