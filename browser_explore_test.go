package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// hostile is what a device may call itself; harness and content policy would tell if it were taken for markup.
const hostile = `<img src=x onerror=alert(1)>"'{{7*7}}`

// An explored server has two devices with points, messages and log entries of theirs.
type explored struct {
	visited
	group      string
	shed, barn testDevice
}

func startExplored(t *testing.T) (explored, *page) {
	t.Helper()
	s, p := visit(t)
	x := explored{visited: s}
	template := s.template(x.token, x.account)
	templates := s.must(x.token, "GET", "/api/v1/organizations/templates", nil, "organizationTemplates")
	group := s.must(x.token, "POST", "/api/v1/organizations", object{"accountId": x.account, "name": "Farm " + hostile, "organizationTemplateId": objects(templates["results"])[0]["id"]}, "organization")
	x.group = cell(group["id"])
	x.shed, x.barn = s.device(x.token, x.account, template, "S-1"), s.device(x.token, x.account, template, "S-2")
	for d, name := range map[testDevice]string{x.shed: "Shed " + hostile, x.barn: "Barn"} {
		s.must(x.token, "PUT", "/api/v1/devices/"+d.id, object{"name": name, "organizationId": x.group, "latitude": 52.37, "longitude": 4.89}, "device")
	}
	return x, p
}

func (x explored) connect(d testDevice) func(topic string, retained bool, payload string) {
	x.t.Helper()
	c, _ := x.dial("tcp", d.id, d.id, d.secret)
	return func(topic string, retained bool, payload string) {
		x.t.Helper()
		x.done(c.Publish(topic, 1, retained, payload), "publish "+topic)
	}
}

func TestBrowserLogs(t *testing.T) {
	x, p := startExplored(t)
	p.open("/logs?q=device:nobody")
	p.see("No entries")
	p.accessible()

	publish := x.connect(x.shed)
	for i := range 30 {
		publish(x.shed.topic("_log"), false, fmt.Sprintf(`{"message":"fan %d of %s overheated","severity":"error","code":"E%d"}`, i, strings.ReplaceAll(hostile, `"`, `\"`), i%3))
	}
	publish(x.shed.topic("_log"), false, `{"message":"all is well","severity":"notice"}`)
	publish(x.barn.topic("temp"), false, "1") // not its own: refused, and told
	p.open("/logs")
	p.see("fan 29 of "+hostile+" overheated", "all is well", "Shed "+hostile, "error")
	p.accessible()

	p.button("error30") // the chip
	p.gone("all is well")
	p.key("j")
	p.key(kb.Enter)
	p.see("Log entry", "Source type", "E2", "As JSON")
	p.accessible()
	p.button("Filter out Code E2")
	p.until("the address has the term", func() bool { return strings.Contains(p.location(), "-code%3AE2") })
	p.gone("fan 29 of")
	p.see("fan 28 of", "20 entries")

	p.fill("Query", "severity>=")
	p.key(kb.Enter)
	p.allow("400 (Bad Request)")
	p.see("This query cannot be read")

	p.open("/logs?q=overheated&live=1")
	p.see("fan 29 of", "Live")
	publish(x.shed.topic("_log"), false, `{"message":"pump overheated, too","severity":"critical"}`)
	p.see("pump overheated, too")
	p.button("Pause")
	publish(x.shed.topic("_log"), false, `{"message":"boiler overheated at last","severity":"critical"}`)
	p.see("1 new")
	if p.shows("boiler") {
		t.Error("a paused page goes on")
	}
	p.button("Go on")
	p.see("boiler overheated at last")

	// What came while the connection was away is not missing, and not there twice.
	g := p.gateTo(x.listeners.local.Addr().String())
	p.signIn(testEmail)
	p.open("/logs?q=overheated&live=1")
	p.see("boiler overheated at last", "Live")
	publish(x.shed.topic("_log"), false, `{"message":"lid overheated before","severity":"critical"}`)
	p.see("lid overheated before")
	p.allow("ERR_")
	g.set(true)
	p.see("Connecting…")
	publish(x.shed.topic("_log"), false, `{"message":"oven overheated meanwhile","severity":"critical"}`)
	g.set(false)
	p.see("oven overheated meanwhile")
	publish(x.shed.topic("_log"), false, `{"message":"kiln overheated afterwards","severity":"critical"}`)
	p.see("kiln overheated afterwards")
	for _, text := range []string{"lid overheated before", "oven overheated meanwhile"} {
		if rows := read[int](p, `[...document.querySelectorAll('.log-row')].filter((r) => r.textContent.includes(`+quoteJS(text)+`)).length`); rows != 1 {
			t.Errorf("%d rows for %q", rows, text)
		}
	}

	folder := p.downloads()
	p.open("/logs?q=overheated")
	p.see("boiler overheated at last")
	p.link("Export")
	file := p.downloaded(folder, "logs.ndjson")
	lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	if len(lines) != 35 || !strings.Contains(file, "boiler overheated at last") || strings.Contains(file, "all is well") {
		t.Errorf("%d lines in the export: %.600s", len(lines), file)
	}
	for _, line := range lines {
		if entry := decode(t, line); entry["severity"] == nil || !strings.Contains(cell(entry["message"]), "overheated") {
			t.Errorf("exported: %s", line)
		}
	}

	p.open("/logs?q=tag:refused")
	p.see("Device: publish")
	p.key("j")
	p.key(kb.Enter)
	p.link("Why was it refused?")
	p.see("Denied", "uses its own channels only")
	p.narrow()
	p.dark()
	p.open("/logs")
	p.see("all is well")
	p.fits()
	p.accessible()
}

