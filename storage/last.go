package storage

// Last returns the newest LSN given out, on disk or not.
func (j *Journal) Last() LSN {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next - 1
}
