package broker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"xively/internal/auth"
)

// What a person wants to see of an account's clients, and may do to them.

// ClientInfo describes a client's session, and its connection if it has one.
type ClientInfo struct {
	ID            string // of the session: the same as long as the principal uses the client id
	ClientID      string
	Principal     auth.Principal
	Persistent    bool
	Connected     bool
	Conn          ConnInfo  // zero while the client is away
	LastSeen      time.Time // when a client that is away was last there; zero when that is not known
	Subscriptions int
	Queued        int // messages that wait
	QueuedBytes   int // and their payloads
	Inflight      int // sent and not acknowledged
	Unreleased    int // QoS 2 taken from the client and not released by it
	Traffic       Traffic
}

// Traffic is what went over a client's connections, or an account's, since the server's start.
type Traffic struct {
	MessagesIn, MessagesOut uint64 // PUBLISH
	BytesIn, BytesOut       uint64
	Dropped                 uint64 // messages that it was too slow for, or that its full queue did not take
	Refused                 uint64 // what it asked for and was not allowed to
}

func (t *Traffic) add(x Traffic) {
	t.MessagesIn += x.MessagesIn
	t.MessagesOut += x.MessagesOut
	t.BytesIn += x.BytesIn
	t.BytesOut += x.BytesOut
	t.Dropped += x.Dropped
	t.Refused += x.Refused
}

// A Subscription is a filter and the QoS it was granted with.
type Subscription struct {
	Filter string
	QoS    byte
}

// ClientQuery narrows a list of clients. The zero value takes all.
type ClientQuery struct {
	Connected   *bool
	PrincipalID string // a device's id, say
	Kind        auth.Kind
	ClientID    string // a part of it, in any case
}

func (q ClientQuery) takes(s *Session) bool {
	return (q.Connected == nil || *q.Connected == (s.conn.Load() != nil)) &&
		(q.PrincipalID == "" || q.PrincipalID == s.key.id) &&
		(q.Kind == auth.Nobody || q.Kind == s.key.kind) &&
		(q.ClientID == "" || strings.Contains(strings.ToLower(s.key.clientID), strings.ToLower(q.ClientID)))
}

// Clients returns the account's clients that q takes, by client id, from offset on and at most limit, and how many there are in all.
func (s *Server) Clients(account string, q ClientQuery, offset, limit int) (page []ClientInfo, total int) {
	sp := s.known(account)
	if sp == nil {
		return nil, 0
	}
	first, total := smallest(func(yield func(*Session) bool) {
		for _, sess := range sp.all() {
			if q.takes(sess) && !yield(sess) {
				return
			}
		}
	}, offset+limit, func(a, b *Session) int {
		return cmp.Or(cmp.Compare(a.key.clientID, b.key.clientID), cmp.Compare(a.key.id, b.key.id), cmp.Compare(a.key.kind, b.key.kind))
	})
	for _, sess := range first[min(offset, len(first)):] {
		page = append(page, sess.describe())
	}
	return page, total
}

// Client returns one client with its subscriptions, by filter.
func (s *Server) Client(account, id string) (ClientInfo, []Subscription, bool) {
	sess := s.sessionByID(account, id)
	if sess == nil {
		return ClientInfo{}, nil, false
	}
	info := sess.describe()
	sess.mu.Lock()
	defer sess.mu.Unlock()
	subs := make([]Subscription, 0, len(sess.subs))
	for _, f := range slices.Sorted(maps.Keys(sess.subs)) {
		subs = append(subs, Subscription{f, sess.subs[f]})
	}
	return info, subs, true
}

// DisconnectClient ends a client's connection; reason reaches the account's log. ok is false when there is no such client or it is away.
func (s *Server) DisconnectClient(account, id, reason string) (info ClientInfo, ok bool) {
	sess := s.sessionByID(account, id)
	if sess == nil {
		return info, false
	}
	info = sess.describe()
	c := sess.conn.Load()
	if c == nil {
		return info, false
	}
	c.close(reason)
	return info, true
}

