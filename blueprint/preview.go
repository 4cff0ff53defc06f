package blueprint

import (
	"errors"
	"fmt"
	"slices"

	"github.com/labstack/echo/v4"

	"xively/blueprint/search"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// A template is shared by many objects, so a change of it, of its custom fields or its channels can be looked at first:
//
//	POST R/preview   {…members of a new one…}, {"id":"…",…members to change…} or {"id":"…","delete":true}
//
// for R templates, custom fields and channel templates. The change is made in a transaction that is taken back; what it would
// do to the objects that are there is counted in the index. For admins.
var previewed = []string{"deviceTemplate", "endUserTemplate", "organizationTemplate", "deviceField", "endUserField", "organizationField", "channelTemplate"}

const previewSamples = 5

// preview is the answer.
type preview struct {
	Allowed  bool            `json:"allowed"`
	Error    string          `json:"error"`    // why it would be refused; "" when it would not be
	Field    string          `json:"field"`    // that is at fault, "" for none
	Objects  int             `json:"objects"`  // that have the template
	Affected int             `json:"affected"` // of them, for which something changes
	Missing  int             `json:"missing"`  // of them, that lack a value which would be required: they stay as they are
	Samples  []previewSample `json:"samples"`  // of those affected, or of those that lack the value, if some do
	Text     string          `json:"text"`
}

type previewSample struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	SerialNumber string `json:"serialNumber,omitempty"` // of devices
}

var errTakenBack = errors.New("a preview keeps nothing")

func (s *Service) previewRoutes(g *echo.Group) {
	for _, name := range previewed {
		r := resource{s, s.byName[name]}
		g.POST(r.k.path+"/preview", r.preview)
	}
}

func (r resource) preview(c echo.Context) error {
	in, err := r.body(c)
	if err != nil {
		return err
	}
	var old, now *object
	err = r.s.db.Update(func(tx *storage.Tx) error {
		t := r.s.begin(tx, rest.Caller(c))
		return t.as(callerOf(c), func(t *txn) (err error) {
			if err = t.adminsOnly("the preview"); err != nil {
				return err
			}
			if old, now, err = t.tryChange(r.k, in); err != nil {
				return err
			}
			return errTakenBack
		})
	})
	p := preview{Allowed: errors.Is(err, errTakenBack), Samples: []previewSample{}}
	if !p.Allowed {
		var f *fault.Error
		if !errors.As(err, &f) || !slices.Contains([]fault.Kind{fault.Invalid, fault.Conflict, fault.Unprocessable}, f.Kind) {
			return err
		}
		p.Error, p.Field, p.Text = f.Message, f.Field, "This would be refused. "+f.Message
		return rest.One(c, "preview", p)
	}
	if err := r.s.effect(c, r.k, old, now, &p); err != nil {
		return err
	}
	return rest.One(c, "preview", p)
}

// tryChange makes the change that a preview is about. old is nil for a new object, now for a deleted one.
func (t *txn) tryChange(k *kind, in map[string]any) (old, now *object, err error) {
	id, _ := in["id"].(string)
	remove, ok := false, true
	if in["delete"] != nil {
		if remove, ok = rest.Bool(in["delete"]); !ok {
			return nil, nil, fault.Field("delete", "This must be true or false.")
		}
	}
	delete(in, "id")
	delete(in, "delete")
	if id == "" {
		now, err = t.create(k, in)
		return nil, now, err
	}
	found, err := t.find(k, id)
	if err != nil {
		return nil, nil, err
	}
	old = found.clone()
	if remove {
		_, err = t.delete(k, id, "")
		return old, nil, err
	}
	now, err = t.update(k, id, "", in)
	return old, now, err
}

