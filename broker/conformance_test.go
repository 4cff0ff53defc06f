package broker

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Numbered statements of MQTT 3.1.1.
const normativeStatements = 141

// What stands for a file and its functions where there are none.
const (
	theClient = "the client"      // the statement binds a client alone
	nothing   = "nothing to keep" // it is about what this server does not do
)

var (
	statement = regexp.MustCompile(`\bMQTT-\d[\d.-]*\d`)
	tableRow  = regexp.MustCompile(`(?m)^\| (MQTT-[\d.-]+) \| (.+?) \| (.*?) \| (.*?) \|$`)
	declared  = regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?(\w+)|^type (\w+)`)
)

// sources returns the Go files of the broker and its packages: path below broker to text.
func sources(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, dir := range []string{".", "packet", "topic"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.ToSlash(f)] = string(b)
		}
	}
	return all
}

// declarations returns the names of functions, methods and types that text declares.
func declarations(text string) map[string]bool {
	if names := known[text]; names != nil {
		return names
	}
	names := map[string]bool{}
	for _, m := range declared.FindAllStringSubmatch(text, -1) {
		names[m[1]+m[2]] = true
	}
	known[text] = names
	return names
}

var known = map[string]map[string]bool{} // text to its declarations: every row of the list asks for some

// CONFORMANCE.md tells the truth: it lists every statement once, every statement that code or tests cite is in it, and
// what it names exists. A statement that binds a server names its code and a test that shows it.
func TestConformance(t *testing.T) {
	doc, err := os.ReadFile("CONFORMANCE.md")
	if err != nil {
		t.Fatal(err)
	}
	files := sources(t)
	listed := map[string]bool{}
	for _, row := range tableRow.FindAllStringSubmatch(string(doc), -1) {
		id, kept, shown := row[1], row[3], row[4]
		if listed[id] {
			t.Errorf("%s is listed twice", id)
		}
		listed[id] = true
		if !slices.Contains(strings.Split(kept, "; "), theClient) && kept != nothing && (kept == "" || shown == "" || shown == "–") {
			t.Errorf("%s binds a server: name what keeps it and the test that shows it", id)
		}
		checkKept(t, id, kept, files)
		checkShown(t, id, shown, files)
	}
	if len(listed) != normativeStatements {
		t.Errorf("%d statements are listed, want %d", len(listed), normativeStatements)
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		for _, id := range statement.FindAllString(files[file], -1) {
			if !listed[id] {
				t.Errorf("%s cites %s, which MQTT 3.1.1 does not have", file, id)
			}
		}
	}
}

// checkKept looks up "file.go: Func, Func; file.go: Func".
func checkKept(t *testing.T, id, cell string, files map[string]string) {
	for part := range strings.SplitSeq(cell, "; ") {
		if part == "" || part == theClient || part == nothing {
			continue
		}
		file, names, ok := strings.Cut(part, ": ")
		text, exists := files[file]
		if !ok || !exists {
			t.Errorf("%s is kept in %q: no such file", id, part)
			continue
		}
		has := declarations(text)
		for name := range strings.SplitSeq(names, ", ") {
			if !has[name] {
				t.Errorf("%s is kept in %s: %s, which is not there", id, file, name)
			}
		}
	}
}

// checkShown looks up "package Test, Test; Test": a test without a package is one of broker.
func checkShown(t *testing.T, id, cell string, files map[string]string) {
	for part := range strings.SplitSeq(cell, "; ") {
		if part == "" || part == "–" {
			continue
		}
		dir, names, ok := strings.Cut(part, " ")
		if strings.HasPrefix(part, "Test") || !ok {
			dir, names = ".", part
		}
		has := map[string]bool{}
		for file, text := range files {
			if strings.HasSuffix(file, "_test.go") && filepath.Dir(file) == dir {
				maps.Copy(has, declarations(text))
			}
		}
		for name := range strings.SplitSeq(names, ", ") {
			if !has[name] {
				t.Errorf("%s is shown by %s %s, which is not there", id, dir, name)
			}
		}
	}
}
