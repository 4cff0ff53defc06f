package blueprint

import "strings"

// kind describes one noun to the engine. Tables are made once, by newKinds, and then only read.
type kind struct {
	code   byte   // in keys; never reused
	one    string // envelope key of one, also the word in entityType: "device"
	many   string // envelope key of a list, also the bucket: "devices"
	path   string // under /api/v1: "/devices"
	alias  string // a second path, "" for none
	title  string // in messages: "device template"
	fields []field
	unique []index // compound ones; a single field says so itself
	given  bool    // neither made nor deleted over REST

	template string // the field that names an object's template, when templates of the kind have custom fields
	customBy string // … and the kind that holds those fields

	// All hooks are optional and run inside the transaction.
	intake    func(t *txn, in map[string]any) error                   // looks at a create request before its fields are read
	prepare   func(t *txn, old, new *object) error                    // last chance to fill in or refuse; old is nil on create
	removable func(t *txn, o *object) error                           // refuses a delete
	changed   func(t *txn, old, new *object)                          // consequences; old is nil on create; Deleted tells the rest
	decorate  func(t *txn, o *object, out map[string]any) error       // computed members of an answer
	post      func(t *txn, in map[string]any) (map[string]any, error) // takes the place of create

	indexes []index // made by newKinds
}

func (k *kind) bucket() string { return "blueprint." + k.many }

// index is an order of a kind's objects by the text of one or more fields.
type index struct {
	code   byte
	fields []string
	unique bool
	nulls  bool // objects without a value are in it too, under the empty text
}

// value returns the object's text in the index, and whether it is in it.
func (ix *index) value(o *object) (string, bool) {
	if len(ix.fields) == 1 {
		v := o.text(ix.fields[0])
		return v, v != "" || ix.nulls
	}
	parts := make([]string, len(ix.fields))
	for i, name := range ix.fields {
		parts[i] = o.text(name)
	}
	return strings.Join(parts, "\x00"), true
}

// indexOn returns the index whose first field is name, or nil.
func (k *kind) indexOn(name string) *index {
	for i := range k.indexes {
		if k.indexes[i].fields[0] == name {
			return &k.indexes[i]
		}
	}
	return nil
}

func (k *kind) field(name string) *field {
	for i := range k.fields {
		if k.fields[i].name == name {
			return &k.fields[i]
		}
	}
	return nil
}

// newKinds makes all tables.
func newKinds() []*kind {
	kinds := []*kind{
		organizationKind(), organizationTemplateKind(),
		deviceKind(), deviceTemplateKind(), channelTemplateKind(),
		endUserKind(), endUserTemplateKind(),
		accountUserKind(), accountUserTemplateKind(),
		deviceFieldKind(), endUserFieldKind(), organizationFieldKind(),
		credentialKind(), roleKind(), grantKind(), savedSearchKind(), accountKind(),
	}
	for _, k := range kinds {
		for _, f := range k.fields {
			if f.index != 0 {
				k.indexes = append(k.indexes, index{code: f.index, fields: []string{f.name}, unique: f.unique, nulls: f.refersTo()})
			}
		}
		k.indexes = append(k.indexes, k.unique...)
	}
	return kinds
}

// action is what a caller wants to do to an object; the words are those of permissions.
type action string

const (
	read   action = "read"
	create action = "create"
	change action = "update"
	remove action = "delete"
)
