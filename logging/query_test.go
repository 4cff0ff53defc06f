package logging

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"xively/internal/fault"
)

var sampleEntry = Entry{
	AccountID: account, SourceID: device, SourceType: "deviceId", DeviceTemplateID: template,
	Message: "Fan overheated: 150 F", Severity: Error, Code: "400", Details: "left side", Tags: []string{"malfunction", "fan"},
	Custom:          map[string]any{"connected": true, "deep": map[string]any{"n": json.Number("7"), "list": []any{"a", "b"}}},
	SourceTimestamp: 1461234567890,
}

// sample is an entry that matches are tried on, and sampleChunk the same among others that differ.
var sample, sampleChunk = func() (*line, *packed) {
	e := sampleEntry
	e.normalize(time.UnixMilli(1461234567999))
	l := lineOf(&e)
	l.seq = 5
	unlike := &line{position: position{1461234567000, 4}, origin: origin{source: "x", kind: "x"}, sourceTime: 1, text: [texts]string{"40 0b", "", `{"connected":false}`}}
	same := l.clone()
	same.seq, same.text[messageText] = 6, "Fan overheated: 151 F"
	return l, pack([]*line{same, l, unlike})
}()

// findsInChunk reports whether a search of the chunk finds the sample, by its index as far as that tells.
func findsInChunk(t *testing.T, where condition) bool {
	t.Helper()
	k, err := newChunk(account, sampleChunk.header, sampleChunk.part)
	if err != nil {
		t.Fatal(err)
	}
	rows := (&collector{where: planned(where)}).rows(k)
	if k.err != nil {
		t.Fatal(k.err)
	}
	return rows.has(1)
}

