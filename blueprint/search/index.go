package search

import (
	"fmt"
	"slices"
	"sync"
)

// Doc is one object as the index sees it.
type Doc struct {
	Kind string // the noun: kinds share nothing but the index
	ID   string // unique in its kind, not empty
	// Order is the document's place when nothing else decides, such as its time of creation; equals are in order of ID.
	Order int64
	// Fields holds string, bool, float64, int, int64, json.Number, time.Time and []string, by the name people search with;
	// nil, "" and an empty list are no value. A string that is an ISO time with a zone, 2017-03-01T10:00:00.000Z, counts
	// as a time. Strings are kept, the map is not.
	Fields map[string]any
	// Lat and Lon are degrees, looked at by near: and box: when HasGeo.
	Lat, Lon float64
	HasGeo   bool
}

// Index holds the documents of one account in memory. Searches run side by side and wait for a writer; a change is in
// every search that begins after it returns. The zero Index is empty and ready.
type Index struct {
	mu     sync.RWMutex
	tables map[string]*table
}

// Put adds a document or takes the place of the one with its kind and ID.
func (x *Index) Put(d Doc) {
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.tables[d.Kind]
	if t == nil {
		t = &table{}
		if x.tables == nil {
			x.tables = map[string]*table{}
		}
		x.tables[d.Kind] = t
	}
	t.put(d)
}

// Set changes single fields of a document, nil and "" taking a value away, and leaves the others. It reports whether the
// document is there.
func (x *Index) Set(kind, id string, fields map[string]any) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	t, slot, ok := x.find(kind, id)
	if !ok {
		return false
	}
	for name, v := range fields {
		if v != nil || t.column(name) != nil {
			t.makeColumn(name).set(slot, v)
		}
	}
	return true
}

// Delete takes a document out; one that is not there is fine.
func (x *Index) Delete(kind, id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t, slot, ok := x.find(kind, id); ok {
		t.drop(slot)
	}
}

func (x *Index) find(kind, id string) (t *table, slot uint32, ok bool) {
	if t = x.tables[kind]; t == nil {
		return nil, 0, false
	}
	slot, ok = t.slot(id)
	return t, slot, ok
}

// Len is the number of documents of a kind.
func (x *Index) Len(kind string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if t := x.tables[kind]; t != nil {
		return t.count
	}
	return 0
}

// Fields returns the names of all fields that documents of a kind have or had, sorted.
func (x *Index) Fields(kind string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var names []string
	if t := x.tables[kind]; t != nil {
		for _, c := range t.columns {
			names = append(names, c.name)
		}
	}
	return names
}

// Warm prepares sorting and prefixes of all fields of a kind, so that no search after a start has to. It does one field
// at a time, for which writers and searches that sort wait, and ends early when stop closes.
func (x *Index) Warm(kind string, stop <-chan struct{}) {
	for _, name := range append(x.Fields(kind), idField) {
		select {
		case <-stop:
			return
		default:
			x.warm(kind, name)
		}
	}
}

func (x *Index) warm(kind, name string) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	t := x.tables[kind]
	if t == nil {
		return
	}
	t.lazy.Lock()
	defer t.lazy.Unlock()
	if name == idField {
		t.idOrder.tidy(idOrder{t})
		return
	}
	if c := t.column(name); c != nil {
		c.inOrder(t)
		if c.texts != nil {
			c.texts.terms.tidy()
		}
	}
}

// Verify compares a document with what the index holds of it and says what differs: for checks of an index against the
// objects it was made from. Together with Len it shows that nothing is missing and nothing is left over.
func (x *Index) Verify(d Doc) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	t, slot, ok := x.find(d.Kind, d.ID)
	if !ok {
		return fmt.Errorf("%s %s: not in the index", d.Kind, d.ID)
	}
	want := &table{}
	want.put(d)
	names := map[string]bool{}
	for _, c := range slices.Concat(t.columns, want.columns) {
		names[c.name] = true
	}
	for name := range names {
		held, given := t.fieldValue(name, slot), want.fieldValue(name, 0)
		if fmt.Sprintf("%#v", held) != fmt.Sprintf("%#v", given) {
			return fmt.Errorf("%s %s: %s is %#v in the index and %#v in the object", d.Kind, d.ID, name, held, given)
		}
	}
	if t.ordinal[slot] != d.Order || t.geo.at(slot) != want.geo.at(0) {
		return fmt.Errorf("%s %s: its order or place differs from the index", d.Kind, d.ID)
	}
	return nil
}

func (t *table) fieldValue(name string, slot uint32) any {
	at, found := slices.BinarySearchFunc(t.columns, name, compareName)
	if !found {
		return nil
	}
	return t.columns[at].value(slot)
}
