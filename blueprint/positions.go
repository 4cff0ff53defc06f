package blueprint

import (
	"cmp"

	"github.com/labstack/echo/v4"

	"xively/internal/rest"
)

// maxPositions bounds a map: beyond it, a person narrows the query.
const maxPositions = 50_000

// position of a device on a map. Of one that has no fields for it, the place of its address stands in.
type devicePosition struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"` // else the serial number
	Connected bool    `json:"connected"`
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	ByAddress bool    `json:"byAddress"`
}

// getPositions answers GET /devices/positions: where devices are, of all that the filters of a list find. It is what a map
// draws; ten thousand devices are 2 MB so, and 30 as a list of them.
func (s *Service) getPositions(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	k := s.byName["device"]
	var w wanted
	err := s.viewFor(callerOf(c), func(t *txn) (err error) {
		w, err = t.want(k, c.QueryParams(), rest.Page{Page: 1, PageSize: exportStep})
		return err
	})
	if err != nil {
		return err
	}
	total, places := 1, []devicePosition{}
	for ; w.Offset() < min(total, maxPositions); w.Page.Page++ {
		err := s.viewFor(callerOf(c), func(t *txn) error {
			f, err := t.list(k, w)
			total = f.total
			for _, o := range f.objects {
				p, ok, err := t.positionOf(o)
				if err != nil {
					return err
				}
				if ok {
					places = append(places, p)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return rest.One(c, "positions", map[string]any{"count": total, "results": places})
}

// positionOf returns where a device is; ok is false when nothing tells.
func (t *txn) positionOf(o *object) (p devicePosition, ok bool, err error) {
	seen, err := t.presence.seen(t.tx, o.ID)
	if err != nil {
		return p, false, err
	}
	p = devicePosition{ID: o.ID, Name: cmp.Or(o.text("name"), o.text("serialNumber")), Connected: seen.connected}
	latitude, hasLatitude := o.Values["latitude"].(float64)
	longitude, hasLongitude := o.Values["longitude"].(float64)
	switch {
	case hasLatitude && hasLongitude:
		p.Latitude, p.Longitude = latitude, longitude
	case seen.Known:
		p.Latitude, p.Longitude, p.ByAddress = seen.Lat, seen.Lon, true
	default:
		return p, false, nil
	}
	return p, true, nil
}
