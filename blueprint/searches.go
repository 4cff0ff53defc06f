package blueprint

import (
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/blueprint/search"
	"xively/internal/fault"
	"xively/internal/rest"
)

// Search beyond lists, each with the caller's rights:
//
//	GET /search?q=…[&kinds=device,endUser]     the first of every kind, and how many there are of each
//	GET /search/suggest?kind=device&q=…[&cursor=]   ways to go on typing a query
//	GET /searches, …                           saved searches, a noun like the others
//	GET /searches/{id}/results                 what one finds now: a group that keeps itself up to date

// savedSearchKind: a query with a name.
func savedSearchKind() *kind {
	return &kind{
		code: 17, one: "savedSearch", many: "savedSearches", path: "/searches", title: "saved search",
		fields: []field{
			{name: "name", required: true, unique: true, index: 2},
			{name: "description", lines: true, most: 1024},
			{name: "kind", choices: searchedKinds},
			{name: "query", lines: true, most: 4096},
			{name: "sortBy", most: mostInFieldName}, {name: "sortOrder", choices: []string{"asc", "desc"}},
		},
		prepare: (*txn).prepareSearch,
		changed: func(t *txn, old, _ *object) { t.newEpoch = t.newEpoch || old != nil }, // a grant may be on it
	}
}

// searchedKinds are what /search looks at and a saved search can be about.
var searchedKinds = []string{"device", "endUser", "organization", "accountUser", "deviceTemplate", "endUserTemplate", "organizationTemplate", "channelTemplate"}

func (s *Service) searchRoutes(g *echo.Group) {
	g.GET("/search", s.searchAll)
	g.GET("/search/suggest", s.suggest)
	g.GET("/searches/:id/results", s.searchResults)
}

// hit is one line of /search.
type hit struct {
	Kind         string `json:"kind"`
	ID           string `json:"id"`
	Name         string `json:"name"`
	SerialNumber string `json:"serialNumber,omitempty"`
	Connected    *bool  `json:"connected,omitempty"`
}

func (s *Service) searchAll(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	kinds := searchedKinds
	if names := c.QueryParam("kinds"); names != "" {
		kinds = strings.Split(names, ",")
	}
	var hits []hit
	counts := map[string]int{}
	total := 0
	err = s.viewFor(callerOf(c), func(t *txn) error {
		for _, name := range kinds {
			if !slices.Contains(searchedKinds, name) {
				return fault.Field("kinds", "%s is not one of: %s.", quote(name), strings.Join(searchedKinds, ", "))
			}
			k := t.byName[name]
			if !t.who.admin && !slices.Contains(reachable, name) {
				continue
			}
			w := wanted{Page: page}
			if w.query, err = t.parseQuery(k, c.QueryParam("q")); err != nil {
				if len(kinds) == 1 {
					return err
				}
				continue // a field of another kind
			}
			f, err := t.list(k, w)
			if err != nil {
				return err
			}
			counts[name] = f.total
			total += f.total
			for _, o := range f.objects {
				hits = append(hits, t.hit(k, o))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.ListWith(c, "search", hits, total, page, map[string]any{"counts": counts})
}

func (t *txn) hit(k *kind, o *object) hit {
	h := hit{Kind: k.one, ID: o.ID, Name: nameOf(k, o)}
	if k.one == "device" {
		seen, _ := t.presence.now(o.ID)
		h.SerialNumber, h.Connected = o.text("serialNumber"), &seen.connected
	}
	return h
}

func (s *Service) suggest(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	kind, text := c.QueryParam("kind"), c.QueryParam("q")
	if kind == "" {
		kind = "device"
	}
	if !slices.Contains(searchedKinds, kind) {
		return fault.Field("kind", "This must be one of: %s.", strings.Join(searchedKinds, ", "))
	}
	cursor := len(text)
	if v := c.QueryParam("cursor"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > len(text) {
			return fault.Field("cursor", "This must be a place in q, in bytes.")
		}
		cursor = n
	}
	hints := []search.Hint{}
	err := s.viewFor(callerOf(c), func(t *txn) error {
		k := t.byName[kind]
		if err := t.admitKind(read, k); err != nil {
			return err
		}
		scope, err := t.scope(k)
		if err != nil {
			return err
		}
		<-t.finder.ready
		hints = append(hints, t.finder.index(t.account).Suggest(search.Request{Kind: kind, Scope: scope, Now: t.at}, text, cursor)...)
		return nil
	})
	if err != nil {
		return err
	}
	return rest.One(c, "suggestions", map[string]any{"results": hints})
}

func (s *Service) searchResults(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	var k *kind
	var f found
	var shapes []map[string]any
	err = s.viewFor(callerOf(c), func(t *txn) error {
		saved := t.byName["savedSearch"]
		if err := t.admitKind(read, saved); err != nil {
			return err
		}
		o, err := t.find(saved, c.Param("id"))
		if err != nil {
			return err
		}
		k = t.byName[o.text("kind")]
		w := wanted{Page: page}
		if w.SortBy == "" {
			w.SortBy, w.Desc = o.text("sortBy"), o.text("sortOrder") == "desc"
		}
		if w.query, err = t.parseQuery(k, o.text("query")); err != nil {
			return err
		}
		if f, err = t.list(k, w); err != nil {
			return err
		}
		for _, o := range f.objects {
			shape, err := t.shape(k, o)
			if err != nil {
				return err
			}
			shapes = append(shapes, shape)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.List(c, k.many, shapes, f.total, page)
}
