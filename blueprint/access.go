package blueprint

import (
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
		return forbidden("nobody may publish to topics that begin with $: they are the server's own")
	case unknownTopic:
		return forbidden("topics below xi/ are the platform's; %s is none of them", quote(name))
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
		return anonymousRefused()
	}
	return nobodyRefused(p)
}

func (s *Service) deviceMayPublish(p auth.Principal, at place, name string) error {
	d, err := s.own(p)
	if err != nil {
		return err
	}
	switch {
	case at.kind == freeTopic:
		return d.mayUseFree(p, name, topic.Matches)
	case at.kind == controlOf && at.device == p.ID && at.channel == toService:
		return nil
	case at.kind == channelOf && at.account == p.AccountID && at.device == p.ID:
		if err := d.template.publishable(at.channel); err != nil {
			return forbidden("%s may use only its own channels: %s", p, err.Error())
		}
		return nil
	case at.kind == controlOf && at.device == p.ID:
		return forbidden("%s may not publish to its %s topic: it is for messages to the device", p, toClient)
	}
	return forbidden("%s may use only its own channels", p)
}

func (s *Service) personMayPublish(p auth.Principal, at place, name string) error {
	r, err := s.person(p)
	if err != nil {
		return err
	}
	if at.kind == freeTopic {
		return r.mayUseFree(name, topic.Matches)
	}
	if at.kind == channelOf && at.account != p.AccountID {
		return otherAccount(p)
	}
	d, err := s.deviceOf(p, at.device)
	if err != nil {
		return err
	}
	if at.kind == controlOf {
		return r.mayControl()
	}
	if err := d.template.publishable(at.channel); err != nil {
		return forbidden("nobody may publish there: %s", err.Error())
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

func (r *reach) mayControl() error {
	if r.admin {
		return nil
	}
	return forbidden("%s may not use control topics: they are for admins and the device itself", r.name)
}

func (r *reach) mayUseFree(name string, allows func(filter, name string) bool) error {
	if r.admin {
		return nil
	}
	for _, filter := range r.free {
		if allows(filter, name) {
			return nil
		}
	}
	return forbidden("%s may use the channels of reached devices and the free topics of the own template; %s is none of them", r.name, quote(name))
}

// publishable says why a channel takes no messages from outside, nil when it does.
func (v *templateView) publishable(channel string) error {
	if c, ok := defaultChannelNamed(channel); ok {
		if !c.toPlatform {
			return forbidden("channel %s is for messages from the platform only", quote(channel))
		}
		return nil
	}
	return v.exists(channel)
}

func (v *templateView) exists(channel string) error {
	if _, ok := v.persistence(channel); !ok {
		return forbidden("channel %s is not on its template %s", quote(channel), quote(v.name))
	}
	return nil
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
		return anonymousRefused()
	}
	return nobodyRefused(p)
}

func (s *Service) deviceMaySubscribe(p auth.Principal, filter string) error {
	d, err := s.own(p)
	if err != nil {
		return err
	}
	if filter == controlRoot+p.ID+"/"+toClient {
		return nil
	}
	if at := parseTopic(filter); at.kind == freeTopic {
		return d.mayUseFree(p, filter, topic.Covers)
	}
	own := channelTopic(p.AccountID, p.ID, "")
	channel, ok := strings.CutPrefix(filter, own)
	if !ok {
		return forbidden("%s may subscribe only below %s, to %s%s/%s, and to what its template allows", p, own, controlRoot, p.ID, toClient)
	}
	if hasWildcard(channel) {
		return nil
	}
	if err := d.template.exists(channel); err != nil {
		return forbidden("%s may use only its own channels: %s", p, err.Error())
	}
	return nil
}

func (s *Service) personMaySubscribe(p auth.Principal, filter string) error {
	r, err := s.person(p)
	if err != nil {
		return err
	}
	if !r.admin {
		return s.memberMaySubscribe(r, filter)
	}
	switch at := parseTopic(filter); {
	case at.kind == systemTopic:
		if topic.Covers("$SYS/#", filter) {
			return nil
		}
		return forbidden("of the topics that begin with $ there is only $SYS/#")
	case at.kind == channelOf && at.account != "+" && at.account != p.AccountID:
		return otherAccount(p)
	case at.kind == channelOf && !hasWildcard(filter):
		d, err := s.deviceOf(p, at.device)
		if err != nil {
			return err
		}
		if err := d.template.exists(at.channel); err != nil {
			return forbidden("there is no such channel: %s", err.Error())
		}
	case at.kind == controlOf && !hasWildcard(filter):
		_, err := s.deviceOf(p, at.device)
		return err
	case at.kind == unknownTopic && !hasWildcard(filter):
		return forbidden("topics below xi/ are the platform's; %s is none of them", quote(filter))
	}
	return s.sameAccount(p, filter)
}

// memberMaySubscribe is personMaySubscribe for those who are no admins.
func (s *Service) memberMaySubscribe(r *reach, filter string) error {
	at := parseTopic(filter)
	if at.kind == freeTopic {
		return r.mayUseFree(filter, topic.Covers)
	}
	own := channelRoot + r.p.AccountID + "/"
	switch {
	case !strings.HasPrefix(filter, own):
		return forbidden("%s may subscribe only below %s and to the free topics of the own template", r.name, own)
	case hasWildcard(filter):
		return nil // MayReceive judges every message
	case at.kind != channelOf:
		return forbidden("topics below xi/ are the platform's; %s is none of them", quote(filter))
	}
	return s.memberMayReceive(r, at)
}

func (s *Service) memberMayReceive(r *reach, at place) error {
	d, err := s.deviceOf(r.p, at.device)
	if err != nil {
		return err
	}
	if err := d.template.exists(at.channel); err != nil {
		return forbidden("there is no such channel: %s", err.Error())
	}
	return s.mayReach(r, readChannel, at, d, at.channel)
}

// sameAccount refuses filters that name another account's prefix and do not have the form of a channel.
func (s *Service) sameAccount(p auth.Principal, filter string) error {
	rest, ok := strings.CutPrefix(filter, channelRoot)
	if !ok {
		return nil
	}
	if account, _, _ := strings.Cut(rest, "/"); account != p.AccountID && account != "+" && account != "#" {
		return otherAccount(p)
	}
	return nil
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
		return anonymousRefused()
	}
	return nobodyRefused(p)
}

