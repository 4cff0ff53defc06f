// Package timeseries keeps the points devices publish to time-series channels, and answers reads of them.
//
// A series is one channel: an account and a topic. A point has a time in milliseconds and up to three members:
// category, number, text. Points of the same time are all kept, in the order they came.
//
// Writing. The broker hands each accepted publish on a time-series channel to the function Sink returned for its topic.
// Parse tells the payload's form (CSV, SenML, JSON, number, 4-byte float); a payload is kept whole or, when any of it is
// malformed, not at all, and the Reporter hears why. Kept points go to the head of their series in memory and into the
// publish's journal batch, so they are on disk before the publish is acknowledged. When the journal is checkpointed, the
// head is written to the store in chunks (store.go) and begins anew. After a crash the journal is replayed into the head.
//
// Reading. GET /api/v4/data/<topic> pages through a range, /latest gives the newest (http.go). Reads see points from the
// moment they are accepted, which may be a few milliseconds before they are durable.
//
// What a topic means and who may read it is asked through Channels and Access. Everything is kept for good; there is no
// deletion and no aggregation here yet.
package timeseries
