package blueprint

import (
	"strings"
	"sync"

	"xively/internal/auth"
	"xively/storage"
)

// The platform's own topics, all below reservedLevel:
//
//	xi/blue/v1/<account>/d/<device>/<channel>   a channel; its name may have levels
//	xi/ctrl/v1/<device>/cln                     control messages to the device
//	xi/ctrl/v1/<device>/svc                     control messages of the device
//
// Ids in them compare exactly, in lower case. Every other topic that does not begin with $ is free.
const (
	reservedLevel = "xi"
	channelRoot   = "xi/blue/v1/"
	controlRoot   = "xi/ctrl/v1/"
	toClient      = "cln"
	toService     = "svc"
)

func channelTopic(account, device, channel string) string {
	return channelRoot + account + "/d/" + device + "/" + channel
}

type topicKind byte

const (
	freeTopic    topicKind = iota
	channelOf              // a device's channel, by its form; whether the device and the channel exist is another question
	controlOf              // xi/ctrl/v1/<device>/<cln|svc>
	systemTopic            // begins with $
	unknownTopic           // below xi/ and of no form we know
)

// place is what a topic's form says.
type place struct {
	kind    topicKind
	account string // of channelOf
	device  string
	channel string // of controlOf: cln or svc
}

// parseTopic reads a topic name, or a filter whose wildcards, if any, then stand in the place's members.
func parseTopic(name string) place {
	switch first, _, _ := strings.Cut(name, "/"); {
	case strings.HasPrefix(name, "$"):
		return place{kind: systemTopic}
	case first != reservedLevel:
		return place{kind: freeTopic}
	}
	if rest, ok := strings.CutPrefix(name, channelRoot); ok {
		account, rest, _ := strings.Cut(rest, "/")
		owner, rest, _ := strings.Cut(rest, "/")
		device, channel, _ := strings.Cut(rest, "/")
		if owner == "d" && channel != "" {
			return place{channelOf, account, device, channel}
		}
	}
	if rest, ok := strings.CutPrefix(name, controlRoot); ok {
		device, way, _ := strings.Cut(rest, "/")
		if way == toClient || way == toService {
			return place{kind: controlOf, device: device, channel: way}
		}
	}
	return place{kind: unknownTopic}
}

// ChannelInfo is what a channel's topic means.
type ChannelInfo struct {
	AccountID        string
	DeviceID         string
	Channel          string // its name, such as "temp" or "_log"
	PersistenceType  string // Simple or TimeSeries
	DeviceTemplateID string
	OrganizationID   string // "" when the device is in none
}

// Channel says which channel of which device a topic is; false when it is none that exists in the account. The answer
// holds until Epoch changes.
func (s *Service) Channel(account, topic string) (ChannelInfo, bool) {
	at := parseTopic(topic)
	if at.kind != channelOf || at.account != account {
		return ChannelInfo{}, false
	}
	d, err := s.device(at.device)
	if err != nil {
		s.log.Error("topic not looked up", "device", at.device, "err", err)
	}
	if err != nil || d == nil || d.account != account {
		return ChannelInfo{}, false
	}
	persistence, ok := d.template.persistence(at.channel)
	return ChannelInfo{account, at.device, at.channel, persistence, d.template.id, d.organization}, ok
}

// viewCache holds what judging topics needs of devices and templates, so that it costs no store read. It is dropped as
// a whole when the epoch changes or it is full; what does not exist is not in it, so asking for nonsense fills nothing.
type viewCache struct {
	most int

	mu        sync.RWMutex
	epoch     uint64 // of everything below
	devices   map[string]*deviceView
	templates map[string]*templateView
	reaches   map[string]*reach          // by id of the account user or end user
	chains    map[string][]string        // by organization
	granted   map[string][]grantedSearch // by account
}

// deviceView and templateView are constant once made.
type deviceView struct {
	account, organization string
	template              *templateView
}

type templateView struct {
	id, name string
	channels map[string]string // name to persistence type
	free     []string
}

