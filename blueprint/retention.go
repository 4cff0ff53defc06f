package blueprint

import (
	"sync"
	"time"

	"xively/internal/auth"
	"xively/internal/fault"
	"xively/internal/rest"
	"xively/storage"
)

// How long the points of a time-series channel and what they were rolled up to are kept may be said by the channel
// template and by the device template; what neither says is the account's and then the server's to say.
func retentionFields() []field {
	fields := []field{{name: keepPoints}, {name: keepRollups}}
	for i := range fields {
		f := &fields[i]
		f.most = 16
		f.check = func(v any) error {
			if _, ok := rest.ParseKeep(v.(string)); !ok {
				return fault.Field(f.name, "This must be %s.", rest.KeepForms)
			}
			return nil
		}
	}
	return fields
}

const (
	keepPoints  = "keepPoints"
	keepRollups = "keepRollups"
)

func saysRetention(o *object) bool { return o.text(keepPoints) != "" || o.text(keepRollups) != "" }

// kept is what a template says; 0 is nothing.
type kept struct{ points, rollups time.Duration }

func keptBy(o *object) kept {
	points, _ := rest.ParseKeep(o.text(keepPoints))
	rollups, _ := rest.ParseKeep(o.text(keepRollups))
	return kept{points, rollups}
}

// retentions remembers what the device templates of accounts say of retention, for as long as the epoch lasts.
type retentions struct {
	mu       sync.Mutex
	epoch    uint64
	accounts map[string]map[string]templateKept // by account and device template, those that say something
}

type templateKept struct {
	kept
	channels map[string]kept // by name, those that say something
}

// Retention returns how long points and roll-ups of a channel are kept: 0 where its templates say nothing,
// rest.KeepForever for good. It is asked about every series there is, one after the other, so it leaves no trace in the
// cache of devices, and asks for no device in accounts whose templates say nothing. What cannot be looked up is kept.
func (s *Service) Retention(account, topic string) (points, rollups time.Duration) {
	templates, err := s.retentionOf(account)
	at := parseTopic(topic)
	if err == nil && (len(templates) == 0 || at.kind != channelOf || at.account != account) {
		return 0, 0
	}
	var template string
	if err == nil {
		template, err = s.templateOf(at.device)
	}
	if err != nil {
		s.log.Error("retention not looked up", "topic", topic, "err", err)
		return rest.KeepForever, rest.KeepForever
	}
	t := templates[template]
	k, c := t.kept, t.channels[at.channel]
	if c.points != 0 {
		k.points = c.points
	}
	if c.rollups != 0 {
		k.rollups = c.rollups
	}
	return k.points, k.rollups
}

// templateOf returns the id of the device's template, "" when there is no such device.
func (s *Service) templateOf(device string) (id string, err error) {
	epoch, c := s.Epoch(), &s.views
	c.mu.RLock()
	d := c.devices[device]
	fresh := c.epoch == epoch
	c.mu.RUnlock()
	if fresh && d != nil {
		return d.template.id, nil
	}
	err = s.db.View(func(tx *storage.Tx) error {
		o, err := load(tx, s.byName["device"], device)
		if o != nil {
			id = o.text("deviceTemplateId")
		}
		return err
	})
	return id, err
}

func (s *Service) retentionOf(account string) (map[string]templateKept, error) {
	r, epoch := &s.retentions, s.Epoch()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch != epoch || r.accounts == nil {
		r.epoch, r.accounts = epoch, map[string]map[string]templateKept{}
	}
	if templates, ok := r.accounts[account]; ok {
		return templates, nil
	}
	templates := map[string]templateKept{}
	err := s.view(auth.Principal{AccountID: account}, func(t *txn) error {
		k := t.byName["deviceTemplate"]
		for ref := range t.refsEqual(k, indexAll, "") {
			o, err := t.loadRef(k, ref)
			if err != nil {
				return err
			}
			says := templateKept{keptBy(o), map[string]kept{}}
			channels, err := t.templateChannels(o.ID)
			if err != nil {
				return err
			}
			for _, c := range channels {
				if saysRetention(c) {
					says.channels[c.text("name")] = keptBy(c)
				}
			}
			if saysRetention(o) || len(says.channels) > 0 {
				templates[o.ID] = says
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.accounts[account] = templates
	return templates, nil
}
