package packet

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
)

func TestConnectFields(t *testing.T) {
	b := raw(0x10, str("MQTT"), "\x04\xf6\x01\x02", str("device-1"), str("will/topic"), str("gone\x00"), str("user"), str("p\x00w"))
	var got Connect
	if err := got.Decode(b); err != nil {
		t.Fatal(err)
	}
	want := Connect{
		ProtocolName: []byte("MQTT"), Level: 4, CleanSession: true, KeepAlive: 258, ClientID: []byte("device-1"),
		Username: []byte("user"), Password: []byte("p\x00w"), HasUsername: true, HasPassword: true,
		HasWill: true, WillRetain: true, WillQoS: 2, WillTopic: []byte("will/topic"), WillPayload: []byte("gone\x00"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Absent fields are nil, empty ones are not: a broker must be able to tell an empty password from none.
func TestConnectAbsentAndEmpty(t *testing.T) {
	var p Connect
	if err := p.Decode(raw(0x10, str("MQTT"), "\x04\x02\x00\x00", str(""))); err != nil {
		t.Fatal(err)
	}
	if p.Username != nil || p.Password != nil || p.WillTopic != nil || p.WillPayload != nil || p.ClientID == nil || p.HasUsername || p.HasPassword || p.HasWill {
		t.Errorf("absent fields: got %+v", p)
	}
	// Decoding into the same value again leaves nothing of the packet before.
	if err := p.Decode(raw(0x10, str("MQTT"), "\x04\xc6\x00\x00", str("d"), str("w"), str(""), str(""), str(""))); err != nil {
		t.Fatal(err)
	}
	if p.Username == nil || p.Password == nil || p.WillPayload == nil || !p.HasUsername || !p.HasPassword {
		t.Errorf("empty fields: got %+v", p)
	}
	if err := p.Decode(raw(0x10, str("MQTT"), "\x04\x02\x00\x00", str("d"))); err != nil || p.HasUsername || p.Username != nil || p.HasWill || p.WillTopic != nil {
		t.Errorf("decoded again: got %+v, error %v", p, err)
	}
}

func TestConnectProtocol(t *testing.T) {
	const rest = "\x02\x00\x00"
	cases := []struct {
		name, protocol string
		level          byte
		supported      bool
		rule           string
	}{
		{"3.1.1", "MQTT", 4, true, ""},
		{"3.1", "MQIsdp", 3, true, ""},
		{"level 0", "MQTT", 0, false, ""}, // [MQTT-3.1.2-2]: not malformed, the answer is a return code
		{"level 3 under the new name", "MQTT", 3, false, ""},
		{"level 4 under the old name", "MQIsdp", 4, false, ""},
		{"level 5", "MQTT", 5, false, ""},
		{"level 255", "MQTT", 255, false, ""},
		{"a bridge of Mosquitto", "MQTT", 0x84, false, ""},
		{"no name", "", 4, false, "MQTT-3.1.2-1"},
		{"lower case", "mqtt", 4, false, "MQTT-3.1.2-1"},
		{"longer", "MQTTX", 4, false, "MQTT-3.1.2-1"},
		{"shorter", "MQT", 4, false, "MQTT-3.1.2-1"},
		{"another protocol", "hj", 4, false, "MQTT-3.1.2-1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var p Connect
			err := p.Decode(raw(0x10, str(c.protocol), string([]byte{c.level}), rest, str("d1")))
			wantRule(t, err, c.rule)
			if got := err == nil && p.Supported(); got != c.supported {
				t.Errorf("supported: got %v, want %v", got, c.supported)
			}
			if err == nil && (p.Level != c.level || string(p.ProtocolName) != c.protocol) {
				t.Errorf("got %q level %d", p.ProtocolName, p.Level)
			}
		})
	}
	t.Run("MQTT 5's form of the rest is not looked at", func(t *testing.T) {
		var p Connect
		if err := p.Decode(raw(0x10, str("MQTT"), "\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x00")); err != nil || p.Level != 5 || p.Supported() {
			t.Errorf("got %+v, error %v, want level 5", p, err)
		}
	})
}

// All 256 values of the Connect Flags, in both versions, against MQTT 3.1.1 §3.1.2.3 to §3.1.2.9 and MQTT 3.1 §3.1.
func TestConnectFlags(t *testing.T) {
	for flags := range 256 {
		is := func(bit int) bool { return flags>>bit&1 == 1 }
		will, willQoS, willRetain, password, user := is(2), flags>>3&3, is(5), is(6), is(7)
		rule, rule31 := "", ""
		if password && !user {
			rule, rule31 = "MQTT-3.1.2-22", "MQTT-3.1.2-22"
		}
		if will && willQoS == 3 {
			rule, rule31 = "MQTT-3.1.2-14", "MQTT-3.1.2-14"
		}
		if !will && willRetain {
			rule = "MQTT-3.1.2-15"
		}
		if !will && willQoS != 0 {
			rule = "MQTT-3.1.2-13"
		}
		if is(0) {
			rule = "MQTT-3.1.2-3"
		}
		payload := str("d1")
		if will {
			payload += str("w") + str("gone")
		}
		if user {
			payload += str("u")
		}
		if password {
			payload += str("p")
		}
		t.Run(fmt.Sprintf("%02x", flags), func(t *testing.T) {
			var p Connect
			err := p.Decode(raw(0x10, str("MQTT"), "\x04", string([]byte{byte(flags)}), "\x00\x3c", payload))
			wantRule(t, err, rule)
			if err == nil && (p.HasWill != will || p.WillRetain != willRetain || int(p.WillQoS) != willQoS || p.CleanSession != is(1) || p.HasUsername != user || p.HasPassword != password) {
				t.Errorf("got %+v", p)
			}
			err = p.Decode(raw(0x10, str("MQIsdp"), "\x03", string([]byte{byte(flags)}), "\x00\x3c", payload))
			wantRule(t, err, rule31)
			if err == nil && (p.HasWill != will || p.WillRetain != (will && willRetain) || !will && p.WillQoS != 0) {
				t.Errorf("3.1: got %+v", p)
			}
		})
	}
}

func TestConnectPayload(t *testing.T) {
	cases := []struct{ name, rest, rule string }{
		{"client id missing", "\x02\x00\x00", "MQTT-3.1.3-3"},
		{"will topic missing", "\x06\x00\x00" + str("d"), "MQTT-3.1.2-9"},
		{"will payload missing", "\x06\x00\x00" + str("d") + str("w"), "MQTT-3.1.2-9"},
		{"will there without its flag", "\x02\x00\x00" + str("d") + str("w"), "MQTT 3.1.1 §2.2.3"}, // [MQTT-3.1.2-11]
		{"user name missing", "\x82\x00\x00" + str("d"), "MQTT-3.1.2-19"},
		{"user name without its flag", "\x02\x00\x00" + str("d") + str("u"), "MQTT 3.1.1 §2.2.3"}, // [MQTT-3.1.2-18]
		{"password missing", "\xc2\x00\x00" + str("d") + str("u"), "MQTT-3.1.2-21"},
		{"password without its flag", "\x82\x00\x00" + str("d") + str("u") + str("p"), "MQTT 3.1.1 §2.2.3"}, // [MQTT-3.1.2-20]
		{"will topic empty", "\x06\x00\x00" + str("d") + str("") + str(""), "MQTT-4.7.3-1"},
		{"will topic with +", "\x06\x00\x00" + str("d") + str("a/+") + str(""), "MQTT-3.3.2-2"},
		{"will topic with #", "\x06\x00\x00" + str("d") + str("#") + str(""), "MQTT-3.3.2-2"},
		{"wildcards in client id and user name are the broker's business", "\x82\x00\x00" + str("#") + str("+/a"), ""},
		{"empty client id with a session to keep is the broker's business", "\x00\x00\x00" + str(""), ""}, // [MQTT-3.1.3-8]
		{"client id of 36 characters", "\x02\x00\x00" + str("0d0b4d3c-63f8-4f6a-9df6-5ad6f5a42a0b"), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := new(Connect).Decode(raw(0x10, str("MQTT"), "\x04", c.rest))
			wantRule(t, err, c.rule)
		})
	}
}

// MQTT 3.1 §3.1: a server must allow for a flag whose field is missing.
func TestConnect31FlagWithoutField(t *testing.T) {
	cases := []struct {
		name, rest     string
		user, password bool
		rule           string
	}{
		{"neither", "\xc2\x00\x00" + str("d"), false, false, ""},
		{"password missing", "\xc2\x00\x00" + str("d") + str("u"), true, false, ""},
		{"user name missing", "\x82\x00\x00" + str("d"), false, false, ""},
		{"both", "\xc2\x00\x00" + str("d") + str("u") + str("p"), true, true, ""},
		{"cut inside", "\xc2\x00\x00" + str("d") + str("u") + "\x00", false, false, "MQTT-3.1.2-21"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var p Connect
			err := p.Decode(raw(0x10, str("MQIsdp"), "\x03", c.rest))
			wantRule(t, err, c.rule)
			if err == nil && (p.HasUsername != c.user || p.HasPassword != c.password || (p.Username != nil) != c.user || (p.Password != nil) != c.password) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestConnectPointsIntoThePacket(t *testing.T) {
	b := raw(0x10, str("MQTT"), "\x04\x82\x00\x00", str("device"), str("user"))
	var p Connect
	if err := p.Decode(b); err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(b)
	if p.ClientID = append(p.ClientID, 'x'); !bytes.Equal(b, before) {
		t.Errorf("appending to a field wrote into the packet: %x, was %x", b, before)
	}
	b[len(b)-1] = 'R'
	if string(p.Username) != "useR" {
		t.Errorf("got %q: decoded by copying", p.Username)
	}
}
