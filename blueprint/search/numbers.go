package search

import (
	"cmp"
	"math"
	"strconv"
	"time"
)

// numbers is the part of a column that holds what has a key of 64 bits: numbers, times or truth values. Keys compare as
// the values do; 0 is none, which no value has.
type numbers struct {
	of    pages[uint64]
	order order
}

func (p *numbers) set(slot uint32, key uint64) {
	if p.of.at(slot) != key {
		p.of.set(slot, key)
		p.order.touch(slot)
	}
}

// between adds the slots whose key is in [from, to].
func (p *numbers) between(from, to uint64, out bitset) {
	from = max(from, 1)
	if from > to {
		return
	}
	span := to - from
	for i, page := range p.of {
		if page == nil {
			continue
		}
		for w := range pageWords {
			var word uint64
			for j, key := range page[w*64 : w*64+64] {
				if key-from <= span {
					word |= 1 << j
				}
			}
			out[i*pageWords+w] |= word
		}
	}
}

const highBit = 1 << 63

// numberKey is never 0: that would be a NaN.
func numberKey(f float64) uint64 {
	if f == 0 {
		f = 0 // -0 is 0
	}
	b := math.Float64bits(f)
	if b&highBit != 0 {
		return ^b
	}
	return b | highBit
}

func keyNumber(key uint64) float64 {
	if key&highBit != 0 {
		return math.Float64frombits(key &^ highBit)
	}
	return math.Float64frombits(^key)
}

// timeKey takes milliseconds since 1970; it is 0 for the least of them only, 292 million years ago.
func timeKey(ms int64) uint64  { return uint64(ms) ^ highBit }
func keyTime(key uint64) int64 { return int64(key ^ highBit) }

const (
	falseKey = 1
	trueKey  = 2
)

func boolKey(b bool) uint64 {
	if b {
		return trueKey
	}
	return falseKey
}

const isoForm = "2006-01-02T15:04:05.000Z"

func numberText(key uint64) string { return strconv.FormatFloat(keyNumber(key), 'g', -1, 64) }
func timeText(key uint64) string   { return time.UnixMilli(keyTime(key)).UTC().Format(isoForm) }
func boolText(key uint64) string   { return strconv.FormatBool(key == trueKey) }

// parseISO reads a text as a time of whole milliseconds with date, time and zone; most texts are refused by a glance.
func parseISO(s string) (ms int64, ok bool) {
	if len(s) < 20 || s[4] != '-' || s[10] != 'T' {
		return 0, false
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || at.Nanosecond()%1e6 != 0 {
		return 0, false
	}
	return at.UnixMilli(), true
}

// numberOrder sorts the slots of a part of numbers.
type numberOrder struct {
	t *table
	p *numbers
}

func (o numberOrder) size() int               { return o.t.size() }
func (o numberOrder) member(slot uint32) bool { return o.p.of.at(slot) != 0 }

func (o numberOrder) compare(a, b uint32) int {
	if c := cmp.Compare(o.p.of.at(a), o.p.of.at(b)); c != 0 {
		return c
	}
	return o.t.compare(a, b)
}

func (o numberOrder) build() []uint32 {
	all := make([]keyed, 0, o.t.count)
	for _, slot := range o.t.inOrder() {
		if key := o.p.of.at(slot); key != 0 {
			all = append(all, keyed{key, slot})
		}
	}
	sortKeyed(all)
	return slotsOf(all)
}

func slotsOf(all []keyed) []uint32 {
	out := make([]uint32, len(all))
	for i, k := range all {
		out[i] = k.n
	}
	return out
}
