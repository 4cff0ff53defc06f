package blueprint

import (
	"xively/blueprint/search"
	"xively/internal/auth"
)

// Figures are how much an account has in the directory.
type Figures struct {
	Devices, Connected, EndUsers, Organizations, DeviceTemplates, AccountUsers int
}

// Figures counts what is in an account, what was deleted left out.
func (s *Service) Figures(account string) (f Figures, err error) {
	err = s.view(auth.Principal{AccountID: account}, func(t *txn) error {
		for one, n := range map[string]*int{"device": &f.Devices, "endUser": &f.EndUsers, "organization": &f.Organizations,
			"deviceTemplate": &f.DeviceTemplates, "accountUser": &f.AccountUsers} {
			*n = t.count(t.byName[one])
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	found, err := s.finder.search(account, search.Request{Kind: "device", Filters: []search.Filter{{Field: "connected", Op: search.Equal, Values: []string{"true"}}}})
	f.Connected = found.Total
	return f, err
}