func TestBrowserData(t *testing.T) {
	x, p := startExplored(t)
	p.open("/data")
	p.see("Choose what to look at")
	now := time.Now().Add(-time.Hour).UnixMilli()
	for n, d := range []testDevice{x.shed, x.barn} {
		var lines strings.Builder
		for i := range 300 {
			fmt.Fprintf(&lines, "%d,,%d,\n", now+int64(i)*10_000, i+1000*n)
		}
		x.connect(d)(d.topic("temp"), false, lines.String())
	}
	p.fill("Find devices", "shed")
	p.see("S-1")
	p.gone("S-2")
	p.click("field", "temp")
	p.see("temp Shed "+hostile, "points, one for 5m")
	p.fill("Find devices", "barn")
	p.see("S-2")
	p.click("field", "temp")
	p.see("temp Barn", "One chart")
	p.accessible()
	p.open(p.location() + "&every=1h&fn=count&view=table") // the address is the view
	p.see("Table", "temp, Barn", "temp, Shed")
	p.accessible()
	p.dark()
	p.open(strings.Replace(p.location(), "view=table", "split=series&band=1", 1))
	p.see("One each", "temp, Barn")
	p.accessible()
	p.button("Remove temp, Barn")
	p.gone("temp Barn")

	// Texts have no line: a strip and a table show them, on the device's page, too.
	x.connect(x.barn)(x.barn.topic("temp"), false, fmt.Sprintf("%d,door,,open\n%d,door,,shut %s\n", now, now+60_000, strings.ReplaceAll(hostile, `"`, "'")))
	const door = "temp · door, Barn"
	p.open("/data" + query("s", x.barn.id+":temp"))
	p.see(door, "2 texts as they came", "Until the next", "1 min", "open", "shut <img src=x")
	p.accessible()
	p.open(p.location() + "&view=table")
	p.see("Table", door, "shut <img src=x")
	p.open("/devices/" + x.barn.id + "/data")
	p.see(door, "2 texts as they came", "shut <img src=x")
	p.narrow()
	p.fits()
}

func TestBrowserMQTT(t *testing.T) {
	x, p := startExplored(t)
	publish := x.connect(x.shed)
	p.open("/messages")
	p.see("Connected", "Waiting for messages")
	p.accessible()
	publish(x.shed.topic("control"), false, `{"state":"`+strings.ReplaceAll(hostile, `"`, `\"`)+`"}`)
	p.see("/control", `"state"`)
	p.click("text", "Publish")
	p.fill("Topic", "shop/door")
	p.fill("Payload", "open")
	p.click("field", "Retain")
	p.click("button", "Publish")
	p.see("Published.", "shop/door")
	p.button("shop/door")
	p.click("text", "Message")
	p.see("retained")
	p.button("Clear retained")
	p.button("Clear it")
	p.see("The retained message is gone.")
	p.fill("Topic filter", "a/#/b")
	p.see("# stands for all levels below")
	p.fill("Topic filter", "a/+/b")
	p.button("Subscribe")
	p.see("a/+/b")
	p.button("Unsubscribe from #")
	p.gone("Unsubscribe from #")

	p.click("text", "Clients")
	p.see(x.shed.id, "Shed "+hostile)
	p.accessible()
	p.allow("404 (Not Found)") // the drawer may ask once more for the client that is gone
	p.click("row", x.shed.id)
	p.see("MQTT client", "clean: it ends with the connection")
	p.button("Disconnect")
	p.button("Disconnect") // the dialog's
	p.see("Disconnected.")
	p.narrow()
	p.dark()
	p.open("/messages")
	p.see("Connected")
	p.fits()
	p.accessible()
}

