package blueprint

import (
	"strconv"
	"strings"

	"xively/blueprint/search"
	"xively/internal/auth"
	"xively/internal/rest"
)

const mostNamed = 100

// DevicesNamed returns the ids of the account's devices that somebody may mean by a text: the device with this id, serial
// number or name, letter by letter. Names need not be unique; at most mostNamed come back. None, too, when the store
// cannot be read.
func (s *Service) DevicesNamed(accountID, text string) (ids []string) {
	if text == "" {
		return nil
	}
	err := s.view(auth.Principal{AccountID: accountID}, func(t *txn) error {
		k := t.byName["device"]
		if _, ok := parseID(text); ok {
			if o, err := t.find(k, text); err == nil {
				ids = append(ids, o.ID)
			}
		}
		for _, field := range []string{"serialNumber", "name"} {
			for r := range t.refsEqual(k, k.indexOn(field).code, text) {
				if len(ids) == mostNamed {
					return nil
				}
				ids = append(ids, r.id())
			}
		}
		return nil
	})
	if err != nil {
		s.log.Warn("devices not found by name", "err", err)
	}
	return ids
}

// SerialsLike returns serial numbers of the account's devices that begin so, in any case, at most most.
func (s *Service) SerialsLike(accountID, begin string, most int) []string {
	<-s.finder.ready
	var serials []string
	const field = "serialNumber:"
	text := field + strings.NewReplacer(`"`, "", " ", "").Replace(begin)
	for _, hint := range s.finder.index(accountID).Suggest(search.Request{Kind: "device", Now: s.now(), Limit: most}, text, len(text)) {
		serial := strings.TrimPrefix(hint.Text, field)
		if plain, err := strconv.Unquote(serial); err == nil {
			serial = plain
		}
		serials = append(serials, serial)
	}
	return serials
}

// FindDevices returns the ids of the devices that q, a query as in lists, finds among those p may read, the first most of
// total. Errors: faults, such as q's syntax.
func (s *Service) FindDevices(p auth.Principal, q string, most int) (ids []string, total int, err error) {
	if err := mayAsk(p); err != nil {
		return nil, 0, err
	}
	err = s.viewFor(caller{p: p}, func(t *txn) error {
		k := t.byName["device"]
		if err := t.admitKind(read, k); err != nil {
			return err
		}
		w := wanted{Page: rest.Page{Page: 1, PageSize: most}}
		if w.query, err = t.parseQuery(k, q); err != nil {
			return err
		}
		f, err := t.list(k, w)
		for _, o := range f.objects {
			ids = append(ids, o.ID)
		}
		total = f.total
		return err
	})
	return ids, total, err
}
