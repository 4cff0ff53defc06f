// Package storage keeps what must last: one store file of ordered buckets, and a journal in front of it for the fast
// paths. The engine underneath is nobody else's business.
//
// # The trap first
//
// Keys and values that a [Bucket] returns are the store's own memory. They may be read until the transaction's function
// returns and must never be written to. Decode them, or copy.
//
// # The store
//
// [DB.View] reads a consistent state; [DB.Update] writes. Updates of many goroutines share one commit: each function runs
// once, the group is synced once, then all callers return. What Update has returned nil for is on disk.
//
// # The journal
//
// A publish cannot wait for its own commit of a tree. It adds records to a [Batch], and the batch becomes one entry of an
// append-only log: one sequential write and one sync for all batches that gathered during the sync before.
//
//	b := j.Begin()          // holds off checkpoints
//	b.Add('t', key, point)  // a record of the time series' stream
//	lsn := b.Append()       // the batch has its place in the order of the world
//	head.add(point)         // memory follows
//	b.End()
//	err := j.Wait(ctx, lsn) // or j.Notify: on disk
//
// What nobody waits for is appended with AppendLater, and causes no sync of its own.
//
// A batch is all or nothing after a crash. What the records mean is known to the [Consumer] of their stream, which keeps
// their effect in memory. A checkpoint asks all consumers to freeze what they have at one LSN (the cut), has each write it
// into the store in one transaction together with the cut, and gives the journal's files up to there back for re-use. At
// start a consumer loads its part of the store, and [Journal.Attach] replays what lies behind its cut.
//
// # Promises
//
//   - Nothing is acknowledged (Update, Wait, Waiter) before its sync has returned.
//   - After the first I/O error nothing is acknowledged any more: [DB.Failed] closes, and the process should end. What a
//     failed sync leaves on disk is only known after reading it again.
//   - Damage is refused: Open checks the store's structure and checksums and the journal's chain, and every read checks
//     its value. Only the unacknowledged end of the journal, torn by a crash, is cut off silently. One lost header page
//     of the store is no reason to refuse: see FORMAT.md.
//   - A [Waiter], OnCommit and the transaction functions run on goroutines everybody shares: they must not block.
//
// # Goroutines
//
//	committer     runs and commits Updates                        started by Open, ended by Close
//	writer        writes and syncs the journal's groups           "
//	notifier      tells Waiters, so that the next sync overlaps   "
//	checkpointer  runs checkpoints when enough has gathered       "
//
// # Lock order
//
// Journal.checkpointing, then Journal.barrier, then Journal.mu, Journal.files and notifier.mu, each of the last three
// alone.
package storage
