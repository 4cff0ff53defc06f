package topic

// Tree holds filters and who subscribed to them. The zero value is empty and ready.
//
// Set and Delete cost the levels of the filter, however many filters and subscribers there are. Match costs the nodes
// whose filters match a beginning of the name: for a name of n levels at most as many as there are combinations of its
// levels and + in the tree, and never one that leads to no filter.
type Tree[K comparable, V any] struct {
	root filterNode[K, V]
	size int
}

type filterNode[K comparable, V any] = node[filterData[K, V]]

// filterData is what the node on the path l1/l2/… holds.
type filterData[K comparable, V any] struct {
	exact subscribers[K, V] // of l1/l2/…
	below subscribers[K, V] // of l1/l2/…/#
}

// Set gives subscriber k of filter the value v, and says whether k was not subscribed to it before.
func (t *Tree[K, V]) Set(filter string, k K, v V) (isNew bool) {
	n := &t.root
	subs := &n.data.below
	for off := 0; off >= 0; {
		level, next := cut(filter, off)
		if level == "#" && next < 0 {
			subs = &n.data.below
			break
		}
		if level == "+" {
			if n.plus == nil {
				n.plus = &filterNode[K, V]{level: "+", parent: n}
			}
			n = n.plus
		} else {
			n = n.grow(level)
		}
		subs, off = &n.data.exact, next
	}
	if isNew = subs.set(k, v); isNew {
		t.size++
	}
	return isNew
}

// Delete ends subscriber k's subscription to filter, and says whether there was one.
func (t *Tree[K, V]) Delete(filter string, k K) bool {
	n, subs := t.find(filter)
	if subs == nil || !subs.remove(k) {
		return false
	}
	t.size--
	t.prune(n)
	return true
}

// Get returns the value of subscriber k of filter.
func (t *Tree[K, V]) Get(filter string, k K) (v V, ok bool) {
	_, subs := t.find(filter)
	if subs == nil {
		return v, false
	}
	i := subs.find(k)
	if i < 0 {
		return v, false
	}
	return subs.list[i].value, true
}

// find returns the node and the set that hold the subscribers of filter, or nil.
func (t *Tree[K, V]) find(filter string) (*filterNode[K, V], *subscribers[K, V]) {
	n := &t.root
	for off := 0; off >= 0; {
		level, next := cut(filter, off)
		if level == "#" && next < 0 {
			return n, &n.data.below
		}
		if level == "+" {
			n = n.plus
		} else {
			n = n.kid(level)
		}
		if n == nil {
			return nil, nil
		}
		off = next
	}
	return n, &n.data.exact
}

// prune takes n and its ancestors out of the tree as long as they hold nothing.
func (t *Tree[K, V]) prune(n *filterNode[K, V]) {
	for n != &t.root {
		d := &n.data
		if len(n.kids) > 0 || n.plus != nil || len(d.exact.list) > 0 || len(d.below.list) > 0 {
			return
		}
		parent := n.parent
		if parent.plus == n {
			parent.plus = nil
		} else {
			parent.drop(n)
		}
		n = parent
	}
}

// Match calls fn for every subscriber of every filter that matches name, once per filter, so a subscriber of two
// filters that match comes twice. The order is not defined. fn must not change the tree. Nothing is allocated unless
// more than sixteen levels of the name have both a child of their own and one for + in the tree.
func (t *Tree[K, V]) Match(name string, fn func(k K, v V)) {
	// The walk goes down the name's own levels; the child for +, where there is one as well, waits here with the offset
	// of the name's next level, -1 at the name's end. At most one waits per level.
	type waiting struct {
		n   *filterNode[K, V]
		off int
	}
	var room [16]waiting
	stack := room[:0]
	hidden := reserved(name) // from wildcards at the root [MQTT-4.7.2-1]
	n, off := &t.root, 0
	for {
		if !hidden || n != &t.root {
			n.data.below.each(fn)
		}
		var next *filterNode[K, V]
		rest := -1
		if off < 0 {
			n.data.exact.each(fn)
		} else {
			var level string
			level, rest = cut(name, off)
			next = n.kid(level)
			if plus := n.plus; plus != nil && (!hidden || n != &t.root) {
				if next == nil {
					next = plus
				} else {
					stack = append(stack, waiting{plus, rest})
				}
			}
		}
		if next == nil {
			if len(stack) == 0 {
				return
			}
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			next, rest = top.n, top.off
		}
		n, off = next, rest
	}
}

// Len returns the number of subscriptions: pairs of a filter and a subscriber.
func (t *Tree[K, V]) Len() int { return t.size }
