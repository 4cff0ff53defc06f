package console

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func get(t *testing.T, method, path, ifNoneMatch string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	e := echo.New()
	if err := Routes(e.Group(""), func() Settings { return Settings{TLSPort: 8443, Authority: true} }); err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(method, path, nil)
	req.Header.Set("If-None-Match", ifNoneMatch)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
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
		{"GET", "/assets/index.js", 200, "text/javascript", "import"},
		{"GET", "/assets/index.css", 200, "text/css", ".card"},
		{"GET", "/settings.json", 200, "application/json", `"tlsPort":8443`},
		{"GET", "/nothing.js", 404, "", ""},
		{"GET", "/..%2fconsole.go", 404, "", ""},
		{"GET", "/dist/assets/index.js", 404, "", ""},
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
	etag := get(t, "GET", "/assets/index.js", "").Header().Get("ETag")
	if rec := get(t, "GET", "/assets/index.js", etag); etag == "" || rec.Code != http.StatusNotModified || rec.Body.Len() > 0 {
		t.Errorf("etag %s: %d, %d bytes", etag, rec.Code, rec.Body.Len())
	}
	if rec := get(t, "GET", "/assets/index.js", `"other"`); rec.Code != http.StatusOK {
		t.Errorf("other etag: %d", rec.Code)
	}
}

func TestAssetsAreSentCompressed(t *testing.T) {
	rec := get(t, "GET", "/assets/index.js", "")
	if rec.Header().Get("Content-Encoding") != "" {
		t.Errorf("compressed for who did not ask")
	}
	plain := rec.Body.String()
	rec = get(t, "GET", "/assets/index.js", "", "Accept-Encoding", "gzip, br")
	z, err := gzip.NewReader(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil || string(unpacked) != plain {
		t.Errorf("what is packed is not what is sent plain: %v", err)
	}
}

// The content policy forbids inline script and style and everything from outside: pages that need it would be blank.
func TestPagesFitTheContentPolicy(t *testing.T) {
	files, err := load()
	if err != nil {
		t.Fatal(err)
	}
	forbidden := regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son\w+="|(?:src|href)="https?:|javascript:`)
	if found := forbidden.Find(files["index.html"].content); found != nil {
		t.Errorf("index.html has %q", found)
	}
	for name, f := range files {
		if strings.HasSuffix(name, ".js") && regexp.MustCompile(`\beval\(|new Function\(`).Match(f.content) {
			t.Errorf("%s makes code from text", name)
		}
	}
}

// React makes text nodes of texts. What goes around that could make markup of what a device says.
func TestSourcesMakeNoMarkupOfText(t *testing.T) {
	forbidden := regexp.MustCompile(`dangerouslySetInnerHTML|\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write`)
	err := filepath.WalkDir("app/src", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if found := forbidden.Find(text); found != nil {
			t.Errorf("%s has %s", name, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Each page has a nonce of its own, the same in its policy and for the program, and no cache keeps it.
func TestEachPageHasItsNonce(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range []string{"/", "/", "/devices", "/index.html"} {
		rec := get(t, "GET", path, "")
		m := regexp.MustCompile(`name="style-nonce" content="([^"]+)"`).FindStringSubmatch(rec.Body.String())
		if m == nil || len(m[1]) < 22 || seen[m[1]] {
			t.Fatalf("%s: no fresh nonce: %v", path, m)
		}
		seen[m[1]] = true
		csp := rec.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "style-src 'self' 'nonce-"+m[1]+"'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'self'") {
			t.Errorf("%s: policy %s", path, csp)
		}
		if rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept", path)
		}
	}
}

// What a browser loads before it shows anything: the page, its scripts, styles and the font of Latin text.
func TestFirstLoadIsWithinItsBudget(t *testing.T) {
	const budget = 450_000
	files, err := load()
	if err != nil {
		t.Fatal(err)
	}
	size := func(name string) int {
		f, ok := files[name]
		if !ok {
			t.Fatalf("no %s", name)
		}
		if f.packed != nil {
			return len(f.packed())
		}
		return len(f.content)
	}
	total := size("index.html") + size("assets/inter-latin-wght-normal.woff2")
	for _, m := range regexp.MustCompile(`(?:src|href)="/([^"]+)"`).FindAllStringSubmatch(string(files["index.html"].content), -1) {
		total += size(m[1])
	}
	for _, page := range []string{"overview", "page", "sign-in"} {
		total += size("assets/" + page + ".js")
	}
	t.Logf("first load: %d bytes compressed, of %d", total, budget)
	if total > budget {
		t.Errorf("the first load is %d bytes compressed, over %d", total, budget)
	}
}

// A module that is imported but not there would leave every page blank.
func TestImportedModulesAreThere(t *testing.T) {
	files, err := load()
	if err != nil {
		t.Fatal(err)
	}
	imports := regexp.MustCompile(`["'` + "`" + `]\./([A-Za-z0-9_.-]+\.(?:js|css))["'` + "`" + `]`)
	for name, f := range files {
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		for _, m := range imports.FindAllStringSubmatch(string(f.content), -1) {
			if _, ok := files["assets/"+m[1]]; !ok {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
	}
}
