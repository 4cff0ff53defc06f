package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol, versions 1 and 2: a load balancer says in front of the connection's own bytes from where the client came. Whoever may
// say that can pretend to be anybody, so it is believed of configured addresses only, and nobody else gets in where it is expected.
// https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt

// ProxyListener returns ln for ServeTCP, ServeTLS or ServeShared such that each connection must begin with a PROXY header, and must come from one of
// the trusted networks.
func ProxyListener(ln net.Listener, trusted []netip.Prefix) net.Listener {
	return &proxyListener{ln, trusted}
}

type proxyListener struct {
	net.Listener
	trusted []netip.Prefix
}

// believes says whether the address may tell where others come from.
func (l *proxyListener) believes(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := t.AddrPort().Addr().Unmap()
	for _, p := range l.trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// introduced takes the PROXY header off a connection. Until then it has a place at the door among all, and not among those of its address, which
// is the load balancer's. False: the connection is closed.
func (s *Server) introduced(w *wire, l *proxyListener) bool {
	if !l.believes(w.Conn.RemoteAddr()) {
		s.turnAway(w, "the address is not one of listen.proxy_from")
		return false
	}
	slot, ok := s.door.enterAs(w, "")
	if !ok {
		s.turnAway(w, reasonTooManyOpen)
		return false
	}
	_ = w.SetDeadline(slot.until)
	from, err := readProxyHeader(w.Conn)
	slot.leave()
	if err != nil {
		s.turnAway(w, "PROXY header: "+err.Error())
		return false
	}
	if from.IsValid() {
		w.from = net.TCPAddrFromAddrPort(from)
	}
	return true
}

func (s *Server) turnAway(w *wire, reason string) {
	s.stats.refused.Add(1)
	s.tell(slog.LevelWarn, w.RemoteAddr().String(), "connection refused", "reason", reason)
	_ = w.Close()
}

const (
	proxyV1    = "PROXY "
	proxyV1Max = 107 // the longest line, CR LF included
	proxyV2    = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Max = 4 << 10 // of addresses and extensions: more than anybody sends

	proxyCRC = 0x03 // the extension with a checksum of the whole header
)

var errProxy = errors.New("malformed")

// readProxyHeader reads a header and not a byte more. The address is not valid when the load balancer speaks for itself (LOCAL, UNKNOWN).
func readProxyHeader(r io.Reader) (from netip.AddrPort, err error) {
	head := make([]byte, len(proxyV2), proxyV1Max)
	if _, err := io.ReadFull(r, head); err != nil {
		return from, err
	}
	switch {
	case string(head) == proxyV2:
		return readProxyV2(r)
	case bytes.HasPrefix(head, []byte(proxyV1)):
		return readProxyV1(r, head)
	}
	return from, errors.New("there is none")
}

func readProxyV1(r io.Reader, line []byte) (from netip.AddrPort, err error) {
	for !bytes.HasSuffix(line, []byte("\n")) {
		if len(line) == proxyV1Max {
			return from, errProxy
		}
		n := len(line)
		line = line[:n+1]
		if _, err := io.ReadFull(r, line[n:]); err != nil {
			return from, err
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	if !ok {
		return from, errProxy
	}
	f := strings.Split(text, " ") // PROXY TCP4 source destination source-port destination-port
	switch {
	case f[1] == "UNKNOWN":
		return from, nil
	case len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6":
		return from, errProxy
	}
	from, err1 := proxyAddress(f[2], f[4], f[1] == "TCP4")
	_, err2 := proxyAddress(f[3], f[5], f[1] == "TCP4")
	return from, errors.Join(err1, err2)
}

func proxyAddress(host, port string, v4 bool) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Is4() != v4 || ip.Zone() != "" {
		return netip.AddrPort{}, errProxy
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return netip.AddrPort{}, errProxy
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

func readProxyV2(r io.Reader) (from netip.AddrPort, err error) {
	const fixed = len(proxyV2) + 4
	head := append(make([]byte, 0, 256), proxyV2...)
	if _, err := io.ReadFull(r, head[len(proxyV2):fixed]); err != nil {
		return from, err
	}
	head = head[:fixed]
	command, family, size := head[12], head[13], int(binary.BigEndian.Uint16(head[14:]))
	if size > proxyV2Max {
		return from, fmt.Errorf("%d bytes are too many", size)
	}
	head = append(head, make([]byte, size)...)
	body := head[fixed:]
	if _, err := io.ReadFull(r, body); err != nil {
		return from, err
	}
	addresses := 0
	switch {
	case command == 0x20: // LOCAL: a health check of the load balancer's own
		return from, nil
	case command != 0x21:
		return from, errProxy
	case family == 0x11 && size >= 12:
		addresses = 12
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body)), binary.BigEndian.Uint16(body[8:]))
	case family == 0x21 && size >= 36:
		addresses = 36
		from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(body)).Unmap(), binary.BigEndian.Uint16(body[32:]))
	default:
		return from, errProxy
	}
	return from, checkProxyExtensions(head, fixed+addresses)
}

// checkProxyExtensions walks the type-length-values behind the addresses, which begin at off. Only the checksum means something here.
func checkProxyExtensions(head []byte, off int) error {
	for off < len(head) {
		rest := head[off:]
		if len(rest) < 3 || len(rest) < 3+int(binary.BigEndian.Uint16(rest[1:])) {
			return errProxy
		}
		value := rest[3 : 3+int(binary.BigEndian.Uint16(rest[1:]))]
		off += 3 + len(value)
		if rest[0] != proxyCRC {
			continue
		}
		if len(value) != 4 {
			return errProxy
		}
		want := binary.BigEndian.Uint32(value)
		clear(value) // the sum is over the header with zeros in its place
		if crc32.Checksum(head, castagnoli) != want {
			return errors.New("wrong checksum")
		}
		binary.BigEndian.PutUint32(value, want)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
