package topic

// smallSet is how many subscribers of one filter are searched one by one. Above it they get an index, which goes
// again at half.
const smallSet = 16

// subscribers are those of one filter. The zero value is empty. Walking them is walking a slice, whatever their number.
type subscribers[K comparable, V any] struct {
	list  []subscriber[K, V]
	index map[K]int // places in list; nil while they are few
}

type subscriber[K comparable, V any] struct {
	key   K
	value V
}

// find returns k's place in the list, or -1.
func (s *subscribers[K, V]) find(k K) int {
	if s.index != nil {
		if i, ok := s.index[k]; ok {
			return i
		}
		return -1
	}
	for i := range s.list {
		if s.list[i].key == k {
			return i
		}
	}
	return -1
}

func (s *subscribers[K, V]) set(k K, v V) (isNew bool) {
	if i := s.find(k); i >= 0 {
		s.list[i].value = v
		return false
	}
	if s.list == nil {
		s.list = make([]subscriber[K, V], 0, 1) // most filters have one subscriber for ever
	}
	s.list = append(s.list, subscriber[K, V]{k, v})
	if s.index != nil {
		s.index[k] = len(s.list) - 1
	} else if len(s.list) > smallSet {
		s.index = make(map[K]int, 2*smallSet)
		for i := range s.list {
			s.index[s.list[i].key] = i
		}
	}
	return true
}

func (s *subscribers[K, V]) remove(k K) bool {
	i := s.find(k)
	if i < 0 {
		return false
	}
	last := len(s.list) - 1
	moved := s.list[last]
	s.list[i] = moved
	s.list[last] = subscriber[K, V]{}
	s.list = shrink(s.list[:last])
	if s.index != nil {
		s.index[moved.key] = i
		if delete(s.index, k); last <= smallSet/2 {
			s.index = nil
		}
	}
	return true
}

func (s *subscribers[K, V]) each(fn func(k K, v V)) {
	for i := range s.list {
		fn(s.list[i].key, s.list[i].value)
	}
}
