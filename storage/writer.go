package storage

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// writer appends frames to the newest segment. Owned by the writer goroutine.
type writer struct {
	f    *os.File
	seg  *segment
	tail [blockSize]byte // the bytes of the block that seg.end is in, up to it
	idle *gathering      // the buffer that is not gathering
}

func (w *writer) open(j *Journal, s *segment) error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	w.f, w.seg, w.idle = f, s, newGathering()
	n := s.end % blockSize
	if _, err := f.ReadAt(w.tail[:n], s.end-n); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// writeLoop is the writer: one write and one sync for all that gathered during the ones before. Started by Open, ended
// by Close or by the store's failure.
func (j *Journal) writeLoop() {
	defer j.running.Done()
	defer j.writer.f.Close()
	for {
		g := j.take()
		if g == nil {
			return
		}
		start := time.Now()
		if err := j.writer.write(j, g); err != nil {
			j.db.fail(fmt.Errorf("journal: %w", err))
			return
		}
		j.db.counters.lastSync.Store(int64(time.Since(start)))
		j.written(g)
	}
}

// take waits for something to write and swaps the buffers; nil ends the writer.
func (j *Journal) take() *gathering {
	j.mu.Lock()
	defer j.mu.Unlock()
	for !j.pressing && (j.gather.count == 0 || !j.stopping) {
		if j.stopping || j.broken {
			return nil
		}
		j.wake.Wait()
	}
	g := j.gather
	j.pressing = false
	j.gather, j.writer.idle = j.writer.idle, nil
	return g
}

// written publishes that g is on disk.
func (j *Journal) written(g *gathering) {
	n := int64(len(g.body()))
	if j.db.Err() == nil { // else nothing is acknowledged any more
		j.durable.Store(g.last())
		j.notifier.signal()
	}
	g.reset()
	j.writer.idle = g
	if before := j.backlog.Add(-n) + n; before > j.db.cfg.BacklogBytes {
		j.letBegin()
	}
	if j.since.Add(n+frameHeaderLen) > j.db.cfg.CheckpointBytes {
		j.wantCheckpoint()
	}
	j.db.stir()
}

// wantCheckpoint has the checkpointer run soon.
func (j *Journal) wantCheckpoint() {
	select {
	case j.due <- struct{}{}:
	default:
	}
}

// write makes one frame durable. The block it begins in is written again with the same bytes in front.
func (w *writer) write(j *Journal, g *gathering) error {
	body := g.body()
	if uint64(len(body)) > maxFrameBody {
		return fmt.Errorf("a group of %d bytes is too large for one frame", len(body))
	}
	need := int64(frameHeaderLen + len(body))
	if w.seg.end+need > w.seg.size {
		if err := w.rotate(j, g.first, need); err != nil {
			return fmt.Errorf("new journal file: %w", err)
		}
		if err := j.keepSpares(1); err != nil {
			j.db.setFull(err)
		}
	}
	putFrameHeader(g.buf[blockSize:], w.seg.mark, g.first, g.count, body)
	lead := w.seg.end % blockSize
	copy(g.buf[blockSize-lead:], w.tail[:lead])
	end := len(g.buf)
	used := lead + need
	for pad := roundUp(used) - used; pad > 0; pad-- {
		g.buf = append(g.buf, 0)
	}
	out := g.buf[blockSize-lead:]
	if _, err := w.f.WriteAt(out, w.seg.end-lead); err != nil {
		return err
	}
	if err := w.makeReady(w.seg.end - lead + int64(len(out))); err != nil {
		return err
	}
	if err := w.sync(j.db.cfg.Sync); err != nil {
		return fmt.Errorf("%s: %w", w.seg.path, err)
	}
	g.buf = g.buf[:end]
	copy(w.tail[:], out[used/blockSize*blockSize:used])
	w.seg.end += need
	w.seg.next = g.first + LSN(g.count)
	j.db.counters.syncs.Add(1)
	j.db.counters.written.Add(uint64(len(out)))
	return nil
}

// aheadBytes is how much of a new file is made ready at a time.
const aheadBytes = 256 << 10

var blank [64 << 10]byte

// makeReady is called for a frame whose last block ends at end. When it is the first to come so far into the file, zeros follow it: the first write
// to a block that was only allocated changes metadata, and syncs that have to bring that to disk take longer, the slow ones two or three times as long.
func (w *writer) makeReady(end int64) error {
	if end <= w.seg.ready {
		return nil
	}
	w.seg.ready = min(end+aheadBytes, w.seg.size)
	for end < w.seg.ready {
		n, err := w.f.WriteAt(blank[:min(int64(len(blank)), w.seg.ready-end)], end)
		if err != nil {
			return err
		}
		end += int64(n)
	}
	return nil
}

func (w *writer) sync(instead func(string) error) error {
	if instead != nil {
		return instead(w.seg.path)
	}
	return datasync(w.f)
}

// rotate goes on in a new segment, a trimmed one when there is one that fits.
func (w *writer) rotate(j *Journal, first LSN, need int64) error {
	s := &segment{seq: w.seg.seq + 1, first: first, store: j.store}
	s.size = max(j.db.cfg.SegmentBytes, roundUp(blockSize+need))
	f, err := makeSegment(j.dir, j.takeSpare(s.size), s)
	for ; errors.Is(err, syscall.ENOSPC) && j.waitForRoom(err); f, err = makeSegment(j.dir, j.takeSpare(s.size), s) {
	}
	if err != nil {
		return err
	}
	w.f.Close()
	w.f, w.seg = f, s
	j.files.Lock()
	j.live = append(j.live, s)
	j.files.Unlock()
	return nil
}

// waitForRoom holds the writer up for a moment: nothing is acknowledged while no journal file can be had. False when the store is closing.
func (j *Journal) waitForRoom(err error) bool {
	j.db.setFull(err)
	j.mu.Lock()
	closing := j.closing || j.stopping
	j.mu.Unlock()
	if !closing {
		time.Sleep(roomEvery / 4)
	}
	return !closing
}

func (j *Journal) takeSpare(size int64) string {
	j.files.Lock()
	defer j.files.Unlock()
	n := len(j.spares)
	if n == 0 || size != j.db.cfg.SegmentBytes {
		return ""
	}
	spare := j.spares[n-1]
	j.db.counters.recycled.Add(1)
	j.spares = j.spares[:n-1]
	return spare
}
