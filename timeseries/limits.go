package timeseries

import (
	"bytes"
	"sync"
	"time"

	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// limits keep one account, or one device that has gone wild, from taking what belongs to all.
type limits struct {
	cfg Config

	mu     sync.Mutex
	series map[string]int    // of each account, those not in the directory yet included
	rates  map[string]*meter // of each account
}

// burst is for how many seconds an account or series may save up what it did not use.
const burst = 10

// meter is a token bucket.
type meter struct {
	tokens float64
	at     int64 // when tokens was right, milliseconds
}

// take takes n tokens if they are there; an empty meter that is asked for the first time is full.
func (m *meter) take(n int, rate float64, now int64) bool {
	full := max(rate*burst, 1)
	if m.at == 0 {
		m.tokens = full
	} else if now > m.at {
		m.tokens = min(full, m.tokens+rate*float64(now-m.at)/1000)
	}
	m.at = now
	// A message may be larger than the bucket: it is let through when the bucket is full, and paid for afterwards.
	if m.tokens < min(float64(n), full) {
		return false
	}
	m.tokens -= float64(n)
	return true
}

// load reads how many series the accounts have.
func (l *limits) load(tx *storage.Tx) {
	l.series, l.rates = map[string]int{}, map[string]*meter{}
	for k, v := range tx.Bucket(accountBucket).Scan(nil, nil) {
		if len(v) == 8 {
			l.series[string(k)] = int(getUint64(tx.Bucket(accountBucket), k))
		}
	}
}

// add counts a new series of the account, or refuses it.
func (l *limits) add(account string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most := l.cfg.AccountSeries; most > 0 && l.series[account] >= most {
		return fault.New(fault.Unprocessable, "The account has its limit of %d time series; delete devices, or have the limit raised.", most)
	}
	l.series[account]++
	return nil
}

func (l *limits) remove(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.series[account]--
}

// spend takes n points from what the account may store.
func (l *limits) spend(account string, n int, now int64) error {
	rate := l.cfg.AccountRate
	if rate == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.rates[account]
	if m == nil {
		m = &meter{}
		l.rates[account] = m
	}
	if !m.take(n, rate, now) {
		return tooFast("account", rate)
	}
	return nil
}

func tooFast(what string, rate float64) error {
	return fault.Wrap(fault.TooMany, rest.RetryAfter(time.Second), "The %s gets more points than the limit of %g a second.", what, rate)
}

// countStored changes the stored number of an account's series.
func countStored(tx *storage.Tx, account []byte, change int) {
	b := tx.Bucket(accountBucket)
	n := max(0, int(getUint64(b, account))+change)
	if n == 0 {
		b.Delete(account)
		return
	}
	putUint64(b, account, uint64(n))
}

// accountOfName returns the account of a name in the directory.
func accountOfName(name []byte) []byte {
	account, _, _ := bytes.Cut(name, []byte{0})
	return account
}
