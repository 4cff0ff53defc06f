package blueprint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"xively/internal/auth"
)

// verdict is an answer of the evaluator with its reasons.
type verdict struct {
	Allowed bool   `json:"allowed"`
	Text    string `json:"text"`              // the answer in words
	Missing string `json:"missing,omitempty"` // what would have to change for it to be allowed
	Path    []step `json:"path"`              // from the caller to the object, as far as it goes
}

// step is one link of the way from a caller to an object.
type step struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
	// What leads from here to the next step: "is in", "is given the role operator on", "contains"; "" at the end.
	Leads string `json:"leads,omitempty"`
}

// verbs say an action in a sentence.
var verbs = map[action]string{
	read: "see", create: "create", change: "change", remove: "delete", issueCredential: "get an MQTT credential for",
	associate: "make an association code for", share: "share", readChannel: "receive from", writeChannel: "publish to",
}

// judge answers whether r may do something, and why, in words.
func (t *txn) judge(r *reach, do action, k *kind, o *object, channel string) (*verdict, error) {
	what := "the " + k.title + " " + quote(nameOf(k, o))
	if do == create {
		what = "a " + k.title
	}
	if channel != "" {
		what = "the channel " + quote(channel) + " of " + what
	}
	claim := r.name + " may " + verbs[do] + " " + what
	refusal := r.name + " may not " + verbs[do] + " " + what
	me := step{Kind: r.k.one, ID: r.p.ID, Name: r.name}
	end := step{Kind: k.one, ID: o.ID, Name: nameOf(k, o)}
	switch {
	case r.admin:
		me.Leads = "is an admin of the account of"
		return &verdict{true, claim + ": " + r.name + " is an admin, and admins may do everything in their account.", "", []step{me, end}}, nil
	case r.ownRecord(do, o):
		me.Leads = "is"
		return &verdict{true, claim + ": it is the own record.", "", []step{me, end}}, nil
	case !slices.Contains(reachable, k.one):
		return &verdict{false, fmt.Sprintf("%s: %s are for admins, and %s is %s.", refusal, plural(k.title), r.name, standing(r)), "the account user role admin", []step{me}}, nil
	}
	chain, err := t.chain(placeOf(k, o, do))
	if err != nil {
		return nil, err
	}
	need := permissionFor(do, k)
	if src := r.allowing(need, chain, o.ID, channel, t.at); src != nil {
		return t.allowance(r, src, claim, me, end, chain)
	}
	return t.refusal(r, do, k, o, channel, chain, refusal, me)
}

func (t *txn) allowance(r *reach, src *source, claim string, me, end step, chain []string) (*verdict, error) {
	path, why, err := t.way(r, src, me)
	if err != nil {
		return nil, err
	}
	if src.organization != "" && src.organization != end.ID {
		down := chain[:max(0, slices.Index(chain, src.organization))]
		for _, id := range slices.Backward(down) {
			if id == end.ID {
				continue
			}
			path[len(path)-1].Leads = "contains"
			path = append(path, step{Kind: "organization", ID: id, Name: t.groupName(id)})
		}
		path[len(path)-1].Leads = "contains"
		path = append(path, end)
		why += ", where it lies"
		if len(down) > 0 {
			why += " in " + quote(t.groupName(chain[0]))
		}
	}
	if src.search != "" {
		path[len(path)-1].Leads = "finds"
		path = append(path, end)
	}
	return &verdict{true, claim + ": " + why + ".", "", path}, nil
}

// way is the path from a caller to what a source is on, and the same in words.
func (t *txn) way(r *reach, src *source, me step) ([]step, string, error) {
	if src.grant == "" {
		me.Leads = "is in"
		group := t.groupName(src.organization)
		return []step{me, {Kind: "organization", ID: src.organization, Name: group}},
			fmt.Sprintf("%s is an end user of the group %s", r.name, quote(group)), nil
	}
	var path []step
	who := r.name
	if src.through != "" {
		me.Leads = "is in"
		group := t.groupName(src.through)
		who = fmt.Sprintf("the group %s, which %s is in,", quote(group), r.name)
		path = append(path, me)
		me = step{Kind: "organization", ID: src.through, Name: group}
	}
	me.Leads = "is given the role " + src.role + " by"
	object, err := t.objectOf(src)
	if err != nil {
		return nil, "", err
	}
	path = append(path, me, step{Kind: "grant", ID: src.grant, Name: src.role, Leads: "on"}, object)
	why := fmt.Sprintf("%s has the role %s on the %s %s", who, src.role, t.byName[object.Kind].title, quote(object.Name))
	if src.search != "" {
		why += ", which finds it now,"
	}
	if src.expires != "" {
		why += " until " + src.expires
	}
	return path, strings.TrimSuffix(why, ","), nil
}

