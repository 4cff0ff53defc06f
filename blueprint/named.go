package blueprint

import (
	"strconv"
	"strings"

	"xively/blueprint/search"
	"xively/internal/auth"
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
