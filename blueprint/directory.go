package blueprint

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"xively/internal/fault"
)

// find returns a live object of the account that the caller may read. An object of another account, a deleted one and none at all are the same
// NotFound.
func (t *txn) find(k *kind, id string) (*object, error) {
	o, err := t.findLive(k, id)
	if err != nil {
		return nil, err
	}
	if slices.Contains(reachable, k.one) {
		if err := t.permit(read, k, o); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// findLive is find for what the caller need not be able to read.
func (t *txn) findLive(k *kind, id string) (*object, error) {
	o, err := t.findAny(k, id)
	if err == nil && o.Deleted != 0 {
		return nil, notFound(k)
	}
	return o, err
}

func (t *txn) findAny(k *kind, id string) (*object, error) {
	o, err := load(t.tx, k, id)
	if err != nil {
		return nil, err
	}
	if o == nil || o.AccountID != t.account {
		return nil, notFound(k)
	}
	return o, nil
}

func notFound(k *kind) error {
	return fault.New(fault.NotFound, "There is no %s with this id.", k.title)
}

// create makes an object out of a request's members.
func (t *txn) create(k *kind, in map[string]any) (*object, error) {
	if k.intake != nil {
		if err := k.intake(t, in); err != nil {
			return nil, err
		}
	}
	o := &object{ID: uuid.NewString(), AccountID: t.account, Created: t.at.UnixMilli(), CreatedBy: t.by}
	o.touch(t.by, t.at)
	if err := t.assign(k, nil, o, in); err != nil {
		return nil, err
	}
	if err := t.permit(create, k, o); err != nil {
		return nil, err
	}
	if err := t.admit(k, nil, o); err != nil {
		return nil, err
	}
	t.addCount(k, 1)
	if err := t.store(k, nil, o); err != nil || k.one != "organization" {
		return o, err
	}
	return t.makeDefaultEndUser(o, in)
}

// update changes the members that a request sends. An empty etag matches every version; a request that changes nothing
// leaves the version alone.
func (t *txn) update(k *kind, id, etag string, in map[string]any) (*object, error) {
	old, err := t.find(k, id)
	if err != nil {
		return nil, err
	}
	if err := old.fresh(k, etag); err != nil {
		return nil, err
	}
	o := old.clone()
	if err := t.assign(k, old, o, in); err != nil {
		return nil, err
	}
	if err := t.permitChange(k, old, o); err != nil {
		return nil, err
	}
	if err := t.admit(k, old, o); err != nil {
		return nil, err
	}
	if sameValues(old, o) {
		return old, nil
	}
	o.touch(t.by, t.at)
	return o, t.store(k, old, o)
}

func sameValues(a, b *object) bool {
	return len(a.Values) == 0 && len(b.Values) == 0 || reflect.DeepEqual(a.Values, b.Values)
}

func (o *object) fresh(k *kind, etag string) error {
	if etag != "" && etag != o.version() {
		return fault.New(fault.Stale, "The %s has changed since: its version is %s, the etag says %s. Read it again, then repeat your change.",
			k.title, o.version(), cut(etag, 32))
	}
	return nil
}

// delete marks an object deleted, with all that it owns.
func (t *txn) delete(k *kind, id, etag string) (*object, error) {
	o, err := t.find(k, id)
	if err != nil {
		return nil, err
	}
	if err := t.permit(remove, k, o); err != nil {
		return nil, err
	}
	if err := o.fresh(k, etag); err != nil {
		return nil, err
	}
	if k.removable != nil {
		if err := k.removable(t, o); err != nil {
			return nil, err
		}
	}
	if err := t.unreferenced(k, o); err != nil {
		return nil, err
	}
	return t.bury(k, o, "")
}

func (t *txn) bury(k *kind, old *object, with string) (*object, error) {
	err := t.eachOwned(k, old.ID, func(kk *kind, owned *object) error {
		_, err := t.bury(kk, owned, old.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	o := old.clone()
	o.touch(t.by, t.at)
	o.Deleted, o.DeletedWith = t.at.UnixMilli(), with
	t.addCount(k, -1)
	return o, t.store(k, old, o)
}

// recover undoes a delete. Recovering what is there is no error.
func (t *txn) recover(k *kind, id string) (*object, error) {
	old, err := t.findAny(k, id)
	if err != nil {
		return nil, err
	}
	if err := t.permit(create, k, old); err != nil {
		return nil, err
	}
	return t.unbury(k, old)
}

func (t *txn) unbury(k *kind, old *object) (*object, error) {
	if old.Deleted == 0 {
		return old, nil
	}
	o := old.clone()
	o.touch(t.by, t.at)
	o.Deleted, o.DeletedWith = 0, ""
	if err := t.admit(k, nil, o); err != nil {
		// What refused it is the state of the directory and not the request: the request has no field to mend.
		if f := (*fault.Error)(nil); errors.As(err, &f) && f.Kind == fault.Invalid {
			return nil, fault.New(fault.Conflict, "The %s cannot come back: its %s is refused now. %s", k.title, f.Field, f.Message)
		}
		return nil, err
	}
	t.addCount(k, 1)
	if err := t.store(k, old, o); err != nil {
		return nil, err
	}
	return o, t.eachDeletedWith(k, o.ID, func(kk *kind, owned *object) error {
		_, err := t.unbury(kk, owned)
		return err
	})
}

// admit is the last word on a new state of an object: complete, referring to what exists, unique.
func (t *txn) admit(k *kind, old, o *object) error {
	if k.prepare != nil {
		if err := k.prepare(t, old, o); err != nil {
			return err
		}
	}
	if err := t.complete(k, old, o); err != nil {
		return err
	}
	if err := t.refers(k, old, o); err != nil {
		return err
	}
	return t.uniquely(k, o)
}

// store writes the new state, moves the index and lets the kind draw the consequences.
func (t *txn) store(k *kind, old, o *object) error {
	if err := t.save(k, o); err != nil {
		return err
	}
	t.reindex(k, old, o)
	t.noteDeleted(k, old, o)
	t.tx.OnCommit(func() { t.finder.put(k, old, o) })
	if err := t.record(k, old, o); err != nil {
		return err
	}
	if k.changed != nil {
		k.changed(t, old, o)
	}
	return nil
}

// target returns the kind a reference points to.
func (t *txn) target(f *field, o *object) (*kind, error) {
	if f.refBy == "" {
		return t.byName[f.refs[0]], nil
	}
	name := o.text(f.refBy)
	for _, r := range f.refs {
		if r == name {
			return t.byName[r], nil
		}
	}
	return nil, fault.Field(f.refBy, "This must be one of: %s.", strings.Join(f.refs, ", "))
}

// refers checks that everything o newly refers to exists in the account.
func (t *txn) refers(k *kind, old, o *object) error {
	for i := range k.fields { // custom fields refer to nothing
		f := &k.fields[i]
		id := o.text(f.name)
		if !f.refersTo() || id == "" || old != nil && old.text(f.name) == id {
			continue
		}
		target, err := t.target(f, o)
		if err != nil {
			return err
		}
		look := t.find
		if f.anyone {
			look = t.findLive
		}
		if _, err := look(target, id); fault.KindOf(err) == fault.NotFound {
			return fault.Field(f.name, "There is no %s with the id %s.", target.title, cut(id, 40))
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) uniquely(k *kind, o *object) error {
	own := o.ref()
	for i := range k.indexes {
		ix := &k.indexes[i]
		value, ok := ix.value(o)
		if !ix.unique || !ok {
			continue
		}
		for r := range t.refsEqual(k, ix.code, value) {
			if r != own {
				last := ix.fields[len(ix.fields)-1]
				return &fault.Error{Kind: fault.Conflict, Field: last,
					Message: "There is already a " + k.title + " whose " + last + " is " + quote(o.text(last)) + "."}
			}
		}
	}
	return nil
}

// unreferenced refuses a delete while others than owned objects refer to o, and says how many of what, and names the first few.
func (t *txn) unreferenced(k *kind, o *object) error {
	var users []string
	for _, kk := range t.kinds {
		for i := range kk.fields {
			f := &kk.fields[i]
			if f.owner || !f.mayReferTo(k) {
				continue
			}
			text, err := t.users(kk, f, o.ID)
			if err != nil {
				return err
			}
			if text != "" {
				users = append(users, text)
			}
		}
	}
	switch {
	case users == nil:
		return nil
	case k.one == "organization":
		return fault.New(fault.Conflict, "The group %s is not empty: in it are %s. Move or delete those first.", quote(nameOf(k, o)), joinedAnd(users))
	}
	return fault.New(fault.Conflict, "The %s %s is in use by %s. Change or delete those first.", k.title, quote(nameOf(k, o)), joinedAnd(users))
}

// mostUsers is how many of those that hold up a delete are named.
const mostUsers = 3

// users says which objects refer to an id by a field: "2 devices (Kitchen, Hall)"; "" for none.
func (t *txn) users(k *kind, f *field, id string) (string, error) {
	var names []string
	n := 0
	for r := range t.refsEqual(k, k.indexOn(f.name).code, id) {
		if n++; n > mostUsers {
			continue
		}
		o, err := t.loadRef(k, r)
		if err != nil {
			return "", err
		}
		names = append(names, cut(nameOf(k, o), 40))
	}
	if n > mostUsers {
		names = append(names, "…")
	}
	if n == 0 {
		return "", nil
	}
	return counted(n, onScreen(k.title)) + " (" + strings.Join(names, ", ") + ")", nil
}

func joinedAnd(all []string) string {
	if len(all) == 1 {
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

func (t *txn) countEqual(k *kind, index byte, value string) (n int) {
	for range t.refsEqual(k, index, value) {
		n++
	}
	return n
}

// counted is "1 device", "2 devices".
func counted(n int, title string) string {
	if n == 1 {
		return "1 " + title
	}
	return strconv.Itoa(n) + " " + plural(title)
}

func plural(title string) string {
	if strings.HasSuffix(title, "ch") {
		return title + "es"
	}
	return title + "s"
}

func (f *field) mayReferTo(k *kind) bool {
	for _, name := range f.refs {
		if name == k.one {
			return true
		}
	}
	return false
}

func (t *txn) eachOwned(k *kind, id string, fn func(*kind, *object) error) error {
	for _, kk := range t.kinds {
		for i := range kk.fields {
			f := &kk.fields[i]
			if !f.owner || !f.mayReferTo(k) {
				continue
			}
			if err := t.eachRef(kk, kk.indexOn(f.name).code, id, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *txn) eachDeletedWith(k *kind, id string, fn func(*kind, *object) error) error {
	for _, kk := range t.kinds {
		if err := t.eachRef(kk, indexDeletedWith, id, fn); err != nil {
			return err
		}
	}
	return nil
}

// eachRef calls fn, which may change the index, with every object under a value of an index.
func (t *txn) eachRef(k *kind, index byte, value string, fn func(*kind, *object) error) error {
	var ids []string
	for r := range t.refsEqual(k, index, value) {
		ids = append(ids, r.id())
	}
	for _, id := range ids {
		o, err := t.findAny(k, id)
		if err != nil {
			return err
		}
		if err := fn(k, o); err != nil {
			return err
		}
	}
	return nil
}

// cut bounds what a message repeats of a request.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func quote(s string) string { return "“" + cut(s, 64) + "”" }
