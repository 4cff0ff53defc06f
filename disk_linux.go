package main

import "golang.org/x/sys/unix"

// diskSpace returns how many bytes are free for us, and how many there are, on the disk of a folder; zeros when it is not known.
func diskSpace(dir string) (free, total int64) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, 0
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize
}
