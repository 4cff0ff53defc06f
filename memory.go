package main

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// What the server may take of the machine's memory. The limit is GOMEMLIMIT if that is set, else nine tenths of what a container or a
// service manager allows. The garbage collector keeps to it as far as it can, and the journal is checkpointed sooner: until then, what it
// holds is in memory, at about four times its size on disk. Less may wait for slow clients.
const (
	shareOfMemory      = 0.9
	memoryPerJournal   = 16      // the limit is this many times what gathers before a checkpoint
	memoryPerWaiting   = 8       // and what may wait for slow clients
	leastCheckpoint    = 1 << 20 // below it checkpoints would be most of the work
	unlimited          = math.MaxInt64
	unlimitedByControl = 1 << 50 // control groups write "no limit" as some huge number
)

// memoryLimit sets and returns the limit, 0 when there is none.
func memoryLimit() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == unlimited {
		allowed := controlGroupLimit(os.ReadFile)
		if allowed == 0 {
			return 0
		}
		limit = int64(float64(allowed) * shareOfMemory)
		debug.SetMemoryLimit(limit)
	}
	return limit
}

// controlGroupLimit returns the memory limit of the process's control group, of either version, 0 when there is none.
func controlGroupLimit(read func(string) ([]byte, error)) int64 {
	groups, _ := read("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		var files []string
		switch part[1] {
		case "":
			files = []string{"/sys/fs/cgroup" + part[2] + "/memory.max", "/sys/fs/cgroup/memory.max"}
		case "memory":
			files = []string{"/sys/fs/cgroup/memory" + part[2] + "/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}
		}
		for _, name := range files {
			text, err := read(name)
			if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 && n < unlimitedByControl {
				return n
			}
		}
	}
	return 0
}

// withinMemory fits the configuration to a memory limit.
func withinMemory(cfg Config, limit int64, log *slog.Logger) Config {
	most := max(limit/memoryPerJournal, leastCheckpoint)
	if limit > 0 && cfg.Storage.CheckpointBytes > most {
		log.Info("memory is limited: checkpoints come sooner", "memory_bytes", limit, "checkpoint_bytes", most, "configured_bytes", cfg.Storage.CheckpointBytes)
		cfg.Storage.CheckpointBytes = most
	}
	if limit > 0 {
		b := &cfg.Broker.Config
		b.OutgoingTotalBytes = max(min(b.OutgoingTotalBytes, int(limit/memoryPerWaiting)), b.OutgoingBytes)
	}
	return cfg
}
