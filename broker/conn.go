package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"xively/broker/packet"
	"xively/internal/auth"
)

// conn is one Network Connection after its CONNECT was accepted. It dies with its socket; the Session may outlive it.
//
// One goroutine reads (readLoop). Whoever has something for the client appends to out and flushes at the end of its own batch; a
// writer goroutine exists only while the client takes bytes more slowly than they come.
type conn struct {
	// Fixed once the connection is accepted.
	srv     *Server
	wire    *wire
	stream  io.ReadWriteCloser // the wire, or TLS or WebSocket over it; Write never waits
	info    ConnInfo
	who     auth.Principal
	sess    *Session
	level   byte          // protocol level: 4 is MQTT 3.1.1, 3 is MQTT 3.1
	silence int64         // seconds without a packet after which the connection is closed
	done    chan struct{} // closed when the connection has ended and its will is published

	// Owned by the read loop.
	pub      *publisher
	in       []byte // bytes received and not yet handled; nil while there are none
	burst    bool   // the last read filled its buffer: use a large one
	will     *will  // nil: none, or taken back by DISCONNECT
	polite   bool   // DISCONNECT was received
	acked    []uint64
	grown    bool   // the stack has, for a SUBSCRIBE
	refill   bool   // acknowledgements of this batch made room in the window
	toldFull bool   // the log knows that the store was full
	lastWait uint64 // the newest LSN a reply of this batch waits for
	batch    uint64 // PUBLISH packets of this batch

	lastRead     atomic.Int64 // coarse second
	partialSince atomic.Int64 // coarse second at which the incomplete packet began, 0: none
	partialFiled atomic.Bool
	drops        atomic.Uint64 // QoS 0 messages this client was too slow for
	refusals     atomic.Uint64
	gotMessages  atomic.Uint64 // added to once a batch
	gotBytes     atomic.Uint64
	unsure       atomic.Bool // in Server.unsure
	closedBooks  bool        // its traffic is in space.past; guarded by space.trafficMu
	starved      atomic.Bool // the store was too full for a message of this connection, which was not acknowledged
	ending       atomic.Bool

	ready bool // messages may be sent; guarded by Session.mu
	again bool // but first those in flight that are due; likewise

	reasonMu sync.Mutex
	reason   string // why it ends; the first one stands

	outMu    sync.Mutex
	out      []byte      // encoded packets not yet given to the stream; nil while there are none
	replies  fifo[reply] // acknowledgements in order, waiting for the disk
	waiting  bool        // Durable will be called
	dirty    bool        // in some publisher's list of connections to flush
	flushing bool        // somebody writes, or CONNACK may not leave yet; others only append
	shedding bool        // full for so long that publishers no longer wait for it
	told     bool        // the log knows that messages are dropped since it last caught up
	dead     bool        // nothing is appended any more
	hungry   bool        // the session stopped sending for want of room: resume it when out is empty
	slow     bool        // drain is at work: how much waits is counted
	owed     int         // counted in Server.owed
	held     bool        // in Server.held
	room     chan struct{}

	sentMessages, sentBytes uint64
}

// reply is an acknowledgement that follows the commit of lsn.
type reply struct {
	lsn   uint64
	bytes []byte // a whole packet; nil for the four-byte kind made of typ and id
	id    uint16
	typ   packet.Type
}

// errFresh has the read loop go on in a new goroutine: to wait for years in a stack that has grown, for a SUBSCRIBE, would cost every idle connection
// 2 KiB more than the wait needs, and the runtime cannot take that back.
var errFresh = errors.New("go on with a fresh stack")

// fresh says, once after each SUBSCRIBE, that it is time for errFresh.
func (c *conn) fresh() bool {
	grown := c.grown && len(c.in) == 0
	if grown {
		c.grown = false
	}
	return grown
}

