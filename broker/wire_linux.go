package broker

import (
	"syscall"
	"unsafe"
)

// rawIO says that sockets are read and written without the runtime's blocking-call protocol. They are non-blocking, so the calls
// return at once and the scheduler need not be told.
const rawIO = true

// rawWrite writes what the socket takes now; a full socket is 0 and no error.
func rawWrite(fd uintptr, p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&p[done])), uintptr(len(p)-done))
		switch errno {
		case 0:
			done += int(n)
		case syscall.EAGAIN:
			return done, nil
		case syscall.EINTR:
		default:
			return done, errno
		}
	}
	return done, nil
}

// descriptorLimit returns how many files the process may have open, 0 when that is not known.
func descriptorLimit() uint64 {
	var l syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return l.Cur
}

func rawShutdown(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) }

// rawEnded reports whether a read would find the end of the stream now, or an error.
func rawEnded(fd uintptr) bool {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
}

// rawRead reads what is there. again: nothing now. n == 0 without again or error: the peer closed its side.
func rawRead(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		r, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
		switch errno {
		case 0:
			return int(r), false, nil
		case syscall.EAGAIN:
			return 0, true, nil
		case syscall.EINTR:
		default:
			return 0, false, errno
		}
	}
}