func (v *templateView) persistence(channel string) (string, bool) {
	if _, ok := defaultChannelNamed(channel); ok {
		return Simple, true
	}
	p, ok := v.channels[channel]
	return p, ok
}

// device returns the view of a live device of whatever account, nil when there is none.
func (s *Service) device(id string) (*deviceView, error) {
	epoch := s.Epoch()
	c := &s.views
	c.mu.RLock()
	d := c.devices[id]
	fresh := c.epoch == epoch
	c.mu.RUnlock()
	if fresh && d != nil {
		return d, nil
	}
	var v *templateView
	err := s.db.View(func(tx *storage.Tx) error {
		o, err := load(tx, s.byName["device"], id)
		if err != nil || o == nil || o.Deleted != 0 {
			return err
		}
		if v, err = s.template(tx, o, epoch); err != nil {
			return err
		}
		d = &deviceView{account: o.AccountID, organization: o.text("organizationId"), template: v}
		return nil
	})
	if err != nil || v == nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at(epoch) {
		c.devices[id], c.templates[v.id] = d, v
	}
	return d, nil
}

// template returns the view of a device's template.
func (s *Service) template(tx *storage.Tx, device *object, epoch uint64) (*templateView, error) {
	id := device.text("deviceTemplateId")
	c := &s.views
	c.mu.RLock()
	v := c.templates[id]
	fresh := c.epoch == epoch
	c.mu.RUnlock()
	if fresh && v != nil {
		return v, nil
	}
	o, err := load(tx, s.byName["deviceTemplate"], id)
	if err != nil || o == nil {
		return nil, err
	}
	t := &txn{Service: s, tx: tx, account: device.AccountID, channels: map[string][]*object{}, custom: map[string][]field{}}
	channels, err := t.templateChannels(id)
	if err != nil {
		return nil, err
	}
	v = &templateView{id: id, name: o.text("name"), channels: make(map[string]string, len(channels)), free: o.list("freeTopics")}
	for _, ch := range channels {
		v.channels[ch.text("name")] = ch.text("persistenceType")
	}
	return v, nil
}

// reach returns what an account user or end user can reach, from memory when it is known.
func (s *Service) reach(p auth.Principal) (r *reach, err error) {
	epoch := s.Epoch()
	c := &s.views
	c.mu.RLock()
	r = c.reaches[p.ID]
	fresh := c.epoch == epoch
	c.mu.RUnlock()
	if fresh && r != nil && r.p.AccountID == p.AccountID && r.p.Kind == p.Kind {
		return r, nil
	}
	err = s.view(auth.Principal{AccountID: p.AccountID}, func(t *txn) error {
		r, err = t.reachOf(p)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at(epoch) {
		c.reaches[p.ID] = r
	}
	return r, nil
}

// chainOf is txn.chain from memory.
func (s *Service) chainOf(account, organization string) (chain []string, err error) {
	if organization == "" {
		return nil, nil
	}
	epoch := s.Epoch()
	c := &s.views
	c.mu.RLock()
	chain = c.chains[organization]
	fresh := c.epoch == epoch
	c.mu.RUnlock()
	if fresh && chain != nil {
		return chain, nil
	}
	err = s.view(auth.Principal{AccountID: account}, func(t *txn) error {
		chain, err = t.chain(organization)
		return err
	})
	if err != nil || chain == nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at(epoch) {
		c.chains[organization] = chain
	}
	return chain, nil
}

// at makes the cache ready to take something learned at epoch; false when it knows a later one. The caller holds mu.
func (c *viewCache) at(epoch uint64) bool {
	if c.epoch > epoch {
		return false
	}
	if c.epoch < epoch || len(c.devices)+len(c.reaches)+len(c.chains)+len(c.granted) >= c.most {
		c.epoch = epoch
		c.devices, c.templates = map[string]*deviceView{}, map[string]*templateView{}
		c.reaches, c.chains, c.granted = map[string]*reach{}, map[string][]string{}, map[string][]grantedSearch{}
	}
	return true
}
