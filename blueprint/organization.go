package blueprint

import (
	"xively/internal/fault"
)

// organizationKind: the groups of an account, a forest. On screen they are called groups.
func organizationKind() *kind {
	return &kind{
		code: 1, one: "organization", many: "organizations", path: "/organizations", title: "organization",
		template: "organizationTemplateId", customBy: "organizationField",
		fields: []field{
			{name: "parentId", refs: []string{"organization"}, index: 2},
			{name: "organizationTemplateId", required: true, refs: []string{"organizationTemplate"}, index: 3},
			{name: "name", required: true, index: 4},
			{name: "description", lines: true, most: 4096},
			{name: "phoneNumber"}, {name: "address", lines: true, most: 1024}, {name: "city"}, {name: "state"},
			{name: "postalCode"}, {name: "countryCode"}, {name: "industry"}, {name: "organizationSize"},
			{name: "websiteAddress", most: 2048},
			{name: "defaultEndUserId", kept: true}, tags(),
		},
		prepare: (*txn).checkParent,
		changed: func(t *txn, old, _ *object) {
			// What lies where, and names in refusals. A new one has nothing in it yet.
			t.newEpoch = t.newEpoch || old != nil
		},
	}
}

// makeDefaultEndUser makes the end user that a request asks for along with an organization, by endUserTemplateId.
func (t *txn) makeDefaultEndUser(o *object, in map[string]any) (*object, error) {
	template, _ := in["endUserTemplateId"].(string)
	if template == "" {
		return o, nil
	}
	user, err := t.create(t.byName["endUser"], map[string]any{"endUserTemplateId": template, "organizationId": o.ID, "name": o.text("name")})
	if err != nil {
		return nil, err
	}
	with := o.clone()
	with.set("defaultEndUserId", user.ID)
	return with, t.store(t.byName["organization"], o, with)
}

// checkParent keeps the forest a forest and at most organization_levels high.
func (t *txn) checkParent(old, o *object) error {
	parent := o.text("parentId")
	if parent == "" || old != nil && old.text("parentId") == parent {
		return nil
	}
	k, maxDepth := t.byName["organization"], t.cfg.OrganizationLevels
	above := 0
	for id := parent; id != ""; above++ {
		if id == o.ID {
			return fault.Field("parentId", "An organization cannot be inside itself.")
		}
		if above == maxDepth {
			break
		}
		p, err := load(t.tx, k, id)
		if err != nil {
			return err
		}
		if p == nil || p.AccountID != t.account {
			break // refers says so
		}
		id = p.text("parentId")
	}
	if above+t.height(k, o.ID, maxDepth) > maxDepth {
		return fault.Field("parentId", "Organizations can be at most %d levels deep.", maxDepth)
	}
	return nil
}

// height counts the levels of the organization and all below it, up to a little more than most.
func (t *txn) height(k *kind, id string, most int) int {
	highest := 0
	if most > 0 {
		for r := range t.refsEqual(k, k.indexOn("parentId").code, id) {
			highest = max(highest, t.height(k, r.id(), most-1))
		}
	}
	return 1 + highest
}
