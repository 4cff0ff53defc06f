package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// chain is the journal's files as found at start or by Verify.
type chain struct {
	live    []*segment // numbered without a gap, the last one is written to
	trimmed []*segment // left over from a trim that a crash interrupted
	spares  []string
	next    LSN // for the next batch
	frames  int
	batches uint64
	records uint64
	torn    int64          // offset in the last file where a torn frame was cut off; 0 none
	last    map[Stream]LSN // newest record of each stream
	floor   LSN
}

// readChain finds the journal's files and checks every frame of those that hold something above the store's floor.
func readChain(dir string, info storeInfo) (*chain, error) {
	c := &chain{last: make(map[Stream]LSN), floor: info.floor}
	all, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, damagedf("the journal's files are missing: put them back or restore a backup"))
	}
	for i, s := range all {
		if i > 0 && s.seq != all[i-1].seq+1 {
			c.trimmed = append(c.trimmed, c.live...)
			c.live = nil
		}
		c.live = append(c.live, s)
	}
	if c.spares, err = filepath.Glob(filepath.Join(dir, "*"+spareSuffix)); err != nil {
		return nil, err
	}
	return c, c.check(info)
}

func (c *chain) check(info storeInfo) error {
	for i, s := range c.live {
		if err := c.checkSegment(s, info, i); err != nil {
			return err
		}
		c.next = s.next
	}
	oldest, newest := c.live[0], c.live[len(c.live)-1]
	if oldest.first > c.floor+1 {
		return fmt.Errorf("%s: %w", filepath.Dir(oldest.path),
			damagedf("a journal file is missing: batches %d to %d are in none", c.floor+1, oldest.first-1))
	}
	need := c.floor
	for _, cut := range info.cuts {
		need = max(need, cut)
	}
	if c.next <= need {
		return fmt.Errorf("%s: %w", newest.path, damagedf("the journal ends at batch %d, the store has seen %d", c.next-1, need))
	}
	return nil
}

func (c *chain) checkSegment(s *segment, info storeInfo, i int) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.readHeader(f); err != nil {
		return err
	}
	if s.store != info.id {
		return fmt.Errorf("%s: %w", s.path, damagedf("it belongs to another store"))
	}
	if i > 0 && s.first != c.next {
		before := c.live[i-1]
		return fmt.Errorf("%s: offset %d: %w", before.path, before.end,
			damagedf("batches %d to %d are not readable", c.next, s.first-1))
	}
	if err := s.scan(f, c.count); err != nil {
		return err
	}
	if i < len(c.live)-1 {
		return nil
	}
	behind, err := s.frameBehind(f)
	if err != nil {
		return err
	}
	if behind != 0 {
		return fmt.Errorf("%s: offset %d: %w", s.path, s.end,
			damagedf("entry is not readable, and another one follows at %d", behind))
	}
	return c.lookForTorn(s, f)
}

func (c *chain) count(fr frame, body []byte) error {
	c.frames++
	c.batches += uint64(fr.count)
	return fr.records(body, func(lsn LSN, s Stream, record []byte) error {
		c.records++
		c.last[s] = lsn
		return nil
	})
}

// lookForTorn notes whether a frame was begun at the segment's end.
func (c *chain) lookForTorn(s *segment, f *os.File) error {
	var head [frameHeaderLen]byte
	if s.end+frameHeaderLen > s.size {
		return nil
	}
	if _, err := f.ReadAt(head[:], s.end); err != nil {
		return fmt.Errorf("%s: offset %d: %w", s.path, s.end, err)
	}
	if _, ok := parseFrameHeader(head[:], s.mark); ok {
		c.torn = s.end
	}
	return nil
}

// createJournal makes the folder with its first, empty file.
func createJournal(dir string, id [idLen]byte, size int64) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	f, err := makeSegment(dir, "", &segment{seq: 1, first: 1, size: size, store: id})
	if err != nil {
		return err
	}
	return f.Close()
}

// isStandard reports whether a file can be used again as a segment of this size.
func isStandard(path string, size int64) bool {
	return fileSize(path) == size && !strings.HasSuffix(path, "new"+spareSuffix)
}
