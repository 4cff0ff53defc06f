package blueprint

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xively/blueprint/search"
	"xively/internal/auth"
	"xively/internal/rest"
)

// TestListAgainstModel makes random changes to devices and compares random lists with a plain slice of what was answered.
func TestListAgainstModel(t *testing.T) {
	w := newWorld(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	templates := []string{w.template(w.a, "T1"), w.template(w.a, "T2")}
	organization := results(w.must("tokenA", "GET", "/organizations", nil))[0]["id"].(string)
	w.device(w.b, w.template(w.b, "Other"), "in the other account")
	var model []map[string]any // in order of creation
	values := func() map[string]any {
		v := map[string]any{
			"deviceTemplateId": templates[rnd.IntN(2)],
			"name":             pick(rnd, nil, "Kitchen", "Hall", "Attic"),
			"firmwareVersion":  pick(rnd, nil, "1.4.2", "1.5.0", "2.0"),
			"latitude":         pick(rnd, nil, 1.5, -2.0),
			"organizationId":   pick(rnd, nil, organization),
		}
		return v
	}
	for i := range 400 {
		switch n := rnd.IntN(10); {
		case n < 5 || len(model) == 0:
			v := values()
			v["serialNumber"] = fmt.Sprintf("AP-%06d", rnd.IntN(1e6))
			model = append(model, w.must("tokenA", "POST", "/devices", v))
		case n < 7:
			j := rnd.IntN(len(model))
			model[j] = w.must("tokenA", "PUT", "/devices/"+model[j]["id"].(string), values())
		case n < 8:
			j := rnd.IntN(len(model))
			id := model[j]["id"].(string)
			w.must("tokenA", "DELETE", "/devices/"+id, nil)
			if rnd.IntN(2) == 0 {
				model[j] = w.must("tokenA", "POST", "/devices/"+id+"/recover", nil)
			} else {
				model = slices.Delete(model, j, j+1)
			}
		}
		sortByCreation(model)
		w.compareList(t, i, model, randomQuery(rnd, templates, organization))
	}
}

// sortByCreation puts those of one millisecond in order of id, as refs are.
func sortByCreation(model []map[string]any) {
	slices.SortFunc(model, func(a, b map[string]any) int {
		return cmp.Or(strings.Compare(a["created"].(string), b["created"].(string)), strings.Compare(a["id"].(string), b["id"].(string)))
	})
}

func pick(rnd *rand.Rand, from ...any) any { return from[rnd.IntN(len(from))] }

func randomQuery(rnd *rand.Rand, templates []string, organization string) url.Values {
	q := url.Values{"page": {strconv.Itoa(1 + rnd.IntN(4))}, "pageSize": {strconv.Itoa(1 + rnd.IntN(60))}}
	maybe := func(name string, from ...any) {
		if v := pick(rnd, append(from, "", "")...).(string); v != "" {
			q.Set(name, v)
		}
	}
	maybe("deviceTemplateId", templates[0], templates[1])
	maybe("organizationId", organization, "null")
	maybe("firmwareVersion", "1.", "5", "null")
	maybe("serialNumber", "ap-0", "1", "AP-5")
	maybe("latitude", "1.5", "-2", "null")
	maybe("name", "Hall", "null")
	maybe("sortBy", "name", "created", "serialNumber", "latitude", "lastModified")
	maybe("sortOrder", "asc", "desc")
	return q
}

// compareList asks for a list and works it out from the model in the plainest way.
func (w *world) compareList(t *testing.T, round int, model []map[string]any, q url.Values) {
	t.Helper()
	var want []map[string]any
	for _, o := range model {
		if plainMatch(o, q) {
			want = append(want, o)
		}
	}
	if by := q.Get("sortBy"); by != "" {
		slices.SortStableFunc(want, func(a, b map[string]any) int { return plainCompare(a[by], b[by]) })
	}
	if q.Get("sortOrder") == "desc" {
		slices.Reverse(want)
	}
	total := len(want)
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("pageSize"))
	want = want[min((page-1)*size, total):min(page*size, total)]

	list := w.must("tokenA", "GET", "/devices?"+q.Encode(), nil)
	var ids []string
	for _, o := range want {
		ids = append(ids, o["id"].(string))
	}
	if got := column(list, "id"); !slices.Equal(got, ids) || list["meta"].(map[string]any)["count"] != float64(total) {
		t.Fatalf("round %d, list %s of %d devices: got %d of %v, want %d of %d\n got %v\nwant %v",
			round, q.Encode(), len(model), len(got), list["meta"], len(ids), total, got, ids)
	}
}

