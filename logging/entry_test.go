package logging

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var payloadCases = []struct {
	name    string
	payload string
	want    Entry
}{
	{"all members", `{"sourceId":"forged","sourceType":"deviceId","accountId":"forged","message":"Fan overheated","code":400,
		"details":"over 150 F","severity":"error","tags":["malfunction"],"sourceTimestamp":"1461234567890"}`,
		Entry{Message: "Fan overheated", Code: "400", Details: "over 150 F", Severity: Error, Tags: []string{"malfunction"}, SourceTimestamp: 1461234567890}},
	{"numbers and text the other way", `{"message":"m","code":"E7","sourceTimestamp":1461234567890.7}`,
		Entry{Message: "m", Code: "E7", Severity: Informational, SourceTimestamp: 1461234567890}},
	{"ISO timestamp", `{"message":"m","sourceTimestamp":"2016-04-21T10:29:27.890Z"}`,
		Entry{Message: "m", Severity: Informational, SourceTimestamp: 1461234567890}},
	{"severity info", `{"message":"m","severity":"info"}`, Entry{Message: "m", Severity: Informational}},
	{"severity warn, capitals", `{"message":"m","severity":"WARN"}`, Entry{Message: "m", Severity: Warning}},
	{"severity lifecycle", `{"message":"m","severity":"lifecycle"}`, Entry{Message: "m", Severity: Lifecycle}},
	{"severity unknown", `{"message":"m","severity":"dreadful"}`, Entry{Message: "m", Severity: Informational}},
	{"custom", `{"message":"m","custom":{"big":12345678901234567890,"deep":{"x":[1]}}}`,
		Entry{Message: "m", Severity: Informational, Custom: map[string]any{"big": json.Number("12345678901234567890"), "deep": map[string]any{"x": []any{json.Number("1")}}}}},
	{"custom that is no object", `{"message":"m","custom":[1]}`,
		Entry{Message: "m", Severity: Informational, Custom: map[string]any{"value": []any{json.Number("1")}}}},
	{"members of other types", `{"message":{"a":1},"details":[2],"tags":"one","code":true,"severity":5,"sourceTimestamp":{}}`,
		Entry{Message: `{"a":1}`, Details: "[2]", Tags: []string{"one"}, Code: "true", Severity: Informational}},
	{"object without message", `{"status":"ok"}`, Entry{Message: `{"status":"ok"}`, Severity: Informational}},
	{"word", "malfunction", Entry{Message: "malfunction", Severity: Informational}},
	{"JSON string", `"x"`, Entry{Message: `"x"`, Severity: Informational}},
	{"JSON array", `[1,2]`, Entry{Message: `[1,2]`, Severity: Informational}},
	{"null", `null`, Entry{Message: `null`, Severity: Informational}},
	{"object and more", `{"message":"m"} x`, Entry{Message: `{"message":"m"} x`, Severity: Informational}},
	{"empty", "", Entry{Severity: Informational}},
	{"not UTF-8", "a\xffb", Entry{Message: "a�b", Severity: Informational}},
}

func TestParsePayload(t *testing.T) {
	for _, c := range payloadCases {
		t.Run(c.name, func(t *testing.T) {
			got := parsePayload([]byte(c.payload))
			if got.customJSON != "" {
				got.Custom, _ = decodeObject([]byte(got.customJSON))
				got.customJSON = ""
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("parsePayload(%s)\n got %+v\nwant %+v", c.payload, got, c.want)
			}
		})
	}
}

// FuzzQuickPayload: the quick way and the careful one read the same.
func FuzzQuickPayload(f *testing.F) {
	for _, c := range payloadCases {
		f.Add([]byte(c.payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		quick, ok := quickPayload(payload)
		if !ok {
			return
		}
		if quick.customJSON != "" {
			custom, err := decodeObject([]byte(quick.customJSON))
			if err != nil {
				t.Fatalf("%s: %v", payload, err)
			}
			quick.Custom, quick.customJSON = custom, ""
		}
		careful := carefulPayload(payload)
		if len(careful.Custom) == 0 {
			careful.Custom = nil
		}
		if !reflect.DeepEqual(quick, careful) {
			t.Errorf("%s\n quickly %+v\ncarefully %+v", payload, quick, careful)
		}
	})
}

func FuzzParsePayload(f *testing.F) {
	for _, c := range payloadCases {
		f.Add([]byte(c.payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		e := parsePayload(payload)
		e.normalize(time.UnixMilli(1_700_000_000_000))
		for what, s := range map[string]struct {
			text  string
			limit int
		}{"message": {e.Message, maxMessage}, "details": {e.Details, maxDetails}, "code": {e.Code, maxCode}} {
			if len(s.text) > s.limit || !utf8.ValidString(s.text) {
				t.Errorf("%s of %d bytes, valid %v", what, len(s.text), utf8.ValidString(s.text))
			}
		}
		if _, known := severityOf(e.Severity); !known || !validTime(e.SourceTimestamp) || e.AccountID != "" || e.SourceID != "" {
			t.Errorf("parsePayload(%q) = %+v", payload, e)
		}
		l := lineOf(&e)
		back, err := parseRecord(l.appendRecord(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, l) {
			t.Errorf("stored %+v\ncomes back as %+v", l, back)
		}
	})
}

func TestNormalizeBounds(t *testing.T) {
	long := strings.Repeat("é", 20_000)
	e := Entry{
		SourceID: "a\x00b", Message: long, Details: long, Code: long, Tags: make([]string, 100),
		Custom: map[string]any{"x": long}, SourceTimestamp: 1 << 60,
	}
	e.normalize(time.UnixMilli(5000))
	if n := len(lineOf(&e).appendRecord(nil)); n > 30_000 {
		t.Errorf("an entry of %d bytes", n)
	}
	if e.SourceTimestamp != 5000 || len(e.Tags) != maxTags || !utf8.ValidString(e.Message) {
		t.Errorf("normalized to time %d, %d tags, source %q", e.SourceTimestamp, len(e.Tags), e.SourceID)
	}
	if !strings.Contains(e.customJSON, "40008 bytes") {
		t.Errorf("large custom members became %v", e.customJSON)
	}
}
