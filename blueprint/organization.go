package blueprint

import (
	"xively/internal/fault"
)

// maxDepth is how many organizations can be inside each other, the root counted.
const maxDepth = 5

// organizationKind: the groups of an account, a forest. On screen they are called groups.
func organizationKind() *kind {
	return &kind{
		code: 1, one: "organization", many: "organizations", path: "/organizations", title: "organization",
		fields: []field{
			{name: "parentId", refs: []string{"organization"}, index: 2},
			{name: "organizationTemplateId", required: true, refs: []string{"organizationTemplate"}, index: 3},
			{name: "name", required: true, index: 4},
			{name: "description", lines: true, most: 4096},
			{name: "phoneNumber"}, {name: "address", lines: true, most: 1024}, {name: "city"}, {name: "state"},
			{name: "postalCode"}, {name: "countryCode"}, {name: "industry"}, {name: "organizationSize"},
			{name: "websiteAddress", most: 2048},
		},
		prepare: (*txn).checkParent,
	}
}

// checkParent keeps the forest a forest and at most maxDepth high.
func (t *txn) checkParent(old, o *object) error {
	parent := o.text("parentId")
	if parent == "" || old != nil && old.text("parentId") == parent {
		return nil
	}
	k := t.byName["organization"]
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
