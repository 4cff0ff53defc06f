package identity

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// secretFile holds the sealing key: 64 hex digits and a newline, mode 0600. It lies beside the store and not in it, so
// that a copy of the store alone gives nothing away; a backup needs both.
const secretFile = "secret.key"

// sealVersion is the first byte of a sealed value: version | 24 bytes nonce | XChaCha20-Poly1305 ciphertext and tag.
const sealVersion = 1

var errSealed = errors.New("it was not sealed with this secret.key, or is damaged")

// sealer keeps in the store what must be read again and be of no use to who copies the store.
type sealer struct {
	aead   cipher.AEAD
	macKey []byte
}

// openSealer reads dir/secret.key. A missing file is made, unless needed says that the store holds something sealed.
func openSealer(dir string, needed bool, log *slog.Logger) (*sealer, error) {
	path := filepath.Join(dir, secretFile)
	key, err := readSecret(path, log)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case needed:
		return nil, fmt.Errorf("%s is missing: the store holds keys that only it can open; put it back from the backup", path)
	default:
		key = make([]byte, chacha20poly1305.KeySize)
		rand.Read(key) // never fails
		if err := writeSecret(path, key); err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
	}
	return newSealer(key)
}

func newSealer(key []byte) (*sealer, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte("xively identity mac 1"))
	return &sealer{aead, h.Sum(nil)}, nil
}

// mac proves later that data came from here. purpose keeps what is made for one use from passing in another.
func (s *sealer) mac(purpose string, data []byte) []byte {
	h := hmac.New(sha256.New, s.macKey)
	h.Write([]byte(purpose + "\x00"))
	h.Write(data)
	return h.Sum(nil)
}

func readSecret(path string, log *slog.Logger) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		log.Warn("secret key can be read by others; make it mode 0600", "path", path, "mode", info.Mode().Perm().String())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("%s is damaged: it must hold 64 hex digits; put it back from the backup", path)
	}
	return key, nil
}

// writeSecret leaves either the whole file or none, on disk when it returns.
func writeSecret(path string, key []byte) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// seal binds plain to place, the bucket and key it is stored under, so that sealed values cannot be exchanged.
func (s *sealer) seal(place string, plain []byte) []byte {
	out := make([]byte, 1+chacha20poly1305.NonceSizeX, 1+chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	out[0] = sealVersion
	rand.Read(out[1:]) // never fails
	return s.aead.Seal(out, out[1:], plain, []byte(place))
}

func (s *sealer) open(place string, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead || sealed[0] != sealVersion {
		return nil, errSealed
	}
	nonce, box := sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:]
	plain, err := s.aead.Open(nil, nonce, box, []byte(place))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}
