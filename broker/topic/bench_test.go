package topic

import (
	"fmt"
	"runtime"
	"testing"
)

// benchFilter is the i-th of a mix: eight of ten exact, one with +, one with #, in the shape of device topics.
func benchFilter(i int) string {
	account, device := fmt.Sprintf("%08x-63f8-4f6a-9df6-5ad6f5a42a0b", i/10_000), fmt.Sprintf("%08x-9c1f-4f0f-8a57-1f7c8a1f0f11", i/10)
	switch i % 10 {
	case 8:
		return "xi/blue/v1/" + account + "/d/" + device + "/+"
	case 9:
		return "xi/blue/v1/" + account + "/d/" + device + "/#"
	}
	return fmt.Sprint("xi/blue/v1/", account, "/d/", device, "/channel", i%10)
}

// Each name below matches one exact filter, one with + and one with #.
func BenchmarkTreeMatch(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("filters=", n), func(b *testing.B) {
			var tree Tree[*int, byte]
			k := new(int)
			for i := range n {
				tree.Set(benchFilter(i), k, 1)
			}
			names := make([]string, 0, 1024)
			for i := range min(n/10, 1024) {
				names = append(names, benchFilter(i*(n/10/min(n/10, 1024))*10))
			}
			found, i := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				tree.Match(names[i%len(names)], func(*int, byte) { found++ })
				i++
			}
			if found != 3*i {
				b.Fatalf("found %d in %d matches, want 3 each", found, i)
			}
		})
	}
}

func BenchmarkTreeMatchFanOut(b *testing.B) {
	var tree Tree[*int, byte]
	for range 1000 {
		tree.Set("a/b", new(int), 1)
	}
	sum := 0
	b.ReportAllocs()
	for b.Loop() {
		tree.Match("a/b", func(_ *int, v byte) { sum += int(v) })
	}
}

func BenchmarkTreeSetDelete(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint("filters=", n), func(b *testing.B) {
			var tree Tree[*int, byte]
			k := new(int)
			for i := range n {
				tree.Set(benchFilter(i), k, 1)
			}
			f := benchFilter(7)
			b.ReportAllocs()
			for b.Loop() {
				tree.Delete(f, k)
				tree.Set(f, k, 1)
			}
		})
	}
	b.Run("subscribers=100000", func(b *testing.B) {
		var tree Tree[*int, byte]
		keys := make([]*int, 100_000)
		for i := range keys {
			keys[i] = new(int)
			tree.Set("a/b", keys[i], 1)
		}
		i := 0
		for b.Loop() {
			tree.Delete("a/b", keys[i%len(keys)])
			tree.Set("a/b", keys[i%len(keys)], 1)
			i++
		}
	})
}

func BenchmarkNamesMatch(b *testing.B) {
	var names Names[int]
	for i := range 100_000 {
		if i%10 < 8 {
			names.Set(benchFilter(i), i)
		}
	}
	for _, filter := range []string{benchFilter(0), benchFilter(8), benchFilter(9), "xi/blue/v1/+/d/+/channel0"} {
		b.Run(filter[max(0, len(filter)-10):], func(b *testing.B) {
			found := 0
			b.ReportAllocs()
			for b.Loop() {
				names.Match(filter, func(string, int) bool { found++; return true })
			}
			b.ReportMetric(float64(found)/float64(b.N), "names/op")
		})
	}
}

func BenchmarkCheckName(b *testing.B) {
	name := benchFilter(0)
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckName(name, 1024, 128); err != nil {
			b.Fatal(err)
		}
	}
}

// What a filter of its own with one subscriber costs in memory, all told.
func TestTreeMemory(t *testing.T) {
	const n = 100_000
	var before, after runtime.MemStats
	var tree Tree[*int, byte]
	k := new(int)
	filters := make([]string, n)
	for i := range filters {
		filters[i] = fmt.Sprintf("devices/%08x-9c1f-4f0f-8a57-1f7c8a1f0f11", i)
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, f := range filters {
		tree.Set(f, k, 1)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes a filter", per)
	if per > 350 {
		t.Errorf("a filter with one subscriber takes %.0f bytes, want at most 350", per)
	}
	runtime.KeepAlive(&tree)
	runtime.KeepAlive(filters)
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var tree Tree[*int, byte]
	var names Names[int]
	k := new(int)
	for i := range 1000 {
		tree.Set(benchFilter(i), k, 1)
		names.Set(benchFilter(i), i)
	}
	tree.Set("#", k, 1)
	tree.Set("+/+/+/+/+/+/+", k, 1)
	name, found := benchFilter(0), 0
	if n := testing.AllocsPerRun(100, func() {
		tree.Match(name, func(*int, byte) { found++ })
		names.Match("xi/blue/v1/+/d/+/channel0", func(string, int) bool { found++; return true })
		names.Match("#", func(string, int) bool { found++; return true })
	}); n != 0 || found == 0 {
		t.Errorf("%v allocations, found %d", n, found)
	}
}
