package timeseries

import "sync/atomic"

// AccountStats is what is known of one account.
type AccountStats struct {
	Points uint64 // stored since the start
	Series int    // that it has
}

// AccountStats returns an account's figures of this moment.
func (s *Service) AccountStats(account string) AccountStats {
	l := &s.engine.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	return AccountStats{Points: s.tally(account).Load(), Series: l.series[account]}
}

// tally returns the counter of an account's points. It is made when the account is asked for first, and stays.
func (s *Service) tally(account string) *atomic.Uint64 {
	if n, ok := s.tallies.Load(account); ok {
		return n.(*atomic.Uint64)
	}
	n, _ := s.tallies.LoadOrStore(account, new(atomic.Uint64))
	return n.(*atomic.Uint64)
}

// count counts points that were stored.
func (w *writer) count(points int) {
	w.service.points.Add(uint64(points))
	w.tally.Add(uint64(points))
}
