package operate

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"xively/storage"
	"xively/storage/storagetest"
)

// folder makes a data folder with a store and what lies beside it.
func folder(t *testing.T) (dir string, db *storage.DB) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"secret.key": "secret", "tls/ca.pem": "authority", "other": "not ours"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db = storagetest.OpenIn(t, dir)
	err := db.Update(func(tx *storage.Tx) error {
		tx.Bucket("test").Put([]byte("k"), []byte("v"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, db
}

func archiveOf(t *testing.T, dir string, db *storage.DB) []byte {
	t.Helper()
	var b bytes.Buffer
	err := writeArchive(&b, dir, Manifest{archiveForm, time.Now().UTC(), "test"}, func(put storage.SnapshotFile) error {
		_, err := db.Snapshot(t.Context(), put)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRestore(t *testing.T) {
	dir, db := folder(t)
	file := filepath.Join(t.TempDir(), "one"+suffix)
	if err := os.WriteFile(file, archiveOf(t, dir, db), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "new")
	if _, _, err := Restore(t.Context(), file, to); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"secret.key": "secret", "tls/ca.pem": "authority", "other": ""} {
		if text, _ := os.ReadFile(filepath.Join(to, name)); string(text) != want {
			t.Errorf("%s is %q, want %q", name, text, want)
		}
	}
	restored := storagetest.OpenIn(t, to)
	err := restored.View(func(tx *storage.Tx) error {
		if v := tx.Bucket("test").Get([]byte("k")); string(v) != "v" {
			t.Errorf("the store has %q", v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(t.Context(), file, to); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over a folder in use: %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	other := filepath.Join(t.TempDir(), "other")
	if _, _, err := Restore(stopped, file, other); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, _ := filepath.Glob(other + "*"); len(left) > 0 {
		t.Errorf("a cancelled restore leaves %v", left)
	}
}

// TestDamagedBackups: whatever is changed, cut off or added is found, and nothing is left of the restore (D13, D14).
func TestDamagedBackups(t *testing.T) {
	dir, db := folder(t)
	whole := archiveOf(t, dir, db)
	files := untar(t, whole)
	change := func(fn func(name string, content []byte) (string, []byte)) []byte { return retar(t, files, fn) }
	rows := map[string][]byte{
		"nothing":      {},
		"not a backup": []byte("hello"),
		"a lost file": change(func(name string, c []byte) (string, []byte) {
			if name == "secret.key" {
				return "", nil
			}
			return name, c
		}),
		"a changed file": change(func(name string, c []byte) (string, []byte) {
			if name == "xively.db" {
				c = bytes.Clone(c)
				c[len(c)/2] ^= 1
			}
			return name, c
		}),
		"no checksums": change(func(name string, c []byte) (string, []byte) {
			if name == sumsName {
				return "", nil
			}
			return name, c
		}),
	}
	for _, name := range []string{"../evil", "/etc/evil", "tls/../../evil", "journal/./x", "other", `tls\..\evil`, "tls/\x00"} {
		rows["a file named "+name] = change(func(old string, c []byte) (string, []byte) {
			if old == "tls/ca.pem" {
				return name, c
			}
			return old, c
		})
	}
	for _, at := range []int{1, len(whole) / 3, len(whole) - 1} {
		rows["cut off at "+string(rune('a'+at%26))] = whole[:at]
		bad := bytes.Clone(whole)
		bad[at] ^= 0x40
		rows["a bit changed at "+string(rune('a'+at%26))] = bad
	}
	for name, content := range rows {
		file := filepath.Join(t.TempDir(), "one"+suffix)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "new")
		if _, _, err := Restore(t.Context(), file, to); err == nil {
			t.Errorf("%s: restored", name)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), "*")); len(left) > 0 {
			t.Errorf("%s: leaves %v", name, left)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(to), "evil")); err == nil {
			t.Errorf("%s: wrote beside the folder", name)
		}
	}
}

type entryOf struct {
	name    string
	content []byte
}

func untar(t *testing.T, archive []byte) (all []entryOf) {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if err == io.EOF {
			return all
		}
		content, err2 := io.ReadAll(in)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		all = append(all, entryOf{h.Name, content})
	}
}

func retar(t *testing.T, all []entryOf, change func(string, []byte) (string, []byte)) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	out := tar.NewWriter(z)
	for _, e := range all {
		name, content := change(e.name, e.content)
		if name == "" {
			continue
		}
		err := out.WriteHeader(&tar.Header{Name: strings.ReplaceAll(name, "\x00", "?"), Mode: 0o600, Size: int64(len(content))})
		if err == nil {
			_, err = out.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFailedBackupLeavesNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "one"+suffix)
	bad := errors.New("disk full")
	if err := createFile(name, func(io.Writer) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Dir(name) + "/*"); len(left) > 0 {
		t.Errorf("a failed backup leaves %v", left)
	}
	if err := os.WriteFile(name, []byte("there"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := createFile(name, func(io.Writer) error { return nil }); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
}
