package search

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The model answers requests by looking at every document, one after the other, in the plainest way.
type model map[string]Doc

var testNow = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// search returns the ids that pass, in order.
func (m model) search(r Request) []string {
	var docs []Doc
	for _, d := range m {
		if d.Kind == r.Kind && m.passes(d, r) {
			docs = append(docs, d)
		}
	}
	slices.SortFunc(docs, func(a, b Doc) int {
		c := 0
		if r.Sort == "id" {
			c = strings.Compare(a.ID, b.ID)
		} else if r.Sort != "" {
			c = modelCompare(a.Fields[r.Sort], b.Fields[r.Sort])
		}
		c = cmp.Or(c, cmp.Compare(a.Order, b.Order), strings.Compare(a.ID, b.ID))
		if r.Desc {
			return -c
		}
		return c
	})
	ids := make([]string, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	return ids
}

func (m model) passes(d Doc, r Request) bool {
	if s := r.Scope; s != nil && !slices.Contains(s.IDs, d.ID) {
		org, _ := d.Fields["organizationId"].(string)
		passes := func(q *Query) bool { return q.root == nil || modelPasses(q.root, d) }
		if (org == "" || !slices.Contains(s.Values, org)) && !slices.ContainsFunc(s.Queries, passes) {
			return false
		}
	}
	for _, f := range r.Filters {
		if !modelFilter(d, f) {
			return false
		}
	}
	return r.Query == nil || r.Query.root == nil || modelPasses(r.Query.root, d)
}

func modelFilter(d Doc, f Filter) bool {
	values := modelValues(d.Fields[f.Field])
	if f.Op == Missing {
		return len(values) == 0
	}
	return slices.ContainsFunc(f.Values, func(want string) bool {
		l := &leaf{field: f.Field, how: filterHow[f.Op], a: newOperand(want)}
		return slices.ContainsFunc(values, func(v any) bool { return modelFits(l, v) })
	})
}

func modelPasses(n node, d Doc) bool {
	switch n := n.(type) {
	case and:
		return !slices.ContainsFunc(n, func(n node) bool { return !modelPasses(n, d) })
	case or:
		return slices.ContainsFunc(n, func(n node) bool { return modelPasses(n, d) })
	case not:
		return !modelPasses(n.of, d)
	}
	l := n.(*leaf)
	switch {
	case l.how == near:
		return d.HasGeo && distanceKm(l.area.lat, l.area.lon, d.Lat, d.Lon) <= l.area.km
	case l.how == box:
		a := l.area
		inside := d.Lon >= a.west && d.Lon <= a.east
		if a.west > a.east {
			inside = d.Lon >= a.west || d.Lon <= a.east
		}
		return d.HasGeo && d.Lat >= a.south && d.Lat <= a.north && inside
	case l.how == anything && l.field == "":
		return true
	case l.field == "":
		for _, v := range d.Fields {
			if slices.ContainsFunc(modelValues(v), func(v any) bool { return modelFits(l, v) }) {
				return true
			}
		}
		return modelFitsID(l, d.ID)
	case l.field == "id":
		return modelFitsID(l, d.ID)
	}
	values := modelValues(d.Fields[l.field])
	if l.how == anything {
		return len(values) > 0
	}
	return slices.ContainsFunc(values, func(v any) bool { return modelFits(l, v) })
}

func modelFitsID(l *leaf, id string) bool {
	if l.prefix {
		return strings.HasPrefix(strings.ToLower(id), strings.ToLower(l.a.text))
	}
	return l.how == anything || strings.EqualFold(id, l.a.text)
}

// modelValues flattens a field: no value, one, or the items of a list; a time becomes a time.Time.
func modelValues(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []string:
		var out []any
		for _, s := range v {
			out = append(out, s)
		}
		return out
	case string:
		if v == "" {
			return nil
		}
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return []any{at}
		}
	}
	return []any{v}
}

var wordPattern = regexp.MustCompile(`\p{Han}|[\p{L}\p{N}]+`)

func modelFits(l *leaf, v any) bool {
	switch v := v.(type) {
	case bool:
		return l.field != "" && !l.prefix && (l.how == holds || l.how == equal) && slices.Contains(map[bool][]string{true: {"true", "yes"}, false: {"false", "no"}}[v], strings.ToLower(l.a.text))
	case float64:
		n, err := strconv.ParseFloat(l.a.text, 64)
		m, errTo := strconv.ParseFloat(l.b.text, 64)
		return err == nil && !l.prefix && (l.how != between || errTo == nil) && modelRange(l.how, cmp.Compare(v, n), cmp.Compare(v, m))
	case time.Time:
		return l.field != "" && modelFitsTime(l, v)
	case string:
		return modelFitsText(l, v)
	}
	return false
}

