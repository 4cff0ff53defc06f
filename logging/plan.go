package logging

import "slices"

// planned returns what has to be true, the conditions that are cheap to answer from the index first, so that the others look
// at fewer rows.
func planned(c condition) every {
	all := flat(nil, c)
	slices.SortStableFunc(all, func(a, b condition) int { return cost(a) - cost(b) })
	return all
}

// flat appends the conditions of c that must be true, planned.
func flat(all every, c condition) every {
	switch c := c.(type) {
	case every:
		for _, each := range c {
			all = flat(all, each)
		}
		return all
	case some:
		any := make(some, len(c))
		for i := range c {
			any[i] = one(planned(c[i]))
		}
		return append(all, any)
	case not:
		return append(all, not{one(planned(c.condition))})
	}
	return append(all, c)
}

func one(c every) condition {
	if len(c) == 1 {
		return c[0]
	}
	return c
}

// mostCost is the cost of a condition that the index does not answer.
const mostCost = 6

func cost(c condition) int {
	member := ""
	switch c := c.(type) {
	case every:
		return slices.Max(append(costs(c), 0))
	case some:
		return slices.Max(append(costs(c), 0))
	case not:
		return mostCost + cost(c.condition) // most rows stay
	case equals:
		if member = c.member; member == "sourceId" || member == "severity" {
			return 1
		}
	case since:
		return 1
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
		return mostCost
	}
	return 0 // times, mostly whole chunks
}

func costs(list []condition) []int {
	var all []int
	for _, c := range list {
		all = append(all, cost(c))
	}
	return all
}

// reads returns what of a row a condition looks at beyond its severity, code and tags.
func reads(c condition) (bits int) {
	switch c := c.(type) {
	case every:
		for _, each := range c {
			bits |= reads(each)
		}
	case some:
		for _, each := range c {
			bits |= reads(each)
		}
	case not:
		return reads(c.condition)
	case equals:
		return bitsOf(c.member)
	case within:
		return bitsOf(c.member)
	case prefix:
		return bitsOf(c.member)
	case exists:
		return bitsOf(c.member)
	case hasWords:
		return c.in & textBits
	case phrase:
		return c.in & textBits
	case between, since:
		return timesBit
	}
	return bits
}

func bitsOf(member string) int {
	switch classOf(member) {
	case timeMember:
		return timesBit
	case originMember:
		return originBit
	case textMember:
		return wordMembers[member]
	case customMember:
		return customBit
	}
	return 0
}
