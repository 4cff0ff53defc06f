package packet

import (
	"fmt"
	"testing"
)

func TestConnack(t *testing.T) {
	for flags := range 256 {
		for code := range 8 {
			rule := ""
			switch {
			case flags > 1:
				rule = "MQTT 3.1.1 §3.2.2.1"
			case flags == 1 && code > 0:
				rule = "MQTT-3.2.2-4"
			case code > 5:
				rule = "MQTT-3.2.2-6"
			}
			t.Run(fmt.Sprintf("%02x %d", flags, code), func(t *testing.T) {
				present, got, err := DecodeConnack([]byte{0x20, 2, byte(flags), byte(code)})
				wantRule(t, err, rule)
				if err == nil && (present != (flags == 1) || int(got) != code) {
					t.Errorf("got %v, %d", present, got)
				}
			})
		}
	}
}

func TestAppendConnackRefusalHasNoSession(t *testing.T) { // [MQTT-3.2.2-4]
	for code := RefusedLevel; code <= RefusedUnauthorized; code++ {
		if got, want := string(AppendConnack(nil, true, code)), string([]byte{0x20, 2, 0, code}); got != want {
			t.Errorf("return code %d: got %x, want %x", code, got, want)
		}
	}
}
