package logging

import (
	"fmt"
	"slices"
	"strings"
)

// Fate is what became of a message of a watched device, as far as that was known when it was published. Clients are named by their ids.
type Fate struct {
	Refused  string   // the rule by which nobody got it
	Sent     int      // connected clients it is on its way to
	Waiting  int      // persistent sessions that are away and will get it
	Away     []string // … and will not
	Full     []string // whose queue is full
	Slow     []string // who do not take what is sent to them
	Denied   []string // who subscribed and may not receive it
	Kept     int      // modules of the platform that took it
	Retained bool
}

// say tells it in plain words.
func (f *Fate) say() string {
	if f.Refused != "" {
		return "refused, nobody got it: " + f.Refused
	}
	var parts []string
	if f.Sent > 0 {
		parts = append(parts, "sent to "+count(f.Sent, "client"))
	}
	if f.Waiting > 0 {
		parts = append(parts, "waits for "+count(f.Waiting, "client")+" that will get it when back")
	}
	for _, p := range []struct {
		who []string
		why string
	}{
		{f.Full, "not kept for %s: the queue is full"},
		{f.Slow, "left out for %s: too slow"},
		{f.Away, "not for %s: away, and nothing waits at QoS 0 or in a clean session"},
		{f.Denied, "not for %s: subscribed, and has no right to it"},
	} {
		if len(p.who) > 0 {
			parts = append(parts, fmt.Sprintf(p.why, "client “"+strings.Join(p.who, "”, “")+"”"))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nobody is subscribed to it")
	}
	if f.Kept > 0 {
		parts = append(parts, "taken in by the platform")
	}
	if f.Retained {
		parts = append(parts, "retained for those who subscribe later")
	}
	return strings.Join(parts, "; ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprint(n, " ", what, "s")
}

// trouble names what was wrong with it, "" for nothing that another entry does not tell.
func (f *Fate) trouble() string {
	switch {
	case f.Refused != "":
	case len(f.Full)+len(f.Slow)+len(f.Denied) > 0:
		return "notDelivered"
	case f.Sent+f.Waiting+f.Kept == 0 && !f.Retained:
		return "noReceiver"
	}
	return ""
}

func troubleNamed(name string) int {
	return slices.IndexFunc(troubles, func(t trouble) bool { return t.name == name })
}
