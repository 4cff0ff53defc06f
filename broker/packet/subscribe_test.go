package packet

import (
	"fmt"
	"strings"
	"testing"
)

// All 256 values of the byte after a filter: the upper six bits are reserved and QoS 3 does not exist.
func TestSubscribeQoS(t *testing.T) {
	for qos := range 256 {
		t.Run(fmt.Sprintf("%02x", qos), func(t *testing.T) {
			rule := ""
			if qos > 2 {
				rule = "MQTT-3-8.3-4"
			}
			id, subs, err := DecodeSubscribe(raw(0x82, "\x00\x0a", str("a/b"), string([]byte{byte(qos)})), nil)
			wantRule(t, err, rule)
			if err == nil && (id != 10 || len(subs) != 1 || int(subs[0].QoS) != qos || string(subs[0].Filter) != "a/b") {
				t.Errorf("got id %d, %+v", id, subs)
			}
		})
	}
}

func TestSubscribeMalformed(t *testing.T) {
	cases := []struct{ name, body, rule string }{
		{"nothing", "", "MQTT-2.3.1-1"},
		{"no filter", "\x00\x01", "MQTT-3.8.3-3"},
		{"packet identifier zero", "\x00\x00" + str("a") + "\x00", "MQTT-2.3.1-1"},
		{"packet identifier zero and no filter", "\x00\x00", "MQTT-2.3.1-1"},
		{"filter without QoS", "\x00\x01" + str("a"), "MQTT 3.1.1 §2.2.3"},
		{"second filter without QoS", "\x00\x01" + str("a") + "\x00" + str("b"), "MQTT 3.1.1 §2.2.3"},
		{"half a filter length", "\x00\x01\x00", "MQTT 3.1.1 §2.2.3"},
		{"filter longer than the packet", "\x00\x01\x00\x05a\x00", "MQTT 3.1.1 §2.2.3"},
		{"empty filter", "\x00\x01" + str("") + "\x00", "MQTT-4.7.3-1"},
		{"second filter empty", "\x00\x01" + str("a") + "\x00" + str("") + "\x00", "MQTT-4.7.3-1"},
		{"misplaced wildcards are another's business", "\x00\x01" + str("a#/+b") + "\x00", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, subs, err := DecodeSubscribe(raw(0x82, c.body), nil)
			wantRule(t, err, c.rule)
			if err != nil && subs != nil {
				t.Errorf("got %+v along with an error", subs)
			}
		})
	}
}

func TestSubscribeAppendsInOrder(t *testing.T) {
	dst := make([]Subscription, 1, 8)
	dst[0] = Subscription{Filter: []byte("kept"), QoS: 1}
	_, subs, err := DecodeSubscribe(raw(0x82, "\x00\x01", str("b"), "\x02", str("a"), "\x00", str("b"), "\x01"), dst)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, s := range subs {
		fmt.Fprintf(&got, "%s=%d ", s.Filter, s.QoS)
	}
	if want := "kept=1 b=2 a=0 b=1 "; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
	if &subs[0] != &dst[0] {
		t.Error("room in dst was not used")
	}
}
