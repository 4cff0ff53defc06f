package simulate

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

// DialURL returns a Dialer for mqtt, mqtts, ws and wss addresses, such as mqtts://iot.example.com:8883.
func DialURL(address string, trust *tls.Config) (Dialer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no URL such as mqtts://iot.example.com:8883", address)
	}
	trust = trust.Clone()
	trust.ServerName = u.Hostname()
	switch u.Scheme {
	case "mqtt", "tcp":
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", u.Host)
		}, nil
	case "mqtts", "ssl":
		trust.ClientSessionCache = tls.NewLRUClientSessionCache(64)
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			return (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", u.Host)
		}, nil
	case "ws", "wss":
		if u.Path == "" {
			u.Path = "/mqtt"
		}
		d := websocket.Dialer{TLSClientConfig: trust, Subprotocols: []string{"mqtt"}, ReadBufferSize: readBuffer, WriteBufferSize: readBuffer, WriteBufferPool: &sync.Pool{}}
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
