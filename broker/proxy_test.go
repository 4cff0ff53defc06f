package broker

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// v2 builds a header of version 2.
func v2(command, family byte, body string) string {
	return proxyV2 + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	v4pair = "\xcb\x00\x71\x09\x0a\x00\x00\x01\x9d\x78\x22\xb3" // 203.0.113.9:40312 to 10.0.0.1:8883
	v6pair = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x9d\x78\x22\xb3"
)

// withCRC adds the checksum extension; wrong spoils it.
func withCRC(wrong bool) string {
	h := []byte(v2(0x21, 0x11, v4pair+"\x04\x00\x01x\x03\x00\x04\x00\x00\x00\x00"))
	sum := crc32.Checksum(h, castagnoli)
	if wrong {
		sum++
	}
	return string(binary.BigEndian.AppendUint32(h[:len(h)-4], sum))
}

// proxyHeaders are headers and the client's address that each tells: "" none, "-" the connection is refused.
var proxyHeaders = map[string]string{
	"PROXY TCP4 203.0.113.9 10.0.0.1 40312 8883\r\n":    "203.0.113.9:40312",
	"PROXY TCP6 2001:db8::9 2001:db8::1 40312 8883\r\n": "[2001:db8::9]:40312",
	"PROXY UNKNOWN\r\n":                                  "",
	"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n":              "",
	v2(0x21, 0x11, v4pair):                               "203.0.113.9:40312",
	v2(0x21, 0x21, v6pair):                               "[2001:db8::9]:40312",
	v2(0x21, 0x11, v4pair+"\x04\x00\x03abc\x01\x00\x00"): "203.0.113.9:40312",
	v2(0x20, 0x00, ""):                                   "",
	v2(0x20, 0x11, v4pair):                               "",
	withCRC(false):                                       "203.0.113.9:40312",
	withCRC(true):                                        "-",
	v2(0x21, 0x00, ""):                                   "-", // PROXY, but of nothing
	v2(0x21, 0x12, v4pair):                               "-", // UDP
	v2(0x21, 0x31, strings.Repeat("x", 216)):             "-", // a Unix socket
	v2(0x22, 0x11, v4pair):                               "-",
	v2(0x11, 0x11, v4pair):                               "-", // version 1 in binary
	v2(0x21, 0x11, v4pair[:11]):                          "-",
	v2(0x21, 0x21, v6pair[:35]):                          "-",
	v2(0x21, 0x11, v4pair+"\x04\x00"):                    "-",
	v2(0x21, 0x11, v4pair+"\x04\x00\x05abc"):             "-",
	v2(0x21, 0x11, v4pair+"\x03\x00\x01x"):               "-",
	v2(0x21, 0x11, v4pair)[:27]:                          "-",
	proxyV2 + "\x21\x11\xff\xff":                         "-",
	"PROXY TCP4 203.0.113.9 10.0.0.1 40312 8883\n":       "-",
	"PROXY TCP4 203.0.113.9 10.0.0.1 40312\r\n":          "-",
	"PROXY TCP4 203.0.113.9 10.0.0.1 40312 8883 \r\n":    "-",
	"PROXY TCP4  203.0.113.9 10.0.0.1 40312 8883\r\n":    "-",
	"PROXY TCP4 203.0.113.9 10.0.0.1 040312 8883\r\n":    "-",
	"PROXY TCP4 203.0.113.9 10.0.0.1 65536 8883\r\n":     "-",
	"PROXY TCP4 203.0.113.9 10.0.0.1 -1 8883\r\n":        "-",
	"PROXY TCP4 203.0.113 10.0.0.1 40312 8883\r\n":       "-",
	"PROXY TCP4 2001:db8::9 10.0.0.1 40312 8883\r\n":     "-",
	"PROXY TCP6 203.0.113.9 10.0.0.1 40312 8883\r\n":     "-",
	"PROXY TCP6 fe80::1%eth0 fe80::2 40312 8883\r\n":     "-",
	"PROXY UDP4 203.0.113.9 10.0.0.1 40312 8883\r\n":     "-",
	"PROXY \r\n......":                                   "-",
	"PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n": "-",
	"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02ab":     "-",
	"GET / HTTP/1.1\r\n\r\n":                             "-",
	"proxy TCP4 203.0.113.9 10.0.0.1 40312 8883\r\n":     "-",
	"": "-",
}

func TestProxyHeaders(t *testing.T) {
	for header, want := range proxyHeaders {
		const behind = "what comes behind is the client's"
		r := strings.NewReader(header + behind)
		if want == "-" {
			r = strings.NewReader(header)
		}
		from, err := readProxyHeader(r)
		switch {
		case want == "-":
			if err == nil {
				t.Errorf("%q: taken as %v", header, from)
			}
			continue
		case err != nil:
			t.Errorf("%q: %v", header, err)
			continue
		case want == "" && from.IsValid(), want != "" && from != netip.MustParseAddrPort(want):
			t.Errorf("%q: %v, want %q", header, from, want)
		}
		if rest, _ := io.ReadAll(r); string(rest) != behind {
			t.Errorf("%q: left %q", header, rest)
		}
	}
}

// However the header is made, it is read without a byte too many and never with an address that is not one.
func FuzzProxyHeader(f *testing.F) {
	for header := range proxyHeaders {
		f.Add([]byte(header))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		from, err := readProxyHeader(r)
		if err != nil {
			return
		}
		used := len(b) - r.Len()
		if used < len(proxyV2) || used > proxyV2Max+16 {
			t.Fatalf("%d bytes were used", used)
		}
		if b[0] == 'P' && (used > proxyV1Max || b[used-1] != '\n' || bytes.IndexByte(b, '\n') != used-1) {
			t.Fatalf("version 1: %d bytes were used of %q", used, b)
		}
		if from.IsValid() && from.Addr().Zone() != "" {
			t.Fatalf("address %v", from)
		}
		again, err := readProxyHeader(bytes.NewReader(b[:used]))
		if err != nil || again != from {
			t.Fatalf("again: %v, %v; before: %v", again, err, from)
		}
	})
}
