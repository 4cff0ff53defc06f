package logging

import (
	"cmp"
	"fmt"

	"xively/internal/fault"
)

// SortKey names a member to sort by. Entries without it come last.
type SortKey struct {
	Member string
	Desc   bool
}

// compare orders by number where both entries have one, else by text.
func (k SortKey) compare(a, b *line) int {
	switch k.Member { // the usual ones, without texts of numbers
	case "sourceTimestamp":
		return k.order(cmp.Compare(a.sourceTime, b.sourceTime))
	case "serviceTimestamp":
		return k.order(cmp.Compare(a.time, b.time))
	}
	va, vb := a.values(k.Member), b.values(k.Member)
	if len(va) == 0 || len(vb) == 0 { // the one that has the member comes first
		return cmp.Compare(min(len(vb), 1), min(len(va), 1))
	}
	c := cmp.Compare(va[0], vb[0])
	fa, okA := parseFloat(va[0])
	fb, okB := parseFloat(vb[0])
	switch {
	case okA && okB:
		c = cmp.Compare(fa, fb)
	case okA != okB: // numbers before texts, so that the order is one
		c = 1
		if okA {
			c = -1
		}
	}
	return k.order(c)
}

func (k SortKey) order(c int) int {
	if k.Desc {
		return -c
	}
	return c
}

// parseSort reads "member", {"member": "asc"}, {"member": {"order": "desc"}}, or an array of these. Ascending is the
// default once a member is named.
func parseSort(v any) ([]SortKey, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) > maxSorts {
		return nil, fault.Field("sort", "This may name %d members at most.", maxSorts)
	}
	var keys []SortKey
	for i, v := range list {
		key, err := parseSortKey(fmt.Sprintf("sort[%d]", i), v)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func parseSortKey(path string, v any) (SortKey, error) {
	var order any = "asc"
	member, ok := v.(string)
	if m, isObject := v.(map[string]any); isObject {
		var err error
		if member, order, err = only(path, m); err != nil {
			return SortKey{}, err
		}
		ok = true
	}
	if !ok || !known(member) {
		return SortKey{}, fault.Field(path, "This must name a member of entries, such as {\"sourceTimestamp\": {\"order\": \"desc\"}}.")
	}
	if m, isObject := order.(map[string]any); isObject {
		for _, name := range inOrder(m) {
			if name != "order" && name != "unmapped_type" { // the second has no meaning here and does no harm
				return SortKey{}, fault.Field(path+"."+member+"."+name, "This is not supported; a sort has an order.")
			}
		}
		if order = m["order"]; order == nil {
			order = "asc"
		}
	}
	if order != "asc" && order != "desc" {
		return SortKey{}, fault.Field(path+"."+member, "The order must be asc or desc.")
	}
	return SortKey{Member: member, Desc: order == "desc"}, nil
}
