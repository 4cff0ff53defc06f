package blueprint

import (
	"slices"
	"strings"

	"xively/broker/topic"
	"xively/internal/auth"
	"xively/internal/fault"
)

// Who may use which topic. Every account is an MQTT world of its own: the broker never lets a message cross accounts, so
// a filter of an account user can only ever match what is of the account.
//
//	                                publish                         subscribe and receive
//	device, own channels            of its template, _log,          all; wildcards below its own xi/blue/v1/…/d/<id>/
//	                                _set/fields
//	device, own control topics      svc                             cln
//	device, free topics             as its template's freeTopics    the same
//	admin, channels                 of existing devices, as above   all, any wildcard
//	admin, control topics           cln and svc of own devices      all, any wildcard
//	admin, free topics              all                             all
//	admin, $SYS                     no                              yes
//	back-end application            as an admin                     as an admin
//	end user or member, channels    of devices reached with         of devices reached with channels:read; wildcards
//	                                channels:write (permit.go);     below xi/blue/v1/<account>/, each message judged
//	                                _set/fields: devices:update
//	end user, free topics           as its template's freeTopics    the same
//	anonymous                       free topics                     free topics; a wider filter gets these only
//	others                          no                              no
//
// Only the platform publishes to _updates/fields and _rejected. What a device's wildcard could match below its own
// prefix but is no channel cannot be published by anybody.

// MayPublish returns nil when p may publish to the topic name, else Forbidden with the rule, or the store's error.
func (s *Service) MayPublish(p auth.Principal, name string) error {
	at := parseTopic(name)
	switch at.kind {
	case systemTopic:
		return forbidden("Nobody may publish to topics that begin with $: they are the server's own.")
	case unknownTopic:
		return unknownRefused("Nobody", publishTo, quoteTopic(name))
	}
	switch p.Kind {
	case auth.Device:
		return s.deviceMayPublish(p, at, name)
	case auth.AccountUser, auth.EndUser, auth.Application:
		return s.personMayPublish(p, at, name)
	case auth.Platform:
		if (at.kind == channelOf && at.account == p.AccountID) || at.kind == controlOf {
			return nil
		}
	case auth.Anonymous:
		if at.kind == freeTopic {
			return nil
		}
		return anonymousRefused(publishTo, name)
	}
	return nobodyRefused(p)
}

func (s *Service) deviceMayPublish(p auth.Principal, at place, name string) error {
	d, err := s.own(p)
	if err != nil {
		return err
	}
	switch {
	case at.kind == freeTopic && d.template.allows(name, topic.Matches),
		at.kind == controlOf && at.device == p.ID && at.channel == toService,
		at.kind == channelOf && at.account == p.AccountID && at.device == p.ID && d.template.publishable(at.channel):
		return nil
	}
	return s.deviceRefused(p, d, publishTo, at, name)
}

func (s *Service) personMayPublish(p auth.Principal, at place, name string) error {
	r, err := s.person(p)
	if err != nil {
		return err
	}
	if at.kind == freeTopic {
		return r.mayUseFree(publishTo, name, topic.Matches)
	}
	d, err := s.deviceOf(p, at)
	switch {
	case err != nil:
		return err
	case d == nil, at.kind == controlOf && !r.admin, at.kind == channelOf && !d.template.publishable(at.channel):
		return s.personRefused(r, publishTo, at, name, d)
	case at.kind == controlOf:
		return nil
	}
	if at.channel == setFields {
		return s.mayReach(r, change, at, d, "")
	}
	return s.mayReach(r, writeChannel, at, d, at.channel)
}

// mayReach asks the evaluator about a device's channel; the words of a refusal are worked out only when there is one.
func (s *Service) mayReach(r *reach, do action, at place, d *deviceView, channel string) error {
	if r.admin {
		return nil
	}
	chain, err := s.chainOf(d.account, d.organization)
	if err != nil {
		return unjudged(err)
	}
	if r.allowing(permissionFor(do, s.byName["device"]), chain, at.device, channel, s.now()) != nil {
		return nil
	}
	var v *verdict
	err = s.view(auth.Principal{AccountID: d.account}, func(t *txn) error {
		o, err := t.find(s.byName["device"], at.device)
		if err == nil {
			v, err = t.judge(r, do, s.byName["device"], o, channel)
		}
		return err
	})
	if err != nil {
		return unjudged(err)
	}
	return forbidden("%s", v.Text)
}