// queryCases say for a query whether it finds the sample.
var queryCases = []struct {
	query string
	finds bool
}{
	{`{}`, true},
	{`{"match_all":{}}`, true},
	{`{"term":{"sourceId":"` + device + `"}}`, true},
	{`{"term":{"sourceId":"` + strings.ToUpper(device) + `x"}}`, false},
	{`{"term":{"sourceId":{"value":"` + device + `"}}}`, true},
	{`{"term":{"severity":"error"}}`, true},
	{`{"term":{"severity":"ERROR"}}`, true},
	{`{"term":{"severity":"err"}}`, false},
	{`{"term":{"code":400}}`, true},
	{`{"term":{"code":"400"}}`, true},
	{`{"term":{"code":40}}`, false},
	{`{"term":{"tags":"fan"}}`, true},
	{`{"term":{"tags":"malf"}}`, false},
	{`{"term":{"message":"Fan overheated: 150 F"}}`, true},
	{`{"term":{"message":"Fan"}}`, false},
	{`{"term":{"_id":"00000154385e0b3f0000000000000005"}}`, true},
	{`{"term":{"_id":"00000154385e0b3f0000000000000006"}}`, false},
	{`{"term":{"_id":"0a"}}`, false},
	{`{"ids":{"values":["00000154385e0b3f0000000000000005"]}}`, true},
	{`{"term":{"organizationId":""}}`, false},
	{`{"term":{"sourceTimestamp":1461234567890}}`, true},
	{`{"term":{"sourceTimestamp":"2016-04-21T10:29:27.890Z"}}`, true},
	{`{"term":{"custom.connected":true}}`, true},
	{`{"term":{"custom.connected":false}}`, false},
	{`{"term":{"custom.deep.n":7}}`, true},
	{`{"term":{"custom.deep.list":"b"}}`, true},
	{`{"term":{"custom.deep.none.n":7}}`, false},
	{`{"terms":{"severity":["info","error"]}}`, true},
	{`{"terms":{"severity":["info"]}}`, false},
	{`{"terms":{"severity":[]}}`, false},
	{`{"range":{"sourceTimestamp":{"gte":1461234567890,"lt":1461234567891}}}`, true},
	{`{"range":{"sourceTimestamp":{"gt":1461234567890}}}`, false},
	{`{"range":{"sourceTimestamp":{"lte":"2016-04-21T10:29:27.890Z"}}}`, true},
	{`{"range":{"sourceTimestamp":{"lt":"2016-04-21T10:29:27.890Z"}}}`, false},
	{`{"range":{"serviceTimestamp":{"gte":"1461234567999"}}}`, true},
	{`{"range":{"serviceTimestamp":{"gt":"1461234567999"}}}`, false},
	{`{"range":{"code":{"gte":400,"lt":500}}}`, true},
	{`{"range":{"code":{"gte":500}}}`, false},
	{`{"match":{"message":"OVERHEATED fan"}}`, true},
	{`{"match":{"message":{"query":"overheated","operator":"and"}}}`, true},
	{`{"match":{"message":"heated"}}`, false},
	{`{"match":{"message":{"query":"overheated pump","operator":"or"}}}`, true},
	{`{"match":{"message":{"query":"cold pump","operator":"or"}}}`, false},
	{`{"match":{"_all":"150 left fan malfunction 400 deep"}}`, true},
	{`{"match":{"tags":"MALFUNCTION"}}`, true},
	{`{"match_phrase":{"message":"overheated 150"}}`, true},
	{`{"match_phrase":{"message":"150 overheated"}}`, false},
	{`{"match_phrase":{"message":{"query":"fan overheated"}}}`, true},
	{`{"prefix":{"code":"40"}}`, true},
	{`{"prefix":{"code":{"value":"41"}}}`, false},
	{`{"prefix":{"sourceId":"33333333-"}}`, true},
	{`{"prefix":{"message":"Fan overheated: 15"}}`, true},
	{`{"prefix":{"message":"an overheated"}}`, false},
	{`{"prefix":{"custom.deep.list":"b"}}`, true},
	{`{"exists":{"field":"code"}}`, true},
	{`{"exists":{"field":"organizationId"}}`, false},
	{`{"exists":{"field":"custom.deep.n"}}`, true},
	{`{"exists":{"field":"custom.deep.m"}}`, false},
	{`{"exists":{"field":"details"}}`, true},
	{`{"exists":{"field":"incidents"}}`, false},
	{`{"range":{"custom.deep.n":{"gt":6,"lte":7}}}`, true},
	{`{"range":{"custom.deep.n":{"gt":7}}}`, false},
	{`{"query_string":{"query":"pump fan"}}`, true},
	{`{"query_string":{"query":"pump fan","default_operator":"AND"}}`, false},
	{`{"query_string":{"query":"+fan pump"}}`, true},
	{`{"query_string":{"query":"fan -150"}}`, false},
	{`{"query_string":{"query":"fan -151 +left"}}`, true},
	{`{"query_string":{"query":"left","default_field":"message"}}`, false},
	{`{"query_string":{"query":"code:[400 TO 500} AND severity:error"}}`, true},
	{`{"query_string":{"query":"code:{400 TO *]"}}`, false},
	{`{"match":{"details":"left"}}`, true},
	{`{"match":{"message":"fan left"}}`, false},
	{`{"bool":{}}`, true},
	{`{"bool":{"must":[{"term":{"code":400}},{"term":{"severity":"error"}}]}}`, true},
	{`{"bool":{"must":[{"term":{"code":400}},{"term":{"severity":"info"}}]}}`, false},
	{`{"bool":{"must":{"term":{"code":400}},"filter":{"term":{"severity":"info"}}}}`, false},
	{`{"bool":{"must_not":{"term":{"code":400}}}}`, false},
	{`{"bool":{"must_not":[{"term":{"code":401}},{"term":{"code":402}}]}}`, true},
	{`{"bool":{"should":[{"term":{"code":401}},{"term":{"code":400}}]}}`, true},
	{`{"bool":{"should":[{"term":{"code":401}}]}}`, false},
	{`{"bool":{"must":{"match_all":{}},"should":[{"term":{"code":401}}]}}`, true},
	{`{"bool":{"must":{"match_all":{}},"should":[{"term":{"code":401}}],"minimum_should_match":1}}`, false},
	{`{"bool":{"must_not":{"match":{"message":"151"}}}}`, true},
	{`{"bool":{"must_not":{"term":{"custom.connected":true}}}}`, false},
	{`{"bool":{"must":[{"bool":{"should":[{"term":{"code":401}},{"match":{"message":"fan"}}]}}]}}`, true},
}

