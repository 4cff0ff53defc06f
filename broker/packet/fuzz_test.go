package packet

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// FuzzDecode: whatever the bytes, nothing panics, an error is a MalformedError that points into the packet, and what
// was decoded encodes to a packet that decodes to the same; to the very same bytes where those are the only way to say it.
func FuzzDecode(f *testing.F) {
	for _, c := range valid {
		f.Add(c.b)
	}
	for _, c := range badTexts {
		f.Add(raw(0x30, str(c.s)))
	}
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add(raw(0x6a, "\x00\x01"))
	f.Add(raw(0x10, str("MQIsdp"), "\x03\xf9\x00\x00", str("d")))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decode(b)
		if err == errIncomplete || err == ErrTooLarge {
			return
		}
		if err != nil {
			if m := new(MalformedError); !errors.As(err, &m) || m.Offset < 0 || m.Offset > len(b) || m.Rule == "" || m.Reason == "" {
				t.Fatalf("%x: error %#v", b, err)
			}
			return
		}
		if c, ok := p.(*Connect); ok && !c.Supported() {
			return
		}
		again := encode(nil, p)
		q, err := decode(again)
		if err != nil || !reflect.DeepEqual(p, q) {
			t.Fatalf("%x: decoded to %+v, encoded to %x, decoded to %+v, error %v", b, p, again, q, err)
		}
		size, header, _ := Frame31(b, MaxSize)
		_, shortest, _ := Frame31(again, MaxSize)
		if c, ok := p.(*Connect); header == shortest && b[0] == again[0] && !(ok && c.Level == Level31) && !bytes.Equal(again, b[:size]) {
			t.Fatalf("%x: encodes to %x", b[:size], again)
		}
	})
}

// FuzzConnect: what a client can say in a CONNECT comes out as it went in, or is refused.
func FuzzConnect(f *testing.F) {
	f.Add(true, uint16(60), "d1", "w/t", []byte("gone"), byte(1), true, "u", []byte("p"), byte(7))
	f.Add(false, uint16(0), "", "", []byte(nil), byte(3), false, "", []byte(nil), byte(0))
	f.Fuzz(func(t *testing.T, clean bool, keepAlive uint16, id, willTopic string, will []byte, qos byte, retain bool, user string, password []byte, has byte) {
		p := Connect{ProtocolName: []byte(Name311), Level: Level311, CleanSession: clean, KeepAlive: keepAlive, ClientID: []byte(id)}
		if len(id) > 0xffff || len(willTopic) > 0xffff || len(will) > 0xffff || len(user) > 0xffff || len(password) > 0xffff {
			return
		}
		if p.HasWill = has&1 != 0; p.HasWill {
			p.WillTopic, p.WillPayload, p.WillQoS, p.WillRetain = []byte(willTopic), append([]byte{}, will...), qos&3, retain
		}
		if p.HasUsername = has&2 != 0; p.HasUsername {
			p.Username = []byte(user)
		}
		if p.HasPassword = has&4 != 0; p.HasPassword {
			p.Password = append([]byte{}, password...)
		}
		var got Connect
		err := got.Decode(AppendConnect(nil, &p))
		_, badID := checkText(p.ClientID)
		_, badUser := checkText(p.Username)
		_, badTopic := checkName(p.WillTopic)
		ok := badID == textOK && badUser == textOK && badTopic == textOK &&
			(!p.HasWill || willTopic != "" && p.WillQoS < 3) && (p.HasUsername || !p.HasPassword)
		if (err == nil) != ok {
			t.Fatalf("%+v: error %v, want accepted %v", p, err, ok)
		}
		if ok && !reflect.DeepEqual(got, p) {
			t.Fatalf("got  %+v\nwant %+v", got, p)
		}
	})
}
