package blueprint

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// Routes mounts every noun on g, the group /api/v1 behind rest.Authenticate.
func (s *Service) Routes(g *echo.Group) {
	for _, k := range s.kinds {
		r := resource{s, k}
		g.GET(k.path, r.list)
		g.POST(k.path, r.create)
		g.GET(k.path+"/:id", r.get)
		g.PUT(k.path+"/:id", r.update)
		g.PATCH(k.path+"/:id", r.update)
		g.DELETE(k.path+"/:id", r.delete)
		g.POST(k.path+"/:id/recover", r.recover)
	}
}

// resource is one noun over REST.
type resource struct {
	s *Service
	k *kind
}

func (r resource) list(c echo.Context) error {
	p := rest.Caller(c)
	if err := r.admit(c, read, nil); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	var shapes []map[string]any
	var total int
	err = r.s.view(p, func(t *txn) error {
		var objects []*object
		var err error
		if objects, total, err = t.list(r.k, r.filters(c.QueryParams()), page); err != nil {
			return err
		}
		for _, o := range objects {
			shape, err := t.shape(r.k, o)
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
	return rest.List(c, r.k.many, shapes, total, page)
}

// filters takes the query's keys that name a field and have a value; of a repeated key, the first counts.
func (r resource) filters(query url.Values) map[string]string {
	filters := map[string]string{}
	for name, values := range query {
		if f := r.k.field(name); f != nil && len(values) > 0 && values[0] != "" {
			filters[name] = values[0]
		}
	}
	return filters
}

func (r resource) create(c echo.Context) error {
	in, err := r.body(c, create)
	if err != nil {
		return err
	}
	var shape map[string]any
	err = r.s.update(rest.Caller(c), func(t *txn) (err error) {
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
	if err := r.admit(c, read, nil); err != nil {
		return err
	}
	var shape map[string]any
	err := r.s.view(rest.Caller(c), func(t *txn) error {
		o, err := t.find(r.k, c.Param("id"))
		if err != nil {
			return err
		}
		shape, err = t.shape(r.k, o)
		return err
	})
	return r.answer(c, shape, err)
}

func (r resource) update(c echo.Context) error {
	in, err := r.body(c, change)
	if err != nil {
		return err
	}
	return r.write(c, func(t *txn) (*object, error) { return t.update(r.k, c.Param("id"), rest.ETag(c), in) })
}

func (r resource) delete(c echo.Context) error {
	if _, err := r.body(c, remove); err != nil {
		return err
	}
	return r.write(c, func(t *txn) (*object, error) { return t.delete(r.k, c.Param("id"), rest.ETag(c)) })
}

func (r resource) recover(c echo.Context) error {
	if _, err := r.body(c, create); err != nil {
		return err
	}
	return r.write(c, func(t *txn) (*object, error) { return t.recover(r.k, c.Param("id")) })
}

func (r resource) write(c echo.Context, fn func(t *txn) (*object, error)) error {
	var shape map[string]any
	err := r.s.update(rest.Caller(c), func(t *txn) error {
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
func (r resource) body(c echo.Context, do action) (map[string]any, error) {
	if err := permit(rest.Caller(c), do, r.k); err != nil {
		return nil, err // before a stranger's body is looked at
	}
	in, err := rest.Body(c)
	if err != nil {
		return nil, err
	}
	return in, r.admit(c, do, in)
}

// admit checks the caller's right, and that an accountId in the query or body is the caller's own. Another account's is
// answered like one that does not exist.
func (r resource) admit(c echo.Context, do action, in map[string]any) error {
	p := rest.Caller(c)
	if err := permit(p, do, r.k); err != nil {
		return err
	}
	for _, account := range []any{c.QueryParam("accountId"), in["accountId"]} {
		if account != nil && account != "" && account != p.AccountID {
			return &fault.Error{Kind: fault.NotFound, Field: "accountId", Message: "There is no such account for this caller."}
		}
	}
	return nil
}
