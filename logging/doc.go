// Package logging keeps what devices and the platform did, account by account, and answers searches of it. It is a part
// of the product, not the process's own log.
//
// An Entry comes from a device, which publishes to its _log channel, or from the platform: connections, refusals, changes
// of objects. A device's entry goes into the publish's journal batch (Sink) and is on disk before the publish is
// acknowledged; what a payload says about its origin is not believed. The platform's entries are handed over without
// waiting (Append; Report for what a client can cause at will) and written by a goroutine.
//
// From the journal, entries come into the store at the next checkpoint (head.go, store.go), where they stay for the
// retention time. After a crash the journal is replayed into memory.
//
// POST /api/v1/logs/search understands a small part of Elasticsearch's query language (query.go), for the account users of
// an account.
package logging
