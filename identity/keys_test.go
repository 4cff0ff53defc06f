package identity

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xively/internal/fault"
	"xively/storage"
)

// Two installations share no key, and the file that seals them is private (I02).
func TestI02KeysAreOfThisInstallation(t *testing.T) {
	a, b := newFixture(t), newFixture(t)
	for _, f := range []*fixture{a, b} {
		f.keys.make = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(nil, keyBits) }
		f.account()
		f.signInAnn()
		info, err := os.Stat(filepath.Join(f.dir, secretFile))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("secret.key: %v, %v", info.Mode(), err)
		}
	}
	keyA, _ := a.keys.signing(t.Context())
	keyB, _ := b.keys.signing(t.Context())
	if keyA.id == keyB.id || keyA.private.Equal(keyB.private) || keyA.private.N.BitLen() != 2048 {
		t.Error("the signing keys are equal or weak")
	}
	secretA, _ := os.ReadFile(filepath.Join(a.dir, secretFile))
	secretB, _ := os.ReadFile(filepath.Join(b.dir, secretFile))
	if bytes.Equal(secretA, secretB) || len(secretA) != 65 {
		t.Errorf("the sealing keys are equal or have %d bytes", len(secretA))
	}
	if token := a.signInAnn(); b.accepts(token) {
		t.Error("a token of one is accepted by the other")
	}
}

func TestFirstKeyIsMadeOnce(t *testing.T) {
	f := newFixture(t)
	ids := map[string]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			key, err := f.keys.signing(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[key.id] = true
		})
	}
	all.Wait()
	if len(ids) != 1 {
		t.Errorf("%d keys were made", len(ids))
	}
}

func TestI02Rotation(t *testing.T) {
	f := newFixture(t)
	f.account()
	old := f.signInAnn()
	oldID := part(t, old, 0)["kid"].(string)
	newID, err := f.RotateKey()
	if err != nil {
		t.Fatal(err)
	}
	fresh := f.signInAnn()
	if got := part(t, fresh, 0)["kid"]; got != newID || newID == oldID {
		t.Errorf("signed by %v after rotation from %s to %s", got, oldID, newID)
	}
	check := func(when string) {
		t.Helper()
		if !f.accepts(old) || !f.accepts(fresh) {
			t.Errorf("%s: old token accepted: %v, new one: %v", when, f.accepts(old), f.accepts(fresh))
		}
	}
	check("after rotation")
	f.close()
	f.open()
	check("after restart")
	if key, _ := f.keys.signing(t.Context()); key.id != newID {
		t.Errorf("after restart %s signs, want %s", key.id, newID)
	}

	f.clock.advance(f.keys.keep + time.Second)
	if _, known := f.keys.public(oldID); known {
		t.Error("a key verifies although no token of it can be renewed any more")
	}
	if _, err := f.RotateKey(); err != nil {
		t.Fatal(err)
	}
	if n := f.storedKeys(); n != 2 {
		t.Errorf("%d keys are stored, want the new one and the one before it", n)
	}
}

func (f *fixture) storedKeys() (n int) {
	f.db.View(func(tx *storage.Tx) error {
		for range tx.Bucket(keysBucket).Scan(nil, nil) {
			n++
		}
		return nil
	})
	return n
}

func TestI02RemovedKeyEndsItsTokens(t *testing.T) {
	f := newFixture(t)
	f.account()
	old := f.signInAnn()
	oldID := part(t, old, 0)["kid"].(string)
	if err := f.RemoveKey(oldID); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.Verify(t.Context(), old)
	f.wantKind(err, fault.Unauthenticated, "token of a removed key")
	if !f.accepts(f.signInAnn()) {
		t.Error("no new key took over")
	}
	f.close()
	f.open()
	if f.accepts(old) {
		t.Error("the removed key is back after a restart")
	}
	f.wantKind(f.RemoveKey(oldID), fault.NotFound, "remove twice")
}

func TestKeyThatCannotBeMade(t *testing.T) {
	f := newFixture(t)
	f.account()
	f.keys.make = func() (*rsa.PrivateKey, error) { return nil, errors.New("no entropy") }
	if _, err := f.SignIn(t.Context(), "", annMail, annPassword, "test"); err == nil {
		t.Error("signed in without a key")
	}
	f.keys.make = testKey
	f.signInAnn()
}

func TestSecretFileRefusals(t *testing.T) {
	for _, row := range []struct {
		name   string
		spoil  func(path string) error
		reason string
	}{
		{"missing", os.Remove, "is missing"},
		{"empty", func(p string) error { return os.Truncate(p, 0) }, "is damaged"},
		{"cut", func(p string) error { return os.Truncate(p, 40) }, "is damaged"},
		{"other", func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("0", 64)+"\n"), 0o600) }, "not sealed with this"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFixture(t)
			f.account()
			f.signInAnn()
			path := filepath.Join(f.dir, secretFile)
			if err := row.spoil(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			_, err := New(f.config(), f.db, f.users, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), row.reason) {
				t.Errorf("error %v, want one with %q", err, row.reason)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestSecretFileOpenToOthersIsReported(t *testing.T) {
	f := newFixture(t)
	if err := os.Chmod(filepath.Join(f.dir, secretFile), 0o644); err != nil {
		t.Fatal(err)
	}
	f.close()
	f.open()
	if !strings.Contains(f.logs.String(), "can be read by others") {
		t.Errorf("the log says nothing:\n%s", f.logs)
	}
}

func TestSeal(t *testing.T) {
	s, err := newSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.seal("a", []byte("plain"))
	if plain, err := s.open("a", sealed); err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}
	if bytes.Equal(sealed, s.seal("a", []byte("plain"))) {
		t.Error("the nonce is not fresh")
	}
	if _, err := s.open("b", sealed); !errors.Is(err, errSealed) {
		t.Errorf("at another place: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.open("a", bad); !errors.Is(err, errSealed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := s.open("a", sealed[:i]); !errors.Is(err, errSealed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func FuzzOpenSealed(f *testing.F) {
	s, err := newSealer(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{})
	f.Add(s.seal("a", []byte("plain")))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if _, err := s.open("b", sealed); err == nil {
			t.Errorf("opened %x", sealed)
		}
	})
}
