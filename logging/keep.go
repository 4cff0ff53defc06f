package logging

import (
	"bytes"
	"math/bits"
	"slices"

	"xively/storage"
)

// What happens to chunks in the store: small ones are merged, expired ones removed, and the oldest when there are too many.

// mergeWidth chunks of about one size beside each other become one.
const mergeWidth = 4

// stored is a chunk in the store, as far as its header tells.
type stored struct {
	key []byte
	header
}

func (s store) list(account string) (all []stored, err error) {
	for k, v := range s.oldest(account) {
		h, err := parseHeader(v)
		if err != nil {
			return nil, err
		}
		all = append(all, stored{bytes.Clone(k), h})
	}
	return all, nil
}

// tier is the size of a chunk in powers of mergeWidth.
func (s *stored) tier() int { return (bits.Len(uint(s.count)) - 1) / 2 }

// toMerge returns chunks to be merged, or none: of those that are no more than half full, some that follow each other (full ones between
// them do not matter: a checkpoint leaves one that is not full behind those that are), with rows for one chunk at most, and none that alone
// has more than half of them. So the chunk an entry is in at least doubles each time.
func toMerge(all []stored) []stored {
	small := slices.DeleteFunc(slices.Clone(all), func(s stored) bool { return 2*s.count > chunkRows || 2*s.text > chunkText })
	for from := range small {
		rows, text, to, tier, largest := 0, 0, from, small[from].tier(), 0
		for to < len(small) && small[to].tier() <= tier && rows+small[to].count <= chunkRows && text+small[to].text <= chunkText {
			rows, text, largest = rows+small[to].count, text+small[to].text, max(largest, small[to].count)
			to++
		}
		if (to-from >= mergeWidth || 2*rows > chunkRows) && 2*largest <= rows {
			return small[from:to]
		}
	}
	return nil
}

// merge merges chunks of an account until none are to be merged or stop says so. It returns how many have gone.
func (e *engine) merge(account string, stop func() bool) (gone int, err error) {
	for !stop() {
		var old []stored
		var merged *packed
		err := e.db.View(func(tx *storage.Tx) error {
			s := openStore(tx)
			all, err := s.list(account)
			if err != nil {
				return err
			}
			if old = toMerge(all); old == nil {
				return nil
			}
			merged, err = s.pack(old)
			return err
		})
		if err != nil || old == nil {
			return gone, err
		}
		err = e.db.Update(func(tx *storage.Tx) error {
			s := openStore(tx)
			for i := range old {
				s.remove(old[i].key, &old[i].header)
			}
			s.put(account, merged)
			return nil
		})
		if err != nil {
			return gone, err
		}
		gone += len(old) - 1
	}
	return gone, nil
}

// pack makes one chunk of the rows of several.
func (s store) pack(old []stored) (*packed, error) {
	var lines []*line
	for i := range old {
		c, err := s.open(old[i].key, s.chunks.Get(old[i].key))
		if err != nil {
			return nil, err
		}
		for row := range c.count {
			lines = append(lines, c.line(row, allBits))
		}
		if c.err != nil {
			return nil, c.err
		}
	}
	return pack(lines), nil
}

// sweep removes chunks of which every entry has expired, in small transactions. It returns how many entries that were.
func (e *engine) sweep(stop func() bool) (removed int, err error) {
	const atOnce = 16 // chunks
	oldest := e.oldest.Load()
	return e.removeChunks(stop, func(s store) (list []stored, err error) {
		for _, account := range s.accounts() {
			for k, v := range s.oldest(account) {
				h, err := parseHeader(v)
				if err != nil {
					return nil, err
				}
				if h.service.min >= oldest || len(list) == atOnce {
					break
				}
				if h.service.max < oldest {
					list = append(list, stored{bytes.Clone(k), h})
				}
			}
		}
		return list, nil
	})
}

// trim removes the oldest chunks of the account that has most, until all of them have no more than most bytes.
func (e *engine) trim(most int64, stop func() bool) (removed int, err error) {
	return e.removeChunks(stop, func(s store) ([]stored, error) {
		if s.number(bytesKey) <= uint64(most) {
			return nil, nil
		}
		var first []stored
		largest := 0
		for _, account := range s.accounts() {
			all, err := s.list(account)
			if err != nil {
				return nil, err
			}
			size := 0
			for i := range all {
				size += all[i].size
			}
			if size > largest {
				largest, first = size, all[:1]
			}
		}
		return first, nil
	})
}

// removeChunks removes what choose returns, until it returns none.
func (e *engine) removeChunks(stop func() bool, choose func(s store) ([]stored, error)) (removed int, err error) {
	for !stop() {
		n := 0
		err := e.db.Update(func(tx *storage.Tx) error {
			s := openStore(tx)
			list, err := choose(s)
			for i := range list {
				s.remove(list[i].key, &list[i].header)
				n += list[i].count
			}
			return err
		})
		if removed += n; err != nil || n == 0 {
			return removed, err
		}
	}
	return removed, nil
}

// size returns the bytes of all chunks in the store.
func (e *engine) size() (bytes uint64, err error) {
	err = e.db.View(func(tx *storage.Tx) error {
		bytes = openStore(tx).number(bytesKey)
		return nil
	})
	return bytes, err
}

// accounts returns the accounts that have chunks in the store.
func (e *engine) accounts() (all []string, err error) {
	err = e.db.View(func(tx *storage.Tx) error {
		all = openStore(tx).accounts()
		return nil
	})
	return all, err
}
