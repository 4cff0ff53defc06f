package packet

import "encoding/binary"

// Publish is an application message on its way.
type Publish struct {
	Dup, Retain bool
	QoS         byte
	Topic       []byte
	PacketID    uint16 // 0 at QoS 0
	Payload     []byte
}

// Bits of a PUBLISH's first byte, MQTT 3.1.1 §3.3.1.
const (
	flagRetain = 1 << 0
	flagQoS    = 3 << 1
	flagDup    = 1 << 3
)

// Decode reads a framed PUBLISH; slices in p point into b.
func (p *Publish) Decode(b []byte) error {
	*p = Publish{}
	r, err := open(b, PUBLISH)
	if err != nil {
		return err
	}
	first := b[0]
	p.Dup, p.QoS, p.Retain = first&flagDup != 0, first&flagQoS>>1, first&flagRetain != 0
	if p.QoS == 3 {
		return &MalformedError{PUBLISH, 0, "MQTT-3.3.1-4", "QoS is 3"}
	}
	if p.Dup && p.QoS == 0 {
		return &MalformedError{PUBLISH, 0, "MQTT-3.3.1-2", "DUP is set at QoS 0"}
	}
	r.must = "MQTT-3.3.2-1"
	if p.Topic, err = r.name(); err != nil { // [MQTT-3.3.2-2]
		return err
	}
	if p.QoS > 0 {
		if p.PacketID, err = r.id(); err != nil {
			return err
		}
	}
	p.Payload = b[r.off:]
	return nil
}

// PublishSize returns the size of a whole PUBLISH, fixed header included.
func PublishSize(topicLen, payloadLen int, qos byte) int {
	n := publishRemaining(topicLen, payloadLen, qos)
	return 1 + lengthSize(n) + n
}

func publishRemaining(topicLen, payloadLen int, qos byte) int {
	n := 2 + topicLen + payloadLen
	if qos > 0 {
		n += 2
	}
	return n
}

// AppendPublish appends p as a PUBLISH. It panics when the topic is over 65,535 bytes or the packet over [MaxSize].
func AppendPublish(dst []byte, p *Publish) []byte {
	dst = AppendPublishHeader(dst, p.Dup, p.QoS, p.Retain, p.Topic, len(p.Payload), p.PacketID)
	return append(dst, p.Payload...)
}

// AppendPublishHeader appends all of a PUBLISH but its payload, of which the caller sends payloadLen bytes next. At
// QoS 0 id is not sent [MQTT-2.3.1-5]; above, the two bytes of id are the last ones appended, so a copy for another
// receiver needs only [SetPublishID]. It panics as [AppendPublish] does.
func AppendPublishHeader[T ~string | ~[]byte](dst []byte, dup bool, qos byte, retain bool, topic T, payloadLen int, id uint16) []byte {
	first := byte(PUBLISH)<<4 | qos<<1&flagQoS
	if dup && qos > 0 { // [MQTT-3.3.1-2]
		first |= flagDup
	}
	if retain {
		first |= flagRetain
	}
	dst = appendLength(append(dst, first), publishRemaining(len(topic), payloadLen, qos))
	dst = appendBytes(dst, topic)
	if qos > 0 {
		dst = appendUint16(dst, id)
	}
	return dst
}

// SetPublishID changes the packet identifier of b, which must start with a whole PUBLISH header of QoS 1 or 2 as
// [AppendPublishHeader] makes it; headerLen is that header's length. The rest of the packet stays as it is.
func SetPublishID(b []byte, headerLen int, id uint16) {
	binary.BigEndian.PutUint16(b[headerLen-2:headerLen], id)
}
