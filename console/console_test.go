package console

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func get(t *testing.T, method, path, ifNoneMatch string) *httptest.ResponseRecorder {
	t.Helper()
	e := echo.New()
	if err := Routes(e.Group(""), Settings{TLSPort: 8443, Authority: true}); err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(method, path, nil)
	req.Header.Set("If-None-Match", ifNoneMatch)
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req)
	return rec
}

func TestServe(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		status       int
		contentType  string
		contains     string
	}{
		{"GET", "/", 200, "text/html", "<title>xively"},
		{"HEAD", "/", 200, "text/html", ""},
		{"GET", "/setup", 200, "text/html", "<title>xively"},
		{"GET", "/devices/0b6e", 200, "text/html", "<title>xively"},
		{"GET", "/sign-in?next=%2Foauth2%2Fauthorize", 200, "text/html", "<title>xively"},
		{"GET", "/forgot-password", 200, "text/html", "<title>xively"},
		{"GET", "/reset-password", 200, "text/html", "<title>xively"},
		{"GET", "/invitation", 200, "text/html", "<title>xively"},
		{"GET", "/security", 200, "text/html", "<title>xively"},
		{"GET", "/app.js", 200, "text/javascript", "./sign-in.js"},
		{"GET", "/api.js", 200, "text/javascript", "fetch("},
		{"GET", "/app.css", 200, "text/css", "color-scheme"},
		{"GET", "/settings.json", 200, "application/json", `"tlsPort":8443`},
		{"GET", "/nothing.js", 404, "", ""},
		{"GET", "/..%2fconsole.go", 404, "", ""},
		{"GET", "/dist/app.js", 404, "", ""},
		{"POST", "/", 405, "", ""},
	} {
		rec := get(t, tc.method, tc.path, "")
		if rec.Code != tc.status || !strings.HasPrefix(rec.Header().Get("Content-Type"), tc.contentType) {
			t.Errorf("%s %s: %d %s, want %d %s", tc.method, tc.path, rec.Code, rec.Header().Get("Content-Type"), tc.status, tc.contentType)
		}
		if !strings.Contains(rec.Body.String(), tc.contains) {
			t.Errorf("%s %s: no %q in %q", tc.method, tc.path, tc.contains, rec.Body)
		}
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	etag := get(t, "GET", "/app.js", "").Header().Get("ETag")
	if rec := get(t, "GET", "/app.js", etag); etag == "" || rec.Code != http.StatusNotModified || rec.Body.Len() > 0 {
		t.Errorf("etag %s: %d, %d bytes", etag, rec.Code, rec.Body.Len())
	}
	if rec := get(t, "GET", "/app.js", `"other"`); rec.Code != http.StatusOK {
		t.Errorf("other etag: %d", rec.Code)
	}
}

// The content policy forbids inline script and style and everything from outside: pages that need it would be blank.
func TestPagesFitTheContentPolicy(t *testing.T) {
	files, err := load()
	if err != nil {
		t.Fatal(err)
	}
	forbidden := regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son\w+="|(?:src|href)="https?:|javascript:`)
	for name, f := range files {
		if strings.HasSuffix(name, ".html") {
			if found := forbidden.FindString(string(f.content)); found != "" {
				t.Errorf("%s has %q", name, found)
			}
		}
		if strings.HasSuffix(name, ".js") && regexp.MustCompile(`innerHTML|\beval\(|new Function`).Match(f.content) {
			t.Errorf("%s makes markup or code from text", name)
		}
	}
}

// A module that is imported but not there would leave every page blank.
func TestImportedModulesAreThere(t *testing.T) {
	files, err := load()
	if err != nil {
		t.Fatal(err)
	}
	imports := regexp.MustCompile(`(?m)^import \{([^}]*)\} from '\./([^']+)';$`)
	seen := map[string]bool{"app.js": true}
	for name, f := range files {
		for _, m := range imports.FindAllStringSubmatch(string(f.content), -1) {
			seen[m[2]] = true
			for symbol := range strings.SplitSeq(m[1], ",") {
				exported := regexp.MustCompile(`(?m)^export (?:async )?(?:function|const) ` + strings.TrimSpace(symbol) + `\b`)
				if !exported.Match(files[m[2]].content) {
					t.Errorf("%s imports %s, which %s does not export", name, strings.TrimSpace(symbol), m[2])
				}
			}
		}
	}
	for name := range files {
		if strings.HasSuffix(name, ".js") && !seen[name] {
			t.Errorf("%s is imported by nothing", name)
		}
	}
}