func modelFitsText(l *leaf, s string) bool {
	if l.how == equal {
		return s == l.a.text
	}
	folded, want := fold(s), fold(l.a.text)
	have, wanted := wordPattern.FindAllString(folded, -1), wordPattern.FindAllString(want, -1)
	switch {
	case l.how == contains || l.how == holds && len(wanted) == 0:
		return strings.Contains(folded, want)
	case l.how == holds:
		phrase, all := " "+strings.Join(wanted, " "), " "+strings.Join(have, " ")+" "
		if !l.prefix {
			phrase += " "
		}
		return strings.Contains(all, phrase)
	}
	if modelAge(l.a.text) > 0 {
		return false // an age compares times only
	}
	return modelRange(l.how, modelNatural(folded, want), modelNatural(folded, fold(l.b.text)))
}

func modelRange(h how, a, b int) bool {
	switch h {
	case holds, equal:
		return a == 0
	case less:
		return a < 0
	case atMost:
		return a <= 0
	case greater:
		return a > 0
	case atLeast:
		return a >= 0
	case between:
		return a >= 0 && b <= 0
	}
	return false
}

// modelFitsTime knows only days and ages, which is what the test asks for.
func modelFitsTime(l *leaf, v time.Time) bool {
	age, age2 := modelAge(l.a.text), modelAge(l.b.text)
	begin, end, ok := modelDay(l.a.text)
	switch {
	case l.how == between && age > 0 && age2 > 0:
		return testNow.Sub(v) >= min(age, age2) && testNow.Sub(v) <= max(age, age2)
	case l.how == between:
		_, end, ok2 := modelDay(l.b.text)
		if age > 0 {
			begin, ok = testNow.Add(-age), true
		}
		if age2 > 0 {
			end, ok2 = testNow.Add(-age2+1), true
		}
		return ok && ok2 && !v.Before(begin) && v.Before(end)
	case age > 0:
		return l.how != holds && l.how != equal && modelRange(l.how, cmp.Compare(testNow.Sub(v), age), 0)
	case !ok:
		return false
	}
	switch l.how {
	case less:
		return v.Before(begin)
	case atMost:
		return v.Before(end)
	case greater:
		return !v.Before(end)
	case atLeast:
		return !v.Before(begin)
	}
	return !l.prefix && !v.Before(begin) && v.Before(end)
}

func modelDay(s string) (begin, end time.Time, ok bool) {
	at, err := time.Parse("2006-01-02", s)
	return at, at.Add(24 * time.Hour), err == nil
}

func modelAge(s string) time.Duration {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour} {
		if n, err := strconv.Atoi(strings.TrimSuffix(s, unit)); err == nil && strings.HasSuffix(s, unit) {
			return time.Duration(n) * length
		}
	}
	return 0
}

func modelCompare(a, b any) int {
	class := func(v any) int {
		if len(modelValues(v)) == 0 {
			return 0
		}
		switch modelValues(v)[0].(type) {
		case bool:
			return 1
		case float64:
			return 2
		case time.Time:
			return 3
		}
		return 4
	}
	if c := cmp.Compare(class(a), class(b)); c != 0 || class(a) == 0 {
		return c
	}
	switch a := a.(type) {
	case bool:
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	case float64:
		return cmp.Compare(a, b.(float64))
	}
	text := func(v any) string {
		if list, ok := v.([]string); ok {
			return "\x00" + strings.Join(list, "\x00")
		}
		return v.(string)
	}
	return cmp.Or(modelNatural(fold(text(a)), fold(text(b))), strings.Compare(text(a), text(b)))
}

// modelNatural compares run by run: digits by their number, the rest by its bytes.
func modelNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := leadingDigits(a), leadingDigits(b)
		if x != "" && y != "" {
			a, b = a[len(x):], b[len(y):]
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
				return c
			}
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }

var vocabulary = []string{"Kitchen", "kitchen", "Küche", "Café", "cafe", "living room", "Living-Room", "sensor 2", "sensor 10", "sensor 007", "sensor 7",
	"v1.9", "v1.10", "OR", "true", "a\"b", "--", "SN-0001", "sn 0001", "42", "4", "naïve Straße", "日本語", "30d", "10.5", "SENSOR"}

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

