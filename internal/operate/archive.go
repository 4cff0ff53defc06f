package operate

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"xively/storage"
)

// A backup is a tar archive in zstd, to be looked into with `tar --zstd -tf`:
//
//	xively-backup.json   Manifest
//	secret.key           what opens the store's sealed secrets
//	tls/…                the private authority and the server's certificate
//	journal/…, xively.db one moment of the store
//	SHA256SUMS           of all files before it, as sha256sum writes them; an archive without it is not whole
const (
	manifestName = "xively-backup.json"
	sumsName     = "SHA256SUMS"
	archiveForm  = 1
	mostManifest = 64 << 10
	mostSums     = 1 << 20
)

// Manifest is what a backup says about itself.
type Manifest struct {
	Form    int       `json:"form"`
	Created time.Time `json:"created"`
	Version string    `json:"version"` // of the program
}

// beside are files of the data folder, besides the store's own, that a restored server needs.
var beside = []string{"secret.key", "tls"}

// archiver writes one backup.
type archiver struct {
	tar  *tar.Writer
	zip  *zstd.Encoder
	sums strings.Builder
	now  time.Time

	name string // of the file being written
	sum  hash.Hash
}

// writeArchive writes a backup of the folder to w. take writes the store's files.
func writeArchive(w io.Writer, dir string, m Manifest, take func(storage.SnapshotFile) error) error {
	zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer zip.Close()
	a := &archiver{tar: tar.NewWriter(zip), zip: zip, now: m.Created}
	text, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = a.put(manifestName, text)
	}
	if err == nil {
		err = a.folder(dir)
	}
	if err == nil {
		err = take(a.file)
	}
	if err == nil {
		err = a.finish()
	}
	return err
}

// file begins the next file (storage.SnapshotFile).
func (a *archiver) file(name string, size int64) (io.Writer, error) {
	a.endFile()
	a.name, a.sum = filepath.ToSlash(name), sha256.New()
	if err := a.tar.WriteHeader(&tar.Header{Name: a.name, Mode: 0o600, Size: size, ModTime: a.now}); err != nil {
		return nil, err
	}
	return io.MultiWriter(a.tar, a.sum), nil
}

func (a *archiver) endFile() {
	if a.sum != nil {
		fmt.Fprintf(&a.sums, "%s  %s\n", hex.EncodeToString(a.sum.Sum(nil)), a.name)
	}
	a.sum = nil
}

func (a *archiver) put(name string, content []byte) error {
	w, err := a.file(name, int64(len(content)))
	if err == nil {
		_, err = w.Write(content)
	}
	return err
}

// folder adds what lies beside the store.
func (a *archiver) folder(dir string) error {
	for _, name := range beside {
		err := filepath.WalkDir(filepath.Join(dir, name), func(at string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			inside, err := filepath.Rel(dir, at)
			if err != nil {
				return err
			}
			return a.put(inside, content)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (a *archiver) finish() error {
	a.endFile()
	sums := []byte(a.sums.String())
	if err := a.tar.WriteHeader(&tar.Header{Name: sumsName, Mode: 0o600, Size: int64(len(sums)), ModTime: a.now}); err != nil {
		return err
	}
	if _, err := a.tar.Write(sums); err != nil {
		return err
	}
	return errors.Join(a.tar.Close(), a.zip.Close())
}

// ErrNotWhole is of a file that is no backup, or not all of one, or changed since it was made.
var ErrNotWhole = errors.New("this is not a whole backup")

// readArchive reads a backup and checks it. put, when not nil, gets each file of the data folder, before it is known
// whether all is right.
func readArchive(r io.Reader, put func(name string, content io.Reader) error) (m Manifest, err error) {
	unzip, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrNotWhole, err)
	}
	defer unzip.Close()
	in := tar.NewReader(unzip)
	var sums strings.Builder
	for first := true; ; first = false {
		h, err := in.Next()
		if err != nil {
			return m, fmt.Errorf("%w: it ends before its checksums: %w", ErrNotWhole, err)
		}
		if h.Name == sumsName {
			said, err := io.ReadAll(io.LimitReader(in, mostSums))
			if err != nil || string(said) != sums.String() {
				return m, fmt.Errorf("%w: a checksum does not match", ErrNotWhole)
			}
			if _, err := in.Next(); err != io.EOF { // also what zstd checks at its end
				return m, fmt.Errorf("%w: something follows its checksums", ErrNotWhole)
			}
			return m, nil
		}
		if h.Typeflag != tar.TypeReg || !inside(h.Name) {
			return m, fmt.Errorf("%w: it holds %q, which a backup does not", ErrNotWhole, h.Name)
		}
		sum := sha256.New()
		content := io.TeeReader(in, sum)
		switch {
		case first:
			if m, err = readManifest(h.Name, content); err != nil {
				return m, err
			}
		case put != nil:
			err = put(h.Name, content)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, content)
		}
		if err != nil {
			return m, err
		}
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum.Sum(nil)), h.Name)
	}
}