// effect counts the objects of the template that the change is about.
func (s *Service) effect(c echo.Context, k *kind, old, now *object, p *preview) error {
	o := now
	if o == nil {
		o = old
	}
	of, template := s.ownerOf(k, o)
	account := rest.Caller(c).AccountID
	filters := []search.Filter{{Field: of.template, Op: search.Equal, Values: []string{template}}}
	look := func(more ...search.Filter) (search.Result, error) {
		return s.finder.search(account, search.Request{Kind: of.one, Filters: append(filters[:1:1], more...), Limit: previewSamples})
	}
	all, err := look()
	if err != nil {
		return err
	}
	p.Objects = all.Total
	samples := all.IDs
	is := func(name string) (before, after string) {
		if old != nil {
			before = old.text(name)
		}
		if now != nil {
			after = now.text(name)
		}
		return before, after
	}
	affects := func(n int, format string, args ...any) { p.Affected, p.Text = n, fmt.Sprintf(format, args...) }
	noun := counted(all.Total, of.title)
	switch {
	case now != nil && old != nil && sameValues(old, now):
		affects(0, "Nothing would change.")
	case k.one == "channelTemplate" && old == nil:
		affects(all.Total, "%s would have the channel at once.", noun)
	case k.one == "channelTemplate" && now == nil:
		affects(all.Total, "%s would lose the channel: publishing to it is refused from then on. Points that are stored stay until they expire.", noun)
	case k.one == "channelTemplate":
		before, after := is("name")
		switch {
		case before != after:
			affects(all.Total, "The topic of %s would change: what uses the old one is refused, and points that are stored stay under the old one.", noun)
		default:
			affects(all.Total, "From then on messages of %s to this channel would be kept in another way; what is stored stays.", noun)
		}
	case k.customFieldOf() == "":
		affects(all.Total, "%s have this template.", noun)
	case now == nil:
		some, err := look(search.Filter{Field: old.text("name"), Op: search.Missing})
		if err != nil {
			return err
		}
		affects(all.Total-some.Total, "The values of %s would be hidden; recovering the field shows them again.", counted(all.Total-some.Total, of.title))
	case now.text("required") == "true":
		lacking := all
		if old != nil {
			if lacking, err = look(search.Filter{Field: now.text("name"), Op: search.Missing}); err != nil {
				return err
			}
		}
		p.Missing, samples = lacking.Total, lacking.IDs
		affects(all.Total, "%s have this template; %d of them lack the value, and may go on without it. New ones must have it.", noun, lacking.Total)
	case old == nil:
		affects(all.Total, "%s would have the field, without a value; its default is for those that are made from then on.", noun)
	default:
		affects(0, "Those that are there stay as they are; the change counts for new ones.")
	}
	if p.Affected == 0 {
		samples = nil
	}
	return s.viewFor(callerOf(c), func(t *txn) error { return t.sample(of, samples, p) })
}

func (t *txn) sample(of *kind, ids []string, p *preview) error {
	for _, id := range ids {
		o, err := t.find(of, id)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			continue // deleted since
		}
		if err != nil {
			return err
		}
		p.Samples = append(p.Samples, previewSample{id, o.text("name"), o.text("serialNumber")})
	}
	return nil
}

// customFieldOf is the kind whose objects have the custom fields that k's objects are; "" for other kinds.
func (k *kind) customFieldOf() string {
	return map[string]string{"deviceField": "device", "endUserField": "endUser", "organizationField": "organization"}[k.one]
}

// ownerOf returns the kind of the objects that a template, custom field or channel is for, and the template's id.
func (s *Service) ownerOf(k *kind, o *object) (of *kind, template string) {
	switch {
	case k.customFieldOf() != "":
		of = s.byName[k.customFieldOf()]
		return of, o.text(of.template)
	case k.one == "channelTemplate":
		return s.byName["device"], o.text("entityId")
	case k.one == "endUserTemplate":
		return s.byName["endUser"], o.ID
	case k.one == "organizationTemplate":
		return s.byName["organization"], o.ID
	}
	return s.byName["device"], o.ID
}
