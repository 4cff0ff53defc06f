package timeseries

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"xively/storage"
)

// rollAfter is how long after its end a day is rolled up. Points that come even later have it rolled up again.
const rollAfter = 10 * time.Minute

// tidyEvery is how often the janitor looks for days to roll up and for what is over its time.
const tidyEvery = 15 * time.Minute

// Retention says how long the points and the roll-ups of a series are kept; 0 where nothing is said of them, less than 0
// for ever.
type Retention interface {
	Retention(account, topic string) (points, rollups time.Duration)
}

// janitor does what can wait: started by Start, ended by Close.
func (s *Service) janitor(ctx context.Context) {
	for {
		if err := s.tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("tidying up failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(tidyEvery):
		case <-s.wake:
		}
	}
}

// soon has the janitor look at once: what it goes by has changed.
func (s *Service) soon() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// tidy rolls up the days that are over, removes deleted series, and what is kept no longer.
func (s *Service) tidy(ctx context.Context) error {
	if err := s.rollUp(ctx); err != nil {
		return err
	}
	if err := s.removeDeleted(ctx); err != nil {
		return err
	}
	return s.expire(ctx)
}

// pendingDay is a mark of markDays, with what has been made of it.
type pendingDay struct {
	key        []byte
	generation uint64
	id         uint64
	day        uint32
	page       []byte // nil: nothing to write
}

// rollUp writes the pages of marked days that are over.
func (s *Service) rollUp(ctx context.Context) error {
	const atOnce = 64
	end := dayOf(s.now().Add(-rollAfter).UnixMilli())
	var from []byte
	for ctx.Err() == nil {
		var days []pendingDay
		err := s.db.View(func(tx *storage.Tx) error {
			var err error
			days, err = pendingDays(tx, from, end, atOnce)
			for i := range days {
				if err == nil {
					err = days[i].build(ctx, tx)
				}
			}
			return err
		})
		if err != nil || len(days) == 0 {
			return err
		}
		if err := s.db.Update(func(tx *storage.Tx) error { writePages(tx, days); return nil }); err != nil {
			return err
		}
		from = append(days[len(days)-1].key, 0)
	}
	return ctx.Err()
}

func pendingDays(tx *storage.Tx, from []byte, end uint32, most int) (days []pendingDay, err error) {
	for k, v := range tx.Bucket(pendingBucket).Scan(from, binary.BigEndian.AppendUint32(nil, end)) {
		if len(k) != 4+idSize || len(v) != 8 {
			return nil, errPage
		}
		days = append(days, pendingDay{key: bytes.Clone(k), generation: binary.BigEndian.Uint64(v),
			day: binary.BigEndian.Uint32(k), id: binary.BigEndian.Uint64(k[4:])})
		if len(days) == most {
			break
		}
	}
	return days, nil
}

// build makes the page from the chunks. What is still in memory marks the day again when it is written.
func (p *pendingDay) build(ctx context.Context, tx *storage.Tx) error {
	c := contents{info: seriesInfo{id: p.id}, tx: tx}
	b := pageBuilder{start: dayStart(p.day)}
	n := 0
	sp := span{from: position{time: dayStart(p.day)}, to: position{time: dayStart(p.day + 1)}}
	err := c.walk(ctx, sp, func(entries []entry) bool {
		for i := range entries {
			b.add(&entries[i])
		}
		n += len(entries)
		return true
	})
	if err == nil && n > 0 {
		p.page = b.finish().encode()
	}
	return err
}

// writePages writes what was built and takes the marks away, except where points have come meanwhile. A day of which
// retention has taken points keeps the page it has.
func writePages(tx *storage.Tx, days []pendingDay) {
	pending, rollups, deleted := tx.Bucket(pendingBucket), tx.Bucket(rollupBucket), tx.Bucket(deletedBucket)
	for _, p := range days {
		if getUint64(pending, p.key) != p.generation {
			continue
		}
		pending.Delete(p.key)
		if p.page == nil || deleted.Get(idKey(p.id)) != nil {
			continue
		}
		key := rollupKey(p.id, p.day)
		if old := rollups.Get(key); old != nil && pagePoints(old) > pagePoints(p.page) {
			continue
		}
		rollups.Put(key, p.page)
	}
}

// pagePoints returns how many points a page speaks for, -1 when it cannot be read.
func pagePoints(page []byte) (n int64) {
	rows, err := decodePage(page, byDay)
	if err != nil {
		return -1
	}
	for i := range rows {
		n += rows[i].stat.points
	}
	return n
}

// expire walks the directory and removes what is over its time.
func (s *Service) expire(ctx context.Context) error {
	for from := []byte(nil); ctx.Err() == nil; {
		names, next, err := s.overdueNames(from)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.expireSeries(ctx, name); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		from = next
	}
	return ctx.Err()
}

// overdueNames looks at some entries of the directory and returns those with something to remove, and where to go on; nil
// at the end.
func (s *Service) overdueNames(from []byte) (names [][]byte, next []byte, err error) {
	const atOnce = 256
	err = s.db.View(func(tx *storage.Tx) error {
		n := 0
		for k := range tx.Bucket(seriesBucket).Scan(from, nil) {
			if n++; n > atOnce {
				next = bytes.Clone(k)
				break
			}
			overdue, err := s.overdue(tx, k)
			if err != nil {
				return err
			}
			if overdue {
				names = append(names, bytes.Clone(k))
			}
		}
		return nil
	})
	return names, next, err
}

