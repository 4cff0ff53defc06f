package blueprint

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"xively/broker/topic"
	"xively/internal/fault"
)

// Persistence types: what happens to a channel's messages besides delivery.
const (
	Simple     = "simple"     // nothing
	TimeSeries = "timeSeries" // points are stored
)

const maxChannels = 256 // per template

// defaultChannel is a channel every device has.
type defaultChannel struct {
	name string
	// toPlatform: the device and the account's users publish, the platform listens. Otherwise only the platform publishes.
	toPlatform bool
}

// Names of the default channels that mean something here; _log is the logging module's.
const (
	setFields     = "_set/fields"
	updatedFields = "_updates/fields"
	rejected      = "_rejected"
)

var defaultChannels = []defaultChannel{
	{name: "_log", toPlatform: true},
	{name: setFields, toPlatform: true},
	{name: rejected},
	{name: updatedFields},
}

func defaultChannelNamed(name string) (defaultChannel, bool) {
	i := slices.IndexFunc(defaultChannels, func(c defaultChannel) bool { return c.name == name })
	if i < 0 {
		return defaultChannel{}, false
	}
	return defaultChannels[i], true
}

// templateID is the same in every installation: clients want a string there, and nothing else has it.
func (c defaultChannel) templateID() string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("xi/blue/v1/"+c.name)).String()
}

// channelTemplateKind: a channel that all devices of a template have, old ones too.
func channelTemplateKind() *kind {
	return &kind{
		code: 5, one: "channelTemplate", many: "channelTemplates", path: "/channels/templates", title: "channel template",
		fields: append([]field{
			{name: "entityId", required: true, fixed: true, refs: []string{"deviceTemplate"}, refBy: "entityType", owner: true},
			{name: "entityType", required: true, fixed: true, choices: []string{"deviceTemplate"}},
			{name: "name", required: true, most: 128, check: checkChannelName},
			{name: "persistenceType", choices: []string{Simple, TimeSeries}},
		}, retentionFields()...),
		unique:  []index{{code: 2, fields: []string{"entityId", "name"}, unique: true}},
		prepare: (*txn).checkChannelCount,
		changed: func(t *txn, old, new *object) {
			// A new channel too: a device that was refused it before may now use it.
			t.newEpoch = true
			delete(t.channels, new.text("entityId"))
		},
	}
}

// checkChannelName keeps names usable as the end of a topic and as the end of a path. Names that begin with _ are the
// platform's, and a last level "latest" means something else in the time series' paths.
func checkChannelName(v any) error {
	name := v.(string)
	bad := func(format string, args ...any) error { return fault.Field("name", format, args...) }
	if name == "" {
		return nil // complete says so
	}
	levels := strings.Split(name, "/")
	switch {
	case strings.ContainsAny(name, "+#"):
		return bad("A channel's name cannot hold + or #: they are wildcards in topics.")
	case name[0] == '_':
		return bad("Names that begin with _ are the platform's own channels.")
	case strings.TrimSpace(name) != name:
		return bad("A channel's name cannot begin or end with a blank.")
	case slices.Contains(levels, "") || slices.Contains(levels, ".") || slices.Contains(levels, ".."):
		return bad("Between slashes there must be something else than one or two dots.")
	case levels[len(levels)-1] == "latest":
		return bad("A channel's name cannot end with the level “latest”: paths of the time series use it.")
	}
	if err := topic.CheckName(name, maxTopicBytes/2, maxTopicLevels/2); err != nil {
		return bad("This cannot be part of a topic: %s.", err)
	}
	return nil
}

func (t *txn) checkChannelCount(old, o *object) error {
	if old != nil {
		return nil
	}
	n := 0
	k := t.byName["channelTemplate"]
	for range t.refsEqual(k, k.indexOn("entityId").code, o.text("entityId")) {
		n++
	}
	if n >= maxChannels {
		return fault.New(fault.Unprocessable, "The device template has %d channels already, which is as many as it can have.", n)
	}
	return nil
}

// templateChannels returns a device template's channels in order of name, without the default ones.
func (t *txn) templateChannels(templateID string) ([]*object, error) {
	if channels, known := t.channels[templateID]; known {
		return channels, nil
	}
	k := t.byName["channelTemplate"]
	var channels []*object
	for r := range t.refsEqual(k, k.indexOn("entityId").code, templateID) {
		c, err := t.loadRef(k, r)
		if err != nil {
			return nil, err
		}
		channels = append(channels, c)
	}
	t.channels[templateID] = channels
	return channels, nil
}
