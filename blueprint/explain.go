package blueprint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
)

// Questions about access: may somebody do something and why, who can reach a device, what can a user reach.
//
//	GET /access/explain?principal=<id>&action=<action>&object=<id or topic>
//	GET /access/devices/{id}/users      everybody who can see the device, with what they may do and by which path
//	GET /access/users/{id}/devices      every device that an end user or account user can see, in the same way
//
// principal and object may say their kind: endUser:<id>. Without a principal the caller is meant. An admin may ask about
// everybody, others about themselves.

func (s *Service) accessRoutes(g *echo.Group) {
	g.GET("/access/explain", s.explainAccess)
	g.GET("/access/devices/:id/users", s.usersOfDevice)
	g.GET("/access/users/:id/devices", s.devicesOfUser)
}

// explanation is the answer of /access/explain.
type explanation struct {
	Principal step   `json:"principal"`
	Action    action `json:"action"`
	Object    step   `json:"object"`
	*verdict
}

const subscribe action = "subscribe"

func (s *Service) explainAccess(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	do := action(c.QueryParam("action"))
	if _, known := verbs[do]; !known && do != subscribe {
		return fault.Field("action", "This must be one of: associate, create, credential, delete, publish, read, receive, share, subscribe, update.")
	}
	object := c.QueryParam("object")
	if object == "" {
		return fault.Field("object", "The id of an object, or a topic, is needed here.")
	}
	var e explanation
	var who auth.Principal
	isTopic := (do == writeChannel || do == readChannel || do == subscribe) && !isReference(object)
	err := s.viewFor(callerOf(c), func(t *txn) error {
		k, o, err := t.subjectOf(c.QueryParam("principal"))
		if err != nil {
			return err
		}
		e.Principal, e.Action = step{Kind: k.one, ID: o.ID, Name: nameOf(k, o)}, do
		who = auth.Principal{Kind: auth.KindOf(k.one), AccountID: t.account, ID: o.ID, UserID: o.text("userId")}
		if isTopic {
			return t.mayAskAbout(object)
		}
		return t.explainObject(&e, k, o, do, object)
	})
	if err != nil {
		return err
	}
	if isTopic {
		if err := s.explainTopic(&e, who, do, object); err != nil {
			return err
		}
	}
	return rest.One(c, "access", e)
}

// mayAskAbout keeps the names in an explanation from those who may not see the device of a topic.
func (t *txn) mayAskAbout(name string) error {
	at := parseTopic(name)
	if t.who.admin || at.kind != channelOf || hasWildcard(at.device) {
		return nil
	}
	_, err := t.find(t.byName["device"], at.device)
	return err
}

func isReference(s string) bool {
	if kind, id, ok := strings.Cut(s, ":"); ok && !strings.Contains(kind, "/") {
		s = id
	}
	_, ok := parseID(s)
	return ok
}

// subjectOf finds whom a question is about: the caller when nobody is named.
func (t *txn) subjectOf(name string) (*kind, *object, error) {
	caller := t.who
	if name == "" {
		name = caller.k.one + ":" + caller.p.ID
	}
	t.who = nil // the question decides what may be asked, not who can be seen
	defer func() { t.who = caller }()
	k, o, err := t.lookUp(name, "endUser", "accountUser", "device")
	if err != nil {
		return nil, nil, err
	}
	if !caller.admin && o.ID != caller.p.ID {
		t.who = caller
		return nil, nil, t.refuse(read, k, o.ID, fmt.Sprintf("%s may ask about own access only: others are for admins, and %s is %s.", caller.name, caller.name, standing(caller)))
	}
	return k, o, nil
}

// lookUp finds an object by "kind:id" or by id alone, of the kinds given.
func (t *txn) lookUp(name string, kinds ...string) (*kind, *object, error) {
	if kind, id, ok := strings.Cut(name, ":"); ok {
		k := t.byName[kind]
		if k == nil || !slices.Contains(kinds, kind) {
			return nil, nil, fault.New(fault.Invalid, "%s is not one of: %s.", quote(kind), strings.Join(kinds, ", "))
		}
		o, err := t.find(k, id)
		return k, o, err
	}
	for _, kind := range kinds {
		o, err := t.find(t.byName[kind], name)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		return t.byName[kind], o, err
	}
	return nil, nil, fault.New(fault.NotFound, "There is no %s with the id %s.", strings.Join(kinds, " or "), cut(name, 40))
}

