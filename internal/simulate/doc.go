// Package simulate feeds a running server with devices that one can believe: for trials, for the console's tests, and for
// whoever wants to see the product full before owning a device.
//
// It is a client like any other. Over REST it makes device templates, a tree of organizations, devices with credentials
// and end users (provision.go) and sends the past: points and log entries of days gone by (backfill.go). Then every device
// connects over MQTT and reports what it measures, and some get into trouble (live.go, conn.go).
//
// Nothing is drawn from a generator that runs along: what a device measures, and what goes wrong with it, is a function of
// the seed, the device and the time (signal.go, kinds.go, story.go). So the past and the present are one curve, a second
// run goes on where the first ended, and two runs with one seed tell the same story. Only ids and secrets are the server's.
//
// A connection costs one goroutine that reads, and no buffers but the reader's few hundred bytes; all writing and dialing is done by a few
// workers that own the devices between them. Ten thousand devices take some 100 MB.
package simulate