func (t *txn) objectOf(src *source) (step, error) {
	if src.organization != "" {
		return step{Kind: "organization", ID: src.organization, Name: t.groupName(src.organization)}, nil
	}
	k, id := t.byName["device"], src.device
	if src.search != "" {
		k, id = t.byName["savedSearch"], src.search
	}
	o, err := load(t.tx, k, id)
	if err != nil || o == nil {
		return step{Kind: k.one, ID: id, Name: id}, err
	}
	return step{Kind: k.one, ID: id, Name: nameOf(k, o)}, nil
}

// refusal finds the nearest miss: a source that covers the object and allows other things, or has expired, or is limited
// to other channels; else that nothing covers it.
func (t *txn) refusal(r *reach, do action, k *kind, o *object, channel string, chain []string, claim string, me step) (*verdict, error) {
	need := permissionFor(do, k)
	now := timeText(t.at.UnixMilli())
	var near *source
	for i := range r.sources {
		src := &r.sources[i]
		if src.covers(chain, o.ID) && (near == nil || src.has(need)) {
			near = src
		}
	}
	if near == nil {
		return t.unreached(r, k, chain, claim, me)
	}
	path, why, err := t.way(r, near, me)
	if err != nil {
		return nil, err
	}
	v := &verdict{Path: path}
	switch {
	case near.has(need) && near.over(now):
		v.Text = fmt.Sprintf("%s: what allowed it ended at %s: %s.", claim, near.expires, why)
		v.Missing = "a later end of the grant"
	case near.has(need):
		v.Text = fmt.Sprintf("%s: %s, but only for the channels %s.", claim, why, strings.Join(near.channels, ", "))
		v.Missing = "the channel " + quote(channel) + " in the grant"
	default:
		v.Text = fmt.Sprintf("%s: %s, and that allows %s only. An admin may do it, or give %s a role with %s there.",
			claim, why, joined(near.allows), r.name, need)
		v.Missing = string(need)
	}
	return v, nil
}

func (t *txn) unreached(r *reach, k *kind, chain []string, claim string, me step) (*verdict, error) {
	v := &verdict{Path: []step{me}}
	mine := fmt.Sprintf("%s is in no group", r.name)
	if r.organization != "" {
		mine = fmt.Sprintf("%s reaches the group %s and what is below it", r.name, quote(t.groupName(r.organization)))
	} else if r.p.Kind == auth.AccountUser {
		mine = fmt.Sprintf("%s is no admin and reaches only what is granted", r.name)
	}
	place := "it is in no group"
	if len(chain) > 0 {
		names := make([]string, 0, len(chain))
		for _, id := range slices.Backward(chain) {
			names = append(names, t.groupName(id))
		}
		place = "it is in the group " + quote(strings.Join(names, " › "))
		if k.one == "organization" {
			place = "it lies at " + quote(strings.Join(names, " › "))
		}
	}
	searches, err := t.searchesOf(r)
	if err != nil {
		return nil, err
	}
	if k.one == "device" && len(searches) > 0 {
		place += ", it is not found by " + searches
	}
	v.Text = fmt.Sprintf("%s: %s, %s, and nothing there is shared with %s. Share it with %s, or move it to a group that %s reaches.",
		claim, mine, place, r.name, r.name, r.name)
	v.Missing = "a grant, or a place in a group that is reached"
	return v, nil
}

// searchesOf names the saved searches that r is given a role on, "" for none.
func (t *txn) searchesOf(r *reach) (string, error) {
	var names []string
	for i := range r.sources {
		if src := &r.sources[i]; src.search != "" {
			s, err := t.objectOf(src)
			if err != nil {
				return "", err
			}
			names = append(names, quote(s.Name))
		}
	}
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return "the saved search " + names[0] + " now", nil
	}
	return "any of the saved searches " + strings.Join(names, ", ") + " now", nil
}

func (t *txn) groupName(id string) string {
	o, err := load(t.tx, t.byName["organization"], id)
	if err != nil || o == nil || o.AccountID != t.account {
		return id
	}
	return cmp.Or(o.text("name"), id)
}

// nameOf is how people know an object.
func nameOf(k *kind, o *object) string {
	if k.one == "device" {
		return cmp.Or(o.text("name"), o.text("serialNumber"), o.ID)
	}
	return cmp.Or(o.text("name"), o.text("emailAddress"), o.ID)
}
