package openapitest

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// A document that says something else is found out: the comparison itself must not be blind.
func TestComparisonSeesDifferences(t *testing.T) {
	doc := Document(t)
	device := `"id":"1","accountId":"1","version":"1","created":"2017-03-01T10:00:00.000Z","createdById":null,"lastModified":"2017-03-01T10:00:00.000Z","lastModifiedById":null`
	for _, tc := range []struct {
		name, method, target, body string
		status                     int
		answer                     string
		ok                         bool
	}{
		{"as described", "GET", "/api/v1/roles", "", 0, "", true},
		{"role", "GET", "/api/v1/access/roles/1", "", 200, `{"role":{` + device + `,"name":"a","description":null,"permissions":[]}}`, true},
		{"a member too few", "GET", "/api/v1/access/roles/1", "", 200, `{"role":{` + device + `,"name":"a","permissions":[]}}`, false},
		{"a member too many", "GET", "/api/v1/access/roles/1", "", 200, `{"role":{` + device + `,"name":"a","description":null,"permissions":[],"more":1}}`, false},
		{"another type", "GET", "/api/v1/access/roles/1", "", 200, `{"role":{` + device + `,"name":1,"description":null,"permissions":[]}}`, false},
		{"another status", "GET", "/api/v1/access/roles/1", "", 201, `{}`, false},
		{"another error", "GET", "/api/v1/access/roles/1", "", 404, `{"message":"no"}`, false},
		{"error", "GET", "/api/v1/access/roles/1", "", 404, `{"statusCode":404,"message":"no","requestId":"1","error":{"code":"NotFound","message":"no","details":[{"message":"no"}]}}`, true},
		{"unknown parameter", "GET", "/api/v1/access/roles/1?colour=red", "", 200, `{"role":{` + device + `,"name":"a","description":null,"permissions":[]}}`, false},
		{"unknown parameter that the test knows of", "GET", "/api/v1/access/roles/1?pretty=1", "", 200, `{"role":{` + device + `,"name":"a","description":null,"permissions":[]}}`, true},
		{"body without what is needed", "POST", "/api/v1/access/roles", `{"description":"x"}`, 200, `{"role":{` + device + `,"name":"a","description":null,"permissions":[]}}`, false},
		{"body with an object for a text", "POST", "/api/v1/access/roles", `{"name":{}}`, 200, `{"role":{` + device + `,"name":"a","description":null,"permissions":[]}}`, false},
		{"body", "POST", "/api/v1/access/roles", `{"name":"a"}`, 200, `{"role":{` + device + `,"name":"a","description":null,"permissions":[]}}`, true},
		{"body that failed", "POST", "/api/v1/access/roles", `{"name":1}`, 400, `{"statusCode":400,"message":"no","requestId":"1","error":{"code":"BadRequest","message":"no","details":[{"message":"no","field":"name"}]}}`, true},
	} {
		r := httptest.NewRequest(tc.method, tc.target, strings.NewReader(tc.body))
		if tc.status == 0 {
			if _, op, _ := described(doc, tc.method, r.URL.Path); op != nil {
				t.Errorf("%s: %s is described", tc.name, tc.target)
			}
			continue
		}
		asked, got := &bounded{}, &answered{ResponseWriter: httptest.NewRecorder(), status: tc.status}
		_, _ = asked.Write([]byte(tc.body))
		_, _ = got.body.Write([]byte(tc.answer))
		got.Header().Set("Content-Type", "application/json")
		pattern, op, params := described(doc, tc.method, r.URL.Path)
		if err := compare(doc, pattern, op, params, r, asked, got, []string{"pretty"}); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, path, param string
		ok                   bool
	}{
		{"/a/{id}", "/a/1", "1", true},
		{"/a/{id}", "/a/", "", false},
		{"/a/{id}", "/a/1/b", "", false},
		{"/a/{id}/b", "/a/1/b", "1", true},
		{"/a/{id}/b", "/a/1", "", false},
		{"/a/{topic}", "/a/x/y/z", "x/y/z", true},
		{"/a/{topic}", "/a/", "", false},
		{"/a/{topic}", "/a", "", false},
		{"/a/{topic}/latest", "/a/x/y/latest", "x/y", true},
		{"/a/{topic}/latest", "/a/latest", "", false},
		{"/a/{topic}/latest", "/a/x/y", "", false},
		{"/a/", "/a", "", false},
		{"/a/", "/a/", "", true},
	} {
		params, _, ok := match(tc.pattern, tc.path)
		got := params["id"] + params["topic"]
		if ok != tc.ok || ok && got != tc.param {
			t.Errorf("%s on %s: %v %v", tc.pattern, tc.path, ok, params)
		}
	}
}