func (t *txn) explainObject(e *explanation, k *kind, who *object, do action, name string) error {
	kinds := make([]string, len(t.kinds))
	for i, kk := range t.kinds {
		kinds[i] = kk.one
	}
	kk, o, err := t.lookUp(name, kinds...)
	if err != nil {
		return err
	}
	e.Object = step{Kind: kk.one, ID: o.ID, Name: nameOf(kk, o)}
	if k.one == "device" {
		text := "The device " + quote(nameOf(k, who)) + " may not " + verbs[do] + " the " + onScreen(kk.title) + " " + quote(nameOf(kk, o)) +
			": devices use topics only. A device changes its own fields by publishing to its channel " + setFields + "."
		e.verdict = &verdict{Text: text, Path: []step{e.Principal}}
		return nil
	}
	r, err := t.reachOfObject(k, who)
	if err == nil {
		e.verdict, err = t.judge(r, do, kk, o, "")
	}
	return err
}

// explainTopic asks the very functions that the broker asks.
func (s *Service) explainTopic(e *explanation, p auth.Principal, do action, name string) error {
	e.Object = step{Kind: "topic", ID: name, Name: name}
	judge := s.MayReceive
	switch do {
	case writeChannel:
		judge = s.MayPublish
	case subscribe:
		judge = s.MaySubscribe
	}
	err := judge(p, name)
	if err != nil && fault.KindOf(err) != fault.Forbidden {
		return err
	}
	e.verdict = &verdict{Allowed: err == nil, Path: []step{e.Principal}}
	if err != nil {
		e.Text = err.Error()
		return nil
	}
	e.Path[0].Leads = "may use"
	e.Path = append(e.Path, e.Object)
	e.Text = e.Principal.Name + " may " + string(do) + " there: "
	at := parseTopic(name)
	switch {
	case p.Kind == auth.Device && at.kind == freeTopic:
		e.Text += "the device's template allows this free topic."
	case p.Kind == auth.Device:
		e.Text += "the topic is the device's own."
	case at.kind == freeTopic:
		e.Text += "the free topic is open to this user."
	default:
		return s.explainChannel(e, p, do, at)
	}
	return nil
}

// explainChannel gives the path to the device behind a channel's topic.
func (s *Service) explainChannel(e *explanation, p auth.Principal, do action, at place) error {
	e.Text += "every message is judged when it is delivered."
	if at.kind != channelOf || hasWildcard(at.device) || hasWildcard(at.channel) {
		return nil
	}
	if do == subscribe {
		do = readChannel
	}
	return s.view(p, func(t *txn) error {
		r, err := t.reachOf(p)
		if err != nil {
			return err
		}
		k := t.byName["device"]
		o, err := t.find(k, at.device)
		if err == nil {
			e.verdict, err = t.judge(r, do, k, o, at.channel)
		}
		return err
	})
}

// relation is one line of the map of who reaches what.
type relation struct {
	step
	SerialNumber string       `json:"serialNumber,omitempty"`
	Permissions  []permission `json:"permissions"`
	Text         string       `json:"text"`
	Path         []step       `json:"path"`
}

// relate describes what r may do with a device.
func (t *txn) relate(r *reach, k *kind, o *object) (relation, error) {
	v, err := t.judge(r, read, k, o, "")
	if err != nil {
		return relation{}, err
	}
	rel := relation{Text: v.Text, Path: v.Path, Permissions: []permission{}}
	for _, do := range []action{read, change, remove, issueCredential, associate, share, readChannel, writeChannel} {
		ok, err := t.allowed(r, do, k, o, "")
		if err != nil {
			return relation{}, err
		}
		if ok {
			rel.Permissions = append(rel.Permissions, permissionFor(do, k))
		}
	}
	return rel, nil
}

// maxRelated bounds how many users one question looks at.
const maxRelated = 20_000

