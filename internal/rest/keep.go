package rest

import (
	"strconv"
	"strings"
	"time"
)

// KeepForms tells people what ParseKeep takes.
const KeepForms = "a time from 1d to 200y, such as 30d, 12w or 5y, or forever"

// KeepForever is kept without end.
const KeepForever time.Duration = -1

const keepDay = 24 * time.Hour

var keepUnits = map[byte]time.Duration{'h': time.Hour, 'd': keepDay, 'w': 7 * keepDay, 'y': 365 * keepDay}

// ParseKeep reads how long something is kept: 36h, 30d, 12w, 5y (of 365 days each) or forever, which is KeepForever. ""
// says nothing and is 0.
func ParseKeep(s string) (keep time.Duration, ok bool) {
	switch s {
	case "":
		return 0, true
	case "forever":
		return KeepForever, true
	}
	unit := keepUnits[s[len(s)-1]]
	n, err := strconv.ParseUint(strings.TrimSpace(s[:len(s)-1]), 10, 31)
	if unit == 0 || err != nil || n > uint64(200*365*keepDay/unit) {
		return 0, false
	}
	keep = time.Duration(n) * unit
	return keep, keep >= keepDay
}

// FormatKeep is the reverse of ParseKeep, in the greatest unit that says it whole.
func FormatKeep(keep time.Duration) string {
	if keep < 0 {
		return "forever"
	}
	for _, unit := range []byte("ydh") {
		if d := keepUnits[unit]; keep >= d && keep%d == 0 {
			return strconv.Itoa(int(keep/d)) + string(unit)
		}
	}
	if keep == 0 {
		return ""
	}
	return keep.String()
}
