package blueprint

// Provisioning states, in the order a device goes through them.
const (
	defined    = "defined"    // made
	activated  = "activated"  // has or had a credential
	associated = "associated" // belongs to a user
)

// deviceKind: the things themselves. A serial number is unique in its account: it is printed on the thing, and whoever
// reads it there must find one device, whatever its template.
func deviceKind() *kind {
	return &kind{
		code: 6, one: "device", many: "devices", path: "/devices", title: "device",
		template: "deviceTemplateId", customBy: "deviceField",
		fields: []field{
			{name: "deviceTemplateId", required: true, refs: []string{"deviceTemplate"}, index: 2},
			{name: "organizationId", refs: []string{"organization"}, index: 3},
			{name: "serialNumber", required: true, unique: true, partial: true, index: 4},
			{name: "provisioningState", kept: true, choices: []string{defined, activated, associated, "reserved"}, index: 5},
			{name: "firmwareVersion", partial: true, index: 6},
			{name: "name", index: 7},
			{name: "latitude", kind: number, limit: 90}, {name: "longitude", kind: number, limit: 180},
			tags(), {name: "deviceVersion"}, {name: "location"}, {name: "purchaseDate", kind: moment},
			// What the connection tells (connection.go).
			{name: "connected", kept: true}, {name: "lastConnected", kept: true, kind: moment}, {name: "externalIp", kept: true},
			{name: "geoIpLatitude", kind: number, kept: true}, {name: "geoIpLongitude", kind: number, kept: true},
			{name: "reverseDns", kept: true},
		},
		changed:  (*txn).deviceChanged,
		decorate: (*txn).decorateDevice,
	}
}

func (t *txn) deviceChanged(old, new *object) {
	t.reflect(old, new)
	switch {
	case gone(old, new):
		t.newEpoch = true
		t.revokeEntity("device", new, "the device was deleted")
	case old == nil: // see Epoch
	case back(old, new), old.text("deviceTemplateId") != new.text("deviceTemplateId"), old.text("organizationId") != new.text("organizationId"):
		t.newEpoch = true
	}
	if old != nil && new != nil && old.text("deviceTemplateId") != new.text("deviceTemplateId") {
		t.methodChanged(old, new)
	}
}

func (t *txn) decorateDevice(o *object, out map[string]any) error {
	seen, err := t.presence.seen(t.tx, o.ID)
	if err != nil {
		return err
	}
	for name, v := range seen.members() {
		out[name] = v
	}
	channels, err := t.templateChannels(o.text("deviceTemplateId"))
	if err != nil {
		return err
	}
	all := make([]deviceChannel, 0, len(channels)+len(defaultChannels))
	for _, c := range channels {
		all = append(all, newDeviceChannel(o, c.ID, c.text("name"), c.text("persistenceType")))
	}
	for _, c := range defaultChannels {
		all = append(all, newDeviceChannel(o, c.templateID(), c.name, Simple))
	}
	out["channels"] = all
	return nil
}

// deviceChannel is a channel as it is listed on a device.
type deviceChannel struct {
	ChannelTemplateID   string `json:"channelTemplateId"`
	ChannelTemplateName string `json:"channelTemplateName"`
	PersistenceType     string `json:"persistenceType"`
	Channel             string `json:"channel"` // the whole topic
}

func newDeviceChannel(device *object, id, name, persistence string) deviceChannel {
	return deviceChannel{id, name, persistence, channelTopic(device.AccountID, device.ID, name)}
}
