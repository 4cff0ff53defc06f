package blueprint

import (
	"cmp"
	"strings"

	"xively/internal/auth"
	"xively/internal/fault"
)

// The words of refused topics: who may not do what, why, and what to do about it. They are worked out only for a refusal,
// which the broker remembers as long as the epoch stays. The device's log, the account's log and explain have the same.

// What somebody does with a topic, in a sentence.
const (
	publishTo   = "publish to"
	subscribeTo = "subscribe to"
	receiveFrom = "receive from"
)

// nameOfDevice is how people know a device of the account; its id when it is not there.
func (s *Service) nameOfDevice(account, id string) (name string, known bool) {
	err := s.view(auth.Principal{AccountID: account}, func(t *txn) error {
		o, err := t.findLive(t.byName["device"], id)
		if err == nil {
			name, known = nameOf(t.byName["device"], o), true
		}
		return err
	})
	if err != nil {
		return id, false
	}
	return name, known
}

// topicWords names a topic by the device it belongs to, when that is one of the account.
func (s *Service) topicWords(account string, at place, name string) string {
	if at.kind != channelOf || at.account != account || hasWildcard(name) {
		return quoteTopic(name)
	}
	if device, known := s.nameOfDevice(account, at.device); known {
		return "the channel " + quote(at.channel) + " of the device " + quote(device)
	}
	return quoteTopic(name)
}

func quoteTopic(name string) string { return "“" + cut(name, 200) + "”" }

func refuse(who, doing, what, why string) error {
	return forbidden("%s may not %s %s: %s.", who, doing, what, why)
}

// deviceRefused says why a device may not use a topic or filter.
func (s *Service) deviceRefused(p auth.Principal, d *deviceView, doing string, at place, name string) error {
	own := channelTopic(p.AccountID, p.ID, "")
	me, _ := s.nameOfDevice(p.AccountID, p.ID)
	me = "The device " + quote(me)
	what := s.topicWords(p.AccountID, at, name)
	mine := at.kind == channelOf && at.account == p.AccountID && at.device == p.ID
	if mine {
		what = "its channel " + quote(at.channel)
	}
	template := "its template " + quote(d.template.name)
	switch {
	case mine && doing == publishTo && d.template.platformOnly(at.channel):
		return refuse(me, doing, what, "only the platform publishes there")
	case mine:
		return refuse(me, doing, what, template+" has no channel of that name. Add it to the template, or correct the name in the device")
	case doing == subscribeTo && hasWildcard(name) && at.kind != freeTopic, doing == subscribeTo && strings.HasPrefix(name, "#"), doing == subscribeTo && strings.HasPrefix(name, "+"):
		return refuse(me, doing, what, "it would match what is not the device's own. A device may subscribe below "+own+", to "+controlRoot+p.ID+"/"+toClient+
			", and to the free topics of "+template+": "+cmp.Or(strings.Join(d.template.free, ", "), "there are none"))
	case at.kind == freeTopic:
		return refuse(me, doing, what, template+" allows these free topics besides its channels: "+cmp.Or(strings.Join(d.template.free, ", "), "none")+
			". Add a filter to the template's freeTopics if the device should use this one")
	case at.kind == channelOf && at.account != p.AccountID:
		return refuse(me, doing, what, "that is a topic of another account. The device's own begin with "+own)
	case at.kind == channelOf:
		return refuse(me, doing, what, "a device uses its own channels only, those below "+own+". To reach another device, let an application or a user "+doing+" its channels")
	case at.kind == controlOf && at.device == p.ID:
		return refuse(me, doing, what, "…/"+toClient+" is for messages to the device, and …/"+toService+" for those it sends")
	case at.kind == controlOf:
		return refuse(me, doing, what, "that is another device's control topic. The device's own begin with "+controlRoot+p.ID+"/")
	}
	return unknownRefused(me, doing, what)
}

func unknownRefused(who, doing, what string) error {
	return refuse(who, doing, what, "topics below xi/ are the platform's, and this is none of them")
}

// personRefused says why somebody's topic is not there to be used, whoever asks.
func (s *Service) personRefused(r *reach, doing string, at place, name string, d *deviceView) error {
	what := s.topicWords(r.p.AccountID, at, name)
	switch {
	case at.kind == channelOf && at.account != r.p.AccountID, s.otherAccount(r.p, name):
		return refuse(r.name, doing, what, "that is a topic of another account")
	case d == nil && (at.kind == channelOf || at.kind == controlOf):
		return refuse(r.name, doing, what, "there is no device with the id "+cut(at.device, 40)+" in the account")
	case at.kind == channelOf && doing == publishTo && d.template.platformOnly(at.channel):
		why := "only the platform publishes there"
		if at.channel == updatedFields {
			why += ". To change fields of the device, publish to its channel " + setFields
		}
		return refuse(r.name, doing, what, why)
	case at.kind == channelOf:
		return refuse(r.name, doing, what, "the device's template "+quote(d.template.name)+" has no channel of that name")
	case at.kind == controlOf:
		return refuse(r.name, doing, what, "control topics are for admins and the device itself")
	}
	return unknownRefused(r.name, doing, what)
}

// freeRefused says why somebody may not use a free topic.
func (r *reach) freeRefused(doing, name string) error {
	if doing == subscribeTo && hasWildcard(name) && (name[0] == '#' || name[0] == '+' || strings.HasPrefix(name, reservedLevel+"/")) {
		return refuse(r.name, doing, quoteTopic(name), "it would match what "+r.name+" has no right to. Subscribe to "+channelRoot+r.p.AccountID+
			"/# instead: of that every message is judged when it comes")
	}
	if r.p.Kind != auth.EndUser {
		return refuse(r.name, doing, quoteTopic(name), r.name+" is "+standing(r)+" and may use the channels of devices that are shared, no other topics")
	}
	return refuse(r.name, doing, quoteTopic(name), "besides the channels of devices, "+r.name+" may use the free topics of the own template: "+
		cmp.Or(strings.Join(r.free, ", "), "there are none")+". Add a filter to the template's freeTopics if that should be")
}

func anonymousRefused(doing, name string) error {
	return refuse("A client without credentials", doing, quoteTopic(name), "such clients may use free topics only, nothing below xi/ or $")
}

func nobodyRefused(p auth.Principal) error {
	return forbidden("A caller of the kind %s may not use topics.", p.Kind)
}

// unjudged refuses because the directory could not be read: nothing is allowed that was not judged.
func unjudged(cause error) error {
	return fault.Wrap(fault.Unavailable, cause, "Access could not be judged. Try again.")
}