func TestBrowserMap(t *testing.T) {
	x, p := startExplored(t)
	p.open("/map")
	p.see("2 devices", "In view", "Shed "+hostile, "0 online", "2 offline")
	p.accessible()
	p.click("button", "Barn")
	p.see("52.3700, 4.8900")
	p.open("/map?q=barn")
	p.see("1 device")
	p.gone("Shed")
	x.must(x.token, "PUT", "/api/v1/devices/"+x.barn.id, object{"latitude": nil, "longitude": nil}, "device")
	p.open("/map?q=barn")
	p.see("None of these has a place")
	p.narrow()
	p.dark()
	p.open("/map")
	p.see("1 device, 1 without a place")
	p.fits()
	p.accessible()
}

func TestBrowserAccess(t *testing.T) {
	x, p := startExplored(t)
	p.open("/access")
	p.see("For example")
	p.accessible()
	p.link("May I delete")
	p.see("Allowed", "is an admin of the account of")
	p.open("/access" + query("principal", x.shed.id, "action", "subscribe", "object", x.barn.topic("temp")))
	p.see("Denied", "Missing", "uses its own channels only")
	p.accessible()
	p.fill("May", "barn")
	p.button("Barn")
	p.see("Allowed", "the topic is the device's own")
	p.narrow()
	p.dark()
	p.open(p.location())
	p.see("Allowed")
	p.fits()
	p.accessible()
}

func TestBrowserGroups(t *testing.T) {
	x, p := startExplored(t)
	p.open("/groups")
	p.see("Choose a group", "Farm "+hostile)
	p.accessible()
	p.button("Farm")
	p.see("Shed "+hostile, "Barn", "S-2")
	p.accessible()
	p.button("Group in it")
	p.fill("Name", "Stable")
	p.button("Create")
	p.see("No device is in this group", "Stable")
	p.button("More")
	p.button("Move to…")
	p.see("All that is in it comes along")
	p.fill("Into", "")
	p.key(kb.Escape)
	p.key(kb.Escape)
	p.gone("All that is in it comes along")

	p.tab("Access")
	p.see("Nothing is granted here")
	p.accessible()
	p.button("Grant access")
	p.fill("Who", "farm")
	p.button("Farm")
	p.button("Grant")
	p.see("viewer", "never")

	// More groups than are read at once: the page tells, shows more, and finds.
	template := objects(x.must(x.token, "GET", "/api/v1/organizations/templates", nil, "organizationTemplates")["results"])[0]["id"]
	for i := range 230 {
		x.must(x.token, "POST", "/api/v1/organizations", object{"accountId": x.account, "name": fmt.Sprintf("Row %03d", i), "organizationTemplateId": template}, "organization")
	}
	p.open("/groups")
	p.see("200 of 232", "Row 197") // with the farm, and the one that is there from the start
	if p.shows("Row 229") {
		t.Error("all groups are shown at once")
	}
	p.accessible()
	p.button("Show 32 more")
	p.see("Row 229")
	p.gone("200 of 232")
	p.fill("Find groups", "stab")
	p.see("1 found.", "in Farm "+hostile)
	p.gone("Row 001")
	p.button("Stable")
	p.see("No device is in this group")
	p.fill("Find groups", "row")
	p.see("The first 50 of 230")
	p.accessible()
	p.button("Clear the search")
	p.see("Row 001")

	p.open("/groups/" + x.group)
	p.button("More")
	p.button("Delete…")
	p.fill("Type", "Farm "+hostile)
	p.allow("409 (Conflict)")
	p.button("Delete")
	p.see("is not empty: in it are 1 group (Stable) and 2 devices")
	x.must(x.token, "POST", "/api/v1/searches", object{"accountId": x.account, "name": "Barns", "kind": "device", "query": "barn"}, "savedSearch")
	p.open("/groups")
	p.button("Barns")
	p.see("dynamic", "S-2")
	p.gone("S-1")
	p.narrow()
	p.dark()
	p.open(p.location())
	p.see("dynamic", "Barn")
	p.fits()
	p.accessible()
}
