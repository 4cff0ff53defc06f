package packet

import (
	"fmt"
	"testing"
)

func TestDecodeEmpty(t *testing.T) {
	for first := range 256 {
		t.Run(fmt.Sprintf("%02x", first), func(t *testing.T) {
			b := []byte{byte(first), 0}
			want := first == 0xc0 || first == 0xd0 || first == 0xe0
			if err := DecodeEmpty(b); (err == nil) != want {
				t.Errorf("got error %v, want accepted %v", err, want)
			}
			if err := DecodeEmpty([]byte{byte(first), 1, 0}); err == nil {
				t.Error("content was accepted")
			}
		})
	}
}
