package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"xively/internal/fault"
	"xively/storage"
)

// The OpenID provider: other servers and apps (Applications with redirect URIs) let this installation's users sign in
// there, and with the scope xively_apis call its APIs for them. What they hold is a Session with a ClientID, which the
// user sees and can end like any other. Its access token is a session token that is not renewed by use. With
// offline_access there is a refresh token, of which each use makes a new one; a second use of an old one means that two
// hold it, and ends the session.

const (
	openIDScope  = "openid"
	apisScope    = "xively_apis"
	offlineScope = "offline_access"
	emailScope   = "email"
	profileScope = "profile"
)

var knownScopes = []string{openIDScope, apisScope, offlineScope, emailScope, profileScope}

const (
	codeLife      = time.Minute
	usedCodeLife  = time.Hour // how long a code is remembered to see a second use
	refreshPrefix = "xif_"
)

// oauthError is an answer by the rules of OAuth 2.0.
type oauthError struct {
	code        string // such as invalid_grant
	description string
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func refuseOAuth(code, format string, args ...any) error {
	return &oauthError{code, fmt.Sprintf(format, args...)}
}

func hasScope(scopes, scope string) bool { return slices.Contains(strings.Fields(scopes), scope) }

// authorization is what a client asked for, and once it is stored, what its code stands for.
type authorization struct {
	ID          string    `json:"id"`
	Hash        []byte    `json:"hash"` // of the code
	ClientID    string    `json:"clientId"`
	RedirectURI string    `json:"redirectUri"`
	Challenge   string    `json:"challenge"` // PKCE, S256
	Scope       string    `json:"scope"`
	Nonce       string    `json:"nonce,omitempty"`
	AccountID   string    `json:"accountId"`
	UserID      string    `json:"userId"`
	SessionID   string    `json:"sessionId"` // the browser's
	AuthTime    time.Time `json:"authTime"`
	Expires     time.Time `json:"expires"`
	UsedFor     string    `json:"usedFor,omitempty"` // the session the code was exchanged for; set: it is used up
}

// grantCode stores that a user, signed in by session, allows what a is about. The code is good for codeLife, once.
func (s *Service) grantCode(a authorization, session Session) (code string, err error) {
	now := s.now().UTC()
	a.ID, a.AccountID, a.UserID, a.SessionID = uuid.NewString(), session.AccountID, session.UserID, session.ID
	a.AuthTime, a.Expires = session.Confirmed, now.Add(usedCodeLife)
	code, a.Hash = newCredential(codePrefix, a.ID, a.UserID)
	return code, s.db.Update(func(tx *storage.Tx) error { return put(tx, codesBucket, a.ID, a) })
}

// tokens is an answer of the token endpoint.
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
}

var errCode = refuseOAuth("invalid_grant", "The code is wrong, was used already or has run out.")

// exchangeCode turns a code into tokens. A second use ends what the first began.
func (s *Service) exchangeCode(ctx context.Context, client Application, code, redirectURI, verifier string, from origin) (t tokens, err error) {
	if _, err := s.keys.signing(ctx); err != nil {
		return t, err
	}
	id, _, ok := readCredential(codePrefix, code)
	if !ok {
		return t, errCode
	}
	var a authorization
	var session Session
	refused := error(nil) // kept apart: what is written about a refused code must last
	err = s.db.Update(func(tx *storage.Tx) error {
		found, err := get(tx, codesBucket, id, &a)
		if err != nil {
			return err
		}
		switch {
		case !found || !matches(a.Hash, code) || a.ClientID != client.ID:
			refused = errCode
			return nil
		case a.UsedFor != "":
			refused = errCode
			return s.endSessions(tx, a.UserID, func(one Session) bool { return one.ID == a.UsedFor })
		}
		session, refused, err = s.startClientSession(tx, a, redirectURI, verifier, from)
		if err != nil {
			return err
		}
		a.UsedFor = session.ID
		if refused != nil {
			a.UsedFor = "refused"
		}
		return put(tx, codesBucket, a.ID, a)
	})
	if err = errors.Join(err, refused); err != nil {
		return t, err
	}
	s.audit(Event{AccountID: a.AccountID, UserID: a.UserID, Action: "signIn.atApplication", ObjectType: "application", ObjectID: client.ID, Remote: from.remote})
	return s.clientTokens(ctx, session, a.Nonce, true)
}

