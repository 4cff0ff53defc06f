package blueprint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

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
	what := "the " + onScreen(k.title) + " " + quote(nameOf(k, o))
	if do == create {
		what = "a " + onScreen(k.title)
		if k.one == "endUser" || k.one == "accountUser" {
			what = "an " + k.title
		}
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
		return &verdict{false, fmt.Sprintf("%s: %s are for admins, and %s is %s.", refusal, plural(onScreen(k.title)), r.name, standing(r)), "the account user role admin", []step{me}}, nil
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
	has := "has"
	if src.over(timeText(t.at.UnixMilli())) {
		has = "had"
	}
	why := fmt.Sprintf("%s %s the role %s on the %s %s", who, has, src.role, onScreen(t.byName[object.Kind].title), quote(object.Name))
	if src.search != "" {
		why += ", which finds it now,"
	}
	if src.expires != "" {
		why += " until " + dateWords(src.expires)
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
		v.Text = fmt.Sprintf("%s: %s, and that is over. Give the grant a later end, or make a new one.", claim, why)
		v.Missing = "a later end of the grant"
	case near.has(need):
		v.Text = fmt.Sprintf("%s: %s, but for %s only. Add the channel to the grant, or leave the grant's channels empty for all of them.",
			claim, why, quotedChannels(near.channels))
		v.Missing = "the channel " + quote(channel) + " in the grant"
	default:
		v.Text = fmt.Sprintf("%s: %s, and %s %s (%s). %s", claim, why, near.lacks(), deed(do, k), need, r.remedy(need, path))
		v.Missing = string(need)
	}
	return v, nil
}

// lacks begins to say what a source does not allow.
func (src *source) lacks() string {
	if src.grant == "" {
		return "end users of a group may not"
	}
	return "that role does not let anybody"
}

// deed is an action on any of a kind: "delete devices".
func deed(do action, k *kind) string {
	switch do {
	case readChannel, writeChannel:
		return verbs[do] + " channels"
	}
	return verbs[do] + " " + plural(onScreen(k.title))
}

// remedy says what would help: the least role that has what is missing, on what the nearest grant or group is.
func (r *reach) remedy(need permission, path []step) string {
	place := path[len(path)-1]
	on := "on the " + onScreen(place.Kind) + " " + quote(place.Name)
	if place.Kind == "savedSearch" {
		on = "on the saved search " + quote(place.Name)
	}
	for _, role := range []string{viewerRole, operatorRole, ownerRole} {
		if slices.Contains(builtinRoles[role], need) {
			return fmt.Sprintf("An admin can do it, or give %s the role %s %s.", r.name, role, on)
		}
	}
	return "An admin can do it."
}

func quotedChannels(names []string) string {
	if len(names) == 1 {
		return "the channel " + quote(names[0])
	}
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = quote(n)
	}
	return "the channels " + joinedAnd(all)
}

// onScreen is a noun as people see it: groups are what the API calls organizations.
func onScreen(title string) string { return strings.Replace(title, "organization", "group", 1) }

func (t *txn) unreached(r *reach, k *kind, chain []string, claim string, me step) (*verdict, error) {
	v := &verdict{Path: []step{me}}
	mine, remedy := r.name+" is in no group", "put "+r.name+" into a group that has it"
	switch {
	case r.organization != "":
		mine = fmt.Sprintf("%s reaches the group %s and what is below it", r.name, quote(t.groupName(r.organization)))
		remedy = "move it into a group that " + r.name + " reaches"
	case r.p.Kind == auth.AccountUser:
		mine = r.name + " is " + standing(r) + ", who reaches what is shared and nothing else"
		remedy = "make " + r.name + " an admin"
	}
	place := "the " + onScreen(k.title) + " is in no group"
	if k.one == "organization" {
		place = "the group is not below one of those"
	}
	if len(chain) > 0 {
		names := make([]string, 0, len(chain))
		for _, id := range slices.Backward(chain) {
			names = append(names, t.groupName(id))
		}
		place = "the " + onScreen(k.title) + " is in the group " + quote(strings.Join(names, " › "))
		if k.one == "organization" {
			place = "this one is " + quote(strings.Join(names, " › "))
		}
	}
	searches, err := t.searchesOf(r)
	if err != nil {
		return nil, err
	}
	if k.one == "device" && len(searches) > 0 {
		place += ", it is not found by " + searches
	}
	share := "Share it with " + r.name
	if k.one == "endUser" {
		share = "Share the end user's group with " + r.name
	}
	v.Text = fmt.Sprintf("%s: %s; %s, and it is not shared with %s. %s, or %s.", claim, mine, place, r.name, share, remedy)
	v.Missing = "a grant, or a place in a group that is reached"
	return v, nil
}

// dateWords is a stored time in a sentence.
func dateWords(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.UTC().Format("2 January 2006 15:04 UTC")
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
