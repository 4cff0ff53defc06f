package storage

import (
	"errors"
	"fmt"
)

// Open and Verify return these when a folder cannot be used as it is. Nothing in the folder has been changed.
var (
	ErrLocked   = errors.New("folder is in use by another process")
	ErrNotStore = errors.New("not a xively store")
	ErrNewer    = errors.New("store was written by a newer version")
)

// ErrDamaged means that bytes on disk are not the bytes that were written. Open and Verify return it, and so does any
// transaction that meets such a value. It is always wrapped with the file or the bucket and key.
var ErrDamaged = errors.New("data is damaged")

// A running store returns these.
var (
	ErrClosed     = errors.New("store is closed")
	ErrFull       = errors.New("store is full")
	ErrFailed     = errors.New("store has failed and takes no more writes until restart")
	ErrReadOnly   = errors.New("write in a read-only transaction")
	ErrTxDone     = errors.New("transaction has ended")
	ErrInvalidKey = errors.New("key must have 1 to 32768 bytes")
)

// PanicError is what Update returns to the caller whose function panicked. Its writes are undone; the others of the
// group are not touched.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("storage: panic in a transaction: %v", e.Value)
}

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// stop is the panic that carries an error out of a Bucket method to the end of the transaction, so that Get and Scan
// need no error result that every caller would have to pass on.
type stop struct{ err error }

// stopped turns what recover returned into the error that ends the transaction; ok is false for a panic that is not ours.
func stopped(r any) (err error, ok bool) {
	if s, is := r.(*stop); is {
		return s.err, true
	}
	// A fault on the mapped file: with debug.SetPanicOnFault the runtime reports the address.
	if f, is := r.(interface {
		error
		Addr() uintptr
	}); is {
		return damagedf("xively.db: cannot read a page: %v", f), true
	}
	return nil, false
}