func (s *Service) expireSeries(ctx context.Context, name []byte) error {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.db.Update(func(tx *storage.Tx) (err error) {
			more, err = s.expireSome(tx, name)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// overdue reports whether expireSome may have something to do for the series.
func (s *Service) overdue(tx *storage.Tx, name []byte) (bool, error) {
	info, ok := getSeries(tx, name)
	if !ok {
		return false, nil
	}
	points, rollups := s.limits(name)
	chunks := chunkStore{tx.Bucket(chunkBucket)}
	empty := true
	for k, v := range chunks.Scan(chunkKey(info.id, firstPosition), chunkKey(info.id, lastPosition)) {
		c, err := chunks.parse(k, v)
		if err != nil || c.last.time < points || c.first.time < s.cutBefore(points) {
			return true, err
		}
		empty = false
		break
	}
	for k := range tx.Bucket(rollupBucket).Prefix(idKey(info.id)) {
		if dayStart(binary.BigEndian.Uint32(k[idSize:])+1) <= rollups {
			return true, nil
		}
		empty = false
		break
	}
	return empty, nil
}

// cutBefore returns when a chunk has to begin to be written anew without its points before limit: when these are over
// their time by a tenth of it, and by a day at least. The chunk of a series with few points can hold months.
func (s *Service) cutBefore(limit int64) int64 {
	if limit == MinTime {
		return MinTime
	}
	return limit - max(dayMs, (s.now().UnixMilli()-limit)/10)
}

// expireSome removes some of what is over its time; more reports that there may be more. Points go by the chunk or, where
// that would take long, by the day, when their days have been rolled up. A series of which nothing is left leaves the
// directory.
func (s *Service) expireSome(tx *storage.Tx, name []byte) (more bool, err error) {
	const most = 200
	info, ok := getSeries(tx, name)
	if !ok {
		return false, nil
	}
	points, rollups := s.limits(name)
	removed, purged, left, err := s.expireChunks(tx, info, points, most)
	if err != nil {
		return false, err
	}
	pages := tx.Bucket(rollupBucket)
	for k := range pages.Prefix(idKey(info.id)) {
		if removed == most || dayStart(binary.BigEndian.Uint32(k[idSize:])+1) > rollups {
			left = true
			break
		}
		pages.Delete(bytes.Clone(k))
		removed++
	}
	switch {
	case removed > 0 && purged != info.purged:
		info.purged = purged
		tx.Bucket(seriesBucket).Put(name, info.encode())
	case removed == 0 && !left:
		s.engine.forget(tx, name, info.id)
	}
	return removed > 0, nil
}

// expireChunks removes up to most chunks whose points are over, and says until when points are gone and whether chunks
// are left.
func (s *Service) expireChunks(tx *storage.Tx, info seriesInfo, limit int64, most int) (removed int, purged int64, left bool, err error) {
	chunks := chunkStore{tx.Bucket(chunkBucket)}
	purged = info.purged
	for k, v := range chunks.Scan(chunkKey(info.id, firstPosition), chunkKey(info.id, lastPosition)) {
		c, err := chunks.parse(k, v)
		if err != nil {
			return removed, purged, true, err
		}
		if removed == most {
			return removed, purged, true, nil
		}
		if c.last.time >= limit {
			if c.first.time < s.cutBefore(limit) {
				if until, err := chunks.cut(tx, info.id, &c, dayStart(dayOf(limit))); err != nil {
					return removed, purged, true, err
				} else if until > purged {
					return removed + 1, until, true, nil
				}
			}
			return removed, purged, true, nil
		}
		if pending, err := isPending(tx, info.id, &c); pending || err != nil {
			return removed, purged, true, err
		}
		chunks.Delete(bytes.Clone(k))
		removed++
		purged = max(purged, c.last.time+1)
	}
	return removed, purged, false, nil
}

// cut writes a chunk anew without its points before limit, unless one of their days is marked. It returns the time of the
// last point that went, plus one; MinTime when none did.
func (b chunkStore) cut(tx *storage.Tx, id uint64, c *chunk, limit int64) (until int64, err error) {
	entries, err := c.decode(nil)
	if err != nil {
		return MinTime, damagedChunk(id, c.first, err)
	}
	n, _ := slices.BinarySearchFunc(entries, limit, func(e entry, t int64) int {
		if e.Time < t {
			return -1
		}
		return 1
	})
	if n == 0 || dayPending(tx, id, entries[:n]) {
		return MinTime, nil
	}
	b.Delete(chunkKey(id, c.first))
	b.Put(chunkKey(id, entries[n].position()), appendChunk(nil, entries[n:]))
	return entries[n-1].Time + 1, nil
}

// isPending reports whether one of the days of the chunk's points is marked.
func isPending(tx *storage.Tx, id uint64, c *chunk) (bool, error) {
	entries := []entry{{Point: Point{Time: c.first.time}}, {Point: Point{Time: c.last.time}}}
	if c.last.time-c.first.time > dayMs {
		var err error
		if entries, err = c.decode(nil); err != nil {
			return false, damagedChunk(id, c.first, err)
		}
	}
	return dayPending(tx, id, entries), nil
}

func dayPending(tx *storage.Tx, id uint64, entries []entry) bool {
	pending := tx.Bucket(pendingBucket)
	for i := range entries {
		if day := dayOf(entries[i].Time); i == 0 || day != dayOf(entries[i-1].Time) {
			if pending.Get(pendingKey(day, id)) != nil {
				return true
			}
		}
	}
	return false
}
