package storage

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// encodeFrame builds a frame as the writer does.
func encodeFrame(mark uint64, first LSN, batches ...[][]byte) []byte {
	g := newGathering()
	for i, records := range batches {
		var b Batch
		for _, r := range records {
			b.Add('s', r)
		}
		g.add(first+LSN(i), b.buf)
	}
	putFrameHeader(g.buf[blockSize:], mark, first, g.count, g.body())
	return g.buf[blockSize:]
}

func TestFrameEveryBit(t *testing.T) {
	const mark = 0x0102030405060708
	whole := encodeFrame(mark, 7, [][]byte{[]byte("one"), nil}, [][]byte{[]byte("two")})
	if f, ok := parseFrameHeader(whole, mark); !ok || f.first != 7 || f.count != 2 || frameSum(mark, whole[frameHeaderLen:]) != f.sum {
		t.Fatalf("the whole frame does not decode: %+v, %v", f, ok)
	}
	for bit := range len(whole) * 8 {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		f, ok := parseFrameHeader(b, mark)
		if ok && frameSum(mark, b[frameHeaderLen:]) == f.sum {
			t.Errorf("bit %d flipped: frame is taken", bit)
		}
	}
	if _, ok := parseFrameHeader(whole, mark+1); ok {
		t.Error("a frame of an earlier use of the file is taken")
	}
}

// FuzzFrame: decoding bytes never panics, reads no record outside them, and what it accepts encodes to the same bytes.
func FuzzFrame(f *testing.F) {
	const mark = 42
	f.Add(encodeFrame(mark, 1, [][]byte{[]byte("a record"), nil}, [][]byte{bytes.Repeat([]byte("x"), 300)}))
	f.Add(encodeFrame(mark, 1<<63))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		parseFrameHeader(b, mark)
		if len(b) < frameHeaderLen {
			return
		}
		// The checksums keep a fuzzer out: give its body a good header.
		body := b[frameHeaderLen:]
		fr := frame{first: 5, count: binary.BigEndian.Uint32(b[16:])}
		var batches [][][]byte
		err := fr.records(body, func(lsn LSN, s Stream, r []byte) error {
			for LSN(len(batches)) <= lsn-fr.first {
				batches = append(batches, nil)
			}
			batches[lsn-fr.first] = append(batches[lsn-fr.first], r)
			if cap(r) != len(r) {
				t.Errorf("a record can be appended to")
			}
			return nil
		})
		if err == nil && fr.count == 0 && len(body) > 0 {
			t.Error("bytes without a batch were accepted")
		}
	})
}

// FuzzPage: no page makes the check of the store file panic.
func FuzzPage(f *testing.F) {
	if b, err := os.ReadFile(filepath.Join("testdata", "v1", storeName)); err == nil {
		for at := 0; at+pageSize <= len(b); at += pageSize {
			f.Add(b[at : at+pageSize])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parseHeader(b)
		if len(b) < pageHeaderLen {
			return
		}
		for _, leaf := range []bool{true, false} {
			list, what := page(b).elements(leaf)
			if what == "" && len(list) != page(b).count() {
				t.Errorf("%d elements, count %d", len(list), page(b).count())
			}
		}
	})
}
