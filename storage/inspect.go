package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// storeInfo is what inspectStore found.
type storeInfo struct {
	schema     uint32
	id         [idLen]byte
	floor      LSN
	cuts       map[Stream]LSN
	lostHeader bool // one of the two header pages is damaged
	pages      uint64
	free       uint64
	buckets    []BucketReport
}

// inspectStore reads a store file with plain reads and checks it before the engine maps it: size, header, and that every
// page has exactly one owner and is laid out as the engine does it; when whole, also the order and checksum of every key
// and value. It gives up after the given number of problems and returns them joined, each wrapping ErrDamaged,
// ErrNotStore or an I/O error.
//
// With whole, any change of bits is found, or did no harm, but for one: a lost newest header page, whose transaction is
// then missing.
func inspectStore(path string, whole bool, problems int) (storeInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return storeInfo{}, err
	}
	defer f.Close()
	in := &inspector{path: path, f: f, whole: whole, left: problems}
	in.info.cuts = make(map[Stream]LSN)
	if err := in.header(); err != nil {
		return in.info, err
	}
	in.walk()
	if in.info.schema == 0 && in.left == problems {
		return in.info, fmt.Errorf("%s: %w: it is a database of another program", path, ErrNotStore)
	}
	return in.info, errors.Join(in.found...)
}

type inspector struct {
	path  string
	f     *os.File
	whole bool
	head  header
	owned []uint64 // one bit a page: has an owner
	bufs  [][]byte // one a level, so that a branch stays readable below it
	info  storeInfo

	left  int // problems to report before giving up
	found []error
}

func (in *inspector) problem(format string, args ...any) {
	in.report(fmt.Errorf("%s: %w", in.path, damagedf(format, args...)))
}

func (in *inspector) report(err error) {
	if in.left > 0 {
		in.left--
		in.found = append(in.found, err)
	}
}

// header finds the newest valid header page and checks the size of the file against it: a mapped page behind the end of
// a file would end the process with a signal.
func (in *inspector) header() error {
	info, err := in.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return fmt.Errorf("%s: %w", in.path, damagedf("the file is empty: restore a backup, or remove the file and the journal folder to begin anew"))
	}
	first, ours, ok := in.headerAt(0)
	size := int64(pageSize)
	if ok {
		size = int64(first.pageSize)
	}
	second, ours2, ok2 := in.headerAt(size)
	for at := int64(1024); !ok && !ok2 && at <= 64<<10; at *= 2 {
		second, ours2, ok2 = in.headerAt(at)
	}
	switch {
	case !ok && !ok2 && !ours && !ours2:
		return fmt.Errorf("%s: %w", in.path, ErrNotStore)
	case !ok && !ok2:
		return fmt.Errorf("%s: %w", in.path, damagedf("both header pages are damaged: restore a backup"))
	}
	in.head = first
	if !ok || ok2 && second.txid > first.txid {
		in.head = second
	}
	in.info.lostHeader = ok != ok2
	in.info.pages = in.head.pages
	need := in.head.pages * uint64(in.head.pageSize)
	if in.head.pageSize < 1024 || in.head.pages > 1<<48 || uint64(info.Size()) < need {
		return fmt.Errorf("%s: %w", in.path, damagedf("the file is cut short: %d of %d bytes: restore a backup", info.Size(), need))
	}
	return nil
}

func (in *inspector) headerAt(at int64) (h header, ours, ok bool) {
	buf := make([]byte, pageHeaderLen+metaLen)
	if _, err := in.f.ReadAt(buf, at); err != nil {
		return h, false, false
	}
	return parseHeader(buf)
}

func (in *inspector) walk() {
	in.owned = make([]uint64, in.head.pages/64+1)
	in.own(0)
	in.own(1)
	in.tree(in.head.root, nil, nil, nil, 0, -1)
	in.freelist()
	for id := uint64(firstContentPage); in.whole && id < in.head.pages && in.left > 0; id++ {
		if in.owned[id/64]&(1<<(id%64)) == 0 {
			in.problem("page %d belongs to nothing", id)
		}
	}
}

