package blueprint

import (
	"maps"
	"strconv"
	"time"

	"xively/internal/auth"
	"xively/internal/rest"
)

// object is any noun of the directory: the members all have, and the values of its kind's fields.
type object struct {
	ID          string         `json:"id"`
	AccountID   string         `json:"account"`
	Created     int64          `json:"created"` // ms since 1970, as all times here
	CreatedBy   string         `json:"createdBy,omitempty"`
	Modified    int64          `json:"modified"`
	ModifiedBy  string         `json:"modifiedBy,omitempty"`
	Revision    uint64         `json:"revision"` // 1 at first, one more with each change through the API
	Deleted     int64          `json:"deleted,omitempty"`
	DeletedWith string         `json:"deletedWith,omitempty"` // the object whose delete took this one along
	Values      map[string]any `json:"values,omitempty"`      // by field: string, float64, bool or []string; unset is absent
}

// version is what clients send back as etag: opaque to them, the revision to us. It starts at three characters so that
// nobody takes it for a number to count with.
func (o *object) version() string { return strconv.FormatUint(o.Revision+10_000, 36) }

// text returns a string value, "" when unset.
func (o *object) text(name string) string {
	s, _ := o.Values[name].(string)
	return s
}

// list returns a list value, nil when unset.
func (o *object) list(name string) []string {
	v, _ := o.Values[name].([]string)
	return v
}

func (o *object) set(name string, v any) {
	if v == nil {
		delete(o.Values, name)
		return
	}
	if o.Values == nil {
		o.Values = map[string]any{}
	}
	o.Values[name] = v
}

// gone and back report that a change deleted an object, or recovered it.
func gone(old, new *object) bool { return new.Deleted != 0 && (old == nil || old.Deleted == 0) }
func back(old, new *object) bool { return new.Deleted == 0 && old != nil && old.Deleted != 0 }

func (o *object) clone() *object {
	c := *o
	c.Values = maps.Clone(o.Values)
	return &c
}

// touch marks a change through the API.
func (o *object) touch(by string, at time.Time) {
	o.Revision++
	o.Modified, o.ModifiedBy = at.UnixMilli(), by
}

// actor is what createdById and lastModifiedById say: the person behind a user, else the caller itself.
func actor(p auth.Principal) string {
	if p.UserID != "" {
		return p.UserID
	}
	return p.ID
}

// shape is the object as an answer shows it: common members, every field (null when unset), and what the kind adds.
func (t *txn) shape(k *kind, o *object) (map[string]any, error) {
	fields, err := t.fields(k, o)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(fields)+12)
	out["id"], out["accountId"], out["version"] = o.ID, o.AccountID, o.version()
	out["created"], out["createdById"] = timeText(o.Created), orNull(o.CreatedBy)
	out["lastModified"], out["lastModifiedById"] = timeText(o.Modified), orNull(o.ModifiedBy)
	for i := range fields {
		f := &fields[i]
		v := o.Values[f.name]
		if v == nil && f.kind == list {
			v = []string{}
		}
		if f.custom && !f.holds(v) {
			v = nil
		}
		out[f.name] = v
	}
	if k.decorate != nil {
		if err := k.decorate(t, o, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func timeText(ms int64) string { return rest.Time(time.UnixMilli(ms)) }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
