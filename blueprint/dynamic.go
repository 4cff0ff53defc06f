package blueprint

import (
	"slices"
	"time"

	"xively/blueprint/search"
	"xively/internal/auth"
	"xively/internal/fault"
)

// Dynamic groups: a grant may be on a saved search about devices. Its role is then given on the devices that the search
// finds at the moment of the question, whoever asks: it looks at the whole account, not at what the holder can see.
// Only admins can make such a grant. Whoever may change a field that the search asks for, the device itself over
// _set/fields included, decides about the membership, so a search that gives rights should ask for fields they cannot
// set, or be given to people who may have what these say.
//
// Cost: a question about one device looks at that device alone, some microseconds for each saved search that the caller
// is granted something on. A change of a device looks at it before and after, for every search of the account that
// something is granted on; of those there are mostGranted at most. When the change moved the device into or out of one,
// the epoch changes, so that what brokers remembered is judged again at once. Changes of the connection state (connected,
// lastConnected, …) may be many: they change the epoch at most once in volatilePause, and a search that asks how long ago
// something was is asked again every agesPause while anybody uses it. REST and explain always judge the moment.
const (
	mostGranted   = 32
	volatilePause = time.Second
	agesPause     = time.Minute
)

// grantedSearch is a saved search that grants are on.
type grantedSearch struct {
	id    string
	query *search.Query
}

// finds reports whether the search finds a device now.
func (f *finder) finds(account string, q *search.Query, device string) bool {
	<-f.ready
	return f.err == nil && f.index(account).Matches("device", device, q, f.s.now())
}

// useSearch makes a source of a grant on a saved search. One whose query cannot be read any more finds nothing.
func (t *txn) useSearch(src *source, id string) error {
	saved, err := load(t.tx, t.byName["savedSearch"], id)
	if err != nil {
		return err
	}
	src.search, src.finds = id, func(string) bool { return false }
	if saved == nil || saved.Deleted != 0 || saved.AccountID != t.account || saved.text("kind") != "device" {
		return nil
	}
	q, err := search.Parse(saved.text("query"))
	if err != nil {
		return nil
	}
	account, f := t.account, &t.finder
	src.query = q
	src.finds = func(device string) bool { return f.finds(account, q, device) }
	if q.Ages() {
		t.expiry.wakeAt(t.now().Add(agesPause).UnixMilli())
	}
	return nil
}

// granted returns the account's saved searches that grants are on.
func (t *txn) granted() (all []grantedSearch, err error) {
	k, grants := t.byName["savedSearch"], t.byName["grant"]
	for r := range t.refsEqual(k, indexAll, "") {
		if t.countEqual(grants, grants.indexOn("objectId").code, r.id()) == 0 {
			continue
		}
		o, err := t.loadRef(k, r)
		if err != nil {
			return nil, err
		}
		if q, err := search.Parse(o.text("query")); err == nil && o.text("kind") == "device" {
			all = append(all, grantedSearch{o.ID, q})
		}
	}
	return all, nil
}

// grantedSearches is txn.granted from memory.
func (s *Service) grantedSearches(account string) (all []grantedSearch, err error) {
	epoch := s.Epoch()
	c := &s.views
	c.mu.RLock()
	all, known := c.granted[account]
	fresh := c.epoch == epoch
	c.mu.RUnlock()
	if fresh && known {
		return all, nil
	}
	err = s.view(auth.Principal{AccountID: account}, func(t *txn) error {
		all, err = t.granted()
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at(epoch) {
		c.granted[account] = all
	}
	return all, nil
}

// checkGrantedSearch refuses grants on searches that are not about devices, and on too many of them.
func (t *txn) checkGrantedSearch(id string) error {
	saved, err := t.find(t.byName["savedSearch"], id)
	if err != nil {
		return ignoreFault(err) // refers says it better
	}
	if kind := saved.text("kind"); kind != "device" {
		return fault.Field("objectId", "The saved search %s is about %s; a role can be given on what a search of devices finds.", quote(nameOf(t.byName["savedSearch"], saved)), plural(t.byName[kind].title))
	}
	all, err := t.granted()
	if err != nil {
		return err
	}
	if len(all) >= mostGranted && !slices.ContainsFunc(all, func(g grantedSearch) bool { return g.id == id }) {
		return fault.New(fault.Unprocessable, "Roles are given on %d saved searches already, which is as many as there can be: each costs something with every change of a device.", len(all))
	}
	return nil
}

// prepareSearch refuses to turn a search that grants are on into one about something else.
func (t *txn) prepareSearch(old, o *object) error {
	_, err := t.parseQuery(t.byName[o.text("kind")], o.text("query"))
	if f := faultOf(err); f != nil {
		return fault.Field("query", "%s", f.Message)
	}
	grants := t.byName["grant"]
	if err == nil && old != nil && o.text("kind") != "device" && t.countEqual(grants, grants.indexOn("objectId").code, o.ID) > 0 {
		return fault.Field("kind", "Roles are given on what this search finds, so it must stay one about devices. Delete the grants first.")
	}
	return err
}

// members are the granted searches that find a device now, in an order that stays while the epoch does.
func (f *finder) members(account, device string) (in []bool) {
	all, err := f.s.grantedSearches(account)
	if err != nil {
		f.s.log.Error("granted searches not read", "account", account, "err", err)
		f.s.epoch.Add(1) // then everybody has to ask
		return nil
	}
	x, now := f.index(account), f.s.now()
	for _, g := range all {
		in = append(in, x.Matches("device", device, g.query, now))
	}
	return in
}

// moving runs a change of a device in the index and reports whether it went into or out of a granted search.
func (f *finder) moving(account, device string, change func()) bool {
	before := f.members(account, device)
	change()
	return !slices.Equal(before, f.members(account, device))
}
