package blueprint

import (
	"encoding/json"
	"sync"

	"xively/internal/auth"
)

// Device reflection over MQTT, outwards: xi/blue/v1/<account>/d/<device>/_updates/fields carries {"state":{…}}: all members
// of the device when somebody subscribes, then the members that change, by whatever way. Changes that come faster than
// they can be published are put together, so that what waits is bounded by the number of devices and the last state
// always arrives. setfields.go has the way inwards.

// Publisher publishes a message as the platform (auth.Platform) and returns when what must last of it is on disk.
type Publisher func(account, topic string, payload []byte) error

// reflector publishes what changed. Its one goroutine is started by UsePublisher and ended by close.
type reflector struct {
	s       *Service
	publish Publisher
	wake    chan struct{} // 1: there is something
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once

	mu      sync.Mutex
	running bool
	order   []string              // devices with something to tell, first come first told
	waiting map[string]*reflected // by device
}

type reflected struct {
	all     bool // the whole state, in which all changes are
	changed map[string]any
}

// UsePublisher starts telling devices' changes. To be called once, when messages can be published.
func (s *Service) UsePublisher(publish Publisher) {
	r := &s.reflector
	r.publish = publish
	r.mu.Lock()
	r.running = true
	r.mu.Unlock()
	r.done.Go(r.run)
	s.setter.done.Go(s.setter.run)
}

// Subscribed hears that p was granted a filter. When it is a device's _updates/fields by name, the device's state is
// published; a wildcard would bring states that nobody asked for.
func (s *Service) Subscribed(p auth.Principal, filter string) {
	at := parseTopic(filter)
	if at.kind != channelOf || at.account != p.AccountID || at.channel != updatedFields {
		return
	}
	if _, ok := parseID(at.device); ok {
		s.reflector.tell(at.device, func(w *reflected) { w.all = true })
	}
}

func (r *reflector) init(s *Service) {
	r.s, r.waiting = s, map[string]*reflected{}
	r.wake, r.stop = make(chan struct{}, 1), make(chan struct{})
}

func (r *reflector) close() {
	r.once.Do(func() { close(r.stop) })
	r.done.Wait()
}

// changed notes members of a device that have new values.
func (r *reflector) changed(device string, members map[string]any) {
	if len(members) == 0 {
		return
	}
	r.tell(device, func(w *reflected) {
		if w.changed == nil {
			w.changed = map[string]any{}
		}
		for name, v := range members {
			w.changed[name] = v
		}
	})
}

func (r *reflector) tell(device string, add func(*reflected)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running {
		return
	}
	w := r.waiting[device]
	if w == nil {
		w = &reflected{}
		r.waiting[device] = w
		r.order = append(r.order, device)
	}
	add(w)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reflector) run() {
	for {
		select {
		case <-r.stop:
			return
		case <-r.wake:
		}
		for device, w := r.next(); w != nil; device, w = r.next() {
			select {
			case <-r.stop:
				return
			default:
				r.send(device, w)
			}
		}
	}
}

func (r *reflector) next() (string, *reflected) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) == 0 {
		r.order = nil
		return "", nil
	}
	device := r.order[0]
	r.order = r.order[1:]
	w := r.waiting[device]
	delete(r.waiting, device)
	return device, w
}

func (r *reflector) send(device string, w *reflected) {
	d, err := r.s.device(device)
	if err != nil || d == nil {
		return // deleted meanwhile, or the store has failed, which others report
	}
	state := w.changed
	if w.all {
		if state, err = r.s.deviceState(d.account, device); err != nil {
			r.s.log.Warn("device state not read", "device", device, "err", err)
			return
		}
	}
	payload, err := json.Marshal(map[string]any{"state": state})
	if err == nil {
		err = r.publish(d.account, channelTopic(d.account, device, updatedFields), payload)
	}
	if err != nil {
		r.s.log.Warn("device state not published", "device", device, "err", err)
	}
}

// deviceState is what REST shows of a device, without its channels.
func (s *Service) deviceState(account, id string) (state map[string]any, err error) {
	err = s.view(auth.Principal{AccountID: account}, func(t *txn) error {
		k := t.byName["device"]
		o, err := t.find(k, id)
		if err != nil {
			return err
		}
		state, err = t.shape(k, o)
		delete(state, "channels")
		return err
	})
	return state, err
}

// reflect tells a change of a device once it is on disk.
func (t *txn) reflect(old, o *object) {
	if old == nil {
		return // nobody can have subscribed
	}
	_, members := changes(old, o)
	t.tx.OnCommit(func() { t.reflector.changed(o.ID, members) })
}
