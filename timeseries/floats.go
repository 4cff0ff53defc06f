package timeseries

import (
	"math"
	"math/bits"
)

// A column of numbers begins with a byte: 0 to maxDecimals say how many decimals all of them have, and they follow as
// integers times that power of ten; floatBits and a count say that the numbers' bits follow as integers, without that many
// low bits which are zero in all of them. Both give back exactly what came in: decimals are used only when each number's
// division reproduces its bits.
const (
	maxDecimals = 12
	floatBits   = 0x80    // or'ed with the count, 0 to 63
	maxExact    = 1 << 53 // integers up to here are float64s
)

// appendNumbers packs v, at least one number. ints is scratch memory.
func appendNumbers(buf []byte, v []float64, ints []int64) ([]byte, []int64) {
	ints, decimals, ok := toDecimal(v, ints[:0])
	if ok {
		return appendColumn(append(buf, byte(decimals)), ints), ints
	}
	ints = ints[:0]
	any := uint64(1 << 63)
	for _, x := range v {
		any |= math.Float64bits(x)
	}
	zeros := bits.TrailingZeros64(any)
	for _, x := range v {
		ints = append(ints, int64(math.Float64bits(x)>>zeros))
	}
	return appendColumn(append(buf, floatBits|byte(zeros)), ints), ints
}

// toDecimal appends to ints each number times 10^decimals.
func toDecimal(v []float64, ints []int64) (_ []int64, decimals int, ok bool) {
	for _, x := range v {
		n, ok := decimalsOf(x, decimals)
		if !ok {
			return ints, 0, false
		}
		decimals = n
	}
	for _, x := range v {
		i, ok := scaled(x, decimals)
		if !ok {
			return ints, 0, false
		}
		ints = append(ints, i)
	}
	return ints, decimals, true
}

// decimalsOf returns how many decimals x has, at least atLeast.
func decimalsOf(x float64, atLeast int) (decimals int, ok bool) {
	for n := atLeast; n <= maxDecimals; n++ {
		if _, ok := scaled(x, n); ok {
			return n, true
		}
	}
	return 0, false
}

// scaled returns x times 10^decimals if that is an integer from which x can be had back.
func scaled(x float64, decimals int) (int64, bool) {
	y := math.RoundToEven(x * exactPowers[decimals])
	if !(math.Abs(y) < maxExact) || y/exactPowers[decimals] != x || y == 0 && math.Signbit(x) {
		return 0, false
	}
	return int64(y), true
}

// numbers reads len(dst) numbers that appendNumbers has packed. ints is scratch memory of at least that length.
func (r *reader) numbers(dst []float64, ints []int64) {
	kind := r.byte()
	ints = ints[:len(dst)]
	switch {
	case kind&^maxWidth == floatBits:
		r.column(ints)
		for i, x := range ints {
			dst[i] = math.Float64frombits(uint64(x) << (kind & maxWidth))
		}
	case kind == 0:
		r.column(ints)
		for i, x := range ints {
			dst[i] = float64(x)
		}
	case kind <= maxDecimals:
		r.column(ints)
		power := exactPowers[kind]
		for i, x := range ints {
			dst[i] = float64(x) / power
		}
	default:
		r.fail()
	}
}
