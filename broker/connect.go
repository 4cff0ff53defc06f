package broker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"xively/broker/packet"
	"xively/internal/auth"
	"xively/internal/fault"
)

// Protocol levels, MQTT 3.1.1 §3.1.2.2 and MQTT 3.1 §3.1.
const (
	level31  = 3
	level311 = 4
)

// CONNACK return codes, MQTT 3.1.1 §3.2.2.3.
const (
	connAccepted      = 0
	connBadProtocol   = 1
	connBadIdentifier = 2
	connUnavailable   = 3
	connBadLogin      = 4
	connNotAuthorized = 5
)

// refusal is a CONNECT turned down: the code for the client and the reason for the log.
type refusal struct {
	code   byte // 0: the connection is closed without an answer
	reason string
}

func (r *refusal) Error() string { return r.reason }

// serve takes a connection whose first bytes may have been read already (early) through CONNECT and on to its read loop. It returns
// when the connection is accepted or gone. Called on a goroutine of the connection's own.
func (s *Server) serve(stream io.ReadWriteCloser, w *wire, transport string, early []byte) {
	slot, ok := s.door.enter(w)
	if !ok {
		s.turnAway(w, reasonTooManyOpen)
		_ = stream.Close()
		return
	}
	defer slot.leave()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic", "while", "connecting", "panic", p, "stack", string(debug.Stack()))
			_ = stream.Close()
		}
	}()
	_ = w.SetDeadline(slot.until)
	info := ConnInfo{Remote: w.RemoteAddr().String(), Transport: transport, At: time.Now()}
	if t, ok := tlsOf(stream); ok {
		info.TLSVersion = tls.VersionName(t.Version)
	}
	in, size, err := s.readConnect(stream, early)
	if err == nil {
		var p packet.Connect
		if err = p.Decode(in[:size]); err == nil {
			err = s.connect(stream, w, info, &p, in[size:])
		}
	}
	putBuf(in)
	if err != nil {
		s.refuse(stream, info, err)
	}
}

// readConnect reads until a whole CONNECT is there. Nothing else may come first [MQTT-3.1.0-1].
func (s *Server) readConnect(r io.Reader, early []byte) (in []byte, size int, err error) {
	in = append(getBuf(max(smallBuf, len(early))), early...)
	for {
		if len(in) > 0 && packet.TypeOf(in[0]) != packet.CONNECT {
			return in, 0, &packet.MalformedError{Type: packet.TypeOf(in[0]), Rule: "MQTT-3.1.0-1", Reason: "the first packet is not CONNECT"}
		}
		size, _, err = packet.Frame(in, s.cfg.MaxConnectBytes)
		if err != nil || (size > 0 && size <= len(in)) {
			return in, size, err
		}
		if len(in) == cap(in) {
			in = growBuf(in, cap(in))
		}
		n, err := r.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		if err != nil && n == 0 {
			return in, 0, err
		}
	}
}

// connect judges a decoded CONNECT and starts the connection. p and rest point into a buffer of the caller's.
func (s *Server) connect(stream io.ReadWriteCloser, w *wire, info ConnInfo, p *packet.Connect, rest []byte) error {
	info.ClientID, info.CleanSession = string(p.ClientID), p.CleanSession
	info.KeepAlive = time.Duration(p.KeepAlive) * time.Second
	switch {
	case p.Level == level311 && string(p.ProtocolName) == "MQTT":
		info.Protocol = "MQTT 3.1.1"
	case p.Level == level31 && string(p.ProtocolName) == "MQIsdp":
		info.Protocol = "MQTT 3.1"
	default:
		return s.turnedDown(info, &refusal{connBadProtocol, fmt.Sprintf("protocol level %d is not supported [MQTT-3.1.2-2]", p.Level)})
	}
	if err := s.checkClientID(p); err != nil {
		return s.turnedDown(info, err)
	}
	user := ""
	if p.HasUsername {
		user = string(p.Username)
	}
	var password []byte
	if p.HasPassword {
		password = append([]byte{}, p.Password...)
	}
	ctx, cancel := context.WithTimeout(s.stopped, s.cfg.ConnectTimeout)
	defer cancel()
	login := func() (auth.Principal, error) {
		return s.authn.Authenticate(ctx, info.ClientID, user, password, peerOf(stream), w.RemoteAddr())
	}
	epoch := s.authz.Epoch()
	who, err := login()
	info.Principal = who
	if err != nil {
		return s.turnedDown(info, loginRefusal(err))
	}
	c := &conn{
		srv: s, wire: w, stream: stream, info: info, who: who, level: p.Level, done: make(chan struct{}),
		pub:     newPublisher(s, who),
		silence: s.silence(info.KeepAlive),
	}
	if c.will, err = s.newWill(who, p); err != nil {
		return s.turnedDown(info, &refusal{connNotAuthorized, err.Error()})
	}
	if !s.register(c) {
		return &refusal{connUnavailable, reasonShutdown}
	}
	// From here on Disconnect finds the connection. A credential revoked before that, and after it was judged, is judged again.
	if s.authz.Epoch() != epoch {
		if again, err := login(); err != nil || again != who {
			s.unregister(c)
			return s.turnedDown(info, &refusal{connNotAuthorized, "the credential was revoked while connecting"})
		}
	}
	if err := s.mayOpen(sessionKey{who.Kind, who.ID, info.ClientID}, c.pub.sp, p.CleanSession); err != nil {
		s.unregister(c)
		return s.turnedDown(info, err)
	}
	return s.accept(c, p.CleanSession, rest)
}

