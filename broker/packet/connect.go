package packet

// The protocol names and levels this package reads whole.
const (
	Name311  = "MQTT" // MQTT 3.1.1
	Level311 = 4
	Name31   = "MQIsdp" // MQTT 3.1
	Level31  = 3
)

// Connect is a client's first packet [MQTT-3.1.0-1]. Absent fields are nil, present and empty ones are not.
type Connect struct {
	ProtocolName []byte
	Level        byte
	CleanSession bool
	KeepAlive    uint16 // seconds; 0 is none

	ClientID               []byte
	Username, Password     []byte
	HasUsername            bool
	HasPassword            bool
	HasWill, WillRetain    bool
	WillQoS                byte
	WillTopic, WillPayload []byte
}

// Bits of the Connect Flags, MQTT 3.1.1 §3.1.2.3.
const (
	connectReserved     = 1 << 0
	connectCleanSession = 1 << 1
	connectWill         = 1 << 2
	connectWillQoS      = 3 << 3
	connectWillRetain   = 1 << 5
	connectPassword     = 1 << 6
	connectUsername     = 1 << 7
)

// Supported says whether the name and level are those of MQTT 3.1.1 or 3.1. When they are not, only they are set: the
// rest of the packet may have any form, and the answer is return code [RefusedLevel].
func (p *Connect) Supported() bool {
	return p.Level == Level311 && string(p.ProtocolName) == Name311 || p.Level == Level31 && string(p.ProtocolName) == Name31
}

// Decode reads a framed CONNECT, whose fields come in one order [MQTT-3.1.3-1]; slices in p point into b.
//
// From a 3.1 client it takes what MQTT 3.1 §3.1 allows: flags of a will that is not there and the reserved bit are
// disregarded, and a user name or password flag may be set when the packet ends before the field.
func (p *Connect) Decode(b []byte) error {
	*p = Connect{}
	r, err := open(b, CONNECT)
	if err != nil {
		return err
	}
	if err := p.decodeProtocol(&r); err != nil || !p.Supported() {
		return err
	}
	flags, err := p.decodeFlags(&r)
	if err != nil {
		return err
	}
	if p.KeepAlive, err = r.uint16(); err != nil {
		return err
	}
	r.must = "MQTT-3.1.3-3"
	if p.ClientID, err = r.text(); err != nil { // [MQTT-3.1.3-4]
		return err
	}
	if err := p.decodeWill(&r); err != nil {
		return err
	}
	if err := p.decodeCredentials(&r, flags); err != nil {
		return err
	}
	return r.end() // [MQTT-3.1.2-11] [MQTT-3.1.2-18] [MQTT-3.1.2-20]: no field without its flag
}

func (p *Connect) decodeProtocol(r *reader) (err error) {
	at := r.off
	if p.ProtocolName, err = r.bytes(); err != nil {
		return err
	}
	if s := string(p.ProtocolName); s != Name311 && s != Name31 {
		p.ProtocolName, r.off = nil, at
		return r.fail("MQTT-3.1.2-1", "protocol name is neither MQTT nor MQIsdp")
	}
	p.Level, err = r.uint8()
	return err
}

// decodeFlags reads the Connect Flags into p and returns them.
func (p *Connect) decodeFlags(r *reader) (byte, error) {
	flags, err := r.uint8()
	if err != nil {
		return 0, err
	}
	if p.Level == Level31 {
		flags &^= connectReserved
		if flags&connectWill == 0 {
			flags &^= connectWillQoS | connectWillRetain
		}
	}
	if rule, reason := checkConnectFlags(flags); rule != "" {
		r.off--
		return 0, r.fail(rule, reason)
	}
	p.CleanSession = flags&connectCleanSession != 0
	p.HasWill = flags&connectWill != 0
	p.WillRetain = flags&connectWillRetain != 0
	p.WillQoS = flags & connectWillQoS >> 3
	return flags, nil
}

// checkConnectFlags returns the rule the flags break and how, or two empty strings.
func checkConnectFlags(flags byte) (rule, reason string) {
	switch {
	case flags&connectReserved != 0:
		return "MQTT-3.1.2-3", "reserved connect flag is set"
	case flags&connectWill == 0 && flags&connectWillQoS != 0:
		return "MQTT-3.1.2-13", "will QoS without a will"
	case flags&connectWill == 0 && flags&connectWillRetain != 0:
		return "MQTT-3.1.2-15", "will retain without a will"
	case flags&connectWillQoS == connectWillQoS:
		return "MQTT-3.1.2-14", "will QoS is 3"
	case flags&connectUsername == 0 && flags&connectPassword != 0:
		return "MQTT-3.1.2-22", "password without a user name"
	}
	return "", ""
}

func (p *Connect) decodeWill(r *reader) (err error) {
	if !p.HasWill {
		return nil
	}
	r.must = "MQTT-3.1.2-9"
	if p.WillTopic, err = r.name(); err != nil { // [MQTT-3.1.3-10]
		return err
	}
	p.WillPayload, err = r.bytes()
	return err
}

func (p *Connect) decodeCredentials(r *reader, flags byte) (err error) {
	// MQTT 3.1 §3.1: the Remaining Length takes precedence over the two flags.
	present := func(flag byte) bool { return flags&flag != 0 && (p.Level != Level31 || r.left() > 0) }
	if p.HasUsername = present(connectUsername); p.HasUsername {
		r.must = "MQTT-3.1.2-19"
		if p.Username, err = r.text(); err != nil { // [MQTT-3.1.3-11]
			return err
		}
	}
	if p.HasPassword = present(connectPassword); p.HasPassword {
		r.must = "MQTT-3.1.2-21"
		p.Password, err = r.bytes()
	}
	return err
}

// AppendConnect appends p as a CONNECT. It panics when a field is over 65,535 bytes.
func AppendConnect(dst []byte, p *Connect) []byte {
	n := 2 + len(p.ProtocolName) + 1 + 1 + 2 + 2 + len(p.ClientID)
	flags := byte(0)
	if p.CleanSession {
		flags |= connectCleanSession
	}
	if p.HasWill {
		flags |= connectWill | p.WillQoS<<3&connectWillQoS
		if p.WillRetain {
			flags |= connectWillRetain
		}
		n += 2 + len(p.WillTopic) + 2 + len(p.WillPayload)
	}
	if p.HasUsername {
		flags |= connectUsername
		n += 2 + len(p.Username)
	}
	if p.HasPassword {
		flags |= connectPassword
		n += 2 + len(p.Password)
	}
	dst = appendLength(append(dst, byte(CONNECT)<<4), n)
	dst = append(appendBytes(dst, p.ProtocolName), p.Level, flags)
	dst = appendBytes(appendUint16(dst, p.KeepAlive), p.ClientID)
	if p.HasWill {
		dst = appendBytes(appendBytes(dst, p.WillTopic), p.WillPayload)
	}
	if p.HasUsername {
		dst = appendBytes(dst, p.Username)
	}
	if p.HasPassword {
		dst = appendBytes(dst, p.Password)
	}
	return dst
}