func (r *reach) mayUseFree(doing, name string, allows func(filter, name string) bool) error {
	if r.admin || slices.ContainsFunc(r.free, func(filter string) bool { return allows(filter, name) }) {
		return nil
	}
	return r.freeRefused(doing, name)
}

// allows reports whether a free topic or filter is one of the template's.
func (v *templateView) allows(name string, by func(filter, name string) bool) bool {
	return slices.ContainsFunc(v.free, func(filter string) bool { return by(filter, name) })
}

// publishable reports whether a channel is there and takes messages from outside.
func (v *templateView) publishable(channel string) bool {
	return v.exists(channel) && !v.platformOnly(channel)
}

func (v *templateView) platformOnly(channel string) bool {
	c, ok := defaultChannelNamed(channel)
	return ok && !c.toPlatform
}

func (v *templateView) exists(channel string) bool {
	_, ok := v.persistence(channel)
	return ok
}

// MaySubscribe returns nil when p may have every topic that the filter can match, else Forbidden with the rule, or the
// store's error.
func (s *Service) MaySubscribe(p auth.Principal, filter string) error {
	switch p.Kind {
	case auth.Device:
		return s.deviceMaySubscribe(p, filter)
	case auth.AccountUser, auth.EndUser, auth.Application:
		return s.personMaySubscribe(p, filter)
	case auth.Anonymous:
		// A first level that is a wildcard also matches xi; MayReceive then holds back what comes from there.
		if parseTopic(filter).kind == freeTopic {
			return nil
		}
		return anonymousRefused(subscribeTo, filter)
	}
	return nobodyRefused(p)
}

func (s *Service) deviceMaySubscribe(p auth.Principal, filter string) error {
	d, err := s.own(p)
	if err != nil {
		return err
	}
	at := parseTopic(filter)
	channel, mine := strings.CutPrefix(filter, channelTopic(p.AccountID, p.ID, ""))
	switch {
	case filter == controlRoot+p.ID+"/"+toClient,
		at.kind == freeTopic && d.template.allows(filter, topic.Covers),
		mine && (hasWildcard(channel) || d.template.exists(channel)):
		return nil
	}
	return s.deviceRefused(p, d, subscribeTo, at, filter)
}

func (s *Service) personMaySubscribe(p auth.Principal, filter string) error {
	r, err := s.person(p)
	if err != nil {
		return err
	}
	if !r.admin {
		return s.memberMaySubscribe(r, filter)
	}
	at := parseTopic(filter)
	switch {
	case at.kind == systemTopic:
		if topic.Covers("$SYS/#", filter) {
			return nil
		}
		return refuse(r.name, subscribeTo, quoteTopic(filter), "of the topics that begin with $ there is only $SYS/#")
	case at.kind == channelOf && at.account != "+" && at.account != p.AccountID, at.kind == unknownTopic && !hasWildcard(filter), s.otherAccount(p, filter):
		return s.personRefused(r, subscribeTo, at, filter, nil)
	case hasWildcard(filter) || at.kind == freeTopic:
		return nil
	}
	d, err := s.deviceOf(p, at)
	if err == nil && (d == nil || at.kind == channelOf && !d.template.exists(at.channel)) {
		err = s.personRefused(r, subscribeTo, at, filter, d)
	}
	return err
}

