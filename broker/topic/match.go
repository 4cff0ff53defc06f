package topic

import "strings"

// Matches says whether filter matches name. It is the plain statement of the rules that the trees are tested against.
func Matches(filter, name string) bool {
	if reserved(name) && wild(filter) {
		return false
	}
	for {
		if filter == "#" { // [MQTT-4.7.1-2]
			return true
		}
		f, filterRest, filterMore := strings.Cut(filter, "/")
		n, nameRest, nameMore := strings.Cut(name, "/")
		if f != "+" && f != n { // [MQTT-4.7.1-3] [MQTT-4.7.3-4]
			return false
		}
		if !nameMore {
			return !filterMore || filterRest == "#" // a/# matches a as well
		}
		if !filterMore {
			return false
		}
		filter, name = filterRest, nameRest
	}
}

// Covers says whether outer matches every name that inner matches, so that who may subscribe to outer may subscribe to
// inner.
func Covers(outer, inner string) bool {
	if reserved(inner) && wild(outer) {
		return false
	}
	whole := inner
	for {
		if outer == "#" {
			return true
		}
		if outer == "+/#" && (whole == "#" || whole == "/#") && inner == "#" {
			return true // here # never stands for no level: that would be the empty name
		}
		o, outerRest, outerMore := strings.Cut(outer, "/")
		i, innerRest, innerMore := strings.Cut(inner, "/")
		if i == "#" && !innerMore { // no other filter covers any number of levels
			return false
		}
		if o != "+" && o != i {
			return false
		}
		if !innerMore {
			return !outerMore || outerRest == "#"
		}
		if !outerMore {
			return false
		}
		outer, inner = outerRest, innerRest
	}
}

// reserved says whether a name, or every name a filter matches, is kept from filters that begin with a wildcard
// [MQTT-4.7.2-1].
func reserved(s string) bool { return s != "" && s[0] == '$' }

// wild says whether the first level of a filter is a wildcard.
func wild(filter string) bool {
	return filter == "#" || filter == "+" || strings.HasPrefix(filter, "+/")
}

// cut returns the level of s that begins at off and the offset of the next level, or -1 when there is none.
func cut(s string, off int) (level string, next int) {
	s = s[off:]
	if i := strings.IndexByte(s, '/'); i >= 0 {
		return s[:i], off + i + 1
	}
	return s, -1
}