// inside reports whether a name is one of the files that make a data folder: never one above it or beside it.
func inside(name string) bool {
	if path.Clean(name) != name || strings.ContainsAny(name, "\\\x00:") || !fs.ValidPath(name) {
		return false
	}
	top, _, _ := strings.Cut(name, "/")
	return slices.Contains(append([]string{manifestName, "journal", "xively.db"}, beside...), top)
}

func readManifest(name string, content io.Reader) (m Manifest, err error) {
	text, err := io.ReadAll(io.LimitReader(content, mostManifest))
	if name != manifestName || err != nil || json.Unmarshal(text, &m) != nil {
		return m, fmt.Errorf("%w: it does not begin with %s", ErrNotWhole, manifestName)
	}
	if m.Form != archiveForm {
		return m, fmt.Errorf("the backup has the form %d; this program reads form %d", m.Form, archiveForm)
	}
	return m, nil
}

// check reads a whole backup.
func check(file string) (Manifest, error) { return readArchiveFile(file, nil) }

func readArchiveFile(file string, put func(name string, content io.Reader) error) (Manifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	return readArchive(bufio.NewReaderSize(f, 1<<20), put)
}

// createFile writes a file under a name that it gets when its content is whole and on disk.
func createFile(name string, write func(io.Writer) error) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	partial := name + partialSuffix
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	err = write(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(partial))
	}
	if err := os.Rename(partial, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// BackupFolder makes a backup of a data folder that no server is using.
func BackupFolder(dir, file, version string) error {
	return createFile(file, func(w io.Writer) error {
		return writeArchive(w, dir, Manifest{archiveForm, time.Now().UTC(), version}, func(put storage.SnapshotFile) error { return storage.SnapshotFolder(dir, put) })
	})
}

// Restore makes a data folder from a backup: dir must not exist, or be empty. What is there is whole, or nothing is: the
// folder is filled under another name beside it, checked to the last checksum, and renamed.
func Restore(ctx context.Context, file, dir string) (m Manifest, report storage.Report, err error) {
	dir = filepath.Clean(dir)
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return m, report, fmt.Errorf("%s is not empty: restore into a new folder, or move this one away first", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, report, err
	}
	partial := dir + partialSuffix
	defer os.RemoveAll(partial) // when it has its name, nothing is left to remove
	if m, report, err = unpackAll(ctx, file, partial); err != nil {
		return m, report, err
	}
	if err := os.Rename(partial, dir); err != nil { // over an empty folder, too
		return m, report, err
	}
	return m, report, syncFolder(filepath.Dir(dir))
}

// unpackAll makes a data folder of a backup under a name that nobody looks at yet, and checks all of it.
func unpackAll(ctx context.Context, file, partial string) (m Manifest, report storage.Report, err error) {
	if err := os.RemoveAll(partial); err != nil { // of a restore that was interrupted
		return m, report, err
	}
	if err := os.MkdirAll(partial, 0o700); err != nil {
		return m, report, err
	}
	m, err = readArchiveFile(file, func(name string, content io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return unpack(filepath.Join(partial, filepath.FromSlash(name)), content)
	})
	if err != nil {
		return m, report, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	if report, err = storage.Verify(partial); err != nil {
		return m, report, err
	}
	return m, report, syncFolders(filepath.Join(partial, "journal"), partial)
}

func unpack(to string, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SaveBackup writes a backup that comes over the network into a new file, which gets its name when the backup is whole.
func SaveBackup(file string, from io.Reader) (m Manifest, err error) {
	err = createFile(file, func(w io.Writer) error {
		both := io.TeeReader(from, w)
		if m, err = readArchive(both, nil); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, both)
		return err
	})
	return m, err
}
