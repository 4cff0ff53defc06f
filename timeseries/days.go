package timeseries

import (
	"encoding/binary"

	"xively/storage"
)

const (
	minuteMs = 60_000
	hourMs   = 60 * minuteMs
	dayMs    = 24 * hourMs
)

// dayOf returns the day, of UTC, that ms lies in, counted from 0001-01-01.
func dayOf(ms int64) uint32 { return uint32((ms - MinTime) / dayMs) }

// dayStart returns the first millisecond of a day.
func dayStart(day uint32) int64 { return MinTime + int64(day)*dayMs }

func pendingKey(day uint32, id uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, day), id)
}

func rollupKey(id uint64, day uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, id), day)
}

// markDays notes that the roll-ups of the entries' days have yet to be written. marked is the newest day that the series
// has marked since it came into memory: while that day lasts, nobody takes its mark away. It returns the new marked.
func (e *engine) markDays(tx *storage.Tx, id uint64, entries []entry, marked uint32) uint32 {
	pending := tx.Bucket(pendingBucket)
	now := e.now().UnixMilli()
	var until int64 // of the day dealt with last
	for i := range entries {
		if t := entries[i].Time; i > 0 && t < until {
			continue
		}
		day := dayOf(entries[i].Time)
		until = dayStart(day + 1)
		if day == marked && now < until {
			continue
		}
		putUint64(pending, pendingKey(day, id), e.generation.Load())
		marked = max(marked, day)
	}
	return marked
}
