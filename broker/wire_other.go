//go:build !linux

package broker

// rawIO is off where raw non-blocking calls are not known to be safe: reads go through net.Conn, writes through the
// connection's writer goroutine.
const rawIO = false

func rawWrite(uintptr, []byte) (int, error) { panic("broker: rawWrite without rawIO") }

func rawShutdown(uintptr) { panic("broker: rawShutdown without rawIO") }

func rawEnded(uintptr) bool { panic("broker: rawEnded without rawIO") }

func rawRead(uintptr, []byte) (int, bool, error) { panic("broker: rawRead without rawIO") }

func descriptorLimit() uint64 { return 0 }
