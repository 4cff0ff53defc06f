package storage

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Stream says whose record it is: 'b' broker, 't' timeseries, 'l' logging.
type Stream = byte

// LSN is the place of a batch in the order of the journal: 1, 2, 3 …, never used twice. 0 is "nothing".
type LSN = uint64

// A segment is one file of the journal: a header block and frames. Its name is its number in the chain.
const (
	blockSize      = 4096 // writes are whole blocks, so that the kernel never reads a file used again before writing
	segmentMagic   = "XIVJRNL1"
	segmentHeadLen = 8 + idLen + 8 + 8 + 8 + 8 + 4
	segmentSuffix  = ".journal"
	spareSuffix    = ".spare" // trimmed, or in the making; holds nothing
)

type segment struct {
	path  string
	seq   uint64
	first LSN // of its first frame
	mark  uint64
	size  int64 // of the file
	store [idLen]byte

	end   int64 // behind its last frame
	next  LSN   // behind its last batch
	ready int64 // blocks up to here have been written to: writing to them again changes no metadata
}

// empty reports whether no frame of its own is in the segment, as far as its header can be read.
func (s *segment) empty() bool {
	f, err := os.Open(s.path)
	if err != nil {
		return false
	}
	defer f.Close()
	if err := s.readHeader(f); err != nil {
		return false
	}
	buf := make([]byte, frameHeaderLen)
	if _, err := f.ReadAt(buf, blockSize); err != nil {
		return false
	}
	_, ok := parseFrameHeader(buf, s.mark)
	return !ok
}

// listSegments returns the segments in a folder by number, headers unread; none when the folder is missing.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []*segment
	for _, e := range entries {
		hex, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok {
			continue
		}
		seq, err := strconv.ParseUint(hex, 16, 64)
		if err != nil || len(hex) != 16 {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, e.Name()), damagedf("no journal file has such a name"))
		}
		list = append(list, &segment{path: filepath.Join(dir, e.Name()), seq: seq})
	}
	slices.SortFunc(list, func(a, b *segment) int { return cmp.Compare(a.seq, b.seq) })
	return list, nil
}

// isUsed reports whether a spare has been a segment, written from end to end.
func isUsed(spare string) bool {
	name := filepath.Base(spare)
	return !strings.HasPrefix(name, "new") && !strings.HasPrefix(name, "room")
}

func segmentPath(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x%s", seq, segmentSuffix))
}

// header encodes the segment's header, padded to a block.
func (s *segment) header() []byte {
	b := make([]byte, 0, blockSize)
	b = append(b, segmentMagic...)
	b = append(b, s.store[:]...)
	b = binary.BigEndian.AppendUint64(b, s.seq)
	b = binary.BigEndian.AppendUint64(b, s.first)
	b = binary.BigEndian.AppendUint64(b, s.mark)
	b = binary.BigEndian.AppendUint64(b, uint64(s.size))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:blockSize]
}

func (s *segment) readHeader(f *os.File) error {
	b := make([]byte, segmentHeadLen)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	sum := binary.BigEndian.Uint32(b[segmentHeadLen-4:])
	if string(b[:8]) != segmentMagic || sum != crc32.Checksum(b[:segmentHeadLen-4], castagnoli) {
		return fmt.Errorf("%s: %w", s.path, damagedf("header is not readable"))
	}
	seq := binary.BigEndian.Uint64(b[16:])
	s.store = [idLen]byte(b[8:16])
	s.first = binary.BigEndian.Uint64(b[24:])
	s.mark = binary.BigEndian.Uint64(b[32:])
	s.size = int64(binary.BigEndian.Uint64(b[40:]))
	s.end, s.next = blockSize, s.first
	if seq != s.seq {
		return fmt.Errorf("%s: %w", s.path, damagedf("it is file %d under another name", seq))
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != s.size {
		return fmt.Errorf("%s: %w", s.path, damagedf("it has %d bytes and not %d", info.Size(), s.size))
	}
	return nil
}

// makeSegment prepares a file under a spare name, durable, and then gives it its own. spare is a file to use again, ""
// for a new one.
func makeSegment(dir, spare string, s *segment) (*os.File, error) {
	var mark [8]byte
	rand.Read(mark[:])
	s.mark = binary.BigEndian.Uint64(mark[:])
	s.end, s.next = blockSize, s.first
	s.path = segmentPath(dir, s.seq)
	if spare == "" {
		spare = filepath.Join(dir, "new"+spareSuffix)
	}
	if isUsed(spare) {
		s.ready = s.size
	}
	f, err := os.OpenFile(spare, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := s.settle(f, spare); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *segment) settle(f *os.File, temporary string) error {
	if err := preallocate(f, s.size); err != nil {
		return err
	}
	if _, err := f.WriteAt(s.header(), 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil { // also the size and the blocks
		return err
	}
	if err := os.Rename(temporary, s.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.path))
}

// scan reads the segment's frames in order and calls visit for each; the body is valid during the call. It sets end and
// next, and stops without an error at the first bytes that are not the next frame.
func (s *segment) scan(f *os.File, visit func(fr frame, body []byte) error) error {
	var head [frameHeaderLen]byte
	var body []byte
	s.end, s.next = blockSize, s.first
	for s.end+frameHeaderLen <= s.size {
		if _, err := f.ReadAt(head[:], s.end); err != nil {
			return fmt.Errorf("%s: offset %d: %w", s.path, s.end, err)
		}
		fr, ok := parseFrameHeader(head[:], s.mark)
		if !ok || fr.first != s.next || s.end+frameHeaderLen+int64(fr.length) > s.size {
			return nil
		}
		body = slices.Grow(body[:0], int(fr.length))[:fr.length]
		if _, err := f.ReadAt(body, s.end+frameHeaderLen); err != nil {
			return fmt.Errorf("%s: offset %d: %w", s.path, s.end, err)
		}
		if frameSum(s.mark, body) != fr.sum {
			return nil
		}
		if err := visit(fr, body); err != nil {
			return fmt.Errorf("%s: offset %d: %w", s.path, s.end, err)
		}
		s.end += frameHeaderLen + int64(fr.length)
		s.next += LSN(fr.count)
	}
	return nil
}

// frameBehind returns the offset of a frame header behind the segment's end, 0 when there is none. A crash tears the last
// frame and no other, so a header behind it means that the end is damage.
func (s *segment) frameBehind(f *os.File) (int64, error) {
	const chunk = 1 << 20
	mark := binary.BigEndian.AppendUint64(nil, s.mark)
	buf := make([]byte, chunk+frameHeaderLen)
	for at := s.end + 1; at < s.size; at += chunk {
		n, err := f.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return 0, fmt.Errorf("%s: offset %d: %w", s.path, at, err)
		}
		for from := 0; ; from++ {
			i := bytes.Index(buf[from:n], mark)
			if i < 0 {
				break
			}
			from += i
			if fr, ok := parseFrameHeader(buf[from:n], s.mark); ok && fr.first >= s.next {
				return at + int64(from), nil
			}
		}
	}
	return 0, nil
}

func roundUp(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }
