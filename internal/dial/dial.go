// Package dial opens byte streams to MQTT brokers: over TCP, TLS and WebSocket.
package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	"github.com/gorilla/websocket"
)

// Func opens a byte stream to a broker.
type Func func(ctx context.Context) (io.ReadWriteCloser, error)

// URL returns a Func for an mqtt, mqtts, ws or wss address, such as mqtts://iot.example.com:8883. trust is for mqtts and wss
// (nil: the machine's authorities); the certificate's name must be the address's. A WebSocket reads and writes in pieces of
// buffer bytes.
func URL(address string, trust *tls.Config, buffer int) (Func, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no URL such as mqtts://iot.example.com:8883", address)
	}
	trust = trust.Clone()
	if trust == nil {
		trust = new(tls.Config)
	}
	trust.ServerName = u.Hostname()
	switch u.Scheme {
	case "mqtt", "tcp":
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", u.Host)
		}, nil
	case "mqtts", "ssl":
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			return (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", u.Host)
		}, nil
	case "ws", "wss":
		if u.Path == "" {
			u.Path = "/mqtt"
		}
		d := websocket.Dialer{TLSClientConfig: trust, Subprotocols: []string{"mqtt"}, ReadBufferSize: buffer, WriteBufferSize: buffer, WriteBufferPool: &sync.Pool{}}
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			ws, resp, err := d.DialContext(ctx, u.String(), nil)
			if resp != nil && resp.Body != nil {
				resp.Body.Close()
			}
			if err != nil {
				return nil, err
			}
			return &frames{Conn: ws}, nil
		}, nil
	}
	return nil, fmt.Errorf("scheme %q is not mqtt, mqtts, ws or wss", u.Scheme)
}

// frames is a byte stream in binary WebSocket messages.
type frames struct {
	*websocket.Conn
	r io.Reader
}

func (f *frames) Read(p []byte) (int, error) {
	for {
		if f.r == nil {
			_, r, err := f.NextReader()
			if err != nil {
				return 0, err
			}
			f.r = r
		}
		n, err := f.r.Read(p)
		if errors.Is(err, io.EOF) {
			f.r, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (f *frames) Write(p []byte) (int, error) {
	return len(p), f.WriteMessage(websocket.BinaryMessage, p)
}
