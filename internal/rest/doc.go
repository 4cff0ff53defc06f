// Package rest holds the habits all REST modules share: how an error becomes an answer, how a request body and paging
// are read, how one object and a list are written, and how a token becomes the caller.
//
// Handlers return errors, mostly of package fault; ErrorHandler is the only place that knows about status codes. Two
// error shapes exist because clients in the field read two: the directory's (an object under "error") and, on routes
// with PlainErrors, the identity service's (a phrase under "error"). Success is always 200, also for a create, and a
// successful object never has a top-level "message": clients take that for a failure.
package rest
