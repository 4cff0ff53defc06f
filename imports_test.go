package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A listed is what `go list -json` says of a package, as far as the rules need it.
type listed struct {
	ImportPath   string
	Doc          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,GoFiles,Imports,TestImports,XTestImports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// mayImport says which packages of ours each package may import. What is not listed is forbidden, for the reason
// beside the row. "internal/*" stands for internal/fault, internal/auth and internal/rest.
var mayImport = map[string]struct {
	packages string
	reason   string
}{
	"": {"*", ""},
	"broker": {"broker/packet broker/topic storage internal/auth internal/fault",
		"the broker knows MQTT and no Xively topic: it asks through the interfaces of access.go, which the root connects"},
	"blueprint":         {"storage internal/* broker/topic blueprint/search", "siblings meet in the root only, so that each can be read and tested alone"},
	"identity":          {"storage internal/* broker/topic", "siblings meet in the root only, so that each can be read and tested alone"},
	"logging":           {"storage internal/* broker/topic", "siblings meet in the root only, so that each can be read and tested alone"},
	"timeseries":        {"storage internal/* broker/topic", "siblings meet in the root only, so that each can be read and tested alone"},
	"internal/operate":  {"storage internal/*", "siblings meet in the root only: figures come through operate.Source"},
	"console":           {"internal/rest", "the console is files; what it shows comes over REST like for anybody else"},
	"internal/rest":     {"internal/fault internal/auth", "REST habits are shared by the modules and must not know any of them"},
	"internal/openapi":  {"", "the document says what the platform answers; that it is so, the tests of the root see"},
	"storage":           {"", "the engine hides behind storage and knows nothing of what it keeps"},
	"broker/packet":     {"", "the codec is pure: bytes in, packets out"},
	"blueprint/search":  {"", "the index is pure: documents in, ids out"},
	"broker/topic":      {"", "topics and their trees are pure"},
	"internal/throttle": {"internal/fault internal/rest", "counting by name is below the modules that do it"},
	"internal/fault":    {"", "the error vocabulary is below everything"},
	"internal/auth":     {"", "the caller's type is below everything"},
	"internal/dial":     {"", "opening a stream to a broker, ours or not, needs nothing of ours"},
	"internal/bench":    {"broker/packet broker internal/dial", "the load generator measures any broker: of ours it shares the codec, and its tests run it against our broker"},
	"internal/simulate": {"broker/packet internal/dial", "simulated devices are clients like any other: of ours they share the codec"},
	// Helpers for tests import their subject.
	"broker/brokertest":            {"broker broker/packet broker/topic storage storage/storagetest internal/*", "a test helper serves its subject only"},
	"internal/openapi/openapitest": {"internal/openapi", "a test helper serves its subject only"},
	"internal/rest/resttest":       {"internal/*", "a test helper serves its subject only"},
	"storage/storagetest":          {"storage", "a test helper serves its subject only"},
}

func TestImportDirection(t *testing.T) {
	const module = "xively"
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		rule, known := mayImport[name]
		if !known {
			t.Errorf("package %s is new: add a row to mayImport with what it may import, and why no more", name)
			continue
		}
		for _, imported := range p.Imports {
			short, ours := strings.CutPrefix(imported, module+"/")
			if !ours || rule.packages == "*" && !isTestHelper(short) {
				continue
			}
			if isTestHelper(short) && !isTestHelper(name) {
				t.Errorf("%s imports %s outside of its tests: test helpers stay in tests", name, short)
			} else if !allowed(rule.packages, short) {
				t.Errorf("%s imports %s: %s", name, short, rule.reason)
			}
		}
		// Tests may use helpers, and nothing else that the package itself may not.
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			short, ours := strings.CutPrefix(imported, module+"/")
			if ours && short != name && !isTestHelper(short) && !allowed(rule.packages, short) {
				t.Errorf("the tests of %s import %s: %s", name, short, rule.reason)
			}
		}
	}
}

func isTestHelper(name string) bool { return strings.HasSuffix(name, "test") }

func allowed(packages, name string) bool {
	for p := range strings.FieldsSeq(packages) {
		prefix, wildcard := strings.CutSuffix(p, "*")
		if p == name || wildcard && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func TestEveryPackageTellsItsStory(t *testing.T) {
	for _, p := range listPackages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
