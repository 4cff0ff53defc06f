package blueprint

import (
	"strings"

	"xively/internal/fault"
)

// A template can give its objects fields of their own. Their values are flat members of the object, set and read like
// any other.
//
// A new field is on every object of the template at once, without a value there; its default is for objects made from
// then on. Deleting a field hides its values; recovering it shows them again.

// Types of custom fields.
const (
	stringField   = "string"   // one line
	textField     = "text"     // many lines
	numberField   = "number"   // a JSON number
	booleanField  = "boolean"  // true or false
	datetimeField = "datetime" // 2017-03-01T10:00:00.000Z
)

// Limits of custom fields.
const (
	maxCustomFields = 200 // per template
	mostInString    = 1024
	mostInText      = 16 << 10
	mostInFieldName = 64
)

func deviceFieldKind() *kind {
	k := customFieldKind("deviceField", "/devices/custom-fields", "device", "deviceTemplate")
	k.code, k.alias = 11, "/devices/templates/custom-fields"
	return k
}

func endUserFieldKind() *kind {
	k := customFieldKind("endUserField", "/end-users/custom-fields", "endUser", "endUserTemplate")
	k.code, k.alias = 12, "/end-users/templates/custom-fields"
	return k
}

func organizationFieldKind() *kind {
	k := customFieldKind("organizationField", "/organizations/custom-fields", "organization", "organizationTemplate")
	k.code, k.alias = 13, "/organizations/templates/custom-fields"
	return k
}

func customFieldKind(one, path, of, template string) *kind {
	k := &kind{
		one: one, many: one + "s", path: path, title: "custom field",
		fields: []field{
			{name: template + "Id", required: true, fixed: true, refs: []string{template}, owner: true, index: 2},
			{name: "name", required: true, fixed: true, most: mostInFieldName, index: 3},
			{name: "fieldType", fixed: true, choices: []string{stringField, textField, numberField, booleanField, datetimeField}},
			{name: "required", choices: truth},
			{name: "default", lines: true, most: mostInText},
		},
		unique: []index{{code: 4, fields: []string{template + "Id", "name"}, unique: true}},
	}
	k.prepare = func(t *txn, old, o *object) error { return t.prepareCustomField(k, t.byName[of], old, o) }
	k.changed = func(t *txn, _, o *object) { delete(t.custom, o.text(template+"Id")) }
	return k
}

func (t *txn) prepareCustomField(k, of *kind, old, o *object) error {
	if old == nil {
		if err := checkFieldName(of, o.text("name")); err != nil {
			return err
		}
		if n := t.countEqual(k, k.indexOn(of.template).code, o.text(of.template)); n >= maxCustomFields {
			return fault.New(fault.Unprocessable, "The template has %d custom fields already, which is as many as it can have.", n)
		}
	}
	f := customField(o)
	f.name = "default"
	_, err := f.parse(o.Values["default"])
	return err
}

// checkFieldName keeps a custom field apart from everything else that can be in an object, its list or a query.
func checkFieldName(of *kind, name string) error {
	for _, taken := range []string{"id", "accountId", "version", "created", "createdById", "lastModified", "lastModifiedById", "ownedById",
		"channels", "account", "organization", "parent", "secret", "password", "message", "deleted", "q",
		"page", "pageSize", "sortBy", "sortOrder", "meta", "results", "expand", "count"} {
		if strings.EqualFold(name, taken) {
			return fault.Field("name", "Every %s has a %s already; choose another name.", of.title, quote(taken))
		}
	}
	for i := range of.fields {
		if strings.EqualFold(of.fields[i].name, name) {
			return fault.Field("name", "Every %s has a %s already; choose another name.", of.title, quote(of.fields[i].name))
		}
	}
	if strings.TrimSpace(name) != name || strings.ContainsAny(name, `:"()*<>=&?#,`) || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "$") {
		return fault.Field("name", "The name of a custom field can hold letters, digits, blanks inside, and - _ . / +, and cannot begin with _.")
	}
	return nil
}

// customField is what a custom field's object says, as a field.
func customField(o *object) field {
	f := field{name: o.text("name"), custom: true, required: o.text("required") == "true"}
	switch o.text("fieldType") {
	case textField:
		f.most, f.lines = mostInText, true
	case numberField:
		f.kind = number
	case booleanField:
		f.kind = boolean
	case datetimeField:
		f.kind = moment
	default:
		f.most = mostInString
	}
	return f
}

// fields are the fields an object has: its kind's, then its template's.
func (t *txn) fields(k *kind, o *object) ([]field, error) {
	custom, err := t.customFields(k, o)
	if err != nil || len(custom) == 0 {
		return k.fields, err
	}
	return append(k.fields[:len(k.fields):len(k.fields)], custom...), nil
}

// customFields are what an object's template adds, in order of creation.
func (t *txn) customFields(k *kind, o *object) ([]field, error) {
	template := o.text(k.template)
	if k.template == "" || template == "" {
		return nil, nil
	}
	if fields, known := t.custom[template]; known {
		return fields, nil
	}
	kk := t.byName[k.customBy]
	var fields []field
	for r := range t.refsEqual(kk, kk.indexOn(k.template).code, template) {
		o, err := t.loadRef(kk, r)
		if err != nil {
			return nil, err
		}
		f := customField(o)
		if f.initial, err = f.parse(o.Values["default"]); err != nil {
			return nil, err
		}
		if f.initial == "" {
			f.initial = nil
		}
		fields = append(fields, f)
	}
	t.custom[template] = fields
	return fields, nil
}

// customNamed returns the account's custom field of a name, whatever its template; nil when there is none. Two
// templates may give a name different types; the first made says how a filter is read.
func (t *txn) customNamed(k *kind, name string) (*field, error) {
	if k.customBy == "" {
		return nil, nil
	}
	kk := t.byName[k.customBy]
	for r := range t.refsEqual(kk, kk.indexOn("name").code, name) {
		o, err := t.loadRef(kk, r)
		if err != nil {
			return nil, err
		}
		f := customField(o)
		return &f, nil
	}
	return nil, nil
}
