package main

import (
	"context"
	"runtime"
	"runtime/debug"
	rtmetrics "runtime/metrics"
	"time"
)

// After a burst of work, such as thousands of devices that connect again, the runtime keeps the memory that it needed and as much again for the next
// collection. giveBack returns it to the system once things are quiet, so that what a server shows is what it uses.

const (
	quietTime  = 20 * time.Second
	quietBytes = 32 << 20 // allocated in quietTime: less is quiet
	burstBytes = 16 << 20 // allocated since memory was given back last: less is not worth a collection
)

// usage is what decides, in bytes.
type usage struct {
	allocated uint64 // since the start
	live      uint64 // at the last collection
}

func readUsage() usage {
	s := []rtmetrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	rtmetrics.Read(s)
	return usage{allocated: s[0].Value.Uint64(), live: s[1].Value.Uint64()}
}

// spare says whether it is quiet after a burst. A collection costs what is live, so a large heap waits for a large burst.
func (u usage) spare(before, givenBack usage) bool {
	return u.allocated-before.allocated < quietBytes && u.allocated-givenBack.allocated > max(burstBytes, u.live/4)
}

// giveBack runs until ctx ends. Started by run.
func giveBack(ctx context.Context) {
	t := time.NewTicker(quietTime)
	defer t.Stop()
	before, givenBack := readUsage(), usage{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := readUsage()
		if now.spare(before, givenBack) {
			// Each collection halves the stacks that are too large: a connection's has grown to 16 KiB when it signed in and subscribed, and
			// waits with less than 1.
			runtime.GC()
			runtime.GC()
			debug.FreeOSMemory()
			givenBack = readUsage()
		}
		before = now
	}
}