// ClearSession ends a client's connection, if it has one, and its session: subscriptions, what waits and what is in flight. It returns when
// that is on disk. ok is false when there is no such session.
func (s *Server) ClearSession(ctx context.Context, account, id, reason string) (info ClientInfo, ok bool, err error) {
	sess := s.sessionByID(account, id)
	if sess == nil {
		return info, false, nil
	}
	info = sess.describe()
	for {
		c := sess.conn.Load()
		if c != nil {
			c.close(reason)
			select {
			case <-c.done:
			case <-ctx.Done():
				return info, true, ctx.Err()
			}
		}
		sess.handOver(true)
		if lsn, done := sess.discard(); done {
			return info, true, s.jnl.Wait(ctx, lsn)
		}
	}
}

// discard ends a session whose client is away, as a CONNECT with a clean session would. done is false when the client is there again.
func (s *Session) discard() (lsn uint64, done bool) {
	b := s.srv.jnl.Begin()
	defer b.End()
	s.sp.mu.Lock()
	if s.conn.Load() != nil {
		s.sp.mu.Unlock()
		return 0, false
	}
	if s.sp.sessions[s.key] != s { // ended by itself
		s.sp.mu.Unlock()
		return 0, true
	}
	s.sp.removeLocked(s)
	if s.persistent() {
		s.srv.store.addEnd(b, s.id)
	}
	lsn = b.Append()
	s.sp.mu.Unlock()
	s.end()
	return lsn, true
}

// describe takes the session's picture.
func (s *Session) describe() ClientInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := ClientInfo{
		ID: s.key.uuid(s.sp.account), ClientID: s.key.clientID, Principal: s.who, Persistent: s.persistent(),
		Subscriptions: len(s.subs), Queued: s.waitingLocked() + s.replay.len(), QueuedBytes: s.queueBytes, Inflight: s.paged.sent + s.flights.len(),
		Unreleased: len(s.unreleased), Traffic: s.past,
	}
	info.Traffic.Dropped += s.dropped
	if s.left > 0 {
		info.LastSeen = time.Unix(s.left, 0)
	}
	if c := s.conn.Load(); c != nil {
		info.Connected, info.Conn, info.LastSeen = true, c.info, time.Time{}
		info.Traffic.add(c.traffic())
	}
	return info
}

// traffic returns what went over the connection so far.
func (c *conn) traffic() Traffic {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	return Traffic{
		MessagesIn: c.gotMessages.Load(), BytesIn: c.gotBytes.Load(), MessagesOut: c.sentMessages, BytesOut: c.sentBytes,
		Dropped: c.drops.Load(), Refused: c.refusals.Load(),
	}
}

// uuid gives a session a name for URLs that tells nothing and needs no table: a hash of what it is known by (RFC 9562, version 8).
func (k sessionKey) uuid(account string) string {
	b := binary.AppendUvarint(nil, uint64(k.kind))
	b = appendText(appendText(appendText(b, account), k.id), k.clientID)
	sum := sha256.Sum256(b)
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id.String()
}

func (s *Server) sessionByID(account, id string) *Session {
	sp := s.known(account)
	if sp == nil {
		return nil
	}
	for _, sess := range sp.all() {
		if sess.key.uuid(account) == id {
			return sess
		}
	}
	return nil
}

// known returns the account's space, nil when it has none yet.
func (s *Server) known(account string) *space {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spaces[account]
}

// all returns the account's sessions of this moment.
func (sp *space) all() []*Session {
	sp.mu.RLock()
	defer sp.mu.RUnlock()
	return slices.AppendSeq(make([]*Session, 0, len(sp.sessions)), maps.Values(sp.sessions))
}

// smallest returns the n smallest of all, in order, and how many there are: a page of a long list without sorting all of it.
func smallest[T any](all iter.Seq[T], n int, compare func(a, b T) int) (first []T, total int) {
	trim := func() {
		slices.SortFunc(first, compare)
		if len(first) > n {
			clear(first[n:])
			first = first[:n]
		}
	}
	for v := range all {
		total++
		if first = append(first, v); len(first) >= 2*n+64 {
			trim()
		}
	}
	trim()
	return first, total
}