func TestQueries(t *testing.T) {
	for _, c := range queryCases {
		where := query(t, `{"query":`+c.query+`}`).where
		if got := where.matches(sample.clone()); got != c.finds {
			t.Errorf("%s finds the sample: %v, want %v", c.query, got, c.finds)
		}
		if got := findsInChunk(t, where); got != c.finds {
			t.Errorf("%s finds the sample in a chunk: %v, want %v", c.query, got, c.finds)
		}
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for _, c := range []struct{ body, field, reason string }{
		{`{"query":{"wildcard":{"message":"a*"}}}`, "query.wildcard", `"wildcard" is not supported`},
		{`{"query":{"bool":{"must":[{"term":{"code":1}},{"fuzzy":{"query":"x"}}]}}}`, "query.bool.must[1].fuzzy", "not supported"},
		{`{"query":{"bool":{"minimum_should_match":2,"must":{}}}}`, "query.bool.minimum_should_match", "0 or 1"},
		{`{"query":{"bool":{"boost":2}}}`, "query.bool.boost", "not supported"},
		{`{"query":{"query_string":{"query":"(a"}}}`, "query.query_string.query", "closing parenthesis"},
		{`{"query":{"query_string":{"query":"a","boost":"2"}}}`, "query.query_string.boost", "not supported"},
		{`{"query":{"exists":{"field":"x"}}}`, "query.exists", "member"},
		{`{"query":{"ids":{}}}`, "query.ids", "_ids"},
		{`{"query":{"prefix":{"serviceTimestamp":"14"}}}`, "query.prefix.serviceTimestamp", "range"},
		{`{"query":{"match_phrase":{"message":{"query":"a","operator":"or"}}}}`, "query.match_phrase.message.operator", "not supported"},
		{`{"query":{"match":{"_all":{"query":"a","operator":"xor"}}}}`, "query.match._all.operator", "and, which is the default"},
		{`{"query":{"bool":[]}}`, "query.bool", "object"},
		{`{"query":"x"}`, "query", "object"},
		{`{"query":{"term":{"a":1},"match":{"b":1}}}`, "query", "one member; it has 2"},
		{`{"query":{"term":{"sourceid":"x"}}}`, "query.term.sourceid", `no member "sourceid"`},
		{`{"query":{"term":{"sourceId":["x"]}}}`, "query.term.sourceId", "string"},
		{`{"query":{"term":{"sourceId":{"boost":2}}}}`, "query.term.sourceId.boost", "not supported"},
		{`{"query":{"term":{"sourceId":"x","code":1}}}`, "query.term", "one member"},
		{`{"query":{"terms":{"sourceId":"x"}}}`, "query.terms.sourceId", "array"},
		{`{"query":{"terms":{"sourceId":["x",null]}}}`, "query.terms.sourceId[1]", "string"},
		{`{"query":{"range":{"message":{"gt":1}}}}`, "query.range.message", "sourceTimestamp"},
		{`{"query":{"range":{"code":{"gt":"x"}}}}`, "query.range.code.gt", "number"},
		{`{"query":{"range":{"sourceTimestamp":{"gt":"now-1h"}}}}`, "query.range.sourceTimestamp.gt", "number"},
		{`{"query":{"range":{"sourceTimestamp":{"from":1}}}}`, "query.range.sourceTimestamp.from", "not supported"},
		{`{"query":{"match":{"sourceId":"x"}}}`, "query.match.sourceId", "term"},
		{`{"query":{"match":{"message":"..."}}}`, "query.match.message", "words"},
		{`{"aggs":{}}`, "aggs", "not supported"},
		{`{"size":1001}`, "size", "0 to 1000"},
		{`{"size":-1}`, "size", "0 to 1000"},
		{`{"from":"x"}`, "from", "0 to 10000"},
		{`{"from":9995,"size":10}`, "from", "together"},
		{`{"sort":[{"nothing":"asc"}]}`, "sort[0]", "member"},
		{`{"sort":[{"code":"up"}]}`, "sort[0].code", "asc or desc"},
		{`{"sort":[{"code":{"order":"asc","mode":"min"}}]}`, "sort[0].code.mode", "not supported"},
		{`{"sort":["code","code","code","code","code","code","code","code","code"]}`, "sort", "8 members"},
		{`{"query":` + strings.Repeat(`{"bool":{"must":`, 17) + `{}` + strings.Repeat(`}}`, 17) + `}`, "", "nested deeper"},
		{`{"query":{"bool":{"must":[` + strings.Repeat(`{},`, 128) + `{}]}}}`, "query.bool.must[127]", "128 clauses"},
	} {
		body, err := decodeObject([]byte(c.body))
		if err != nil {
			t.Fatalf("%s: %v", c.body, err)
		}
		_, err = ParseQuery(body, account)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || c.field != "" && f.Field != c.field || !strings.Contains(f.Message, c.reason) {
			t.Errorf("%s\n got %v\nwant field %q, %q", c.body, err, c.field, c.reason)
		}
	}
	if _, err := ParseQuery(map[string]any{"accountId": other}, account); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("another accountId gave %v, want Forbidden", err)
	}
	if _, err := ParseQuery(map[string]any{"accountId": account}, account); err != nil {
		t.Errorf("the own accountId gave %v", err)
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, c := range queryCases {
		f.Add([]byte(`{"query":` + c.query + `,"from":0,"size":50,"sort":[{"sourceTimestamp":{"order":"desc"}},"code",{"tags":"asc"}]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := decodeObject(data)
		if err != nil {
			return
		}
		q, err := ParseQuery(body, account)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Forbidden {
				t.Fatalf("%s: %v", data, err)
			}
			return
		}
		if q.From < 0 || q.Size < 0 || q.Size > MaxSize || q.From+q.Size > maxReach || len(q.Sort) == 0 {
			t.Fatalf("%s: %+v", data, q)
		}
		if found := q.where.matches(sample.clone()); found != findsInChunk(t, q.where) {
			t.Fatalf("%s finds the sample: %v; in a chunk: %v", data, found, !found)
		}
		empty := line{}
		for _, key := range q.Sort {
			if key.compare(sample.clone(), &empty) != -key.compare(&empty, sample.clone()) {
				t.Fatalf("%s: %+v orders neither way", data, key)
			}
		}
	})
}
