// Package fault is the one error vocabulary of the platform: a kind for machines, a message fit for people, and a
// cause for operators that no caller ever sees.
//
// A module returns fault.Invalid("serialNumber", "…") and the like; internal/rest turns the kind into a status in one
// switch. An error without a kind is Internal: it is logged with its cause and shown as a plain internal error.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of thing went wrong, as far as a caller's next step depends on it.
type Kind uint8

const (
	Internal        Kind = iota // our bug or a failed machine; the caller can only report it
	Invalid                     // the request is wrong; Field says where
	Unauthenticated             // nobody known is calling: sign in and try again
	Forbidden                   // the caller is known and may not
	NotFound                    // no such object, or none the caller may know of
	Conflict                    // it exists already, or is in use
	Stale                       // the caller's etag is not the object's version any more: read it again
	TooLarge                    // over a limit that the message names
	TooMany                     // too many requests; retry after a while
	Unavailable                 // not now: storage full, starting, stopping
	Unprocessable               // understood, and cannot be done in the object's present state
)

// Error is an error that may be shown to whoever caused it.
type Error struct {
	Kind    Kind
	Field   string // the request field at fault, "" when it is none
	Message string // one sentence for people: which, why, what to do
	Cause   error  // for the log only; may be nil
}

func (e *Error) Error() string {
	s := e.Message
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Cause }

// New returns an Error of the kind with a formatted message.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Field returns an Invalid error about one field of the request.
func Field(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an Error of the kind that keeps cause for the log.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// KindOf returns the kind of the first Error in err's chain, or Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
