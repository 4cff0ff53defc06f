package simulate

import (
	"fmt"
	"strconv"
	"time"
)

// A Device is one simulated device. Its story is fixed by dice; id and secret are the server's.
type Device struct {
	kind                *kind
	number              int
	dice                dice
	city                *city
	site                string // path of its organization
	serial              string
	latitude, longitude float64 // where it stands, or its depot
	temper              temper

	id, secret string
}

// temper is what a device is prone to.
type temper byte

const (
	steady  temper = iota
	flaky          // its network comes and goes
	muddled        // its firmware sends what cannot be read
	dead           // it has not been seen for long
	locked         // somebody gave it a wrong secret
)

// devicesPerSite is how many devices stand together.
const devicesPerSite = 12

// fleet deals out n devices: the same for the same seed, and the first of more are those of fewer.
func fleet(seed int64, n int) []*Device {
	places := make([]*city, len(cities))
	for i := range cities {
		c := cities[i]
		c.dice = dice(seed).roll(1000).roll(int64(i))
		places[i] = &c
	}
	devices := make([]*Device, n)
	for i := range devices {
		d := &Device{number: i, dice: dice(seed).roll(int64(i)), kind: kindOf(i)}
		site := i / devicesPerSite
		d.city = places[site%len(places)]
		where := dice(seed).roll(2000).roll(int64(site))
		d.site = fmt.Sprintf("%s / %s / %s / %s %d", company, d.city.region, d.city.name, siteKinds[where.n(len(siteKinds))], site+1)
		d.latitude = round(d.city.latitude+where.roll(1).between(-0.09, 0.09)+d.dice.roll(3).between(-0.001, 0.001), 5)
		d.longitude = round(d.city.longitude+where.roll(2).between(-0.13, 0.13)+d.dice.roll(4).between(-0.001, 0.001), 5)
		d.serial = fmt.Sprintf("%s-%06d", d.kind.prefix, i+1)
		d.temper = temperOf(d.dice.roll(5).unit())
		devices[i] = d
	}
	return devices
}

// kindOf deals kinds out by their share, mixed at every site.
func kindOf(i int) *kind {
	at := (i*37 + 11) % 100 // 37 and 100 have no common factor: every value comes once in a hundred
	for _, k := range kinds {
		if at -= k.share; at < 0 {
			return k
		}
	}
	return kinds[0]
}

func temperOf(u float64) temper {
	switch {
	case u < 0.03:
		return flaky
	case u < 0.045:
		return muddled
	case u < 0.075:
		return dead
	case u < 0.08:
		return locked
	}
	return steady
}

func (d *Device) name() string {
	switch d.kind.prefix {
	case "FZ":
		return fmt.Sprintf("Freezer %d, %s", 1+d.number%devicesPerSite, kinds[1].fields[1].value(d))
	case "AQ":
		return "Air, " + kinds[2].fields[0].value(d)
	case "VT":
		return "Van " + kinds[3].fields[0].value(d)
	}
	return "Weather " + d.city.name + " " + strconv.Itoa(1+d.number%devicesPerSite)
}

func (d *Device) firmware() string {
	u, all := d.dice.roll(6).unit(), d.kind.firmware
	switch {
	case u < 0.12:
		return all[0]
	case u < 0.4:
		return all[1]
	}
	return all[2]
}

// past is a day up to so many days ago, or ahead when days is negative, from a fixed one: it must not move with the clock.
func (d *Device) past(question int64, days float64) string {
	at := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC).Add(-time.Duration(d.dice.roll(question).unit()*days*24) * time.Hour)
	return at.Format("2006-01-02T15:04:05.000Z")
}

func (d *Device) topic(account, channel string) string {
	return "xi/blue/v1/" + account + "/d/" + d.id + "/" + channel
}