// checkClientID applies [MQTT-3.1.3-8] and the server's own limit.
func (s *Server) checkClientID(p *packet.Connect) error {
	switch {
	case len(p.ClientID) == 0 && !p.CleanSession:
		return &refusal{connBadIdentifier, "an empty client id needs clean session [MQTT-3.1.3-8]"}
	case len(p.ClientID) > s.cfg.MaxClientIDBytes:
		return &refusal{connBadIdentifier, fmt.Sprintf("client id is longer than %d bytes (broker.max_client_id_bytes)", s.cfg.MaxClientIDBytes)}
	}
	return nil
}

// loginRefusal is the one place where an Authenticator's error becomes a return code. The reason goes to the account's log only: it
// says what is really wrong where the error has a cause.
func loginRefusal(err error) error {
	code, reason := byte(connUnavailable), err.Error()
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.Invalid, fault.NotFound:
		code = connBadLogin
		var f *fault.Error
		if errors.As(err, &f) && f.Cause != nil {
			reason = f.Cause.Error()
		}
	case fault.Forbidden:
		code = connNotAuthorized
	}
	return &refusal{code, reason}
}

// accept gives the connection its session, answers CONNACK and starts the read loop.
func (s *Server) accept(c *conn, clean bool, rest []byte) error {
	started := false
	defer func() {
		if !started {
			c.abandon(reasonUnexpected)
		}
	}()
	present, lsn := s.openSession(c, clean)
	if err := s.jnl.Wait(s.stopped, lsn); err != nil {
		c.close(reasonStorage)
		return nil
	}
	_ = c.wire.SetDeadline(time.Time{})
	c.wire.goAsync()
	c.lastRead.Store(s.clock.now())
	s.stats.accepted.Add(1)
	s.events.Connected(c.info)
	c.outMu.Lock()
	c.flushing = false
	c.outMu.Unlock()
	if present {
		if err := s.store.pageIn(c.sess); err != nil {
			s.log.Error("session cannot be resumed", "client_id", c.info.ClientID, "err", err)
			c.close(reasonStorage)
			return nil
		}
		s.recheckSession(c.sess)
		c.sess.resend(c)
		c.sess.takeOver()
	} else {
		c.flush()
	}
	if len(rest) > 0 {
		c.in = append(getBuf(max(middleBuf, len(rest))), rest...)
	}
	s.watch(s.clock.now()+c.silence+1, c)
	// A fresh goroutine has a small stack; this one has grown in the handshake.
	started = true
	go c.readLoop()
	return nil
}

// admit ties c to its session, so that others find it there. CONNACK is the first packet they can add to [MQTT-3.2.0-1], and all wait
// until accept sends it. MQTT 3.1 has no Session Present flag; its place is reserved and 0.
func (c *conn) admit(sess *Session, present bool) {
	c.sess, c.ready = sess, !present
	c.outMu.Lock()
	c.out = packet.AppendConnack(getBuf(smallBuf), present && c.level == level311, connAccepted) // [MQTT-3.2.2-1] [MQTT-3.2.2-2]
	c.flushing = true
	c.outMu.Unlock()
	sess.conn.Store(c)
}

// abandon ends a connection whose read loop never started.
func (c *conn) abandon(reason string) {
	c.close(reason)
	c.will = nil
	c.finish()
}

