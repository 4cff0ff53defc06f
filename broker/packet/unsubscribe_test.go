package packet

import "testing"

func TestUnsubscribe(t *testing.T) {
	cases := []struct{ name, body, rule string }{
		{"one filter", "\x00\x01" + str("a/+"), ""},
		{"the same filter twice", "\x00\x01" + str("a") + str("a"), ""},
		{"nothing", "", "MQTT-2.3.1-1"},
		{"no filter", "\x00\x01", "MQTT-3.10.3-2"},
		{"packet identifier zero", "\x00\x00" + str("a"), "MQTT-2.3.1-1"},
		{"half a filter length", "\x00\x01\x00", "MQTT 3.1.1 §2.2.3"},
		{"filter longer than the packet", "\x00\x01\x00\x05a", "MQTT 3.1.1 §2.2.3"},
		{"empty filter", "\x00\x01" + str(""), "MQTT-4.7.3-1"},
		{"with a QoS as in SUBSCRIBE", "\x00\x01" + str("a") + "\x01", "MQTT 3.1.1 §2.2.3"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := raw(0xa2, c.body)
			id, filters, err := DecodeUnsubscribe(b, nil)
			wantRule(t, err, c.rule)
			if err == nil && string(AppendUnsubscribe(nil, id, filters)) != string(b) {
				t.Errorf("got id %d, %q", id, filters)
			}
			if err != nil && filters != nil {
				t.Errorf("got %q along with an error", filters)
			}
		})
	}
}
