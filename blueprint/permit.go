package blueprint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"xively/blueprint/search"
	"xively/internal/auth"
	"xively/internal/fault"
)

// Who may do what: one evaluator for REST and MQTT.
//
// An admin may do everything in the account, and so may a back-end application, which only admins make and which signs
// in by itself only when it is one. Anybody else reaches an object by a source: being an end user in an
// organization at or above where the object lies, or a grant, to themselves or to an organization they are in, on the
// object, on an organization at or above it, or on a saved search that finds it (dynamic.go). A source allows what its role names. An end user may also read and change
// some of their own record and get their own MQTT credential.
//
// A refusal is the text of judge. Over REST, what the caller may not even read is answered like what does not exist; the
// text then goes to OnDenied alone.

// source is one reason to reach something.
type source struct {
	allows       []permission
	role         string
	organization string // it and all below it
	device       string // … or only this
	search       string // … or the devices that this saved search finds
	query        *search.Query
	finds        func(device string) bool // of search: whether it finds a device now
	channels     []string
	grant        string // its id; "" for an end user's own organization
	through      string // the organization the grant was given to; "" when to the caller
	expires      string
}

// reach is all that somebody can reach. Constant once made.
type reach struct {
	p            auth.Principal
	k            *kind
	name         string
	admin        bool
	organization string // an end user's own
	chain        []string
	free         []string // filters of free topics
	sources      []source
}

func (src *source) has(need permission) bool { return slices.Contains(src.allows, need) }

func (src *source) over(at string) bool { return src.expires != "" && src.expires <= at }

func (src *source) covers(chain []string, device string) bool {
	switch {
	case src.device != "":
		return src.device == device
	case src.search != "":
		return src.finds(device)
	}
	return slices.Contains(chain, src.organization)
}

// applicationKind stands for back-end applications, which are the identity service's objects.
var applicationKind = &kind{one: "application", many: "applications", title: "application"}

// mayAsk refuses kinds of callers who have no business in the directory; what the others may do, reachOf begins to say.
func mayAsk(p auth.Principal) error {
	switch p.Kind {
	case auth.AccountUser, auth.EndUser, auth.Application:
		if p.AccountID != "" {
			return nil
		}
	}
	return forbidden("Only account users, end users and back-end applications may use the directory; the caller is of the kind %s.", p.Kind)
}

// reachOf works out what p can reach. Forbidden when p has no place in the directory.
func (t *txn) reachOf(p auth.Principal) (*reach, error) {
	if err := mayAsk(p); err != nil || p.AccountID != t.account {
		return nil, cmpErr(err, forbidden("The %s is of another account.", p))
	}
	if p.Kind == auth.Application {
		return &reach{p: p, k: applicationKind, name: p.String(), admin: true}, nil
	}
	k := t.byName[p.Kind.String()]
	o, err := load(t.tx, k, p.ID)
	if err != nil {
		return nil, err
	}
	if o == nil || o.AccountID != p.AccountID || o.Deleted != 0 {
		return nil, forbidden("The %s is not in the directory any more.", p)
	}
	return t.reachOfObject(k, o)
}

