package packet

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// All sixteen values of the flags, MQTT 3.1.1 §3.3.1.
func TestPublishFlags(t *testing.T) {
	for flags := range 16 {
		dup, qos, retain := flags>>3 == 1, byte(flags>>1&3), flags&1 == 1
		rule := ""
		if dup && qos == 0 {
			rule = "MQTT-3.3.1-2"
		}
		if qos == 3 {
			rule = "MQTT-3.3.1-4"
		}
		t.Run(fmt.Sprintf("%x", flags), func(t *testing.T) {
			id, wantID := "", uint16(0)
			if qos > 0 { // [MQTT-2.3.1-5]: no packet identifier at QoS 0
				id, wantID = "\x12\x34", 0x1234
			}
			var p Publish
			err := p.Decode(raw(0x30|byte(flags), str("a/b"), id, "hello"))
			wantRule(t, err, rule)
			want := Publish{dup, retain, qos, []byte("a/b"), wantID, []byte("hello")}
			if err == nil && !reflect.DeepEqual(p, want) {
				t.Errorf("got %+v, want %+v", p, want)
			}
		})
	}
}

// Decoding into the same value again leaves nothing of the packet before.
func TestPublishDecodedAgain(t *testing.T) {
	var p Publish
	if err := p.Decode(raw(0x3d, str("a/b"), "\x12\x34", "hello")); err != nil {
		t.Fatal(err)
	}
	if err := p.Decode(raw(0x30, str("c"))); err != nil || p.PacketID != 0 || p.QoS != 0 || p.Dup || p.Retain || string(p.Topic) != "c" || len(p.Payload) != 0 {
		t.Errorf("got %+v, error %v", p, err)
	}
}

func TestPublishMalformed(t *testing.T) {
	cases := []struct {
		name, body string
		first      byte
		rule       string
	}{
		{"no topic", "", 0x30, "MQTT-3.3.2-1"},
		{"half a topic length", "\x00", 0x30, "MQTT-3.3.2-1"},
		{"topic longer than the packet", "\x00\x04abc", 0x30, "MQTT-3.3.2-1"},
		{"empty topic", str(""), 0x30, "MQTT-4.7.3-1"},
		{"empty topic with payload", str("") + "hello", 0x30, "MQTT-4.7.3-1"},
		{"+ in the topic", str("a/+/b"), 0x30, "MQTT-3.3.2-2"},
		{"+ in a word", str("a+b"), 0x30, "MQTT-3.3.2-2"},
		{"# in the topic", str("a/#"), 0x30, "MQTT-3.3.2-2"},
		{"# far into a long topic", str(strings.Repeat("a", 99) + "#"), 0x30, "MQTT-3.3.2-2"},
		{"no packet identifier", str("a"), 0x32, "MQTT-2.3.1-1"},
		{"half a packet identifier", str("a") + "\x01", 0x32, "MQTT-2.3.1-1"},
		{"packet identifier zero, QoS 1", str("a") + "\x00\x00x", 0x32, "MQTT-2.3.1-1"},
		{"packet identifier zero, QoS 2", str("a") + "\x00\x00x", 0x34, "MQTT-2.3.1-1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := new(Publish).Decode(raw(c.first, c.body))
			wantRule(t, err, c.rule)
		})
	}
}

func TestPublishSizeIsWhatIsAppended(t *testing.T) {
	for _, topicLen := range []int{1, 2, 100, 65_535} {
		for _, payloadLen := range []int{0, 1, 20, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 16_000, 16_381, 16_382, 16_383, 2_097_150, 2_097_151} {
			for qos := range byte(3) {
				p := Publish{QoS: qos, PacketID: 7, Topic: make([]byte, topicLen), Payload: make([]byte, payloadLen)}
				if qos == 0 {
					p.PacketID = 0
				}
				for i := range p.Topic {
					p.Topic[i] = 't'
				}
				b := AppendPublish(nil, &p)
				if got := PublishSize(topicLen, payloadLen, qos); got != len(b) {
					t.Errorf("topic %d, payload %d, QoS %d: PublishSize is %d, appended %d", topicLen, payloadLen, qos, got, len(b))
				}
				var got Publish
				if err := got.Decode(b); err != nil || !reflect.DeepEqual(got, p) {
					t.Errorf("topic %d, payload %d, QoS %d: did not come back the same: error %v", topicLen, payloadLen, qos, err)
				}
			}
		}
	}
}

func TestAppendPublishHeader(t *testing.T) {
	cases := []struct {
		name        string
		dup, retain bool
		qos         byte
		want        string
	}{
		{"QoS 0", false, false, 0, "\x30\x08\x00\x03a/bxyz"},
		{"QoS 0 never says DUP", true, true, 0, "\x31\x08\x00\x03a/bxyz"}, // [MQTT-3.3.1-2]
		{"QoS 1", false, true, 1, "\x33\x0a\x00\x03a/b\x01\x02xyz"},
		{"QoS 2 again", true, false, 2, "\x3c\x0a\x00\x03a/b\x01\x02xyz"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := append(AppendPublishHeader([]byte("before"), c.dup, c.qos, c.retain, "a/b", 3, 0x0102), "xyz"...)
			if string(got) != "before"+c.want {
				t.Errorf("got %x, want %x", got, "before"+c.want)
			}
		})
	}
}

func TestSetPublishID(t *testing.T) {
	b := AppendPublishHeader(nil, false, 1, false, "a/b", 3, 1)
	header := len(b)
	b = append(b, "xyz"...)
	SetPublishID(b, header, 0xfffe)
	var p Publish
	if err := p.Decode(b); err != nil || p.PacketID != 0xfffe || string(p.Topic) != "a/b" || string(p.Payload) != "xyz" {
		t.Errorf("got %+v, error %v", p, err)
	}
}
