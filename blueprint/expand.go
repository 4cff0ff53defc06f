package blueprint

import (
	"strings"
	"unicode"

	"xively/internal/fault"
)

// expand=organization,device-template puts what an object refers to beside the reference: organizationId gets the member
// organization. parent is the organization's own word for what it is in, account the account.

// expansion is one reference to follow.
type expansion struct {
	member string // of the answer
	field  *field
}

// expansions reads the query's expand; names are separated by commas or given several times.
func (k *kind) expansions(values []string) ([]expansion, error) {
	var all []expansion
	var names []string
	for _, word := range strings.Split(strings.Join(values, ","), ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		if word == "account" {
			all = append(all, expansion{member: "account"})
			continue
		}
		names = names[:0]
		found := false
		for i := range k.fields {
			f := &k.fields[i]
			member, isID := strings.CutSuffix(f.name, "Id")
			if !f.refersTo() && f.name != "defaultEndUserId" || !isID {
				continue
			}
			names = append(names, kebab(member))
			if kebab(member) == word {
				all, found = append(all, expansion{member, f}), true
			}
		}
		if !found {
			return nil, fault.Field("expand", "A %s has no %s to expand; there are: account, %s.", k.title, quote(word), strings.Join(names, ", "))
		}
		if k.one == "organization" && word == "parent" {
			all = append(all, expansion{"defaultEndUser", k.field("defaultEndUserId")})
		}
	}
	return all, nil
}

// kebab is "device-template" for "deviceTemplate".
func kebab(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func (t *txn) expand(k *kind, o *object, all []expansion, out map[string]any) error {
	for _, e := range all {
		if e.member == "account" {
			var err error
			if out["account"], err = t.accountOf(); err != nil {
				return err
			}
			continue
		}
		out[e.member] = nil
		target := t.byName["endUser"]
		if e.field.refersTo() {
			target = t.byName[e.field.refs[0]]
			if name := o.text(e.field.refBy); name != "" {
				target = t.byName[name]
			}
		}
		id := o.text(e.field.name)
		if id == "" || target == nil {
			continue
		}
		other, err := t.find(target, id)
		if fault.KindOf(err) == fault.NotFound {
			continue // out of the caller's reach
		}
		if err != nil {
			return err
		}
		if out[e.member], err = t.shape(target, other); err != nil {
			return err
		}
	}
	return nil
}

// countChildren answers count=children: how much is directly in an organization.
func (t *txn) countChildren(o *object, out map[string]any) {
	for member, in := range map[string]struct{ kind, by string }{
		"childrenCount": {"organization", "parentId"}, "devicesCount": {"device", "organizationId"}, "endUsersCount": {"endUser", "organizationId"},
	} {
		k := t.byName[in.kind]
		out[member] = t.countEqual(k, k.indexOn(in.by).code, o.ID)
	}
}
