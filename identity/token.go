package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"xively/internal/auth"
	"xively/internal/fault"
)

const (
	maxToken = 8 << 10          // bytes; our own have about 800
	leeway   = 60 * time.Second // how far ahead the clock of an earlier run may have been
)

// claims is a token's payload, by the names clients in the field read: they take accountId and userId out of it.
type claims struct {
	ID         string `json:"id"` // the session
	UserID     string `json:"userId"`
	AccountID  string `json:"accountId"`
	Expires    int64  `json:"expires"` // exp again, in milliseconds since 1970
	RenewalKey string `json:"renewalKey"`
	Cert       string `json:"cert"` // the signing key, as kid in the header
	jwt.RegisteredClaims
}

// issue signs a token for a session. It never outlives the session.
func (s *Service) issue(ctx context.Context, session Session, renewalKey string) (string, error) {
	key, err := s.keys.signing(ctx)
	if err != nil {
		return "", err
	}
	now := s.now().Truncate(time.Second)
	expires := now.Add(s.cfg.TokenLife)
	if expires.After(session.Expires) {
		expires = session.Expires.Truncate(time.Second)
	}
	c := claims{
		ID: session.ID, UserID: session.UserID, AccountID: session.AccountID,
		Expires: expires.UnixMilli(), RenewalKey: renewalKey, Cert: key.id,
		RegisteredClaims: jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires)},
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, c)
	t.Header["kid"] = key.id
	signed, err := t.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

var errToken = errors.New("token is malformed")

// tokenParser leaves the claims to checkClaims: a token that has run out is no error yet.
var tokenParser = jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())

// parse checks form and signature of a token; it may have run out. The header may say typ, alg and kid and nothing else:
// a header that brings a key (jwk), points at one (jku, x5u) or asks for rules of its own (crit, zip) is not ours.
func (s *Service) parse(token string) (claims, error) {
	var c claims
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return c, errToken
	}
	_, err := tokenParser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if t.Header["alg"] != "RS256" || t.Header["typ"] != "JWT" || len(t.Header) != 3 || kid != c.Cert {
			return nil, errToken
		}
		key, known := s.keys.public(kid)
		if !known {
			return nil, errToken
		}
		return key, nil
	})
	if err != nil {
		return claims{}, err
	}
	return c, s.checkClaims(&c)
}

// checkClaims refuses what issue never writes. That keeps a token made for another purpose with the same keys, such as
// one with an audience, from passing here.
func (s *Service) checkClaims(c *claims) error {
	r := &c.RegisteredClaims
	switch {
	case r.ExpiresAt == nil || r.IssuedAt == nil || r.ExpiresAt.UnixMilli() != c.Expires,
		r.IssuedAt.After(s.now().Add(leeway)),
		r.Issuer != "" || r.Subject != "" || r.ID != "" || r.Audience != nil || r.NotBefore != nil,
		!isID(c.ID) || !isID(c.UserID) || !isID(c.AccountID):
		return errToken
	}
	return nil
}

func isID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}

// tokenSession returns the live session a token belongs to, its claims, and whether the token itself has run out.
// Error: fault Unauthenticated, the same for everything that is wrong with a token.
func (s *Service) tokenSession(token string) (session Session, c claims, expired bool, err error) {
	c, err = s.parse(token)
	if err != nil {
		return Session{}, c, false, fault.Wrap(fault.Unauthenticated, err, "The token is not valid. Sign in again.")
	}
	session, err = s.liveSession(c.UserID, c.ID)
	if err != nil {
		return Session{}, c, false, err
	}
	if session.AccountID != c.AccountID || subtle.ConstantTimeCompare(renewalHash(c.RenewalKey), session.RenewalHash) != 1 {
		return Session{}, c, false, signInAgain("The token is not valid. Sign in again.")
	}
	return session, c, !s.now().Before(c.ExpiresAt.Time), nil
}

// Verify says who a token or API key belongs to. For a token that has run out while its session lives, renewed is a fresh
// one. An API key is good for what Authenticate found the call to need.
// Errors: fault Unauthenticated; Forbidden for a user the directory does not know, and for a key without the scope.
func (s *Service) Verify(ctx context.Context, token string) (p auth.Principal, renewed string, err error) {
	if isAPIKey(token) {
		scope, _ := ctx.Value(scopeKey{}).(string)
		p, err = s.apiKeyUser(token, scope)
		return p, "", err
	}
	session, c, expired, err := s.tokenSession(token)
	if err != nil {
		return auth.Principal{}, "", err
	}
	if p, err = s.principal(session, expired); err != nil {
		return auth.Principal{}, "", err
	}
	if expired {
		if renewed, err = s.issue(ctx, session, c.RenewalKey); err != nil {
			return auth.Principal{}, "", err
		}
	}
	return p, renewed, nil
}

// VerifyFresh is Verify where a fresh token could not be handed back, as in an MQTT CONNECT: one that has run out is
// Unauthenticated. An API key needs the scope messaging.
func (s *Service) VerifyFresh(_ context.Context, token string) (auth.Principal, error) {
	if isAPIKey(token) {
		return s.apiKeyUser(token, messagingScope)
	}
	session, _, expired, err := s.tokenSession(token)
	if err != nil {
		return auth.Principal{}, err
	}
	if expired {
		return auth.Principal{}, signInAgain("The token has run out. Renew it, or sign in again.")
	}
	return s.principal(session, false)
}

// principal says who a session stands for before the platform's APIs.
func (s *Service) principal(session Session, expired bool) (auth.Principal, error) {
	if session.ClientID != "" {
		if expired {
			return auth.Principal{}, signInAgain("The access token has run out. Get another one with the refresh token.")
		}
		if !hasScope(session.Scope, apisScope) {
			return auth.Principal{}, fault.New(fault.Forbidden, "The access token lacks the scope %s.", apisScope)
		}
	}
	if session.application() {
		return auth.Principal{Kind: auth.Application, AccountID: session.AccountID, ID: session.UserID, SessionID: session.ID}, nil
	}
	p, err := s.userPrincipal(session.AccountID, session.UserID)
	p.SessionID = session.ID
	return p, err
}

func (s *Service) userPrincipal(accountID, userID string) (auth.Principal, error) {
	p, err := s.dir.UserPrincipal(accountID, userID)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return auth.Principal{}, fault.Wrap(fault.Forbidden, err, "This user is neither an account user nor an end user of the account any more.")
	}
	if err != nil {
		return auth.Principal{}, err
	}
	return p, nil
}

// renew returns a fresh token for one that has run out or is about to. Error: fault Unauthenticated.
func (s *Service) renew(ctx context.Context, token string) (string, error) {
	session, c, _, err := s.tokenSession(token)
	if err != nil {
		return "", err
	}
	if session.ClientID != "" {
		return "", signInAgain("Get another access token with the refresh token.")
	}
	return s.issue(ctx, session, c.RenewalKey)
}

// logout ends the session of a token, which may have run out. Error: fault Unauthenticated.
func (s *Service) logout(token string) error {
	session, _, _, err := s.tokenSession(token)
	if err != nil {
		return err
	}
	if err := s.endSession(session); err != nil {
		return err
	}
	s.audit(Event{AccountID: session.AccountID, UserID: session.UserID, Action: "signOut", ObjectType: "session", ObjectID: session.ID})
	return nil
}