// readLoop handles packets until the connection ends, then ends it. It is started by accept and is the only reader.
func (c *conn) readLoop() {
	again := false
	defer func() {
		if !again {
			c.finish()
		}
	}()
	defer c.caught("handling packets")
	if len(c.in) > 0 && !c.process() { // bytes that came along with CONNECT
		return
	}
	var err error
	switch _, overTLS := c.stream.(*tls.Conn); {
	case c.wire.raw == nil:
		err = c.readStream()
	case overTLS:
		err = c.readTLS()
	case c.stream == io.ReadWriteCloser(c.wire):
		err = c.readSocket()
	default:
		err = c.readStream()
	}
	switch {
	case err == nil || c.ending.Load():
	case err == errFresh:
		again = true
		go c.readLoop()
	case errors.Is(err, io.EOF):
		c.close(reasonClosed)
	default:
		c.close("read: " + err.Error())
	}
}

// readSocket reads a plain TCP connection, all of it inside one RawConn.Read: without a buffer while the socket is silent, and without asking a
// socket for more that has just given less than there was room for. The poller tells of what comes after that, for between the read and the wait
// nothing takes its word away. Only an end of the connection that came together with the last bytes goes by unnoticed; listenAgain looks for it.
//
// A socket's Close waits for Read to return. So wire.Close hangs up only, and finish closes.
func (c *conn) readSocket() error {
	var end error
	failed := c.wire.raw.Read(func(fd uintptr) bool {
		for {
			c.ensureRoom()
			n, again, err := rawRead(fd, c.in[len(c.in):cap(c.in)])
			switch {
			case again:
				return c.rest(&end)
			case err != nil:
				end = err
				return true
			case n == 0:
				end = io.EOF
				return true
			}
			c.burst = n == cap(c.in)-len(c.in)
			c.in = c.in[:len(c.in)+n]
			if !c.process() {
				return true
			}
			if !c.burst {
				c.srv.unsure.add(c)
				return c.rest(&end)
			}
		}
	})
	return cmp.Or(end, notWoken(failed))
}

// notWoken takes wake's deadline for the end that it stands for.
func notWoken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return io.EOF
	}
	return err
}

// readTLS is readSocket for TLS over the socket: what that gives is fed to the decoder, which says errDry when it needs more.
func (c *conn) readTLS() error {
	c.wire.fed = true
	var end error
	fed := false
	failed := c.wire.raw.Read(func(fd uintptr) bool {
		for {
			if !fed { // the handshake may have read ahead
				fed, c.burst = true, true
				if end = c.decrypt(); end != nil {
					return true
				}
			}
			size := middleBuf
			if c.burst {
				size = largeBuf
			}
			raw := getBuf(size)
			n, again, err := rawRead(fd, raw[:cap(raw)])
			switch {
			case again:
				putBuf(raw)
				return c.rest(&end)
			case err != nil:
				end = err
				return true
			case n == 0:
				end = io.EOF
				return true
			}
			c.burst = n == cap(raw)
			c.wire.early = raw[:n]
			end = c.decrypt()
			putBuf(raw)
			if end != nil {
				return true
			}
			if !c.burst {
				c.srv.unsure.add(c)
				return c.rest(&end)
			}
		}
	})
	if errors.Is(end, errStop) {
		return nil
	}
	return cmp.Or(end, notWoken(failed))
}

// errStop ends reading without being an error.
var errStop = errors.New("stop")

// decrypt takes what the decoder can make of the bytes it has, and handles it.
func (c *conn) decrypt() (end error) {
	for end == nil {
		c.ensureRoom()
		var n int
		n, end = c.stream.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
	}
	if len(c.in) > 0 && !c.process() {
		return errStop
	}
	if end == errDry {
		return nil
	}
	return end
}

// rest is the end of a turn of reading: the answer to RawConn.Read, whether it is over.
func (c *conn) rest(end *error) bool {
	c.releaseIdle()
	if c.fresh() {
		*end = errFresh
		return true
	}
	return false
}

// unsure are the connections that went to sleep without having found their socket empty.
type unsure struct {
	mu    sync.Mutex
	conns []*conn
}

func (u *unsure) add(c *conn) {
	if c.unsure.Load() {
		return
	}
	c.unsure.Store(true)
	u.mu.Lock()
	u.conns = append(u.conns, c)
	u.mu.Unlock()
}

