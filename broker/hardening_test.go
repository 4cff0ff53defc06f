package broker

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// HARDENING.md names no test that is not there.
func TestHardening(t *testing.T) {
	doc, err := os.ReadFile("HARDENING.md")
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]map[string]bool{}
	for name, dir := range map[string]string{"main": "..", "broker": ".", "storage": "../storage", "packet": "packet", "topic": "topic"} {
		has[name] = map[string]bool{}
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
				has[name][m[1]] = true
			}
		}
	}
	word := regexp.MustCompile(`\b(main|broker|storage|packet|topic) (?:Test|Fuzz)|\b((?:Test|Fuzz)[A-Z]\w*)`)
	for line := range strings.Lines(string(doc)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		for cell := range strings.SplitSeq(line, "|") {
			pkg := "main"
			for _, m := range word.FindAllStringSubmatchIndex(cell, -1) {
				if m[2] >= 0 {
					pkg = cell[m[2]:m[3]]
					rest := cell[m[3]+1:]
					if name := regexp.MustCompile(`^\w+`).FindString(rest); !has[pkg][name] {
						t.Errorf("%s: there is no %s in %s", strings.Fields(line)[1], name, pkg)
					}
				} else if name := cell[m[4]:m[5]]; !has[pkg][name] {
					t.Errorf("%s: there is no %s in %s", strings.Fields(line)[1], name, pkg)
				}
			}
		}
	}
}
