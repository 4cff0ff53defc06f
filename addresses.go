package main

import (
	"maps"
	"slices"
	"sync"
)

// Bounds of what addresses remembers. Beyond them an arbitrary one is forgotten: it only means one hint less in a log.
const (
	maxAddresses       = 10_000
	maxAddressAccounts = 8
)

// addresses remembers whose clients came from where. A TLS handshake that fails tells nothing but the address, and the admins of
// the accounts seen there are the ones who may be looking for a device that cannot connect.
type addresses struct {
	mu   sync.Mutex
	seen map[string]map[string]struct{} // host → accounts
}

func (a *addresses) saw(host, account string) {
	if host == "" || account == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen == nil {
		a.seen = make(map[string]map[string]struct{})
	}
	accounts := a.seen[host]
	if accounts == nil {
		forgetOne(a.seen, maxAddresses)
		accounts = make(map[string]struct{}, 1)
		a.seen[host] = accounts
	}
	if _, known := accounts[account]; !known {
		forgetOne(accounts, maxAddressAccounts)
		accounts[account] = struct{}{}
	}
}

// at returns the accounts seen at host, sorted.
func (a *addresses) at(host string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.seen[host]))
}

// forgetOne makes room for one more in a map that may hold limit.
func forgetOne[V any](m map[string]V, limit int) {
	for k := range m {
		if len(m) < limit {
			return
		}
		delete(m, k)
	}
}
