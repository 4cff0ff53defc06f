package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestPagesOfOtherOrigins(t *testing.T) {
	const shop = "https://shop.example.com"
	dir, _ := newData(t, testEmail)
	s := start(t, dir, "rest.origins="+shop)
	token := s.signIn(testEmail)
	for _, tc := range []struct {
		method, path, origin string
		status               int
		allowed              bool
	}{
		{"OPTIONS", "/api/v1/devices/x", shop, 204, true}, // the question a browser asks before a PUT with etag
		{"OPTIONS", "/api/v4/data/a/b", shop, 204, true},
		{"OPTIONS", "/messaging/publish/a", shop, 204, true},
		{"OPTIONS", "/api/v1/devices/x", "https://evil.example.com", 401, false},
		{"GET", "/api/v1/devices", shop, 200, true},
		{"GET", "/api/v1/nothing", shop, 404, true}, // a page may read why
		{"GET", "/api/v1/devices", shop + ".evil.example.com", 200, false},
		{"GET", "/api/v1/devices", "null", 200, false},
		{"GET", "/api/v1/devices", "", 200, false},
		{"GET", "/", shop, 200, false},
		{"GET", "/healthz", shop, 200, false},
	} {
		req, err := http.NewRequest(tc.method, s.url("https", tc.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if tc.origin != "" {
			req.Header.Set("Origin", tc.origin)
		}
		if tc.method == "OPTIONS" {
			req.Header.Set("Access-Control-Request-Method", "PUT")
			req.Header.Set("Access-Control-Request-Headers", "authorization,content-type,etag")
		} else {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		want := ""
		if tc.allowed {
			want = tc.origin
		}
		if resp.StatusCode != tc.status || h.Get("Access-Control-Allow-Origin") != want || (h.Get("Access-Control-Allow-Credentials") != "") != tc.allowed {
			t.Errorf("%s %s from %q: %d %v, want %d, allowed %v", tc.method, tc.path, tc.origin, resp.StatusCode, h, tc.status, tc.allowed)
		}
		if tc.allowed && tc.method == "OPTIONS" {
			for _, name := range []string{"etag", "authorization", "content-type", "accept", "accesstoken"} {
				if !strings.Contains(strings.ToLower(h.Get("Access-Control-Allow-Headers")), name) {
					t.Errorf("%s may not be sent: %v", name, h)
				}
			}
			if !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PUT") {
				t.Errorf("methods: %v", h)
			}
		}
		if strings.HasPrefix(tc.path, "/api/") && !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
			t.Errorf("%s %s: a cache could give the answer to others: %v", tc.method, tc.path, h)
		}
	}
}

// A named origin may call with its own token, but gets no cookie: the sign-in must stay that page's own.
func TestSignInFromAnotherOriginSetsNoCookie(t *testing.T) {
	dir, _ := newData(t, testEmail)
	s := start(t, dir, "rest.origins=https://shop.example.com")
	req, err := http.NewRequest("POST", s.url("https", "/api/v1/auth/login-user"), strings.NewReader(`{"emailAddress":"`+testEmail+`","password":"`+testPassword+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", "https://shop.example.com")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || len(resp.Cookies()) > 0 || resp.Header.Get("xively-access-token") == "" ||
		!strings.Contains(resp.Header.Get("Access-Control-Expose-Headers"), "xively-access-token") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
