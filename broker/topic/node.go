package topic

import "strings"

// smallKids is how many children a node searches one by one. Above it they get an index, which goes again at half.
const smallKids = 8

// node is one level of a path from the root of a tree; the root itself stands for no level. What a tree keeps at a
// node is P.
type node[P any] struct {
	level  string
	parent *node[P]
	kids   []*node[P]
	index  map[string]*node[P] // kids by level; nil while they are few
	plus   *node[P]            // the child for a + that is a wildcard; not one of kids
	at     int32               // place in parent.kids
	data   P
}

// kid returns the child for level, or nil.
func (n *node[P]) kid(level string) *node[P] {
	if n.index != nil {
		return n.index[level]
	}
	for _, k := range n.kids {
		if k.level == level {
			return k
		}
	}
	return nil
}

// grow returns the child for level, made when missing.
func (n *node[P]) grow(level string) *node[P] {
	k := n.kid(level)
	if k != nil {
		return k
	}
	// The level is copied: a part of the caller's string would keep all of it alive.
	k = &node[P]{level: strings.Clone(level), parent: n, at: int32(len(n.kids))}
	n.kids = append(n.kids, k)
	if n.index != nil {
		n.index[k.level] = k
	} else if len(n.kids) > smallKids {
		n.index = make(map[string]*node[P], 2*smallKids)
		for _, k := range n.kids {
			n.index[k.level] = k
		}
	}
	return k
}

// drop takes the child k away. Its last sibling moves to its place.
func (n *node[P]) drop(k *node[P]) {
	last := len(n.kids) - 1
	n.kids[k.at] = n.kids[last]
	n.kids[k.at].at = k.at
	n.kids[last] = nil
	n.kids = shrink(n.kids[:last])
	if n.index == nil {
		return
	}
	if delete(n.index, k.level); last <= smallKids/2 {
		n.index = nil
	}
}

// shrink gives room back when less than a quarter of s is used.
func shrink[E any](s []E) []E {
	switch {
	case len(s) == 0:
		return nil
	case cap(s) > smallKids && len(s) < cap(s)/4:
		return append(make([]E, 0, cap(s)/2), s...)
	}
	return s
}
