package logging

import "slices"

// planned returns c with the conditions that are cheap to answer from the index first, so that the others look at fewer rows.
func planned(c condition) condition {
	switch c := c.(type) {
	case every:
		all := make(every, len(c))
		for i := range c {
			all[i] = planned(c[i])
		}
		slices.SortStableFunc(all, func(a, b condition) int { return cost(a) - cost(b) })
		return all
	case some:
		any := make(some, len(c))
		for i := range c {
			any[i] = planned(c[i])
		}
		return any
	case not:
		return not{planned(c.condition)}
	}
	return c
}

func cost(c condition) int {
	member := ""
	switch c := c.(type) {
	case every:
		return slices.Max(append(costs(c), 0))
	case some:
		return slices.Max(append(costs(c), 0))
	case not:
		return cost(c.condition)
	case equals:
		if member = c.member; member == "sourceId" || member == "severity" {
			return 0
		}
	case within:
		member = c.member
	case prefix:
		member = c.member
	case exists:
		member = c.member
	case hasWords:
		return 4
	case phrase:
		return 5
	}
	switch classOf(member) {
	case shapeMember:
		return 2
	case originMember:
		return 3
	case textMember:
		return 5
	case customMember:
		return 6
	}
	return 1 // times, mostly whole blocks
}

func costs(list []condition) []int {
	var all []int
	for _, c := range list {
		all = append(all, cost(c))
	}
	return all
}
