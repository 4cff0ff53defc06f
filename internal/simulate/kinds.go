package simulate

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// A kind of device: its template, its custom fields and channels, and what its devices measure.
type kind struct {
	name     string // of the template
	prefix   string // of serial numbers
	share    int    // of all devices, in percent
	tags     string
	firmware []string // oldest first
	fields   []field
	channels []channel
	indoors  bool
	moves    bool
}

// field is a custom field of the template; value is what a device has there.
type field struct {
	name, kind, standard string
	required             bool
	value                func(d *Device) string
}

// channel of the template. points is nil for one that is not a time series.
type channel struct {
	name   string
	points func(d *Device, at time.Time) []point
	rarely bool // reported when something changes only: see happens
}

// point is one value of a channel.
type point struct {
	category string
	number   float64
	text     string
	hasText  bool // text stands for the number
}

func value(v float64, digits int) []point { return []point{{number: round(v, digits)}} }

// pick returns what a device has of a few choices.
func pick(question int64, choices ...string) func(*Device) string {
	return func(d *Device) string { return choices[d.dice.roll(question).n(len(choices))] }
}

var setpoint = pick(21, "-18", "-20", "-22")

// kinds are all there are, in the order in which devices are dealt out.
var kinds = []*kind{
	{
		name: "Weather station", prefix: "WX", share: 25, tags: "outdoor|weather", firmware: []string{"2.1.0", "2.2.0", "2.2.3"},
		fields: []field{
			{name: "elevation", kind: "number", value: func(d *Device) string { return fmt.Sprint(math.Round(d.dice.roll(11).between(2, 640))) }},
			{name: "mounting", kind: "string", standard: "mast", value: pick(12, "mast", "roof", "wall")},
			{name: "lastService", kind: "datetime", value: func(d *Device) string { return d.past(13, 300) }},
		},
		channels: []channel{
			{name: "temperature", points: func(d *Device, at time.Time) []point { return value(d.outside(at), 1) }},
			{name: "humidity", points: func(d *Device, at time.Time) []point {
				return value(min(100, max(15, 68-2.2*(d.outside(at)-12)+d.dice.roll(2).wander(at, 5*time.Hour)*14)), 0)
			}},
			{name: "pressure", points: func(d *Device, at time.Time) []point {
				return value(1013+d.city.dice.wander(at, 40*time.Hour)*17+d.dice.noise(at)*0.2, 1)
			}},
			{name: "wind", points: func(d *Device, at time.Time) []point {
				speed := max(0, 4.5+4*d.city.dice.roll(4).wander(at, 7*time.Hour)+2.5*d.dice.roll(4).noise(at))
				return []point{{category: "speed", number: round(speed, 1)},
					{category: "direction", number: math.Mod(round(220+d.city.dice.roll(5).wander(at, 19*time.Hour)*140, 0)+360, 360)}}
			}},
			{name: "rain", points: func(d *Device, at time.Time) []point {
				return value(max(0, d.city.dice.roll(6).wander(at, 3*time.Hour)*4-2.2), 1)
			}},
			{name: "battery", points: battery},
		},
	},
	{
		name: "Freezer", prefix: "FZ", share: 30, tags: "indoor|cold-chain", firmware: []string{"1.3.8", "1.4.0", "1.4.2"}, indoors: true,
		fields: []field{
			{name: "setpoint", kind: "number", standard: "-18", required: true, value: setpoint},
			{name: "contents", kind: "string", value: pick(22, "ice cream", "vegetables", "meat", "fish", "vaccines")},
			{name: "alarmAbove", kind: "number", standard: "-12", value: pick(23, "-12", "-14")},
			{name: "monitored", kind: "boolean", standard: "true", value: pick(24, "true", "true", "true", "false")},
		},
		channels: []channel{
			{name: "temperature", points: func(d *Device, at time.Time) []point { return value(d.freezer(at), 1) }},
			{name: "door", rarely: true, points: func(d *Device, at time.Time) []point {
				if _, open := d.doorOpen(at); open {
					return []point{{text: "open", hasText: true}}
				}
				return []point{{text: "closed", hasText: true}}
			}},
			{name: "power", points: func(d *Device, at time.Time) []point {
				if d.running(at) {
					return value(148+d.dice.roll(31).noise(at)*9, 0)
				}
				return value(6+d.dice.roll(31).unit()*2, 0)
			}},
			{name: "control"},
		},
	},
	{
		name: "Air quality sensor", prefix: "AQ", share: 25, tags: "indoor|air", firmware: []string{"0.9.4", "1.0.0", "1.0.1"}, indoors: true,
		fields: []field{
			{name: "room", kind: "string", required: true, value: pick(41, "Entrance", "Sales floor", "Office", "Meeting room", "Kitchen", "Storage")},
			{name: "ventilated", kind: "boolean", standard: "false", value: pick(42, "true", "false")},
			{name: "area", kind: "number", value: func(d *Device) string { return fmt.Sprint(math.Round(d.dice.roll(43).between(12, 400))) }},
		},
		channels: []channel{
			{name: "co2", points: func(d *Device, at time.Time) []point {
				return value(425+d.people(at)*d.dice.roll(44).between(300, 900)+d.dice.roll(45).wander(at, time.Hour)*60*d.people(at)+d.dice.noise(at)*8, 0)
			}},
			{name: "temperature", points: func(d *Device, at time.Time) []point {
				return value(20.3+d.people(at)*1.9+d.dice.roll(46).wander(at, 4*time.Hour)*0.7+d.dice.noise(at)*0.1, 1)
			}},
			{name: "humidity", points: func(d *Device, at time.Time) []point {
				return value(41+d.people(at)*6+d.dice.roll(47).wander(at, 9*time.Hour)*7, 0)
			}},
			{name: "pm2_5", points: func(d *Device, at time.Time) []point {
				return value(max(1, 7+d.city.dice.roll(48).wander(at, 30*time.Hour)*5+d.dice.roll(48).noise(at)*2), 1)
			}},
			{name: "battery", points: battery},
		},
	},
	{
		name: "Vehicle tracker", prefix: "VT", share: 20, tags: "vehicle|gps", firmware: []string{"3.0.1", "3.1.0", "3.1.4"}, moves: true,
		fields: []field{
			{name: "plate", kind: "string", required: true, value: func(d *Device) string {
				r := d.dice.roll(61)
				return fmt.Sprintf("%s-%c%c %d", d.city.plate, 'A'+rune(r.n(26)), 'A'+rune(r.roll(1).n(26)), 100+r.roll(2).n(9900))
			}},
			{name: "driver", kind: "string", value: func(d *Device) string { return person(d.dice.roll(62)) }},
			{name: "payloadKg", kind: "number", standard: "800", value: pick(63, "800", "1200", "2800")},
			{name: "refrigerated", kind: "boolean", standard: "false", value: pick(64, "true", "false")},
			{name: "insuredUntil", kind: "datetime", value: func(d *Device) string { return d.past(65, -500) }},
		},
		channels: []channel{
			{name: "position", points: func(d *Device, at time.Time) []point {
				lat, lon, _ := d.position(at)
				return []point{{category: "latitude", number: lat}, {category: "longitude", number: lon}}
			}},
			{name: "speed", points: func(d *Device, at time.Time) []point { _, _, v := d.position(at); return value(v, 0) }},
			{name: "fuel", points: func(d *Device, at time.Time) []point {
				day := math.Mod(hourOf(at, d.longitude)+24*d.dice.roll(66).unit()*3, 72) / 72
				return value(96-80*day+d.dice.noise(at)*0.8, 0)
			}},
			{name: "engineTemperature", points: func(d *Device, at time.Time) []point {
				if _, _, v := d.position(at); v > 0 {
					return value(88+d.dice.roll(67).wander(at, 20*time.Minute)*7, 0)
				}
				return value(max(d.outside(at), 14+d.dice.roll(67).wander(at, time.Hour)*4), 0)
			}},
			{name: "control"},
		},
	},
}

