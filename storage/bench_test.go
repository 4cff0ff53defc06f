package storage_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"xively/storage"
	"xively/storage/storagetest"
)

func openBench(b *testing.B, cfg storage.Config) *storage.DB {
	b.Helper()
	cfg.Dir = b.TempDir()
	db, err := storage.Open(cfg, storagetest.Log(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// cpu returns the process's CPU time in nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// report turns CPU and wall time into figures per operation.
func report(b *testing.B, perOp int, run func()) {
	b.ReportAllocs()
	before := cpu()
	b.ResetTimer()
	run()
	b.StopTimer()
	n := float64(b.N * perOp)
	b.ReportMetric(float64(cpu()-before)/n, "cpu-ns/record")
	b.ReportMetric(n/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkUpdate(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			db := openBench(b, storage.Config{})
			var next atomic.Int64
			value := make([]byte, 100)
			report(b, 1, func() {
				var all sync.WaitGroup
				for range goroutines {
					all.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							key := fmt.Appendf(nil, "%08d", i%100_000)
							update(b, db, func(tx *storage.Tx) { tx.Bucket("b").Put(key, value) })
						}
					})
				}
				all.Wait()
			})
			s := db.Stats()
			b.ReportMetric(float64(s.Updates)/float64(max(s.Commits, 1)), "updates/commit")
		})
	}
}

// BenchmarkJournal appends batches of 64-byte records; every batch is waited for by its writer.
func BenchmarkJournal(b *testing.B) {
	for _, sync := range []bool{true, false} {
		for _, size := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("sync=%v/batch=%d", sync, size), func(b *testing.B) {
				var cfg storage.Config
				if !sync {
					cfg.Sync = func(string) error { return nil }
				}
				benchmarkJournal(b, openBench(b, cfg), 1, size, true)
			})
		}
	}
	b.Run("sync=true/batch=1/goroutines=64", func(b *testing.B) {
		benchmarkJournal(b, openBench(b, storage.Config{}), 64, 1, true)
	})
	b.Run("sync=true/batch=1/waiting=no", func(b *testing.B) {
		benchmarkJournal(b, openBench(b, storage.Config{}), 1, 1, false)
	})
}

func benchmarkJournal(b *testing.B, db *storage.DB, goroutines, size int, wait bool) {
	j := db.Journal()
	if err := j.Attach('x', &collector{}); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 64)
	var next atomic.Int64
	report(b, size, func() {
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				var lsn storage.LSN
				for next.Add(1) <= int64(b.N) {
					batch := j.Begin()
					for range size {
						batch.Add('x', data)
					}
					lsn = batch.Append()
					batch.End()
					if wait {
						j.Wait(context.Background(), lsn)
					}
				}
				j.Wait(context.Background(), lsn)
			})
		}
		all.Wait()
	})
	if err := db.Err(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkGet(b *testing.B) {
	db := openBench(b, storage.Config{})
	update(b, db, func(tx *storage.Tx) {
		for i := range 100_000 {
			tx.Bucket("b").Put(fmt.Appendf(nil, "%08d", i), make([]byte, 300))
		}
	})
	b.Run("one", func(b *testing.B) {
		key := []byte("00050000")
		b.ReportAllocs()
		for b.Loop() {
			view(b, db, func(tx *storage.Tx) { tx.Bucket("b").Get(key) })
		}
	})
	b.Run("scan100000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			view(b, db, func(tx *storage.Tx) {
				for range tx.Bucket("b").Scan(nil, nil) {
				}
			})
		}
	})
}

// BenchmarkOpen opens a store of 100,000 values of 1,000 bytes, checks included.
func BenchmarkOpen(b *testing.B) {
	cfg := storage.Config{Dir: b.TempDir()}
	for i := 0; b.Loop(); i++ {
		db, err := storage.Open(cfg, storagetest.Log(b))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if i == 0 {
			update(b, db, func(tx *storage.Tx) {
				for k := range 100_000 {
					tx.Bucket("b").Put(fmt.Appendf(nil, "%08d", k), make([]byte, 1000))
				}
			})
		}
		db.Close()
		b.StartTimer()
	}
}
