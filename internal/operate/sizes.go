package operate

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"xively/storage"
)

// size is what was on disk at an hour.
type size struct {
	Bytes int64 `json:"bytes"` // of the store and the journal
}

func used(v Server) int64 { return v.StoreBytes + v.JournalBytes }

// noteSize writes down the size once an hour.
func (s *Service) noteSize() {
	hour := s.now().Unix() / 3600
	key := binary.BigEndian.AppendUint64(nil, uint64(hour))
	known := false
	err := s.db.View(func(tx *storage.Tx) error {
		known = tx.Bucket(sizesBucket).Get(key) != nil
		return nil
	})
	if err != nil || known {
		return
	}
	text, err := json.Marshal(size{used(s.source.Server())})
	if err == nil {
		err = s.db.Update(func(tx *storage.Tx) error {
			b := tx.Bucket(sizesBucket)
			b.Put(key, text)
			var old [][]byte
			for k := range b.Scan(nil, binary.BigEndian.AppendUint64(nil, uint64(max(0, hour-mostSizes)))) {
				old = append(old, append([]byte(nil), k...))
			}
			for _, k := range old {
				b.Delete(k)
			}
			return nil
		})
	}
	if err != nil {
		s.log.Warn("size on disk not noted", "err", err)
	}
}

// SizePoint is the size on disk at a time.
type SizePoint struct {
	Time  int64 `json:"time"` // ms
	Bytes int64 `json:"bytes"`
}

func (s *Service) sizes() (points []SizePoint, err error) {
	points = []SizePoint{}
	err = s.db.View(func(tx *storage.Tx) error {
		for k, text := range tx.Bucket(sizesBucket).Scan(nil, nil) {
			var v size
			if err := json.Unmarshal(text, &v); err != nil || len(k) != 8 {
				return fmt.Errorf("size on disk: decode: %w", err)
			}
			points = append(points, SizePoint{int64(binary.BigEndian.Uint64(k)) * 3_600_000, v.Bytes})
		}
		return nil
	})
	return points, err
}

// growth is by how many bytes a day the size has grown in the last week, nil while less than an hour is known.
func growth(points []SizePoint, now time.Time, bytes int64) *int64 {
	for _, p := range points {
		passed := now.Sub(time.UnixMilli(p.Time))
		if passed > 7*24*time.Hour {
			continue
		}
		if passed < time.Hour {
			return nil
		}
		perDay := int64(float64(bytes-p.Bytes) / passed.Hours() * 24)
		return &perDay
	}
	return nil
}
