package blueprint

import (
	"github.com/labstack/echo/v4"

	"xively/blueprint/search"
	"xively/internal/fault"
	"xively/internal/rest"
)

// Routes mounts every noun on g, the group /api/v1 behind rest.Authenticate.
func (s *Service) Routes(g *echo.Group) {
	for _, k := range s.kinds {
		r := resource{s, k}
		r.routes(g, k.path)
		if k.alias != "" {
			r.routes(g, k.alias)
		}
	}
	s.associationRoutes(g)
	s.accessRoutes(g)
	s.auditRoutes(g)
	s.importRoutes(g)
	s.exportRoutes(g)
	s.searchRoutes(g)
	s.previewRoutes(g)
	g.POST("/batch", s.batch)
}

func (r resource) routes(g *echo.Group, path string) {
	g.GET(path, r.list)
	g.GET(path+"/:id", r.get)
	g.PUT(path+"/:id", r.update)
	g.PATCH(path+"/:id", r.update)
	if r.k.given {
		return
	}
	g.POST(path, r.create)
	g.DELETE(path+"/:id", r.delete)
	g.POST(path+"/:id/recover", r.recover)
}

// resource is one noun over REST.
type resource struct {
	s *Service
	k *kind
}

func (r resource) list(c echo.Context) error {
	if err := r.admit(c, nil); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	view, err := r.view(c)
	if err != nil {
		return err
	}
	var shapes []map[string]any
	var result found
	err = r.s.viewFor(callerOf(c), func(t *txn) error {
		if err := t.admitKind(read, r.k); err != nil {
			return err
		}
		want, err := t.want(r.k, c.QueryParams(), page)
		if err != nil {
			return err
		}
		if result, err = t.list(r.k, want); err != nil {
			return err
		}
		for _, o := range result.objects {
			shape, err := r.shape(t, o, view)
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
	if result.facets == nil {
		return rest.List(c, r.k.many, shapes, result.total, page)
	}
	for name, buckets := range result.facets {
		if buckets == nil { // no object has a value: an empty list, as the document says
			result.facets[name] = []search.Bucket{}
		}
	}
	return rest.ListWith(c, r.k.many, shapes, result.total, page, map[string]any{"facets": result.facets})
}

func (r resource) create(c echo.Context) error {
	in, err := r.body(c)
	if err != nil {
		return err
	}
	var shape map[string]any
	err = r.s.updateFor(callerOf(c), func(t *txn) (err error) {
		if err := t.admitKind(create, r.k); err != nil {
			return err
		}
		if r.k.post != nil {
			shape, err = r.k.post(t, in)
			return err
		}
		o, err := t.create(r.k, in)
		if err != nil {
			return err
		}
		shape, err = t.shape(r.k, o)
		return err
	})
	return r.answer(c, shape, err)
}

func (r resource) get(c echo.Context) error {
	if err := r.admit(c, nil); err != nil {
		return err
	}
	view, err := r.view(c)
	if err != nil {
		return err
	}
	var shape map[string]any
	err = r.s.viewFor(callerOf(c), func(t *txn) error {
		if err := t.admitKind(read, r.k); err != nil {
			return err
		}
		o, err := t.find(r.k, c.Param("id"))
		if err != nil {
			return err
		}
		if r.k.one == "grant" {
			if err := t.permit(read, r.k, o); err != nil {
				return err
			}
		}
		shape, err = r.shape(t, o, view)
		return err
	})
	return r.answer(c, shape, err)
}

// extras are what a read asks for besides the object.
type extras struct {
	expand   []expansion
	children bool
}

func (r resource) view(c echo.Context) (extras, error) {
	all, err := r.k.expansions(c.QueryParams()["expand"])
	return extras{all, r.k.one == "organization" && c.QueryParam("count") == "children"}, err
}

func (r resource) shape(t *txn, o *object, want extras) (map[string]any, error) {
	out, err := t.shape(r.k, o)
	if err != nil {
		return nil, err
	}
	if want.children {
		t.countChildren(o, out)
	}
	return out, t.expand(r.k, o, want.expand, out)
}

func (r resource) update(c echo.Context) error {
	in, err := r.body(c)
	if err != nil {
		return err
	}
	return r.write(c, change, func(t *txn) (*object, error) { return t.update(r.k, c.Param("id"), rest.ETag(c), in) })
}

func (r resource) delete(c echo.Context) error {
	if _, err := r.body(c); err != nil {
		return err
	}
	return r.write(c, remove, func(t *txn) (*object, error) { return t.delete(r.k, c.Param("id"), rest.ETag(c)) })
}

func (r resource) recover(c echo.Context) error {
	if _, err := r.body(c); err != nil {
		return err
	}
	return r.write(c, create, func(t *txn) (*object, error) { return t.recover(r.k, c.Param("id")) })
}

func (r resource) write(c echo.Context, do action, fn func(t *txn) (*object, error)) error {
	var shape map[string]any
	err := r.s.updateFor(callerOf(c), func(t *txn) error {
		if err := t.admitKind(do, r.k); err != nil {
			return err
		}
		o, err := fn(t)
		if err != nil {
			return err
		}
		shape, err = t.shape(r.k, o)
		return err
	})
	return r.answer(c, shape, err)
}

func (r resource) answer(c echo.Context, shape map[string]any, err error) error {
	if err != nil {
		return err
	}
	return rest.One(c, r.k.one, shape)
}

// body reads the request and admits the caller.
func (r resource) body(c echo.Context) (map[string]any, error) {
	if err := mayAsk(rest.Caller(c)); err != nil {
		return nil, err // before a stranger's body is looked at
	}
	in, err := rest.Body(c)
	if err != nil {
		return nil, err
	}
	return in, r.admit(c, in)
}

// admit checks that an accountId in the query or body is the caller's own. Another account's is answered like one that
// does not exist.
func (r resource) admit(c echo.Context, in map[string]any) error { return admit(c, in) }

func admit(c echo.Context, in map[string]any) error {
	p := rest.Caller(c)
	if err := mayAsk(p); err != nil {
		return err
	}
	for _, account := range []any{c.QueryParam("accountId"), in["accountId"]} {
		if account != nil && account != "" && account != p.AccountID {
			return &fault.Error{Kind: fault.NotFound, Field: "accountId", Message: "There is no such account for this caller."}
		}
	}
	return nil
}

func callerOf(c echo.Context) caller { return caller{rest.Caller(c), c.RealIP()} }