// memberMaySubscribe is personMaySubscribe for those who are no admins.
func (s *Service) memberMaySubscribe(r *reach, filter string) error {
	at := parseTopic(filter)
	own := channelRoot + r.p.AccountID + "/"
	switch {
	case at.kind == freeTopic:
		return r.mayUseFree(subscribeTo, filter, topic.Covers)
	case at.kind == systemTopic:
		return refuse(r.name, subscribeTo, quoteTopic(filter), "topics that begin with $ are for admins")
	case !strings.HasPrefix(filter, own) && hasWildcard(filter):
		return r.freeRefused(subscribeTo, filter)
	case hasWildcard(filter):
		return nil // MayReceive judges every message
	case at.kind != channelOf, at.account != r.p.AccountID:
		return s.personRefused(r, subscribeTo, at, filter, new(deviceView))
	}
	return s.memberMayReceive(r, subscribeTo, at, filter)
}

func (s *Service) memberMayReceive(r *reach, doing string, at place, name string) error {
	d, err := s.deviceOf(r.p, at)
	switch {
	case err != nil:
		return err
	case d == nil || !d.template.exists(at.channel):
		return s.personRefused(r, doing, at, name, d)
	}
	return s.mayReach(r, readChannel, at, d, at.channel)
}

// otherAccount recognizes filters that name another account's prefix and do not have the form of a channel.
func (s *Service) otherAccount(p auth.Principal, filter string) bool {
	rest, ok := strings.CutPrefix(filter, channelRoot)
	account, _, _ := strings.Cut(rest, "/")
	return ok && account != p.AccountID && account != "+" && account != "#"
}

// MayReceive returns nil when p may have a message on the topic name, asked at delivery. The subscription was allowed
// once; what has changed since, and what a wildcard let in, is judged here.
func (s *Service) MayReceive(p auth.Principal, name string) error {
	at := parseTopic(name)
	switch p.Kind {
	case auth.Device:
		return s.deviceMayReceive(p, at, name)
	case auth.AccountUser, auth.EndUser, auth.Application:
		return s.personMayReceive(p, at, name)
	case auth.Anonymous:
		if at.kind == freeTopic {
			return nil
		}
		return anonymousRefused(receiveFrom, name)
	}
	return nobodyRefused(p)
}

func (s *Service) personMayReceive(p auth.Principal, at place, name string) error {
	r, err := s.person(p)
	switch {
	case err != nil:
		return err
	case at.kind == channelOf && at.account != p.AccountID:
		return s.personRefused(r, receiveFrom, at, name, nil)
	case r.admin:
		return nil
	case at.kind == freeTopic:
		return r.mayUseFree(receiveFrom, name, topic.Matches)
	case at.kind == channelOf:
		return s.memberMayReceive(r, receiveFrom, at, name)
	}
	return s.personRefused(r, receiveFrom, at, name, new(deviceView))
}

func (s *Service) deviceMayReceive(p auth.Principal, at place, name string) error {
	d, err := s.own(p)
	if err != nil {
		return err
	}
	switch {
	case at.kind == freeTopic && d.template.allows(name, topic.Matches),
		at.kind == controlOf && at.device == p.ID && at.channel == toClient,
		at.kind == channelOf && at.account == p.AccountID && at.device == p.ID && d.template.exists(at.channel):
		return nil
	}
	return s.deviceRefused(p, d, receiveFrom, at, name)
}

// own returns the view of the device that p is.
func (s *Service) own(p auth.Principal) (*deviceView, error) {
	d, err := s.device(p.ID)
	if err != nil {
		return nil, unjudged(err)
	}
	if d == nil || d.account != p.AccountID {
		return nil, forbidden("The %s is not in the directory any more.", p)
	}
	return d, nil
}

// deviceOf returns the device of a topic, nil when the caller's account has none.
func (s *Service) deviceOf(p auth.Principal, at place) (*deviceView, error) {
	if at.kind == channelOf && at.account != p.AccountID {
		return nil, nil
	}
	d, err := s.device(at.device)
	if err != nil {
		return nil, unjudged(err)
	}
	if d != nil && d.account != p.AccountID {
		d = nil
	}
	return d, nil
}

// person returns what an account user or end user can reach.
func (s *Service) person(p auth.Principal) (*reach, error) {
	r, err := s.reach(p)
	if err != nil && fault.KindOf(err) != fault.Forbidden {
		return nil, unjudged(err)
	}
	return r, err
}

func hasWildcard(filter string) bool { return strings.ContainsAny(filter, "+#") }
