package search

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"  ":                                "",
		"kitchen":                           "kitchen",
		"kitch*":                            "kitch*",
		`"living room"`:                     `"living room"`,
		`"living ro"*`:                      `"living ro"*`,
		`name:"say \"hi\" \\"`:              `name:"say \"hi\" \\"`,
		"a b":                               "a b",
		"a AND b":                           "a b",
		"a OR b c":                          "a OR (b c)",
		"NOT a b":                           "NOT a b",
		"-a -tag:x":                         "NOT a NOT tag:x",
		"NOT (a OR b)":                      "NOT (a OR b)",
		"((a))":                             "a",
		"or and not":                        "or and not",
		`"OR"`:                              `"OR"`,
		"ORB ANDY NOTE":                     "ORB ANDY NOTE",
		"batteryLevel:10..20":               "batteryLevel:10..20",
		"batteryLevel:10..":                 "batteryLevel:>=10",
		"batteryLevel:..20":                 "batteryLevel:<=20",
		`name:"a b".."c d"`:                 `name:"a b".."c d"`,
		"batteryLevel:<-5":                  `batteryLevel:<"-5"`,
		"location:*":                        "location:*",
		"serialNumber:*123":                 "serialNumber:*123*",
		"serialNumber:*123*":                "serialNumber:*123*",
		"name:=Kitchen":                     "name:=Kitchen",
		"state:(a OR b)":                    "state:a OR state:b",
		"state:(a OR b) c":                  "(state:a OR state:b) c",
		"lastConnected:<2d":                 "lastConnected:<2d",
		"near:52.37,4.89,5":                 "near:52.37,4.89,5",
		"box:50.7,3.3,53.6,7.2":             "box:50.7,3.3,53.6,7.2",
		"http://example.com/a:b":            "http://example.com/a:b",
		"aa:bb:cc:dd:ee:ff":                 "aa:bb:cc:dd:ee:ff",
		"mac:aa:bb:cc:dd:ee:ff":             "mac:aa:bb:cc:dd:ee:ff",
		"10:20":                             "10:20",
		"created:2026-03-01T10:00..2026-04": "created:2026-03-01T10:00..2026-04",
		"straße:groß":                       "straße:groß",
		"*":                                 "*",
		"semi-detached":                     "semi-detached",
	} {
		q, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%s): %v", text, err)
		} else if q.String() != want {
			t.Errorf("Parse(%s) is %s, want %s", text, q, want)
		}
	}
}

func TestParseExplains(t *testing.T) {
	for text, want := range map[string]string{
		"name:":                   `At character 6: A value is expected right after "name:", such as name:text, name:>=10, name:10..20 or name:*.`,
		"name: kitchen":           `At character 6: A value is expected right after "name:"`,
		"kitchen (a OR":           "At character 14: The query ends where a word, a field or a parenthesis is expected.",
		"kitchen (a b":            "At character 9: This parenthesis is never closed.",
		"a)":                      "At character 2: This closes a parenthesis that was never opened.",
		"ü é)":                    "At character 4: This closes",
		"()":                      "At character 2: A word, a field or a parenthesis that opens is expected before this.",
		`a "bc`:                   "At character 3: This quote is never closed.",
		`name:""`:                 "At character 6: There is nothing between the quotes.",
		"a OR OR b":               "At character 6: OR needs something before it",
		"AND b":                   "At character 1: AND needs something before it",
		"NOT":                     "At character 4: The query ends where",
		">=10":                    "At character 1: A comparison needs a field before it, such as batteryLevel:>=20.",
		"*ab":                     "At character 2: A star before a word needs a field",
		"level:>*":                "At character 9: A star cannot be compared with",
		"level:>=":                "At character 9: A value is expected here",
		"name:a(b)":               "At character 7: A space is expected after the value",
		"near:52,4":               "At character 6: Expected near:latitude,longitude,kilometres",
		"near:152,4,1":            `At character 6: "152" does not fit.`,
		"near:52,4,0":             `At character 6: "0" does not fit.`,
		"near:52,4,NaN":           `At character 6: "NaN" does not fit.`,
		"box:53,1,52,2":           "At character 5: The south of the box is north of its north.",
		"level:..":                "At character 9: A range has a beginning, an end or both",
		"level:1..2..3":           "At character 11: A space is expected after the range.",
		strings.Repeat("(", 40):   "At character 33: There are more than 32 levels",
		strings.Repeat("a ", 65):  "At character 129: The query asks more than 64 things.",
		strings.Repeat("a", 5000): "At character 4097: The query is longer than 4096 bytes.",
		strings.Repeat("-", 50):   "At character 33: There are more than 32 levels",
	} {
		_, err := Parse(text)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("Parse(%.40s): %v, want a SyntaxError", text, err)
		} else if !strings.HasPrefix(e.Error(), want) {
			t.Errorf("Parse(%.40s):\n got %s\nwant %s", text, e, want)
		}
	}
}

func TestCheckFields(t *testing.T) {
	q := parsed(t, "name:a (id:x OR colour:red)")
	var e *SyntaxError
	if err := q.CheckFields(func(f string) bool { return f == "name" }); !errors.As(err, &e) || e.Offset != 16 || !strings.Contains(e.Message, `"colour"`) {
		t.Errorf("CheckFields: %v, want colour refused at 16", err)
	}
	if err := q.CheckFields(func(string) bool { return true }); err != nil {
		t.Errorf("CheckFields with all known: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`a "b c"* name:x OR NOT (y -tag:z) level:>=10 level:1..5 near:1,2,3 box:1,2,3,4`, `x:*y* z:* "\"" ..`, `a:"b".."c"`,
		"é:ü..日", "a:-1", "f:(a OR (b c*))", `f:".."..".."`, "\xff:a", "a:\x00", "NOT-a", "A:..", "a:2026-01..", "id:x*"} {
		f.Add(s)
	}
	x := fleetOf(50)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) {
				t.Fatalf("Parse(%q): %v", text, err)
			}
			return
		}
		again, err := Parse(q.String())
		if err != nil {
			if len(q.String()) > maxText || strings.Contains(err.Error(), "levels") {
				return // what is written out may be longer
			}
			t.Fatalf("Parse(%q) is written as %q, which is refused: %v", text, q, err)
		}
		if again.String() != q.String() {
			t.Fatalf("Parse(%q) is written as %q, which is read as %q", text, q, again)
		}
		r := Request{Kind: "device", Query: q, Limit: 100, Now: testNow}
		first, _ := x.Search(r)
		r.Query = again
		if second, _ := x.Search(r); second.Total != first.Total {
			t.Fatalf("Parse(%q) finds %d and, written as %q, %d", text, first.Total, q, second.Total)
		}
		x.Suggest(r, text, len(text)/2)
	})
}
