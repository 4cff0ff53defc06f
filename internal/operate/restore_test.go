package operate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSwapRestored: wherever a crash interrupts the swap, the next start finishes it, and both folders are whole.
func TestSwapRestored(t *testing.T) {
	write := func(dir, text string, names ...string) {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text+" "+name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	now := time.Date(2026, 1, 31, 2, 0, 0, 0, time.UTC)
	for _, brought := range [][]string{{"xively.db", "journal/1", "secret.key", "tls/ca.pem"}, {"xively.db", "journal/1", "secret.key"}} {
		// What a swap does, one rename after the other.
		type step struct{ from, to string }
		var out, in []step
		for _, name := range swapped {
			if !slices.ContainsFunc(brought, func(b string) bool { return strings.HasPrefix(b, name) }) {
				continue
			}
			out = append(out, step{name, replacingFolder + "/" + name})
			in = append(in, step{restoredFolder + "/" + name, name})
		}
		slices.Reverse(in)
		steps := append(append(out, in...), step{replacingFolder, "replaced-20260131T020000Z"})
		for done := range len(steps) + 1 {
			dir := t.TempDir()
			write(dir, "old", "xively.db", "journal/1", "journal/2", "secret.key", "tls/ca.pem", "LOCK", "backups/one")
			write(filepath.Join(dir, restoredFolder), "new", brought...)
			if done > 0 {
				if err := os.Mkdir(filepath.Join(dir, replacingFolder), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range steps[:done] {
				if err := os.Rename(filepath.Join(dir, s.from), filepath.Join(dir, s.to)); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := SwapRestored(dir, now)
			if err != nil || kept == "" && done < len(steps) {
				t.Fatalf("after %d steps: %q, %v", done, kept, err)
			}
			kept = "replaced-20260131T020000Z"
			want := map[string]string{"LOCK": "old LOCK", "backups/one": "old backups/one", kept + "/journal/2": "old journal/2", "tls/ca.pem": "old tls/ca.pem"}
			for _, name := range brought {
				want[name], want[kept+"/"+name] = "new "+name, "old "+name
			}
			if got := contents(t, dir); len(got) != len(want) {
				t.Errorf("after %d of %d steps: %v, want %v", done, len(steps), got, want)
			} else {
				for name, text := range want {
					if got[name] != text {
						t.Errorf("after %d of %d steps: %s is %q, want %q", done, len(steps), name, got[name], text)
					}
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "re*")); len(left) != 1 {
				t.Errorf("after %d of %d steps there are %v", done, len(steps), left)
			}
			if again, err := SwapRestored(dir, now); again != "" || err != nil {
				t.Errorf("a second swap: %q, %v", again, err)
			}
		}
	}
}

// contents returns the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRestoreIsRefused: what cannot be restored changes nothing and says why.
func TestRestoreIsRefused(t *testing.T) {
	dir, db := folder(t)
	whole := archiveOf(t, dir, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	file := filepath.Join(t.TempDir(), "one"+suffix)
	for name, content := range map[string][]byte{"cut": whole[:len(whole)-40], "damaged": append(append([]byte{}, whole[:len(whole)/2]...), make([]byte, len(whole)/2)...)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := unpackRestored(t.Context(), file, dir); err == nil {
			t.Errorf("a %s backup was taken", name)
		}
		if got := contents(t, dir); len(got) != len(before) {
			t.Errorf("a %s backup left %v", name, got)
		}
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unpackRestored(t.Context(), file, dir); err != nil {
		t.Fatal(err)
	}
	if err := unpackRestored(t.Context(), file, dir); err == nil {
		t.Error("a second backup was taken while one waits")
	}
}
