// Package timeseries keeps the points devices publish to time-series channels, and answers questions about them.
//
// A series is one channel: an account and a topic. A point has a time in milliseconds and up to three members:
// category, number, text. Points of the same time are all kept, in the order they came.
//
// # Writing
//
// The broker hands each accepted publish on a time-series channel to the function Sink returned for its topic. Parse
// tells the payload's form (CSV, SenML, JSON, number, 4-byte float); a payload is kept whole or, when any of it is
// malformed or over a limit, not at all, and the Reporter hears why. POST takes points in bulk (ingest.go, influx.go).
// Kept points go to the head of their series in memory and into a journal batch, so they are on disk before they are
// acknowledged (head.go). When the journal is checkpointed, the heads are written to the store in chunks (flush.go,
// store.go, FORMAT.md) and begin anew. After a crash the journal is replayed into the heads.
//
// A series that gets no points leaves memory; what is known of it is in the store's directory. So neither memory nor the
// time of a start depend on how many series there are.
//
// # Reading
//
// GET /api/v4/data/<topic> pages through a range and /latest gives the newest, as Xively did (query.go, http.go). Beyond
// that: aggregates by interval (aggregate.go, fill.go), down-sampling for charts (downsample.go), export (export.go),
// several series at once (many.go), and what each series costs (cost.go). Reads see points from the moment they are
// accepted, which may be a few milliseconds before they are durable.
//
// # Time
//
// The janitor (retention.go) rolls up each day that is over by the minute, hour and day (rollup.go), and removes points and
// roll-ups that are past their time, which is the channel's, its template's, the account's or the configuration's to say
// (keep.go). Aggregates use the roll-ups of a day when these say enough and nothing newer is known
// of it, chunks' headers where those do, and the points for the rest. Deleting is at once for readers, and the janitor
// gives the space back (delete.go).
//
// What a topic means and who may read or write it is asked through the interfaces in timeseries.go and many.go.
package timeseries