func (t *txn) reachOfObject(k *kind, o *object) (*reach, error) {
	p := auth.Principal{Kind: auth.KindOf(k.one), AccountID: o.AccountID, ID: o.ID, UserID: o.text("userId")}
	r := &reach{p: p, k: k, name: nameOf(k, o)}
	if k.one == "accountUser" && o.text("role") == adminRole {
		r.admin = true
		return r, nil
	}
	subjects := []string{o.ID}
	if k.one == "endUser" {
		var err error
		r.organization = o.text("organizationId")
		if r.chain, err = t.chain(r.organization); err != nil {
			return nil, err
		}
		if r.organization != "" {
			r.sources = append(r.sources, source{allows: builtinRoles[memberOfGroup], role: memberOfGroup, organization: r.organization})
		}
		subjects = append(subjects, r.chain...)
		template, err := load(t.tx, t.byName["endUserTemplate"], o.text("endUserTemplateId"))
		if err != nil {
			return nil, err
		}
		if template != nil {
			r.free = template.list("freeTopics")
		}
	}
	for _, id := range subjects {
		if err := t.addGrants(r, id); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (t *txn) addGrants(r *reach, subject string) error {
	k := t.byName["grant"]
	for ref := range t.refsEqual(k, k.indexOn("subjectId").code, subject) {
		g, err := t.loadRef(k, ref)
		if err != nil {
			return err
		}
		src := source{grant: g.ID, channels: g.list("channels"), expires: g.text("expires")}
		if src.allows, src.role, err = t.permissionsOf(g); err != nil {
			return err
		}
		if subject != r.p.ID {
			src.through = subject
		}
		switch id := g.text("objectId"); g.text("objectType") {
		case "device":
			src.device = id
		case "savedSearch":
			if err := t.useSearch(&src, id); err != nil {
				return err
			}
		default:
			src.organization = id
		}
		r.sources = append(r.sources, src)
	}
	return nil
}

// chain is an organization and those above it, the own first; nil for "".
func (t *txn) chain(id string) ([]string, error) {
	var chain []string
	for id != "" && !slices.Contains(chain, id) {
		o, err := load(t.tx, t.byName["organization"], id)
		if err != nil {
			return nil, err
		}
		if o == nil || o.AccountID != t.account {
			break
		}
		chain = append(chain, id)
		id = o.text("parentId")
	}
	return chain, nil
}

// placeOf is the organization an object lies in; for an organization it is itself, or, before it exists, its parent.
func placeOf(k *kind, o *object, do action) string {
	if k.one != "organization" {
		return o.text("organizationId")
	}
	if do == create {
		return o.text("parentId")
	}
	return o.ID
}

// contact are the members of their own record that end users change themselves.
var contact = []string{"name", "emailAddress", "phoneNumber", "address", "city", "state", "postalCode", "countryCode"}

// allowing returns the source that allows something, nil when none does.
func (r *reach) allowing(need permission, chain []string, device, channel string, at time.Time) *source {
	now := timeText(at.UnixMilli())
	for i := range r.sources {
		src := &r.sources[i]
		if src.has(need) && !src.over(now) && src.channel(channel) && src.covers(chain, device) {
			return src
		}
	}
	return nil
}

func (src *source) channel(name string) bool {
	return name == "" || len(src.channels) == 0 || slices.Contains(src.channels, name)
}

// ownRecord reports that the action is one an end user may do to the own record.
func (r *reach) ownRecord(do action, o *object) bool {
	return r.p.Kind == auth.EndUser && o.ID == r.p.ID && (do == read || do == change || do == issueCredential)
}

// allowed is judge without words.
func (t *txn) allowed(r *reach, do action, k *kind, o *object, channel string) (bool, error) {
	if r.admin || r.ownRecord(do, o) {
		return true, nil
	}
	if !slices.Contains(reachable, k.one) {
		return false, nil
	}
	chain, err := t.chain(placeOf(k, o, do))
	if err != nil {
		return false, err
	}
	return r.allowing(permissionFor(do, k), chain, o.ID, channel, t.at) != nil, nil
}

// permit is what the engine asks before it does something for a caller: nil, Forbidden with the reason, or, for what the
// caller cannot see, NotFound. The platform itself (no caller) may do everything.
func (t *txn) permit(do action, k *kind, o *object) error {
	if t.who == nil || t.who.admin {
		return nil
	}
	if k.one == "grant" {
		return t.permitGrant(do, o)
	}
	ok, err := t.allowed(t.who, do, k, o, "")
	if ok || err != nil {
		return err
	}
	v, err := t.judge(t.who, do, k, o, "")
	if err != nil {
		return err
	}
	refusal := t.refuse(do, k, o.ID, v.Text)
	if do != create && slices.Contains(reachable, k.one) {
		if visible, err := t.allowed(t.who, read, k, o, ""); err != nil || !visible {
			return cmpErr(err, notFound(k))
		}
	}
	return refusal
}

// refuse is the end of every refusal over REST: what the caller is told and what the account's log gets are the same words.
func (t *txn) refuse(do action, k *kind, id, text string) error {
	t.denials = append(t.denials, Denial{Principal: t.who.p, Action: string(do), Kind: k.one, ID: id, Text: text})
	return forbidden("%s", text)
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// permitChange adds to permit what a change may not do besides: move something to where the caller could not have put
// it, give it another template's rights, or change more of the own record than what it says about the person.
func (t *txn) permitChange(k *kind, old, o *object) error {
	if t.who == nil || t.who.admin {
		return nil
	}
	if err := t.permit(change, k, old); err != nil {
		return err
	}
	bySource, err := t.allowedBySource(change, k, old)
	if err != nil {
		return err
	}
	for _, f := range k.fields {
		same := old.text(f.name) == o.text(f.name)
		switch {
		case same || f.kind != text:
		case !bySource && !slices.Contains(contact, f.name):
			return t.refuse(change, k, o.ID, fmt.Sprintf("%s may not change the %s: of the own record, end users change only %s.", t.who.name, f.name, strings.Join(contact, ", ")))
		case f.name == k.template || f.name == "userId":
			return t.refuse(change, k, o.ID, fmt.Sprintf("%s may not change the %s of the %s %s: it decides what it may do, so only an admin may.", t.who.name, f.name, onScreen(k.title), quote(nameOf(k, o))))
		case f.name == "organizationId" || f.name == "parentId":
			moved := *o
			moved.ID = o.text("parentId") // "" for others: that the object itself is shared gives no right to the place

			if err := t.permit(change, k, &moved); err != nil {
				return t.refuse(change, k, o.ID, fmt.Sprintf("%s may not move the %s %s there: to put it into another place, %s needs the right to change it there as well.",
					t.who.name, onScreen(k.title), quote(nameOf(k, o)), t.who.name))
			}
		}
	}
	return nil
}

func (t *txn) allowedBySource(do action, k *kind, o *object) (bool, error) {
	chain, err := t.chain(placeOf(k, o, do))
	return t.who.allowing(permissionFor(do, k), chain, o.ID, "", t.at) != nil, err
}

// permitGrant lets those manage grants who may share what they are on, and pass on no more than they have.
func (t *txn) permitGrant(do action, g *object) error {
	k := t.byName[g.text("objectType")]
	if k == nil {
		return fault.Field("objectType", "This must be one of: device, organization, savedSearch.")
	}
	o, err := t.find(k, g.text("objectId"))
	if err != nil {
		return err
	}
	if err := t.permit(share, k, o); err != nil {
		return err
	}
	if do != create && do != change {
		return nil
	}
	allows, role, err := t.permissionsOf(g)
	if err != nil {
		return err
	}
	chain, err := t.chain(placeOf(k, o, share))
	if err != nil {
		return err
	}
	for _, need := range allows {
		src := t.who.allowing(need, chain, o.ID, "", t.at)
		if src == nil || len(src.channels) > 0 && strings.HasPrefix(string(need), "channels:") {
			return t.refuse(do, t.byName["grant"], g.ID, fmt.Sprintf("%s may not give the role %s there: it allows %s, which %s does not have in full.", t.who.name, role, need, t.who.name))
		}
	}
	return nil
}

// admitKind refuses callers who may not use a noun whatever the object.
func (t *txn) admitKind(do action, k *kind) error {
	if t.who.admin || slices.Contains(reachable, k.one) || k.one == "grant" || k.one == "mqttCredential" && do == create {
		return nil
	}
	text := fmt.Sprintf("%s may not %s %s: those are for admins, and %s is %s.", t.who.name, verbs[do], plural(onScreen(k.title)), t.who.name, standing(t.who))
	return t.refuse(do, k, "", text)
}

func standing(r *reach) string {
	if r.p.Kind == auth.EndUser {
		return "an end user"
	}
	return "an account user with the role member"
}

// visibleGrants returns the ids of the grants that the caller may read.
func (t *txn) visibleGrants() (ids []string, err error) {
	k := t.byName["grant"]
	for r := range t.refsEqual(k, indexAll, "") {
		g, err := t.loadRef(k, r)
		if err != nil {
			return nil, err
		}
		denials := t.denials
		err = t.permitGrant(read, g)
		t.denials = denials
		switch {
		case err == nil:
			ids = append(ids, g.ID)
		case ignoreFault(err) != nil:
			return nil, err
		}
	}
	return ids, nil
}

func ignoreFault(err error) error {
	if fault.KindOf(err) == fault.Internal {
		return err
	}
	return nil
}

// below adds what lies in an organization and all below it.
func (t *txn) below(refs []ref, done map[string]bool, k *kind, organization string) []ref {
	if done[organization] {
		return refs
	}
	done[organization] = true
	groups := t.byName["organization"]
	if k.one != "organization" {
		refs = slices.AppendSeq(refs, t.refsEqual(k, k.indexOn("organizationId").code, organization))
	} else if o, err := load(t.tx, groups, organization); err == nil && o != nil && o.Deleted == 0 {
		refs = append(refs, o.ref())
	}
	for r := range t.refsEqual(groups, groups.indexOn("parentId").code, organization) {
		refs = t.below(refs, done, k, r.id())
	}
	return refs
}

// Denial is a refusal over REST, for the account's log.
type Denial struct {
	Principal auth.Principal
	Remote    string // where the request came from
	Action    string // "read", "update", …
	Kind, ID  string // what of; ID may be ""
	Text      string // the reason, as explain gives it
}

// OnDenied registers fn to hear of refusals over REST. It must not block.
func (s *Service) OnDenied(fn func(Denial)) { s.onDenied = fn }
