package logging

import (
	"errors"
	"strings"
	"testing"
	"time"

	"xively/internal/fault"
)

var textNow = time.Date(2016, 4, 21, 12, 0, 0, 0, time.UTC)

func resolveName(name string) []string {
	if name == "AP-000001" {
		return []string{device}
	}
	return nil
}

// textCases say of a search whether it finds the sample.
var textCases = []struct {
	text  string
	finds bool
}{
	{``, true},
	{`  `, true},
	{`overheated`, true},
	{`OVERHEATED left`, true},
	{`overheated right`, false},
	{`overh*`, true},
	{`verheat*`, false},
	{`15*`, true},
	{`"overheated 150"`, true},
	{`"150 overheated"`, false},
	{`overheated:150`, false}, // refused below
	{`right OR left`, true},
	{`right OR wrong`, false},
	{`(right OR left) fan`, true},
	{`right OR left fan`, true},
	{`(right OR left) pump`, false},
	{`-debug`, true},
	{`-fan`, false},
	{`NOT fan`, false},
	{`NOT (pump OR 151)`, true},
	{`fan AND left`, true},
	{`device:AP-000001`, true},
	{`device:AP-000002`, false},
	{`device:` + device, true},
	{`device:"` + device + `"`, true},
	{`severity:error`, true},
	{`severity:ERR*`, false},
	{`severity>=warning`, true},
	{`severity:>=warning`, true},
	{`severity>error`, false},
	{`severity<=error`, true},
	{`severity<error`, false},
	{`severity>emergency`, false},
	{`severity>=warning device:AP-000001 "f"`, true},
	{`code:400`, true},
	{`code>=400 code<401`, true},
	{`code>400`, false},
	{`code:4*`, true},
	{`code:*`, true},
	{`tag:fan`, true},
	{`tags:fa`, false},
	{`message:fan`, true},
	{`message:"overheated: 150 F"`, true},
	{`details:fan`, false},
	{`template:` + template, true},
	{`custom.connected:true`, true},
	{`custom.deep.n>=7`, true},
	{`custom.deep.n:[1 TO 6]`, false},
	{`since:2h`, true},
	{`since:1h`, false},
	{`until:1h`, true},
	{`since:2016-04-21`, true},
	{`since:2016-04-22`, false},
	{`time:2016-04-21`, true},
	{`time:2016-04-20`, false},
	{`time>=2016-04-21T10:29:27Z time<2016-04-21T10:29:28Z`, true},
	{`sourceTime:1461234567890`, true},
	{`id:00000154385e0b3f0000000000000005`, true},
	{`type:deviceId`, true},
	{`organization:*`, false},
	{`10.0.0.7`, false},
	{`F`, true},
	{`-`, true},
}

func TestParseText(t *testing.T) {
	for _, c := range textCases {
		q, err := ParseText(c.text, resolveName, textNow)
		if err != nil {
			if c.text != "overheated:150" && c.text != "-" && c.text != "severity:ERR*" {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if got := q.where.matches(sample.clone()); got != c.finds {
			t.Errorf("%s finds the sample: %v, want %v", c.text, got, c.finds)
		}
		if got := findsInChunk(t, q.where); got != c.finds {
			t.Errorf("%s finds the sample in a chunk: %v, want %v", c.text, got, c.finds)
		}
	}
}

func TestParseTextRefuses(t *testing.T) {
	for _, c := range []struct{ text, reason string }{
		{`overheated:150`, `At character 1, “overheated:150”, this was expected: a word, or a member`},
		{`fan severity:dreadful`, `At character 14, “dreadful”, this was expected: one of emergency`},
		{`"fan`, `At character 1, “"fan”, this was expected: a second quotation mark`},
		{`(fan`, `At character 5, the end, this was expected: a closing parenthesis`},
		{`fan)`, `At character 4`},
		{`fan OR`, `At character 7, the end, this was expected: a word or a condition`},
		{`fan AND`, `a word or a condition`},
		{`-`, `a word or a condition`},
		{`code:`, `a value`},
		{`code>x`, `a number`},
		{`since:yesterday`, `a time such as 2h`},
		{`message>a`, `compared with :`},
		{`code:[1 5]`, `[1 TO 5]`},
		{`ü code:[1 TO`, `At character 8`},
		{strings.Repeat("(", 20), `nested deeper`},
		{strings.Repeat("a ", 200), `128 conditions`},
		{strings.Repeat("a", 5000), `4096 bytes`},
	} {
		_, err := ParseText(c.text, nil, textNow)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Field != "q" || !strings.Contains(f.Message, c.reason) {
			t.Errorf("%.30s\n got %v\nwant %q", c.text, err, c.reason)
		}
	}
}

func FuzzParseText(f *testing.F) {
	for _, c := range textCases {
		f.Add(c.text, false)
		f.Add(c.text, true)
	}
	f.Fuzz(func(t *testing.T, text string, or bool) {
		p := textParser{text: text, in: anywhere, or: or, parser: &parser{}, field: "q", resolve: resolveName, now: textNow}
		where, err := p.parse()
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if found := where.matches(sample.clone()); found != findsInChunk(t, where) {
			t.Fatalf("%q finds the sample: %v; in a chunk: %v", text, found, !found)
		}
	})
}
