package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Report is what Verify saw.
type Report struct {
	Schema    uint32
	Pages     uint64 // of the store file, 4096 bytes each
	FreePages uint64
	Buckets   []BucketReport

	Segments   int    // journal files
	Batches    uint64 // in them, including those that are in the store already
	Records    uint64
	LastLSN    LSN
	TornOffset int64 // where the last file ends in an entry that a crash tore, 0 for nowhere: harmless

	// HeaderLost says that one of the store's two header pages is damaged. Open uses the other one and warns: the newest
	// transaction may be missing.
	HeaderLost bool
}

// BucketReport is the size of one bucket; Bytes is that of its keys and values.
type BucketReport struct {
	Name  string
	Keys  int64
	Bytes int64
}

// maxProblems is how many problems Verify lists before it gives up.
const maxProblems = 20

// Verify reads everything in a data folder and changes nothing: the structure of the store, every checksum, and the
// journal's chain. The store must not be open (ErrLocked). The error joins what is wrong; the report is then of what
// could be read.
func Verify(dir string) (Report, error) {
	var r Report
	lock, err := lockFolderShared(dir)
	if err != nil {
		return r, err
	}
	if lock != nil {
		defer lock.Close()
	}
	path := filepath.Join(dir, storeName)
	if _, err := os.Stat(path); err != nil {
		return r, fmt.Errorf("data folder %s: %w", dir, err)
	}
	info, storeErr := inspectStore(path, true, maxProblems)
	r.Schema, r.Pages, r.FreePages, r.Buckets, r.HeaderLost = info.schema, info.pages, info.free, info.buckets, info.lostHeader
	if info.schema == 0 {
		return r, storeErr
	}
	if err := refuseSchema(path, info.schema, schemaVersion(migrations)); err != nil {
		return r, err
	}
	c, journalErr := readChain(filepath.Join(dir, journalName), info)
	if c != nil {
		r.Segments, r.Batches, r.Records, r.TornOffset = len(c.live), c.batches, c.records, c.torn
		r.LastLSN = max(c.next, 1) - 1
	}
	return r, errors.Join(storeErr, journalErr)
}