func (s *Service) usersOfDevice(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	var users []relation
	total := 0
	err = s.viewFor(callerOf(c), func(t *txn) error {
		if !t.who.admin {
			return t.refuse(read, t.byName["device"], c.Param("id"), fmt.Sprintf("%s may not see who reaches a device: that is for admins, and %s is %s.", t.who.name, t.who.name, standing(t.who)))
		}
		k := t.byName["device"]
		o, err := t.find(k, c.Param("id"))
		if err != nil {
			return err
		}
		return t.eachUserOf(k, o, func(r *reach) error {
			if total++; total <= page.Offset() || len(users) == page.PageSize {
				return nil
			}
			rel, err := t.relate(r, k, o)
			rel.step = step{Kind: r.k.one, ID: r.p.ID, Name: r.name}
			users = append(users, rel)
			return err
		})
	})
	if err != nil {
		return err
	}
	return rest.List(c, "users", users, total, page)
}

// eachUserOf calls fn with everybody who may see a device: admins, end users of its groups, and those it is shared with.
func (t *txn) eachUserOf(k *kind, device *object, fn func(*reach) error) error {
	chain, err := t.chain(device.text("organizationId"))
	if err != nil {
		return err
	}
	type user struct {
		kind string
		ref
	}
	var users []user
	seen := map[ref]bool{}
	add := func(kind string, r ref) {
		if !seen[r] && len(users) < maxRelated {
			seen[r] = true
			users = append(users, user{kind, r})
		}
	}
	accountUsers, endUsers, grants := t.byName["accountUser"], t.byName["endUser"], t.byName["grant"]
	for r := range t.refsEqual(accountUsers, indexAll, "") {
		add("accountUser", r)
	}
	for _, id := range chain {
		for r := range t.refsEqual(endUsers, endUsers.indexOn("organizationId").code, id) {
			add("endUser", r)
		}
	}
	shared := append([]string{device.ID}, chain...)
	searches, err := t.granted()
	if err != nil {
		return err
	}
	for _, g := range searches {
		if t.finder.finds(t.account, g.query, device.ID) {
			shared = append(shared, g.id)
		}
	}
	for _, id := range shared {
		for r := range t.refsEqual(grants, grants.indexOn("objectId").code, id) {
			g, err := t.loadRef(grants, r)
			if err != nil {
				return err
			}
			switch subject := g.text("subjectId"); g.text("subjectType") {
			case "endUser":
				if o, err := load(t.tx, endUsers, subject); err != nil {
					return err
				} else if o != nil && o.Deleted == 0 {
					add("endUser", o.ref())
				}
			case "organization":
				for _, r := range t.below(nil, map[string]bool{}, endUsers, subject) {
					add("endUser", r)
				}
			}
		}
	}
	for _, u := range users {
		kk := t.byName[u.kind]
		o, err := t.loadRef(kk, u.ref)
		if err != nil {
			return err
		}
		r, err := t.reachOfObject(kk, o)
		if err != nil {
			return err
		}
		if ok, err := t.allowed(r, read, k, device, ""); err != nil {
			return err
		} else if !ok {
			continue
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) devicesOfUser(c echo.Context) error {
	if err := admit(c, nil); err != nil {
		return err
	}
	page, err := rest.ParsePage(c)
	if err != nil {
		return err
	}
	var devices []relation
	total := 0
	err = s.viewFor(callerOf(c), func(t *txn) error {
		kk, who, err := t.subjectOf(c.Param("id"))
		if err != nil {
			return err
		}
		if kk.one == "device" {
			return fault.New(fault.NotFound, "There is no end user or account user with this id.")
		}
		r, err := t.reachOfObject(kk, who)
		if err != nil {
			return err
		}
		k := t.byName["device"]
		reached, err := t.listIn(t.scopeOf(r, k), k, wanted{Page: page})
		if err != nil {
			return err
		}
		total = reached.total
		for _, o := range reached.objects {
			rel, err := t.relate(r, k, o)
			if err != nil {
				return err
			}
			rel.step, rel.SerialNumber = step{Kind: k.one, ID: o.ID, Name: nameOf(k, o)}, o.text("serialNumber")
			devices = append(devices, rel)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return rest.List(c, "devices", devices, total, page)
}
