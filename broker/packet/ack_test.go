package packet

import (
	"fmt"
	"testing"
)

func TestDecodeID(t *testing.T) {
	for _, first := range []byte{0x40, 0x50, 0x62, 0x70, 0xb0} {
		idRule := "MQTT-2.3.1-6"
		if first == 0xb0 {
			idRule = "MQTT-2.3.1-7"
		}
		cases := []struct{ name, body, rule string }{
			{"1", "\x00\x01", ""},
			{"65,535", "\xff\xff", ""},
			{"256", "\x01\x00", ""},
			{"zero", "\x00\x00", idRule},
			{"nothing", "", idRule},
			{"half", "\x01", idRule},
			{"a reason code of MQTT 5", "\x00\x01\x00", "MQTT 3.1.1 §2.2.3"},
		}
		for _, c := range cases {
			t.Run(fmt.Sprintf("%v/%s", TypeOf(first), c.name), func(t *testing.T) {
				id, err := DecodeID(raw(first, c.body))
				wantRule(t, err, c.rule)
				if err == nil && string(AppendAck(nil, TypeOf(first), id)) != string(raw(first, c.body)) {
					t.Errorf("got id %d", id)
				}
			})
		}
	}
}

func TestDecodeIDOfOtherTypes(t *testing.T) {
	for _, first := range []byte{0x10, 0x20, 0x32, 0x82, 0x90, 0xa2, 0xc0, 0xd0, 0xe0} {
		if _, err := DecodeID(raw(first, "\x00\x01")); err == nil {
			t.Errorf("%v was taken for an acknowledgement", TypeOf(first))
		}
	}
}
