package search

import (
	"math"
	"strconv"
	"strings"
)

// area is what near: and box: name, in degrees: a box, and for near a circle inside of it. west > east is a box across
// the 180th meridian.
type area struct {
	south, west, north, east float64
	lat, lon, km             float64
}

const earthKm = 6371.0088 // mean radius

func (p *parser) near(l *leaf) error {
	n, err := p.degrees(3, "near:latitude,longitude,kilometres, such as near:52.37,4.89,5")
	if err != nil {
		return err
	}
	l.how, l.field = near, ""
	l.area = circle(n[0], n[1], n[2])
	return nil
}

func (p *parser) box(l *leaf) error {
	n, err := p.degrees(4, "box:south,west,north,east, such as box:50.7,3.3,53.6,7.2")
	if err != nil {
		return err
	}
	l.how, l.field = box, ""
	l.area = area{south: n[0], west: n[1], north: n[2], east: n[3]}
	return nil
}

// degrees reads count numbers with commas between them: latitudes and longitudes in turns, then a distance.
func (p *parser) degrees(count int, form string) ([]float64, error) {
	begin := p.at
	for !p.valueEnds() {
		p.at++
	}
	parts := strings.Split(p.text[begin:p.at], ",")
	if len(parts) != count {
		return nil, p.refuse(begin, "Expected "+form+".")
	}
	limits := []float64{90, 180, 90, 180}
	if count == 3 {
		limits[2] = 20040 // half around
	}
	numbers := make([]float64, count)
	for i, part := range parts {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || !isNumeral(part) || math.Abs(f) > limits[i] || count == 3 && i == 2 && f <= 0 {
			return nil, p.refuse(begin, quote(part)+" does not fit. Expected "+form+".")
		}
		numbers[i] = f
	}
	if count == 4 && numbers[0] > numbers[2] {
		return nil, p.refuse(begin, "The south of the box is north of its north. Expected "+form+".")
	}
	return numbers, nil
}

// circle finds the box around a circle; near a pole it is the whole cap.
func circle(lat, lon, km float64) area {
	a := area{lat: lat, lon: lon, km: km, west: -180, east: 180}
	angle := km / earthKm
	span := angle * 180 / math.Pi * 1.000001
	a.south, a.north = max(lat-span, -90), min(lat+span, 90)
	if lat-span > -90 && lat+span < 90 {
		wide := math.Asin(min(1, math.Sin(min(angle, math.Pi/2))/math.Cos(lat*math.Pi/180))) * 180 / math.Pi * 1.000001
		a.west, a.east = lon-wide, lon+wide
		if a.west < -180 {
			a.west += 360
		}
		if a.east > 180 {
			a.east -= 360
		}
	}
	return a
}

func (a *area) holds(p point) bool {
	if p.lat < a.south || p.lat > a.north {
		return false
	}
	if a.west <= a.east {
		if p.lon < a.west || p.lon > a.east {
			return false
		}
	} else if p.lon < a.west && p.lon > a.east {
		return false
	}
	return a.km == 0 || distanceKm(a.lat, a.lon, p.lat, p.lon) <= a.km
}

// distanceKm is the great-circle distance on a sphere (haversine).
func distanceKm(lat1, lon1, lat2, lon2 float64) float64 {
	const rad = math.Pi / 180
	s1, s2 := math.Sin((lat2-lat1)*rad/2), math.Sin((lon2-lon1)*rad/2)
	h := s1*s1 + math.Cos(lat1*rad)*math.Cos(lat2*rad)*s2*s2
	return 2 * earthKm * math.Asin(math.Sqrt(min(h, 1)))
}

func (t *table) inArea(a *area, out bitset) {
	for i, page := range t.geo {
		if page == nil {
			continue
		}
		for j := range page {
			if p := &page[j]; p.known && a.holds(*p) {
				out.add(uint32(i*pageSlots + j))
			}
		}
	}
}

func (a *area) nearText() string {
	return "near:" + degreesText(a.lat) + "," + degreesText(a.lon) + "," + degreesText(a.km)
}

func (a *area) boxText() string {
	return "box:" + degreesText(a.south) + "," + degreesText(a.west) + "," + degreesText(a.north) + "," + degreesText(a.east)
}

func degreesText(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