func randomValue(r *rand.Rand) any {
	switch r.IntN(10) {
	case 0:
		return nil
	case 1, 2:
		return float64(r.IntN(20)-5) / 2
	case 3:
		return r.IntN(2) == 0
	case 4:
		return testNow.Add(-time.Duration(r.IntN(40*24)) * time.Hour).Format(isoForm)
	case 5:
		return []string{pick(r, vocabulary), pick(r, vocabulary), pick(r, vocabulary)}[:r.IntN(4)]
	}
	return pick(r, vocabulary)
}

var fieldNames = []string{"name", "mixed", "number", "when", "tags", "ok", "rare-field"}

func randomDoc(r *rand.Rand, id int) Doc {
	d := Doc{Kind: "thing", ID: fmt.Sprintf("Thing-%d", id), Order: int64(r.IntN(30)), Fields: map[string]any{
		"organizationId": fmt.Sprintf("org%d", r.IntN(4)),
		"name":           pick(r, vocabulary) + " " + pick(r, vocabulary),
		"mixed":          randomValue(r),
		"number":         float64(r.IntN(30)),
		"when":           testNow.Add(-time.Duration(r.IntN(60*24)) * time.Hour).Format(isoForm),
		"tags":           []string{pick(r, vocabulary), pick(r, vocabulary)}[:r.IntN(3)],
		"ok":             r.IntN(2) == 0,
	}}
	if r.IntN(20) == 0 {
		d.Fields["rare-field"] = randomValue(r)
	}
	for name := range d.Fields {
		if r.IntN(8) == 0 {
			delete(d.Fields, name)
		}
	}
	if r.IntN(3) > 0 {
		d.HasGeo, d.Lat, d.Lon = true, r.Float64()*180-90, r.Float64()*360-180
	}
	return d
}

// randomQuery writes a query that is valid.
func randomQuery(r *rand.Rand, depth int) string {
	if depth > 0 {
		switch r.IntN(6) {
		case 0:
			return randomQuery(r, depth-1) + " " + randomQuery(r, depth-1)
		case 1:
			return "(" + randomQuery(r, depth-1) + " OR " + randomQuery(r, depth-1) + ")"
		case 2:
			return "NOT " + randomQuery(r, depth-1)
		case 3:
			return "-(" + randomQuery(r, depth-1) + " AND " + randomQuery(r, depth-1) + ")"
		}
	}
	day := func() string { return testNow.AddDate(0, 0, -r.IntN(60)).Format("2006-01-02") }
	value := func() string {
		switch r.IntN(6) {
		case 0:
			return strconv.Itoa(r.IntN(20))
		case 1:
			return day()
		case 2:
			return fmt.Sprintf("%dd", 1+r.IntN(50))
		}
		return quote(pick(r, vocabulary))
	}
	letters := func() string {
		word := pick(r, words(fold(pick(r, []string{"kitchen", "sensor 10", "cafe", "sn 0001", "living room", "日本語", "v1.9"}))))
		runes := []rune(word)
		return string(runes[:1+r.IntN(len(runes))])
	}
	field := pick(r, fieldNames)
	switch r.IntN(14) {
	case 0, 1:
		return value()
	case 2:
		return letters() + "*"
	case 3:
		return field + ":" + letters() + "*"
	case 4:
		return field + ":*"
	case 5:
		return field + ":*" + letters() + "*"
	case 6:
		return field + ":" + pick(r, []string{"<", "<=", ">", ">=", "="}) + value()
	case 7:
		return field + ":" + value() + ".." + value()
	case 8:
		return "ok:" + pick(r, []string{"true", "false", "yes", "no"})
	case 9:
		return fmt.Sprintf("near:%g,%g,%g", r.Float64()*180-90, r.Float64()*360-180, math.Exp(r.Float64()*9)+0.1)
	case 10:
		south, north := r.Float64()*180-90, r.Float64()*180-90
		return fmt.Sprintf("box:%g,%g,%g,%g", min(south, north), r.Float64()*360-180, max(south, north), r.Float64()*360-180)
	case 11:
		return pick(r, []string{"thing-1", "Thing-22", "id:thing-3*", "id:Thing-4", "\"living ro\"*", "\"sensor 1\"*"})
	case 12:
		return field + ":(" + value() + " OR NOT " + value() + ")"
	}
	return field + ":" + value()
}

