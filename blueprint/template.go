package blueprint

import (
	"strings"

	"xively/broker/topic"
	"xively/internal/fault"
)

// Names of what a new account begins with.
const (
	defaultOrganizationTemplate = "Default Organization Template"
	defaultDeviceTemplate       = "Default Device Template"
	defaultAccountUserTemplate  = "Default Account User Template"
	defaultEndUserTemplate      = "Default End User Template"
)

// Limits of a filter or topic in the directory.
const (
	maxTopicBytes  = 1024
	maxTopicLevels = 32
)

func templateFields() []field {
	return []field{
		{name: "name", required: true, index: 2},
		{name: "default", kept: true, choices: truth, index: 3}, // a text, as clients know it
	}
}

func organizationTemplateKind() *kind {
	return &kind{
		code: 2, one: "organizationTemplate", many: "organizationTemplates", path: "/organizations/templates",
		title: "organization template", fields: templateFields(),
	}
}

func accountUserTemplateKind() *kind {
	return &kind{
		code: 3, one: "accountUserTemplate", many: "accountUserTemplates", path: "/account-users/templates",
		title: "account user template", fields: templateFields(),
	}
}

// deviceTemplateKind: what its devices have in common. freeTopics are filters of free topics its devices may use.
func deviceTemplateKind() *kind {
	return &kind{
		code: 4, one: "deviceTemplate", many: "deviceTemplates", path: "/devices/templates", title: "device template",
		fields: append(append(templateFields(), field{name: "freeTopics", kind: list, most: maxTopicBytes, check: checkFreeTopics},
			field{name: "authenticationMethod", fixed: true, choices: []string{byPassword, byCertificate}}),
			retentionFields()...),
		decorate: func(t *txn, o *object, out map[string]any) error {
			if out["authenticationMethod"] == nil { // older than the choice
				out["authenticationMethod"] = byPassword
			}
			channels, err := t.templateChannels(o.ID)
			if err != nil {
				return err
			}
			shapes := make([]map[string]any, 0, len(channels))
			for _, c := range channels {
				shape, err := t.shape(t.byName["channelTemplate"], c)
				if err != nil {
					return err
				}
				shapes = append(shapes, shape)
			}
			out["channelTemplates"] = shapes
			return nil
		},
		changed: func(t *txn, old, new *object) {
			// The name is in refusals, which the broker may hold on to. A new template has no devices yet, but its
			// retention is remembered by account.
			t.newEpoch = t.newEpoch || old != nil || saysRetention(new)
		},
	}
}

// checkFreeTopics wants filters that begin with a plain level: one that begins with a wildcard would reach into xi/.
func checkFreeTopics(v any) error {
	for _, filter := range v.([]string) {
		if err := topic.CheckFilter(filter, maxTopicBytes, maxTopicLevels); err != nil {
			return fault.Field("freeTopics", "%s is not a topic filter: %s.", quote(filter), err)
		}
		switch level, _, _ := strings.Cut(filter, "/"); {
		case level == "#" || level == "+":
			return fault.Field("freeTopics", "%s begins with a wildcard; begin with a plain level, such as sensors/#.", quote(filter))
		case level == reservedLevel || strings.HasPrefix(level, "$"):
			return fault.Field("freeTopics", "%s lies in the platform's own topics.", quote(filter))
		}
	}
	return nil
}
