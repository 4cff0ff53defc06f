// Package blueprint is the directory: what exists in an account, who may do what with it, and what a topic means.
//
// Its nouns are organizations, devices, end users, account users, their templates, custom fields and channel templates of
// templates, MQTT credentials, roles, grants and saved searches. Each noun is a table of fields (a kind:
// organization.go, device.go, …) over one small engine: field.go reads request values, directory.go creates, changes,
// deletes and recovers, list.go and finder.go find, permit.go judges, audit.go remembers, http.go speaks REST, store.go
// knows the keys. A new noun is a new table; the engine does not change.
//
// Every noun R answers GET R, POST R, GET, PUT, PATCH and DELETE R/{id}, and POST R/{id}/recover:
//
//	accounts (read and change the own one)
//	organizations  organizations/templates  organizations/custom-fields
//	devices        devices/templates        devices/custom-fields        channels/templates
//	end-users      end-users/templates      end-users/custom-fields
//	account-users  account-users/templates
//	access/mqtt-credentials  access/roles  access/grants  searches
//
// Besides (each file's comment has the parameters):
//
//	association/create-association-code, association/start-association-with-code   association.go
//	batch                                                                          batch.go
//	access/explain, access/devices/{id}/users, access/users/{id}/devices           explain.go
//	audit, audit/{id}, audit/{id}/undo                                             audithttp.go
//	search, search/suggest, searches/{id}/results                                  searches.go
//	devices/import, devices/import/{id}, devices/export, export, import            importjob.go, export.go, importall.go
//
// Lists take page, pageSize, sortBy, sortOrder, meta, results, expand, any field of the noun as a filter, custom ones
// too, q (the language of package search) and facets; organizations take deviceTemplateId and count=children as well.
//
// What it promises:
//
//   - A 2xx to a write follows the fsync of the write. A write is one transaction: checks and changes see one state, so
//     of fifty creates with one serial number exactly one wins. The next read and search see it.
//   - Nothing of another account can be told from nothing at all: the same 404, by the same path. The same holds for
//     what a caller of the account may not even read.
//   - PUT is partial, unknown and server-kept members are ignored, an etag is optional; a stale one is refused.
//   - version changes when somebody changes an object through the API and not otherwise. What the server keeps by itself
//     (connected, provisioningState, …) leaves it alone, so a device coming online cannot make an open form stale.
//   - Deletes are soft and take along what has no meaning alone (a device's credential, a template's channels); recover
//     brings both back until keep_deleted is over. What others still refer to cannot be deleted.
//   - A secret is shown once. Stored is its SHA-256 and nothing else.
//   - One evaluator (permit.go) judges REST and topics, on the concrete object and at the moment; a refusal names its
//     rule, and /access/explain gives the same words.
//   - Every change of every object is in the audit trail, in the same transaction.
//   - What a device is told over MQTT (reflection.go) is the last state, sooner or later; what is acknowledged on
//     _set/fields (setfields.go) is applied once, a crash in between or not.
//
// It leaves to others: who is signed in (identity), moving messages (broker), what happens to a channel's messages
// (timeseries, logging). Ids are random UUIDs (version 4): they are seen in topics by people who should not be able to
// read from them when something was made, or guess the next.
package blueprint
