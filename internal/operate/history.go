package operate

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"xively/storage"
)

// Limits of the history.
const (
	minutes     = 24 * 60
	mostWatched = 500     // accounts with a history, some 25 KB each
	mostSizes   = 60 * 24 // hours
	freshFor    = 900 * time.Millisecond
)

// The module's buckets:
//
//	"operate.history"   account -> JSON of saved
//	"operate.sizes"     hour since 1970, 8 B big-endian -> JSON of size
//	"operate.settings"  "backup" -> JSON of Schedule
const (
	historyBucket  = "operate.history"
	sizesBucket    = "operate.sizes"
	settingsBucket = "operate.settings"
)

// Rates are per second.
type Rates struct {
	Received  float64 `json:"messagesReceivedPerSecond"`
	Delivered float64 `json:"messagesDeliveredPerSecond"`
	Points    float64 `json:"pointsPerSecond"`
}

// watched is what is remembered of an account.
type watched struct {
	at   time.Time // of last
	last Traffic
	rate Rates // between last and the one before

	minuteAt time.Time // of the newest row of the history
	minute   Traffic   // then
	rows     []row     // of the last 24 hours, one a minute, oldest first
}

type row struct {
	Rates
	Connections int
}

// History is the rates of the last 24 hours by the minute, oldest first. Minutes in which the server did not run are zeros.
type History struct {
	Interval    int64     `json:"interval"` // ms
	From        int64     `json:"from"`     // ms, begin of the first
	Received    []float64 `json:"messagesReceivedPerSecond"`
	Delivered   []float64 `json:"messagesDeliveredPerSecond"`
	Points      []float64 `json:"pointsPerSecond"`
	Connections []int     `json:"connections"`
}

// saved is a history in the store.
type saved struct {
	Minute int64        `json:"minute"` // of the newest row, since 1970
	Rows   [][4]float64 `json:"rows"`
}

// look reads an account's counters, unless they were a moment ago, and returns them with the rates since the time before.
func (s *Service) look(account string) (Traffic, Rates) {
	now, traffic := s.now(), s.source.Traffic(account)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[account]
	if w == nil {
		if len(s.watched) >= mostWatched {
			return traffic, Rates{}
		}
		w = &watched{}
		s.watched[account] = w
	}
	if w.at.IsZero() {
		w.at, w.last = now, traffic
		return traffic, Rates{}
	}
	if passed := now.Sub(w.at); passed >= freshFor {
		w.rate = between(w.last, traffic, passed)
		w.at, w.last = now, traffic
	}
	return traffic, w.rate
}

func between(a, b Traffic, passed time.Duration) Rates {
	per := func(a, b uint64) float64 {
		if b < a {
			return 0
		}
		return round(float64(b-a) / passed.Seconds())
	}
	return Rates{per(a.Received, b.Received), per(a.Delivered, b.Delivered), per(a.Points, b.Points)}
}

func round(v float64) float64 { return math.Round(v*100) / 100 }

// sample adds a row to each account's history.
func (s *Service) sample() {
	accounts, err := s.source.Accounts()
	if err != nil {
		s.log.Warn("accounts not read", "err", err)
		return
	}
	for _, account := range accounts {
		traffic, _ := s.look(account)
		s.addRow(account, traffic, s.now())
	}
	s.sampleDrops()
}

func (s *Service) addRow(account string, traffic Traffic, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[account]
	if w == nil {
		return
	}
	if w.minuteAt.IsZero() {
		w.minuteAt, w.minute = now, traffic
		return
	}
	passed := now.Sub(w.minuteAt)
	missing := int(now.Unix()/60-w.minuteAt.Unix()/60) - 1
	for range min(max(0, missing), minutes) { // the machine slept, or the server did not run
		w.rows = append(w.rows, row{})
	}
	rates := between(w.minute, traffic, max(passed, time.Second))
	w.rows = append(w.rows, row{rates, traffic.Connections})
	if n := len(w.rows) - minutes; n > 0 {
		w.rows = append(w.rows[:0], w.rows[n:]...)
	}
	w.minuteAt, w.minute = now, traffic
}

func (s *Service) history(account string) History {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := History{Interval: time.Minute.Milliseconds(), Received: []float64{}, Delivered: []float64{}, Points: []float64{}, Connections: []int{}}
	w := s.watched[account]
	if w == nil {
		h.From = s.now().UnixMilli()
		return h
	}
	h.From = w.minuteAt.Add(-time.Duration(len(w.rows)) * time.Minute).UnixMilli()
	for _, r := range w.rows {
		h.Received, h.Delivered = append(h.Received, r.Received), append(h.Delivered, r.Delivered)
		h.Points, h.Connections = append(h.Points, r.Points), append(h.Connections, r.Connections)
	}
	return h
}

func (s *Service) saveHistory() error {
	s.mu.Lock()
	all := map[string][]byte{}
	for account, w := range s.watched {
		h := saved{Minute: w.minuteAt.Unix() / 60}
		for _, r := range w.rows {
			h.Rows = append(h.Rows, [4]float64{r.Received, r.Delivered, r.Points, float64(r.Connections)})
		}
		text, err := json.Marshal(h)
		if err != nil {
			s.mu.Unlock()
			return fmt.Errorf("history: encode: %w", err)
		}
		all[account] = text
	}
	s.mu.Unlock()
	return s.db.Update(func(tx *storage.Tx) error {
		for account, text := range all {
			tx.Bucket(historyBucket).Put([]byte(account), text)
		}
		return nil
	})
}

// loadHistory takes up what an orderly stop has left; the counters began anew, so the first row comes a minute later.
func (s *Service) loadHistory() error {
	return s.db.View(func(tx *storage.Tx) error {
		now := s.now()
		for account, text := range tx.Bucket(historyBucket).Scan(nil, nil) {
			var h saved
			if err := json.Unmarshal(text, &h); err != nil {
				return fmt.Errorf("history of %s: decode: %w", account, err)
			}
			missing := now.Unix()/60 - h.Minute
			if missing < 0 || missing >= minutes || len(s.watched) >= mostWatched {
				continue
			}
			w := &watched{minuteAt: now}
			for _, r := range h.Rows {
				w.rows = append(w.rows, row{Rates{r[0], r[1], r[2]}, int(r[3])})
			}
			for range missing {
				w.rows = append(w.rows, row{})
			}
			w.rows = w.rows[max(0, len(w.rows)-minutes):]
			s.watched[string(account)] = w
		}
		return nil
	})
}

// drops is how many messages the server had dropped at a moment.
type drops struct {
	at               time.Time
	qos0, queue, log uint64
}

func (s *Service) sampleDrops() {
	v := s.source.Server()
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = append(s.recent, drops{now, v.DroppedQoS0, v.DroppedQueue, v.LogDropped})
	for len(s.recent) > 1 && now.Sub(s.recent[0].at) > time.Hour {
		s.recent = s.recent[1:]
	}
}
