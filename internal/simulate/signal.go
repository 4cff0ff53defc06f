package simulate

import (
	"math"
	"time"
)

// dice is a hash of a device's and a question's number: the same for the same, and even over all.
type dice uint64

// roll mixes more into the hash (splitmix64).
func (d dice) roll(n int64) dice {
	x := uint64(d) + uint64(n)*0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return dice(x ^ x>>31)
}

// unit is in [0, 1).
func (d dice) unit() float64 { return float64(d>>11) / (1 << 53) }

// between is evenly in [low, high).
func (d dice) between(low, high float64) float64 { return low + (high-low)*d.unit() }

// n is evenly in 0 … n-1.
func (d dice) n(n int) int { return int(d.unit() * float64(n)) }

// wander is a smooth curve around 0, within ±1, that changes its mind every period: drifts, weather, traffic.
func (d dice) wander(at time.Time, period time.Duration) float64 {
	ms, p := at.UnixMilli(), period.Milliseconds()
	slot, part := ms/p, float64(ms%p)/float64(p)
	a, b := d.roll(slot).between(-1, 1), d.roll(slot+1).between(-1, 1)
	ease := part * part * (3 - 2*part)
	return a + (b-a)*ease
}

// noise is different at every moment, within ±1 and mostly small.
func (d dice) noise(at time.Time) float64 {
	r := d.roll(at.UnixMilli())
	return r.between(-1, 1) * r.roll(1).unit()
}

// happens tells whether something that happens in the given share of slots of this length does at the moment, and for how long it has:
// it begins somewhere in its slot and lasts until long after, at most to the slot's end.
func (d dice) happens(at time.Time, slot, long time.Duration, share float64) (since time.Duration, yes bool) {
	ms, s := at.UnixMilli(), slot.Milliseconds()
	r := d.roll(ms / s)
	if r.unit() >= share {
		return 0, false
	}
	begin := int64(r.roll(1).unit() * float64(s-long.Milliseconds()))
	since = time.Duration(ms%s-begin) * time.Millisecond
	return since, since >= 0 && since < long
}

// day is a daily cycle: 1 at the warmest hour of a place, -1 twelve hours before.
func day(at time.Time, longitude, warmest float64) float64 {
	return math.Cos(2 * math.Pi * (hourOf(at, longitude) - warmest) / 24)
}

// hourOf is the time of day by the sun.
func hourOf(at time.Time, longitude float64) float64 {
	h := float64(at.UTC().Hour()) + float64(at.UTC().Minute())/60 + float64(at.UTC().Second())/3600 + longitude/15
	return math.Mod(h+48, 24)
}

// year is 1 in July and -1 in January.
func year(at time.Time) float64 {
	return math.Cos(2 * math.Pi * float64(at.UTC().YearDay()-200) / 365)
}

func round(v float64, digits int) float64 {
	f := math.Pow10(digits)
	return math.Round(v*f) / f
}
