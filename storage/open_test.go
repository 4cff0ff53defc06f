package storage_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"xively/storage"
	"xively/storage/storagetest"
)

const store = "xively.db"

// used returns a folder with a store that was filled and closed. Its journal has several files with records.
func used(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	fill(t, db)
	attach(t, db, 'y', new(collector)) // so that Close leaves a cut
	for i := range 600 {
		lsn := record(db.Journal(), 'x', bytes.Repeat([]byte{byte(i)}, 1500), nil)
		if i%50 == 0 {
			wait(t, db.Journal(), lsn)
		}
	}
	storagetest.Check(t, db, dir)
	return dir
}

// fill writes buckets of every shape: inline, of one page, of many pages, with values larger than a page, and free pages.
func fill(t *testing.T, db *storage.DB) {
	t.Helper()
	update(t, db, func(tx *storage.Tx) {
		tx.Bucket("small").Put([]byte("k"), []byte("v"))
		tx.Bucket("small").NextID()
		for i := range 20 {
			tx.Bucket("page").Put(fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, 100))
			tx.Bucket("large").Put(fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, 1000*i))
		}
		for i := range 3000 {
			tx.Bucket("many").Put(fmt.Appendf(nil, "key %06d", i), fmt.Append(nil, "value", i*i))
		}
	})
	update(t, db, func(tx *storage.Tx) {
		for k := range tx.Bucket("many").Scan([]byte("key 001000"), []byte("key 001700")) {
			tx.Bucket("many").Delete(k)
		}
	})
	// Twice the same, so that the loss of one header page, and with it of the newest transaction, changes no value.
	for range 2 {
		update(t, db, func(tx *storage.Tx) { tx.Bucket("small").Put([]byte("k"), []byte("v")) })
	}
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// fingerprint is a hash of every file's name and content.
func fingerprint(t *testing.T, dir string) [32]byte {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintln(h, path, len(b))
		h.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

func journalFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "journal", "*.journal"))
	if err != nil || len(files) < 3 {
		t.Fatalf("journal files %v, %v; want at least 3", files, err)
	}
	return files
}