// own gives a page its owner; false when it has one already or does not exist.
func (in *inspector) own(id uint64) bool {
	if id >= in.head.pages || in.owned[id/64]&(1<<(id%64)) != 0 {
		return false
	}
	in.owned[id/64] |= 1 << (id % 64)
	return true
}

// read returns a page with its overflow pages and takes ownership of them.
func (in *inspector) read(id uint64, level int) (page, bool) {
	for len(in.bufs) <= level {
		in.bufs = append(in.bufs, make([]byte, in.head.pageSize))
	}
	if id < firstContentPage || !in.own(id) {
		in.problem("page %d is used twice or out of range", id)
		return nil, false
	}
	size := int64(in.head.pageSize)
	at := int64(id) * size
	buf := in.bufs[level][:size]
	if _, err := in.f.ReadAt(buf, at); err != nil {
		in.report(fmt.Errorf("%s: page %d: %w", in.path, id, err))
		return nil, false
	}
	p := page(buf)
	if p.id() != id {
		in.problem("page %d calls itself %d", id, p.id())
		return nil, false
	}
	n := p.overflow()
	for i := range n {
		if !in.own(id + 1 + i) {
			in.problem("page %d: its continuation is used twice or out of range", id)
			return nil, false
		}
	}
	if n == 0 {
		return p, true
	}
	whole := make([]byte, size*int64(n+1))
	copy(whole, buf)
	if _, err := in.f.ReadAt(whole[size:], at+size); err != nil && err != io.EOF {
		in.report(fmt.Errorf("%s: page %d: %w", in.path, id, err))
		return nil, false
	}
	if cap(whole) <= 1<<20 {
		in.bufs[level] = whole
	}
	return page(whole), true
}

// scope is the bucket a tree belongs to; nil for the tree of the buckets themselves.
type scope struct {
	name   string
	seed   uint32
	report *BucketReport
}

// tree checks the subtree at page id, whose keys must lie in [low, high). levels is how many levels to read, -1 for all.
func (in *inspector) tree(id uint64, s *scope, low, high []byte, depth, levels int) {
	if in.left == 0 {
		return
	}
	if levels == 0 { // not read, but it must have one owner: old bytes of a free page pass every checksum
		if id < firstContentPage || !in.own(id) {
			in.problem("page %d is used twice or out of range", id)
		}
		return
	}
	if depth > maxDepth {
		in.problem("page %d: tree is too deep", id)
		return
	}
	p, ok := in.read(id, depth)
	if !ok {
		return
	}
	switch p.flags() {
	case leafPage:
		in.leaf(id, p, s, low, high, depth)
	case branchPage:
		in.branch(id, p, s, low, high, depth, levels)
	default:
		in.problem("page %d: unknown kind %#x", id, p.flags())
	}
}

func (in *inspector) branch(id uint64, p page, s *scope, low, high []byte, depth, levels int) {
	list, what := p.elements(false)
	if what == "" && len(list) == 0 {
		what = "no entries"
	}
	if what != "" {
		in.problem("page %d: %s", id, what)
		return
	}
	for i, e := range list {
		end := high
		if i+1 < len(list) {
			end = list[i+1].key
		}
		if !inOrder(low, e.key, end) {
			in.problem("page %d: keys out of order", id)
			return
		}
		in.tree(e.child, s, e.key, end, depth+1, levels-1)
		low = e.key
	}
}

// inOrder reports low <= key < high, where nil is open.
func inOrder(low, key, high []byte) bool {
	return bytes.Compare(low, key) <= 0 && (high == nil || bytes.Compare(key, high) < 0)
}

