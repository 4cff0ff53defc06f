// Package operate is what those who run the platform look at and do: the overview with its history, backups, mail and
// certificate, limits.
//
// What is of one account is for its admins. What is of the server as a whole, such as its size on disk, its certificate
// and backups, which hold all accounts, is for admins of the operator's account only: the account that was made first, by
// the set-up link or `xively init`. Others do not get to know that there is more than them.
//
// # History
//
// A goroutine (Run) reads all counters once a minute and keeps the rates of the last 24 hours in memory, for each account
// that had traffic; an orderly stop writes them down. Sizes on disk are noted once an hour in the store. Who watches
// (live.go) reads the counters in between; nothing is counted here that the modules do not count anyway.
//
// # Backups
//
// See backup.go, archive.go for the file, and restore.go for how the running server goes back to one.
package operate
