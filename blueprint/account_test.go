package blueprint

import (
	"strings"
	"testing"

	"xively/storage"
)

// TestAccounts: an admin sees and changes the own account, nobody else's, and nothing that only the operator may.
func TestAccounts(t *testing.T) {
	h := newHome(t)
	people := &fakeIdentities{accounts: map[string]string{h.a.account: "Acme tokenA", h.b.account: "Acme tokenB"}}
	if err := h.s.UseIdentities(people); err != nil {
		t.Fatal(err)
	}
	own, other := "/accounts/"+h.a.account, "/accounts/"+h.b.account
	list := results(h.must("tokenA", "GET", "/accounts", nil))
	if len(list) != 1 || list[0]["id"] != h.a.account || list[0]["name"] != "Acme tokenA" || list[0]["devicesCount"] != 3.0 {
		t.Fatalf("accounts: %v", list)
	}
	version := list[0]["version"].(string)
	for _, row := range []struct {
		token, method, path string
		body                map[string]any
		status              int
		want                string
	}{
		{"tokenA", "PUT", own, map[string]any{"name": "Acme", "websiteAddress": "https://acme.example", "devicesCount": 9, "id": h.b.account}, 200, `"name":"Acme"`},
		{"tokenA", "GET", own, nil, 200, `"websiteAddress":"https://acme.example"`},
		{"tokenA", "PATCH", own, map[string]any{"websiteAddress": nil}, 200, `"websiteAddress":null`},
		{"tokenA", "PUT", own, map[string]any{"name": " "}, 400, `"field":"name"`},
		{"tokenA", "GET", other, nil, 404, "There is no account"},
		{"tokenA", "PUT", other, map[string]any{"name": "Mine"}, 404, "There is no account"},
		{"tokenA", "POST", "/accounts", map[string]any{"name": "New"}, 404, "nothing at this path"},
		{"tokenA", "DELETE", own, nil, 404, "nothing at this path"},
		{"ann", "GET", own, nil, 403, "for admins, and Ann is an end user"},
		{"ann", "PUT", own, map[string]any{"name": "Ann's"}, 403, ""},
		{"max", "GET", "/accounts", nil, 403, "role member"},
		{"ann", "GET", "/devices/" + h.kitchen + "?expand=account", nil, 200, `"account":{"id":"` + h.a.account + `","name":"Acme"}`},
		{"tokenA", "GET", "/audit?kind=account&action=update", nil, 200, `"count":2`},
	} {
		if a := h.call(row.token, row.method, row.path, row.body); a.status != row.status || !strings.Contains(a.text, row.want) {
			t.Errorf("%s: %s %s: %d %s, want %d with %s", row.token, row.method, row.path, a.status, a.text, row.status, row.want)
		}
	}
	if a := h.call("tokenA", "PUT", own, map[string]any{"name": "Stale"}, "etag", version); a.status != 412 {
		t.Errorf("a stale etag: %d", a.status)
	}
	if people.accounts[h.a.account] != "Acme" || people.accounts[h.b.account] != "Acme tokenB" {
		t.Errorf("the identity service knows %v", people.accounts)
	}
}

// TestAccountsOfBefore: accounts that were made before there was the noun have it after the next start.
func TestAccountsOfBefore(t *testing.T) {
	w := newWorld(t)
	id, _ := parseID(w.a.account)
	err := w.db.Update(func(tx *storage.Tx) error {
		t := w.s.begin(tx, w.a.p)
		k := t.byName["account"]
		o, err := load(tx, k, w.a.account)
		if err != nil {
			return err
		}
		t.reindex(k, o, nil)
		t.addCount(k, -1)
		tx.Bucket(k.bucket()).Delete(id[:])
		gone := o.clone()
		gone.Deleted = 1
		tx.OnCommit(func() { w.s.finder.put(k, o, gone) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	people := &fakeIdentities{accounts: map[string]string{w.a.account: "Old", w.b.account: "Other"}}
	if err := w.s.UseIdentities(people); err != nil {
		t.Fatal(err)
	}
	if got := results(w.must("tokenA", "GET", "/accounts", nil)); len(got) != 1 || got[0]["name"] != "Old" {
		t.Errorf("accounts: %v", got)
	}
	if problems, err := w.s.Verify(); err != nil || len(problems) != 0 {
		t.Errorf("verify: %v, %v", problems, err)
	}
}

// fakeIdentities is an identity service of a test.
type fakeIdentities struct{ accounts map[string]string }

func (f *fakeIdentities) CreateUser(_ *storage.Tx, _, _ string, _ map[string]string) (string, error) {
	panic("not used")
}

func (f *fakeIdentities) RenameAccount(_ *storage.Tx, id, name string) error {
	f.accounts[id] = name
	return nil
}

func (f *fakeIdentities) EachAccount(_ *storage.Tx, fn func(id, name string) error) error {
	for id, name := range f.accounts {
		if err := fn(id, name); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeIdentities) UserRecord(_ *storage.Tx, _, _ string) (string, map[string]string, bool, error) {
	return "", nil, false, nil
}

func (f *fakeIdentities) RestoreUser(_ *storage.Tx, _, id, _ string, _ map[string]string) (string, error) {
	return id, nil
}
