package broker

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// WebSocket serves MQTT over WebSocket, MQTT 3.1.1 §6. It is mounted at one path, usually /mqtt.
//
// Frames must be binary [MQTT-6.0.0-1]; a packet may begin in one and end in another [MQTT-6.0.0-2]. The subprotocol is "mqtt"
// [MQTT-6.0.0-3] [MQTT-6.0.0-4], "mqttv3.1" for clients of MQTT 3.1, or none: Xively's Python client asks for none. Compression is not
// offered. Any origin may connect: a client signs in by its own CONNECT and never by the page's cookie. The connection must come from
// ServeShared or from a listener that Listener prepared.
func (s *Server) WebSocket() http.Handler {
	up := websocket.Upgrader{
		HandshakeTimeout: s.cfg.ConnectTimeout,
		ReadBufferSize:   2 << 10,
		WriteBufferSize:  16 << 10,
		WriteBufferPool:  &sync.Pool{},
		Subprotocols:     []string{"mqtt", "mqttv3.1", "mqttv3.1.1"},
		CheckOrigin:      func(*http.Request) bool { return true },
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			http.Error(w, reason.Error(), status)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		offered := websocket.Subprotocols(r)
		if len(offered) > 0 && !slices.ContainsFunc(offered, func(p string) bool { return slices.Contains(up.Subprotocols, p) }) {
			http.Error(w, "subprotocol must be mqtt [MQTT-6.0.0-3]", http.StatusBadRequest)
			return
		}
		if !s.begin() {
			http.Error(w, "server is stopping", http.StatusServiceUnavailable)
			return
		}
		defer s.tasks.Done()
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return // Upgrade has answered
		}
		bottom := wireOf(ws.NetConn())
		if bottom == nil {
			s.log.Error("WebSocket refused: its listener was not prepared by broker.Listener", "remote", r.RemoteAddr)
			_ = ws.Close()
			return
		}
		transport := "ws"
		if _, ok := tlsOf(ws.NetConn()); ok {
			transport = "wss"
		}
		s.serve(s.newWebSocket(ws, bottom), bottom, transport, nil)
	})
}

func (s *Server) newWebSocket(ws *websocket.Conn, bottom *wire) *webSocket {
	// A message may hold many packets, and its bytes are read as they come; the limit is there to refuse nonsense early.
	ws.SetReadLimit(int64(max(1<<20, 4*s.cfg.MaxPacketBytes)))
	ws.SetPingHandler(func(data string) error {
		if bottom.behind() {
			return nil // one Pong may answer for many Pings, RFC 6455 §5.5.3: a client that reads none does not fill our memory
		}
		err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	return &webSocket{ws: ws}
}

// webSocket is the byte stream inside the binary frames of a WebSocket. One goroutine reads, one writes.
type webSocket struct {
	ws    *websocket.Conn
	frame io.Reader // the message being read, nil between two
}

var errText = errors.New("text frame: MQTT uses binary frames [MQTT-6.0.0-1]")

func (w *webSocket) Read(p []byte) (int, error) {
	for {
		if w.frame == nil {
			kind, r, err := w.ws.NextReader()
			if err != nil {
				return 0, w.ended(err)
			}
			if kind != websocket.BinaryMessage {
				w.sayClose(websocket.CloseUnsupportedData)
				return 0, errText
			}
			w.frame = r
		}
		n, err := w.frame.Read(p)
		if errors.Is(err, io.EOF) {
			w.frame, err = nil, nil
		}
		if err != nil {
			return n, w.ended(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}

// ended makes an orderly or sudden end look like a socket's, and tells the client of a message that is too large.
func (w *webSocket) ended(err error) error {
	if errors.Is(err, websocket.ErrReadLimit) {
		w.sayClose(websocket.CloseMessageTooBig)
		return err
	}
	var ce *websocket.CloseError
	if errors.As(err, &ce) && (ce.Code == websocket.CloseAbnormalClosure || ce.Code == websocket.CloseNormalClosure || ce.Code == websocket.CloseGoingAway || ce.Code == websocket.CloseNoStatusReceived) {
		return io.EOF
	}
	return err
}

func (w *webSocket) Write(p []byte) (int, error) {
	if err := w.ws.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *webSocket) sayClose(code int) {
	_ = w.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Now().Add(time.Second))
}

func (w *webSocket) Close() error {
	w.sayClose(websocket.CloseNormalClosure)
	return w.ws.Close()
}
