package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"xively/internal/fault"
	"xively/internal/rest"
)

const (
	hashQueue = 16 // waiting behind those that are hashed: some 400 ms of work on two cores
	saltLen   = 16
	keyLen    = 32
)

// hashesAtOnce is two, and one where two would leave no core to messaging: each holds a core for tens of milliseconds.
var hashesAtOnce = max(1, min(2, runtime.GOMAXPROCS(0)-1))

// errBadHash means that a stored password hash is not what the package writes.
var errBadHash = errors.New("stored password hash is malformed")

type hashParams struct {
	memoryKiB uint32
	passes    uint32
	threads   uint8
}

// hasher turns passwords into argon2id hashes, few at a time, so that a flood of sign-ins cannot take the machine.
type hasher struct {
	params  hashParams
	dummy   string        // a hash nobody's password gives: the work for users who do not exist
	slots   chan struct{} // one token per running hash
	waiting atomic.Int32
	done    atomic.Int64
	refused atomic.Int64
}

func newHasher(p hashParams) *hasher {
	h := &hasher{params: p, slots: make(chan struct{}, hashesAtOnce)}
	var random [saltLen + keyLen]byte
	rand.Read(random[:]) // never fails
	h.dummy = encodeHash(p, random[:saltLen], random[saltLen:])
	return h
}

// run calls fn when a slot is free. Error: fault TooMany, at once, when the queue is full; the context's, if it ends first.
func (h *hasher) run(ctx context.Context, fn func() error) error {
	select {
	case h.slots <- struct{}{}:
	default:
		if err := h.queue(ctx); err != nil {
			return err
		}
	}
	defer func() { <-h.slots }()
	return fn()
}

func (h *hasher) queue(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > hashQueue {
		h.refused.Add(1)
		return fault.Wrap(fault.TooMany, rest.RetryAfter(time.Second), "Too many people are signing in at once. Try again in a moment.")
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hash returns a fresh PHC string for the password. Only inside run.
func (h *hasher) hash(password string) string {
	var salt [saltLen]byte
	rand.Read(salt[:]) // never fails
	return encodeHash(h.params, salt[:], h.derive(password, salt[:], h.params, keyLen))
}

// matches compares in constant time. Only inside run. Error: errBadHash.
func (h *hasher) matches(stored, password string) (bool, error) {
	p, salt, want, err := decodeHash(stored)
	if err != nil {
		return false, err
	}
	got := h.derive(password, salt, p, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// outdated reports whether a hash was made with other parameters than new ones are.
func (h *hasher) outdated(stored string) bool {
	p, _, _, err := decodeHash(stored)
	return err == nil && p != h.params
}

func (h *hasher) derive(password string, salt []byte, p hashParams, n uint32) []byte {
	h.done.Add(1)
	return argon2.IDKey([]byte(password), salt, p.passes, p.memoryKiB, p.threads, n)
}

// hashNewPassword checks a password somebody wants to have against the rules and hashes it; one that breaks them costs
// no hash.
func (s *Service) hashNewPassword(ctx context.Context, password, email string) (hash string, err error) {
	if err := validatePassword(password, email); err != nil {
		return "", err
	}
	err = s.hash.run(ctx, func() error {
		hash = s.hash.hash(password)
		return nil
	})
	return hash, err
}

// encodeHash writes $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>, base64 without padding.
func encodeHash(p hashParams, salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.memoryKiB, p.passes, p.threads, b.EncodeToString(salt), b.EncodeToString(key))
}

// decodeHash accepts only what encodeHash can have written, with bounds on the cost: argon2 would take any.
func decodeHash(stored string) (p hashParams, salt, key []byte, err error) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 {
		return p, nil, nil, errBadHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memoryKiB, &p.passes, &p.threads); err != nil {
		return p, nil, nil, errBadHash
	}
	salt, saltErr := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 ||
		p.memoryKiB < 8 || p.memoryKiB > 1<<20 || p.passes < 1 || p.passes > 16 || p.threads < 1 || p.threads > 16 ||
		encodeHash(p, salt, key) != stored {
		return p, nil, nil, errBadHash
	}
	return p, salt, key, nil
}
