package logging

import "iter"

// A filter tells of a key that it is certainly not in a chunk, or that it may be (one in a hundred times wrongly). It is a
// Bloom filter of filterBits bits a key, whose probes lie in one 64-byte line.
type filter []byte

const (
	filterBits   = 10
	filterProbes = 6
	filterLine   = 64
)

// newFilter returns a filter with room for n keys.
func newFilter(n int) filter {
	lines := (n*filterBits + filterLine*8 - 1) / (filterLine * 8)
	return make(filter, max(lines, 1)*filterLine)
}

func (f filter) line(hash uint64) []byte {
	n := uint64(len(f) / filterLine)
	at := (hash >> 32) * n >> 32 * filterLine
	return f[at : at+filterLine]
}

func (f filter) add(hash uint64) {
	line, h := f.line(hash), uint32(hash)
	for range filterProbes {
		line[h>>3&63] |= 1 << (h & 7)
		h = h*0x9e3779b1 + 0x7f4a7c15
		h ^= h >> 15
	}
}

// mayHave is true for every key that was added. A filter of no lines knows nothing and says yes.
func (f filter) mayHave(hash uint64) bool {
	if len(f) < filterLine {
		return true
	}
	line, h := f.line(hash), uint32(hash)
	for range filterProbes {
		if line[h>>3&63]&(1<<(h&7)) == 0 {
			return false
		}
		h = h*0x9e3779b1 + 0x7f4a7c15
		h ^= h >> 15
	}
	return true
}

// Kinds of keys in a filter, part of what is hashed.
const (
	wordKey = 'w' // a word of message, details, custom, code or tags, in lower case
	codeKey = 'c' // a code as it is
	tagKey  = 't' // a tag as it is

	beginKey = 'b' // how a variable begins, in lower case
	pairKey  = 'p' // two variables beside each other, as in 10.0.0.7, in lower case
)

// beginBytes is how much of a variable's beginning has keys.
const beginBytes = 4

// beginnings yields the lengths of those beginnings of a variable that have keys: up to beginBytes while it begins with letters,
// and all beginBytes of what is longer. Numbers of one to three digits begin what is in every chunk; they would tell nothing.
func beginnings(variable []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := 1; n < min(len(variable)+1, beginBytes); n++ {
			if c := variable[n-1]; c >= '0' && c <= '9' {
				break
			}
			if !yield(n) {
				return
			}
		}
		if len(variable) > beginBytes {
			yield(beginBytes)
		}
	}
}

// hashKey is FNV-1a of the kind and the key, well mixed. It is part of the stored form.
func hashKey[T string | []byte](kind byte, key T) uint64 {
	h := uint64(14695981039346656037)
	h = (h ^ uint64(kind)) * 1099511628211
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// hashPair is the key of two words, the first of which has a key already.
func hashPair[T string | []byte](first uint64, second T) uint64 {
	return hashKey(pairKey, second) ^ (first<<17 | first>>47)
}