// battery falls over some months and is changed then.
func battery(d *Device, at time.Time) []point {
	life := d.dice.roll(90).between(80, 220)
	used := math.Mod(float64(at.Unix())/86400+life*d.dice.roll(91).unit(), life) / life
	return value(3.62-0.75*used*used+d.dice.noise(at)*0.01, 2)
}

// outside is the air's temperature where the device is.
func (d *Device) outside(at time.Time) float64 {
	c := d.city
	mean := 24 - (math.Abs(c.latitude)-25)*0.42 + 8*year(at)*math.Copysign(1, c.latitude)
	return mean + 4.5*day(at, c.longitude, 15) + 3.5*c.dice.wander(at, 30*time.Hour) + 0.6*d.dice.wander(at, time.Hour) + 0.15*d.dice.noise(at)
}

// doorOpen: several times a day, mostly in business hours; now and then somebody forgets to close it.
func (d *Device) doorOpen(at time.Time) (since time.Duration, open bool) {
	share := 0.75
	if h := hourOf(at, d.longitude); h < 7 || h > 20 {
		share = 0.04
	}
	if since, open = d.dice.roll(32).happens(at, 18*time.Minute, 70*time.Second, share); open {
		return since, open
	}
	return d.dice.roll(33).happens(at, 24*time.Hour, 25*time.Minute, 0.03)
}

