package main

import (
	"errors"
	"testing"
)

func TestControlGroupLimit(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"none", nil, 0},
		{"version 2", map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "268435456\n"}, 256 << 20},
		{"version 2 without", map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n"}, 0},
		{"version 2 in a container", map[string]string{"/proc/self/cgroup": "0::/../x\n", "/sys/fs/cgroup/memory.max": "1000\n"}, 1000},
		{"version 1", map[string]string{"/proc/self/cgroup": "4:memory:/x\n1:cpu:/\n0::/\n", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "512\n"}, 512},
		{"version 1 without", map[string]string{"/proc/self/cgroup": "4:memory:/\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
	} {
		got := controlGroupLimit(func(name string) ([]byte, error) {
			if text, ok := tc.files[name]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		})
		if got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestWithinMemory(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	for limit, want := range map[int64]int64{0: 64 << 20, 4 << 30: 64 << 20, 256 << 20: 16 << 20, 1 << 20: 1 << 20} {
		if got := withinMemory(cfg, limit, testLog(t)).Storage.CheckpointBytes; got != want {
			t.Errorf("limit %d: checkpoints of %d, want %d", limit, got, want)
		}
	}
	for limit, want := range map[int64]int{0: 256 << 20, 4 << 30: 256 << 20, 256 << 20: 32 << 20, 1 << 20: 1 << 20} {
		got := withinMemory(cfg, limit, testLog(t)).Broker
		if got.OutgoingTotalBytes != want || got.Validate() != nil {
			t.Errorf("limit %d: %d bytes may wait, want %d; %v", limit, got.OutgoingTotalBytes, want, got.Validate())
		}
	}
}
