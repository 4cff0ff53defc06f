// Package logging keeps what devices and the platform did, account by account, answers searches of it, and says in plain words
// what is wrong with a device. It is a part of the product, not the process's own log.
//
// # Entries
//
// An Entry comes from a device, which publishes to its _log channel, or from the platform: connections, refusals, changes
// of objects. A device's entry goes into the publish's journal batch (Sink) and is on disk before the publish is
// acknowledged; what a payload says about its origin is not believed. The platform's entries are handed over without
// waiting (Append; Report for what a client can cause at will) and written by a goroutine. What clients can cause is
// limited (limit.go); what is left out is counted, and told.
//
// # How they are kept
//
// From the journal, entries come into the store at the next checkpoint (head.go, store.go), as chunks of up to 61,440 (chunk.go). After
// a crash the journal is replayed into memory. Small chunks are merged, expired ones removed, and the oldest when there is too much
// (keep.go).
//
// A chunk splits a text into a pattern and its variables, the words with digits in them. Few patterns occur, so that most
// conditions are answered by looking at a hundred shapes instead of thousands of texts; filters tell which chunks cannot have a
// word; the rows of each source and of each rare severity are listed. Variables are stored by shape (column.go): who looks for a
// number beside a word reads the numbers of the statements that have the word. A search (search.go) asks every chunk for a set of
// rows (match.go, lookup.go, shapes.go, origins.go), counts it, and reads the texts of what it shows. Where the index cannot tell, it reads
// those texts that the rest of the search leaves over: values of custom members, whole texts, and how texts begin.
//
// # Questions
//
// ParseQuery reads Elasticsearch's query language, as far as Xively's clients may use it, ParseText what people type. Histograms count by time
// and severity. Watch shows entries as they come (tail.go). Diagnose (diagnosis.go, trouble.go) turns entries and what the flight
// recorder (recorder.go) holds of a device into findings with cause and remedy, and a timeline; of messages that it saw it also tells
// what became of them (fate.go). Suggest (suggest.go) completes a search that is being typed.
//
// # Lock order
//
// engine.mu, then tail.mu. group.mu and recorder.mu stand alone.
package logging
