package topic

// Names holds a value for each topic name, and finds the names a filter matches. The zero value is empty and ready.
//
// Set, Get and Delete cost the levels of the name. Match costs the nodes that match a beginning of the filter, each
// looked at once.
type Names[V any] struct {
	root nameNode[V]
	size int
}

type nameNode[V any] = node[nameData[V]]

type nameData[V any] struct {
	held  bool // the path to this node is a name that has a value
	name  string
	value V
}

// Set gives name the value v and says whether it had none before. The string is kept.
func (t *Names[V]) Set(name string, v V) (isNew bool) {
	n := &t.root
	for off := 0; off >= 0; {
		var level string
		level, off = cut(name, off)
		n = n.grow(level)
	}
	isNew = !n.data.held
	if isNew {
		t.size++
		n.data.held, n.data.name = true, name
	}
	n.data.value = v
	return isNew
}

// Get returns the value of name.
func (t *Names[V]) Get(name string) (v V, ok bool) {
	n := t.find(name)
	if n == nil {
		return v, false
	}
	return n.data.value, n.data.held
}

// Delete takes the value of name away and says whether it had one.
func (t *Names[V]) Delete(name string) bool {
	n := t.find(name)
	if n == nil || !n.data.held {
		return false
	}
	n.data = nameData[V]{}
	t.size--
	for n != &t.root && len(n.kids) == 0 && !n.data.held {
		parent := n.parent
		parent.drop(n)
		n = parent
	}
	return true
}

func (t *Names[V]) find(name string) *nameNode[V] {
	n := &t.root
	for off := 0; off >= 0 && n != nil; {
		var level string
		level, off = cut(name, off)
		n = n.kid(level)
	}
	return n
}

// Match calls fn for every name that filter matches, until fn returns false. The order is not defined. fn must not
// change the tree. Nothing is allocated unless names of more than fifteen levels are looked at.
func (t *Names[V]) Match(filter string, fn func(name string, v V) bool) {
	var room [16]step[V]
	path := append(room[:0], step[V]{n: &t.root})
	for len(path) > 0 {
		s := &path[len(path)-1]
		if !s.entered {
			if s.entered = true; !s.enter(filter, fn) {
				return
			}
		}
		if k := s.nextKid(); k != nil {
			path = append(path, step[V]{n: k, off: s.below})
		} else {
			path = path[:len(path)-1]
		}
	}
}

// step is one node on the path from the root to where a search is.
type step[V any] struct {
	n       *nameNode[V]
	off     int // where in the filter the level for n's kids begins; -1 at its end
	entered bool

	// What remains to be done below n, set by enter.
	only  *nameNode[V] // the one kid to go to
	each  bool         // or all of them
	kid   int          // of which this is next
	below int          // off for the kids
}

// enter reports n itself when it matches, and decides which kids to go to. It returns false when fn does.
func (s *step[V]) enter(filter string, fn func(name string, v V) bool) bool {
	level, rest := "", -1
	if s.off >= 0 {
		level, rest = cut(filter, s.off)
	}
	s.below = rest
	all := s.off >= 0 && rest < 0 && level == "#"
	switch {
	case all:
		s.each, s.below = true, s.off // the same # for all that is below
	case s.off >= 0 && level == "+":
		s.each = true
	case s.off >= 0:
		s.only = s.n.kid(level)
	}
	if d := &s.n.data; d.held && (all || s.off < 0) {
		return fn(d.name, d.value)
	}
	return true
}

// nextKid returns the next kid to go to, or nil.
func (s *step[V]) nextKid() *nameNode[V] {
	if k := s.only; k != nil {
		s.only = nil
		return k
	}
	for s.each && s.kid < len(s.n.kids) {
		k := s.n.kids[s.kid]
		s.kid++
		if s.n.parent == nil && reserved(k.level) { // [MQTT-4.7.2-1]
			continue
		}
		return k
	}
	return nil
}

// Len returns the number of names.
func (t *Names[V]) Len() int { return t.size }