func (s *Service) startClientSession(tx *storage.Tx, a authorization, redirectURI, verifier string, from origin) (session Session, refused, err error) {
	now := s.now().UTC()
	browser, found, err := getSession(tx, a.UserID, a.SessionID)
	if err != nil {
		return session, nil, err
	}
	user, known, err := getUser(tx, a.AccountID, a.UserID)
	if err != nil {
		return session, nil, err
	}
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case !now.Before(a.Expires.Add(codeLife - usedCodeLife)), !found || s.dead(browser, now), !known || user.Disabled:
		return session, errCode, nil
	case redirectURI != a.RedirectURI:
		return session, refuseOAuth("invalid_grant", "redirect_uri is not the one the code was asked for with."), nil
	case subtle.ConstantTimeCompare([]byte(challenge), []byte(a.Challenge)) != 1:
		return session, refuseOAuth("invalid_grant", "code_verifier does not belong to the code_challenge."), nil
	}
	from.life = s.cfg.TokenLife
	if hasScope(a.Scope, offlineScope) {
		from.life = s.cfg.SessionLife
	}
	session, _ = newSession(a.UserID, a.AccountID, from, now)
	session.ClientID, session.Scope, session.Confirmed = a.ClientID, a.Scope, a.AuthTime
	session.RenewalHash = renewalHash(s.clientRenewalKey(session.ID))
	if hasScope(a.Scope, offlineScope) {
		session.Generation = 1
	}
	return session, nil, s.addSession(tx, session)
}

// clientRenewalKey is derived and not kept, so that tokens can be issued again without ending those issued before.
func (s *Service) clientRenewalKey(sessionID string) string {
	return base64.StdEncoding.EncodeToString(s.keys.seal.mac("renewal key", []byte(sessionID))[:16])
}

