package search

import (
	"bytes"
	"math"
	"strings"
	"time"
)

const last = math.MaxUint64

// numberRange returns the keys of numbers that fit, both ends included.
func (l *leaf) numberRange() (from, to uint64, ok bool) {
	n := l.a.number
	if n == 0 {
		return 0, 0, false
	}
	switch l.how {
	case holds, equal:
		return n, n, !l.prefix
	case less:
		return 1, n - 1, true
	case atMost:
		return 1, n, true
	case greater:
		return n + 1, last, true
	case atLeast:
		return n, last, true
	case between:
		return n, l.b.number, l.b.number != 0
	}
	return 0, 0, false
}

// timeRange does the same for times. An age counts back from now: less than 2d is later than two days ago.
func (l *leaf) timeRange(now time.Time) (from, to uint64, ok bool) {
	if l.a.age != 0 && (l.how != between || l.b.age != 0) {
		return l.ageRange(now)
	}
	first, end := l.a.span(now)
	if first >= end {
		return 0, 0, false
	}
	switch l.how {
	case holds, equal:
		return timeKey(first), timeKey(end - 1), !l.prefix
	case less:
		return 1, timeKey(first) - 1, true
	case atMost:
		return 1, timeKey(end - 1), true
	case greater:
		return timeKey(end), last, true
	case atLeast:
		return timeKey(first), last, true
	case between:
		begins, ends := l.b.span(now)
		return timeKey(first), timeKey(ends - 1), begins < ends
	}
	return 0, 0, false
}

// span is the milliseconds [from, to) that an operand names as a time; empty when it names none.
func (o *operand) span(now time.Time) (from, to int64) {
	if o.age != 0 {
		at := now.Add(-o.age).UnixMilli()
		return at, at + 1
	}
	return o.from, o.to
}

func (l *leaf) ageRange(now time.Time) (from, to uint64, ok bool) {
	at := timeKey(now.Add(-l.a.age).UnixMilli())
	switch l.how {
	case less:
		return at + 1, last, true
	case atMost:
		return at, last, true
	case greater:
		return 1, at - 1, true
	case atLeast:
		return 1, at, true
	case between:
		other := timeKey(now.Add(-l.b.age).UnixMilli())
		return min(at, other), max(at, other), true
	}
	return 0, 0, false
}

// matchTexts adds the values that fit.
func (t *table) matchTexts(p *texts, l *leaf, set bitset) {
	switch l.how {
	case holds:
		if len(l.a.words) > 0 {
			t.matchWords(p, l, set)
			return
		}
		fallthrough // signs only
	case contains:
		p.each(func(n uint32, v *value) {
			if strings.Contains(v.folded, l.a.folded) {
				set.add(n)
			}
		})
	case equal:
		if n := p.byRaw.find(l.a.text, p.raw); n != 0 {
			set.add(n)
		}
	case less, atMost, greater, atLeast, between:
		if l.a.age != 0 {
			return // an age compares times only
		}
		var buf [256]byte
		p.each(func(n uint32, v *value) {
			if l.fits(appendNatural(buf[:0], v.folded)) {
				set.add(n)
			}
		})
	}
}

func (l *leaf) fits(natural []byte) bool {
	c := bytes.Compare(natural, l.a.natural)
	switch l.how {
	case less:
		return c < 0
	case atMost:
		return c <= 0
	case greater:
		return c > 0
	case atLeast:
		return c >= 0
	}
	return c >= 0 && bytes.Compare(natural, l.b.natural) <= 0
}

// matchWords looks a word up; of a phrase, the word that is in the fewest values, which are then read.
func (t *table) matchWords(p *texts, l *leaf, set bitset) {
	phrase := l.a.words
	exact := phrase
	if l.prefix {
		exact = phrase[:len(phrase)-1]
	}
	if len(exact) == 0 {
		t.lazy.Lock()
		p.terms.tidy()
		t.lazy.Unlock()
		var buf [1]uint32
		p.terms.beginning(phrase[0], func(e *term) {
			for _, n := range e.in(&buf) {
				set.add(n)
			}
		})
		return
	}
	var candidates []uint32
	for i, word := range exact {
		n := p.terms.byText.find(word, p.terms.text)
		if n == 0 {
			return
		}
		var buf [1]uint32
		if in := p.terms.list[n].in(&buf); i == 0 || len(in) < len(candidates) {
			candidates = in
		}
	}
	for _, n := range candidates {
		if len(phrase) == 1 || holdsPhrase(p.values[n].folded, phrase, l.prefix) {
			set.add(n)
		}
	}
}

// answerIDs adds the documents whose whole id, or its beginning before a star, is meant; letter case does not count.
func (t *table) answerIDs(l *leaf, out bitset) {
	for slot, id := range t.ids {
		if id != "" && l.fitsID(id) {
			out.add(uint32(slot))
		}
	}
}

func (l *leaf) fitsID(id string) bool {
	text := l.a.text
	switch l.how {
	case holds, equal:
		if l.how == equal {
			return id == text
		}
		return len(id) >= len(text) && (l.prefix || len(id) == len(text)) && strings.EqualFold(id[:len(text)], text)
	case contains:
		return strings.Contains(fold(id), l.a.folded)
	case less, atMost, greater, atLeast, between:
		var buf [128]byte
		return l.fits(appendNatural(buf[:0], fold(id)))
	}
	return false
}
