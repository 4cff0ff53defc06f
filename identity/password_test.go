package identity

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"xively/internal/fault"
)

var cheap = hashParams{memoryKiB: 8, passes: 1, threads: 1}

func TestHashTakesTheWholePassword(t *testing.T) {
	h := newHasher(cheap)
	for _, password := range []string{"", "a", mixed(72), mixed(73), mixed(128), "a\x00b", "пароль", " a "} {
		stored := h.hash(password)
		if ok, err := h.matches(stored, password); !ok || err != nil {
			t.Errorf("%q does not match its own hash %s: %v", password, stored, err)
		}
		for _, other := range []string{password + "x", password + "\x00", password + " ", strings.TrimSuffix(password, "b")} {
			if ok, _ := h.matches(stored, other); ok && other != password {
				t.Errorf("%q matches the hash of %q", other, password)
			}
		}
		if again := h.hash(password); again == stored {
			t.Errorf("%q: the salt is not fresh", password)
		}
	}
	if ok, err := h.matches(h.dummy, ""); ok || err != nil {
		t.Errorf("the dummy: %v, %v", ok, err)
	}
}

func TestDecodeHash(t *testing.T) {
	good := newHasher(cheap).dummy
	if _, _, _, err := decodeHash(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "$", "$$$$$", good + "=", good + "\n", " " + good, strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=8", "m=4294967295", 1), strings.Replace(good, "m=8", "m=08", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=257", 1), strings.Replace(good, "p=1", "p=0", 1),
		"$argon2id$v=19$m=8,t=1,p=1$$"} {
		if _, _, _, err := decodeHash(bad); !errors.Is(err, errBadHash) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzDecodeHash(f *testing.F) {
	f.Add(newHasher(cheap).dummy)
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5")
	f.Fuzz(func(t *testing.T, stored string) {
		p, salt, key, err := decodeHash(stored)
		if err == nil && encodeHash(p, salt, key) != stored {
			t.Errorf("%q is not what it decodes to", stored)
		}
	})
}

// At most two run, a short queue waits, the rest is refused at once (R21).
func TestHashingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheap)
		var running, most, ran, refused atomic.Int32
		hold := make(chan struct{})
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				err := h.run(context.Background(), func() error {
					if n := running.Add(1); n > most.Load() {
						most.Store(n)
					}
					<-hold
					running.Add(-1)
					ran.Add(1)
					return nil
				})
				if err != nil && fault.KindOf(err) == fault.TooMany {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if int(running.Load()) != hashesAtOnce || int(refused.Load()) != 200-hashesAtOnce-hashQueue {
			t.Errorf("%d run and %d are refused while the others wait", running.Load(), refused.Load())
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		h.waiting.Add(-1) // room for one more in the queue
		if err := h.run(ctx, func() error { t.Error("ran although its caller has gone"); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("caller gone while waiting: %v", err)
		}
		h.waiting.Add(1)
		close(hold)
		all.Wait()
		if int(ran.Load()) != hashesAtOnce+hashQueue || int(most.Load()) > hashesAtOnce || h.refused.Load() != int64(refused.Load()) {
			t.Errorf("%d ran, %d at once at most, %d counted as refused", ran.Load(), most.Load(), h.refused.Load())
		}
	})
}

func BenchmarkHash(b *testing.B) {
	c := Config{}.withDefaults()
	h := newHasher(hashParams{c.PasswordMemoryKiB, c.PasswordPasses, 1})
	for b.Loop() {
		h.hash(annPassword)
	}
}
