package logging

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// rate is what a limiter lets through of each source: a burst, then one each refill.
type rate struct {
	burst  float64
	refill time.Duration
}

var (
	reportRate    = rate{20, time.Minute}      // refusals and the like: a trickle of 1,440 a day
	lifecycleRate = rate{60, 10 * time.Second} // a device that connects again and again
)

const reportSources = 10_000 // counted apart; all others share one allowance

// limiter keeps clients from filling the log with entries they can cause at will. What it leaves out it counts.
type limiter struct {
	rate
	mu      sync.Mutex
	sources map[string]*allowance
}

type allowance struct {
	left    float64
	at      time.Time // when left was right
	omitted int
	last    Entry // of those left out
}

func (a *allowance) refill(r rate, now time.Time) {
	a.left = min(r.burst, a.left+float64(now.Sub(a.at))/float64(r.refill))
	a.at = now
}

// allow reports whether e may be kept. If so, omitted entries of the source that nobody heard of yet are named in it.
func (l *limiter) allow(source string, e Entry, now time.Time) (Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.sources[source]
	if a == nil && len(l.sources) >= reportSources {
		source = ""
		a = l.sources[source]
	}
	if a == nil {
		a = &allowance{left: l.burst, at: now}
		l.sources[source] = a
	}
	a.refill(l.rate, now)
	if a.left < 1 {
		a.omitted++
		a.last = e
		return e, false
	}
	a.left--
	return a.settle(e), true
}

// settle adds the count of omitted entries to e, for programs and for people, and starts it anew.
func (a *allowance) settle(e Entry) Entry {
	if a.omitted > 0 {
		e.Custom = maps.Clone(e.Custom)
		if e.Custom == nil {
			e.Custom = map[string]any{}
		}
		e.Custom["omitted"] = a.omitted
		e.Details = strings.TrimPrefix(fmt.Sprintf("%s; and %d more like it, left out before this one", e.Details, a.omitted), "; ")
		a.omitted, a.last = 0, Entry{}
	}
	return e
}

// summaries returns, for each source that has been quiet since its last entries were left out and may write again, the
// last of these with the count; and forgets sources that have their whole burst back.
func (l *limiter) summaries(now time.Time) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var entries []Entry
	for source, a := range l.sources {
		a.refill(l.rate, now)
		if a.omitted > 0 && a.left >= 1 {
			a.left--
			a.omitted-- // the entry itself is told
			entries = append(entries, a.settle(a.last))
		}
		if a.left >= l.burst && a.omitted == 0 {
			delete(l.sources, source)
		}
	}
	return entries
}