// refreshToken is made of prefix and, in base64url, session id, user id, generation (4 bytes) and a MAC of these: nothing
// of it is stored, and an old one is recognised as ours.
func (s *Service) refreshToken(session Session) string {
	var b []byte
	for _, id := range []string{session.ID, session.UserID} {
		u := uuid.MustParse(id)
		b = append(b, u[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(session.Generation))
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(append(b, s.keys.seal.mac("refresh token", b)...))
}

func (s *Service) readRefreshToken(text string) (id, userID string, generation int, ok bool) {
	encoded, ok := strings.CutPrefix(text, refreshPrefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(b) != 36+sha256.Size || !hmac.Equal(b[36:], s.keys.seal.mac("refresh token", b[:36])) {
		return "", "", 0, false
	}
	return uuid.UUID(b[:16]).String(), uuid.UUID(b[16:32]).String(), int(binary.BigEndian.Uint32(b[32:])), true
}

var errRefresh = refuseOAuth("invalid_grant", "The refresh token is wrong, was used already or has run out.")

// refresh turns a refresh token into fresh tokens, the refresh token included.
func (s *Service) refresh(ctx context.Context, client Application, text, scope string) (t tokens, err error) {
	id, userID, generation, ok := s.readRefreshToken(text)
	if !ok {
		return t, errRefresh
	}
	var session Session
	var refused error
	err = s.db.Update(func(tx *storage.Tx) error {
		found := false
		if session, found, err = getSession(tx, userID, id); err != nil {
			return err
		}
		if !found || session.ClientID != client.ID || s.dead(session, s.now()) {
			refused = errRefresh
			return nil
		}
		if session.Generation != generation {
			refused = errRefresh
			s.log.Warn("refresh token used twice, session ended", "session_id", id, "user_id", userID, "application_id", client.ID)
			return s.endSessions(tx, userID, func(one Session) bool { return one.ID == id })
		}
		for one := range strings.FieldsSeq(scope) {
			if !hasScope(session.Scope, one) {
				refused = refuseOAuth("invalid_scope", "The scope %q was not granted.", one)
				return nil
			}
		}
		return s.changeSession(tx, userID, id, func(one *Session) error {
			one.Generation++
			one.LastUsed = s.now().UTC()
			session = *one
			return nil
		})
	})
	if err = errors.Join(err, refused); err != nil {
		return t, err
	}
	return s.clientTokens(ctx, session, "", hasScope(session.Scope, openIDScope))
}

// clientTokens signs what a client gets for its session.
func (s *Service) clientTokens(ctx context.Context, session Session, nonce string, withID bool) (t tokens, err error) {
	t = tokens{TokenType: "Bearer", Scope: session.Scope}
	if t.AccessToken, err = s.issue(ctx, session, s.clientRenewalKey(session.ID)); err != nil {
		return t, err
	}
	t.ExpiresIn = int(min(s.cfg.TokenLife, session.Expires.Sub(s.now())) / time.Second)
	if session.Generation > 0 {
		t.RefreshToken = s.refreshToken(session)
	}
	if withID && hasScope(session.Scope, openIDScope) {
		t.IDToken, err = s.idToken(ctx, session, nonce, t.AccessToken)
	}
	return t, err
}

// userClaims are what a client may know of the user by its scopes; the names are Xively's.
func (s *Service) userClaims(session Session) (jwt.MapClaims, error) {
	u, err := s.User(session.AccountID, session.UserID)
	if err != nil {
		return nil, err
	}
	p, err := s.userPrincipal(session.AccountID, session.UserID)
	if err != nil {
		return nil, err
	}
	c := jwt.MapClaims{"sub": u.ID, "userId": u.ID, "accountId": u.AccountID, "roles": []string{p.Kind.String()}}
	if hasScope(session.Scope, emailScope) {
		c["email"], c["email_verified"] = u.EmailAddress, u.EmailVerified
	}
	if hasScope(session.Scope, profileScope) {
		c["name"], c["given_name"], c["family_name"] = u.Name(), u.FirstName, u.LastName
	}
	return c, nil
}

// idToken says to the client who signed in. Its audience keeps it from passing as an access token here.
func (s *Service) idToken(ctx context.Context, session Session, nonce, accessToken string) (string, error) {
	key, err := s.keys.signing(ctx)
	if err != nil {
		return "", err
	}
	c, err := s.userClaims(session)
	if err != nil {
		return "", err
	}
	now := s.now()
	expires := now.Add(s.cfg.TokenLife)
	sum := sha256.Sum256([]byte(accessToken))
	c["iss"], c["aud"], c["iat"], c["exp"] = s.cfg.PublicURL, session.ClientID, now.Unix(), expires.Unix()
	c["auth_time"], c["at_hash"] = session.Confirmed.Unix(), base64.RawURLEncoding.EncodeToString(sum[:16])
	c["id"], c["sid"], c["expires"], c["cert"] = session.ID, session.ID, expires.Unix()*1000, key.id
	if nonce != "" {
		c["nonce"] = nonce
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, c)
	t.Header["kid"] = key.id
	return t.SignedString(key.private)
}

// revoke ends the session of an access or refresh token of the client; any other text is fine, too (RFC 7009).
func (s *Service) revoke(client Application, text string) error {
	id, userID, _, ok := s.readRefreshToken(text)
	if !ok {
		session, _, _, err := s.tokenSession(text)
		if err != nil {
			if fault.KindOf(err) == fault.Unauthenticated {
				return nil
			}
			return err
		}
		id, userID = session.ID, session.UserID
	}
	return s.db.Update(func(tx *storage.Tx) error {
		return s.endSessions(tx, userID, func(one Session) bool { return one.ID == id && one.ClientID == client.ID })
	})
}