// TestRefusals: a folder that cannot be trusted is refused with an error that says which file and why, and no byte in it
// changes. Verify says the same.
func TestRefusals(t *testing.T) {
	cut := func(n int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, store), func(b []byte) []byte { return b[:n] })
		}
	}
	replace := func(content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, store), func([]byte) []byte { return []byte(content) })
		}
	}
	tests := []struct {
		name string
		do   func(t *testing.T, dir string)
		want error
		says string
	}{
		{"empty", replace(""), storage.ErrDamaged, "empty"},
		{"one byte", cut(1), storage.ErrNotStore, store},
		{"half a page", cut(2048), storage.ErrDamaged, "cut short"},
		{"one page", cut(4096), storage.ErrDamaged, "cut short"},
		{"two pages", cut(2 * 4096), storage.ErrDamaged, "cut short"},
		{"five pages", cut(5 * 4096), storage.ErrDamaged, "cut short"},
		{"sixty pages and a bit", cut(60*4096 + 100), storage.ErrDamaged, "cut short"},
		{"text", replace(strings.Repeat("hello world\n", 10000)), storage.ErrNotStore, store},
		{"zeros", replace(strings.Repeat("\x00", 100000)), storage.ErrNotStore, store},
		{"another program's database", otherDatabase, storage.ErrNotStore, store},
		{"newer schema", newerSchema, storage.ErrNewer, "schema 99"},
		{"both headers", bothHeaders, storage.ErrDamaged, "header"},
		{"store missing", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, store)) }, nil, store},
		{"journal missing", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
				t.Fatal(err)
			}
		}, storage.ErrDamaged, "journal"},
		{"first journal file missing", func(t *testing.T, dir string) { remove(t, journalFiles(t, dir)[0]) }, storage.ErrDamaged, "missing"},
		{"middle journal file missing", func(t *testing.T, dir string) { remove(t, journalFiles(t, dir)[1]) }, storage.ErrDamaged, "missing"},
		{"newest journal file missing", func(t *testing.T, dir string) {
			f := journalFiles(t, dir)
			remove(t, f[len(f)-1])
		}, storage.ErrDamaged, "journal ends"},
		{"journal of another store", func(t *testing.T, dir string) {
			other := used(t)
			for i, f := range journalFiles(t, other) {
				edit(t, journalFiles(t, dir)[i], func([]byte) []byte { b, _ := os.ReadFile(f); return b })
			}
		}, storage.ErrDamaged, "another store"},
		{"journal file renamed", func(t *testing.T, dir string) {
			f := journalFiles(t, dir)
			edit(t, f[1], func([]byte) []byte { b, _ := os.ReadFile(f[0]); return b })
		}, storage.ErrDamaged, "another name"},
		{"journal file cut short", func(t *testing.T, dir string) {
			edit(t, journalFiles(t, dir)[1], func(b []byte) []byte { return b[:len(b)/2] })
		}, storage.ErrDamaged, "bytes"},
		{"hole in a closed journal file", hole(1), storage.ErrDamaged, "not readable"},
		{"hole in the newest journal file", hole(-1), storage.ErrDamaged, "another one follows"},
		{"journal file with an odd name", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "journal", "x.journal"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, storage.ErrDamaged, "x.journal"},
	}
	original := used(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := storagetest.CopyStopped(t, original)
			test.do(t, dir)
			before := fingerprint(t, dir)
			for i, open := range []func() error{
				func() error {
					db, err := storage.Open(storagetest.Config(dir), storagetest.Log(t))
					if err == nil {
						db.Close()
					}
					return err
				},
				func() error { _, err := storage.Verify(dir); return err },
			} {
				err := open()
				if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("way %d: %v; want %v that says %q", i, err, test.want, test.says)
				}
				if err != nil && !strings.Contains(err.Error(), dir) {
					t.Errorf("way %d: %v: does not say where", i, err)
				}
			}
			if fingerprint(t, dir) != before {
				t.Error("the refusal changed the folder")
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func otherDatabase(t *testing.T, dir string) {
	remove(t, filepath.Join(dir, store))
	other, err := bbolt.Open(filepath.Join(dir, store), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	other.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
}

func newerSchema(t *testing.T, dir string) {
	db, err := storage.Open(storagetest.Config(dir), storagetest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx *storage.Tx) { tx.Bucket("storage").Put([]byte("schema"), []byte{0, 0, 0, 99}) })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func bothHeaders(t *testing.T, dir string) {
	edit(t, filepath.Join(dir, store), func(b []byte) []byte {
		b[40]++
		b[4096+40]++
		return b
	})
}

// hole clears a block in the middle of a journal file's entries, counted from either end of the chain.
func hole(i int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		files := journalFiles(t, dir)
		edit(t, files[(i+len(files))%len(files)], func(b []byte) []byte {
			end := len(bytes.TrimRight(b, "\x00"))
			at := min(end/2, len(b)-4096)
			clear(b[at : at+2000])
			return b
		})
	}
}

// TestOneHeaderLost: the other header page is used, with a warning, and everything older than the newest transaction reads.
func TestOneHeaderLost(t *testing.T) {
	for header := range 2 {
		dir := storagetest.CopyStopped(t, used(t))
		edit(t, filepath.Join(dir, store), func(b []byte) []byte { clear(b[header*4096:][:4096]); return b })
		report, err := storage.Verify(dir)
		if err != nil || !report.HeaderLost {
			t.Errorf("header %d: Verify: %v, lost %v", header, err, report.HeaderLost)
		}
		db := storagetest.OpenIn(t, dir)
		view(t, db, func(tx *storage.Tx) {
			if tx.Bucket("small").Get([]byte("k")) == nil {
				t.Errorf("header %d: an old value is missing", header)
			}
		})
		update(t, db, func(tx *storage.Tx) { tx.Bucket("small").Put([]byte("k"), []byte("v2")) })
	}
}

// TestInterruptedFirstStart: a crash at any step of making a store leaves a folder that the next start can use.
func TestInterruptedFirstStart(t *testing.T) {
	whole := func(t *testing.T) string { // all files made, the store under its temporary name
		dir := t.TempDir()
		db := storagetest.OpenIn(t, dir)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		dir = storagetest.CopyStopped(t, dir)
		if err := os.Rename(filepath.Join(dir, store), filepath.Join(dir, store+".new")); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	temporary := filepath.Join(store + ".new")
	tests := map[string]func(t *testing.T, dir string){
		"before the last rename": func(*testing.T, string) {},
		"before the journal": func(t *testing.T, dir string) {
			os.RemoveAll(filepath.Join(dir, "journal"))
		},
		"journal file not yet named": func(t *testing.T, dir string) {
			os.Rename(filepath.Join(dir, "journal", "0000000000000001.journal"), filepath.Join(dir, "journal", "new.spare"))
		},
		"store half written": func(t *testing.T, dir string) {
			os.RemoveAll(filepath.Join(dir, "journal"))
			edit(t, filepath.Join(dir, temporary), func(b []byte) []byte { return b[:5000] })
		},
		"nothing but the lock": func(t *testing.T, dir string) {
			os.RemoveAll(filepath.Join(dir, "journal"))
			os.Remove(filepath.Join(dir, temporary))
			os.WriteFile(filepath.Join(dir, "LOCK"), nil, 0o600)
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			dir := whole(t)
			damage(t, dir)
			db := storagetest.OpenIn(t, dir)
			update(t, db, func(tx *storage.Tx) { tx.Bucket("b").Put([]byte("k"), nil) })
			if _, err := os.Stat(filepath.Join(dir, temporary)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the temporary file is still there: %v", err)
			}
		})
	}
}

// TestModes: nobody else can read the data, whatever the umask.
func TestModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "new", "data")
	db := storagetest.OpenIn(t, dir)
	wait(t, db.Journal(), record(db.Journal(), 'x', make([]byte, 300<<10), nil))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestConfigRefused(t *testing.T) {
	for _, cfg := range []storage.Config{{}, {Dir: "x", SegmentBytes: -1}} {
		if _, err := storage.Open(cfg, storagetest.Log(t)); err == nil {
			t.Errorf("Open(%+v) succeeded", cfg)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := storage.Open(storage.Config{Dir: file}, storagetest.Log(t)); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open on a file: %v", err)
	}
}

// TestTwoProcesses: a second process on the same folder is refused at once, and the first is not disturbed.
func TestTwoProcesses(t *testing.T) {
	if dir := os.Getenv("STORAGE_TEST_SECOND"); dir != "" {
		_, err := storage.Open(storage.Config{Dir: dir}, storagetest.Log(t))
		fmt.Println("second process:", err)
		_, err = storage.Verify(dir)
		fmt.Println("second process:", err)
		return
	}
	dir := t.TempDir()
	db := storagetest.OpenIn(t, dir)
	cmd := exec.Command(os.Args[0], "-test.run=^TestTwoProcesses$")
	cmd.Env = append(os.Environ(), "STORAGE_TEST_SECOND="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "second process: data folder " + dir + ": " + storage.ErrLocked.Error()
	if n := strings.Count(string(out), want); n != 2 {
		t.Errorf("second process said\n%s\nwant twice %q", out, want)
	}
	update(t, db, func(tx *storage.Tx) { tx.Bucket("b").Put([]byte("k"), nil) })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	storagetest.OpenIn(t, dir) // a LOCK file left behind means nothing
}