func plainMatch(o map[string]any, q url.Values) bool {
	for name, partial := range map[string]bool{"deviceTemplateId": false, "organizationId": false, "name": false, "latitude": false, "firmwareVersion": true, "serialNumber": true} {
		want := q.Get(name)
		if want == "" {
			continue
		}
		if o[name] == nil || want == "null" {
			if o[name] == nil && want == "null" {
				continue
			}
			return false
		}
		have := fmt.Sprint(o[name])
		if partial && !strings.Contains(strings.ToLower(have), strings.ToLower(want)) || !partial && have != want {
			return false
		}
	}
	return true
}

func plainCompare(a, b any) int {
	switch {
	case a == nil || b == nil:
		return cmp.Compare(btoi(a != nil), btoi(b != nil))
	case fmt.Sprintf("%T", a) == "float64":
		return cmp.Compare(a.(float64), b.(float64))
	}
	return strings.Compare(a.(string), b.(string))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestMetaAndResults(t *testing.T) {
	w := newWorld(t)
	w.device(w.a, w.template(w.a, "Sensor"), "D-1")
	if list := w.must("tokenA", "GET", "/devices?meta=false", nil); list["meta"] != nil || len(results(list)) != 1 {
		t.Errorf("meta=false: %v", list)
	}
	if list := w.must("tokenA", "GET", "/devices?results=false", nil); list["results"] != nil || list["meta"].(map[string]any)["count"] != 1.0 {
		t.Errorf("results=false: %v", list)
	}
}

// BenchmarkList100k: one page of 100,000 devices, by the ways a list can go.
func BenchmarkList100k(b *testing.B) {
	w := newWorld(b)
	template, rare := w.template(w.a, "Sensor", "temp"), w.template(w.a, "Rare")
	p := w.a.p
	const n, batch = 100_000, 5_000
	for from := 0; from < n; from += batch {
		err := w.s.update(p, func(t *txn) error {
			for i := from; i < from+batch; i++ {
				in := map[string]any{"deviceTemplateId": template, "serialNumber": fmt.Sprintf("AP-%06d", i), "name": fmt.Sprint("n", i%1000)}
				if i%1000 == 0 {
					in["deviceTemplateId"] = rare
				}
				if _, err := t.create(t.byName["device"], in); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("build the index", func(b *testing.B) {
		for b.Loop() {
			f := finder{s: w.s, ready: make(chan struct{}), indexes: map[string]*search.Index{}}
			f.build()
		}
	})
	for _, q := range []string{"", "page=5000", "deviceTemplateId=" + rare, "deviceTemplateId=" + template, "serialNumber=0042",
		"connected=false", "name=n7", "sortBy=name", "sortBy=lastModified", "latitude=null",
		"q=n7*", "q=connected:false+n12+OR+n13", "q=serialNumber:AP-00*", "facets=firmwareVersion,deviceTemplateId,connected"} {
		b.Run(cmp.Or(q, "plain"), func(b *testing.B) {
			query, _ := url.ParseQuery(q)
			page := rest.Page{Page: 1, PageSize: 10, SortBy: query.Get("sortBy")}
			if query.Get("page") != "" {
				page.Page, _ = strconv.Atoi(query.Get("page"))
			}
			k := w.s.byName["device"]
			for b.Loop() {
				err := w.s.view(auth.Principal{AccountID: p.AccountID}, func(t *txn) error {
					want, err := t.want(k, query, page)
					if err != nil {
						return err
					}
					f, err := t.list(k, want)
					if err == nil && len(f.objects) == 0 && !query.Has("latitude") {
						b.Fatal("no results")
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
