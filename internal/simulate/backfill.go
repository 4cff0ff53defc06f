package simulate

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	denseDevices = 100             // have the past in detail
	denseStep    = 5 * time.Minute // between their points
	coarseStep   = 6 * time.Hour   // of all others
	bulkBytes    = 2 << 20         // of a request with points
	logsAtOnce   = 500             // entries of a request
	logBytes     = 700 << 10
)

// backfill sends points and log entries of the time before now.
func (s *simulation) backfill(ctx context.Context) error {
	until := s.began
	from := until.Add(-s.Backfill)
	points, err := s.backfillPoints(ctx, from, until)
	if err != nil {
		return fmt.Errorf("points: %w", err)
	}
	s.say("points: %d since %s", points, from.Format("2006-01-02"))
	if err := s.backfillLogs(ctx, from, until); err != nil {
		return fmt.Errorf("log entries: %w", err)
	}
	s.say("log entries: %d", s.Entries)
	return nil
}

func (s *simulation) backfillPoints(ctx context.Context, from, until time.Time) (total int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	buf := []byte(nil)
	send := func() {
		body := buf
		buf = make([]byte, 0, cap(body))
		group.Go(func() error {
			var answer struct {
				Failed int
				Errors []struct{ Message string }
			}
			err := s.api.Upload(ctx, "/api/v4/data", "text/csv", body, &answer)
			if err == nil && answer.Failed > 0 {
				err = fmt.Errorf("%d points refused: %s", answer.Failed, answer.Errors[0].Message)
			}
			return err
		})
	}
	for i, d := range s.devices {
		step := coarseStep
		if i < denseDevices {
			step = denseStep
		}
		end := until
		if d.temper == dead {
			end = from.Add(time.Duration(float64(s.Backfill) * d.dice.roll(7).between(0.3, 0.9)))
		}
		for _, c := range d.kind.channels {
			if c.points == nil || d.temper == locked {
				continue
			}
			topic, last := d.topic(s.account, c.name), ""
			// Devices do not report at the same second.
			for at := from.Truncate(step).Add(time.Duration(d.dice.roll(8).unit() * float64(step))).Truncate(time.Second); at.Before(end); at = at.Add(step) {
				for _, p := range c.points(d, at) {
					if c.rarely {
						if p.text == last {
							continue
						}
						last = p.text
					}
					buf = append(append(buf, topic...), ',')
					buf = append(p.csv(buf, at), '\n')
					total++
				}
			}
			if len(buf) >= bulkBytes {
				send()
			}
			if ctx.Err() != nil {
				return total, group.Wait()
			}
		}
		if i > 0 && i%1000 == 0 {
			s.say("points: %d, %d of %d devices", total, i, len(s.devices))
		}
	}
	send()
	return total, group.Wait()
}

// csv appends a point as the platform's line: time,category,number,text.
func (p point) csv(b []byte, at time.Time) []byte {
	b = append(strconv.AppendInt(b, at.UnixMilli(), 10), ',')
	b = append(append(b, p.category...), ',')
	if p.hasText {
		return append(append(b, ','), p.text...)
	}
	return append(strconv.AppendFloat(b, p.number, 'f', -1, 64), ',')
}

// backfillLogs spreads Entries over the time, more by day than by night and very many in a few bad hours, and sends
// them in the order of their times.
func (s *simulation) backfillLogs(ctx context.Context, from, until time.Time) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	var batch []entry
	size := 0
	send := func() {
		if len(batch) == 0 {
			return
		}
		body := object{"entries": batch}
		batch, size = nil, 0
		group.Go(func() error { return s.api.Call(ctx, "POST", "/api/v1/logs", body, nil) })
	}
	for n := 0; n < s.Entries && ctx.Err() == nil; n++ {
		r := dice(s.Seed).roll(4000).roll(int64(n))
		at := s.moment(r, from, float64(n)/float64(s.Entries))
		e := s.teller(r, at).now(r, at)
		e.ServiceTimestamp = min(at.Add(time.Duration(r.roll(9).between(20, 900))*time.Millisecond).UnixMilli(), until.UnixMilli())
		batch = append(batch, e)
		if size += len(e.Message) + len(e.Details) + 300; len(batch) == logsAtOnce || size > logBytes {
			send()
		}
		if n > 0 && n%200_000 == 0 {
			s.say("log entries: %d of %d", n, s.Entries)
		}
	}
	send()
	return group.Wait()
}

// moment spreads the n-th part of all entries over the days: within a day, most come by day.
func (s *simulation) moment(r dice, from time.Time, part float64) time.Time {
	days := part * s.Backfill.Hours() / 24
	midnight := float64(from.Unix()%86400) / 86400
	const pull = 0.5 / (2 * math.Pi) // crowds noon, thins out midnight
	days += pull * (math.Sin(2*math.Pi*(days+midnight)) - math.Sin(2*math.Pi*midnight))
	return from.Add(time.Duration(days * 24 * float64(time.Hour))).Add(time.Duration(r.roll(8).unit() * float64(time.Second)))
}

// told is a device about to say something.
type told struct {
	d    *Device
	down bool // its site has no network
}

// teller chooses who says something: now and then a whole city has an outage, and its devices have most to say.
func (s *simulation) teller(r dice, at time.Time) told {
	d := s.devices[r.roll(6).n(len(s.devices))]
	if hit, ok := s.outage(at); ok && r.roll(7).unit() < 0.8 {
		for i := range s.devices { // the next one in that city
			o := s.devices[(d.number+i)%len(s.devices)]
			if o.city.name == hit {
				return told{o, true}
			}
		}
	}
	if bad := s.devices[r.roll(10).n(len(s.devices))]; bad.temper != steady && r.roll(11).unit() < 0.8 {
		d = bad
	}
	return told{d, false}
}

func (t told) now(r dice, at time.Time) entry {
	e := t.d.tells(r, at)
	if t.down {
		e = say([]string{"error", "error", "warning", "critical"}[r.roll(12).n(4)], "net.down", "no route to the server, attempt %d, %d messages kept", whole(1, 40), whole(1, 300))(t.d, r, at)
		e.SourceTimestamp = at.UnixMilli()
	}
	e.SourceID, e.SourceType = t.d.id, "deviceId"
	return e
}

// outage names a city without network; in every fourth day there is one, for a good hour.
func (s *simulation) outage(at time.Time) (city string, yes bool) {
	r := dice(s.Seed).roll(5000)
	if _, yes = r.happens(at, 24*time.Hour, 80*time.Minute, 0.25); yes {
		city = cities[r.roll(at.Unix()/86400).n(len(cities))].name
	}
	return city, yes
}
