package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"xively/internal/openapi/openapitest"
)

// Every route is in the document, and nothing else is.
func TestDocumentHasEveryRoute(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir)
	router, err := newRouter(s.platform)
	if err != nil {
		t.Fatal(err)
	}
	doc := openapitest.Document(t)
	inDocument := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		if before, _, ok := strings.Cut(path, "{topic}"); ok {
			path = before + "*"
		}
		path = strings.NewReplacer("{", ":", "}", "").Replace(path)
		for method := range item.Operations() {
			inDocument[method+" "+path] = true
		}
	}
	inRouter := map[string]bool{}
	for _, r := range router.Routes() {
		if r.Method == echo.RouteNotFound || undescribed[r.Path] || r.Path == webSocketPath && r.Method != http.MethodGet {
			continue
		}
		route := r.Method + " " + r.Path
		inRouter[route] = true
		if !inDocument[route] {
			t.Errorf("%s is not in the document", route)
		}
	}
	for route := range inDocument {
		if !inRouter[route] {
			t.Errorf("%s is in the document and not in the router", route)
		}
	}
	if len(inRouter) < 150 {
		t.Errorf("only %d routes were looked at", len(inRouter))
	}
}

// undescribed are files of pages, and paths that answer 404 to all.
var undescribed = map[string]bool{"/*": true, "/api/*": true, "/messaging/*": true, "/docs/docs.css": true, "/docs/docs.js": true}

// The rows of this test are the operations of the document, with what they need filled in. Without a token nobody gets in,
// and an object of another account, in the path, the query or the body, is answered exactly as one that does not exist.
func TestEveryRouteIsIsolated(t *testing.T) {
	dir, accounts := newData(t, testEmail, "eve@example.com")
	s := start(t, dir)
	ann, eve := s.signIn(testEmail), s.signIn("eve@example.com")
	theirs := s.oneOfEach(ann, accounts[0].AccountID)
	doc := openapitest.Document(t)
	tried := map[string]int{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		for method, op := range doc.Paths.Value(path).Operations() {
			if forAnyone(op) {
				continue
			}
			unknown := filled(path, op, uuid.NewString(), "")
			if status, answer := s.try("", method, unknown); status != http.StatusUnauthorized {
				t.Errorf("%s %s without a token: %d %s", method, path, status, answer)
			}
			tried["without token"]++
			if strings.Contains(path, "{topic}") || onlyApplications(op) {
				continue
			}
			compared := func(of, id string, unknown, with filling) {
				wantStatus, want := s.try(eve, method, unknown)
				status, answer := s.try(eve, method, with)
				if status != wantStatus || strings.ReplaceAll(answer, id, "") != strings.ReplaceAll(want, unknown.id, "") {
					t.Errorf("%s %s with the %s of another account: %d %s\nwith an unknown id: %d %s", method, path, of, status, answer, wantStatus, want)
				}
				if status < 400 && (strings.Contains(path, "{") || method == http.MethodPost) {
					t.Errorf("%s %s with the %s of another account: %d %s", method, path, of, status, answer)
				}
				tried["foreign ids"]++
			}
			if unknown.ids > 0 {
				for kind, id := range theirs {
					if len(id) != len(unknown.id) && !strings.Contains(path, "{") {
						continue // its form tells that no object has it
					}
					compared(kind, id, unknown, filled(path, op, id, ""))
				}
			}
			if foreign := filled(path, op, unknown.id, accounts[0].AccountID); foreign.accounts > 0 && (method == http.MethodGet || method == http.MethodPost) {
				compared("id", accounts[0].AccountID, filled(path, op, unknown.id, unknown.id), foreign)
			}
		}
	}
	// What was tried to be changed and deleted is as it was.
	for kind, id := range theirs {
		if path := nounPaths[kind]; path != "" {
			if status, answer := s.call(ann, "GET", path+"/"+id, nil); status != http.StatusOK {
				t.Errorf("the %s %s is gone: %d %v", kind, id, status, answer)
			}
		}
	}
	t.Logf("%v", tried)
	if tried["without token"] < 120 || tried["foreign ids"] < 500 {
		t.Errorf("too little was tried: %v", tried)
	}
}

// Topics name their account; a foreign one is refused or has no data, whatever is in it.
func TestTopicsOfOthersAreIsolated(t *testing.T) {
	dir, accounts := newData(t, testEmail, "eve@example.com")
	s := start(t, dir)
	ann, eve := s.signIn(testEmail), s.signIn("eve@example.com")
	d := s.device(ann, accounts[0].AccountID, s.template(ann, accounts[0].AccountID), "T-1")
	unknown := testDevice{accounts[0].AccountID, uuid.NewString(), ""}
	for _, path := range []string{"/api/v4/data/{topic}", "/api/v4/data/{topic}/latest", "/messaging/publish/{topic}"} {
		for method := range openapitest.Document(t).Paths.Value(path).Operations() {
			at := func(d testDevice) string { return strings.ReplaceAll(path, "{topic}", d.topic("temp")) }
			status, answer := s.try(eve, method, filling{path: at(d)})
			wantStatus, want := s.try(eve, method, filling{path: at(unknown)})
			if status < 400 || status != wantStatus || strings.ReplaceAll(answer, d.id, "") != strings.ReplaceAll(want, unknown.id, "") {
				t.Errorf("%s %s: %d %s, of an unknown device %d %s", method, path, status, answer, wantStatus, want)
			}
		}
	}
}

