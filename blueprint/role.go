package blueprint

import (
	"slices"
	"strings"

	"xively/internal/fault"
)

// permission is what a role can allow: "devices:read" is a noun's plural and an action on it.
type permission string

// Actions beyond those of REST.
const (
	issueCredential action = "credential" // an MQTT secret for it
	associate       action = "associate"  // an association code for it
	share           action = "share"      // grants on it
	readChannel     action = "receive"    // subscribe to its channels and read what they stored
	writeChannel    action = "publish"    // publish to its channels
)

// Nouns that can be reached without being an admin, by where they lie: in an organization, or shared by themselves.
var reachable = []string{"device", "endUser", "organization"}

const (
	readChannels  permission = "channels:read"
	writeChannels permission = "channels:write"
)

// permissionFor is what an action on a noun needs.
func permissionFor(do action, k *kind) permission {
	switch do {
	case readChannel:
		return readChannels
	case writeChannel:
		return writeChannels
	}
	return permission(k.many + ":" + string(do))
}

// Roles that every account has. An end user has memberOfGroup in the own organization and below, as in Xively.
const (
	ownerRole     = "owner"
	operatorRole  = "operator"
	viewerRole    = "viewer"
	memberOfGroup = "end user of the group"
)

var builtinRoles = map[string][]permission{
	ownerRole:     allPermissions(),
	operatorRole:  {"devices:read", "devices:update", "devices:associate", "endUsers:read", "organizations:read", readChannels, writeChannels},
	viewerRole:    {"devices:read", "endUsers:read", "organizations:read", readChannels},
	memberOfGroup: {"devices:read", "devices:update", "endUsers:read", "organizations:read", readChannels, writeChannels},
}

func allPermissions() []permission {
	all := []permission{readChannels, writeChannels}
	for _, noun := range []string{"devices", "endUsers", "organizations"} {
		for _, do := range []action{create, read, change, remove, share} {
			all = append(all, permission(noun+":"+string(do)))
		}
	}
	return append(all, "devices:credential", "endUsers:credential", "devices:associate")
}

// roleKind: a named set of permissions of the account's own, for grants.
func roleKind() *kind {
	return &kind{
		code: 15, one: "role", many: "roles", path: "/access/roles", title: "role",
		fields: []field{
			{name: "name", required: true, unique: true, index: 2},
			{name: "description", lines: true, most: 1024},
			{name: "permissions", kind: list, check: checkPermissions},
		},
		changed: func(t *txn, old, _ *object) { t.newEpoch = t.newEpoch || old != nil },
	}
}

func checkPermissions(v any) error {
	all := allPermissions()
	for _, p := range v.([]string) {
		if !slices.Contains(all, permission(p)) {
			return fault.Field("permissions", "%s is no permission. These are: %s.", quote(p), joined(all))
		}
	}
	return nil
}

func joined[S ~string](all []S) string {
	texts := make([]string, len(all))
	for i, s := range all {
		texts[i] = string(s)
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// grantKind: what somebody, or everybody in an organization, may do with a device, with an organization and all below it,
// or with the devices that a saved search finds (dynamic.go), until it expires.
func grantKind() *kind {
	return &kind{
		code: 16, one: "grant", many: "grants", path: "/access/grants", title: "grant",
		fields: []field{
			{name: "subjectType", required: true, fixed: true, choices: []string{"endUser", "accountUser", "organization"}},
			{name: "subjectId", required: true, fixed: true, refs: []string{"endUser", "accountUser", "organization"}, refBy: "subjectType", owner: true, anyone: true, index: 2},
			{name: "objectType", required: true, fixed: true, choices: []string{"device", "organization", "savedSearch"}},
			{name: "objectId", required: true, fixed: true, refs: []string{"device", "organization", "savedSearch"}, refBy: "objectType", owner: true, index: 3},
			{name: "role", choices: []string{viewerRole, operatorRole, ownerRole, customRole}},
			{name: "roleId", refs: []string{"role"}, index: 4},
			{name: "channels", kind: list, most: 128}, // names; none means all
			{name: "expires", kind: moment, index: 5},
			{name: "note", lines: true, most: 1024},
		},
		prepare: (*txn).prepareGrant,
		changed: func(t *txn, _, o *object) {
			t.newEpoch = true
			t.scheduleExpiry(o)
		},
	}
}

// customRole in a grant's role says that roleId names the role.
const customRole = "custom"

func (t *txn) prepareGrant(old, o *object) error {
	switch {
	case o.text("roleId") != "":
		o.set("role", customRole)
	case o.text("role") == customRole:
		return fault.Field("roleId", "A grant of a custom role needs the id of the role here.")
	}
	if at := o.text("expires"); at != "" && at <= timeText(t.at.UnixMilli()) && (old == nil || old.text("expires") != at) {
		return fault.Field("expires", "This is in the past.")
	}
	if o.text("subjectId") == o.text("objectId") {
		return fault.Field("objectId", "An organization has what is in it already; share something else with it.")
	}
	if old == nil && o.text("objectType") == "savedSearch" {
		return t.checkGrantedSearch(o.text("objectId"))
	}
	return nil
}

// permissionsOf returns what a grant's role allows; nothing when its role is gone.
func (t *txn) permissionsOf(grant *object) ([]permission, string, error) {
	if id := grant.text("roleId"); id != "" {
		k := t.byName["role"]
		role, err := t.findAny(k, id)
		if fault.KindOf(err) == fault.NotFound {
			return nil, customRole, nil
		}
		if err != nil || role.Deleted != 0 {
			return nil, customRole, err
		}
		var all []permission
		for _, p := range role.list("permissions") {
			all = append(all, permission(p))
		}
		return all, role.text("name"), nil
	}
	return builtinRoles[grant.text("role")], grant.text("role"), nil
}
