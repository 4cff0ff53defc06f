package packet

// Return codes of CONNACK, MQTT 3.1.1 §3.2.2.3. All but Accepted refuse the connection.
const (
	Accepted            byte = 0
	RefusedLevel        byte = 1 // unacceptable protocol level
	RefusedClientID     byte = 2 // identifier rejected
	RefusedUnavailable  byte = 3 // server unavailable
	RefusedCredentials  byte = 4 // bad user name or password
	RefusedUnauthorized byte = 5 // not authorized
)

// DecodeConnack reads a framed CONNACK.
func DecodeConnack(b []byte) (sessionPresent bool, returnCode byte, err error) {
	r, err := open(b, CONNACK)
	if err != nil {
		return false, 0, err
	}
	flags, err := r.uint8()
	if err != nil {
		return false, 0, err
	}
	if returnCode, err = r.uint8(); err != nil {
		return false, 0, err
	}
	if err := r.end(); err != nil {
		return false, 0, err
	}
	r.off -= 2
	switch {
	case flags > 1:
		return false, 0, r.fail("MQTT 3.1.1 §3.2.2.1", "reserved acknowledge flag is set")
	case flags == 1 && returnCode != Accepted:
		return false, 0, r.fail("MQTT-3.2.2-4", "session present in a refusal")
	case returnCode > RefusedUnauthorized:
		return false, 0, r.fail("MQTT-3.2.2-6", "return code is reserved")
	}
	return flags == 1, returnCode, nil
}

// AppendConnack appends a CONNACK. A refusal never says that a session is present [MQTT-3.2.2-4].
func AppendConnack(dst []byte, sessionPresent bool, returnCode byte) []byte {
	flags := byte(0)
	if sessionPresent && returnCode == Accepted {
		flags = 1
	}
	return append(dst, byte(CONNACK)<<4, 2, flags, returnCode)
}
