package packet

import (
	"strconv"
	"strings"
	"testing"
)

const benchTopic = "xi/blue/v1/0d0b4d3c-63f8-4f6a-9df6-5ad6f5a42a0b/d/9b2d4a55-9c1f-4f0f-8a57-1f7c8a1f0f11/temperature"

func BenchmarkFrame(b *testing.B) {
	p := raw(0x30, str(benchTopic), strings.Repeat("x", 64))
	b.ReportAllocs()
	for b.Loop() {
		if size, _, err := Frame(p, MaxSize); size == 0 || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodePublish(b *testing.B) {
	for _, topic := range []string{"a/b", benchTopic, strings.Repeat("grüße/", 16)} {
		for qos := range byte(2) {
			b.Run("topic="+strconv.Itoa(len(topic))+"/qos="+strconv.Itoa(int(qos)), func(b *testing.B) {
				p := AppendPublish(nil, &Publish{QoS: qos, Topic: []byte(topic), PacketID: 1, Payload: make([]byte, 64)})
				var got Publish
				b.ReportAllocs()
				for b.Loop() {
					if err := got.Decode(p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppendPublish(b *testing.B) {
	p := Publish{QoS: 1, Topic: []byte(benchTopic), PacketID: 1, Payload: make([]byte, 64)}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPublish(buf[:0], &p)
	}
}

func BenchmarkDecodeConnect(b *testing.B) {
	p := raw(0x10, str("MQTT"), "\x04\xee\x00\x3c", str("0d0b4d3c-63f8-4f6a-9df6-5ad6f5a42a0b"), str("w/t"), str("gone"), str("user"), str("secret"))
	var got Connect
	b.ReportAllocs()
	for b.Loop() {
		if err := got.Decode(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeID(b *testing.B) {
	p := AppendAck(nil, PUBACK, 7)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeID(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSubscribe(b *testing.B) {
	p := raw(0x82, "\x00\x01", str(benchTopic), "\x01", str("a/+"), "\x00", str("#"), "\x02")
	subs := make([]Subscription, 0, 8)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if _, subs, err = DecodeSubscribe(p, subs[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

// Decoding what keeps the rules allocates nothing, nor does appending where there is room.
func TestNoAllocation(t *testing.T) {
	var connect Connect
	var publish Publish
	subs, filters := make([]Subscription, 0, 8), make([][]byte, 0, 8)
	buf := make([]byte, 0, 1024)
	work := map[Type]func(b []byte) error{
		CONNECT: func(b []byte) error {
			err := connect.Decode(b)
			buf = AppendConnect(buf[:0], &connect)
			return err
		},
		PUBLISH: func(b []byte) error {
			err := publish.Decode(b)
			buf = AppendPublish(buf[:0], &publish)
			return err
		},
		SUBSCRIBE: func(b []byte) error {
			id, subs, err := DecodeSubscribe(b, subs)
			buf = AppendSubscribe(buf[:0], id, subs)
			return err
		},
		UNSUBSCRIBE: func(b []byte) error {
			id, filters, err := DecodeUnsubscribe(b, filters)
			buf = AppendUnsubscribe(buf[:0], id, filters)
			return err
		},
		SUBACK: func(b []byte) error {
			id, codes, err := DecodeSuback(b)
			buf = AppendSuback(buf[:0], id, codes)
			return err
		},
		CONNACK: func(b []byte) error {
			present, code, err := DecodeConnack(b)
			buf = AppendConnack(buf[:0], present, code)
			return err
		},
		PINGREQ: DecodeEmpty, PINGRESP: DecodeEmpty, DISCONNECT: DecodeEmpty,
	}
	for _, c := range valid {
		do := work[TypeOf(c.b[0])]
		if do == nil {
			do = func(b []byte) error {
				id, err := DecodeID(b)
				buf = AppendAck(buf[:0], TypeOf(b[0]), id)
				return err
			}
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := Frame(c.b, MaxSize); err != nil {
				t.Fatal(err)
			}
			if err := do(c.b); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
