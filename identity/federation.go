package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"xively/internal/fault"
)

// Signing in at another OpenID provider. Who somebody is there, issuer and subject, is linked to a user here; the e-mail
// address is not: an address at a provider proves nothing about a user here who happens to have the same.
const (
	pendingLife      = 10 * time.Minute
	maxPending       = 10_000
	providerTimeout  = 10 * time.Second
	providerMaxBytes = 1 << 20
	discoveryKept    = time.Hour
	maxProviders     = 20 // of one account
)

// federation is what sign-ins at other providers need in memory. A restart forgets the ones under way.
type federation struct {
	now  func() time.Time
	http *http.Client

	mu         sync.Mutex
	pending    map[string]pending    // by state
	discovered map[string]discovered // by issuer
}

// pending is a sign-in under way: the browser is at the provider.
type pending struct {
	Provider Provider
	Browser  [32]byte // SHA-256 of what the browser's cookie must hold
	Verifier string   // PKCE
	Nonce    string
	Next     string // where to go afterwards: a local path, or an app's xi<accountId> address
	LinkUser string // the signed-in user to be linked, "" for a sign-in
	Link     string // that user's session
	Expires  time.Time
}

type discovered struct {
	provider *oidc.Provider
	at       time.Time
}

func newFederation(now func() time.Time, private bool) *federation {
	f := &federation{now: now, pending: map[string]pending{}, discovered: map[string]discovered{}}
	dialer := &net.Dialer{Timeout: providerTimeout / 2}
	if !private {
		dialer.Control = publicOnly
	}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: providerTimeout / 2, ResponseHeaderTimeout: providerTimeout,
		MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	f.http = &http.Client{Transport: limited{transport}, Timeout: providerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the provider redirects, which is not followed")
		}}
	return f
}

var errNotPublic = errors.New("not a public address; private_providers allows it")

// publicOnly looks at the address that is really dialled, after names are resolved.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || reservedRanges(ip) {
		return fmt.Errorf("%s: %w", ip, errNotPublic)
	}
	return nil
}

func reservedRanges(ip netip.Addr) bool {
	for _, r := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "64:ff9b::/96", "2002::/16"} {
		if netip.MustParsePrefix(r).Contains(ip) {
			return true
		}
	}
	return false
}

// limited cuts answers off after providerMaxBytes.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, providerMaxBytes), resp.Body}
	}
	return resp, err
}

// discover returns what a provider says of itself; go-oidc has checked that the issuer is the one asked for. No lock is
// held while the provider is asked, so that a slow one holds up nobody else.
func (f *federation) discover(ctx context.Context, issuer string) (*oidc.Provider, error) {
	f.mu.Lock()
	known := f.discovered[issuer]
	f.mu.Unlock()
	if known.provider != nil && f.now().Sub(known.at) < discoveryKept {
		return known.provider, nil
	}
	// The provider fetches its keys later with the context it was made with: that one must not end with this request.
	fetched, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), f.http), issuer)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The identity provider does not answer as it should. Try again later, or sign in with your password.")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.discovered) >= 1000 {
		clear(f.discovered)
	}
	f.discovered[issuer] = discovered{fetched, f.now()}
	return fetched, nil
}

func randomText() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// keep remembers a sign-in under way and returns its state. When there are too many, those that have run out go, and if
// none has, the new one is refused.
func (f *federation) keep(p pending) (state string, err error) {
	state = randomText()
	now := f.now()
	p.Expires = now.Add(pendingLife)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.pending) >= maxPending {
		for old, q := range f.pending {
			if !now.Before(q.Expires) {
				delete(f.pending, old)
			}
		}
	}
	if len(f.pending) >= maxPending {
		return "", fault.New(fault.TooMany, "Too many people are signing in at once. Try again in a moment.")
	}
	f.pending[state] = p
	return state, nil
}

// take spends a state: it is of no use any more whatever comes of it.
func (f *federation) take(state, browser string) (pending, bool) {
	f.mu.Lock()
	p, ok := f.pending[state]
	delete(f.pending, state)
	f.mu.Unlock()
	return p, ok && f.now().Before(p.Expires) && sha256.Sum256([]byte(browser)) == p.Browser
}

func (s *Service) oauthConfig(p Provider, found *oidc.Provider) (*oauth2.Config, error) {
	secret := []byte(nil)
	if len(p.Secret) > 0 {
		var err error
		if secret, err = s.keys.seal.open(providerPlace(p), p.Secret); err != nil {
			return nil, fmt.Errorf("secret of provider %s: %w", p.ID, err)
		}
	}
	scopes := []string{oidc.ScopeOpenID, "email", "profile"}
	for _, scope := range p.Scopes {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: string(secret), Endpoint: found.Endpoint(), RedirectURL: s.cfg.PublicURL + callbackPath, Scopes: scopes}, nil
}

// startFederation returns where to send the browser and what its cookie must hold when it comes back.
func (s *Service) startFederation(ctx context.Context, p Provider, next string, linking Session) (to, state, browser string, err error) {
	found, err := s.federation.discover(ctx, p.Issuer)
	if err != nil {
		return "", "", "", err
	}
	cfg, err := s.oauthConfig(p, found)
	if err != nil {
		return "", "", "", err
	}
	browser = randomText()
	under := pending{Provider: p, Browser: sha256.Sum256([]byte(browser)), Verifier: oauth2.GenerateVerifier(), Nonce: randomText(), Next: next, LinkUser: linking.UserID, Link: linking.ID}
	if state, err = s.federation.keep(under); err != nil {
		return "", "", "", err
	}
	return cfg.AuthCodeURL(state, oidc.Nonce(under.Nonce), oauth2.S256ChallengeOption(under.Verifier)), state, browser, nil
}

// finishFederation exchanges the provider's code and checks what it says. Error: fault Invalid; Unavailable when the
// provider does not answer.
func (s *Service) finishFederation(ctx context.Context, under pending, code string) (who external, err error) {
	found, err := s.federation.discover(ctx, under.Provider.Issuer)
	if err != nil {
		return who, err
	}
	cfg, err := s.oauthConfig(under.Provider, found)
	if err != nil {
		return who, err
	}
	ctx = oidc.ClientContext(ctx, s.federation.http)
	refuse := func(err error) error {
		return fault.Wrap(fault.Invalid, err, "The identity provider's answer is not good. Begin again.")
	}
	token, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(under.Verifier))
	if err != nil {
		var said *oauth2.RetrieveError
		if errors.As(err, &said) {
			return who, refuse(err)
		}
		return who, fault.Wrap(fault.Unavailable, err, "The identity provider does not answer. Try again later, or sign in with your password.")
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.VerifierContext(ctx, &oidc.Config{ClientID: under.Provider.ClientID, Now: s.now}).Verify(ctx, raw)
	if err != nil {
		return who, refuse(err)
	}
	if id.Nonce != under.Nonce || id.Subject == "" {
		return who, refuse(errors.New("the nonce is another one"))
	}
	claims := map[string]any{}
	if err := id.Claims(&claims); err != nil {
		return who, refuse(err)
	}
	if _, has := claims["email"]; !has { // some tell it only there
		if info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token)); err == nil && info.Subject == id.Subject {
			more := map[string]any{}
			if info.Claims(&more) == nil {
				for name, value := range more {
					if _, has := claims[name]; !has {
						claims[name] = value
					}
				}
			}
		}
	}
	return readClaims(Link{id.Issuer, id.Subject}, claims, under.Provider.Rule), nil
}