// openSession finds or makes the session and ties c to it. Whoever holds it now is closed first and has ended before this returns
// [MQTT-3.1.4-2]. lsn must be on disk before CONNACK.
func (s *Server) openSession(c *conn, clean bool) (present bool, lsn uint64) {
	key := sessionKey{c.who.Kind, c.who.ID, c.info.ClientID}
	if key.clientID == "" {
		key.clientID = "auto-" + randomText() // unique, as [MQTT-3.1.3-6] asks
	}
	sp := c.pub.sp
	for {
		if clean {
			sp.bequeath(key)
		}
		b := s.jnl.Begin()
		sp.mu.Lock()
		old := sp.sessions[key]
		if old != nil {
			if holder := old.conn.Load(); holder != nil {
				sp.mu.Unlock()
				b.End()
				holder.close(reasonTakeover)
				<-holder.done
				continue
			}
			if !clean && old.persistent() { // [MQTT-3.1.2-4]
				// CONNACK waits for this: who is sent something is known to be there, should the server be killed. What the last
				// connection was not told, because it was not on disk yet, this one is told at once.
				s.store.addAttach(b, old.id)
				lsn = b.Append()
				c.admit(old, true)
				old.touch()
				sp.mu.Unlock()
				b.End()
				return true, lsn
			}
			sp.removeLocked(old)
		}
		sess := &Session{srv: s, sp: sp, key: key, who: c.who}
		sess.who.SessionID = ""
		if old != nil && old.persistent() {
			s.store.addEnd(b, old.id)
		}
		if !clean {
			s.store.addOpen(b, sess)
		}
		lsn = b.Append()
		if !clean {
			sess.id = lsn
		}
		c.admit(sess, false)
		sp.putLocked(sess)
		sp.mu.Unlock()
		if old != nil {
			old.end() // [MQTT-3.1.2-6]
		}
		if !clean {
			sess.mu.Lock()
			sess.touchLocked()
			sess.mu.Unlock()
		}
		b.End()
		return false, lsn
	}
}

// turnedDown tells the account's log; the returned error goes to the client.
func (s *Server) turnedDown(info ConnInfo, err error) error {
	s.events.Refused(info, "connect", "", err.Error())
	return err
}

// refuse answers a failed CONNECT as the standard allows and closes [MQTT-3.2.2-5].
func (s *Server) refuse(stream io.WriteCloser, info ConnInfo, err error) {
	s.stats.refused.Add(1)
	var r *refusal
	switch {
	case errors.As(err, &r) && r.code != connAccepted:
		_, _ = stream.Write(packet.AppendConnack(nil, false, r.code)) // [MQTT-3.2.2-4]
		s.tell(slog.LevelInfo, info.Remote, "connection refused", "client_id", info.ClientID, "return_code", r.code, "reason", r.reason)
	case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed):
		s.log.Debug("connection ended before CONNECT", "remote", info.Remote)
	case isTimeout(err):
		s.tell(slog.LevelInfo, info.Remote, "connection refused", "reason", reasonNoConnect)
	default:
		s.tell(slog.LevelWarn, info.Remote, "connection refused", "client_id", info.ClientID, "err", err)
	}
	_ = stream.Close()
}

// silence returns how many seconds a client may be silent: one and a half times its keep alive [MQTT-3.1.2-24], at most
// broker.max_keep_alive, which also holds for clients that turned keep alive off.
func (s *Server) silence(keepAlive time.Duration) int64 {
	limit := s.cfg.MaxKeepAlive
	if keepAlive > 0 {
		limit = min(limit, keepAlive+keepAlive/2)
	}
	return int64((limit + time.Second - 1) / time.Second)
}

// tlsOf returns the TLS state under a stream.
func tlsOf(stream any) (tls.ConnectionState, bool) {
	switch t := stream.(type) {
	case *tls.Conn:
		return t.ConnectionState(), true
	case *sniffedConn:
		return tlsOf(t.Conn)
	case *webSocket:
		return tlsOf(t.ws.NetConn())
	}
	return tls.ConnectionState{}, false
}

// peerOf returns the certificate that the client showed, nil for none.
func peerOf(stream any) *x509.Certificate {
	if t, ok := tlsOf(stream); ok && len(t.PeerCertificates) > 0 {
		return t.PeerCertificates[0]
	}
	return nil
}

func randomText() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return hex.EncodeToString(b[:])
}