// listenAgain wakes the connections among them whose clients have closed their side, on the tick goroutine.
func (u *unsure) listenAgain() {
	u.mu.Lock()
	conns := u.conns
	u.conns = make([]*conn, 0, len(conns)/2)
	u.mu.Unlock()
	for _, c := range conns {
		c.unsure.Store(false) // before the look: what comes after it is filed again
		if c.wire.peerClosed() {
			c.wire.wake()
		}
	}
}

// readStream reads anything else. An empty connection waits with a buffer of one byte, for every packet has two at least; so a silent
// one holds nothing.
func (c *conn) readStream() error {
	var first [1]byte
	for {
		if len(c.in) == 0 {
			c.releaseIdle()
			if _, err := io.ReadFull(c.stream, first[:]); err != nil {
				return err
			}
			c.ensureRoom()
			c.in = append(c.in, first[0])
		}
		c.ensureRoom()
		n, err := c.stream.Read(c.in[len(c.in):cap(c.in)])
		c.burst = n == cap(c.in)-len(c.in)
		c.in = c.in[:len(c.in)+n]
		if n > 0 && !c.process() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ensureRoom makes c.in able to take more bytes.
func (c *conn) ensureRoom() {
	switch {
	case c.in == nil && c.burst:
		c.in = getBuf(largeBuf)
	case c.in == nil:
		c.in = getBuf(middleBuf)
	case len(c.in) == cap(c.in):
		c.in = growBuf(c.in, cap(c.in))
	}
}

// releaseIdle gives the read buffer back when nothing incomplete is in it.
func (c *conn) releaseIdle() {
	if len(c.in) == 0 && c.in != nil {
		putBuf(c.in)
		c.in = nil
	}
}

// process handles every whole packet in c.in, then sends what the batch caused. It reports whether to go on reading.
func (c *conn) process() bool {
	c.lastRead.Store(c.srv.clock.now())
	c.srv.stats.bytesIn.Add(uint64(len(c.in)))
	buf, ok, watched := c.in, true, c.watched()
	for ok && len(buf) > 0 {
		size, err := c.frame(buf)
		if err != nil {
			ok = c.violation(err)
			break
		}
		if size == 0 || size > len(buf) {
			break
		}
		if watched != nil {
			c.record(watched, true, buf[:size])
		}
		ok = c.handle(buf[:size]) && !c.ending.Load()
		if watched != nil && ok {
			c.trace(watched, buf[:size])
		}
		buf = buf[size:]
	}
	c.gotBytes.Add(uint64(len(c.in)))
	if c.batch > 0 {
		c.gotMessages.Add(c.batch)
		c.pub.sp.received.Add(c.batch)
		c.batch = 0
	}
	c.endBatch()
	if !ok {
		return false
	}
	if len(buf) < len(c.in) { // the packet that is incomplete now is another one than before
		c.partialSince.Store(0)
	}
	n := copy(c.in, buf)
	c.in = c.in[:n]
	if n > 0 {
		c.markPartial()
	}
	return true
}

func (c *conn) frame(buf []byte) (size int, err error) {
	if c.level == level31 {
		size, _, err = packet.Frame31(buf, c.srv.cfg.MaxPacketBytes)
	} else {
		size, _, err = packet.Frame(buf, c.srv.cfg.MaxPacketBytes)
	}
	return size, err
}

// handle acts on one packet. It returns false when the connection must not read on.
func (c *conn) handle(b []byte) bool {
	switch packet.TypeOf(b[0]) {
	case packet.PUBLISH:
		return c.handlePublish(b)
	case packet.PUBACK, packet.PUBREC, packet.PUBREL, packet.PUBCOMP:
		return c.handleAck(b)
	case packet.SUBSCRIBE:
		return c.handleSubscribe(b)
	case packet.UNSUBSCRIBE:
		return c.handleUnsubscribe(b)
	case packet.PINGREQ:
		if err := packet.DecodeEmpty(b); err != nil {
			return c.violation(err)
		}
		c.append(packet.AppendPingresp(nil)) // [MQTT-3.12.4-1]
		return true
	case packet.DISCONNECT:
		if err := packet.DecodeEmpty(b); err != nil {
			return c.violation(err)
		}
		c.will, c.polite = nil, true // [MQTT-3.1.2-10] [MQTT-3.14.4-3]
		c.close(reasonDisconnect)
		return false
	case packet.CONNECT:
		return c.violation(&packet.MalformedError{Type: packet.CONNECT, Rule: "MQTT-3.1.0-2", Reason: "second CONNECT on one connection"})
	}
	return c.violation(&packet.MalformedError{Type: packet.TypeOf(b[0]), Rule: "MQTT 3.1.1 §2.2.1", Reason: "a client does not send this packet"})
}

// violation ends the connection because the client broke the rule that err names [MQTT-4.8.0-1].
func (c *conn) violation(err error) bool {
	if errors.Is(err, packet.ErrTooLarge) {
		err = fmt.Errorf("packet is larger than %d bytes (broker.max_packet_bytes)", c.srv.cfg.MaxPacketBytes)
	}
	c.srv.stats.violations.Add(1)
	c.srv.tell(slog.LevelWarn, c.info.Remote, "protocol violation", "client_id", c.info.ClientID, "err", err)
	c.close(err.Error())
	return false
}

// endBatch journals the batch's acknowledgements, arms the wait of its replies and writes to everybody whom the batch touched.
func (c *conn) endBatch() {
	c.journalAcked()
	if c.lastWait > 0 {
		c.outMu.Lock()
		arm := !c.waiting && !c.dead
		c.waiting = c.waiting || arm
		c.outMu.Unlock()
		if arm {
			c.srv.jnl.Notify(c.lastWait, c)
		}
		c.lastWait = 0
	}
	c.pub.flush()
	c.holdBack()
}

// holdBack stops reading from a client that does not take its answers. What is delivered to it keeps to the buffer's bound anyway;
// only its own packets can make more.
func (c *conn) holdBack() {
	for {
		c.outMu.Lock()
		if c.dead || !c.flushing || len(c.out) <= c.srv.cfg.OutgoingBytes {
			c.outMu.Unlock()
			return
		}
		room := c.roomLocked()
		c.outMu.Unlock()
		<-room // the writer takes all there is, or the connection ends
	}
}

// append gives a whole packet to the client, flushed with the batch. Only the read loop calls it.
func (c *conn) append(b []byte) {
	c.outMu.Lock()
	if !c.dead {
		c.out = append(growBuf(c.out, len(b)), b...)
		c.pub.touchLocked(c)
	}
	c.outMu.Unlock()
}

// reply acknowledges in order, once lsn is on disk; lsn 0 has nothing to wait for. Only the read loop calls it.
func (c *conn) reply(t packet.Type, id uint16, lsn uint64) {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	if c.dead {
		return
	}
	if c.replies.len() == 0 && (lsn == 0 || lsn <= c.srv.jnl.Durable()) {
		c.out = packet.AppendAck(growBuf(c.out, 4), t, id)
		c.pub.touchLocked(c)
		return
	}
	c.replies.push(reply{lsn: lsn, typ: t, id: id})
	c.lastWait = max(c.lastWait, lsn, 1)
}

// replyBytes is reply for a packet of another form.
func (c *conn) replyBytes(b []byte, lsn uint64) {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	if c.dead {
		return
	}
	if c.replies.len() == 0 && (lsn == 0 || lsn <= c.srv.jnl.Durable()) {
		c.out = append(growBuf(c.out, len(b)), b...)
		c.pub.touchLocked(c)
		return
	}
	c.replies.push(reply{lsn: lsn, bytes: b})
	c.lastWait = max(c.lastWait, lsn, 1)
}

// Durable implements storage.Waiter, on the journal's notifier goroutine: it sends the replies whose commit is on disk.
func (c *conn) Durable(err error) {
	if err != nil {
		c.close(reasonStorage)
		return
	}
	durable := c.srv.jnl.Durable()
	c.outMu.Lock()
	c.waiting = false
	var next uint64
	for c.replies.len() > 0 && !c.dead {
		r := c.replies.front()
		if r.lsn > durable {
			next = r.lsn
			c.waiting = true
			break
		}
		if r.bytes != nil {
			c.out = append(growBuf(c.out, len(r.bytes)), r.bytes...)
		} else {
			c.out = packet.AppendAck(growBuf(c.out, 4), r.typ, r.id)
		}
		c.replies.pop()
	}
	c.outMu.Unlock()
	if next > 0 {
		c.srv.jnl.Notify(next, c)
	}
	c.flush()
}

// flush writes what is in out. The first caller writes for all; a stream that does not take everything is left to drain.
func (c *conn) flush() {
	c.outMu.Lock()
	c.dirty = false
	if c.flushing {
		c.outMu.Unlock()
		return
	}
	c.writeLocked()
	hungry := c.hungry && len(c.out) == 0 && !c.dead
	if hungry {
		c.hungry = false
	}
	c.outMu.Unlock()
	if hungry {
		c.sess.resume(c)
	}
}

// writeLocked gives out to the stream, unlocking while it writes, until out is empty or drain has taken over.
func (c *conn) writeLocked() {
	c.flushing = true
	for len(c.out) > 0 && !c.dead {
		buf := c.takeLocked()
		c.outMu.Unlock()
		c.recordOut(buf)
		_, err := c.stream.Write(buf)
		c.srv.stats.bytesOut.Add(uint64(len(buf)))
		putBuf(buf)
		if err != nil {
			c.close("write: " + err.Error())
		} else if n := c.wire.kept(); n > 0 {
			c.outMu.Lock()
			c.slow = true
			c.oweLocked(n + len(c.out))
			c.srv.tasks.Go(c.drain)
			return // flushing stays set; drain clears it
		}
		c.outMu.Lock()
	}
	c.flushing = false
}

// takeLocked empties out and wakes publishers that wait for room in it.
func (c *conn) takeLocked() []byte {
	buf := c.out
	c.out = nil
	c.sentBytes += uint64(len(buf))
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	return buf
}

// drain waits for a slow client until it took everything. Started by writeLocked, ended by success or by the connection's end.
func (c *conn) drain() {
	for {
		if err := c.wire.drain(c.srv.cfg.WriteTimeout); err != nil {
			reason := "write: " + err.Error()
			if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
				reason = reasonSlowClient
			}
			c.close(reason)
		}
		c.outMu.Lock()
		if len(c.out) == 0 || c.dead {
			c.flushing, c.shedding, c.hungry, c.told, c.slow = false, false, false, false, false
			c.oweLocked(0)
			c.outMu.Unlock()
			break
		}
		buf := c.takeLocked()
		c.oweLocked(len(buf))
		c.outMu.Unlock()
		c.recordOut(buf)
		_, err := c.stream.Write(buf)
		putBuf(buf)
		if err != nil {
			c.close("write: " + err.Error())
		}
	}
	c.sess.resume(c)
	c.srv.letGo()
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// hasRoomLocked says whether a packet of n bytes fits in the outgoing buffer's bound, and in that of all slow connections together. An empty
// buffer takes a packet of any size.
func (c *conn) hasRoomLocked(n int) bool {
	return (len(c.out) == 0 || len(c.out)+n <= c.srv.cfg.OutgoingBytes) && !c.tooMuchLocked(n)
}

// tooMuchLocked says whether n more bytes, which are likely to wait here, are too many beside all that waits elsewhere. A small packet to a
// connection that keeps up is not concerned.
func (c *conn) tooMuchLocked(n int) bool {
	return (c.slow || n > middleBuf) && c.srv.owed.Load()+int64(n) > int64(c.srv.cfg.OutgoingTotalBytes)
}

// resumeLaterLocked has the session go on when there is room for the packet of n bytes that there was none for.
func (c *conn) resumeLaterLocked(n int) {
	switch {
	case len(c.out) > 0 || !c.tooMuchLocked(n):
		c.hungry = true
	case !c.held && !c.dead:
		c.held = true
		c.srv.held.add(c)
	}
}

// oweLocked says how much waits for a slow client.
func (c *conn) oweLocked(n int) {
	c.srv.owed.Add(int64(n - c.owed))
	c.owed = n
}

// addedLocked counts n bytes that were appended for the client.
func (c *conn) addedLocked(n int) {
	if c.slow {
		c.oweLocked(c.owed + n)
	}
}

// held are connections whose sessions wait until less waits for slow clients.
type held struct {
	mu    sync.Mutex
	conns fifo[*conn]
}

func (h *held) add(c *conn) {
	h.mu.Lock()
	h.conns.push(c)
	h.mu.Unlock()
}

func (h *held) next() (c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns.len() > 0 {
		c = *h.conns.front()
		h.conns.pop()
	}
	return c
}

// forget drops those that have ended.
func (h *held) forget() {
	h.mu.Lock()
	h.conns.keep(func(c **conn) bool { return !(*c).ending.Load() })
	h.mu.Unlock()
}

// letGo resumes sessions that are held back until one finds no room. Called when something has left, and by tick.
func (s *Server) letGo() {
	for again := false; !again && s.owed.Load() < int64(s.cfg.OutgoingTotalBytes); {
		c := s.held.next()
		if c == nil {
			return
		}
		c.outMu.Lock()
		c.held = false
		c.outMu.Unlock()
		c.sess.resume(c)
		c.outMu.Lock()
		again = c.held
		c.outMu.Unlock()
	}
}

// waitRoom holds a publisher up for a moment when this receiver is half full: back-pressure instead of loss. A receiver that does not
// recover in that time is shedding and holds nobody up until it has caught up.
func (c *conn) waitRoom() {
	const patience = 10 * time.Millisecond
	c.outMu.Lock()
	if c.dead || c.shedding || len(c.out) < c.srv.cfg.OutgoingBytes/2 {
		c.outMu.Unlock()
		return
	}
	room := c.roomLocked()
	c.outMu.Unlock()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-room:
	case <-t.C:
		c.outMu.Lock()
		c.shedding = len(c.out) >= c.srv.cfg.OutgoingBytes/2
		c.outMu.Unlock()
	}
}

// roomLocked returns a channel that is closed when out is taken or the connection ends.
func (c *conn) roomLocked() <-chan struct{} {
	if c.room == nil {
		c.room = make(chan struct{})
	}
	return c.room
}

// close ends the connection from any goroutine; the read loop wakes and cleans up. The first reason stands.
func (c *conn) close(reason string) {
	c.reasonMu.Lock()
	if c.reason == "" {
		c.reason = reason
	}
	c.reasonMu.Unlock()
	if c.ending.Swap(true) {
		return
	}
	c.outMu.Lock()
	c.dead = true
	c.replies, c.out = fifo[reply]{}, nil
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	c.outMu.Unlock()
	_ = c.stream.Close()
}

func (c *conn) endReason() string {
	c.reasonMu.Lock()
	defer c.reasonMu.Unlock()
	return c.reason
}

// finish runs last on the read loop's goroutine: will published, everybody told, session detached. In this order: who connects next with
// the same client id finds the session free only when all of that is done, so an old will cannot undo what a new connection says.
func (c *conn) finish() {
	defer close(c.done)
	defer c.srv.unregister(c)
	c.close(reasonUnexpected) // no effect unless nobody closed it
	_ = c.wire.Conn.Close()
	if c.in != nil {
		putBuf(c.in)
		c.in = nil
	}
	c.publishWill()
	c.pub.flush()
	c.tellEnd()
	if c.sess != nil {
		c.sess.detach(c)
		c.sess.sp.closeBooks(c)
	}
}

// refused counts and tells of something that the client may not do.
func (c *conn) refused(action, object string, why error) {
	c.refusals.Add(1)
	c.srv.events.Refused(c.info, action, object, why.Error())
}

func (c *conn) tellEnd() {
	defer c.caught("telling of the connection's end")
	c.srv.events.Disconnected(c.info, c.endReason())
}

func (c *conn) silenceReason() string {
	if c.info.KeepAlive > 0 && c.info.KeepAlive <= c.srv.cfg.MaxKeepAlive {
		return fmt.Sprintf("keep alive of %v ran out: nothing received for one and a half times as long [MQTT-3.1.2-24]", c.info.KeepAlive)
	}
	return fmt.Sprintf("nothing received for %v (broker.max_keep_alive)", c.srv.cfg.MaxKeepAlive)
}