// leaf checks a leaf page; id is 0 for one inline in its bucket's header.
func (in *inspector) leaf(id uint64, p page, s *scope, low, high []byte, depth int) {
	list, what := p.elements(true)
	if what != "" {
		in.problem("page %d: %s", id, what)
		return
	}
	for i, e := range list {
		end := high
		if i+1 < len(list) {
			end = list[i+1].key
		}
		if !inOrder(low, e.key, end) {
			in.problem("page %d: keys out of order", id)
			return
		}
		if e.bucket != (s == nil) {
			in.problem("page %d: a bucket where a value should be, or the reverse", id)
			return
		}
		if s == nil {
			in.bucket(e, depth)
		} else {
			in.value(s, e)
		}
	}
}

// bucket checks the tree of one bucket: a page of its own, or inline behind the header when it is small.
func (in *inspector) bucket(e element, depth int) {
	if len(e.value) < bucketHeaderLen {
		in.problem("bucket %q: header cut short", e.key)
		return
	}
	in.info.buckets = append(in.info.buckets, BucketReport{Name: string(e.key)})
	s := &scope{
		name:   string(e.key),
		seed:   bucketSeed(string(e.key)),
		report: &in.info.buckets[len(in.info.buckets)-1],
	}
	if root := native.Uint64(e.value); root != 0 {
		levels := -1
		if !in.whole && s.name != ownBucket {
			levels = in.levels(root)
		}
		in.tree(root, s, nil, nil, depth+1, levels)
		return
	}
	p := page(e.value[bucketHeaderLen:])
	if len(p) < pageHeaderLen || p.flags() != leafPage || p.id() != 0 || p.overflow() != 0 {
		in.problem("bucket %q: inline page is malformed", e.key)
		return
	}
	in.leaf(0, p, s, nil, nil, depth)
}

func (in *inspector) value(s *scope, e element) {
	if !valid(s.seed, e.key, e.value) {
		in.problem("bucket %s, key %q: checksum does not match", s.name, e.key)
		return
	}
	s.report.Keys++
	s.report.Bytes += int64(len(e.key) + len(e.value) - checksumLen)
	if s.name == ownBucket {
		in.ownValue(string(e.key), e.value[checksumLen:])
	}
}

// levels returns how many levels of branch pages the tree at page id has, following its first entries. The tree is
// balanced, so these are all pages above the leaves.
func (in *inspector) levels(id uint64) int {
	buf := make([]byte, in.head.pageSize)
	for n := range maxDepth {
		if id >= in.head.pages {
			return n + 1 // tree reports it
		}
		if _, err := in.f.ReadAt(buf, int64(id)*int64(in.head.pageSize)); err != nil || page(buf).flags() != branchPage {
			return n
		}
		list, what := page(buf).elements(false)
		if what != "" || len(list) == 0 {
			return n + 1
		}
		id = list[0].child
	}
	return maxDepth
}

func (in *inspector) freelist() {
	id := in.head.freelist
	if in.left == 0 {
		return
	}
	if id == noFreelist {
		in.problem("no list of free pages")
		return
	}
	p, ok := in.read(id, 0)
	if !ok {
		return
	}
	ids := p[pageHeaderLen:]
	count := uint64(p.count())
	if count == manyFree && len(ids) >= 8 {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if p.flags() != freelistPage || count > uint64(len(ids))/8 {
		in.problem("page %d: list of free pages is malformed", id)
		return
	}
	for i := range count {
		if free := native.Uint64(ids[8*i:]); !in.own(free) {
			in.problem("page %d is free and used, or out of range", free)
			return
		}
	}
	in.info.free = count
}

func (in *inspector) ownValue(key string, v []byte) {
	stream, isCut := bytes.CutPrefix([]byte(key), []byte(cutKey))
	switch {
	case key == schemaKey && len(v) == 4:
		in.info.schema = binary.BigEndian.Uint32(v)
	case key == idKey && len(v) == idLen:
		in.info.id = [idLen]byte(v)
	case key == floorKey && len(v) == 8:
		in.info.floor = binary.BigEndian.Uint64(v)
	case isCut && len(stream) == 1 && len(v) == 8:
		in.info.cuts[stream[0]] = binary.BigEndian.Uint64(v)
	}
}