func (s *Service) personMayReceive(p auth.Principal, at place, name string) error {
	r, err := s.person(p)
	switch {
	case err != nil:
		return err
	case at.kind == channelOf && at.account != p.AccountID:
		return otherAccount(p)
	case r.admin:
		return nil
	case at.kind == freeTopic:
		return r.mayUseFree(name, topic.Matches)
	case at.kind == channelOf:
		return s.memberMayReceive(r, at)
	}
	return r.mayControl()
}

func (s *Service) deviceMayReceive(p auth.Principal, at place, name string) error {
	d, err := s.own(p)
	if err != nil {
		return err
	}
	switch {
	case at.kind == freeTopic:
		return d.mayUseFree(p, name, topic.Matches)
	case at.kind == controlOf && at.device == p.ID && at.channel == toClient:
		return nil
	case at.kind == channelOf && at.account == p.AccountID && at.device == p.ID:
		if err := d.template.exists(at.channel); err != nil {
			return forbidden("%s may use only its own channels: %s", p, err.Error())
		}
		return nil
	}
	return forbidden("%s may use only its own channels", p)
}

// own returns the view of the device that p is.
func (s *Service) own(p auth.Principal) (*deviceView, error) {
	d, err := s.device(p.ID)
	if err != nil {
		return nil, unjudged(err)
	}
	if d == nil || d.account != p.AccountID {
		return nil, forbidden("%s is not in the directory any more", p)
	}
	return d, nil
}

// deviceOf returns a device of the caller's account.
func (s *Service) deviceOf(p auth.Principal, id string) (*deviceView, error) {
	d, err := s.device(id)
	if err != nil {
		return nil, unjudged(err)
	}
	if d == nil || d.account != p.AccountID {
		return nil, forbidden("there is no device %s", quote(id))
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

func (d *deviceView) mayUseFree(p auth.Principal, name string, allows func(filter, name string) bool) error {
	for _, filter := range d.template.free {
		if allows(filter, name) {
			return nil
		}
	}
	return forbidden("%s may use only its own channels and the free topics of its template %s; %s is none of them",
		p, quote(d.template.name), quote(name))
}

func hasWildcard(filter string) bool { return strings.ContainsAny(filter, "+#") }

func otherAccount(p auth.Principal) error {
	return forbidden("%s may use only topics of its own account", p)
}

func anonymousRefused() error {
	return forbidden("clients without credentials may use free topics only, nothing below xi/ or $")
}

func nobodyRefused(p auth.Principal) error {
	return forbidden("a caller of the kind %s may not use topics", p.Kind)
}

// unjudged refuses because the directory could not be read: nothing is allowed that was not judged.
func unjudged(cause error) error {
	return fault.Wrap(fault.Unavailable, cause, "Access could not be judged. Try again.")
}