func randomRequest(t *testing.T, r *rand.Rand) (Request, string) {
	text := ""
	if r.IntN(8) > 0 {
		text = randomQuery(r, 3)
	}
	q, err := Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	req := Request{Kind: "thing", Query: q, Desc: r.IntN(2) == 0, Offset: r.IntN(40), Limit: 1 + r.IntN(40), Now: testNow}
	if r.IntN(4) > 0 {
		req.Sort = pick(r, append(fieldNames, "id", "organizationId", "nowhere"))
	}
	if r.IntN(4) == 0 {
		req.Scope = &Scope{Values: []string{"org1", "org3", "orgX"}[:r.IntN(4)], IDs: []string{"Thing-5", "Thing-nowhere"}[:r.IntN(3)]}
	}
	if req.Scope != nil && r.IntN(2) == 0 {
		req.Scope.Queries = []*Query{parsed(t, randomQuery(r, 2)), parsed(t, randomQuery(r, 1))}
	}
	for r.IntN(3) == 0 {
		f := Filter{Field: pick(r, fieldNames), Op: Op(r.IntN(5)), Values: []string{pick(r, vocabulary), strconv.Itoa(r.IntN(30))}[:1+r.IntN(2)]}
		req.Filters = append(req.Filters, f)
	}
	return req, text
}

func TestAgainstTheModel(t *testing.T) {
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 7))
		x, m := &Index{}, model{}
		for round := range 25 {
			for range 1 + r.IntN(40) {
				change(r, x, m)
			}
			for i := range 20 {
				req, text := randomRequest(t, r)
				if i == 0 {
					req.Facets = []string{"mixed", "tags", "name", "when"}
				}
				compare(t, x, m, req, text)
				if t.Failed() {
					t.Fatalf("seed %d, round %d", seed, round)
				}
			}
			if err := x.Check(); err != nil {
				t.Fatalf("seed %d, round %d: Check: %v", seed, round, err)
			}
		}
		for _, d := range m {
			if err := x.Verify(d); err != nil {
				t.Errorf("seed %d: Verify: %v", seed, err)
			}
		}
	}
}

func change(r *rand.Rand, x *Index, m model) {
	n := r.IntN(150)
	id := fmt.Sprintf("Thing-%d", n)
	switch r.IntN(5) {
	case 0:
		x.Delete("thing", id)
		delete(m, id)
	case 1:
		name, v := pick(r, fieldNames), randomValue(r)
		d, known := m[id]
		if x.Set("thing", id, map[string]any{name: v}) != known {
			panic("Set does not know what is there")
		}
		if known {
			d.Fields = maps.Clone(d.Fields)
			d.Fields[name] = v
			m[id] = d
		}
	default:
		d := randomDoc(r, n)
		x.Put(d)
		m[id] = d
	}
}

func compare(t *testing.T, x *Index, m model, req Request, text string) {
	t.Helper()
	res, err := x.Search(req)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	want := m.search(req)
	page := want[min(req.Offset, len(want)):min(req.Offset+req.Limit, len(want))]
	if res.Total != len(want) || !slices.Equal(res.IDs, page) {
		t.Errorf("query %s, filters %+v, scope %+v, sort %q, desc %v, offset %d:\n got %d %q\nwant %d %q", text, req.Filters, req.Scope, req.Sort, req.Desc, req.Offset,
			res.Total, res.IDs, len(want), page)
	}
	for id, d := range m {
		if got, want := x.Matches("thing", id, req.Query, testNow), req.Query.root == nil || modelPasses(req.Query.root, d); got != want {
			t.Errorf("query %s: Matches says %v of %+v", text, got, d)
		}
	}
	if again, err := Parse(req.Query.String()); err != nil || again.String() != req.Query.String() {
		t.Errorf("query %s: written as %s, which is read as %s (%v)", text, req.Query, again, err)
	}
	// What a bucket says is what its query finds.
	for field, buckets := range res.Facets {
		for _, b := range buckets {
			r := req
			r.Query = parsed(t, strings.TrimSpace(req.Query.String()))
			more := parsed(t, b.Query)
			if r.Query.root != nil {
				more = &Query{root: and{r.Query.root, more.root}}
			}
			r.Query = more
			o := newOperand(b.Value) // what may be a text or not is found as both, and counted apart
			twofold := o.number != 0 || o.truth != 0
			if n := len(m.search(r)); n != b.Count && !twofold || n < b.Count {
				t.Errorf("query %s: facet %s has %+v, and its query finds %d", text, field, b, n)
			}
		}
	}
}

func parsed(t *testing.T, text string) *Query {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return q
}
