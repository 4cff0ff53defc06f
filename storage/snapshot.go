package storage

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
)

// SnapshotFile takes one file of a snapshot: exactly size bytes will be written, then the next file is asked for.
type SnapshotFile func(name string, size int64) (io.Writer, error)

// Snapshot writes a copy of the store as it is at one moment while everybody goes on: all that was committed and appended
// before it, nothing that came after. The files are those of a data folder that a crash has left then, so Open and Verify
// take them. It returns the newest batch in it.
//
// The moment is one without open batches, when the journal's order is told and a view of the store begins. The journal up
// to there is copied, in one file, before a checkpoint may take it away; then the store, page by page, through the view.
// While that lasts, old pages are not used again and the file grows. An error of file's writers ends the snapshot.
func (db *DB) Snapshot(ctx context.Context, file SnapshotFile) (LSN, error) {
	j := db.journal
	j.checkpointing.Lock()
	unlock := j.checkpointing.Unlock
	defer func() { unlock() }()
	if err := db.Err(); err != nil {
		return 0, err
	}
	j.barrier.Lock()
	cut := j.Last()
	view, err := db.beginView()
	j.barrier.Unlock()
	j.letBegin()
	if err != nil {
		return 0, err
	}
	defer db.views.Done()
	defer view.Rollback()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err := j.Wait(ctx, cut); err != nil {
		return 0, err
	}
	if err := j.copyUpTo(cut, file); err != nil {
		return 0, fmt.Errorf("snapshot of the journal: %w", err)
	}
	j.checkpointing.Unlock()
	unlock = func() {}
	w, err := file(storeName, view.Size())
	if err == nil {
		_, err = view.WriteTo(w)
	}
	if err != nil {
		return 0, fmt.Errorf("snapshot of the store: %w", err)
	}
	return cut, nil
}

// kept is a frame of a live segment that goes into a snapshot.
type kept struct {
	path string
	mark uint64
	at   int64 // of its body
	frame
}

// copyUpTo writes all batches up to cut that the live segments hold as one segment. It holds checkpointing.
func (j *Journal) copyUpTo(cut LSN, file SnapshotFile) error {
	j.files.Lock()
	live := slices.Clone(j.live)
	j.files.Unlock()
	out := segment{seq: 1, first: live[0].first, store: j.store, end: blockSize}
	var mark [8]byte
	rand.Read(mark[:])
	out.mark = binary.BigEndian.Uint64(mark[:])
	var frames []kept
	for _, s := range live {
		if s.first > cut {
			break // begun since
		}
		found, err := s.framesUpTo(cut)
		if err != nil {
			return err
		}
		frames = append(frames, found...)
	}
	for _, k := range frames {
		out.end += frameHeaderLen + int64(k.length) // the last one may get shorter
	}
	out.size = max(j.db.cfg.SegmentBytes, roundUp(out.end))
	w, err := file(filepath.Join(journalName, filepath.Base(segmentPath("", out.seq))), out.size)
	if err != nil {
		return err
	}
	if _, err := w.Write(out.header()); err != nil {
		return err
	}
	written := int64(blockSize)
	for _, k := range frames {
		n, err := k.copy(w, out.mark, cut)
		if err != nil {
			return err
		}
		written += n
	}
	_, err = io.CopyN(w, zeros{}, out.size-written)
	return err
}

// framesUpTo finds the segment's frames that begin at or before cut. The writer may be adding others.
func (s *segment) framesUpTo(cut LSN) (frames []kept, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fixed := segment{path: s.path, first: s.first, mark: s.mark, size: s.size} // the rest of s may be the writer's
	err = fixed.scan(f, func(fr frame, _ []byte) error {
		if fr.first <= cut {
			frames = append(frames, kept{s.path, s.mark, fixed.end + frameHeaderLen, fr})
		}
		return nil
	})
	return frames, err
}

// copy writes the frame under another mark, without batches behind cut.
func (k kept) copy(w io.Writer, mark uint64, cut LSN) (n int64, err error) {
	f, err := os.Open(k.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, frameHeaderLen+int(k.length))
	body := buf[frameHeaderLen:]
	if _, err := f.ReadAt(body, k.at); err != nil {
		return 0, err
	}
	if frameSum(k.mark, body) != k.sum {
		return 0, fmt.Errorf("%s: offset %d: %w", k.path, k.at, damagedf("the frame has changed under the snapshot"))
	}
	count := k.count
	if last := k.first + LSN(k.count) - 1; last > cut {
		count = uint32(cut - k.first + 1)
		rest := body
		for range count {
			var ok bool
			if _, rest, ok = cutBytes(rest); !ok {
				return 0, damagedf("batch of frame %d cut short", k.first)
			}
		}
		body = body[:len(body)-len(rest)]
	}
	putFrameHeader(buf, mark, k.first, count, body)
	out, err := w.Write(buf[:frameHeaderLen+len(body)])
	return int64(out), err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// SnapshotFolder is Snapshot of a data folder that no server is using (ErrLocked). The files are copied as they are.
func SnapshotFolder(dir string, file SnapshotFile) error {
	lock, err := lockFolderShared(dir)
	if err != nil {
		return err
	}
	if lock != nil {
		defer lock.Close()
	}
	segments, err := listSegments(filepath.Join(dir, journalName))
	if err != nil {
		return err
	}
	names := []string{}
	for _, s := range segments {
		names = append(names, filepath.Join(journalName, filepath.Base(s.path)))
	}
	for _, name := range append(names, storeName) {
		if err := copyFile(filepath.Join(dir, name), name, file); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(path, name string, file SnapshotFile) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w, err := file(name, info.Size())
	if err == nil {
		_, err = io.CopyN(w, f, info.Size())
	}
	return err
}
