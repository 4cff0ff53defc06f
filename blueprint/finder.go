package blueprint

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"xively/blueprint/search"
	"xively/internal/fault"
	"xively/storage"
)

// finder keeps an index in memory over every account's live objects, for lists and searches. It is built at start from
// the store; a search waits for that. A change is in it before the request that made it is answered.
type finder struct {
	s     *Service
	ready chan struct{}
	stop  chan struct{} // closed by close
	once  sync.Once
	done  sync.WaitGroup
	err   error // why the build failed; set before ready closes

	seen sync.Mutex // held from reading a device's connection state to putting it into the index

	mu      sync.Mutex
	built   bool
	late    []func() // changes that came while the store was read
	indexes map[string]*search.Index
}

func (f *finder) start(s *Service) {
	f.s, f.ready, f.stop, f.indexes = s, make(chan struct{}), make(chan struct{}), map[string]*search.Index{}
	f.done.Go(f.build) // ends by itself
}

func (f *finder) close() {
	f.once.Do(func() { close(f.stop) })
	f.done.Wait()
}

func (f *finder) index(account string) *search.Index {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.indexes[account]
	if x == nil {
		x = &search.Index{}
		f.indexes[account] = x
	}
	return x
}

// search answers a request about an account, once the index is there.
func (f *finder) search(account string, r search.Request) (search.Result, error) {
	<-f.ready
	if f.err != nil {
		return search.Result{}, fault.Wrap(fault.Unavailable, f.err, "The directory's index could not be built.")
	}
	r.Now = f.s.now()
	return f.index(account).Search(r)
}

// indexStep is how many documents go from the reader to the writer of a build at a time.
const indexStep = 256

// build reads the whole directory. Another goroutine puts into the index what this one has read.
func (f *finder) build() {
	defer close(f.ready)
	began := time.Now()
	n := 0
	steps, written := make(chan []indexed, 4), make(chan struct{})
	go func() { // ends with steps
		defer close(written)
		for step := range steps {
			for _, d := range step {
				f.index(d.account).Put(d.Doc)
			}
			n += len(step)
		}
	}()
	f.err = f.s.db.View(func(tx *storage.Tx) error { return f.readAll(tx, steps) })
	close(steps)
	<-written
	f.mu.Lock()
	late := f.late
	f.late, f.built = nil, true
	for _, change := range late { // in their order, and before any later one
		f.mu.Unlock()
		change()
		f.mu.Lock()
	}
	f.mu.Unlock()
	if f.err != nil {
		f.s.log.Error("directory not indexed", "err", f.err)
		return
	}
	f.s.log.Debug("directory indexed", "objects", n, "took", time.Since(began))
	f.done.Go(f.warm) // ends by itself, and with close
}

// warm has the orders made that lists are asked for, before somebody waits for one: some 20 ms each for 100,000 devices.
func (f *finder) warm() {
	f.mu.Lock()
	all := slices.Collect(maps.Values(f.indexes))
	f.mu.Unlock()
	for _, x := range all {
		for _, kind := range searchedKinds {
			x.Warm(kind, f.stop)
		}
	}
}

type indexed struct {
	account string
	search.Doc
}

// readAll sends a document of every live object, each in a map of its own.
func (f *finder) readAll(tx *storage.Tx, steps chan<- []indexed) error {
	d := decoder{shared: map[string]string{}}
	var step []indexed
	for _, k := range f.s.kinds {
		for key, value := range tx.Bucket(k.bucket()).Scan(nil, nil) {
			o, err := d.decode(value)
			if err != nil {
				return fmt.Errorf("%s %s: %w", k.one, idText(key), err)
			}
			if o.Deleted != 0 {
				continue
			}
			var seen lastSeen
			if k.one == "device" {
				if seen, err = f.s.presence.seen(tx, o.ID); err != nil {
					return err
				}
			}
			if o.Values == nil {
				o.Values = map[string]any{}
			}
			if step = append(step, indexed{o.AccountID, documentIn(o.Values, k, o, seen)}); len(step) == indexStep {
				steps <- step
				step = make([]indexed, 0, indexStep)
			}
		}
	}
	steps <- step
	return nil
}

// document is an object as it is searched.
func document(k *kind, o *object, seen lastSeen) search.Doc {
	fields := make(map[string]any, len(o.Values)+8)
	for name, v := range o.Values {
		fields[name] = v
	}
	return documentIn(fields, k, o, seen)
}

// documentIn is document in the map of the object's values, which becomes the document's.
func documentIn(fields map[string]any, k *kind, o *object, seen lastSeen) search.Doc {
	fields["created"], fields["lastModified"] = time.UnixMilli(o.Created), time.UnixMilli(o.Modified)
	d := search.Doc{Kind: k.one, ID: o.ID, Order: o.Created, Fields: fields}
	if k.one != "device" {
		return d
	}
	d.Lat, d.HasGeo = fields["latitude"].(float64)
	lon, hasLon := fields["longitude"].(float64)
	d.Lon, d.HasGeo = lon, d.HasGeo && hasLon
	seen.into(fields)
	return d
}

// put brings an object's new state into the index, or takes a deleted one out.
func (f *finder) put(k *kind, old, o *object) {
	f.change(func() {
		x := f.index(o.AccountID)
		switch {
		case o.Deleted != 0:
			x.Delete(k.one, o.ID)
		case k.one == "device" && old != nil:
			if f.moving(o.AccountID, o.ID, func() { f.putDevice(x, k, o) }) {
				f.s.epoch.Add(1)
			}
		default:
			x.Put(document(k, o, lastSeen{}))
		}
	})
}

// putDevice adds what the server knows of a device's connection.
func (f *finder) putDevice(x *search.Index, k *kind, o *object) {
	f.seen.Lock()
	defer f.seen.Unlock()
	var seen lastSeen
	err := f.s.db.View(func(tx *storage.Tx) (err error) {
		seen, err = f.s.presence.seen(tx, o.ID)
		return err
	})
	if err != nil {
		f.s.log.Error("last connection not read", "device", o.ID, "err", err)
	}
	x.Put(document(k, o, seen))
}

// set changes what the server knows of a device by itself.
func (f *finder) set(account, device string, members map[string]any) {
	f.change(func() {
		if f.moving(account, device, func() { f.index(account).Set("device", device, members) }) {
			f.s.expiry.wakeAt(f.s.now().Add(volatilePause).UnixMilli())
		}
	})
}

// change runs fn now, or after the build that is under way.
func (f *finder) change(fn func()) {
	f.mu.Lock()
	if !f.built {
		f.late = append(f.late, fn)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	fn()
}

// Verify compares the index in memory, and the index in the store, with the objects, and says what differs. It answers
// nil when all is well. Rebuild mends both.
func (s *Service) Verify() (problems []string, err error) {
	<-s.finder.ready
	err = s.db.View(func(tx *storage.Tx) error {
		live := map[string]map[string]int{} // by account, by kind
		entries := 0
		for _, k := range s.kinds {
			for key, value := range tx.Bucket(k.bucket()).Scan(nil, nil) {
				o, err := decode(value)
				if err != nil {
					problems = append(problems, fmt.Sprintf("%s %s: %v", k.one, idText(key), err))
					continue
				}
				t := &txn{Service: s, tx: tx, account: o.AccountID}
				for _, key := range t.indexKeys(k, o) {
					if tx.Bucket(indexBucket).Get(key) != nil {
						entries++
					} else {
						problems = append(problems, fmt.Sprintf("%s %s: an entry of the stored index is missing", k.one, o.ID))
					}
				}
				if o.Deleted != 0 {
					continue
				}
				if live[o.AccountID] == nil {
					live[o.AccountID] = map[string]int{}
				}
				live[o.AccountID][k.one]++
				var seen lastSeen
				if k.one == "device" {
					seen, _ = s.presence.seen(tx, o.ID)
				}
				if err := s.finder.index(o.AccountID).Verify(document(k, o, seen)); err != nil {
					problems = append(problems, err.Error())
				}
			}
		}
		for account, kinds := range live {
			t := &txn{Service: s, tx: tx, account: account}
			for _, k := range s.kinds {
				if n := s.finder.index(account).Len(k.one); n != kinds[k.one] {
					problems = append(problems, fmt.Sprintf("account %s: %d of %s in the index, %d in the store", account, n, k.many, kinds[k.one]))
				}
				if n := t.count(k); n != kinds[k.one] {
					problems = append(problems, fmt.Sprintf("account %s: the count of %s says %d, there are %d", account, k.many, n, kinds[k.one]))
				}
			}
		}
		for range tx.Bucket(indexBucket).Scan(nil, nil) {
			entries--
		}
		if entries < 0 {
			problems = append(problems, fmt.Sprintf("the stored index has %d entries too many", -entries))
		}
		return nil
	})
	return problems, err
}

// Rebuild makes the stored index and counts anew from the objects, and the index in memory after them.
func (s *Service) Rebuild() error {
	<-s.finder.ready
	return s.db.Update(func(tx *storage.Tx) error {
		var stale [][]byte
		for key := range tx.Bucket(indexBucket).Scan(nil, nil) {
			stale = append(stale, slices.Clone(key))
		}
		for _, key := range stale {
			tx.Bucket(indexBucket).Delete(key)
		}
		counts := map[string]map[*kind]int{}
		for _, k := range s.kinds {
			var all []*object
			for _, value := range tx.Bucket(k.bucket()).Scan(nil, nil) {
				o, err := decode(value)
				if err != nil {
					return err
				}
				all = append(all, o)
			}
			for _, o := range all {
				t := &txn{Service: s, tx: tx, account: o.AccountID}
				t.reindex(k, nil, o)
				if counts[o.AccountID] == nil {
					counts[o.AccountID] = map[*kind]int{}
				}
				if o.Deleted == 0 {
					counts[o.AccountID][k]++
				}
				tx.OnCommit(func() { s.finder.put(k, o, o) })
			}
		}
		for account, kinds := range counts {
			t := &txn{Service: s, tx: tx, account: account}
			for _, k := range s.kinds {
				t.addCount(k, kinds[k]-t.count(k))
			}
		}
		return nil
	})
}