// failing: a compressor that gives up for half a day, in some weeks of some freezers.
func (d *Device) failing(at time.Time) (since time.Duration, yes bool) {
	return d.dice.roll(34).happens(at, 7*24*time.Hour, 11*time.Hour, 0.04)
}

func (d *Device) running(at time.Time) bool {
	if _, broken := d.failing(at); broken {
		return false
	}
	cycle := d.dice.roll(35).between(9, 16) * 60
	return math.Mod(float64(at.Unix())+cycle*d.dice.roll(36).unit(), cycle) < cycle*0.55
}

func (d *Device) freezer(at time.Time) float64 {
	set := d.setpoint()
	cycle := d.dice.roll(35).between(9, 16) * 60
	phase := math.Mod(float64(at.Unix())+cycle*d.dice.roll(36).unit(), cycle) / cycle
	t := set + 1.1*math.Cos(2*math.Pi*(phase-0.03)) + 0.15*d.dice.noise(at)
	if since, open := d.doorOpen(at); open {
		t += min(7, since.Minutes()*0.9)
	}
	if since, broken := d.failing(at); broken {
		t = 14 - (14-t)*math.Exp(-since.Hours()/6)
	}
	return t
}

func (d *Device) setpoint() float64 {
	v, _ := strconv.ParseFloat(setpoint(d), 64) // of our own
	return v
}

// people is how full a place is, 0 … 1.
func (d *Device) people(at time.Time) float64 {
	h, weekend := hourOf(at, d.longitude), at.UTC().Weekday()%6 == 0
	full := math.Exp(-math.Pow((h-11)/2.6, 2)) + 0.9*math.Exp(-math.Pow((h-16.5)/2.4, 2))
	if weekend {
		full *= 0.35
	}
	return min(1, max(0, full+0.12*d.dice.roll(49).wander(at, 40*time.Minute)*full))
}

// position is where a vehicle is and how fast, km/h: loops out of its depot by day, at the depot by night.
func (d *Device) position(at time.Time) (latitude, longitude, speed float64) {
	h := hourOf(at, d.city.longitude)
	begin, end := d.dice.roll(70).between(5, 9), d.dice.roll(71).between(15, 20)
	if h < begin || h > end {
		return round(d.latitude, 5), round(d.longitude, 5), 0
	}
	trip := (h - begin) / (end - begin)
	if stop, waits := d.dice.roll(72).happens(at, 40*time.Minute, 9*time.Minute, 0.8); waits {
		trip -= stop.Hours() / (end - begin)
	} else {
		speed = max(8, 46+d.dice.roll(73).wander(at, 6*time.Minute)*34)
	}
	// A closed figure that differs by vehicle and by day.
	today := d.dice.roll(at.Unix() / 86400)
	reach := today.roll(1).between(0.04, 0.22)
	a, b := float64(1+today.roll(2).n(2)), float64(2+today.roll(3).n(3))
	phase, out := today.roll(4).unit()*2*math.Pi, math.Sin(math.Pi*trip)
	latitude = d.latitude + reach*out*math.Sin(2*math.Pi*a*trip+phase)
	longitude = d.longitude + reach*1.5*out*math.Cos(2*math.Pi*b*trip+phase)
	return round(latitude, 5), round(longitude, 5), speed
}
