package packet

import (
	"fmt"
	"testing"
)

// All 256 return codes, [MQTT-3.9.3-2].
func TestSubackCodes(t *testing.T) {
	for code := range 256 {
		t.Run(fmt.Sprintf("%02x", code), func(t *testing.T) {
			rule := "MQTT-3.9.3-2"
			if code <= 2 || code == 0x80 {
				rule = ""
			}
			id, codes, err := DecodeSuback(raw(0x90, "\x00\x0a\x00", string([]byte{byte(code)})))
			wantRule(t, err, rule)
			if err == nil && (id != 10 || len(codes) != 2 || int(codes[1]) != code) {
				t.Errorf("got id %d, codes %x", id, codes)
			}
		})
	}
}

func TestSubackMalformed(t *testing.T) {
	for body, rule := range map[string]string{"": "MQTT-2.3.1-7", "\x00\x01": "MQTT-3.8.4-5", "\x00\x00\x00": "MQTT-2.3.1-7"} {
		_, _, err := DecodeSuback(raw(0x90, body))
		wantRule(t, err, rule)
	}
}
