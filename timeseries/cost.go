package timeseries

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// Cost is what a series takes. Times are those of points; "" when there are none.
type Cost struct {
	Topic       string `json:"topic"`
	Points      int64  `json:"points"` // all of them; while a checkpoint writes some, these may count twice
	Chunks      int    `json:"chunks"`
	Bytes       int64  `json:"bytes"`       // of the points, in the store
	RollupBytes int64  `json:"rollupBytes"` // of the roll-ups
	Unwritten   int64  `json:"unwritten"`   // points among them that are in memory and the journal only
	Oldest      string `json:"oldest"`
	Newest      string `json:"newest"`
	Expires     string `json:"expires"`       // when the oldest points are removed; "" for never
	RollupsGone string `json:"rollupsExpire"` // when the oldest roll-ups are
	KeepPoints  string `json:"keepPoints"`    // how long points are kept, as its channel, template, account or the server says
	KeepRollups string `json:"keepRollups"`
}

// getSeries answers {"series":{"results":[…],"meta":{…}}} with the cost of the caller's series, by topic; prefix
// restricts to topics that begin with it. Those that the caller may not read are left out.
func (s *Service) getSeries(c echo.Context) error {
	p, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	caller := rest.Caller(c)
	prefix := c.QueryParam("prefix")
	if p.SortBy != "" {
		return fault.Field("sortBy", "Series are sorted by topic.")
	}
	key := seriesKey(caller.AccountID, prefix)
	fresh := s.engine.freshSorted(string(key))
	costs := []Cost{}
	total := 0
	err = s.db.View(func(tx *storage.Tx) error {
		take := func(name []byte, info seriesInfo) error {
			_, topic, _ := strings.Cut(string(name), "\x00")
			if s.mayRead(caller, topic) != nil {
				return nil
			}
			if total++; total <= p.Offset() || len(costs) == p.PageSize {
				return nil
			}
			cost, err := s.cost(tx, name, info)
			cost.Topic = topic
			costs = append(costs, cost)
			return err
		}
		for k, v := range tx.Bucket(seriesBucket).Prefix(key) {
			for ; len(fresh) > 0 && fresh[0] <= string(k); fresh = fresh[1:] {
				if fresh[0] == string(k) {
					continue // has come into the directory meanwhile
				}
				if err := take([]byte(fresh[0]), seriesInfo{}); err != nil {
					return err
				}
			}
			info, _ := decodeSeries(v)
			if err := take(k, info); err != nil {
				return err
			}
		}
		for _, name := range fresh {
			if err := take([]byte(name), seriesInfo{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.List(c, "series", costs, total, p)
}

// freshSorted returns the names with the prefix that the directory does not have yet.
func (e *engine) freshSorted(prefix string) (names []string) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for name := range e.fresh {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// cost reads the headers of the series' chunks.
func (s *Service) cost(tx *storage.Tx, name []byte, info seriesInfo) (cost Cost, err error) {
	chunks := chunkStore{tx.Bucket(chunkBucket)}
	keepPoints, keepRollups := s.limits(name)
	account, topic, _ := bytes.Cut(name, []byte{0})
	kept := s.keep(string(account), string(topic))
	cost.KeepPoints, cost.KeepRollups = rest.FormatKeep(kept.points), rest.FormatKeep(kept.rollups)
	now := s.now().UnixMilli()
	end := func(t, limit int64) string {
		if limit == MinTime {
			return ""
		}
		return formatTime(min(t+(now-limit), MaxTime))
	}
	oldest, newest := int64(MaxTime), int64(MinTime)
	for k, v := range chunks.Scan(chunkKey(info.id, firstPosition), chunkKey(info.id, lastPosition)) {
		c, err := chunks.parse(k, v)
		if err != nil {
			return cost, err
		}
		oldest, newest = min(oldest, c.first.time), max(newest, c.last.time)
		cost.Points += int64(c.count)
		cost.Chunks++
		cost.Bytes += int64(len(k) + len(v))
	}
	for _, b := range s.engine.memory(bytes.Clone(name), info.id) {
		oldest, newest = min(oldest, b.min.time), max(newest, b.max.time)
		cost.Unwritten += int64(b.count)
	}
	if cost.Points += cost.Unwritten; cost.Points > 0 {
		cost.Oldest, cost.Newest, cost.Expires = formatTime(oldest), formatTime(newest), end(oldest, keepPoints)
	}
	first := true
	for k, v := range tx.Bucket(rollupBucket).Prefix(idKey(info.id)) {
		if first {
			cost.RollupsGone = end(dayStart(binary.BigEndian.Uint32(k[idSize:])), keepRollups)
			first = false
		}
		cost.RollupBytes += int64(len(k) + len(v))
	}
	return cost, nil
}
