package blueprint

import (
	"time"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
)

// The audit trail over REST, for admins:
//
//	GET  /audit            newest first; filters objectId, kind, by, action, from, to, q (words in anything of an entry)
//	GET  /audit/{id}
//	POST /audit/{id}/undo  puts an update back, or recovers what was deleted; answers the object
func (s *Service) auditRoutes(g *echo.Group) {
	g.GET("/audit", s.listAudit)
	g.GET("/audit/:id", s.getAudit)
	g.POST("/audit/:id/undo", s.undoAudit)
}

// adminsOnly refuses everybody else.
func (t *txn) adminsOnly(what string) error {
	if t.who.admin {
		return nil
	}
	text := t.who.name + " may not use " + what + ": that is for admins, and " + t.who.name + " is " + standing(t.who) + "."
	t.denials = append(t.denials, Denial{Principal: t.who.p, Action: "read", Kind: what, Text: text})
	return forbidden("%s", text)
}

func (s *Service) listAudit(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	q := auditQuery{object: c.QueryParam("objectId"), kind: c.QueryParam("kind"), by: c.QueryParam("by"),
		action: c.QueryParam("action"), text: c.QueryParam("q")}
	if q.from, err = queryTime(c, "from"); err != nil {
		return err
	}
	if q.to, err = queryTime(c, "to"); err != nil {
		return err
	}
	if _, ok := parseID(q.object); q.object != "" && !ok {
		return fault.Field("objectId", "This must be an id: a lower-case UUID.")
	}
	var entries []auditEntry
	var total int
	err = s.viewFor(callerOf(c), func(t *txn) (err error) {
		if err := t.adminsOnly("the audit trail"); err != nil {
			return err
		}
		entries, total, err = t.auditList(q, page, c.QueryParam("sortOrder") == "asc")
		return err
	})
	if err != nil {
		return err
	}
	return rest.List(c, "audit", entries, total, page)
}

// queryTime reads a time of the query in ms, 0 when it is not there.
func queryTime(c echo.Context, name string) (int64, error) {
	text := c.QueryParam(name)
	if text == "" {
		return 0, nil
	}
	v, err := (&field{name: name, kind: moment}).parse(text)
	if err != nil {
		return 0, err
	}
	at, err := time.Parse(time.RFC3339, v.(string))
	return at.UnixMilli(), err
}

func (s *Service) getAudit(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	var e *auditEntry
	err := s.viewFor(callerOf(c), func(t *txn) (err error) {
		if err := t.adminsOnly("the audit trail"); err != nil {
			return err
		}
		e, err = t.auditEntry(c.Param("id"))
		return err
	})
	if err != nil {
		return err
	}
	return rest.One(c, "auditEntry", e)
}

func (s *Service) undoAudit(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	var k *kind
	var shape map[string]any
	err := s.updateFor(callerOf(c), func(t *txn) error {
		if err := t.adminsOnly("the audit trail"); err != nil {
			return err
		}
		var o *object
		var err error
		if k, o, err = t.undo(c.Param("id")); err != nil {
			return err
		}
		shape, err = t.shape(k, o)
		return err
	})
	if err != nil {
		return err
	}
	return rest.One(c, k.one, shape)
}