var nounPaths = map[string]string{
	"organization": "/api/v1/organizations", "device": "/api/v1/devices", "deviceTemplate": "/api/v1/devices/templates",
	"channelTemplate": "/api/v1/channels/templates", "endUser": "/api/v1/end-users", "accountUser": "/api/v1/account-users",
	"deviceField": "/api/v1/devices/custom-fields", "mqttCredential": "/api/v1/access/mqtt-credentials",
	"role": "/api/v1/access/roles", "grant": "/api/v1/access/grants", "savedSearch": "/api/v1/searches",
	"application": "/api/v1/applications", "mqttClient": "/api/v1/messaging/clients",
}

// oneOfEach makes an object of many kinds in an account and returns their ids.
func (s *testServer) oneOfEach(token, account string) map[string]string {
	s.t.Helper()
	ids := map[string]string{"account": account}
	make := func(kind string, body object) string {
		ids[kind] = cell(s.must(token, "POST", nounPaths[kind], body, kind)["id"])
		return ids[kind]
	}
	first := func(path, key string) string {
		return cell(objects(s.must(token, "GET", path, nil, key)["results"])[0]["id"])
	}
	ids["organizationTemplate"] = first("/api/v1/organizations/templates", "organizationTemplates")
	ids["endUserTemplate"] = first("/api/v1/end-users/templates", "endUserTemplates")
	organization := make("organization", object{"name": "Home", "organizationTemplateId": ids["organizationTemplate"]})
	template := make("deviceTemplate", object{"name": "Sensor"})
	make("channelTemplate", object{"entityId": template, "entityType": "deviceTemplate", "name": "temp", "persistenceType": "timeSeries"})
	make("deviceField", object{"deviceTemplateId": template, "name": "color", "fieldType": "string"})
	device := make("device", object{"deviceTemplateId": template, "serialNumber": "S-1", "organizationId": organization, "color": "red"})
	user := make("endUser", object{"name": "Bob", "endUserTemplateId": ids["endUserTemplate"], "organizationId": organization})
	make("mqttCredential", object{"entityId": device, "entityType": "device"})
	make("grant", object{"subjectType": "endUser", "subjectId": user, "objectType": "device", "objectId": device, "role": "viewer"})
	make("role", object{"name": "Mechanic", "permissions": []string{"devices:read"}})
	make("savedSearch", object{"name": "Red", "kind": "device", "query": "color:red"})
	make("application", object{"name": "App", "type": "backEnd"})
	me := objects(s.must(token, "GET", "/api/v1/account-users", nil, "accountUsers")["results"])[0]
	ids["accountUser"], ids["user"] = cell(me["id"]), cell(me["userId"])
	ids["session"] = first("/api/v1/sessions", "sessions")
	s.dial("tls", "isolated", tokenUser, token)
	ids["mqttClient"] = first("/api/v1/messaging/clients", "clients")
	ids["auditEntry"] = first("/api/v1/audit", "audit")
	return ids
}

// try sends a request and returns the answer without what differs each time.
func (s *testServer) try(token, method string, with filling) (int, string) {
	s.t.Helper()
	text, err := json.Marshal(with.body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequest(method, s.url("https", with.path), bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	var body map[string]any
	if json.Unmarshal(text, &body) != nil {
		return resp.StatusCode, string(text)
	}
	delete(body, "requestId")
	text, _ = json.Marshal(body)
	return resp.StatusCode, string(text)
}

func forAnyone(op *openapi3.Operation) bool {
	return op.Security != nil && slices.ContainsFunc(*op.Security, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 })
}

func onlyApplications(op *openapi3.Operation) bool {
	return len(*op.Security) == 1 && (*op.Security)[0]["application"] != nil
}

// A filling is a request made from the document.
type filling struct {
	path          string
	body          object
	id            string
	ids, accounts int // how often they stand in it
}

// filled makes a request of an operation with id wherever the id of an object can stand, account where that of an account
// can, unless it is "", and whatever else must be there.
func filled(path string, op *openapi3.Operation, id, account string) filling {
	f := filling{path: path, body: object{}, id: id}
	for {
		before, rest, found := strings.Cut(f.path, "{")
		if !found {
			break
		}
		_, after, _ := strings.Cut(rest, "}")
		f.path = before + id + after
		f.ids++
	}
	query := url.Values{}
	for _, p := range op.Parameters {
		if v, ok := f.value(p.Value.Name, p.Value.Schema.Value, p.Value.Required, account); ok && p.Value.In == "query" {
			query.Set(p.Value.Name, fmt.Sprint(v))
		}
	}
	if len(query) > 0 {
		f.path += "?" + query.Encode()
	}
	if op.RequestBody != nil && op.RequestBody.Value.Content["application/x-www-form-urlencoded"] != nil { // and JSON
		s := op.RequestBody.Value.Content["application/json"].Schema.Value
		for name, p := range s.Properties {
			if v, ok := f.value(name, p.Value, slices.Contains(s.Required, name), account); ok {
				f.body[name] = v
			}
		}
	}
	return f
}

func (f *filling) value(name string, s *openapi3.Schema, required bool, account string) (any, bool) {
	switch {
	case name == "accountId" && account != "":
		f.accounts++
		return account, true
	case name == "accountId":
		return nil, false
	case s.Format == "uuid":
		f.ids++
		return f.id, true
	case !required:
		return nil, false
	case len(s.Enum) > 0:
		return s.Enum[0], true
	case s.Type.Is("boolean"):
		return true, true
	case s.Type.Is("array"):
		return []any{}, true
	case s.Type.Is("object"):
		return object{}, true
	}
	return "x", true
}
